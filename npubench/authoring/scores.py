"""Scores during training, by the rules of `workloads.scoring`. Not aware of: networks, torch, files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from npubench.workloads.labels import Truth
from npubench.workloads.scoring import average_precisions

Floats = npt.NDArray[np.float32]


def truth_of(boxes: Floats) -> Truth:
    """The truth of one scene from its rows of class, box. Rows of a class below 0 stand for no object."""
    real = boxes[boxes[:, 0] >= 0]
    corners = real[:, 1:5].astype(np.float32)
    sizes = corners[:, 2:] - corners[:, :2]
    return Truth(
        boxes=corners,
        classes=real[:, 0].astype(np.int64),
        crowd=np.zeros(len(real), np.bool_),
        area=np.prod(sizes, axis=1).astype(np.float64),
    )


def precisions(found: Sequence[Floats], truth: Sequence[Floats], classes: int) -> tuple[dict[str, float], list[float]]:
    """mAP50 and mAP75 over the classes that occur, and each class's AP50."""
    known = [truth_of(boxes) for boxes in truth]
    each = np.stack([average_precisions(found, known, kind) for kind in range(classes)])
    # COCO's overlaps begin at 0.5 and rise by 0.05.
    return {"map50": float(np.nanmean(each[:, 0])), "map75": float(np.nanmean(each[:, 5]))}, each[:, 0].tolist()
