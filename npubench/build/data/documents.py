"""Scanned-looking pages of Korean administrative documents, drawn from a seed, with the place of every word.

Eight kinds: application form, public notice, official letter, receipt, minutes, resident extract, plate list,
statistics. Guarantees: the same seed and fonts give the same page with the same Pillow and FreeType; words (text
between spaces) come in reading order, at most MOST_WORDS of them, and their quads follow the skew of the scan; every
character is one that `ocr-korean` reads and that its font has. The few characters inside seals are no words. Names,
numbers and places are invented.

Not aware of: files, recognition, training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from PIL import Image

from npubench.build.data import forms, letters, scanning, tables, wordlists
from npubench.build.data.desk import MOST_WORDS, Desk, set_up
from npubench.build.data.fonts import FontFile, find_fonts
from npubench.build.data.sheet import HEIGHT_PX, WIDTH_PX
from npubench.build.data.wordlists import Lists
from npubench.errors import DataError
from npubench.lang import here

__all__ = ["KINDS", "MOST_WORDS", "PAGE_SIZE_PX", "Page", "Word", "draw_page", "find_fonts", "kind_of"]

PAGE_SIZE_PX = (WIDTH_PX, HEIGHT_PX)

# Sets these random numbers apart from others of the same seed; of all values the first with which the ten pages of the
# committed set are of every kind.
_STREAM = 10

Quad = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]

KINDS: dict[str, Callable[[Desk], None]] = {
    "application": forms.application,
    "notice": letters.notice,
    "letter": letters.letter,
    "receipt": forms.receipt,
    "minutes": letters.minutes,
    "register": forms.register,
    "plates": tables.plates,
    "statistics": tables.statistics,
}


class Word(msgspec.Struct, frozen=True):
    """A word and its corners tl, tr, br, bl in pixels of the scan."""

    text: str
    quad: Quad


class Page(msgspec.Struct, frozen=True):
    """A scanned page, RGB 1240×1754."""

    image: Image.Image
    words: tuple[Word, ...]
    kind: str


def kind_of(seed: int) -> str:
    """The kind of page that `draw_page` draws for this seed when none is asked for."""
    return _draw_kind(_generator(seed))


def draw_page(
    seed: int, fonts: Sequence[FontFile], kind: str | None = None, lists: Lists = wordlists.EVALUATION
) -> Page:
    """The page of this seed in words of `lists`; `kind` (a key of KINDS) is drawn from the seed when it is not given.

    Raises DataError without fonts.
    """
    if not fonts:
        raise DataError(
            here("pages cannot be drawn without a font", "글꼴 없이는 페이지를 그릴 수 없습니다"),
            hint="apt install fonts-nanum",
        )
    rng = _generator(seed)
    drawn = _draw_kind(rng)
    name = kind if kind is not None else drawn
    desk = set_up(rng, fonts, lists)
    KINDS[name](desk)
    scanned, matrix = scanning.scan(desk.sheet.image, rng)
    words = []
    for placed in desk.sheet.words:
        x0, y0, x1, y1 = placed.box
        corners = [_moved(matrix, x, y) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
        words.append(Word(placed.text, (corners[0], corners[1], corners[2], corners[3])))
    return Page(scanned, tuple(words), name)


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, _STREAM))))


def _draw_kind(rng: np.random.Generator) -> str:
    return tuple(KINDS)[int(rng.integers(len(KINDS)))]


def _moved(matrix: scanning.Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    moved_x, moved_y = a * x + b * y + c, d * x + e * y + f
    return round(min(max(moved_x, 0.0), float(WIDTH_PX)), 2), round(min(max(moved_y, 0.0), float(HEIGHT_PX)), 2)
