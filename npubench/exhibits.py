"""Exhibits: a few evaluation inputs with what a backend found in them, what the fp32 reference found, and the truth.

A workload that can show what it finds (`spi.Shows`) chooses the inputs by a rule of its own that depends on the data
alone, so that every backend is shown on the same ones. The document is written once beside a build's quality record;
pictures are not in it: an input is named by its file and its SHA-256.

Not aware of: how inputs are answered (`engine.answering`), how answers are compared and drawn (`report.pictures`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["objects", "words"]


class _Exhibit(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable; unknown keys are ignored when reading."""


class Finding(_Exhibit, frozen=True, kw_only=True):
    """One thing found, or known to be there. `label` is an object's class or a word's text.

    `place`, in pixels of the picture: x0, y0, x1, y1, or x and y of the four corners tl, tr, br, bl. `score` 0..1.
    """

    label: str
    place: tuple[float, ...]
    score: float | None = None


class Exhibit(_Exhibit, frozen=True, kw_only=True):
    """One input and what was found in it. `truth` is None where the data has no labels.

    `file` is relative to the data's folder, `sha256` that of its bytes, `width` and `height` those of the picture as
    `place` counts (upright). `conditions`: what the data says of the picture (night, rain).
    """

    file: str
    sha256: str
    width: int
    height: int
    kind: Kind
    found: tuple[Finding, ...]
    truth: tuple[Finding, ...] | None = None
    conditions: tuple[str, ...] = ()


class Shown(_Exhibit, frozen=True, kw_only=True):
    """An exhibit with the reference's findings beside it; None where the reference was not asked about it."""

    exhibit: Exhibit
    reference: tuple[Finding, ...] | None = None


class Exhibits(_Exhibit, frozen=True, kw_only=True):
    """What one model × build × backend found in a few inputs. `source` as in `InputFacts`: a data set's id, or `own`.

    `private`: the inputs are not npubench's own drawings, so neither they nor what they say leaves the machine unasked.
    """

    schema: Literal["npubench.exhibits/1"] = "npubench.exhibits/1"
    model: str
    precision: str
    variant: str
    backend: str
    source: str
    private: bool
    reference: str = ""
    items: tuple[Shown, ...] = ()


def beside(found: tuple[Exhibit, ...], reference: tuple[Exhibit, ...]) -> tuple[Shown, ...]:
    """Each exhibit with what the reference found in the same bytes."""
    known = {(item.file, item.sha256): item.found for item in reference}
    return tuple(Shown(exhibit=item, reference=known.get((item.file, item.sha256))) for item in found)
