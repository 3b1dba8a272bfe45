"""What the page shows of the pictures that a backend was asked about: frames with boxes, pages with their text."""

from __future__ import annotations

from typing import Literal

from npubench.lang import Text
from npubench.report.differences import Piece
from npubench.report.shown_base import Name, Shown, Tone

Mark = Literal["both", "gone", "added", "changed"]
"""Found by both readers, by the reference alone, by this backend alone; by both and taken for something else."""


class Outline(Shown, frozen=True, kw_only=True):
    """A box in pixels of the picture: `points` as SVG writes a polygon. `number` leads to the list of differences.

    `x` and `y`: where the number's corner stands.
    """

    mark: Mark
    points: str
    x: float
    y: float
    number: str = ""


class Picture(Shown, frozen=True, kw_only=True):
    """A picture that stands in the page once, however often it is drawn. `address`: a `data:` address, or empty."""

    key: str
    address: str
    width: int
    height: int


class Side(Shown, frozen=True, kw_only=True):
    """One reader's findings on the picture, with what the drawing says in words."""

    key: str
    title: Text
    description: Text
    outlines: tuple[Outline, ...]


class Differing(Shown, frozen=True, kw_only=True):
    """One difference in words, with its number in the drawing."""

    number: str
    mark: Mark
    text: Text


class Seen(Shown, frozen=True, kw_only=True):
    """One input. `lines`: what was read, line by line, words of pieces; empty for frames. `why`: there is no picture.

    `stroke`: the width of a line in pixels of the picture.
    """

    key: str
    title: Text
    summary: Text
    truth: Text | None
    tone: Tone
    picture: str
    width: int
    height: int
    stroke: float
    why: Text | None
    sides: tuple[Side, ...]
    differences: tuple[Differing, ...]
    more: Text | None = None
    lines: tuple[tuple[tuple[Piece, ...], ...], ...] = ()


class Gallery(Shown, frozen=True, kw_only=True):
    """What one build of a model on one backend found. `open`: unfolded, the one of its model that differs most."""

    key: str
    model: Name
    build: str
    backend: Name
    summary: Text
    tone: Tone
    open: bool
    seen: tuple[Seen, ...]


class Pictures(Shown, frozen=True, kw_only=True):
    """All of a run. `none`: why there is nothing to see. `own`: pictures of the user's own are among them."""

    store: tuple[Picture, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    notes: tuple[Text, ...] = ()
    none: Text | None = None
    own: bool = False
