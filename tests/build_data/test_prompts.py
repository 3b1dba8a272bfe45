"""The prompts and the tokeniser: deterministic, as long as they should be, read by our own tokeniser."""

from __future__ import annotations

import builtins
import importlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.build.data import phrases, prompts
from npubench.discovery import builtin_cards
from npubench.errors import DataError
from npubench.workloads import bpe
from npubench.workloads.prompts import exactly, read_prompts

FOLDER = builtin_cards() / "models" / "data" / "civic-prompts"


@pytest.fixture(scope="module")
def tokenizer() -> bpe.Tokenizer:
    return bpe.load(FOLDER / "tokenizer.json")


@pytest.fixture(scope="module")
def lines() -> list[dict[str, str]]:
    return [json.loads(line) for line in (FOLDER / "prompts.jsonl").read_text("utf-8").splitlines()]


def test_the_committed_prompts_are_what_the_code_composes(lines: list[dict[str, str]]) -> None:
    composed = prompts.compose(96, "civic-prompts/1")
    assert lines == [{"id": p.id, "lang": p.lang, "demand": p.demand, "text": p.text} for p in composed]
    assert len({line["id"] for line in lines}) == len({line["text"] for line in lines}) == 96
    assert set(Counter((line["lang"], line["demand"]) for line in lines).values()) == {16}


def test_lengths_in_tokens(lines: list[dict[str, str]], tokenizer: bpe.Tokenizer) -> None:
    for line in lines:
        tokens = len(tokenizer.encode(line["text"]))
        if line["demand"] == "administration":
            assert tokens >= 160, line
        else:
            assert 15 <= tokens <= 60, line


def test_the_workload_reads_and_cuts_them(tokenizer: bpe.Tokenizer) -> None:
    read = read_prompts(FOLDER / "prompts.jsonl")
    assert len(read) == 96
    assert all(len(exactly(tokenizer, read, start, 128).ids) == 128 for start in range(96))


def test_the_tokeniser_is_exactly_8192_tokens_and_small(tokenizer: bpe.Tokenizer) -> None:
    path = FOLDER / "tokenizer.json"
    assert path.stat().st_size < 600_000
    spec = json.loads(path.read_text("utf-8"))
    assert sorted(spec["model"]["vocab"].values()) == list(range(prompts.VOCABULARY))
    assert tokenizer.size == prompts.VOCABULARY == 8192
    assert [(entry["id"], entry["content"]) for entry in spec["added_tokens"]] == [*enumerate(prompts.SPECIAL_TOKENS)]
    assert spec["model"]["type"] == "BPE"
    assert spec["pre_tokenizer"]["type"] == spec["decoder"]["type"] == "ByteLevel"
    assert spec["pre_tokenizer"]["add_prefix_space"] is False
    assert spec["normalizer"] is spec["post_processor"] is None


def test_all_prompts_survive_encoding(lines: list[dict[str, str]], tokenizer: bpe.Tokenizer) -> None:
    for line in lines:
        ids = tokenizer.encode(line["text"])
        assert tokenizer.decode(ids) == line["text"]
        assert max(ids) < prompts.VOCABULARY


def test_special_tokens_are_one_id_each(tokenizer: bpe.Tokenizer) -> None:
    ids = tokenizer.encode(f"{prompts.USER}안녕하세요{prompts.ASSISTANT}Hello{prompts.END}")
    assert [ids[0], ids[-1]] == [1, 0]
    assert ids.count(2) == 1


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_survives_encoding(text: str) -> None:
    tokenizer = _loaded()
    assert tokenizer.decode(tokenizer.encode(text)) == text


def _loaded(cache: list[bpe.Tokenizer] = []) -> bpe.Tokenizer:  # noqa: B006 - one load for all examples
    if not cache:
        cache.append(bpe.load(FOLDER / "tokenizer.json"))
    return cache[0]


def test_our_tokeniser_gives_the_ids_of_the_library(lines: list[dict[str, str]], tokenizer: bpe.Tokenizer) -> None:
    library = pytest.importorskip("tokenizers", reason="no dependency of npubench: pip install tokenizers")
    theirs = library.Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    for line in lines:
        assert tokenizer.encode(line["text"]) == theirs.encode(line["text"]).ids


def test_training_again_gives_the_committed_bytes() -> None:
    pytest.importorskip("tokenizers", reason="no dependency of npubench: pip install tokenizers")
    assert prompts.train_tokenizer() == (FOLDER / "tokenizer.json").read_bytes()


def test_training_without_the_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(prompts, "import_module", absent)
    with pytest.raises(DataError, match="tokenizers is absent") as caught:
        prompts.train_tokenizer()
    assert caught.value.hint == "pip install tokenizers"


def test_importing_needs_no_tokenizers(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def guarded(name: str, *rest: Any, **named: Any) -> Any:
        assert name.partition(".")[0] != "tokenizers"
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", guarded)
    importlib.reload(prompts)


def test_a_prompt_depends_on_seed_and_place_only() -> None:
    many, few = prompts.compose(60, "a/1"), prompts.compose(12, "a/1")
    assert many[:12] == few
    texts = {prompt.text for prompt in many}
    assert len(texts) == 60
    assert not texts & {prompt.text for prompt in prompts.compose(60, "a/2")}


def test_two_seed_texts_share_few_prompts() -> None:
    measured = {prompt.text for prompt in prompts.compose(96, "civic-prompts/1")}
    others = {prompt.text for prompt in prompts.compose(3000, "civic-prompts/other")}
    assert len(measured & others) <= 4


@given(language=st.sampled_from(prompts.LANGUAGES), demand=st.sampled_from(prompts.DEMANDS), seed=st.text(max_size=12))
def test_nothing_of_the_rules_is_left_in_a_text(language: Any, demand: Any, seed: str) -> None:
    try:
        text = prompts.compose_text(language, demand, seed)
    except UnicodeEncodeError:
        return
    assert not set(text) & set("{}|")
    assert not any(pair in text for pair in ("은/는", "이/가", "을/를", "와/과", "로/으로"))
    assert text == text.strip()
    assert "  " not in text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("여권을/를", "여권을"),
        ("토지대장이/가", "토지대장이"),
        ("환율와/과 장학금와/과", "환율과 장학금과"),
        ("서울로/으로 부산로/으로 제주로/으로", "서울로 부산으로 제주로"),
        ("CCTV이/가", "CCTV가"),
        ("3은/는 2은/는 7로/으로 6로/으로", "3은 2는 7로 6으로"),
        ("태양계은/는", "태양계는"),
        ("가/나", "가/나"),
    ],
)
def test_korean_particles(written: str, read: str) -> None:
    assert prompts.particles(written) == read


def test_rules_name_only_rules() -> None:
    for words, sentences in (
        (phrases.KOREAN_WORDS, phrases.KOREAN_SENTENCES),
        (phrases.ENGLISH_WORDS, phrases.ENGLISH_SENTENCES),
    ):
        names = {*words, *sentences}
        for text in (*words.values(), *sentences.values()):
            for found in prompts._SLOT.finditer(text):
                assert found[1] is None or found[1] in names
                assert found[2] is None or int(found[2]) < int(found[3])
            assert prompts._SLOT.sub("", text).count("{") == 0
        for text in words.values():
            assert all(word and word == word.strip() for word in text.split("|"))


def test_the_folder_holds_nothing_else() -> None:
    assert {path.name for path in Path(FOLDER).iterdir()} == {"data.toml", "prompts.jsonl", "tokenizer.json"}
