"""Makes load: lanes side by side, each a thread that waits for its own requests' moments. No dispatcher thread.

Guarantees: the lanes share one list of requests, each takes the next one and waits for that deadline itself (absolute,
sleep and then spin), so that nobody has to wake anybody; with one lane there is no second thread at all; the garbage
collector stands still meanwhile; a lane that raises ends the others, and its exception is the caller's. The wall clock
is never asked.

What was due and never run is not silently gone: all that was due is run, except where the run was given up
(`hopeless`), the table is full, or the backlog takes as long again as the whole plan; `Driven.left` then counts it.

Not aware of: sessions, workloads, what a load means (`capacity` asks for one load after the other).
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

import numpy as np

from npubench.engine.course import Course, Frames, Limit
from npubench.engine.measure import Lane, approach, converse, quiet_collector, repeat, serve
from npubench.engine.schedule import Arrivals
from npubench.engine.table import SampleTable
from npubench.spi import Step

__all__ = ["Arrivals", "Driven", "Enter", "Limit", "closed_loop", "driven", "open_loop", "prepared_switching"]

Enter = Callable[[int], None]
"""Called in each lane's own thread with the lane's number, before its first request; see `hosting`."""

After = Sequence[Callable[[int], None]]
"""Called in each lane behind a completion stamp, with the position of what is complete: outside of timed intervals."""

# How long a thread that wants the interpreter lets another one keep it; Python's 5 ms would be the stamp's error.
SWITCH_S = 1e-5
# From "every lane is ready" to the start: lanes must wake first.
_HEAD_NS = 1_000_000
# A lane that hangs while another one has failed must not hide the failure.
_PATIENCE_S = 10.0


class Driven(NamedTuple):
    """How a run went. Requests are due from `start_ns` on; at `end_ns` the last lane was done.

    `ended`: as planned; given up as `hopeless`; or the table was `full`. `next_row` is the first free row of the table.
    `left`: requests that were due by the end and never run or answered; they have no row, and are over any bound.
    """

    start_ns: int
    end_ns: int
    ended: Literal["planned", "hopeless", "full"]
    next_row: int
    left: int = 0


def open_loop(
    steps: Sequence[Step],
    table: SampleTable,
    arrivals: Arrivals,
    first_row: int,
    *,
    drop: bool,
    limit: Limit | None,
    grace_ns: int | None = None,
    enter: Enter | None = None,
    after: After | None = None,
) -> Driven:
    """Runs every arrival when it is due, or as soon afterwards as a lane is free: `steps[lane](position)`.

    Row `first_row + position` is its sample. `drop`: see `measure.serve`. What still waits `grace_ns` after the plan's
    end is given up (None: after as long again as the plan).
    """
    # Memory views of int64: no number of ours exists as an object before its moment.
    due, streams = arrivals.due_ns.data, arrivals.stream.data
    frames = Frames(arrivals) if drop else None
    grace = arrivals.duration_ns if grace_ns is None else grace_ns
    course = Course(limit)
    take = itertools.count().__next__
    lanes: list[Lane] = []

    def work(number: int, start_ns: int) -> None:
        lane = Lane(steps[number], table, number, course, None if after is None else after[number])
        lanes.append(lane)
        last_ns = start_ns + arrivals.duration_ns + grace
        serve(lane, take, course, first_row, start_ns, due, streams, frames, last_ns)

    start_ns, end_ns = _side_by_side(len(steps), work, course, enter)
    waited = int(np.searchsorted(arrivals.due_ns, end_ns - start_ns, side="right"))
    left = max(0, waited - sum(lane.kept for lane in lanes))
    return driven(start_ns, end_ns, course, first_row, max((lane.last for lane in lanes), default=-1), left)


def closed_loop(
    steps: Sequence[Step],
    table: SampleTable,
    first_row: int,
    *,
    window_ns: int,
    least: int,
    last_ns: int,
    at_once: bool = False,
    think_ns: int = 0,
    stagger_ns: int | None = None,
    limit: Limit | None = None,
    enter: Enter | None = None,
    after: After | None = None,
) -> Driven:
    """Each lane runs the next request when its last one is complete, for `window_ns`, longer until `least` are done in
    all, but no longer than `last_ns`, both from the start. `steps[lane](position)`; the row's stream is the lane.

    `at_once`: every request has been due since the start (offline). `think_ns`: lanes are users, whose next request is
    due that long after the answer; their first ones are spread evenly over `stagger_ns` (None: over the think time).
    """
    course = Course(limit)
    take = itertools.count().__next__
    rows: list[int] = []
    spread = think_ns if stagger_ns is None else stagger_ns

    def work(number: int, start_ns: int) -> None:
        stop, last = start_ns + window_ns, start_ns + last_ns
        if think_ns or spread or (limit is not None and not at_once):
            lane = Lane(steps[number], table, number, course, None if after is None else after[number])
            begin = start_ns + spread * number // len(steps)
            converse(lane, number, take, course, first_row, begin, stop, least, last, think_ns)
            rows.append(lane.last)
        else:
            # One lane starts at once; several have been given time to wake.
            approach(start_ns, course)
            while time.perf_counter_ns() < start_ns:
                pass
            due = start_ns if at_once else None
            then = None if after is None else after[number]
            rows.append(repeat(steps[number], table, number, take, course, first_row, stop, least, last, due, then))

    start_ns, end_ns = _side_by_side(len(steps), work, course, enter)
    return driven(start_ns, end_ns, course, first_row, max(rows, default=-1), 0)


def driven(start_ns: int, end_ns: int, course: Course, first_row: int, last_row: int, left: int) -> Driven:
    """What a run that did not fail has to say."""
    if course.stopped == "hopeless" or course.stopped == "full":
        return Driven(start_ns, end_ns, course.stopped, max(first_row, last_row + 1), left)
    return Driven(start_ns, end_ns, "planned", max(first_row, last_row + 1), left)


@contextmanager
def prepared_switching(threads: int) -> Iterator[None]:
    """Threads hand the interpreter over quickly inside, where there are several; as it was afterwards."""
    before = sys.getswitchinterval()
    if threads > 1:
        sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _side_by_side(count: int, work: Callable[[int, int], None], course: Course, enter: Enter | None) -> tuple[int, int]:
    """Runs `work(lane, start)` for all lanes, lane 0 in this thread. Returns start and end; raises what one raised."""
    if count < 1:
        raise ValueError("no lane to run requests in")
    ready = [threading.Event() for _ in range(count)]
    go = threading.Event()
    start = 0

    def attempt(number: int) -> None:
        try:
            if enter is not None:
                enter(number)
            ready[number].set()
            go.wait()
            work(number, start)
        except BaseException as error:
            course.fail(error)
            ready[number].set()

    with quiet_collector(), prepared_switching(count):
        threads = [
            threading.Thread(target=attempt, args=(number,), name=f"lane-{number}", daemon=True)
            for number in range(1, count)
        ]
        for thread in threads:
            thread.start()
        for number in range(1, count):
            ready[number].wait()
        start = time.perf_counter_ns() + (_HEAD_NS if threads else 0)
        go.set()
        attempt(0)
        for thread in threads:
            while thread.is_alive() and course.stopped != "error":
                thread.join(0.1)
            thread.join(_PATIENCE_S)
        end = time.perf_counter_ns()
    if course.error is not None:
        raise course.error
    return start, end
