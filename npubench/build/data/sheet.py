"""A blank A4 page at 150 dpi on which text is set word by word, and each word's box is kept.

Guarantees: words come in the order in which they are set, which is the order in which they are read; a word that does
not fit its column, or has a sign that no font at hand has, is left out of the page and of the list; paragraphs and
rows stop at the lower margin and at the page's share of words. Not aware of: what documents say, scanning.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
from PIL import Image, ImageDraw

from npubench.build.data.fonts import has_glyphs, opened

WIDTH_PX, HEIGHT_PX = 1240, 1754
MARGIN_PX = 104
COLUMN_PX = WIDTH_PX - 2 * MARGIN_PX

Ink = tuple[int, int, int]
Align = Literal["left", "centre", "right"]


class Placed(msgspec.Struct, frozen=True):
    """A word and its box on the unscanned page: x0, y0, x1, y1."""

    text: str
    box: tuple[float, float, float, float]


class Type(msgspec.Struct, frozen=True):
    """A font at a size in pixels, its ink, and the distance of its lines in sizes."""

    path: str
    size: int
    ink: Ink = (30, 30, 34)
    spacing: float = 1.62

    def width(self, text: str) -> float:
        """How wide `text` is set."""
        return opened(self.path, self.size).getlength(text)

    @property
    def leading(self) -> int:
        """From one line to the next."""
        return int(self.size * self.spacing)


class Sheet:
    """The page being set. `y` is where the next line goes, `bottom` where paragraphs and tables end.

    `fallbacks` are fonts for words with a sign that the wanted font lacks. Paragraphs and rows that would bring the
    page over `most_words` are left out; single lines are always set.
    """

    def __init__(self, fallbacks: Sequence[str] = (), most_words: int = 100_000) -> None:
        self.image = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), (254, 254, 252))
        self.draw = ImageDraw.Draw(self.image)
        self.words: list[Placed] = []
        self.y = MARGIN_PX
        self.bottom = HEIGHT_PX - MARGIN_PX
        self._fallbacks = tuple(fallbacks)
        self._most_words = most_words

    @property
    def room(self) -> int:
        """Pixels left above `bottom`."""
        return self.bottom - self.y

    def _holds(self, words: int) -> bool:
        return len(self.words) + words <= self._most_words

    @contextlib.contextmanager
    def reserved(self, pixels: int, words: int = 0) -> Iterator[None]:
        """Keeps `pixels` above the lower margin, and a share of words, free for what closes the page."""
        self.bottom -= pixels
        self._most_words -= words
        try:
            yield
        finally:
            self.bottom += pixels
            self._most_words += words

    def _able(self, word: str, face: Type) -> Type | None:
        """`face`, or the first fallback that has every sign of `word`."""
        for path in (face.path, *self._fallbacks):
            if has_glyphs(path, word):
                return face if path == face.path else msgspec.structs.replace(face, path=path)
        return None

    def _faces(self, words: Sequence[str], face: Type) -> list[tuple[str, Type]]:
        able = ((word, self._able(word, face)) for word in words)
        return [(word, found) for word, found in able if found is not None]

    def line(
        self, x: float, y: float, text: str, face: Type, align: Align = "left", width: float | None = None
    ) -> None:
        """One line. With `width` it is aligned in that column and words beyond it are left out."""
        space = face.width(" ")
        words = self._faces(text.split(), face)
        wides = [able.width(word) for word, able in words]
        if width is not None:
            while words and sum(wides) + space * (len(wides) - 1) > width:
                words.pop()
                wides.pop()
        total = sum(wides) + space * max(0, len(wides) - 1)
        if align != "left":
            free = (width if width is not None else 0) - total
            x += free if align == "right" else free / 2
        # Every Hangul word gets the height of a full syllable, so that a line of boxes is even.
        _, tall_top, _, tall_bottom = opened(face.path, face.size).getbbox("각")
        for (word, able), wide in zip(words, wides, strict=True):
            font = opened(able.path, able.size)
            self.draw.text((x, y), word, font=font, fill=able.ink)
            left, top, right, bottom = font.getbbox(word)
            hangul = any("가" <= char <= "힣" for char in word)
            upper, lower = (min(top, tall_top), max(bottom, tall_bottom)) if hangul else (top, bottom)
            # A stop or a dash alone would be a box of two pixels.
            if lower - upper < face.size * 0.5:
                upper, lower = tall_top, tall_bottom
            self.words.append(Placed(word, (x + left - 1.5, y + upper - 1.5, x + right + 1.5, y + lower + 1.5)))
            x += wide + space

    def wrapped(self, text: str, face: Type, width: float) -> list[str]:
        """`text` in lines no wider than `width`; a word that is wider is left out."""
        lines: list[str] = []
        space, used = face.width(" "), 0.0
        for word, able in self._faces(text.split(), face):
            wide = able.width(word)
            if wide > width:
                continue
            if lines and used + space + wide <= width:
                lines[-1] += f" {word}"
                used += space + wide
            else:
                lines.append(word)
                used = wide
        return lines

    def paragraph(self, text: str, face: Type, indent: int = 0, hang: int = 0) -> bool:
        """Text over the page's width, `hang` pixels further in from the second line on. False: no room, none is set."""
        lines = self.wrapped(text, face, COLUMN_PX - indent - hang)
        if self.room < face.leading * len(lines) or not self._holds(len(text.split())):
            return False
        for number, line in enumerate(lines):
            self.line(MARGIN_PX + indent + (hang if number else 0), self.y, line, face)
            self.y += face.leading
        return True

    def aligned(self, text: str, face: Type, align: Align = "left") -> None:
        """One line in the page's width."""
        self.line(MARGIN_PX, self.y, text, face, align, COLUMN_PX)
        self.y += face.leading

    def centred(self, text: str, face: Type) -> None:
        """One line in the middle of the page, set smaller where it would be too wide."""
        while face.size > 12 and face.width(text) > COLUMN_PX * 0.96:
            face = msgspec.structs.replace(face, size=face.size - 1)
        self.aligned(text, face, "centre")

    def rule(self, thick: int = 2, ink: Ink = (50, 50, 54)) -> None:
        """A line across the page."""
        self.draw.line((MARGIN_PX, self.y, WIDTH_PX - MARGIN_PX, self.y), fill=ink, width=thick)
        self.y += 12

    def table(
        self, rows: Sequence[Sequence[str]], shares: Sequence[float], face: Type, *, head: Type | None = None,
        aligns: Sequence[Align] | None = None, labels: Sequence[int] = (), x: int = MARGIN_PX, width: int | None = None,
        pad: int = 9,
    ) -> None:  # fmt: skip
        """A ruled table. `head` sets the first row, columns in `labels` are shaded; rows beyond the page are cut."""
        wide = width if width is not None else COLUMN_PX
        edges = [x]
        for share in shares:
            edges.append(edges[-1] + round(wide * share / sum(shares)))
        top = self.y
        for number, row in enumerate(rows):
            is_head = head is not None and number == 0
            set_in = head if head is not None and is_head else face
            cells = [self.wrapped(cell, set_in, edges[c + 1] - edges[c] - 2 * pad) for c, cell in enumerate(row)]
            step = int(set_in.size * 1.34)
            high = max(1, *map(len, cells)) * step + 2 * pad
            if self.room < high or not self._holds(sum(len(cell.split()) for cell in row)):
                break
            for column, lines in enumerate(cells):
                left, right = edges[column], edges[column + 1]
                if is_head or column in labels:
                    self.draw.rectangle((left, self.y, right, self.y + high), fill=(234, 234, 230))
                align: Align = "centre" if is_head or column in labels or aligns is None else aligns[column]
                y = self.y + (high - len(lines) * step) / 2
                for line in lines:
                    self.line(left + pad, y, line, set_in, align, right - left - 2 * pad)
                    y += step
            self.draw.line((edges[0], self.y, edges[-1], self.y), fill=(70, 70, 74), width=1)
            self.y += high
        for edge in edges:
            self.draw.line((edge, top, edge, self.y), fill=(70, 70, 74), width=1)
        self.draw.rectangle((edges[0], top, edges[-1], self.y), outline=(40, 40, 44), width=2)
        self.y += 14
