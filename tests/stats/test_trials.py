"""One load, judged: what holds, what fails and why, what cannot be told from so few requests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.schema import DROPPED, SAMPLE_COLUMNS, Trial, Window
from npubench.stats.early_stopping import needed
from npubench.stats.samples import Samples
from npubench.stats.trials import Limits, decide, missing, spared, trial

NEEDED = tuple((percent, needed(percent, 200)) for percent in (99, 95, 90))
MS = 1_000_000
SCHEDULED, ISSUED, FIRST, COMPLETED, UNITS, STREAM, STATUS, _ = range(len(SAMPLE_COLUMNS))


def queue_of(service_ns: list[int], gap_ns: int, lanes: int = 1, lag_ns: int = 0) -> Samples:
    """Lindley's recursion over k servers: request i is due at i × gap and starts when a server is free."""
    table = np.zeros((len(service_ns), len(SAMPLE_COLUMNS)), dtype=np.int64)
    free = [0] * lanes
    for row, service in enumerate(service_ns):
        due = row * gap_ns
        lane = free.index(min(free))
        start = max(due, free[lane]) + lag_ns
        free[lane] = start + service
        table[row, [SCHEDULED, ISSUED, COMPLETED, UNITS]] = due, start, free[lane], 1
    return Samples(table, np.zeros((0, 2), dtype=np.int64))


def judged(samples: Samples, limit_ms: int, lanes: int = 1, **given: object) -> Trial:
    window = Window(start_ns=0, end_ns=int(samples.column("scheduled_ns").max()) + 1)
    settings = {"load": 1.0, "purpose": "search", "limits": Limits(latency_ns=limit_ms * MS), **given}
    return trial(samples, window, needed=NEEDED, lanes=lanes, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("queries", "over", "held", "percent"),
    [
        (459, 0, True, 99),
        (458, 0, True, 95),
        (662, 1, True, 99),
        (70, 0, True, 90),
        (70, 1, True, 90),
        (70, 2, False, None),
        (70, 20, False, None),
        (43, 0, None, None),
        (50, 1, None, None),
        (700, 3, True, 95),
        (700, 8, False, None),
        (0, 0, None, None),
    ],
)
def test_a_lower_percentile_stands_in_for_queries_and_never_for_speed(
    queries: int, over: int, held: bool | None, percent: float | None
) -> None:
    assert decide(queries, over, NEEDED) == (held, percent)


def test_what_is_missing_for_the_rulesets_own_percentile_is_said() -> None:
    assert missing(450, 1, NEEDED) == 212
    assert missing(662, 1, NEEDED) == 0
    assert missing(100, 10_000, NEEDED) is None


@given(st.integers(0, 3000), st.integers(0, 300))
def test_more_requests_over_never_help(queries: int, over: int) -> None:
    order = {False: 0, None: 1, True: 2}
    now, worse = (decide(queries, count, NEEDED) for count in (over, over + 1))
    assert order[worse[0]] <= order[now[0]] or (now[0] is None and worse[0] is None)
    assert worse[1] is None or (now[1] is not None and worse[1] <= now[1])


def test_seventy_frames_in_time_hold_p90_only() -> None:
    found = judged(queue_of([5 * MS] * 70, 10 * MS), 8)
    assert (found.passed, found.percent, found.failed_by, found.queries) == (True, 90, None, 70)
    assert found.p99_ns == 5 * MS
    assert found.completed_per_s == pytest.approx(70 / 0.695, rel=1e-3)


def test_a_queue_that_grows_is_named() -> None:
    found = judged(queue_of([12 * MS] * 300, 10 * MS), 50)
    assert (found.passed, found.failed_by) == (False, "queue")


def test_a_steady_slowness_is_latency() -> None:
    assert judged(queue_of([9 * MS] * 300, 10 * MS), 5).failed_by == "latency"


def test_a_late_generator_is_named_and_a_queue_is_not_its_fault() -> None:
    late = queue_of([2 * MS] * 300, 10 * MS, lag_ns=3 * MS)
    assert judged(late, 4).failed_by == "generator"
    assert judged(late, 4).lag_p99_ns == 3 * MS
    queued = judged(queue_of([12 * MS] * 300, 10 * MS), 50)
    assert queued.lag_p99_ns == 0


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 4), st.integers(0, 5))
def test_lag_is_what_is_neither_waiting_for_the_moment_nor_for_a_lane(service: list[int], lanes: int, lag: int) -> None:
    samples = queue_of(service, 7, lanes, lag)
    assert (samples.lag_ns(lanes) == lag).all()
    assert (spared(samples, samples.lag_ns(lanes)) == lag).all()


def test_dropped_frames_are_infinitely_late() -> None:
    samples = queue_of([5 * MS] * 200, 10 * MS)
    samples.table[::4, STATUS] = DROPPED
    samples.table[::4, COMPLETED] = samples.table[::4, SCHEDULED]
    found = judged(samples, 8)
    assert (found.passed, found.failed_by, found.dropped, found.over) == (False, "drops", 50, 50)
    assert found.p50_ns == 5 * MS
    assert found.p90_ns is None


def test_failed_requests_are_over_and_named() -> None:
    samples = queue_of([5 * MS] * 200, 10 * MS)
    samples.table[:20, STATUS] = 7
    found = judged(samples, 8)
    assert (found.passed, found.failed_by, found.failed) == (False, "errors", 20)
    one_in_a_thousand = queue_of([5 * MS] * 1400, 10 * MS)
    one_in_a_thousand.table[500, STATUS] = 7
    assert judged(one_in_a_thousand, 8).percent == 99


def test_a_stall_of_two_seconds_fails_the_trial_it_falls_into() -> None:
    service = [5 * MS] * 600
    service[200] = 2000 * MS
    assert judged(queue_of(service, 10 * MS), 50).passed is False


def test_what_was_given_up_has_failed_however_few_were_late() -> None:
    found = judged(queue_of([5 * MS] * 100, 10 * MS), 8, ended="hopeless")
    assert (found.passed, found.percent, found.failed_by) == (False, None, "queue")


def test_what_was_due_and_never_run_is_over() -> None:
    found = judged(queue_of([5 * MS] * 100, 10 * MS), 8, left=30)
    assert (found.passed, found.queries, found.over, found.p90_ns) == (False, 130, 30, None)
    assert found.failed_by == "queue"


def test_only_what_is_scheduled_in_the_window_counts() -> None:
    samples = queue_of([5 * MS] * 100, 10 * MS)
    found = trial(
        samples,
        Window(start_ns=200 * MS, end_ns=300 * MS),
        load=None,
        purpose="saturate",
        limits=Limits(latency_ns=8 * MS),
        needed=NEEDED,
    )
    assert (found.queries, found.lag_p99_ns, found.passed, found.failed_by) == (10, None, False, None)


def test_first_token_and_token_pace_are_bound_apart() -> None:
    samples = queue_of([100 * MS] * 100, 200 * MS)
    samples.table[:, FIRST] = samples.table[:, SCHEDULED] + 20 * MS
    samples.table[:, UNITS] = 9
    for limits, passed in (
        (Limits(ttft_ns=20 * MS, tpot_ns=10 * MS), True),
        (Limits(ttft_ns=19 * MS, tpot_ns=10 * MS), False),
        (Limits(ttft_ns=20 * MS, tpot_ns=10 * MS - 1), False),
    ):
        found = judged(samples, 0, limits=limits)
        assert found.passed is passed
        assert found.p50_ns == 20 * MS


def test_tokens_that_come_several_at_once_still_count() -> None:
    """Units are the tokenizer's; a server that sends eight tokens in two events has seven gaps, not one."""
    samples = queue_of([100 * MS] * 50, 200 * MS)
    samples.table[:, UNITS] = 8
    due = samples.column("scheduled_ns")
    events = [(row, int(due[row]) + at) for row in range(50) for at in (30 * MS, 100 * MS)]
    streamed = Samples(samples.table, np.array(events, dtype=np.int64))
    assert judged(streamed, 0, limits=Limits(tpot_ns=10 * MS)).over == 0
    assert judged(streamed, 0, limits=Limits(tpot_ns=10 * MS - 1)).over == 50
    later = streamed.within(int(due[10]), int(due[20]))
    assert len(later.table) == 10
    assert sorted(set(later.tokens[:, 0])) == list(range(10))
