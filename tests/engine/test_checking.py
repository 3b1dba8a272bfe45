"""Answers that belong to another request are refused; honest ones that differ a little are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from npubench.engine.checking import WrongOutputError, check_all
from npubench.schema import FailureKind
from npubench.spi import Outputs

Answer = Callable[[int], np.ndarray]


class Inspected:
    """A bound workload of which only the outputs matter."""

    unit = "sample"
    count = 4

    def __init__(self, answer: Callable[[int], Mapping[str, np.ndarray]]) -> None:
        self._answer = answer
        self.asked: list[int] = []

    def step(self, index: int) -> int:
        return 1

    def inspect(self, index: int) -> Outputs:
        self.asked.append(index)
        return self._answer(index)

    def close(self) -> None: ...


def right(index: int) -> np.ndarray:
    return np.random.default_rng(index).normal(size=(1, 64)).astype(np.float32)


def late(by: int, before: list[int]) -> Callable[[int], Mapping[str, np.ndarray]]:
    """Answers `by` requests late; `before` are the requests before the first check."""
    pending = list(before)

    def answer(index: int) -> Mapping[str, np.ndarray]:
        pending.append(index)
        return {"y": right(pending[-1 - by])}

    return answer


@pytest.mark.parametrize(
    ("by", "before"),
    [
        *[(1, before) for before in ([0, 0, 0], [1, 1, 1], [2, 3, 2], [0, 1, 0], [1, 0, 1])],
        *[(2, before) for before in ([0, 0, 0], [1, 1, 1], [2, 3, 2], [0, 2, 3])],
    ],
)
def test_an_answer_that_is_late_is_convicted_whatever_came_before(by: int, before: list[int]) -> None:
    with pytest.raises(WrongOutputError) as caught:
        check_all(Inspected(late(by, before)), {})
    assert caught.value.kind is FailureKind.INCONSISTENT
    assert "output y" in str(caught.value)


def test_an_honest_backend_is_asked_for_every_input() -> None:
    bound = Inspected(lambda index: {"y": right(index)})
    check_all(bound, {})
    assert bound.asked == [0, 1, 1, 0, 2, 3]


def test_rounding_that_differs_from_run_to_run_is_honest() -> None:
    noise = np.random.default_rng(1)
    check_all(Inspected(lambda index: {"y": right(index) + noise.normal(scale=1e-3, size=(1, 64))}), {})


def test_answers_that_hardly_depend_on_the_input_may_differ_by_rounding() -> None:
    noise = np.random.default_rng(1)
    check_all(Inspected(lambda index: {"y": right(7) + noise.normal(scale=1e-3, size=(1, 64))}), {})


@pytest.mark.parametrize("value", [np.zeros((1, 4), np.float32), np.zeros((0, 4), np.float32), np.float32(1)])
def test_the_same_answer_to_everything_is_a_matter_of_quality(value: np.ndarray) -> None:
    check_all(Inspected(lambda index: {"y": np.asarray(value)}), {})


def test_decisions_and_shapes_that_change_are_not_judged_here() -> None:
    calls = iter(range(100))
    check_all(Inspected(lambda index: {"y": np.full((1, 4), next(calls), np.int64)}), {})
    check_all(Inspected(lambda index: {"y": np.full((1, next(calls) + 1), index, np.float32)}), {})


def test_one_input_is_asked_once() -> None:
    bound = Inspected(lambda index: {"y": right(index)})
    bound.count = 1
    check_all(bound, {})
    assert bound.asked == [0]
