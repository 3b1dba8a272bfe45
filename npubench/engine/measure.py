"""The hot loop, alone. It knows `step(i)` and memory; nothing else happens between two requests.

Guarantees: a sample's times are taken immediately around `step`; nothing of ours is allocated or logged in between; the
involuntary context switches of this thread are read outside the timed interval and mark pre-empted samples. A single
graph, a pipeline, token generation and an HTTP request all go through here.

Not aware of: sessions, workloads, scenarios (an `issue` function stands for how load arrives), files.
"""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from npubench.engine.table import COMPLETED, WIDTH, SampleTable
from npubench.spi import RequestError, Step

Issue = Callable[[int], int]
"""Waits until request `i` is due and returns its scheduled time in ns; see `schedule`."""

# Linux: RUSAGE_THREAD counts this thread only.
_THREAD = resource.RUSAGE_THREAD


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


def drive(
    step: Step,
    table: SampleTable,
    take: Callable[[], int],
    issue: Issue | None,
    stop_ns: int,
    least: int,
    last_ns: int,
    stream: int = 0,
) -> None:
    """Runs requests until `stop_ns`, or longer until `least` are done, but never past `last_ns` or the table's room.

    `take` hands out row numbers (shared between streams); `issue` None means closed loop: the next request is due when
    the last one is complete. A RequestError is a sample with its status; any other exception ends the launch.
    """
    now = time.perf_counter_ns
    usage = resource.getrusage
    rows, header, tokens, capacity = table.rows, table.header, table.tokens, table.capacity
    switches = usage(_THREAD).ru_nivcsw
    while True:
        row = take()
        if row >= capacity:
            return
        if issue is None:
            scheduled = issued = now()
        else:
            scheduled = issue(row)
            issued = now()
        if issued >= stop_ns and (row >= least or issued >= last_ns):
            return
        tokens.row = row
        mark = tokens.used
        status = 0
        try:
            units = step(row)
        except RequestError as error:
            units, status = 0, error.status
        completed = now()
        tokens.row = -1
        switched = usage(_THREAD).ru_nivcsw
        cell = row * WIDTH
        rows[cell] = scheduled
        rows[cell + 1] = issued
        if tokens.used > mark:
            rows[cell + 2] = tokens.cells[2 * mark + 1]
        rows[cell + 4] = units
        rows[cell + 5] = stream
        rows[cell + 6] = status
        rows[cell + 7] = switched - switches
        # Last: a row counts as finished from here on, for a parent that reads after a crash.
        rows[cell + 3] = completed
        header[COMPLETED] = row + 1
        switches = switched
