"""Scores on cases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.authoring.scores import average_precision, edits, error_rate, matched, mean_average_precision

TRUTH = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32)


def test_all_found_and_nothing_else_is_one() -> None:
    found = np.column_stack([TRUTH, [0.9, 0.8]]).astype(np.float32)
    assert average_precision([found], [TRUTH], 0.5) == pytest.approx(1.0)


def test_a_false_alarm_between_two_hits() -> None:
    """Precision 1 up to recall 1/2 (51 of 101 points), 2/3 beyond it."""
    found = np.array([[0, 0, 10, 10, 0.9], [50, 50, 60, 60, 0.8], [20, 0, 30, 10, 0.7]], np.float32)
    assert average_precision([found], [TRUTH], 0.5) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_a_second_box_on_the_same_object_is_a_false_alarm() -> None:
    found = np.array([[0, 0, 10, 10, 0.9], [0, 0, 10, 9, 0.8]], np.float32)
    assert average_precision([found], [TRUTH], 0.5) == pytest.approx(51 / 101)


def test_no_detection_is_zero_and_nothing_to_find_does_not_count() -> None:
    nothing = np.empty((0, 6), np.float32)
    labelled = np.column_stack([[0, 0], TRUTH]).astype(np.float32)
    mean, each = mean_average_precision([nothing], [labelled], 2)
    assert mean == 0
    assert np.isnan(each[1])


def test_each_box_pairs_once() -> None:
    found = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]], np.float32)
    assert matched(found, TRUTH) == 1
    assert matched(np.empty((0, 4), np.float32), TRUTH) == 0


def test_known_distances() -> None:
    assert edits("kitten", "sitting") == 3
    assert edits("", "가나") == 2
    assert error_rate(["가나", "다"], ["가나", "라"]) == pytest.approx(1 / 3)


@given(st.text("ab가", max_size=8), st.text("ab가", max_size=8), st.text("ab가", max_size=8))
def test_edits_are_a_distance(a: str, b: str, c: str) -> None:
    assert edits(a, b) == edits(b, a)
    assert (edits(a, b) == 0) == (a == b)
    assert edits(a, c) <= edits(a, b) + edits(b, c)
