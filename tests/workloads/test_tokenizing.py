"""Our own reader first; what it cannot take exactly goes to the library, or says which one is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from npubench.errors import DataError
from npubench.workloads.bpe import Tokenizer, byte_characters
from npubench.workloads.prompts import Prompt, exactly
from npubench.workloads.tokenizing import LibraryTokenizer, load

PLAIN = {
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
    "model": {"type": "BPE", "vocab": {char: byte for byte, char in enumerate(byte_characters())}, "merges": []},
}
FOREIGN = {**PLAIN, "pre_tokenizer": {"type": "Metaspace"}}


def written(path: Path, spec: Any) -> Path:
    path.write_text(json.dumps(spec))
    return path


class Inner:
    """Stands in for tokenizers.Tokenizer: a token is a character."""

    @classmethod
    def from_file(cls, path: str) -> Inner:
        if "Metaspace" not in Path(path).read_text():
            raise Exception("expected value at line 1")
        return cls()

    def no_padding(self) -> None: ...
    def no_truncation(self) -> None: ...

    def encode(self, text: str, add_special_tokens: bool) -> Any:
        assert not add_special_tokens
        return SimpleNamespace(ids=[ord(char) for char in text])

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        assert not skip_special_tokens
        return "".join(map(chr, ids))


class DecodeStream:
    def __init__(self, skip_special_tokens: bool) -> None: ...

    def step(self, inner: Inner, token: int) -> str | None:
        if token > 0x10FFFF:
            raise Exception("Invalid prefix encountered")
        return chr(token) if token else None


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    package, decoders = ModuleType("tokenizers"), ModuleType("tokenizers.decoders")
    package.Tokenizer, package.decoders = Inner, decoders  # type: ignore[attr-defined]
    decoders.DecodeStream = DecodeStream  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tokenizers", package)
    monkeypatch.setitem(sys.modules, "tokenizers.decoders", decoders)


def test_ours_is_asked_first(library: None, tmp_path: Path) -> None:
    assert isinstance(load(written(tmp_path / "tokenizer.json", PLAIN)), Tokenizer)


def test_what_ours_cannot_take_goes_to_the_library(library: None, tmp_path: Path) -> None:
    found = load(written(tmp_path / "tokenizer.json", FOREIGN))
    assert isinstance(found, LibraryTokenizer)
    assert found.decode(found.encode("구청 a")) == "구청 a"
    stream = found.stream()
    assert [stream.push(token) for token in (0xAD6C, 0, 1 << 30, 0x61)] == ["구", "", "\N{REPLACEMENT CHARACTER}", "a"]
    assert stream.finish() == ""


def test_prompts_have_the_length_that_was_asked_for(library: None, tmp_path: Path) -> None:
    found = load(written(tmp_path / "tokenizer.json", FOREIGN))
    fed = exactly(found, [Prompt(id="a", text="민원 접수"), Prompt(id="b", text="구청 위치 안내")], 1, 20)
    assert len(fed.ids) == 20
    assert list(found.encode(fed.text)[:20]) == fed.ids


def test_without_the_library_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(DataError, match=r"tokenizer\.json: pre_tokenizer: found \['Metaspace'\]") as caught:
        load(written(tmp_path / "tokenizer.json", FOREIGN))
    assert 'pip install "tokenizers>=0.21"' in (caught.value.hint or "")


def test_a_file_that_nobody_can_read(library: None, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tokenizer\.json: not a tokenizer\.json: expected value"):
        load(written(tmp_path / "tokenizer.json", {"model": 1}))
