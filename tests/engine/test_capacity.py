"""The search for a capacity, against queues of which the capacity is known.

Every trial is Lindley's recursion over k servers on a clock that the simulation moves, judged as a real one is.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from npubench.engine.capacity import RATE_STEP, find
from npubench.engine.capacity_answer import shown
from npubench.engine.protocol import Search, Target
from npubench.schema import DROPPED, SAMPLE_COLUMNS, Capacity, Trial, TrialEnd, TrialPurpose, Window
from npubench.stats.early_stopping import needed
from npubench.stats.samples import Samples
from npubench.stats.trials import Limits, most_over, trial

NEEDED = tuple((percent, needed(percent, 200)) for percent in (99, 95, 90))
SCHEDULED, ISSUED, _, COMPLETED, UNITS, STREAM, STATUS, _ = range(len(SAMPLE_COLUMNS))
S = 1_000_000_000

Service = Callable[[np.random.Generator], float]


class Simulated:
    """A device and a load generator on a clock of their own. `service` draws one service time in seconds."""

    def __init__(self, service: Service, *, fps: float = 0.0, poisson: bool = False, lanes: int = 1, seed: int = 0):
        self.service, self.fps, self.poisson, self.lanes = service, fps, poisson, lanes
        self.random = np.random.default_rng(seed)
        self.now_ns = 1_000_000
        self.stall_at_ns = -1
        self.limit_ns = round(S / fps) if fps else 100_000_000
        self.tried: list[tuple[float | None, int, TrialPurpose]] = []
        self.began_ns: list[int] = []

    def clock(self) -> int:
        return self.now_ns

    def due(self, load: float, duration_ns: int) -> list[tuple[int, int]]:
        """(moment, camera) of each request."""
        if self.fps:
            gap = S / self.fps
            phases = self.random.uniform(0, gap, int(load))
            found = [
                (int(phase + number * gap), camera)
                for camera, phase in enumerate(phases)
                for number in range(math.ceil((duration_ns - phase) / gap))
            ]
            return sorted(found)
        if self.poisson:
            gaps = self.random.exponential(S / load, max(1, int(2 * load * duration_ns / S) + 20))
            moments = np.cumsum(gaps)
            return [(int(moment), 0) for moment in moments[moments < duration_ns]]
        return [(int(number * S / load), 0) for number in range(max(1, math.ceil(load * duration_ns / S)))]

    def attempt(self, load: float | None, duration_ns: int, purpose: TrialPurpose) -> Trial:
        self.tried.append((load, duration_ns, purpose))
        self.began_ns.append(self.now_ns)
        start = self.now_ns
        free = [0] * self.lanes
        waiting: dict[int, int] = {}
        rows = []
        ended: TrialEnd = "planned"
        moments = self.due(load, duration_ns) if load is not None else None
        number = late = 0
        most = most_over(len(moments), NEEDED) if moments is not None else 10**9
        while moments is None or number < len(moments):
            lane = free.index(min(free))
            if moments is None:
                due, camera = free[lane], 0
                if due >= duration_ns and number:
                    break
            else:
                due, camera = moments[number]
            number += 1
            if self.fps and load is not None and waiting.get(camera, -1) > due:
                late += 1
                rows.append((start + due, start + due, 0, start + due, 0, camera, DROPPED, 0))
                continue
            begin = max(due, free[lane])
            if load is not None and begin - due > 5 * self.limit_ns:
                ended = "hopeless"
                break
            if late > most:
                ended = "hopeless"
                break
            if begin <= self.stall_at_ns - start < begin + S:
                begin += 2 * S
            waiting[camera] = begin
            free[lane] = begin + max(1, int(self.service(self.random) * S))
            late += free[lane] - due > self.limit_ns
            rows.append((start + due, start + begin, 0, start + free[lane], 1, camera, 0, 0))
        lasted = max([*free, 1]) if ended == "hopeless" else max([*free, duration_ns if load is not None else 1])
        self.now_ns = start + lasted
        samples = Samples(np.array(rows, dtype=np.int64).reshape(-1, len(SAMPLE_COLUMNS)), np.zeros((0, 2), np.int64))
        return trial(
            samples,
            Window(start_ns=start, end_ns=start + lasted),
            load=load,
            purpose=purpose,
            limits=Limits(latency_ns=self.limit_ns),
            needed=NEEDED,
            ended=ended,
            lanes=self.lanes,
        )

    def find(self, budget_s: float, known: float | None = None) -> Capacity:
        search = Search(
            searched="cameras" if self.fps else "rate",
            whole=bool(self.fps),
            per_load=self.fps or 1.0,
            budget_ns=round(budget_s * S),
            known=known,
        )
        held = Limits(latency_ns=self.limit_ns)
        found = find(search, Target(held={"frame": held}, needed=NEEDED), held, self.attempt, self.clock)
        sound(found)
        return found


def sound(found: Capacity) -> None:
    """What must be so whatever the device does."""
    confirmed = [t for t in found.trials if t.purpose == "confirm" and t.passed]
    refuted = [t.load or 0 for t in found.trials if t.purpose == "confirm" and t.failed_by is not None]
    if found.confirmed is None:
        assert found.reason is not None
    elif found.confirmed > 0:
        assert found.confirmed in [t.load for t in confirmed]
        assert all(load > found.confirmed for load in refuted)
        assert found.percent is not None
        assert (found.short is None) == (found.percent == 99)
    if found.failed is not None:
        assert found.failed > (found.confirmed or 0)
        assert found.failed_by is not None
    assert shown(found) in found.trials


def constant(seconds: float) -> Service:
    return lambda _: seconds


# Shrinking an example that takes a second takes minutes, and says nothing that the example does not.
QUICK = {"deadline": None, "derandomize": True, "phases": (Phase.explicit, Phase.generate)}


@settings(max_examples=15, **QUICK)  # type: ignore[arg-type]
@given(st.integers(5_000, 90_000), st.sampled_from([5, 15, 30]), st.integers(1, 3), st.integers(0, 99))
def test_cameras_of_a_constant_service_time(service_us: int, fps: int, lanes: int, seed: int) -> None:
    """N cameras are served in time as long as a period's work fits into a period."""
    device = Simulated(constant(service_us / 1e6), fps=fps, lanes=lanes, seed=seed)
    least = math.floor(lanes / (fps * service_us / 1e6) + 1e-9)
    found = device.find(90)
    assert found.confirmed is not None
    step = max(1, least * RATE_STEP)
    assert found.confirmed <= least + step
    if lanes == 1:
        assert found.confirmed >= least - step
    assert found.failed is not None
    # The one between them may have been left undecided when the time was over.
    assert found.failed <= found.confirmed + 2 * step


@settings(max_examples=15, **QUICK)  # type: ignore[arg-type]
@given(st.integers(3_000, 80_000), st.integers(1, 4))
def test_rates_of_a_constant_service_time(service_us: int, lanes: int) -> None:
    """Regular requests are served for ever up to lanes / service time, and not beyond."""
    device = Simulated(constant(service_us / 1e6), lanes=lanes)
    true = lanes / (service_us / 1e6)
    found = device.find(max(60, 10_000 / true))
    assert found.confirmed is not None
    assert true / (1 + RATE_STEP) ** 3 <= found.confirmed <= true * (1 + 2 * RATE_STEP)
    assert found.failed is not None
    assert found.failed <= found.confirmed * (1 + RATE_STEP) ** 2
    assert found.failed_by in ("queue", "latency")


SERVICES: dict[str, Service] = {
    "constant": constant(0.01),
    "exponential": lambda random: random.exponential(0.01),
    "two-fold": lambda random: 0.05 if random.uniform() < 0.05 else 0.008,
    "lognormal": lambda random: 0.008 * math.exp(random.normal(0, 0.5)),
}


def share_over(service: Service, rate: float, limit_s: float = 0.1, count: int = 30_000) -> float:
    """Of a long simulation."""
    random = np.random.default_rng(7)
    due = np.cumsum(random.exponential(1 / rate, count))
    free, over = 0.0, 0
    for moment in due:
        free = max(moment, free) + service(random)
        over += free - moment > limit_s
    return over / count


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("seed", [1, 2])
def test_poisson_rates_are_confirmed_where_few_are_late_and_not_far_below(name: str, seed: int) -> None:
    """The statistic asks for a share that is below 1 % with confidence 99 %, so the answer lies somewhat below it.

    It takes requests for independent, and those of a queue are not: beside a burst a longer window would have had, the
    answer may lie somewhat above.
    """
    device = Simulated(SERVICES[name], poisson=True, seed=seed)
    found = device.find(300)
    assert found.confirmed is not None
    assert found.percent is not None
    assert share_over(SERVICES[name], found.confirmed) < 0.02
    assert share_over(SERVICES[name], found.confirmed * 1.2) > 0.005


def test_no_camera_is_served_by_what_is_too_slow_for_one() -> None:
    found = Simulated(constant(0.3), fps=5).find(60)
    assert (found.confirmed, found.failed) == (0, 1)
    assert found.failed_by in ("latency", "drops", "queue")


def test_no_rate_is_held_by_what_is_too_slow_for_any() -> None:
    found = Simulated(constant(0.2), poisson=True).find(600)
    assert found.confirmed == 0
    assert found.failed == pytest.approx(0.25, rel=0.01)


def test_a_backend_so_slow_that_nothing_can_be_told_is_unknown_and_not_zero() -> None:
    found = Simulated(constant(20.0), fps=15).find(10)
    assert found.confirmed is None
    assert found.reason is not None
    assert found.sustained_per_s == pytest.approx(0.05)


def test_a_short_box_confirms_at_a_lower_percentile_and_says_what_is_missing() -> None:
    found = Simulated(constant(0.02), fps=15).find(8)
    assert found.confirmed in (2, 3)
    assert found.percent in (90, 95)
    assert found.short is not None
    assert found.short > 0


def test_what_an_earlier_launch_confirmed_is_confirmed_first_and_nothing_above_is_sought() -> None:
    device = Simulated(constant(0.01), fps=15)
    found = device.find(60, known=4)
    assert found.confirmed == 4
    assert [(load, purpose) for load, _, purpose in device.tried] == [(None, "saturate"), (4, "confirm")]
    assert found.failed is None


def test_what_cannot_be_confirmed_again_is_stepped_down_from() -> None:
    found = Simulated(constant(0.01), fps=15).find(120, known=9)
    assert (found.confirmed, found.failed) == (6, 7)


def test_a_stall_while_screening_does_not_decide() -> None:
    device = Simulated(constant(0.01), fps=15)
    device.stall_at_ns = 13 * S
    found = device.find(120)
    assert found.confirmed == 6
    assert any(t.purpose == "search" and t.failed_by and (t.load or 0) <= 6 for t in found.trials)


@settings(max_examples=25, **QUICK)  # type: ignore[arg-type]
@given(
    st.floats(0.001, 3.0),
    st.floats(0.0, 1.5),
    st.sampled_from([0, 5, 15, 30]),
    st.floats(1, 90),
    st.integers(0, 1000),
)
def test_the_time_box_holds_whatever_the_device_does(
    mean_s: float, spread: float, fps: float, budget_s: float, seed: int
) -> None:
    """No trial is begun that would outlast it; what is in flight may still be answered."""
    device = Simulated(
        lambda random: mean_s * math.exp(random.normal(0, spread)), fps=fps, poisson=not fps, seed=seed, lanes=2
    )
    began = device.now_ns
    device.find(budget_s)
    for at, (_, lasts, purpose) in zip(device.began_ns, device.tried, strict=True):
        assert at - began + lasts <= budget_s * S * (0.5 if purpose == "search" else 1.0) + 2
    # What was begun within the box may run on: service times are drawn, up to five bounds of waiting are accepted.
    assert device.now_ns - began <= (budget_s + 10 * device.limit_ns / S + 200 * mean_s * math.exp(3 * spread)) * S


def test_users_are_searched_though_a_load_does_not_tell_its_rate() -> None:
    """N users who think a second and are served in 10 ms each: up to 101 nobody waits, then N × 10 ms − 1 s."""
    device = Simulated(constant(0.01))

    def attempt(load: float | None, duration_ns: int, purpose: TrialPurpose) -> Trial:
        users, think = (int(load), S) if load is not None else (1, 0)
        due = [think * user // users for user in range(users)]
        start, free, rows = device.now_ns, 0, []
        while min(due) < duration_ns:
            user = due.index(min(due))
            begin = max(due[user], free)
            free = begin + S // 100
            rows.append((start + due[user], start + begin, 0, start + free, 1, user, 0, 0))
            due[user] = free + think
        device.now_ns = start + max(duration_ns, free)
        return trial(
            Samples(np.array(rows, dtype=np.int64), np.zeros((0, 2), np.int64)),
            Window(start_ns=start, end_ns=device.now_ns),
            load=load,
            purpose=purpose,
            limits=Limits(latency_ns=100_000_000),
            needed=NEEDED,
        )

    search = Search(searched="users", whole=True, per_load=None, budget_ns=600 * S)
    held = Limits(latency_ns=100_000_000)
    found = find(search, Target(held={"token": held}, needed=NEEDED), held, attempt, device.clock)
    sound(found)
    assert found.confirmed is not None
    assert 105 <= found.confirmed <= 112
