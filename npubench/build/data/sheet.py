"""A blank A4 page at 150 dpi on which text is set word by word, and each word's box is kept.

Guarantees: words come in the order in which they are set, which is the order in which they are read; a word that does
not fit its column is left out of the page and of the list. Not aware of: what documents say, scanning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from PIL import Image, ImageDraw

from npubench.build.data.fonts import opened

WIDTH_PX, HEIGHT_PX = 1240, 1754
MARGIN_PX = 104

Ink = tuple[int, int, int]
Align = Literal["left", "centre", "right"]


class Placed(msgspec.Struct, frozen=True):
    """A word and its box on the unscanned page: x0, y0, x1, y1."""

    text: str
    box: tuple[float, float, float, float]


class Type(msgspec.Struct, frozen=True):
    """A font at a size in pixels, and its ink."""

    path: str
    size: int
    ink: Ink = (30, 30, 34)

    def width(self, text: str) -> float:
        """How wide `text` is set."""
        return opened(self.path, self.size).getlength(text)

    @property
    def leading(self) -> int:
        """From one line to the next."""
        return int(self.size * 1.62)


class Sheet:
    """The page being set. `y` is where the next line goes."""

    def __init__(self) -> None:
        self.image = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), (254, 254, 252))
        self.draw = ImageDraw.Draw(self.image)
        self.words: list[Placed] = []
        self.y = MARGIN_PX

    @property
    def room(self) -> int:
        """Pixels left above the lower margin."""
        return HEIGHT_PX - MARGIN_PX - self.y

    def line(
        self, x: float, y: float, text: str, face: Type, align: Align = "left", width: float | None = None
    ) -> None:
        """One line. With `width` it is aligned in that column and words beyond it are left out."""
        font = opened(face.path, face.size)
        space = face.width(" ")
        words = text.split()
        if width is not None:
            while words and sum(map(face.width, words)) + space * (len(words) - 1) > width:
                words.pop()
        total = sum(map(face.width, words)) + space * max(0, len(words) - 1)
        if align != "left":
            free = (width if width is not None else 0) - total
            x += free if align == "right" else free / 2
        # Every Hangul word gets the height of a full syllable, so that a line of boxes is even.
        _, tall_top, _, tall_bottom = font.getbbox("각")
        for word in words:
            self.draw.text((x, y), word, font=font, fill=face.ink)
            left, top, right, bottom = font.getbbox(word)
            hangul = any("가" <= char <= "힣" for char in word)
            upper, lower = (min(top, tall_top), max(bottom, tall_bottom)) if hangul else (top, bottom)
            # A stop or a dash alone would be a box of two pixels.
            if lower - upper < face.size * 0.5:
                upper, lower = tall_top, tall_bottom
            self.words.append(Placed(word, (x + left - 1.5, y + upper - 1.5, x + right + 1.5, y + lower + 1.5)))
            x += face.width(word) + space

    def wrapped(self, text: str, face: Type, width: float) -> list[str]:
        """`text` in lines no wider than `width`; a word that is wider is left out."""
        lines: list[str] = []
        for word in text.split():
            if face.width(word) > width:
                continue
            if lines and face.width(f"{lines[-1]} {word}") <= width:
                lines[-1] += f" {word}"
            else:
                lines.append(word)
        return lines

    def paragraph(self, text: str, face: Type, indent: int = 0, hang: int = 0) -> None:
        """Text over the page's width, `hang` pixels further in from the second line on. The rest is cut."""
        width = WIDTH_PX - 2 * MARGIN_PX - indent - hang
        for number, line in enumerate(self.wrapped(text, face, width)):
            if self.room < face.leading:
                return
            self.line(MARGIN_PX + indent + (hang if number else 0), self.y, line, face)
            self.y += face.leading

    def centred(self, text: str, face: Type) -> None:
        """One line in the middle of the page."""
        self.line(MARGIN_PX, self.y, text, face, "centre", WIDTH_PX - 2 * MARGIN_PX)
        self.y += face.leading

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
        wide = width if width is not None else WIDTH_PX - 2 * MARGIN_PX
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
            if self.room < high:
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
