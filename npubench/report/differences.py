"""What two readers of one picture found differently: paired by place, words compared character by character. Pure.

Guarantees that every finding of either side occurs once. Not aware of: sentences, drawing, who is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.exhibits import Finding
from npubench.pairing import overlaps, paired

Pair = tuple[Finding, Finding]
"""(what the reference found, what was found)."""

State = Literal["same", "gone", "added"]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """`same`: same place and label. `changed`: same place, another label. `missing`: the reference alone found it."""

    same: tuple[Pair, ...] = ()
    changed: tuple[Pair, ...] = ()
    missing: tuple[Finding, ...] = ()
    new: tuple[Finding, ...] = ()

    @property
    def none(self) -> bool:
        """Whether both found the same."""
        return not (self.changed or self.missing or self.new)


class Piece(msgspec.Struct, frozen=True):
    """A part of a text: in both, in the reference's only (`gone`), or in this one only (`added`)."""

    text: str
    state: State


class Word(msgspec.Struct, frozen=True):
    """A word as it stands on the page; `state` is that of the word as a whole, None where it is read differently."""

    box: tuple[float, float, float, float]
    pieces: tuple[Piece, ...]


def bounds(finding: Finding) -> tuple[float, float, float, float]:
    """The upright box around a finding: x0, y0, x1, y1 in pixels."""
    xs, ys = finding.place[0::2], finding.place[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def _boxes(found: Sequence[Finding]) -> npt.NDArray[np.float64]:
    return np.array([bounds(item) for item in found], np.float64).reshape(-1, 4)


def compare(found: Sequence[Finding], reference: Sequence[Finding]) -> Difference:
    """Boxes that overlap by half belong together; where several do, the one of the same label is preferred."""
    able = [item for item in found if len(item.place) in (4, 8)]
    known = [item for item in reference if len(item.place) in (4, 8)]
    shared = overlaps(_boxes(able), _boxes(known))
    names: dict[str, int] = {}
    ours, theirs = ([names.setdefault(item.label, len(names)) for item in side] for side in (able, known))
    alike = np.equal.outer(np.array(ours, int), np.array(theirs, int))
    # Boxes of different labels do not take each other away, so that one pass pairs those of every label.
    same = paired(np.where(alike, shared, 0.0))
    taken, given = {i for i, _ in same}, {j for _, j in same}
    left = [i for i in range(len(able)) if i not in taken]
    alone = [j for j in range(len(known)) if j not in given]
    changed = sorted((alone[j], left[i]) for i, j in paired(shared[np.ix_(left, alone)]))
    taken, given = {i for _, i in changed}, {j for j, _ in changed}
    return Difference(
        same=tuple((known[j], able[i]) for i, j in sorted(same, key=lambda pair: pair[1])),
        changed=tuple((known[j], able[i]) for j, i in changed),
        missing=tuple(known[j] for j in alone if j not in given),
        new=tuple(able[i] for i in left if i not in taken),
    )


def pieces(reference: str, found: str) -> tuple[Piece, ...]:
    """`found` beside `reference`, character by character; what was replaced is gone first, then added."""
    parts: list[Piece] = []
    for kind, i, j, k, m in SequenceMatcher(None, reference, found, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(Piece(reference[i:j], "same"))
            continue
        parts += [Piece(text, state) for text, state in ((reference[i:j], "gone"), (found[k:m], "added")) if text]  # type: ignore[arg-type]
    return tuple(parts)


def page(difference: Difference) -> tuple[tuple[Word, ...], ...]:
    """The words of a page line by line, as people read: both readers' words, each once."""
    both = [*difference.same, *difference.changed]
    words = [Word(bounds(known), pieces(known.label, found.label)) for known, found in both]
    words += [Word(bounds(item), (Piece(item.label, "gone"),)) for item in difference.missing]
    words += [Word(bounds(item), (Piece(item.label, "added"),)) for item in difference.new]
    return _lines(words)


def _lines(words: Sequence[Word]) -> tuple[tuple[Word, ...], ...]:
    """Words by lines from the top, each from the left; a scan may be tilted."""
    if not words:
        return ()
    boxes = np.array([word.box for word in words])
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    height = float(np.median(boxes[:, 3] - boxes[:, 1]))
    level = y - _tilt(x, y, height) * x
    order = np.argsort(level, kind="stable")
    lines: list[list[int]] = []
    for index in order.tolist():
        # The next line begins where a word stands half a word's height below the words of this one.
        if lines and level[index] - float(np.mean(level[lines[-1]])) < height / 2:
            lines[-1].append(index)
        else:
            lines.append([index])
    return tuple(tuple(words[index] for index in sorted(line, key=lambda i: (x[i], i))) for line in lines)


def _tilt(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], height: float) -> float:
    """The slope of the lines, from each word to the next one on its right; 0 where there are too few to tell."""
    slopes = []
    for index in range(len(x)):
        across, down = x - x[index], y - y[index]
        near = np.flatnonzero((across > height) & (across < 12 * height) & (np.abs(down) < height / 2))
        if len(near):
            nearest = near[np.argmin(across[near])]
            slopes.append(down[nearest] / across[nearest])
    return float(np.median(slopes)) if len(slopes) > 4 else 0.0
