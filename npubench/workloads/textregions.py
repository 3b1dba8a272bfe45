"""A map of text logits → word boxes: threshold, connected components, unshrinking, cap.

Components are found without scipy or OpenCV: each row's runs of text cells, joined with the runs of the row above that
they touch (8 neighbours), by a union-find that works on whole arrays, so that a map of noise costs about as much as a
map of words. Boxes are upright rectangles: pages are scanned upright to within a few degrees.

The map marks *shrunken* words (Liao et al., Real-time Scene Text Detection with Differentiable Binarization, 2020: a
region of area A and perimeter L is shrunk by D = A·(1 − r²)/L, r = 0.4, so that neighbours do not touch); boxes are
grown back by exactly the D of the rectangle that would have shrunk to what was found, its edges placed between cells.

Not aware of: pictures, reading, the stride of the map.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Indexes = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float32]


def components(mask: npt.NDArray[np.bool_]) -> tuple[Indexes, Indexes]:
    """The connected components (8 neighbours) of a mask [height, width].

    Returns the boxes [n, 4] (x0, y0, x1, y1; ends exclusive) and the component's runs as [runs, 3] (row start in the
    padded, flattened map; end; component), components in the order of their first cell.
    """
    starts, ends, stride = _runs(mask)
    label = _join(*_touching(starts, ends, stride), len(starts))
    # Roots are the smallest run of each component, so that sorted roots are in reading order.
    roots, component = np.unique(label, return_inverse=True)
    component = component.reshape(-1).astype(np.intp)
    if not len(roots):
        return np.empty((0, 4), np.intp), np.empty((0, 3), np.intp)
    rows = starts // stride
    order = np.argsort(component, kind="stable")
    first = np.searchsorted(component[order], np.arange(len(roots)))
    boxes = np.stack(
        [
            np.minimum.reduceat((starts - rows * stride)[order], first),
            rows[roots],
            np.maximum.reduceat((ends - rows * stride)[order], first),
            np.maximum.reduceat(rows[order], first) + 1,
        ],
        axis=1,
    )
    return boxes, np.stack([starts, ends, component], axis=1)


def _runs(mask: npt.NDArray[np.bool_]) -> tuple[Indexes, Indexes, int]:
    """Starts and ends (exclusive) of the runs of true cells, in the map flattened with one empty column per row."""
    height, width = mask.shape
    padded = np.zeros(height * (width + 1) + 1, np.int8)
    padded[1:].reshape(height, width + 1)[:, :width] = mask
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return edges[0::2], edges[1::2], width + 1


def _touching(starts: Indexes, ends: Indexes, stride: int) -> tuple[Indexes, Indexes]:
    """Pairs of runs (upper, lower) of neighbouring rows that touch, also at a corner."""
    # Runs are sorted and disjoint, so the lower runs that an upper one touches are neighbours in the list. The empty
    # column keeps a run at the right edge apart from one at the left edge of the row below.
    lowest = np.searchsorted(ends, starts + (stride - 1), side="right")
    highest = np.searchsorted(starts, ends + (stride + 1), side="left")
    counts = np.maximum(highest - lowest, 0)
    upper = np.repeat(np.arange(len(starts)), counts)
    offsets = np.arange(len(upper)) - np.repeat(np.cumsum(counts) - counts, counts)
    return upper, lowest[upper] + offsets


def _join(upper: Indexes, lower: Indexes, count: int) -> Indexes:
    """The smallest member of each element's set after joining all pairs."""
    parent = np.arange(count)
    while len(upper):
        high, low = parent[upper], parent[lower]
        apart = high != low
        upper, lower, high, low = upper[apart], lower[apart], high[apart], low[apart]
        # Hooking the larger root under a smaller one can make no circle; a pair that lost stays for the next round.
        parent[np.maximum(high, low)] = np.minimum(high, low)
        while True:
            grand = parent[parent]
            if np.array_equal(grand, parent):
                break
            parent = grand
    return parent


def unshrink(boxes: Floats, ratio: float) -> Floats:
    """Boxes [n, 4] grown back by the distance that shrank them (`ratio` is r of the docstring; 1 means no shrinking).

    For a shrunken w'×h' and c = 1 − r², D solves (8 − 4c)·D² + 2(1 − c)(w' + h')·D − c·w'·h' = 0.
    """
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    c = 1 - ratio * ratio
    a, b = 8 - 4 * c, 2 * (1 - c) * (width + height)
    grow = (np.sqrt(b * b + 4 * a * c * width * height) - b) / (2 * a)
    return np.stack([boxes[:, 0] - grow, boxes[:, 1] - grow, boxes[:, 2] + grow, boxes[:, 3] + grow], axis=1).astype(
        np.float32
    )


def refined(boxes: Indexes, levels: Floats, threshold: float) -> Floats:
    """Boxes of cells [n, 4] with their edges between the cells: where the mean probability crosses `threshold`.

    The crossing is interpolated between the last row (column) inside and the first one outside. A cell is four pixels,
    a third of a small word's height: edges on whole cells would cut letters.
    """
    height, width = levels.shape
    framed = np.zeros((height + 2, width + 2))
    framed[1:-1, 1:-1] = 1 / (1 + np.exp(-levels.astype(np.float64)))
    sums = np.zeros((height + 3, width + 3))
    sums[1:, 1:] = framed.cumsum(axis=0).cumsum(axis=1)
    x0, y0, x1, y1 = (boxes + 1).T

    def mean(left: Indexes, top: Indexes, right: Indexes, bottom: Indexes) -> npt.NDArray[np.float64]:
        total = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
        return np.asarray(total / ((right - left) * (bottom - top)))

    def outside(beyond: npt.NDArray[np.float64], within: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """How far from the middle of the cell beyond to that of the cell within the crossing lies."""
        return np.clip((threshold - beyond) / np.maximum(within - beyond, 1e-6), 0, 1)

    edges = np.stack(
        [
            boxes[:, 0] - 0.5 + outside(mean(x0 - 1, y0, x0, y1), mean(x0, y0, x0 + 1, y1)),
            boxes[:, 1] - 0.5 + outside(mean(x0, y0 - 1, x1, y0), mean(x0, y0, x1, y0 + 1)),
            boxes[:, 2] + 0.5 - outside(mean(x1, y0, x1 + 1, y1), mean(x1 - 1, y0, x1, y1)),
            boxes[:, 3] + 0.5 - outside(mean(x0, y1, x1, y1 + 1), mean(x0, y1 - 1, x1, y1)),
        ],
        axis=1,
    )
    # A region one cell high may cross from both sides in the same place.
    edges[:, 2:] = np.maximum(edges[:, 2:], edges[:, :2] + 0.25)
    return edges.astype(np.float32)


def regions(
    logits: npt.NDArray[Any], *, threshold: float, min_area: int, max_boxes: int, shrink: float
) -> tuple[Floats, Floats]:
    """The word boxes of a map of logits [height, width], in cells of the map, in the order of their first cell.

    A cell is text when its probability is above `threshold`; regions of fewer than `min_area` cells are dropped; of
    more than `max_boxes` those with the highest mean logit stay. Returns boxes [n, 4] (x0, y0, x1, y1), clipped to the
    map, and scores [n], the mean logit's probability.
    """
    height, width = logits.shape
    levels = np.asarray(logits, np.float32)
    boxes, runs = components(levels > math.log(threshold / (1 - threshold)))
    if not len(boxes):
        return np.empty((0, 4), np.float32), np.empty(0, np.float32)
    # The sum over a run is a difference of running sums, which are laid out like the padded map.
    sums = np.zeros(height * (width + 1) + 1)
    sums[1:].reshape(height, width + 1)[:, :width] = levels
    np.cumsum(sums, out=sums)
    starts, ends, component = runs.T
    areas = np.bincount(component, weights=ends - starts)
    means = np.bincount(component, weights=sums[ends] - sums[starts]) / areas
    chosen = np.flatnonzero(areas >= min_area)
    if len(chosen) > max_boxes:
        chosen = np.sort(chosen[np.argsort(-means[chosen], kind="stable")[:max_boxes]])
    grown = unshrink(refined(boxes[chosen], levels, threshold), shrink)
    np.clip(grown, 0, np.array([width, height, width, height], np.float32), out=grown)
    scores = 1 / (1 + np.exp(-means[chosen]))
    return grown, scores.astype(np.float32)
