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
    # Side by side of a pair, not as an array [len(a), len(b), 2]: that is slower, and takes twice the memory.
    wide = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    high = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    return np.asarray(np.clip(wide, 0, None) * np.clip(high, 0, None))


def pairs(found: npt.NDArray[Any], truth: npt.NDArray[Any], iou: float = 0.5) -> list[tuple[int, int]]:
    """(found, truth) indexes of boxes [n, 4] and [m, 4] that belong together, the best overlap first, each box once."""
    return paired(overlaps(found, truth), iou)


def paired(shared: npt.NDArray[Any], least: float = 0.5) -> list[tuple[int, int]]:
    """As `pairs`, of overlaps [n, m]; those under `least` (above 0) are none."""
    able = np.argwhere(shared >= least)
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
