"""Times that an external power meter's log can be tied to: a pulse of load, and both clocks at one moment.

A log has the wall time of its own device, which nobody has set by ours. Busy and idle for unequal times is a shape that
no other load has, so the log shows when it happened there.

Not aware of: logs (`stats.alignment`).
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence

from npubench.energy import ClockPair, Window

# Seconds busy and at rest. Of different lengths, so that the shape fits a log at one place only: whatever the machine
# does before and after it, shifted by more than a pulse it is like itself by a correlation of 0.2 (equal ones: 0.7).
PATTERN = ((3.0, 3.0), (3.0, 6.0), (6.0, 3.0))
LASTS_S = sum(on_s + off_s for on_s, off_s in PATTERN)
_LOOK_S = 0.05
# hashlib lets go of the interpreter for so large a piece, so that threads keep as many cores busy.
_PIECE = bytes(1 << 18)
_TRIES = 9


def clock_pair() -> ClockPair:
    """Both clocks at one moment: of several looks the one in which they lie closest together."""
    best: ClockPair | None = None
    for _ in range(_TRIES):
        before_ns = time.perf_counter_ns()
        wall_ns = time.time_ns()
        after_ns = time.perf_counter_ns()
        pair = ClockPair(monotonic_ns=(before_ns + after_ns) // 2, wall_ns=wall_ns, gap_ns=after_ns - before_ns)
        if best is None or pair.gap_ns < best.gap_ns:
            best = pair
    assert best is not None
    return best


def busy(seconds: float, stop: Callable[[], bool] = lambda: False) -> Window:
    """Keeps all our cores busy for so long, or until `stop()`; when that was."""
    end = threading.Event()

    def work() -> None:
        while not end.is_set():
            hashlib.sha256(_PIECE).digest()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(len(os.sched_getaffinity(0)))]
    start_ns = time.perf_counter_ns()
    try:
        for thread in threads:
            thread.start()
        _pass(seconds, stop)
    finally:
        end.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    return Window(start_ns=start_ns, end_ns=time.perf_counter_ns())


def pulses(
    stop: Callable[[], bool] = lambda: False, pattern: Sequence[tuple[float, float]] = PATTERN
) -> tuple[Window, ...]:
    """When the machine was kept busy: for each of `pattern` so many seconds, followed by so many of rest."""
    found: list[Window] = []
    for on_s, off_s in pattern:
        if stop():
            break
        found.append(busy(on_s, stop))
        _pass(off_s, stop)
    return tuple(found)


def _pass(seconds: float, stop: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and not stop():
        time.sleep(min(left, _LOOK_S))
