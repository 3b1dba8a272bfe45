"""When requests are due: the same for a seed, at the rate that was asked for, within the run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.engine.schedule import Arrivals, frames, poisson, previous

SECOND = 1_000_000_000
POISSON = [16347707, 32847223, 40090002, 43455944, 44010339, 48845182, 54095665, 54558986, 55058851]
FRAMES = [53666861, 53862719, 120333528, 120529385, 187000194, 187196052]

seeds = st.integers(0, 2**64 - 1)


def same(one: Arrivals, other: Arrivals) -> bool:
    return all(np.array_equal(left, right) for left, right in zip(one, other, strict=True))


def well_formed(arrivals: Arrivals) -> None:
    due = arrivals.due_ns
    assert due.dtype == arrivals.stream.dtype == arrivals.number.dtype == np.int64
    assert (np.diff(due) >= 0).all()
    assert len(due) == 0 or (due[0] >= 0 and due[-1] < arrivals.duration_ns)
    for stream in np.unique(arrivals.stream):
        numbers = arrivals.number[arrivals.stream == stream]
        assert np.array_equal(numbers, np.arange(len(numbers)))


@given(st.floats(0.01, 5_000), st.integers(1, 2 * SECOND), seeds)
def test_poisson_is_well_formed_and_the_same_for_a_seed(rate: float, duration_ns: int, seed: int) -> None:
    arrivals = poisson(rate, duration_ns, seed)
    well_formed(arrivals)
    assert same(arrivals, poisson(rate, duration_ns, seed))


@given(st.floats(0.5, 2_000), st.integers(1, SECOND), st.integers(1, SECOND), seeds)
def test_a_longer_run_goes_on_where_a_shorter_one_ends(rate: float, short: int, more: int, seed: int) -> None:
    longer = poisson(rate, short + more, seed).due_ns
    assert np.array_equal(poisson(rate, short, seed).due_ns, longer[longer < short])


def test_poisson_gaps_are_exponential_at_the_rate() -> None:
    due = poisson(1_000, 200 * SECOND, 7).due_ns
    gaps = np.diff(due) / 1e6
    # 200 000 gaps of 1 ms: five standard errors either way.
    assert abs(len(due) - 200_000) < 5 * np.sqrt(200_000)
    assert abs(gaps.mean() - 1) < 5 / np.sqrt(len(gaps))
    assert abs(np.mean(gaps > 1) - np.exp(-1)) < 0.006
    assert abs(np.corrcoef(gaps[1:], gaps[:-1])[0, 1]) < 0.012


def test_a_seed_means_these_moments_for_ever() -> None:
    assert poisson(100, SECOND // 10, 5).due_ns.tolist() == POISSON
    found = frames(2, 15, SECOND // 5, 5)
    assert found.due_ns.tolist() == FRAMES
    assert found.stream.tolist() == [0, 1, 0, 1, 0, 1]


@given(st.integers(1, 40), st.floats(0.1, 120), st.integers(1, 2 * SECOND), seeds)
def test_frames_are_well_formed_and_a_period_apart(cameras: int, fps: float, duration_ns: int, seed: int) -> None:
    arrivals = frames(cameras, fps, duration_ns, seed)
    well_formed(arrivals)
    period = 1e9 / fps
    for stream in range(cameras):
        due = arrivals.due_ns[arrivals.stream == stream]
        # Every moment of its phase in the run: the last one is within a period of the end.
        assert duration_ns - (due[-1] if len(due) else -1) <= period + 1 or len(due) == 0
        assert (np.abs(np.diff(due) - period) <= 1).all()
        if len(due):
            assert due[0] <= period
            assert abs(due[-1] - due[0] - (len(due) - 1) * period) <= 1


@given(st.integers(1, 30), st.integers(1, 30), seeds)
def test_a_camera_has_its_phase_however_many_there_are(few: int, more: int, seed: int) -> None:
    small, large = frames(few, 15, SECOND, seed), frames(few + more, 15, SECOND, seed)
    assert np.array_equal(small.due_ns, large.due_ns[large.stream < few])


@given(st.integers(1, 9), seeds)
def test_previous_is_the_frame_before_of_the_same_camera(cameras: int, seed: int) -> None:
    arrivals = frames(cameras, 15, SECOND, seed)
    last: dict[int, int] = {}
    for position, before in enumerate(previous(arrivals)):
        stream = int(arrivals.stream[position])
        assert before == last.get(stream, -1)
        last[stream] = position


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        poisson(rate, SECOND, 0)
    with pytest.raises(ValueError, match="expected"):
        frames(1, rate, SECOND, 0)
    with pytest.raises(ValueError, match="expected"):
        frames(0, 15, SECOND, 0)
