"""What sampling does to work beside it: paired blocks, and an interval that is right about known effects."""

from __future__ import annotations

import math
import random

import pytest

from npubench.engine import effect as under_test
from npubench.engine.effect import effect, interval


@pytest.mark.parametrize("true", [1.0, 1.02])
def test_the_interval_holds_the_true_ratio_as_often_as_it_says(true: float) -> None:
    drawn = random.Random(6)
    held = 0
    for _ in range(400):
        pairs = [(true * 0.2 * math.exp(drawn.gauss(0, 0.01)), 0.2 * math.exp(drawn.gauss(0, 0.01))) for _ in range(11)]
        found = interval(pairs)
        assert found is not None
        assert found.low <= found.ratio <= found.high
        held += found.low <= true <= found.high
    # 95 % of 400, three standard errors around it.
    assert 367 <= held <= 393


def test_one_pair_has_no_interval() -> None:
    assert interval([(1.0, 1.0)]) is None


def test_sampling_alternates_in_pairs_and_is_on_at_the_end() -> None:
    told: list[bool] = []
    found = effect(told.append, pairs=4, block_s=0.02, seed=1)
    assert found is not None
    assert found.blocks == 8
    assert 0 < found.low <= found.ratio <= found.high
    assert told[-1] is True
    assert [sorted(told[at : at + 2]) for at in range(0, 8, 2)] == [[False, True]] * 4
    assert told[:8] != [True, False] * 4, "the order is drawn"
    again: list[bool] = []
    effect(again.append, pairs=4, block_s=0.02, seed=1)
    assert again == told


def test_a_stop_ends_it_with_sampling_on() -> None:
    told: list[bool] = []
    assert effect(told.append, lambda: True, pairs=4, block_s=0.02) is None
    assert told[-1] is True


def test_a_child_that_does_not_answer_is_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test.sys, "executable", "/bin/true")
    assert effect(lambda on: None, pairs=2, block_s=0.02) is None
