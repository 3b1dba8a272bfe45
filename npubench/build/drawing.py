"""Draws what a model found on its pictures: boxes with class and score, words with their text, the truth beside them.

Classes differ in colour and in line style; the colours are those of Okabe and Ito (Color Universal Design, 2008), told
apart by colour-blind readers. Guarantees: any number of things, none too; a machine without a Korean font gets boxes
without the text, and `korean` says so. Not aware of: models, where results come from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from npubench.build.userdata import check_picture
from npubench.errors import DataError

if TYPE_CHECKING:
    from PIL import ImageFont
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Point = tuple[float, float]
Colour = tuple[int, int, int]

# Okabe and Ito's palette without black, the strongest against streets and paper first.
PALETTE: tuple[Colour, ...] = (
    (213, 94, 0), (0, 114, 178), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (240, 228, 66),
)  # fmt: skip
# Dash patterns in line widths: drawn, left out, …; an empty one is a solid line.
STYLES: tuple[tuple[int, ...], ...] = ((), (6, 3), (2, 2), (6, 2, 2, 2))

# Above so many things only the best are named: their labels would hide the picture.
MOST_LABELS = 60


class Drawable(Protocol):
    """What is drawn: a polygon with a label."""

    @property
    def corners(self) -> Sequence[Point]: ...
    @property
    def label(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def score(self) -> float | None: ...


def style_of(number: int) -> tuple[Colour, tuple[int, ...]]:
    """Colour and dash pattern of a class: the first 28 all differ."""
    return PALETTE[number % len(PALETTE)], STYLES[number % len(STYLES)]


def open_picture(path: Path) -> Image:
    """The picture upright in RGB, as the workloads see it. Raises DataError naming the file."""
    from PIL import Image, ImageOps

    check_picture(path)
    try:
        with Image.open(path, formats=("JPEG", "PNG", "BMP", "WEBP")) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path}: {error}") from None


class Pen:
    """A font of this machine at any size. `korean` is False where Hangul cannot be drawn."""

    def __init__(self) -> None:
        from npubench.build.data.fonts import find_fonts

        self._path: str | None = None
        try:
            self._path = next((font.path for font in find_fonts() if not font.bold), None)
        except DataError:
            self._path = None
        self._sizes: dict[int, Any] = {}

    @property
    def korean(self) -> bool:
        return self._path is not None

    def at(self, size: float) -> ImageFont.FreeTypeFont:
        """The font with `size` pixels to the em."""
        from PIL import ImageFont

        pixels = max(6, min(200, round(size)))
        if pixels not in self._sizes:
            self._sizes[pixels] = (
                ImageFont.truetype(self._path, pixels) if self._path else ImageFont.load_default(pixels)
            )
        font: ImageFont.FreeTypeFont = self._sizes[pixels]
        return font

    def can_write(self, text: str) -> bool:
        """Whether the font has these letters; without a Korean one only those of ASCII."""
        return self.korean or text.isascii()


def with_boxes(picture: Image, things: Sequence[Drawable], pen: Pen) -> Image:
    """A copy of `picture` with every thing outlined, the best of them named."""
    from PIL import ImageDraw

    drawn = picture.copy()
    draw = ImageDraw.Draw(drawn)
    width = max(2, round(min(picture.size) / 250))
    # The worst first, so that the best lie on top.
    for rank, thing in reversed(list(enumerate(things))):
        colour, pattern = style_of(thing.number)
        outline(draw, thing.corners, colour, width, pattern)
        if rank < MOST_LABELS:
            _tag(draw, thing, colour, pen, max(11, picture.height / 45))
    return drawn


def _tag(draw: ImageDraw, thing: Drawable, colour: Colour, pen: Pen, size: float) -> None:
    text = thing.label if pen.can_write(thing.label) else str(thing.number)
    if thing.score is not None:
        text += f" {thing.score:.2f}"
    font = pen.at(size)
    left = max(0.0, min(x for x, _ in thing.corners))
    top = min(y for _, y in thing.corners)
    # Above the box, or inside it at the picture's upper edge.
    y = top - size * 1.3 if top >= size * 1.3 else top
    x0, y0, x1, y1 = draw.textbbox((left + 2, y), text, font=font)
    draw.rectangle((x0 - 2, y0 - 1, x1 + 2, y1 + 1), fill=colour)
    # Black or white, whichever stands out more (relative luminance, Rec. 709).
    dark = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2] > 110
    draw.text((left + 2, y), text, font=font, fill=(0, 0, 0) if dark else (255, 255, 255))


def outline(draw: ImageDraw, corners: Sequence[Point], colour: Colour, width: int, pattern: Sequence[int] = ()) -> None:
    """A closed polygon, dashed by `pattern` (in line widths)."""
    closed = [*corners, corners[0]]
    for start, end in pairwise(closed):
        for a, b in _dashes(start, end, [part * width for part in pattern]):
            draw.line((*a, *b), fill=colour, width=width)


def _dashes(start: Point, end: Point, pattern: Sequence[float]) -> Iterator[tuple[Point, Point]]:
    length = math.dist(start, end)
    if not pattern or length == 0:
        yield start, end
        return

    def point(at: float) -> Point:
        share = at / length
        return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share

    at, part = 0.0, 0
    while at < length:
        stop = min(length, at + pattern[part % len(pattern)])
        if part % 2 == 0:
            yield point(at), point(stop)
        at, part = stop, part + 1


def with_text(size: tuple[int, int], things: Sequence[Drawable], pen: Pen) -> Image:
    """An empty page on which each text stands where its word was found, as large as the word."""
    from PIL import Image, ImageDraw

    page = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(page)
    for thing in things:
        top_left, top_right, bottom_right, bottom_left = thing.corners
        outline(draw, thing.corners, (210, 210, 210), 1)
        if not thing.label or not pen.can_write(thing.label):
            continue
        high = (math.dist(top_left, bottom_left) + math.dist(top_right, bottom_right)) / 2
        wide = (math.dist(top_left, top_right) + math.dist(bottom_left, bottom_right)) / 2
        em = high * 0.8
        needed = pen.at(em).getlength(thing.label)
        font = pen.at(em * min(1.0, wide / needed)) if needed else pen.at(em)
        middle = (top_left[1] + top_right[1] + bottom_left[1] + bottom_right[1]) / 4
        draw.text((min(top_left[0], bottom_left[0]), middle), thing.label, font=font, fill=(0, 0, 0), anchor="lm")
    return page


def side_by_side(pictures: Sequence[Image], gap: int = 8) -> Image:
    """Pictures in a row on white, each as high as the first."""
    from PIL import Image

    high = pictures[0].height
    same = [
        picture
        if picture.height == high
        else picture.resize((max(1, round(picture.width * high / picture.height)), high))
        for picture in pictures
    ]
    row = Image.new("RGB", (sum(picture.width for picture in same) + gap * (len(same) - 1), high), (255, 255, 255))
    left = 0
    for picture in same:
        row.paste(picture, (left, 0))
        left += picture.width + gap
    return row


def montage(rows: Sequence[Sequence[Image]], width: int = 1920, gap: int = 8) -> Image:
    """Rows of pictures, each row scaled to `width` pixels."""
    from PIL import Image

    made = []
    for pictures in rows:
        row = side_by_side(pictures, gap)
        made.append(row.resize((width, max(1, round(row.height * width / row.width))), Image.Resampling.LANCZOS))
    whole = Image.new("RGB", (width, sum(row.height for row in made) + gap * (len(made) - 1)), (255, 255, 255))
    top = 0
    for row in made:
        whole.paste(row, (0, top))
        top += row.height + gap
    return whole
