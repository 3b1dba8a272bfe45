"""Change points warn of lasting changes, and of nothing else. Rates are in tests/benchmarks/test_trend.py."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.stats.changepoint import LEAST_NIGHTS, Changes, change_points, robust_scale


def nights(count: int, sd: float = 0.005, seed: int = 0) -> list[float]:
    return list(np.random.default_rng(seed).normal(17.0, sd, count))


def stepped(count: int, at: int, step: float = 0.05, sd: float = 0.005) -> list[float]:
    return [value + (step if place >= at else 0.0) for place, value in enumerate(nights(count, sd))]


@pytest.mark.parametrize("count", range(LEAST_NIGHTS))
def test_too_few_nights_say_nothing(count: int) -> None:
    assert change_points(stepped(count, count // 2, step=3.0)) == Changes()


def test_a_step_is_found_with_its_second_night() -> None:
    values = stepped(32, 30)
    assert change_points(values[:31]).points == ()
    assert change_points(values[:31]).pending
    (point,) = change_points(values).points
    assert point.index == 30
    assert point.change == pytest.approx(0.05, abs=0.01)
    assert not change_points(values).pending


def test_a_step_down_and_several_steps() -> None:
    values = [*stepped(40, 20, -0.1), *(value + 0.2 for value in nights(20, seed=1))]
    assert [(point.index, point.change > 0) for point in change_points(values).points] == [(20, False), (40, True)]


@pytest.mark.parametrize("burst", [1, 2])
def test_nights_that_are_off_are_outliers_once_the_others_are_back(burst: int) -> None:
    values = nights(40)
    for place in range(burst):
        values[20 + place] += 0.4
    found = change_points(values)
    assert found.points == ()
    assert found.outliers == tuple(range(20, 20 + burst))


def test_an_outlier_beside_a_step_hides_neither() -> None:
    values = stepped(40, 25)
    values[22] += 0.5
    found = change_points(values)
    assert [point.index for point in found.points] == [25]
    assert found.outliers == (22,)


@pytest.mark.parametrize("value", [0.0, 17.0, -3.0])
def test_equal_nights_have_no_change(value: float) -> None:
    assert change_points([value] * 30).points == ()


def test_zero_variance_but_for_one_step() -> None:
    (point,) = change_points([1.0] * 20 + [1.05] * 5).points
    assert (point.index, point.before, point.after) == (20, 1.0, pytest.approx(1.05))


def test_a_step_below_the_least_is_none() -> None:
    assert change_points(stepped(60, 30, 0.02, sd=0.001), least=0.03).points == ()
    assert len(change_points(stepped(60, 30, 0.02, sd=0.001), least=0.01).points) == 1


def test_noise_bounds_the_scale_from_below() -> None:
    assert len(change_points(stepped(40, 30)).points) == 1
    wide = change_points(stepped(40, 30), noise=0.05)
    assert wide.points == ()
    assert wide.scale == 0.05


def test_nights_without_a_value_keep_their_places() -> None:
    values: list[float | None] = list(stepped(40, 30))
    values[3], values[29], values[31] = None, math.nan, math.inf
    assert [point.index for point in change_points(values).points] == [30]


def test_a_whole_number_that_alternates_is_no_string_of_changes() -> None:
    # A capacity that is 12 or 13 cameras, as the night happens to be.
    random = np.random.default_rng(3)
    values = [math.log(12 + int(random.random() < 0.4)) for _ in range(60)]
    assert len(change_points(values).points) <= 1


def test_the_scale_does_not_see_steps_and_outliers() -> None:
    values = stepped(60, 30, step=1.0)
    values[10] += 2.0
    assert 0.003 < robust_scale(values) < 0.01


@given(
    st.lists(
        st.one_of(st.none(), st.just(math.nan), st.floats(-1e3, 1e3), st.sampled_from([1.0, 1.001, 5.0])), max_size=40
    ),
    st.floats(0, 1),
)
@settings(deadline=None)
def test_any_history_has_an_answer(values: list[float | None], least: float) -> None:
    found = change_points(values, least=least)
    places = [point.index for point in found.points]
    assert places == sorted(set(places))
    for point in found.points:
        known = values[point.index]
        assert known is not None
        assert math.isfinite(known)
        assert abs(point.change) >= least
        assert point.index not in found.outliers


@given(st.integers(20, 60), st.integers(-5, 5))
@settings(deadline=None, max_examples=30)
def test_a_shift_of_all_nights_changes_nothing(count: int, shift: int) -> None:
    values = stepped(count, count // 2)
    plain, moved = change_points(values), change_points([value + shift for value in values])
    assert [point.index for point in plain.points] == [point.index for point in moved.points]


def test_ruptures_is_loaded_by_the_first_long_history() -> None:
    code = (
        "import sys; from npubench.stats.changepoint import change_points; from npubench.stats import trend; "
        "change_points([1.0, 2.0]); assert 'ruptures' not in sys.modules; "
        "change_points([1.0] * 9 + [2.0] * 9); assert 'ruptures' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
