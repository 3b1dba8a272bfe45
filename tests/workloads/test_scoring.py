"""Scores on cases that can be worked out by hand, and against pycocotools."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.workloads.labels import Truth
from npubench.workloads.scoring import (
    average_precisions,
    edits,
    error_rate,
    f1,
    mean_average_precision,
    pairs,
)

BOXES = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32)


def truth_of(boxes: Any, classes: Any = None, crowd: Any = None) -> Truth:
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    return Truth(
        boxes=boxes,
        classes=np.zeros(len(boxes), np.int64) if classes is None else np.asarray(classes, np.int64),
        crowd=np.zeros(len(boxes), np.bool_) if crowd is None else np.asarray(crowd, np.bool_),
        area=np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).astype(np.float64),
    )


def rows(*found: tuple[float, ...]) -> Any:
    return np.array(found, np.float32).reshape(-1, 6)


TRUTH = truth_of(BOXES)


def test_all_found_and_nothing_else_is_one() -> None:
    found = rows((0, 0, 10, 10, 0.9, 0), (20, 0, 30, 10, 0.8, 0))
    assert average_precisions([found], [TRUTH], 0) == pytest.approx(np.ones(10))


def test_a_false_alarm_between_two_hits() -> None:
    """Precision 1 up to recall 1/2 (51 of 101 points), 2/3 beyond it."""
    found = rows((0, 0, 10, 10, 0.9, 0), (50, 50, 60, 60, 0.8, 0), (20, 0, 30, 10, 0.7, 0))
    assert average_precisions([found], [TRUTH], 0)[0] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_a_second_box_on_the_same_object_is_a_false_alarm() -> None:
    found = rows((0, 0, 10, 10, 0.9, 0), (0, 0, 10, 9, 0.8, 0))
    assert average_precisions([found], [TRUTH], 0)[0] == pytest.approx(51 / 101)


def test_no_detection_is_zero_and_a_class_that_does_not_occur_does_not_count() -> None:
    assert mean_average_precision([rows()], [TRUTH], 2) == {"map50": 0.0, "map50_95": 0.0}
    assert mean_average_precision([rows()], [truth_of([])], 2) == {}


def test_what_lies_in_a_crowd_does_not_count() -> None:
    crowd = truth_of([[0, 0, 10, 10], [20, 0, 60, 40]], crowd=[False, True])
    found = rows((0, 0, 10, 10, 0.5, 0), (21, 1, 30, 10, 0.9, 0), (31, 1, 40, 10, 0.8, 0))
    assert average_precisions([found], [crowd], 0)[0] == pytest.approx(1.0)


def drawn(seed: int, pictures: int = 12, classes: int = 3) -> tuple[list[Any], list[Truth]]:
    """Objects, and detections near them, beside them and of the wrong class, with equal scores among them."""
    rng = np.random.default_rng(seed)
    found, truth = [], []
    for _ in range(pictures):
        count = int(rng.integers(0, 9))
        corner = rng.integers(0, 80, (count, 2))
        boxes = np.concatenate([corner, corner + rng.integers(4, 60, (count, 2))], axis=1).astype(np.float32)
        kinds = rng.integers(0, classes, count)
        truth.append(truth_of(boxes, kinds, rng.random(count) < 0.15))
        near = np.repeat(boxes, 2, axis=0) + rng.integers(-4, 5, (2 * count, 4))
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        labels = np.where(rng.random(2 * count) < 0.8, np.repeat(kinds, 2), rng.integers(0, classes, 2 * count))
        scores = np.round(rng.random(2 * count), 1)
        order = np.argsort(-scores, kind="stable")
        found.append(np.column_stack([near, scores, labels]).astype(np.float32)[order].reshape(-1, 6))
    return found, truth


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_pycocotools(seed: int) -> None:
    coco_module = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed (pip install -e .[dev])")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    found, truth = drawn(seed)
    annotations = [
        {
            "id": 1000 * picture + row + 1,
            "image_id": picture,
            "category_id": int(there.classes[row]),
            "bbox": [float(v) for v in (*box[:2], *(box[2:] - box[:2]))],
            "area": float(there.area[row]),
            "iscrowd": int(there.crowd[row]),
        }
        for picture, there in enumerate(truth)
        for row, box in enumerate(there.boxes)
    ]
    results = [
        {
            "image_id": picture,
            "category_id": int(kind),
            "bbox": [float(v) for v in (x0, y0, x1 - x0, y1 - y0)],
            "score": float(score),
        }
        for picture, of_picture in enumerate(found)
        for x0, y0, x1, y1, score, kind in of_picture
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        reference = coco_module.COCO()
        reference.dataset = {
            "images": [{"id": picture} for picture in range(len(truth))],
            "annotations": annotations,
            "categories": [{"id": kind, "name": str(kind)} for kind in range(3)],
        }
        reference.createIndex()
        run = evaluation.COCOeval(reference, reference.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    ours = mean_average_precision(found, truth, 3)
    assert ours["map50"] == pytest.approx(run.stats[1], abs=1e-9)
    assert ours["map50_95"] == pytest.approx(run.stats[0], abs=1e-9)


def test_each_box_pairs_once() -> None:
    found = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]], np.float32)
    assert pairs(found, BOXES) == [(0, 0)]
    assert pairs(np.empty((0, 4), np.float32), BOXES) == []
    assert f1(1, 3, 2) == pytest.approx(0.4)
    assert f1(0, 0, 0) is None


def test_known_distances() -> None:
    assert edits("kitten", "sitting") == 3
    assert edits("", "가나") == 2
    assert error_rate(["가나", "다"], ["가나", "라"]) == pytest.approx(1 / 3)
    assert error_rate([], []) == 0


@given(st.text("ab가", max_size=8), st.text("ab가", max_size=8), st.text("ab가", max_size=8))
def test_edits_are_a_distance(a: str, b: str, c: str) -> None:
    assert edits(a, b) == edits(b, a)
    assert (edits(a, b) == 0) == (a == b)
    assert edits(a, c) <= edits(a, b) + edits(b, c)
