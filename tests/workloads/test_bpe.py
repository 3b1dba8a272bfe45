from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.errors import DataError
from npubench.workloads.bpe import Tokenizer, byte_characters, load
from npubench.workloads.wordsplit import split

REAL = Path(__file__).parents[2] / "models" / "data" / "civic-prompts" / "tokenizer.json"

# Made with tokenizers 0.23.3, pre_tokenizers.ByteLevel(add_prefix_space=False); 200 000 random texts agreed as well.
SPLITS = [
    ("안녕하세요, 구청입니다.", ["안녕하세요", ",", " 구청입니다", "."]),
    (
        "It's 5 o'clock; they'll've gone\u2014we're 'done'",
        [
            *("It", "'s", " 5", " o", "'", "clock", ";", " they", "'ll", "'ve", " gone", "—", "we", "'re"),
            " '",
            "done",
            "'",
        ],
    ),
    (
        "  two  spaces\n\n\tand tabs \r\n end  ",
        [" ", " two", " ", " spaces", "\n\n", "\t", "and", " tabs", " \r\n", " end", "  "],
    ),
    (
        "123abc 45.6만원 ½² Ⅷ 제3조(목적)",
        ["123", "abc", " 45", ".", "6", "만원", " ½²", " Ⅷ", " 제", "3", "조", "(", "목적", ")"],
    ),
    (
        "a\xa0b\u3000c \u3000 d\x1c e\x85f",
        ["a", "\xa0", "b", "\u3000", "c", " \u3000", " d", "\x1c", " e", "\x85", "f"],
    ),
    ("IT'S I'M 'S 's", ["IT", "'", "S", " I", "'", "M", " '", "S", " '", "s"]),
    ("민원 접수 번호: 2026-00123호", ["민원", " 접수", " 번호", ":", " 2026", "-", "00123", "호"]),
    ("e\u0301 \u1100\u1161 😀👍🏽 ，。", ["e", "\u0301", " \u1100\u1161", " 😀👍🏽", " ，。"]),
    (" '", [" '"]),
    ("''s  's", ["''", "s", " ", " '", "s"]),
    ("١٢٣ ४५ 三四", ["١٢٣", " ४५", " 三四"]),
    ("_foo__bar_1", ["_", "foo", "__", "bar", "_", "1"]),
    ("\n \n", ["\n \n"]),
    ("don't", ["don", "'t"]),
    ("①② ㎡㎏ №3", ["①②", " ㎡㎏", " №", "3"]),
    ("tab\t\tx", ["tab", "\t", "\t", "x"]),
    ("   a", ["  ", " a"]),
    (" \t a", [" \t", " a"]),
]


@pytest.mark.parametrize(("text", "pieces"), SPLITS)
def test_text_is_split_as_by_gpt2(text: str, pieces: list[str]) -> None:
    assert split(text) == pieces


@given(st.text())
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text


def small(texts: tuple[str, ...] = ("민원 접수", " the resident", " 접수번호")) -> dict[str, Any]:
    """A tokenizer.json whose merges build up the words of `texts` from the left."""
    characters = byte_characters()
    vocabulary = {char: number for number, char in enumerate(sorted(characters))}
    merges = []
    for text in texts:
        for word in split(text):
            signs = [characters[byte] for byte in word.encode()]
            whole = signs[0]
            for sign in signs[1:]:
                if whole + sign not in vocabulary:
                    vocabulary[whole + sign] = len(vocabulary)
                    merges.append([whole, sign])
                whole += sign
    return {
        "version": "1.0",
        "added_tokens": [{"id": len(vocabulary), "content": "<|endoftext|>", "special": True, "lstrip": False}],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "vocab": vocabulary, "merges": merges},
    }


SMALL = Tokenizer(small(), "small")


@given(st.text())
@settings(max_examples=300)
def test_decoding_undoes_encoding(text: str) -> None:
    assert SMALL.decode(SMALL.encode(text)) == text


@given(st.lists(st.integers(-3, 400)))
def test_any_ids_decode_and_stream_alike(ids: list[int]) -> None:
    stream = SMALL.stream()
    assert "".join(map(stream.push, ids)) + stream.finish() == SMALL.decode(ids)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="the civic-prompts data set is not built")
@given(st.text(st.characters(codec="utf-8")) | st.text("민원접수 abc'st12\n"))
@settings(max_examples=100, deadline=None)
def test_the_data_sets_own_tokeniser_decodes_what_it_encodes(text: str) -> None:
    tokenizer = load(REAL)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_words_with_merges_are_one_token() -> None:
    assert len(SMALL.encode("민원 접수")) == 2
    assert len(SMALL.encode(" 접수번호 접수")) == 2
    assert len(SMALL.encode("xyz")) == 3


def test_the_earliest_merge_wins() -> None:
    spec = small(())
    characters = byte_characters()
    vocabulary = spec["model"]["vocab"]
    for token in ("bc", "ab", "bcc", "abb"):
        vocabulary[token] = len(vocabulary) + 10
    spec["model"]["merges"] = ["b c", "a b"]
    ids = Tokenizer(spec, "t").encode("abcab")
    assert ids == [vocabulary[token] for token in ("a", "bc", "ab")]
    assert characters[32] == "Ġ"


def test_added_tokens_are_found_in_the_text() -> None:
    spec = small()
    end = spec["added_tokens"][0]["id"]
    ids = SMALL.encode("민원<|endoftext|> 접수번호<|endoftext|>")
    assert [place for place, token in enumerate(ids) if token == end] == [1, 3]
    assert SMALL.decode(ids) == "민원<|endoftext|> 접수번호<|endoftext|>"


def test_ids_outside_the_vocabulary_read_as_replacement() -> None:
    assert SMALL.decode([SMALL.size, -1, *SMALL.encode("민원")]) == "\ufffd\ufffd민원"


def test_digits_alone_and_prefix_space_and_whole_words() -> None:
    spec = small((" 12",))
    spec["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [{"type": "Digits", "individual_digits": True}, spec["pre_tokenizer"]],
    }
    assert len(Tokenizer(spec, "t").encode("a 12")) == 4
    spec["pre_tokenizer"]["pretokenizers"][0]["individual_digits"] = False
    assert list(Tokenizer(spec, "t").pieces("a 12b")) == ["a", " ", "12", "b"]
    prefixed = small()
    prefixed["pre_tokenizer"]["add_prefix_space"] = True
    assert Tokenizer(prefixed, "t").decode(Tokenizer(prefixed, "t").encode("a")) == " a"
    whole = small(())
    whole["model"]["vocab"]["xyz"] = 900
    whole["model"]["ignore_merges"] = True
    assert Tokenizer(whole, "t").encode("xyz") == [900]


def change(path: str, value: object) -> dict[str, Any]:
    spec = copy.deepcopy(small())
    *parents, last = path.split(".")
    place: Any = spec
    for key in parents:
        place = place[key]
    place[last] = value
    return spec


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("normalizer", {"type": "NFKC"}),
        ("pre_tokenizer", None),
        ("pre_tokenizer.type", "Whitespace"),
        ("pre_tokenizer.use_regex", False),
        ("model.type", "Unigram"),
        ("model.byte_fallback", True),
        ("model.vocab", {"a": 1}),
        ("model.vocab", []),
        ("model.vocab", {"a": -1}),
        ("model.vocab", {"a": 10**12}),
        ("model.merges", None),
        ("model.merges", ["a"]),
        ("model.merges", [["nope", "never"]]),
        ("added_tokens", [{"content": "x"}]),
        ("added_tokens", [{"content": "x", "id": 1, "lstrip": True}]),
    ],
)
def test_what_cannot_be_read_exactly_is_refused(path: str, value: object) -> None:
    with pytest.raises(DataError, match=path.split(".", maxsplit=1)[0]) as caught:
        Tokenizer(change(path, value), "models/tokenizer.json")
    assert "models/tokenizer.json" in str(caught.value)
    assert caught.value.hint


@given(st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(msgspec.json.encode))
def test_any_file_is_read_or_refused(body: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_bytes(body)
        with pytest.raises(DataError):
            load(path)


def test_a_saved_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(small()), encoding="utf-8")
    assert load(path).encode("민원") == SMALL.encode("민원")
