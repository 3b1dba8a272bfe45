"""Load without a thread per request: one thread begins requests when they are due, the runtime's callbacks end them.

Guarantees: at most `in_flight` requests are outstanding; requests may complete in any order and on any thread; latency
counts from the moment a request was due, so waiting for room counts. One record per request in flight is made before
the window and used again.

A request fails alone while it is begun (`RequestError`), or completes with no units done. One that never completes is
seen by the parent, as a step that never returns is.

Not aware of: sessions, workloads, lanes (`generator`).
"""

from __future__ import annotations

import itertools
import queue
import resource
import select
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from npubench.engine.course import Course, Frames, Limit
from npubench.engine.generator import Driven, Enter, driven, prepared_switching
from npubench.engine.measure import THREAD, Rows, approach, quiet_collector
from npubench.engine.schedule import Arrivals
from npubench.engine.table import SampleTable
from npubench.schema import DROPPED
from npubench.spi import RequestError

Begin = Callable[[int, Callable[[int], None]], None]
"""As `spi.Begins.begin`."""

FAILED = 1
"""The status of a request that completed with nothing done."""

# How soon the thread that waits for room hears that the run is over.
_LOOK_S = 0.05
# After a failure, for what is still outstanding; a device that is gone completes nothing.
_PATIENCE_S = 10.0


class _Slot(Rows):
    """Room for one request in flight."""

    __slots__ = ("_course", "_free", "busy", "done", "issued", "preempted", "row", "scheduled", "stream")

    def __init__(self, table: SampleTable, course: Course, free: queue.SimpleQueue[_Slot]) -> None:
        super().__init__(table)
        self._course, self._free = course, free
        self.row = self.stream = self.scheduled = self.issued = self.preempted = 0
        self.busy = False
        # Bound once, where a look-up would make a new object per request.
        self.done = self._done

    def _done(self, units: int) -> None:
        completed = time.perf_counter_ns()
        if not self.busy:
            self._course.fail(RuntimeError("a request was completed twice"))
            return
        self.end(completed, units, 0 if units else FAILED)

    def end(self, completed: int, units: int, status: int) -> None:
        """Writes the sample and gives the room back."""
        self.busy = False
        self.keep(self.row, self.stream, self.scheduled, self.issued, 0, completed, units, status, self.preempted)
        self._course.judge(self.scheduled, 0, completed, units, status)
        self._free.put(self)


def overlapped(
    begin: Begin,
    table: SampleTable,
    arrivals: Arrivals | None,
    first_row: int,
    *,
    in_flight: int,
    drop: bool = False,
    limit: Limit | None = None,
    grace_ns: int | None = None,
    window_ns: int = 0,
    least: int = 0,
    last_ns: int = 0,
    at_once: bool = False,
    enter: Enter | None = None,
) -> Driven:
    """Begins every arrival when it is due and there is room, as `generator.open_loop` does.

    Without arrivals it is a closed loop, as `generator.closed_loop`: the next request is due when there is room.
    """
    course = Course(limit)
    free: queue.SimpleQueue[_Slot] = queue.SimpleQueue()
    slots = [_Slot(table, course, free) for _ in range(in_flight)]
    for slot in slots:
        free.put(slot)
    if enter is not None:
        enter(0)
    issuer = _Issuer(begin, table, course, free, first_row)
    with quiet_collector(), prepared_switching(2):
        start_ns = time.perf_counter_ns()
        try:
            if arrivals is None:
                due_ns = start_ns if at_once else None
                issuer.repeat(start_ns + window_ns, least, start_ns + last_ns, due_ns)
            else:
                grace = arrivals.duration_ns if grace_ns is None else grace_ns
                issuer.serve(arrivals, start_ns, drop, start_ns + arrivals.duration_ns + grace)
        except BaseException as error:
            course.fail(error)
        _settle(slots, course)
        end_ns = time.perf_counter_ns()
    if course.error is not None:
        raise course.error
    kept = issuer.kept + sum(slot.kept for slot in slots)
    waited = 0 if arrivals is None else int(np.searchsorted(arrivals.due_ns, end_ns - start_ns, side="right"))
    last = max(issuer.last, max(slot.last for slot in slots))
    return driven(start_ns, end_ns, course, first_row, last, max(0, waited - kept))


def _settle(slots: list[_Slot], course: Course) -> None:
    """Waits for what is outstanding: for ever as long as nothing failed."""
    patience = None
    while any(slot.busy for slot in slots):
        if course.error is not None:
            patience = patience or time.perf_counter_ns() + int(_PATIENCE_S * 1e9)
            if time.perf_counter_ns() > patience:
                return
        time.sleep(0.0005)


class _Issuer(Rows):
    """The thread that begins requests. Its own rows are the dropped ones."""

    __slots__ = ("_begin", "_course", "_first_row", "_free", "_switches")

    def __init__(
        self, begin: Begin, table: SampleTable, course: Course, free: queue.SimpleQueue[_Slot], first_row: int
    ) -> None:
        super().__init__(table)
        self._begin, self._course, self._free, self._first_row = begin, course, free, first_row
        self._switches = resource.getrusage(THREAD).ru_nivcsw

    def _room(self) -> _Slot | None:
        """The next free slot; None once the run is over."""
        while self._course.stopped is None:
            with suppress(queue.Empty):
                return self._free.get(timeout=_LOOK_S)
        return None

    def _start(self, slot: _Slot, position: int, row: int, stream: int, scheduled: int, issued: int) -> None:
        slot.row, slot.stream, slot.scheduled, slot.issued = row, stream, scheduled, issued
        switched = resource.getrusage(THREAD).ru_nivcsw
        slot.preempted, self._switches = switched - self._switches, switched
        slot.busy = True
        try:
            self._begin(position, slot.done)
        except RequestError as error:
            slot.end(time.perf_counter_ns(), 0, error.status)
        except BaseException:
            slot.busy = False
            raise

    def repeat(self, stop_ns: int, least: int, last_ns: int, due_ns: int | None) -> None:
        now = time.perf_counter_ns
        for position in itertools.count():
            row = self._first_row + position
            if row >= self.capacity:
                self._course.stop("full")
                return
            slot = self._room()
            if slot is None:
                return
            issued = now()
            if issued >= stop_ns and (position >= least or issued >= last_ns):
                return
            self._start(slot, position, row, 0, issued if due_ns is None else due_ns, issued)

    def serve(self, arrivals: Arrivals, start_ns: int, drop: bool, last_ns: int) -> None:
        now, course = time.perf_counter_ns, self._course
        due, streams = arrivals.due_ns.data, arrivals.stream.data
        frames = Frames(arrivals) if drop else None
        breathe = select.poll().poll
        slot = None
        for position in range(len(due)):
            row = self._first_row + position
            if row >= self.capacity:
                course.stop("full")
                return
            slot = slot or self._room()
            if slot is None:
                return
            scheduled, stream, issued = start_ns + due[position], streams[position], now()
            if issued < scheduled:
                if not approach(scheduled, course):
                    return
                while (issued := now()) < scheduled:
                    breathe(0)
            elif issued >= last_ns:
                course.stop("hopeless")
                return
            elif course.hopeless(position, issued - start_ns, due):
                return
            if frames is not None and frames.drops(position, stream, scheduled, issued):
                self.keep(row, stream, scheduled, issued, 0, issued, 0, DROPPED, 0)
                course.missed()
                continue
            self._start(slot, position, row, stream, scheduled, issued)
            slot = None
