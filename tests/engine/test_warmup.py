"""Warm-up under a clock of our own: how many steps it takes until steady, and when it gives up."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.engine import warmup
from npubench.engine.warmup import BLOCK_NS, PATIENCE, TOLERANCE, warm_up
from npubench.schema import Warmup
from tests.clock import Clock

MS = 1_000_000
S = 1_000 * MS


def warmed(times_ns: Iterable[int], limit_ns: int) -> tuple[Warmup, int]:
    """Warms up with steps that take `times_ns`, the last of them again and again."""
    given_ns = list(times_ns)
    durations = itertools.chain(given_ns, itertools.repeat(given_ns[-1]))
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock = Clock(monkeypatch, warmup)

        def step(_: int) -> int:
            clock.advance(next(durations))
            return 1

        return warm_up(step, limit_ns)


def test_a_steady_step_takes_three_blocks() -> None:
    found, step_ns = warmed([10 * MS], 60 * S)
    assert found == Warmup(steps=9, duration_ns=90 * MS, steady=True)
    assert step_ns == 10 * MS


def test_a_first_step_that_compiles_is_no_part_of_the_judgement() -> None:
    found, step_ns = warmed([10 * S, 10 * MS], 60 * S)
    assert found == Warmup(steps=10, duration_ns=10 * S + 90 * MS, steady=True)
    assert step_ns == 10 * MS


def test_short_steps_are_judged_over_blocks_of_many() -> None:
    found, step_ns = warmed([100_000], 60 * S)
    assert found.steady
    assert found.steps == 3 * BLOCK_NS // 100_000
    assert step_ns == 100_000


def test_a_step_that_gets_slower_and_slower_is_never_steady() -> None:
    found, step_ns = warmed([int(40 * MS * 1.1**index) for index in range(60)], 5 * S)
    assert not found.steady
    assert found.duration_ns >= 5 * S
    assert step_ns > 40 * MS


@pytest.mark.parametrize(("third", "steady"), [(42 * MS, True), (42 * MS + 1, False)])
def test_five_per_cent_is_the_line(third: int, steady: bool) -> None:
    found, _ = warmed([40 * MS, 40 * MS, third], 120 * MS)
    assert found.steady is steady
    assert found.steps == 3


def test_an_odd_step_within_a_block_does_not_unsettle_its_median() -> None:
    found, step_ns = warmed([10 * MS, 25 * MS, 10 * MS], 60 * S)
    assert found.steady
    assert step_ns == 10 * MS


@pytest.mark.parametrize(
    ("step_ns", "steps", "steady"),
    [
        (300 * MS, 3, True),  # past the limit after two, but three are needed for a judgement
        (PATIENCE * 500 * MS // 2, 2, False),
        (60 * S, 1, False),  # no judgement is worth this
    ],
)
def test_slow_steps_get_patience_but_not_for_ever(step_ns: int, steps: int, steady: bool) -> None:
    found, typical = warmed([step_ns], 500 * MS)
    assert (found.steps, found.steady) == (steps, steady)
    assert typical == step_ns


def test_a_limit_shorter_than_a_block_still_knows_the_step() -> None:
    found, step_ns = warmed([2 * MS, 1 * MS, 1 * MS], 5 * MS)
    assert found == Warmup(steps=4, duration_ns=5 * MS, steady=False)
    assert step_ns == 1 * MS


def test_no_time_at_all_is_one_step() -> None:
    assert warmed([MS], 0)[0].steps == 1


@given(st.lists(st.integers(MS, 400 * MS), min_size=1, max_size=40), st.integers(1, 3 * S))
def test_it_ends_and_says_truly_how(times_ns: list[int], limit_ns: int) -> None:
    found, step_ns = warmed(times_ns, limit_ns)
    spent = (times_ns + [times_ns[-1]] * found.steps)[: found.steps]
    assert found.duration_ns == sum(spent)
    assert min(spent) <= step_ns <= max(spent)
    assert found.duration_ns - spent[-1] < PATIENCE * limit_ns
    if not found.steady:
        assert found.duration_ns >= limit_ns
    if found.steps >= 3 and min(spent) >= BLOCK_NS:
        # Steps that are blocks by themselves (a short one would share its block with the next): judged by hand.
        assert found.steady == (max(spent[-3:]) <= min(spent[-3:]) * (1 + TOLERANCE))
