"""Which inputs of a data set are shown to people, and findings in the form of an exhibit.

Guarantees that the choice depends on the data's own labels and order, never on answers. Not aware of: sessions, scores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from npubench.exhibits import Exhibit, Finding, Kind
from npubench.workloads.asking import read_bytes

FRAMES = 3
"""Three frames in different light say how a detector sees; more would only make a report heavy."""


def frames(objects: Sequence[int], light: Sequence[str]) -> list[int]:
    """The frames to show: those with most labelled objects, each in another light while there is one left.

    Ties go to the earlier frame. `objects` and `light` are those of each frame; returned in the frames' order.
    """
    ranked = sorted(range(len(objects)), key=lambda index: (-objects[index], index))
    chosen: list[int] = []
    for index in ranked:
        if len(chosen) < FRAMES and light[index] not in {light[other] for other in chosen}:
            chosen.append(index)
    chosen += [index for index in ranked if index not in chosen][: FRAMES - len(chosen)]
    return sorted(chosen)


def spread(count: int, most: int) -> list[int]:
    """Of inputs without labels: up to `most`, the first and the last among them, evenly spaced."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most))}) if count else []


def pages(words: Sequence[int]) -> list[int]:
    """The pages to show: the one with most words and the one with fewest; ties go to the earlier page."""
    numbers = range(len(words))
    chosen = {max(numbers, key=lambda i: (words[i], -i)), min(numbers, key=lambda i: (words[i], i))} if words else set()
    return sorted(chosen)


def exhibit(
    folder: Path,
    name: str,
    size: tuple[int, int],
    kind: Kind,
    found: tuple[Finding, ...],
    truth: tuple[Finding, ...] | None,
    conditions: tuple[str, ...] = (),
) -> Exhibit:
    """One input as it is kept. `size`: width and height in pixels. Raises DataError where its file is gone."""
    return Exhibit(
        file=name,
        sha256=hashlib.sha256(read_bytes(folder / name)).hexdigest(),
        width=size[0],
        height=size[1],
        kind=kind,
        found=found,
        truth=truth,
        conditions=conditions,
    )


def objects(rows: npt.NDArray[np.float32], classes: Sequence[str]) -> tuple[Finding, ...]:
    """Findings of detections [n, 6]: x0, y0, x1, y1, score, class."""
    return tuple(
        Finding(label=classes[int(row[5])], place=_rounded(row[:4]), score=round(float(row[4]), 3))
        for row in rows.tolist()
    )


def labelled(boxes: npt.NDArray[np.float32], kinds: Sequence[int], classes: Sequence[str]) -> tuple[Finding, ...]:
    """Findings of true boxes [n, 4] and their classes."""
    return tuple(
        Finding(label=classes[kind], place=_rounded(box)) for box, kind in zip(boxes.tolist(), kinds, strict=True)
    )


def words(quads: npt.NDArray[np.float32], texts: Sequence[str]) -> tuple[Finding, ...]:
    """Findings of words: quads [n, 4, 2] and what they say."""
    corners = quads.reshape(-1, 8).tolist()
    return tuple(Finding(label=text, place=_rounded(place)) for place, text in zip(corners, texts, strict=True))


def _rounded(place: Sequence[float]) -> tuple[float, ...]:
    """A tenth of a pixel is finer than any picture shows."""
    return tuple(round(float(value), 1) for value in place)
