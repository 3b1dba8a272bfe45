"""Latency distributions as lines: thinned ECDFs on a stretched scale, their axis, and which line looks how. Pure.

The vertical scale is −log10(1 − share): 0, 50, 90, 99 and 99.9 % stand apart, so that the slow requests, which decide
whether a service holds, are visible. The share of sorted[i] is i/n, the same convention as the published percentiles
(`sorted[floor(n·p)]`), so that a line passes through its own percentile marks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.units import show_ns

MOST_POINTS = 200
# Beyond this ratio of slowest to fastest a linear axis would press the fast lines together.
_LOG_FROM = 8.0
_MOST_TICKS = 7


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One launch of a cell: `points` are (latency ns, level)."""

    series: int
    colour: int
    dash: int
    points: tuple[tuple[float, float], ...]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A published percentile of a cell (the median over its launches)."""

    series: int
    colour: int
    name: str
    x: float
    y: float


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """All that a latency chart draws. Ticks are (value, label)."""

    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]
    x_ticks: tuple[tuple[float, str], ...]
    x_domain: tuple[float, float]
    x_log: bool
    y_ticks: tuple[tuple[float, str], ...]
    y_top: float


def level(share: float) -> float:
    """Where a share of requests (0 … <1) stands on the stretched scale."""
    return -math.log10(1.0 - share)


def thin(values: npt.NDArray[np.int64], most: int = MOST_POINTS) -> tuple[tuple[float, float], ...]:
    """At most `most` points (latency ns, level) of the ECDF, evenly spread over the *stretched* scale.

    The fastest and the slowest sample are always among them. Empty for no samples.
    """
    n = len(values)
    if n == 0:
        return ()
    ordered = np.sort(values)
    if n <= most:
        index = np.arange(n)
    else:
        levels = np.linspace(0.0, level((n - 1) / n), most)
        index = np.unique(np.minimum(n - 1, np.floor(n * (1.0 - 10.0**-levels)).astype(np.int64)))
        index[0], index[-1] = 0, n - 1
    return tuple((float(ordered[i]), level(int(i) / n)) for i in index)


def axis(low: float, high: float) -> tuple[tuple[tuple[float, str], ...], tuple[float, float], bool]:
    """(ticks, domain, logarithmic?) of a latency axis that holds `low` … `high` ns."""
    low, high = max(1.0, low), max(1.0, high)
    log = high / low > _LOG_FROM
    if log:
        # 1-2-5 steps while they fit, then decades: a label needs room.
        exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps: tuple[int, ...] = (1, 2, 5) if len(exponents) <= 3 else (1, 3) if len(exponents) <= 4 else (1,)
        ticks = [float(step * 10**exponent) for exponent in exponents for step in steps]
        # Domain ends at ticks, so that the first and the last label frame the data.
        start = max((tick for tick in ticks if tick <= low), default=ticks[0])
        end = min((tick for tick in ticks if tick >= high), default=ticks[-1])
    else:
        # Three digits are shown, so that ticks closer than a hundredth would read the same.
        rough = max((high - low) / (_MOST_TICKS - 2), high / 100)
        power = 10.0 ** math.floor(math.log10(rough))
        step_ns = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        start, end = math.floor(low / step_ns) * step_ns, math.ceil(high / step_ns) * step_ns
        if end <= start:
            end = start + step_ns
        ticks = [start + step_ns * i for i in range(round((end - start) / step_ns) + 1)]
    kept = tuple((tick, show_ns(tick)) for tick in ticks if start <= tick <= end)
    return kept, (start, end), log


def chart(lines: Sequence[Line], marks: Sequence[Mark]) -> Chart | None:
    """The chart of these lines, or None when there is nothing to draw."""
    xs = [x for line in lines for x, _ in line.points] + [mark.x for mark in marks]
    if not any(line.points for line in lines):
        return None
    ticks, domain, log = axis(min(xs), max(xs))
    top = max([level(0.9), *(y for line in lines for _, y in line.points), *(mark.y for mark in marks)])
    names = ((0.0, "min"), (0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99"))
    y_ticks = tuple((level(share), name) for share, name in names if level(share) <= top + 0.15)
    return Chart(
        lines=tuple(lines),
        marks=tuple(marks),
        x_ticks=ticks,
        x_domain=domain,
        x_log=log,
        y_ticks=y_ticks,
        y_top=top + 0.15,
    )
