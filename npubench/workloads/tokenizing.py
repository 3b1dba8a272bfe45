"""A tokenizer.json of any kind: our own reader for plain byte-level BPE, else the `tokenizers` library where it is.

Guarantees: a file that our reader cannot take exactly is never read approximately; where the library is needed and not
there, the error says what to install. Special tokens are never added. Not aware of: models, prompts, chat templates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from npubench.errors import DataError
from npubench.lang import here
from npubench.workloads import bpe

# `DecodeStream`, which gives out a character when its last byte is there, came with this version.
_OLDEST = "0.21"
_PIECE = re.compile(r"\s*\S+|\s+")


class Stream(Protocol):
    """Text from tokens that arrive one by one."""

    def push(self, token: int) -> str: ...
    def finish(self) -> str: ...


class Tokenizer(Protocol):
    """Text → token ids → text. `pieces` joined are the text; `word` gives about the ids that a piece has in it."""

    def encode(self, text: str) -> list[int]: ...
    def pieces(self, text: str) -> Iterator[str]: ...
    def word(self, piece: str) -> Sequence[int]: ...
    def decode(self, ids: Iterable[int]) -> str: ...
    def stream(self) -> Stream: ...


class LibraryTokenizer:
    """A tokenizer.json read by the `tokenizers` library."""

    def __init__(self, library: Any, path: Path) -> None:
        """Raises what the library raises."""
        self._inner = library.Tokenizer.from_file(str(path))
        self._inner.no_padding()
        self._inner.no_truncation()
        self._decode_stream = library.decoders.DecodeStream

    def encode(self, text: str) -> list[int]:
        return list(self._inner.encode(text, add_special_tokens=False).ids)

    def pieces(self, text: str) -> Iterator[str]:
        for found in _PIECE.finditer(text):
            yield found.group()

    def word(self, piece: str) -> list[int]:
        return self.encode(piece)

    def decode(self, ids: Iterable[int]) -> str:
        return str(self._inner.decode(list(ids), skip_special_tokens=False))

    def stream(self) -> LibraryStream:
        return LibraryStream(self._inner, self._decode_stream)


class LibraryStream:
    """The library's decoder for tokens that arrive one by one."""

    def __init__(self, inner: Any, make: Any) -> None:
        self._inner, self._make = inner, make
        self._stream = make(skip_special_tokens=False)

    def push(self, token: int) -> str:
        """The characters that `token` completes, perhaps none; U+FFFD where the library gives up on a sequence."""
        try:
            return self._stream.step(self._inner, token) or ""
        except Exception:  # ids of a padded vocabulary, and random ones that are no text
            self._stream = self._make(skip_special_tokens=False)
            return "\N{REPLACEMENT CHARACTER}"

    def finish(self) -> str:
        """The stream can be used again."""
        self._stream = self._make(skip_special_tokens=False)
        return ""


def load(path: Path) -> Tokenizer:
    """Reads a tokenizer.json. Raises DataError naming the file, what our reader lacks and what to install."""
    try:
        return bpe.load(path)
    except DataError as error:
        ours = error
    try:
        import tokenizers
        import tokenizers.decoders

        tokenizers.decoders.DecodeStream  # noqa: B018 - is the library new enough?
    except (ImportError, AttributeError):
        raise DataError(
            str(ours),
            hint=here(
                f'install the library that reads every tokenizer: pip install "tokenizers>={_OLDEST}"',
                f'모든 토크나이저를 읽는 라이브러리를 설치하십시오: pip install "tokenizers>={_OLDEST}"',
            ),
        ) from None
    try:
        return LibraryTokenizer(tokenizers, path)
    except Exception as error:  # the library raises Exception itself
        raise DataError(
            here(f"{path}: not a tokenizer.json: {error}", f"{path}: tokenizer.json이 아닙니다: {error}"),
            hint=here("restore the file", "파일을 되돌리십시오"),
        ) from None
