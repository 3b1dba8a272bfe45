"""When requests are due: Poisson moments of a server, frames of cameras. The same for the same seed, everywhere.

Only raw PCG64 output is used, which numpy promises never to change (NEP 19), so a seed means the same load on every
machine and in every version. Latency counts from these moments, so a late generator counts against the result (no
coordinated omission).

Not aware of: how long a request takes, who waits for these moments (`generator`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Moments = npt.NDArray[np.int64]

# 53 random bits make a double in [0, 1), as numpy and C++ do it.
_BITS, _SCALE = np.uint64(11), 2.0**-53


class Arrivals(NamedTuple):
    """Requests in the order in which they are due, all within [0, duration_ns).

    `due_ns` rises (equal moments are possible) and counts from the start of the run. `stream` is the camera, 0 for
    Poisson arrivals; `number` counts the requests of a stream from 0.
    """

    due_ns: Moments
    stream: Moments
    number: Moments
    duration_ns: int


def poisson(rate_per_s: float, duration_ns: int, seed: int) -> Arrivals:
    """Independent requests, `rate_per_s` on average. Raises ValueError for a rate or duration that is not positive.

    A longer duration goes on where a shorter one ends.
    """
    if not (0 < rate_per_s < math.inf and duration_ns > 0):
        raise ValueError(f"{rate_per_s} requests/s for {duration_ns} ns: expected both to be positive")
    source = np.random.PCG64(seed)
    expected = rate_per_s * duration_ns * 1e-9
    # Four standard deviations more than expected: a second draw is rare, and changes nothing where it happens.
    size = int(expected + 4 * math.sqrt(expected)) + 16
    parts: list[Moments] = []
    last = 0
    while last < duration_ns:
        # In whole ns before they are added up, so that another machine's last bit does not run away.
        gaps = np.rint(-np.log1p(-_uniform(source, size)) * (1e9 / rate_per_s)).astype(np.int64)
        parts.append(last + np.cumsum(gaps))
        last = int(parts[-1][-1])
    due = np.concatenate(parts)
    due = due[: np.searchsorted(due, duration_ns)]
    return Arrivals(due, np.zeros_like(due), np.arange(len(due), dtype=np.int64), duration_ns)


def frames(cameras: int, fps: float, duration_ns: int, seed: int) -> Arrivals:
    """A frame of each camera every 1/fps s from the camera's own phase in [0, 1/fps) on.

    A camera's phase does not depend on how many there are. Raises ValueError for what is not positive.
    """
    if not (cameras > 0 and 0 < fps < math.inf and duration_ns > 0):
        raise ValueError(f"{cameras} cameras at {fps} fps for {duration_ns} ns: expected all to be positive")
    period = 1e9 / fps
    phases = _uniform(np.random.PCG64(seed), cameras) * period
    each = math.ceil(duration_ns / period)
    # From the frame's number, not from the last frame, so that a period that is no whole ns does not drift.
    due = np.floor(phases[:, None] + np.arange(each) * period).astype(np.int64)
    stream, number = (
        np.broadcast_to(np.arange(cameras)[:, None], due.shape),
        np.broadcast_to(np.arange(each), due.shape),
    )
    inside = due < duration_ns
    flat, streams, numbers = due[inside], stream[inside].astype(np.int64), number[inside].astype(np.int64)
    order = np.lexsort((streams, flat))
    return Arrivals(flat[order], streams[order], numbers[order], duration_ns)


def previous(arrivals: Arrivals) -> Moments:
    """For each arrival the position of the one before it in its stream; −1 for a stream's first."""
    order = np.lexsort((arrivals.number, arrivals.stream))
    same = arrivals.stream[order[1:]] == arrivals.stream[order[:-1]]
    before = np.full(len(order), -1, dtype=np.int64)
    before[order[1:]] = np.where(same, order[:-1], -1)
    return before


def _uniform(source: np.random.PCG64, count: int) -> npt.NDArray[np.float64]:
    raw: npt.NDArray[np.uint64] = source.random_raw(count)
    return (raw >> _BITS).astype(np.float64) * _SCALE
