"""The annotations of a folder of pages: what its words are and where they stand.

Guarantees that every page asked for is annotated, or a DataError that names the file. A folder of the user's own has no
annotations.json, which is no mistake. Not aware of: pictures, models.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from npubench.errors import DataError
from npubench.lang import here
from npubench.workloads.asking import read_bytes
from npubench.workloads.lines import Quads

ANNOTATIONS = "annotations.json"

Quad = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]


class Word(msgspec.Struct, frozen=True):
    """One word of a page: its text and its corners tl, tr, br, bl in page pixels."""

    text: str
    quad: Quad


class Page(msgspec.Struct, frozen=True):
    """One page of annotations.json."""

    file: str
    width: int
    height: int
    words: tuple[Word, ...]


class Annotations(msgspec.Struct, frozen=True):
    """The file annotations.json of a folder of pages."""

    pages: tuple[Page, ...]


def reference_pages(folder: Path, names: Sequence[str]) -> list[Page] | None:
    """The annotated page of each file, or None for a folder without annotations.json. Raises DataError."""
    path = folder / ANNOTATIONS
    if not path.exists():
        return None
    try:
        annotations = msgspec.json.decode(read_bytes(path), type=Annotations)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(
            here(f"{path}: not readable: {error}", f"{path}: 읽을 수 없습니다: {error}"), hint=restore()
        ) from None
    pages = {page.file: page for page in annotations.pages}
    absent = [name for name in names if name not in pages]
    if absent:
        raise DataError(
            here(f"{path}: has no page for the file {absent[0]}", f"{path}: {absent[0]} 파일의 페이지가 없습니다"),
            hint=restore(),
        )
    return [pages[name] for name in names]


def restore() -> str:
    """What to do about annotations that do not fit their pictures."""
    return here(
        f"restore the data set, or use a folder without {ANNOTATIONS}",
        f"데이터 집합을 되돌리거나 {ANNOTATIONS}이 없는 폴더를 쓰십시오",
    )


def quads(page: Page) -> Quads:
    """The corners of a page's words, float32 [words, 4, 2], tl, tr, br, bl, in page pixels."""
    return np.array([word.quad for word in page.words], np.float32).reshape(-1, 4, 2)
