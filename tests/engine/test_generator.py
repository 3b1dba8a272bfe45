"""Arrivals through one lane under a clock of our own, and through several for real: times agree, nothing is lost."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from npubench.adapters.null import NullSession
from npubench.engine import generator, measure, table
from npubench.engine.course import Course
from npubench.engine.generator import Driven, Limit, closed_loop, open_loop
from npubench.engine.measure import approach
from npubench.engine.schedule import Arrivals, frames, poisson
from npubench.engine.table import SampleTable
from npubench.schema import DROPPED, SAMPLE_COLUMNS
from npubench.spi import Artifact, Request, RequestError
from npubench.stats.lindley import latencies
from npubench.stats.samples import Samples
from npubench.workloads.synthetic import Synthetic
from tests.clock import ORIGIN_NS, Clock
from tests.workloads.fakes import CountingClock

MS = 1_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(monkeypatch, generator, measure, table)
    monkeypatch.setattr(measure, "approach", clock.approach)
    return clock


def due_at(*due: int, streams: Sequence[int] = (), duration: int | None = None) -> Arrivals:
    streams = streams or [0] * len(due)
    numbers = [list(streams[:at]).count(stream) for at, stream in enumerate(streams)]
    whole = (max(due) + 1 if due else 1) if duration is None else duration
    return Arrivals(*(np.array(values, dtype=np.int64) for values in (due, streams, numbers)), duration_ns=whole)


def columns(folder: Path) -> dict[str, list[int]]:
    rows = table.read(folder)[0]
    return {name: rows[:, index].tolist() for index, name in enumerate(SAMPLE_COLUMNS)}


def taking(clock: Clock, *taken: int) -> Callable[[int], int]:
    """A step that takes so long, by position; the last one again and again."""

    def step(position: int) -> int:
        clock.advance(taken[min(position, len(taken) - 1)])
        return 1

    return step


def since(times: Sequence[int], start: int = ORIGIN_NS) -> list[int]:
    return [one - start for one in times]


def test_latency_counts_from_when_a_request_was_due(clock: Clock, tmp_path: Path) -> None:
    """What queued behind a stall of two seconds has waited that long (no coordinated omission)."""
    stall = 2_000 * MS
    arrivals = due_at(*range(0, 3_000 * MS, 100 * MS))
    step = taking(clock, 10 * MS, 10 * MS, stall, 10 * MS)
    driven = open_loop([step], SampleTable(tmp_path, 40, 0), arrivals, 0, drop=False, limit=None)
    found = columns(tmp_path)
    free, expected = 0, []
    for position, due in enumerate(arrivals.due_ns.tolist()):
        free = max(free, due) + (stall if position == 2 else 10 * MS)
        expected.append(free)
    assert since(found["completed_ns"]) == expected
    assert since(found["scheduled_ns"]) == arrivals.due_ns.tolist()
    # The stalled one and those due behind it, each 90 ms less than the one before.
    latencies = [done - due for done, due in zip(found["completed_ns"], found["scheduled_ns"], strict=True)]
    assert latencies[2:6] == [stall, stall - 90 * MS, stall - 180 * MS, stall - 270 * MS]
    assert driven == Driven(ORIGIN_NS, ORIGIN_NS + expected[-1], "planned", 30, 0)


def test_lag_is_recorded_and_counts(clock: Clock, tmp_path: Path) -> None:
    clock.late_ns = 3
    open_loop([taking(clock, 10)], SampleTable(tmp_path, 9, 0), due_at(0, 5, 100), 4, drop=False, limit=None)
    found = columns(tmp_path)
    # The first is due at once and not waited for; the second waits for the first; the third for its moment.
    assert since(found["issued_ns"]) == [0, 10, 103]
    assert since(found["completed_ns"]) == [10, 20, 113]
    assert since(found["scheduled_ns"]) == [0, 5, 100]


def test_a_frame_that_finds_the_previous_one_waiting_is_dropped(clock: Clock, tmp_path: Path) -> None:
    """One lane, two cameras 10 apart; a frame of camera 0 takes 34."""
    arrivals = due_at(0, 5, 10, 15, 20, 25, 30, 35, 40, streams=[0, 1, 0, 1, 0, 1, 0, 1, 0])
    driven = open_loop([taking(clock, 34, 3)], SampleTable(tmp_path, 9, 0), arrivals, 0, drop=True, limit=None)
    found = columns(tmp_path)
    # 5 waits until 34, so 15 and 25 are dropped. 10 is issued at 37, so 20 and 30 are. 35 is after 34: it is run.
    status = [0, 0, 0, DROPPED, DROPPED, DROPPED, DROPPED, 0, 0]
    assert found["status"] == status
    assert since(found["issued_ns"]) == [0, 34, 37, 40, 40, 40, 40, 40, 43]
    assert since(found["completed_ns"]) == [34, 37, 40, 40, 40, 40, 40, 43, 46]
    assert found["units"] == [0 if one == DROPPED else 1 for one in status]
    assert found["stream"] == arrivals.stream.tolist()
    assert driven.ended == "planned"


def test_a_frame_that_is_due_when_the_previous_one_is_issued_is_run(clock: Clock, tmp_path: Path) -> None:
    arrivals = due_at(0, 5, 15, streams=[0, 1, 1])
    open_loop([taking(clock, 15, 1)], SampleTable(tmp_path, 9, 0), arrivals, 0, drop=True, limit=None)
    assert columns(tmp_path)["status"] == [0, 0, 0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    cameras=st.integers(1, 6),
    seed=st.integers(0, 2**32),
    taken=st.lists(st.integers(1, 300), min_size=1, max_size=60),
)
def test_drops_obey_their_definition(
    clock: Clock, tmp_path_factory: pytest.TempPathFactory, cameras: int, seed: int, taken: list[int]
) -> None:
    """Against the definition, looked at from outside: every frame, from the times in the table alone."""
    clock.now_ns = ORIGIN_NS
    arrivals = frames(cameras, 1e7, 2_000, seed)  # a frame every 100 ns
    folder = tmp_path_factory.mktemp("drops")
    step = taking(clock, *taken)
    open_loop([step], SampleTable(folder, 200, 0), arrivals, 0, drop=True, limit=None, grace_ns=10**9)
    found = columns(folder)
    issued: dict[int, int] = {}
    for stream, due, at, status in zip(
        found["stream"], found["scheduled_ns"], found["issued_ns"], found["status"], strict=True
    ):
        assert (status == DROPPED) == (issued.get(stream, 0) > due)
        if status != DROPPED:
            issued[stream] = at
    assert len(found["stream"]) == len(arrivals.due_ns)


def bound(**held: int) -> Limit:
    return Limit(held.get("latency"), held.get("ttft"), held.get("tpot"), held["most"])


def test_a_load_is_hopeless_with_one_request_too_many_over_its_bound(clock: Clock, tmp_path: Path) -> None:
    arrivals = due_at(*range(0, 1_000, 100))
    limit = bound(latency=50, most=2)
    step = taking(clock, 50, 51, 10, 60, 10, 70, 10)  # exactly 50 holds
    driven = open_loop([step], SampleTable(tmp_path, 20, 0), arrivals, 0, drop=False, limit=limit)
    assert driven.ended == "hopeless"
    assert len(columns(tmp_path)["status"]) == 6
    assert driven.next_row == 6
    assert driven.left == 0  # nothing else was due yet


def test_what_waits_too_long_already_is_counted_before_it_is_run(clock: Clock, tmp_path: Path) -> None:
    """A request that takes longer than the rest of the window: one is enough to see it."""
    arrivals = due_at(*range(0, 1_000, 10))
    driven = open_loop(
        [taking(clock, 10_000)], SampleTable(tmp_path, 200, 0), arrivals, 0, drop=False, limit=bound(latency=20, most=7)
    )
    assert driven.ended == "hopeless"
    assert driven.next_row == 1
    assert driven.left == 99
    assert len(columns(tmp_path)["status"]) == 1


def test_without_a_limit_the_backlog_may_take_as_long_again(clock: Clock, tmp_path: Path) -> None:
    arrivals = due_at(*range(0, 1_000, 10), duration=1_000)
    driven = open_loop([taking(clock, 45)], SampleTable(tmp_path, 200, 0), arrivals, 0, drop=False, limit=None)
    assert driven.ended == "hopeless"
    assert (driven.next_row, driven.left) == (45, 55)
    # … and twice the load that is sustained is run to its end.
    clock.now_ns = ORIGIN_NS
    (tmp_path / "two").mkdir()
    driven = open_loop([taking(clock, 20)], SampleTable(tmp_path / "two", 200, 0), arrivals, 0, drop=False, limit=None)
    assert (driven.ended, driven.next_row, driven.left) == ("planned", 100, 0)


def test_dropped_and_failed_requests_count_as_over(clock: Clock, tmp_path: Path) -> None:
    def step(position: int) -> int:
        clock.advance(1)
        if position % 2:
            raise RequestError("no", status=7)
        return 1

    arrivals = due_at(*range(0, 100, 10))
    limit = bound(latency=50, most=2)
    driven = open_loop([step], SampleTable(tmp_path, 20, 0), arrivals, 0, drop=False, limit=limit)
    assert (driven.ended, driven.next_row) == ("hopeless", 6)
    assert columns(tmp_path)["status"] == [0, 7, 0, 7, 0, 7]
    clock.now_ns = ORIGIN_NS
    (tmp_path / "drops").mkdir()
    limit = bound(latency=1_000, most=3)
    arrivals = due_at(*range(0, 100, 10), streams=[0] * 10)
    step_60 = taking(clock, 65)
    driven = open_loop([step_60], SampleTable(tmp_path / "drops", 20, 0), arrivals, 0, drop=True, limit=limit)
    # 10 is issued at 65: 20 … 60 find it waiting, and the fourth of them is one too many.
    assert (driven.ended, driven.next_row) == ("hopeless", 6)


def test_first_tokens_and_time_per_token_are_bound_too(clock: Clock, tmp_path: Path) -> None:
    def run(folder: str, limit: Limit) -> Driven:
        clock.now_ns = ORIGIN_NS
        (tmp_path / folder).mkdir()
        samples = SampleTable(tmp_path / folder, 20, 100)

        def step(position: int) -> int:
            for wait in (20, 5, 5):
                clock.advance(wait)
                samples.tokens.tick()
            return 3

        return open_loop([step], samples, due_at(*range(0, 1_000, 100)), 0, drop=False, limit=limit)

    assert run("held", bound(ttft=20, tpot=5, most=0)).ended == "planned"
    assert run("ttft", bound(ttft=19, tpot=5, most=0)).next_row == 1
    assert run("tpot", bound(ttft=20, tpot=4, most=0)).next_row == 1


def test_the_table_is_full(clock: Clock, tmp_path: Path) -> None:
    driven = open_loop(
        [taking(clock, 3)], SampleTable(tmp_path, 5, 0), due_at(*range(0, 100, 10)), 2, drop=False, limit=None
    )
    assert (driven.ended, driven.next_row, driven.left) == ("full", 5, 0)


def test_a_load_of_nothing_is_over_at_once(clock: Clock, tmp_path: Path) -> None:
    driven = open_loop([taking(clock, 1)], SampleTable(tmp_path, 5, 0), due_at(), 3, drop=True, limit=None)
    assert driven == Driven(ORIGIN_NS, ORIGIN_NS, "planned", 3, 0)


def test_a_user_thinks_between_answer_and_next_request(clock: Clock, tmp_path: Path) -> None:
    driven = closed_loop(
        [taking(clock, 10)], SampleTable(tmp_path, 20, 0), 0, window_ns=100, least=0, last_ns=200, think_ns=20
    )
    found = columns(tmp_path)
    assert since(found["scheduled_ns"]) == since(found["issued_ns"]) == [0, 30, 60, 90]
    assert since(found["completed_ns"]) == [10, 40, 70, 100]
    assert driven.ended == "planned"


def test_no_lane_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lane"):
        closed_loop([], SampleTable(tmp_path, 1, 0), 0, window_ns=1, least=0, last_ns=1)


# What follows runs on the machine's own clock. Nothing is said about how long things take.


def consistent(folder: Path, driven: Driven) -> dict[str, np.ndarray]:
    rows = table.read(folder)[0]
    found = {name: rows[:, index] for index, name in enumerate(SAMPLE_COLUMNS)}
    assert (found["issued_ns"] >= found["scheduled_ns"]).all()
    assert (found["completed_ns"] >= found["issued_ns"]).all()
    assert (found["scheduled_ns"] >= driven.start_ns).all()
    assert (found["completed_ns"] <= driven.end_ns).all()
    return found


def napping(ns: int, seen: list[int] | None = None) -> Callable[[int], int]:
    def step(position: int) -> int:
        if seen is not None:
            seen.append(position)
        time.sleep(ns * 1e-9)
        return 1

    return step


def test_lanes_share_the_arrivals_and_lose_none(tmp_path: Path) -> None:
    seen: list[int] = []
    threads: set[str] = set()
    arrivals = poisson(2_000, 300 * MS, 3)

    def step(position: int) -> int:
        threads.add(threading.current_thread().name)
        return napping(MS, seen)(position)

    interval, enabled = sys.getswitchinterval(), gc.isenabled()
    samples = SampleTable(tmp_path, 2_000, 0, lanes=3)
    driven = open_loop([step] * 3, samples, arrivals, 5, drop=False, limit=None)
    assert (sys.getswitchinterval(), gc.isenabled()) == (interval, enabled)
    found = consistent(tmp_path, driven)
    assert driven[2:] == ("planned", 5 + len(arrivals.due_ns), 0)
    assert sorted(seen) == list(range(len(arrivals.due_ns)))
    assert np.array_equal(found["scheduled_ns"] - driven.start_ns, arrivals.due_ns)
    assert threads == {threading.current_thread().name, "lane-1", "lane-2"}


def test_lanes_that_drop_frames_agree_on_each_camera(tmp_path: Path) -> None:
    arrivals = frames(12, 100, 400 * MS, 1)
    driven = open_loop([napping(4 * MS)] * 2, SampleTable(tmp_path, 2_000, 0, 2), arrivals, 0, drop=True, limit=None)
    found = consistent(tmp_path, driven)
    assert len(found["status"]) == len(arrivals.due_ns)
    assert np.array_equal(found["stream"], arrivals.stream)
    dropped = found["status"] == DROPPED
    assert 0 < dropped.sum() < len(dropped)
    for camera in range(12):
        issued = 0
        for row in np.flatnonzero(found["stream"] == camera):
            # Two lanes may look at once; who finds the frame before still undecided drops, never the other way.
            if not dropped[row]:
                assert issued <= found["scheduled_ns"][row]
                issued = int(found["issued_ns"][row])


def test_a_hopeless_load_ends_every_lane(tmp_path: Path) -> None:
    arrivals = poisson(1_000, 10_000 * MS, 3)
    limit = Limit(latency_ns=20 * MS, ttft_ns=None, tpot_ns=None, most_over=5)
    samples = SampleTable(tmp_path, 20_000, 0, lanes=3)
    driven = open_loop([napping(50 * MS)] * 3, samples, arrivals, 0, drop=False, limit=limit)
    found = consistent(tmp_path, driven)
    assert driven.ended == "hopeless"
    assert driven.next_row == len(found["status"]) < 40
    assert driven.left > 0


def test_what_one_lane_raises_ends_the_others_and_is_the_callers(tmp_path: Path) -> None:
    def gone(position: int) -> int:
        raise RuntimeError("the device is gone")

    for steps in ([napping(MS), gone], [gone, napping(MS)]):
        samples = SampleTable(tmp_path, 20_000, 0, lanes=2)
        with pytest.raises(RuntimeError, match="the device is gone"):
            open_loop(steps, samples, poisson(500, 10_000 * MS, 3), 0, drop=False, limit=None)
        with pytest.raises(RuntimeError, match="the device is gone"):
            closed_loop(steps, samples, 0, window_ns=10**13, least=0, last_ns=10**13)


def test_users_are_streams_of_their_own_and_start_apart(tmp_path: Path) -> None:
    samples = SampleTable(tmp_path, 2_000, 0, lanes=3)
    driven = closed_loop(
        [napping(5 * MS)] * 3, samples, 0, window_ns=150 * MS, least=0, last_ns=150 * MS, think_ns=30 * MS
    )
    found = consistent(tmp_path, driven)
    for user in range(3):
        mine = found["stream"] == user
        assert found["scheduled_ns"][mine][0] == driven.start_ns + user * 10 * MS
        assert np.array_equal(found["scheduled_ns"][mine][1:], found["completed_ns"][mine][:-1] + 30 * MS)


def test_lanes_of_an_offline_run_do_every_position_once(tmp_path: Path) -> None:
    seen: list[int] = []
    entered: list[tuple[int, str]] = []
    driven = closed_loop(
        [napping(MS, seen)] * 2,
        SampleTable(tmp_path, 2_000, 0, lanes=2),
        0,
        window_ns=0,
        least=40,
        last_ns=10**12,
        at_once=True,
        enter=lambda lane: entered.append((lane, threading.current_thread().name)),
    )
    found = consistent(tmp_path, driven)
    assert sorted(seen) == list(range(40))
    assert (found["scheduled_ns"] == driven.start_ns).all()
    assert sorted(entered) == [(0, threading.current_thread().name), (1, "lane-1")]


def test_the_wall_clock_is_never_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of it, or a clock that stands still, changes nothing."""

    def never(*_: object) -> float:
        raise AssertionError("the wall clock was asked")

    for name in ("time", "time_ns", "localtime", "gmtime"):
        monkeypatch.setattr(time, name, never)
    driven = open_loop(
        [napping(MS)] * 2, SampleTable(tmp_path, 100, 0, 2), poisson(500, 100 * MS, 3), 0, drop=False, limit=None
    )
    consistent(tmp_path, driven)
    assert driven.ended == "planned"


def test_an_approach_ends_before_its_moment_or_early_where_all_is_over() -> None:
    course = Course(None)
    for ahead in (-MS, 0, 1_000, 50_000, 3 * MS):
        deadline = time.perf_counter_ns() + ahead
        assert approach(deadline, course)
        # Not by how much, and a machine may be late; but what is far ahead was waited for.
        assert time.perf_counter_ns() >= deadline - 5_000
    course.stop("hopeless")
    assert not approach(time.perf_counter_ns() + 10**12, course)


def test_on_a_busy_machine_the_lag_is_recorded_and_every_time_agrees(tmp_path: Path) -> None:
    """Other processes take the processors: requests are late, and the table says by how much."""
    burn = "import time\nend = time.perf_counter() + 20\nwhile time.perf_counter() < end: pass"
    busy = [subprocess.Popen([sys.executable, "-c", burn]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        arrivals = poisson(1_000, 500 * MS, 3)
        samples = SampleTable(tmp_path, 2_000, 0, lanes=2)
        driven = open_loop([napping(MS // 5)] * 2, samples, arrivals, 0, drop=False, limit=None, grace_ns=10**11)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    found = consistent(tmp_path, driven)
    assert np.array_equal(found["scheduled_ns"] - driven.start_ns, arrivals.due_ns)
    lag = found["issued_ns"] - found["scheduled_ns"]
    # What is not the wait for a lane is the generator's own, and is never more than there is.
    own = Samples(*table.read(tmp_path)).lag_ns(2)
    assert own.max() <= lag.max()


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_stall_is_in_the_latency_of_what_queued_behind_it(tmp_path: Path, lanes: int) -> None:
    """The synthetic device stalls once. Whoever was due meanwhile waited for it, by the recursion and by the table."""
    params = {"mean_ns": 500_000, "stall_at": 20, "stall_ns": 200 * MS, "doubles_at": 60}
    session = NullSession(Artifact(role="m", path="", sha256="0" * 64), {})
    made = Synthetic().bind({"m": session}, Request(scope="device", params=params), CountingClock())
    arrivals = poisson(400, 400 * MS, 5)
    samples = SampleTable(tmp_path, 2_000, 0, lanes)
    driven = open_loop([made.step] * lanes, samples, arrivals, 0, drop=False, limit=None)
    found = consistent(tmp_path, driven)
    latency, service = found["completed_ns"] - found["scheduled_ns"], found["completed_ns"] - found["issued_ns"]
    assert service[20] >= 200 * MS
    # Never less than the recursion: the service times are those that were, and a generator can only add to them.
    assert (latency >= latencies(found["scheduled_ns"].tolist(), service.tolist(), lanes)).all()
    if lanes == 1:
        behind = arrivals.due_ns - arrivals.due_ns[20]
        waited = (behind > 0) & (behind < 190 * MS)
        assert waited.sum() > 10
        assert (latency[waited] >= 200 * MS - behind[waited]).all()
