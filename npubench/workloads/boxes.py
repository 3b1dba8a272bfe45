"""Detection heads → boxes: decode of raw heads, class-wise non-maximum suppression, in numpy on the host.

The heads are those of an anchor-free detector: for each stride s a tensor of distances `box_s{s}` [batch, 4, H, W] and
one of class logits `cls_s{s}` [batch, classes, H, W]. The cell (gx, gy) has its centre at ((gx+0.5)·s, (gy+0.5)·s);
left, top, right, bottom = exp(clip(x, −8, 8))·s; a class's score is its sigmoid; a cell votes for its best class only.

Guarantees a result that does not depend on the machine: equal scores keep the order stride, row, column.
Not aware of: pictures, letterboxing (`images.Fit` maps boxes back), class names.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.errors import CardError
from npubench.spi import Outputs, Session

Floats = npt.NDArray[np.float32]
Indexes = npt.NDArray[np.intp]

_DISTANCE_CLIP = 8.0
# Rows of the overlap matrix that are computed at once: 128 × 1000 float32 stay inside a 1 MiB second-level cache.
_BLOCK = 128


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept: scores above `score_threshold`, the best `max_candidates` before and `max_detections` after NMS."""

    strides: tuple[int, ...]
    score_threshold: float
    nms_iou: float
    max_candidates: int
    max_detections: int


class Heads:
    """Decodes the heads of one detector. Cell centres are laid out once; holds no other state."""

    def __init__(self, rules: Rules, width: int, height: int) -> None:
        self.rules = rules
        # sigmoid(x) > t ⇔ x > ln(t / (1 − t)): no sigmoid is taken of cells that are dropped.
        self._least_logit = math.log(rules.score_threshold / (1 - rules.score_threshold))
        self._names = [(f"box_s{stride}", f"cls_s{stride}") for stride in rules.strides]
        grids = [_centres(math.ceil(width / stride), math.ceil(height / stride), stride) for stride in rules.strides]
        self._centres = np.concatenate(grids)
        self._cell_sizes = np.concatenate(
            [np.full(len(grid), stride, np.float32) for grid, stride in zip(grids, rules.strides, strict=True)]
        )

    def check(self, session: Session, role_name: str) -> None:
        """Raises CardError when the session lacks one of the heads."""
        found = [spec.name for spec in session.outputs]
        absent = [name for pair in self._names for name in pair if name not in found]
        if absent:
            raise CardError(
                (f"graphs.{role_name}: found outputs {', '.join(found)}; expected also {', '.join(absent)}",)
            )

    def candidates(self, outputs: Outputs, row: int) -> Floats:
        """The best cells of row `row` of a batch before NMS: [n, 6] of x0, y0, x1, y1, score, class, best first."""
        logits = [np.asarray(outputs[name][row], np.float32) for _, name in self._names]
        flat = [head.reshape(len(head), -1) for head in logits]
        best = np.concatenate([head.max(axis=0) for head in flat])
        cells = np.flatnonzero(best > self._least_logit)
        most = self.rules.max_candidates
        if len(cells) > most:
            least = np.partition(best[cells], len(cells) - most)[len(cells) - most]
            cells = cells[best[cells] >= least]
        cells = cells[np.argsort(-best[cells], kind="stable")[:most]]
        rows = np.empty((len(cells), 6), np.float32)
        distances = np.empty((len(cells), 4), np.float32)
        first = 0
        for head, (name, _) in zip(flat, self._names, strict=True):
            count = head.shape[1]
            here = np.flatnonzero((cells >= first) & (cells < first + count))
            local = cells[here] - first
            distances[here] = np.asarray(outputs[name][row]).reshape(4, -1)[:, local].T
            rows[here, 5] = head[:, local].argmax(axis=0)
            first += count
        np.clip(distances, -_DISTANCE_CLIP, _DISTANCE_CLIP, out=distances)
        np.exp(distances, out=distances)
        distances *= self._cell_sizes[cells, None]
        rows[:, 0:2] = self._centres[cells] - distances[:, 0:2]
        rows[:, 2:4] = self._centres[cells] + distances[:, 2:4]
        rows[:, 4] = 1 / (1 + np.exp(-best[cells]))
        return rows

    def detections(self, outputs: Outputs, row: int) -> Floats:
        """The boxes of row `row` after NMS: float32 [n, 6] of x0, y0, x1, y1, score, class, best first."""
        rows = self.candidates(outputs, row)
        rules = self.rules
        return rows[nms(rows[:, :4], rows[:, 5], rules.nms_iou, rules.max_detections)]


def _centres(columns: int, rows: int, stride: int) -> Floats:
    x = (np.arange(columns, dtype=np.float32) + np.float32(0.5)) * np.float32(stride)
    y = (np.arange(rows, dtype=np.float32) + np.float32(0.5)) * np.float32(stride)
    return np.stack([np.tile(x, rows), np.repeat(y, columns)], axis=1)


def nms(boxes: Floats, classes: npt.NDArray[Any], iou: float, limit: int) -> Indexes:
    """Greedy non-maximum suppression within each class.

    `boxes` [n, 4] (x0, y0, x1, y1) and `classes` [n] are sorted best first. A box goes when its intersection over union
    with a better one of its class is above `iou`. Returns the kept indexes, at most `limit`, best first.
    """
    count = len(boxes)
    x0, y0, x1, y1 = np.ascontiguousarray(boxes.T, dtype=np.float32)
    areas = (x1 - x0) * (y1 - y0)
    gone = np.zeros(count, np.bool_)
    kept: list[int] = []
    for start in range(0, count, _BLOCK):
        rows = start + np.flatnonzero(~gone[start : start + _BLOCK])
        if not len(rows):
            continue
        rest = slice(start, count)
        pick = rows[:, None]
        width = np.minimum(x1[pick], x1[rest])
        width -= np.maximum(x0[pick], x0[rest])
        np.maximum(width, 0, out=width)
        overlap = np.minimum(y1[pick], y1[rest])
        overlap -= np.maximum(y0[pick], y0[rest])
        np.maximum(overlap, 0, out=overlap)
        overlap *= width
        # i / (a + b − i) > t  ⇔  i · (1 + t) > t · (a + b): one multiplication, and boxes without area need no care.
        overlap *= np.float32(1 + iou)
        scaled = areas * np.float32(iou)
        hits = overlap > scaled[pick] + scaled[rest]
        hits &= classes[pick] == classes[rest]
        for place, row in enumerate(rows.tolist()):
            if gone[row]:
                continue
            kept.append(row)
            if len(kept) >= limit:
                return np.array(kept, np.intp)
            gone[rest] |= hits[place]
    return np.array(kept, np.intp)
