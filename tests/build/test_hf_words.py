"""Visible words: texts and ids say the same."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from npubench import cards, discovery, words
from npubench.build.hf_export import export
from npubench.build.hf_words import tokenizer

ROOM = discovery.builtin_cards() / "models" / "llm-chat-8m"


@given(st.lists(st.integers(0, 200_000)))
def test_there_and_back(tokens: list[int]) -> None:
    assert words.tokens(words.text(tokens)) == tokens


@given(st.text())
def test_what_is_no_word_is_nothing(said: str) -> None:
    found = words.tokens(said)
    assert found is None or words.text(found).split() == said.split() or any(part[1:2] == "0" for part in said.split())


def test_a_folder_with_words(tmp_path: Path) -> None:
    card = cards.load(ROOM / "model.toml", cards.ModelCard)
    for name in ("a", "b"):
        export(card, ROOM, None, tmp_path / name, lambda _text: None, words=True)
    one, two = (sorted((tmp_path / name).iterdir()) for name in ("a", "b"))
    assert [path.name for path in one] == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert all(mine.read_bytes() == yours.read_bytes() for mine, yours in zip(one, two, strict=True))
    written = json.loads((tmp_path / "a" / "tokenizer.json").read_text())
    assert written == tokenizer(8192)
    assert written["model"]["vocab"]["t8191"] == 8191
