"""The search on surfaces whose truth is known: exact, noisy, with points that fail, in a box of a fake clock."""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.engine.halving import PointError, Slice, exhaust, ratio, search
from npubench.tuning import Point, Reason, Search

SECOND = 1_000_000_000
DEFAULT = Point(batch=4, threads=2)
POINTS = tuple(
    Point(batch=batch, instances=instances, threads=threads, inflight=inflight)
    for batch in (1, 2, 4, 8, 16)
    for instances, threads, inflight in ((1, 2, 1), (2, 1, 1), (1, 1, 1), (1, 2, 2), (1, 1, 2))
)


class Bench:
    """A simulated machine: true rates by point, noise of a slice that falls with its length, openings that take time.

    All of it is also slowed by half for a while, at random moments.
    """

    def __init__(
        self, truth: dict[Point, float], seed: int, noise: float = 0.0, opening_ns: int = SECOND // 10
    ) -> None:
        self.now_ns = 5 * SECOND
        self.truth, self.noise, self.opening_ns = truth, noise, opening_ns
        self.asked: list[Point] = []
        self.broken: dict[Point, str] = {}
        self.fails_after: dict[Point, int] = {}
        self.stretch: Callable[[Point], float] = lambda point: 1.0
        self._random = random.Random(seed)
        self._slow_until = 0

    def now(self) -> int:
        return self.now_ns

    def measure(self, point: Point, slice_ns: int) -> Slice:
        if point in self.broken or self.fails_after.get(point, 1 << 30) <= self.asked.count(point):
            kind = self.broken.get(point, "raised")
            raise PointError(Reason(kind=kind, message="as it was asked to"))
        if point not in self.asked:
            self.now_ns += self.opening_ns
        self.asked.append(point)
        self.now_ns += int(slice_ns * self.stretch(point))
        rate = self.truth[point]
        if self.noise:
            # Half as much for four times as long, as independent disturbances have it.
            rate *= 1 + self._random.gauss(0, self.noise) * (0.25e9 / slice_ns) ** 0.5 / 2
            if self._random.random() < 0.02:
                self._slow_until = self.now_ns + SECOND // 2
            if self.now_ns < self._slow_until:
                rate /= 1.5
        return Slice(max(rate, 1e-6), int(slice_ns * self.stretch(point)))


def truth_of(seed: int) -> dict[Point, float]:
    """A surface with one hill: batches and ways to use the machine have factors, and there is some roughness."""
    draw = random.Random(seed)
    batches = dict(zip((1, 2, 4, 8, 16), sorted(draw.uniform(0.5, 1) for _ in range(5)), strict=True))
    ways = {(point.instances, point.threads, point.inflight): draw.uniform(0.4, 1) for point in POINTS}
    return {
        point: 100
        * batches[point.batch]
        * ways[point.instances, point.threads, point.inflight]
        * draw.uniform(0.97, 1.03)
        for point in POINTS
    }


def found(bench: Bench, box_s: float = 30, seed: int = 0, points: tuple[Point, ...] = POINTS) -> Search:
    return search(points, DEFAULT, bench.measure, now=bench.now, box_ns=int(box_s * SECOND), seed=seed)


@given(st.integers(0, 10_000))
@settings(max_examples=60)
def test_without_noise_the_best_point_is_found_and_the_gain_is_exact(seed: int) -> None:
    bench = Bench(truth_of(seed), seed)
    answer = found(bench, seed=seed)
    best = max(POINTS, key=lambda point: bench.truth[point])
    assert answer.chosen == best
    if best == DEFAULT:
        assert answer.gain is None
    else:
        assert answer.gain is not None
        assert answer.gain.median == pytest.approx(bench.truth[best] / bench.truth[DEFAULT])
        assert answer.confirmed
    assert answer.same is not None
    assert answer.same.median == pytest.approx(1.0)


def test_with_noise_regret_is_small_over_many_seeds() -> None:
    """Against the noise of a single slice of a quarter of a second, 5 %, and a machine that is slow for moments."""
    regrets = []
    for seed in range(150):
        bench = Bench(truth_of(seed), seed, noise=0.1)
        answer = found(bench, seed=seed)
        assert answer.chosen is not None
        regrets.append(1 - bench.truth[answer.chosen] / max(bench.truth.values()))
    assert median(regrets) <= 0.005
    assert sorted(regrets)[142] <= 0.05
    assert max(regrets) <= 0.1


def test_the_default_is_kept_to_the_end_however_slow_it_is() -> None:
    truth = {**truth_of(3), DEFAULT: 1.0}
    bench = Bench(truth, 3, noise=0.05)
    answer = found(bench)
    default = next(tried for tried in answer.surface if tried.point == DEFAULT)
    assert len(default.rates) == max(len(tried.rates) for tried in answer.surface)
    assert answer.gain is not None
    assert answer.gain.low > 10


def test_where_all_points_are_alike_the_default_or_its_equal_is_chosen() -> None:
    for seed in range(20):
        bench = Bench(dict.fromkeys(POINTS, 50.0), seed, noise=0.1)
        answer = found(bench, seed=seed)
        assert answer.chosen is not None
        if answer.gain is not None:
            assert answer.gain.median < 1.1


@given(st.integers(0, 10_000), st.integers(0, len(POINTS) - 2))
@settings(max_examples=40)
def test_points_that_fail_are_recorded_and_the_search_goes_on(seed: int, at: int) -> None:
    bench = Bench(truth_of(seed), seed, noise=0.05)
    others = [point for point in POINTS if point != DEFAULT]
    bench.broken = {others[at]: "unsupported", others[at - 1]: "raised"}
    bench.fails_after = {others[at - 2]: 1}
    answer = found(bench, seed=seed)
    reasons = {tried.point: tried.reason.kind for tried in answer.surface if tried.reason is not None}
    assert reasons[others[at]] == "unsupported"
    assert reasons[others[at - 1]] == "raised"
    assert answer.chosen is not None
    assert answer.chosen not in reasons
    assert len(answer.surface) == len(POINTS)


def test_what_needs_more_memory_than_one_that_ran_out_of_it_is_not_tried() -> None:
    bench = Bench(truth_of(1), 1)
    poor = Point(batch=8, instances=1, threads=2)
    bench.broken = {poor: "out_of_memory"}
    answer = found(bench)
    reasons = {tried.point: tried.reason.kind for tried in answer.surface if tried.reason is not None}
    assert reasons[poor] == "out_of_memory"
    assert reasons[Point(batch=16, instances=1, threads=2, inflight=2)] == "memory"
    assert Point(batch=16, instances=1, threads=2, inflight=2) not in bench.asked
    assert Point(batch=4, instances=2, threads=1) in bench.asked


def test_one_that_fails_when_it_is_confirmed_gives_way_to_the_next() -> None:
    bench = Bench(truth_of(5), 5)
    best = max(POINTS, key=lambda point: bench.truth[point])
    assert best != DEFAULT
    counts = {tried.point: len(tried.rates) for tried in found(Bench(truth_of(5), 5)).surface}
    bench.fails_after = {best: counts[best] + 1}
    answer = found(bench)
    assert next(tried.reason for tried in answer.surface if tried.point == best) is not None
    assert answer.chosen is not None
    assert answer.chosen != best
    assert bench.truth[answer.chosen] >= bench.truth[DEFAULT]


def test_a_default_that_does_not_run_does_not_end_the_search() -> None:
    bench = Bench(truth_of(2), 2)
    bench.broken = {DEFAULT: "unsupported"}
    answer = found(bench)
    assert answer.chosen == max((point for point in POINTS if point != DEFAULT), key=lambda point: bench.truth[point])
    assert answer.gain is None


def test_where_nothing_runs_nothing_is_chosen() -> None:
    bench = Bench(truth_of(2), 2)
    bench.broken = dict.fromkeys(POINTS, "raised")
    answer = found(bench)
    assert answer.chosen is None
    assert all(tried.reason is not None for tried in answer.surface)


def test_a_model_with_one_point_only() -> None:
    answer = found(Bench({DEFAULT: 7.0}, 0), points=())
    assert answer.chosen == DEFAULT
    assert [tried.point for tried in answer.surface] == [DEFAULT]
    assert answer.gain is None
    assert answer.same is not None


@given(st.integers(0, 1000), st.floats(0.05, 60), st.floats(1, 40), st.integers(0, 3 * SECOND))
@settings(max_examples=60)
def test_the_box_holds(seed: int, box_s: float, stretch: float, opening_ns: int) -> None:
    """Over by no more than the first look at the default, or one measurement that takes longer than those before."""
    bench = Bench(truth_of(seed), seed, noise=0.1, opening_ns=opening_ns)
    bench.stretch = lambda point: stretch
    answer = found(bench, box_s, seed)
    longest = stretch * 1.5 * SECOND + opening_ns
    assert answer.duration_ns <= box_s * SECOND + longest
    assert answer.chosen is not None
    untried = [tried for tried in answer.surface if not tried.rates]
    assert all(tried.reason is not None and tried.reason.kind == "time" for tried in untried)


def test_what_there_is_no_time_for_is_the_least_promising() -> None:
    """Batches and ways are looked at alone first; of their combinations the best come first."""
    for seed in range(10):
        bench = Bench(truth_of(seed), seed, opening_ns=SECOND)
        answer = found(bench, box_s=40)
        missed = {tried.point for tried in answer.surface if tried.reason is not None}
        assert 0 < len(missed) < len(POINTS) // 2
        assert not any(point.batch == DEFAULT.batch for point in missed)
        assert max(POINTS, key=lambda point: bench.truth[point]) not in missed
        assert answer.confirmed or answer.chosen == DEFAULT


def test_a_search_takes_a_quarter_of_the_time_of_trying_everything_as_often() -> None:
    """In simulated time, with slices of the same length at the end; the same seed gives the same answer."""
    truth = truth_of(6)
    bench = Bench(truth, 6, noise=0.1)
    everything = exhaust(POINTS, DEFAULT, bench.measure, now=bench.now, slice_ns=SECOND, repetitions=8, seed=1)
    assert {len(tried.rates) for tried in everything.surface} == {8}
    assert everything.same is not None
    assert everything.same.count == 8
    box_s = everything.duration_ns / 4 / SECOND
    first, again = (found(Bench(truth, 7, noise=0.1), box_s, seed=2) for _ in range(2))
    assert first == again
    assert first.duration_ns <= everything.duration_ns / 4
    assert first.chosen is not None
    assert truth[first.chosen] >= 0.95 * max(truth.values())


def test_an_interval_assumes_nothing_of_the_noise() -> None:
    five = ratio([(2.0, 1.0), (3.0, 1.0), (2.5, 1.0), (2.4, 1.0), (2.6, 1.0)])
    assert five is not None
    assert (five.median, five.low, five.high) == pytest.approx((2.5, 2.0, 3.0))
    assert five.confidence == pytest.approx(1 - 2 / 32)
    many = ratio([(float(number), 1.0) for number in range(1, 10)])
    assert many is not None
    # Nine: the second to the eighth holds the median with 96.1 %.
    assert (many.low, many.high) == pytest.approx((2.0, 8.0))
    assert many.confidence == pytest.approx(0.9609, abs=1e-4)
    assert ratio([]) is None
