"""What a page is written with: a sheet, a writer, type in four sizes, seals.

Guarantees: one font for the running text and a bold one of its family, where there is one, for headings; a page has at
most MOST_WORDS words; seals lie on the page, an office's seal beside its name and below the date.
Not aware of: which kinds of page there are.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from npubench.build.data import scanning
from npubench.build.data.fonts import FontFile
from npubench.build.data.officialese import Writer
from npubench.build.data.sheet import COLUMN_PX, HEIGHT_PX, MARGIN_PX, WIDTH_PX, Sheet, Type
from npubench.build.data.wordlists import Lists

__all__ = ["FOOTER_PX", "MOST_WORDS", "Desk", "set_up"]

MOST_WORDS = 220
# What the single lines that close a page may have at most: the letter's, with its three departments.
_CLOSING_WORDS = 36
# Room for the date, the office in large letters and its seal, in the largest type.
FOOTER_PX = 270


class Desk(msgspec.Struct):
    """What a page is written with. `budget`: how many words it is meant to have, closing lines aside."""

    sheet: Sheet
    writer: Writer
    title: Type
    head: Type
    body: Type
    small: Type
    budget: int

    @property
    def wanting(self) -> bool:
        """Whether the page still has fewer words than it is meant to have."""
        return len(self.sheet.words) < self.budget

    @property
    def small_head(self) -> Type:
        """For the first row of a table in small type."""
        return msgspec.structs.replace(self.head, size=self.small.size)

    def seal(self, x: int, y: int, size: int, text: str) -> None:
        """A seal whose centre is at (x, y), kept on the page."""
        half = size // 2 + 2
        centre = (min(max(x, half), WIDTH_PX - half), min(max(y, half), HEIGHT_PX - half))
        scanning.add_seal(self.sheet.image, centre, size, text, self.head.path, self.writer.rng)

    def signed(self, text: str, person: str) -> None:
        """A line at the right with a person's seal over its end, clear of the lines above and below."""
        size = self.writer.number(58, 84)
        sheet = self.sheet
        middle = int(self.body.size * 0.58)
        sheet.y += max(0, size // 2 - middle)
        self.seal(WIDTH_PX - MARGIN_PX - self.writer.number(8, 24), sheet.y + middle, size, person)
        sheet.line(MARGIN_PX, sheet.y, text, self.body, "right", COLUMN_PX)
        sheet.y += max(self.body.leading, middle + size // 2 + 6)

    def footer(self, office: str) -> None:
        """The date, the office in large letters and its square seal. Takes at most FOOTER_PX."""
        sheet, writer = self.sheet, self.writer
        sheet.y += 26
        sheet.centred(f"{writer.number(2021, 2027)}년 {writer.number(1, 12)}월 {writer.number(1, 28)}일", self.body)
        stamp, middle = writer.number(112, 148), int(self.title.size * 0.58)
        sheet.y += max(14, stamp // 2 - middle)
        y = sheet.y
        sheet.centred(office, self.title)
        half = min(self.title.width(office), COLUMN_PX) / 2
        self.seal(int(WIDTH_PX / 2 + half + 8), y + middle, stamp, f"{office.split()[-1]}의인"[:9])
        sheet.y = max(sheet.y, y + middle + stamp // 2 + 8)


def set_up(rng: np.random.Generator, fonts: Sequence[FontFile], lists: Lists) -> Desk:
    """A desk with a blank sheet, and type and budget drawn from `rng`. `fonts`: at least one."""
    plain = [font for font in fonts if not font.bold] or list(fonts)
    body = plain[int(rng.integers(len(plain)))]
    bolds = [font for font in fonts if font.bold and font.family.split()[0][:8] == body.family.split()[0][:8]]
    heavy = bolds[int(rng.integers(len(bolds)))] if bolds else body
    size = int(rng.integers(22, 29))
    dark = int(rng.integers(14, 62))
    ink = (dark, dark, dark + int(rng.integers(0, 8)))
    spacing = float(rng.uniform(1.5, 1.8))
    return Desk(
        sheet=Sheet([font.path for font in fonts], MOST_WORDS - _CLOSING_WORDS),
        writer=Writer(rng, lists),
        title=Type(heavy.path, int(size * rng.uniform(1.7, 2.2)), ink, spacing),
        head=Type(heavy.path, size, ink, spacing),
        body=Type(body.path, size, ink, spacing),
        small=Type(body.path, max(18, size - 3), ink, spacing),
        budget=int(rng.integers(105, 175)),
    )
