"""The hot loop, alone. It knows `step(i)` and memory; nothing else happens between two requests.

Guarantees: a sample's times are taken immediately around `step`; nothing of ours is allocated or logged in between; the
involuntary context switches of this thread are read outside the timed interval and mark pre-empted samples; latency
counts from the moment a request was due. A single graph, a pipeline, token generation and an HTTP request all go
through here, one lane (one thread) each: `repeat` closed loop, `converse` a user with think time, `serve` arrivals.

Not aware of: sessions, workloads, scenarios, when a run is over (`course`), threads (`generator` runs lanes side by
side), files.
"""

from __future__ import annotations

import gc
import resource
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from npubench.engine.course import Course, Frames
from npubench.engine.table import COMPLETED, WIDTH, SampleTable
from npubench.schema import DROPPED
from npubench.spi import RequestError, Step

# Linux: RUSAGE_THREAD counts this thread only.
THREAD = resource.RUSAGE_THREAD

# A sleep ends 65–105 µs late here, 16–28 µs with a timer slack of 1 ns (facts §8): this long before the moment it ends.
# Where the slack is granted 80 µs would do as well (same lag, 0.83 instead of 0.98 cores at 3 000/s on two lanes).
SPIN_NS = 150_000
# A longer sleep is taken in pieces, so that a lane hears within this time that the run is over.
_SLICE_NS = 50_000_000
# The last bit is waited for in the very loop that issues. After a rest of 1 ms the processor's caches are cold, and
# each call in between costs a microsecond: lag p50 and p90 at 1 000/s were 1.3 and 2.8 µs, and are 0.3 and 0.7.
_NEAR_NS = 5_000


@contextmanager
def quiet_collector() -> Iterator[None]:
    """No garbage collection inside: a gen-2 pass alone cost 12–17 ms here (facts, Timer / jitter / GC)."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


def approach(deadline_ns: int, course: Course) -> bool:
    """Returns a little before `deadline_ns`, for the caller to wait out; early and False where the run has ended."""
    now = time.perf_counter_ns
    while (ahead := deadline_ns - now()) > SPIN_NS:
        time.sleep(min(ahead - SPIN_NS, _SLICE_NS) * 1e-9)
        if course.stopped is not None:
            return False
    # A poll of nothing takes 0.3 µs and lets other threads have the interpreter meanwhile. Measured (CPython 3.11, two
    # virtual processors, SCHED_FIFO, two lanes at 3 000/s with 200 µs of work; lag p50, completion stamps late by p90
    # and p99): a plain loop 0.4, 78, 168 µs; the same with a switch interval of 10 µs 0.4, 46, 110; sched_yield 1.1, 4,
    # 40; polls 0.7, 4, 47, of which 40 is one thread waking another here: with no spinning at all it is 38. Not
    # sleep(0): up to Python 3.13 that sleeps for the timer slack, 16–70 µs.
    breathe = select.poll().poll
    near = deadline_ns - _NEAR_NS
    while now() < near:
        breathe(0)
    return course.stopped is None


class Rows:
    """Writes rows of the table for one thread at a time; `last` is the last row written, `kept` how many there are."""

    __slots__ = ("_header", "_rows", "capacity", "kept", "last")

    def __init__(self, table: SampleTable) -> None:
        self.capacity = table.capacity
        self.last, self.kept = -1, 0
        self._rows, self._header = table.rows, table.header

    def keep(
        self,
        row: int,
        stream: int,
        scheduled: int,
        issued: int,
        first: int,
        completed: int,
        units: int,
        status: int,
        preempted: int,
    ) -> None:
        """Writes one row, which was not written before."""
        rows, header, cell = self._rows, self._header, row * WIDTH
        rows[cell] = scheduled
        rows[cell + 1] = issued
        rows[cell + 2] = first
        rows[cell + 4] = units
        rows[cell + 5] = stream
        rows[cell + 6] = status
        rows[cell + 7] = preempted
        # Last: a row counts as finished from here on, for a parent that reads after a crash.
        rows[cell + 3] = completed
        if row >= header[COMPLETED]:
            header[COMPLETED] = row + 1
        # A thread, or a place in flight, takes rows in rising order.
        self.last = row
        self.kept += 1


class Lane(Rows):
    """One thread's way of running requests: its step, its token times, its rows of the table."""

    __slots__ = ("_course", "_switches", "after", "step", "tokens")

    def __init__(
        self, step: Step, table: SampleTable, lane: int, course: Course, after: Callable[[int], None] | None = None
    ) -> None:
        """Made in the thread that runs it: context switches are counted per thread. `after`: see `repeat`."""
        super().__init__(table)
        self.step = step
        self.tokens = table.tokens_of(lane)
        self._course = course
        self.after = after
        self._switches = resource.getrusage(THREAD).ru_nivcsw

    def finish(
        self, row: int, stream: int, scheduled: int, issued: int, mark: int, completed: int, units: int, status: int
    ) -> None:
        """Keeps a request that is complete. `mark`: the tokens that were there before it."""
        switched = resource.getrusage(THREAD).ru_nivcsw
        tokens, course = self.tokens, self._course
        tokens.row = -1
        first = tokens.cells[2 * mark + 1] if tokens.used > mark else 0
        # As `keep` does it, without the call: the next request may be waiting, and other lanes for the interpreter.
        rows, header, cell = self._rows, self._header, row * WIDTH
        rows[cell] = scheduled
        rows[cell + 1] = issued
        rows[cell + 2] = first
        rows[cell + 4] = units
        rows[cell + 5] = stream
        rows[cell + 6] = status
        rows[cell + 7] = switched - self._switches
        rows[cell + 3] = completed
        if row >= header[COMPLETED]:
            header[COMPLETED] = row + 1
        self.last = row
        self.kept += 1
        self._switches = switched
        if course.limit is not None:
            course.judge(scheduled, first, completed, units, status)


def repeat(
    step: Step,
    table: SampleTable,
    lane: int,
    take: Callable[[], int],
    course: Course,
    first_row: int,
    stop_ns: int,
    least: int,
    last_ns: int,
    due_ns: int | None,
    after: Callable[[int], None] | None = None,
) -> int:
    """Closed loop: runs requests until `stop_ns`, or longer until `least` are done, but never past `last_ns` or the
    table's room.

    `take` hands out positions (shared between lanes). A request is due when the last one is complete, or has been since
    `due_ns`. A RequestError is a sample with its status; any other exception ends the launch. Returns the last row.
    `after(position)` is called behind each completion stamp, outside the timed interval (audits).
    """
    now = time.perf_counter_ns
    usage = resource.getrusage
    rows, header, tokens, capacity = table.rows, table.header, table.tokens_of(lane), table.capacity
    switches = usage(THREAD).ru_nivcsw
    last = -1
    while True:
        position = take()
        row = first_row + position
        if row >= capacity:
            course.stop("full")
            return last
        scheduled = issued = now()
        if issued >= stop_ns and (position >= least or issued >= last_ns):
            return last
        if course.stopped is not None:
            return last
        if due_ns is not None:
            scheduled = due_ns
        tokens.row = row
        mark = tokens.used
        status = 0
        try:
            units = step(position)
        except RequestError as error:
            units, status = 0, error.status
        completed = now()
        tokens.row = -1
        switched = usage(THREAD).ru_nivcsw
        cell = row * WIDTH
        rows[cell] = scheduled
        rows[cell + 1] = issued
        if tokens.used > mark:
            rows[cell + 2] = tokens.cells[2 * mark + 1]
        rows[cell + 4] = units
        rows[cell + 5] = lane
        rows[cell + 6] = status
        rows[cell + 7] = switched - switches
        # Last: a row counts as finished from here on, for a parent that reads after a crash.
        rows[cell + 3] = completed
        header[COMPLETED] = row + 1
        switches = switched
        last = row
        if after is not None:
            after(position)


def converse(
    lane: Lane,
    user: int,
    take: Callable[[], int],
    course: Course,
    first_row: int,
    begin_ns: int,
    stop_ns: int,
    least: int,
    last_ns: int,
    think_ns: int,
) -> None:
    """One user: the first request is due at `begin_ns`, each next one `think_ns` after the answer was complete.

    Ends as `repeat` does; a request that would only be due after the end is not made.
    """
    now, step, tokens = time.perf_counter_ns, lane.step, lane.tokens
    breathe = select.poll().poll
    due = begin_ns
    while course.stopped is None:
        # Not yet a position: a user who is still thinking when all is over has taken none from the others.
        if due >= last_ns or not approach(due, course):
            return
        mark = tokens.used
        while (issued := now()) < due:
            breathe(0)
        position = take()
        row = first_row + position
        if row >= lane.capacity:
            course.stop("full")
            return
        if issued >= stop_ns and (position >= least or issued >= last_ns):
            return
        tokens.row = row
        status = 0
        try:
            units = step(position)
        except RequestError as error:
            units, status = 0, error.status
        completed = now()
        lane.finish(row, user, due, issued, mark, completed, units, status)
        if lane.after is not None:
            lane.after(position)
        due = completed + think_ns


def serve(
    lane: Lane,
    take: Callable[[], int],
    course: Course,
    first_row: int,
    start_ns: int,
    due: Sequence[int],
    streams: Sequence[int],
    frames: Frames | None,
    last_ns: int,
) -> None:
    """Open loop: takes the next arrival, waits until it is due, runs it, until there are none or the run is over.

    What is still waiting at `last_ns` is given up, and so is everything once the limit is certain to be broken: the
    requests that wait longer than a bound already are counted in before they are run.
    """
    now, step, tokens = time.perf_counter_ns, lane.step, lane.tokens
    count, capacity = len(due), lane.capacity
    breathe = select.poll().poll
    while course.stopped is None:
        position = take()
        if position >= count:
            return
        row = first_row + position
        if row >= capacity:
            course.stop("full")
            return
        scheduled = start_ns + due[position]
        stream = streams[position]
        mark = tokens.used
        status = 0
        issued = now()
        if issued < scheduled:
            if not approach(scheduled, course):
                return
            tokens.row = row
            while (issued := now()) < scheduled:
                breathe(0)
        elif issued >= last_ns:
            course.stop("hopeless")
            return
        elif course.hopeless(position, issued - start_ns, due):
            return
        else:
            tokens.row = row
        if frames is not None and frames.drops(position, stream, scheduled, issued):
            tokens.row = -1
            lane.keep(row, stream, scheduled, issued, 0, issued, 0, DROPPED, 0)
            course.missed()
            continue
        try:
            units = step(position)
        except RequestError as error:
            units, status = 0, error.status
        completed = now()
        lane.finish(row, stream, scheduled, issued, mark, completed, units, status)
        if lane.after is not None:
            lane.after(position)
