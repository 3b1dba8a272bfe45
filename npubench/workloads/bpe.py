"""Byte-level BPE in plain Python, from a Hugging Face `tokenizer.json`: text → token ids → text.

Guarantees: the ids that the `tokenizers` library gives without its post-processor, for files whose model is BPE and
whose pre-tokeniser is ByteLevel, alone or behind Digits; without `add_prefix_space` also `decode(encode(text)) == text`
for any text (a lone surrogate, which has no UTF-8, excepted). A file that uses anything else is a DataError that names
the file, the key and what was expected, because a tokeniser that is nearly right would count wrong tokens.

Not aware of: models, prompts, chat templates.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from npubench.errors import DataError
from npubench.lang import here
from npubench.workloads.asking import read_bytes
from npubench.workloads.wordsplit import SIGNS, split

# A word's ids are remembered up to this many words, about 30 MB; `tokenizers` keeps 10 000.
_CACHE_WORDS = 100_000


def byte_characters() -> list[str]:
    """The printable character that stands for each byte 0..255 (GPT-2's `bytes_to_unicode`)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {byte: chr(byte) for byte in plain}
    others = (byte for byte in range(256) if byte not in table)
    table.update({byte: chr(0x100 + place) for place, byte in enumerate(others)})
    return [table[byte] for byte in range(256)]


class Tokenizer:
    """A loaded tokenizer.json. Only its cache of words changes."""

    def __init__(self, spec: dict[str, Any], name: str) -> None:
        """`spec` is the parsed file, `name` what messages call it. Raises DataError."""
        self._name = name
        self._read_pipeline(spec)
        model = self._table(spec, "model")
        self._check_model(model)
        vocabulary: dict[str, int] = model["vocab"]
        added = self._read_added(spec)
        characters = byte_characters()
        absent = [f"0x{byte:02X}" for byte, char in enumerate(characters) if char not in vocabulary]
        if absent:
            raise self._wrong("model.vocab", f"no token for bytes {', '.join(absent[:4])}", "a token for each byte")
        self._byte_ids = [vocabulary[char] for char in characters]
        self._whole_words = model.get("ignore_merges", False)
        byte_of = {char: byte for byte, char in enumerate(characters)}
        self.size = 1 + max([*vocabulary.values(), *added.values()])
        self._bytes: list[bytes] = [_UNKNOWN] * self.size
        for token, number in vocabulary.items():
            known = all(char in byte_of for char in token)
            self._bytes[number] = bytes(byte_of[char] for char in token) if known else token.encode()
        for token, number in added.items():
            self._bytes[number] = token.encode()
        self._word_ids = {self._bytes[number]: number for number in vocabulary.values()}
        self._merges = self._read_merges(model, vocabulary)
        self._added = added
        longest_first = sorted(added, key=len, reverse=True)
        self._added_pattern = re.compile("|".join(map(re.escape, longest_first))) if added else None
        self._cache: dict[str, tuple[int, ...]] = {}

    def encode(self, text: str) -> list[int]:
        """The token ids of `text`. Added tokens (such as <|endoftext|>) in the text become their own id."""
        ids: list[int] = []
        for piece in self.pieces(text):
            ids += self.word(piece)
        return ids

    def pieces(self, text: str) -> Iterator[str]:
        """The added tokens and words that `text` is tokenised by; joined they are `text` (plus a leading space)."""
        if self._added_pattern is None:
            yield from self._words(text)
            return
        place = 0
        for found in self._added_pattern.finditer(text):
            yield from self._words(text[place : found.start()])
            yield found.group()
            place = found.end()
        yield from self._words(text[place:])

    def word(self, piece: str) -> tuple[int, ...]:
        """The ids of one piece of `pieces`."""
        known = self._cache.get(piece)
        if known is None:
            known = (self._added[piece],) if piece in self._added else self._merge(piece.encode(errors="replace"))
            if len(self._cache) < _CACHE_WORDS:
                self._cache[piece] = known
        return known

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`. Ids that the vocabulary does not have, and broken UTF-8, read as U+FFFD."""
        return b"".join(map(self.token_bytes, ids)).decode(errors="replace")

    def token_bytes(self, token: int) -> bytes:
        """The UTF-8 bytes of one token, perhaps a part of a character; U+FFFD's for an id outside the vocabulary."""
        return self._bytes[token] if 0 <= token < self.size else _UNKNOWN

    def stream(self) -> Stream:
        """A decoder for tokens that arrive one by one."""
        return Stream(self)

    def _words(self, text: str) -> Iterable[str]:
        if not text:
            return ()
        if self._prefix_space and not text.startswith(" "):
            text = " " + text
        if self._digits is None:
            return split(text)
        parts = (text[found.start() : found.end()] for found in self._digits.finditer(text.translate(SIGNS)))
        return (piece for part in parts for piece in split(part))

    def _merge(self, word: bytes) -> tuple[int, ...]:
        if self._whole_words and word in self._word_ids:
            return (self._word_ids[word],)
        ids = [self._byte_ids[byte] for byte in word]
        merges = self._merges
        while len(ids) > 1:
            ranked = [merges[pair] for pair in pairwise(ids) if pair in merges]
            if not ranked:
                break
            _, first, second, joined = min(ranked)
            place, merged = 0, []
            while place < len(ids):
                if ids[place] == first and place + 1 < len(ids) and ids[place + 1] == second:
                    merged.append(joined)
                    place += 2
                else:
                    merged.append(ids[place])
                    place += 1
            ids = merged
        return tuple(ids)

    def _read_pipeline(self, spec: dict[str, Any]) -> None:
        """The normaliser (must be none) and the pre-tokeniser: ByteLevel, or a Sequence of Digits and ByteLevel."""
        if spec.get("normalizer") is not None:
            raise self._wrong("normalizer", spec["normalizer"], "null")
        self._digits: re.Pattern[str] | None = None
        outer = self._table(spec, "pre_tokenizer")
        steps = outer.get("pretokenizers", []) if outer.get("type") == "Sequence" else [outer]
        kinds = [step.get("type") for step in steps]
        if kinds not in (["ByteLevel"], ["Digits", "ByteLevel"]):
            raise self._wrong("pre_tokenizer", kinds, "ByteLevel, or Digits and ByteLevel")
        level = steps[-1]
        if not level.get("use_regex", True):
            raise self._wrong("pre_tokenizer.use_regex", False, "true")
        self._prefix_space = bool(level.get("add_prefix_space", True))
        if len(steps) == 2:
            if self._prefix_space:
                raise self._wrong("pre_tokenizer.add_prefix_space", True, "false behind Digits")
            single = steps[0].get("individual_digits", False)
            self._digits = _SINGLE_DIGITS if single else _DIGIT_RUNS

    def _check_model(self, model: dict[str, Any]) -> None:
        if model.get("type", "BPE") != "BPE":
            raise self._wrong("model.type", model["type"], "BPE")
        for key in ("continuing_subword_prefix", "end_of_word_suffix", "dropout", "byte_fallback"):
            if model.get(key):
                raise self._wrong(f"model.{key}", model[key], "null or empty")
        vocabulary = model.get("vocab")
        if not isinstance(vocabulary, dict) or not vocabulary:
            raise self._wrong("model.vocab", type(vocabulary).__name__, "a table of token → id")
        for token, number in vocabulary.items():
            if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < _MOST_TOKENS:
                raise self._wrong(f"model.vocab.{token}", number, "a whole number ≥ 0")

    def _read_merges(
        self, model: dict[str, Any], vocabulary: dict[str, int]
    ) -> dict[tuple[int, int], tuple[int, int, int, int]]:
        """(first id, second id) → (rank, first id, second id, id of both)."""
        listed = model.get("merges")
        if not isinstance(listed, list):
            raise self._wrong("model.merges", type(listed).__name__, "a list of pairs")
        merges: dict[tuple[int, int], tuple[int, int, int, int]] = {}
        for rank, entry in enumerate(listed):
            pair = entry.split(" ") if isinstance(entry, str) else entry
            if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
                raise self._wrong(f"model.merges[{rank}]", entry, "two tokens")
            numbers = [vocabulary.get(token) for token in (*pair, "".join(pair))]
            first, second, joined = numbers
            if first is None or second is None or joined is None:
                raise self._wrong(f"model.merges[{rank}]", entry, "tokens of the vocabulary")
            merges.setdefault((first, second), (rank, first, second, joined))
        return merges

    def _read_added(self, spec: dict[str, Any]) -> dict[str, int]:
        added: dict[str, int] = {}
        for place, entry in enumerate(spec.get("added_tokens") or []):
            key = f"added_tokens[{place}]"
            if not isinstance(entry, dict) or not entry.get("content") or not isinstance(entry.get("id"), int):
                raise self._wrong(key, entry, "a table with id and content")
            if not 0 <= entry["id"] < _MOST_TOKENS:
                raise self._wrong(f"{key}.id", entry["id"], "a whole number ≥ 0")
            for option in ("single_word", "lstrip", "rstrip"):
                if entry.get(option):
                    raise self._wrong(f"{key}.{option}", True, "false")
            added[str(entry["content"])] = entry["id"]
        return added

    def _table(self, spec: dict[str, Any], key: str) -> dict[str, Any]:
        value = spec.get(key)
        if not isinstance(value, dict):
            raise self._wrong(key, value, "a table")
        return value

    def _wrong(self, key: str, found: object, expected: str) -> DataError:
        shown = repr(found)
        shown = shown if len(shown) <= 80 else shown[:77] + "…"
        return DataError(
            here(
                f"{self._name}: {key}: found {shown}; expected {expected}",
                f"{self._name}: {key}: {shown} 발견, {expected} 필요",
            ),
            hint=here(
                "npubench reads byte-level BPE files of the Hugging Face tokenizers library",
                "npubench는 Hugging Face tokenizers의 byte-level BPE 파일을 읽습니다",
            ),
        )


class Stream:
    """Text from tokens that arrive one by one: a character is handed out when its last byte is there."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._token_bytes = tokenizer.token_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """The characters that `token` completes, perhaps none."""
        return self._decoder.decode(self._token_bytes(token))

    def finish(self) -> str:
        """What is left; a character that was cut off reads as U+FFFD. The stream can then be used again."""
        rest = self._decoder.decode(b"", True)
        self._decoder.reset()
        return rest


_UNKNOWN = "\N{REPLACEMENT CHARACTER}".encode()
# No vocabulary in use has more than 300 000 tokens; a larger id in a broken file must not allocate a table that large.
_MOST_TOKENS = 1 << 22
# `Digits` isolates what Rust's char::is_numeric holds for numbers, Nd, Nl and No, which is the sign N.
_SINGLE_DIGITS = re.compile(r"N|[^N]+")
_DIGIT_RUNS = re.compile(r"N+|[^N]+")


def load(path: Path) -> Tokenizer:
    """Reads a tokenizer.json. Raises DataError naming the file and key."""
    try:
        spec = msgspec.json.decode(read_bytes(path))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(
            here(f"{path}: not valid JSON: {error}", f"{path}: 올바른 JSON이 아닙니다: {error}"),
            hint=here("restore the file", "파일을 되돌리십시오"),
        ) from None
    if not isinstance(spec, dict):
        raise DataError(
            here(f"{path}: found no table; expected a tokenizer.json", f"{path}: tokenizer.json이 아닙니다")
        )
    return Tokenizer(spec, str(path))
