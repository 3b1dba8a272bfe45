from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.errors import CardError
from npubench.workloads.boxes import Heads, Rules, nms
from tests.workloads.fakes import FakeSession, specs

RULES = Rules(strides=(8, 16), score_threshold=0.25, nms_iou=0.5, max_candidates=100, max_detections=10)


def naive_nms(boxes: npt.NDArray[np.float32], classes: npt.NDArray[np.int64], iou: float, limit: int) -> list[int]:
    kept: list[int] = []
    for index, (x0, y0, x1, y1) in enumerate(boxes.astype(float).tolist()):
        good = True
        for other in kept:
            if classes[other] != classes[index]:
                continue
            a0, b0, a1, b1 = boxes[other].astype(float).tolist()
            inner = max(0.0, min(x1, a1) - max(x0, a0)) * max(0.0, min(y1, b1) - max(y0, b0))
            union = (x1 - x0) * (y1 - y0) + (a1 - a0) * (b1 - b0) - inner
            good = good and not inner > iou * union
        if good:
            kept.append(index)
        if len(kept) == limit:
            break
    return kept


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 20), st.integers(0, 20), st.integers(0, 2)),
        max_size=300,
    ),
    st.sampled_from([0.25, 0.5, 0.75]),
    st.integers(1, 40),
)
@settings(deadline=None, max_examples=60)
def test_nms_is_the_quadratic_one(rows: list[tuple[int, int, int, int, int]], iou: float, limit: int) -> None:
    table = np.array(rows, np.float32).reshape(-1, 5)
    boxes = np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], axis=1)
    classes = table[:, 4].astype(np.int64)
    assert nms(boxes, classes, iou, limit).tolist() == naive_nms(boxes, classes, iou, limit)


def test_nms_over_several_blocks() -> None:
    rng = np.random.default_rng(3)
    corner = rng.integers(0, 400, (700, 2))
    boxes = np.concatenate([corner, corner + rng.integers(10, 60, (700, 2))], axis=1).astype(np.float32)
    classes = rng.integers(0, 3, 700)
    assert nms(boxes, classes, 0.5, 1000).tolist() == naive_nms(boxes, classes, 0.5, 1000)


def empty_heads(batch: int = 1) -> dict[str, npt.NDArray[np.float32]]:
    heads = {}
    for stride in RULES.strides:
        side = 64 // stride
        heads[f"box_s{stride}"] = np.zeros((batch, 4, side, side), np.float32)
        heads[f"cls_s{stride}"] = np.full((batch, 3, side, side), -9, np.float32)
    return heads


def test_a_box_is_decoded_around_its_cell() -> None:
    heads = empty_heads(batch=2)
    heads["cls_s16"][1, 2, 1, 3] = 2.0
    heads["box_s16"][1, :, 1, 3] = np.log([1.0, 0.5, 2.0, 1.5])
    decoder = Heads(RULES, 64, 64)
    assert decoder.detections(heads, 0).shape == (0, 6)
    (row,) = decoder.detections(heads, 1)
    x, y = 3.5 * 16, 1.5 * 16
    assert row[:4] == pytest.approx([x - 16, y - 8, x + 32, y + 24])
    assert row[4] == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert row[5] == 2


def test_distances_are_clipped_and_threshold_is_exclusive() -> None:
    heads = empty_heads()
    heads["cls_s8"][0, 0, 0, 0] = np.log(0.25 / 0.75)
    heads["cls_s8"][0, 1, 2, 2] = 0.0
    heads["box_s8"][0, :, 2, 2] = 1e9
    (row,) = Heads(RULES, 64, 64).detections(heads, 0)
    assert row[5] == 1
    assert row[2] == pytest.approx(20 + np.exp(8) * 8)


def test_candidates_are_the_best_in_a_stable_order() -> None:
    heads = empty_heads()
    heads["cls_s8"][0, 1] = 1.0
    heads["cls_s16"][0, 0, 3, 3] = 3.0
    rules = Rules(strides=(8, 16), score_threshold=0.25, nms_iou=0.5, max_candidates=4, max_detections=10)
    rows = Heads(rules, 64, 64).candidates(heads, 0)
    assert rows[:, 5].tolist() == [0, 1, 1, 1]
    centres = (rows[:, :2] + rows[:, 2:4]) / 2
    assert centres.tolist() == [[56, 56], [4, 4], [12, 4], [20, 4]]


def test_half_precision_heads_and_nan() -> None:
    heads = {name: value.astype(np.float16) for name, value in empty_heads().items()}
    heads["cls_s8"][0, 0, 1, 1] = 2
    assert len(Heads(RULES, 64, 64).detections(heads, 0)) == 1
    heads["cls_s8"][:] = np.nan
    assert len(Heads(RULES, 64, 64).detections(heads, 0)) == 0


def test_a_graph_without_a_head_is_refused() -> None:
    session = FakeSession([], specs({"box_s8": (1, 4, 8, 8), "cls_s8": (1, 3, 8, 8)}), lambda feeds: feeds)
    with pytest.raises(CardError, match="box_s16, cls_s16"):
        Heads(RULES, 64, 64).check(session, "detector")
