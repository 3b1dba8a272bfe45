"""Scores of trained networks on labelled data: average precision, F1 of boxes, character error rate.

Average precision follows COCO's: detections of all pictures by falling score, each takes the best free box of its
class, precision made monotone and read at 101 recalls. Not aware of: networks, torch, files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def overlaps(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Intersection over union [len(a), len(b)] of boxes x0, y0, x1, y1."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1) for boxes in (a, b)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-9))


def average_precision(found: Sequence[Floats], truth: Sequence[Floats], iou: float) -> float:
    """Of one class. `found`: per picture [n, 5] of x0, y0, x1, y1, score, best first; `truth`: per picture [m, 4].

    NaN when there is nothing to find.
    """
    total = sum(map(len, truth))
    if not total:
        return float("nan")
    scores: list[float] = []
    hits: list[bool] = []
    for boxes, wanted in zip(found, truth, strict=True):
        free = np.ones(len(wanted), np.bool_)
        shared = overlaps(boxes, wanted)
        for row, box in zip(shared, boxes, strict=True):
            row = np.where(free, row, -1)
            best = int(row.argmax()) if len(row) else -1
            hit = best >= 0 and row[best] >= iou
            if hit:
                free[best] = False
            scores.append(float(box[4]))
            hits.append(bool(hit))
    order = np.argsort(-np.array(scores), kind="stable")
    good = np.cumsum(np.array(hits, np.float64)[order])
    recall = good / total
    precision = good / np.arange(1, len(good) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
    return float(np.mean([precision[place] if place < len(precision) else 0.0 for place in places]))


def mean_average_precision(
    found: Sequence[Floats], truth: Sequence[Floats], classes: int, iou: float = 0.5
) -> tuple[float, list[float]]:
    """The mean over classes, and each class's. `found`: [n, 6] of box, score, class; `truth`: [m, 5] of class, box."""
    each = [
        average_precision(
            [rows[rows[:, 5] == kind][:, :5] for rows in found],
            [rows[rows[:, 0] == kind][:, 1:] for rows in truth],
            iou,
        )
        for kind in range(classes)
    ]
    return float(np.nanmean(each)), each


def matched(found: Floats, truth: Floats, iou: float = 0.5) -> int:
    """How many boxes of `found` [n, 4] pair with one of `truth` [m, 4], the best pairs first."""
    shared = overlaps(found, truth)
    pairs = np.argwhere(shared >= iou)
    taken_found: set[int] = set()
    taken_truth: set[int] = set()
    for place in np.argsort(-shared[pairs[:, 0], pairs[:, 1]], kind="stable"):
        i, j = (int(index) for index in pairs[place])
        if i not in taken_found and j not in taken_truth:
            taken_found.add(i)
            taken_truth.add(j)
    return len(taken_found)


def edits(a: str, b: str) -> int:
    """Insertions, deletions and substitutions between two texts (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, char in enumerate(a, start=1):
        last, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (char != other))
    return row[-1]


def error_rate(read: Sequence[str], truth: Sequence[str]) -> float:
    """Edits per character of the truth, over all texts."""
    return sum(map(edits, read, truth)) / max(1, sum(map(len, truth)))
