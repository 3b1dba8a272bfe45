"""Task scores from answers and truth: COCO's average precision, F1 of boxes, character error rate.

Average precision is that of pycocotools' COCOeval for bounding boxes over all areas (a test compares them): detections
of a class by falling score, at most `MOST_DETECTIONS` a picture, each takes the free box that it overlaps most, crowds
absorb what lies in them, precision made monotone and read at 101 recalls.

Guarantees the same score for the same answers on every machine. Not aware of: sessions, files, floors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from npubench.pairing import areas, intersections
from npubench.pairing import overlaps as overlaps
from npubench.pairing import pairs as pairs
from npubench.workloads.labels import Truth

Floats = npt.NDArray[np.float32]

# COCOeval's parameters.
OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MOST_DETECTIONS = 100
_NO_TRUTH = float("nan")


def average_precisions(found: Sequence[Floats], truth: Sequence[Truth], kind: int) -> npt.NDArray[np.float64]:
    """The average precision [10] of class `kind` at the overlaps 0.5, 0.55 … 0.95; NaN where nothing is to be found.

    `found`: per picture [n, 6] of box, score, class; `truth`: per picture what is there.
    """
    scores: list[npt.NDArray[Any]] = []
    hits: list[npt.NDArray[np.bool_]] = []
    counted: list[npt.NDArray[np.bool_]] = []
    total = 0
    for rows, there in zip(found, truth, strict=True):
        mine = rows[rows[:, 5] == kind].astype(np.float64)
        mine = mine[np.argsort(-mine[:, 4], kind="stable")][:MOST_DETECTIONS]
        wanted = there.classes == kind
        # Crowds come last: a detection takes one only where no single object is left for it.
        order = np.argsort(there.crowd[wanted], kind="stable")
        boxes = there.boxes[wanted][order].astype(np.float64)
        crowd = there.crowd[wanted][order]
        total += int((~crowd).sum())
        hit, ignored = _match(mine[:, :4], boxes, crowd)
        scores.append(mine[:, 4])
        hits.append(hit)
        counted.append(~ignored)
    if not total:
        return np.full(len(OVERLAPS), _NO_TRUTH)
    all_scores = np.concatenate(scores) if scores else np.zeros(0)
    order = np.argsort(-all_scores, kind="stable")
    all_hits = np.concatenate(hits, axis=1)[:, order]
    all_counted = np.concatenate(counted, axis=1)[:, order]
    return np.array([_area_under(all_hits[t], all_counted[t], total) for t in range(len(OVERLAPS))])


def _match(
    found: npt.NDArray[Any], boxes: npt.NDArray[Any], crowd: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Per overlap [10, found]: whether a detection hits an object, whether it does not count (it lies in a crowd)."""
    hit = np.zeros((len(OVERLAPS), len(found)), np.bool_)
    ignored = np.zeros_like(hit)
    if not len(found) or not len(boxes):
        return hit, ignored
    shared = intersections(found, boxes)
    own = areas(found)[:, None]
    union = np.where(crowd[None], own, own + areas(boxes)[None] - shared)
    share = shared / np.maximum(union, 1e-12)
    for t, least in enumerate(OVERLAPS):
        free = np.ones(len(boxes), np.bool_)
        for row, values in enumerate(share):
            for single in (True, False):
                able = (crowd != single) & (free | crowd) & (values >= min(least, 1 - 1e-10))
                if able.any():
                    # Of equal overlaps the last: COCOeval goes on while an overlap is not smaller.
                    best = len(values) - 1 - int(np.argmax(np.where(able, values, -1)[::-1]))
                    free[best] = False
                    (hit if single else ignored)[t, row] = True
                    break
    return hit, ignored


def _area_under(hit: npt.NDArray[np.bool_], counted: npt.NDArray[np.bool_], total: int) -> float:
    good = np.cumsum(hit & counted)
    bad = np.cumsum(~hit & counted)
    recall = good / total
    precision = good / np.maximum(good + bad, np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, RECALLS, side="left")
    return float(np.mean([precision[place] if place < len(precision) else 0.0 for place in places]))


def mean_average_precision(found: Sequence[Floats], truth: Sequence[Truth], classes: int) -> dict[str, float]:
    """`map50` and `map50_95` over the classes that occur; empty where nothing is to be found at all."""
    each = np.stack([average_precisions(found, truth, kind) for kind in range(classes)])
    occurs = ~np.isnan(each[:, 0])
    if not occurs.any():
        return {}
    return {"map50": float(each[occurs, 0].mean()), "map50_95": float(each[occurs].mean())}


def f1(hits: int, found: int, truth: int) -> float | None:
    """The harmonic mean of precision and recall; None where there is nothing and nothing was found."""
    return 2 * hits / (found + truth) if found + truth else None


def edits(a: str, b: str) -> int:
    """Insertions, deletions and substitutions between two texts (Levenshtein)."""
    if a == b:
        return 0
    row = list(range(len(b) + 1))
    for i, char in enumerate(a, start=1):
        last, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (char != other))
    return row[-1]


def error_rate(read: Sequence[str], truth: Sequence[str]) -> float:
    """Edits per character of the truth, over all texts; 0 where nothing is written and nothing was read."""
    wrong = sum(map(edits, read, truth))
    return wrong / max(1, sum(map(len, truth)))
