"""Which boxes belong together: overlap, and pairs of it. Pure, with numpy alone: workloads score, the report draws.

Guarantees the same pairs for the same boxes on every machine. Not aware of: classes, texts, scores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def overlaps(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Intersection over union [len(a), len(b)] of boxes x0, y0, x1, y1."""
    shared = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-9))


def areas(boxes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Of boxes [n, 4], in square pixels [n]."""
    return np.asarray(np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1))


def intersections(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The area that two boxes share, [len(a), len(b)]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    return np.asarray(np.prod(np.clip(high - low, 0, None), axis=2))


def pairs(found: npt.NDArray[Any], truth: npt.NDArray[Any], iou: float = 0.5) -> list[tuple[int, int]]:
    """(found, truth) indexes of boxes [n, 4] and [m, 4] that belong together, the best overlap first, each box once."""
    shared = overlaps(found, truth)
    able = np.argwhere(shared >= iou)
    taken_found: set[int] = set()
    taken_truth: set[int] = set()
    matched = []
    for place in np.argsort(-shared[able[:, 0], able[:, 1]], kind="stable"):
        i, j = (int(index) for index in able[place])
        if i not in taken_found and j not in taken_truth:
            taken_found.add(i)
            taken_truth.add(j)
            matched.append((i, j))
    return matched
