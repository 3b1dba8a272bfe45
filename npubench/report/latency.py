"""Latency distributions as pictures: thinned ECDFs on a stretched scale, and histograms over the same axis. Pure.

The vertical scale of the lines is −log10(1 − share): 0, 50, 90, 99 and 99.9 % stand apart, so that the slow requests,
which decide whether a service holds, are visible. The share of sorted[i] is i/n, the same convention as the published
percentiles (`sorted[floor(n·p)]`), so that a line passes through its own percentile marks. Launches are never pooled:
a histogram has the bars of each.

Not aware of: cells, words, which line looks how (`figures`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.units import show_ns

MOST_POINTS = 200
# Crosses of pre-empted requests on one line: more would hide it.
MOST_TAKEN = 24
BINS = 80
# Beyond this ratio of slowest to fastest a linear axis would press the fast lines together.
_LOG_FROM = 8.0
_MOST_TICKS = 7


class Seen(NamedTuple):
    """What one launch saw: (n,) latencies in ns, rising, and which of these requests the system pre-empted."""

    series: int
    colour: int
    dash: int
    values: npt.NDArray[np.int64]
    taken: npt.NDArray[np.bool_]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One launch of a cell: `points` and `taken` (its pre-empted requests, at most MOST_TAKEN) are (latency ns, level).

    `series` is the place of its cell in the table below the picture.
    """

    series: int
    colour: int
    dash: int
    points: tuple[tuple[float, float], ...]
    taken: tuple[tuple[float, float], ...] = ()


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A published percentile of a cell (the median over its launches)."""

    series: int
    colour: int
    name: str
    x: float
    y: float


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """The histogram of one launch: (bin, requests, of them pre-empted) of each bin that holds any, of `total`."""

    series: int
    colour: int
    dash: int
    total: int
    bins: tuple[tuple[int, int, int], ...]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """All that a latency picture draws. Ticks are (value, label); `edges` are the BINS + 1 edges of the bars in ns."""

    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]
    x_ticks: tuple[tuple[float, str], ...]
    x_domain: tuple[float, float]
    x_log: bool
    y_ticks: tuple[tuple[float, str], ...]
    y_top: float
    edges: tuple[float, ...]
    bars: tuple[Bars, ...]

    @property
    def bins(self) -> tuple[int, ...]:
        """The bins in which any launch has a request, rising."""
        return tuple(sorted({index for each in self.bars for index, _, _ in each.bins}))


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


def crosses(seen: Seen, most: int = MOST_TAKEN) -> tuple[tuple[float, float], ...]:
    """At most `most` of a launch's pre-empted requests (latency ns, level), the slowest among them."""
    n, places = len(seen.values), np.flatnonzero(seen.taken)
    if len(places) > most:
        places = places[np.linspace(0, len(places) - 1, most).round().astype(np.int64)]
    return tuple((float(seen.values[i]), level(int(i) / n)) for i in places)


def _edges(domain: tuple[float, float], *, log: bool) -> npt.NDArray[np.float64]:
    """Of equal width on the axis."""
    low, high = domain
    return np.geomspace(low, high, BINS + 1) if log else np.linspace(low, high, BINS + 1)


def _bars(seen: Seen, edges: npt.NDArray[np.float64]) -> Bars:
    # A request on the last edge belongs to the last bin, and rounding of a logarithmic edge loses none.
    place = np.clip(np.searchsorted(edges, seen.values, side="right") - 1, 0, BINS - 1)
    counts, taken = np.bincount(place, minlength=BINS), np.bincount(place[seen.taken], minlength=BINS)
    found = tuple((int(i), int(counts[i]), int(taken[i])) for i in np.flatnonzero(counts))
    return Bars(series=seen.series, colour=seen.colour, dash=seen.dash, total=len(seen.values), bins=found)


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


def chart(seen: Iterable[Seen], marks: Sequence[Mark]) -> Chart | None:
    """The picture of these launches, or None when there is nothing to draw."""
    drawn = [each for each in seen if len(each.values)]
    if not drawn:
        return None
    xs = [float(each.values[i]) for each in drawn for i in (0, -1)] + [mark.x for mark in marks]
    ticks, domain, log = axis(min(xs), max(xs))
    lines = tuple(
        Line(
            series=each.series,
            colour=each.colour,
            dash=each.dash,
            points=thin(each.values),
            taken=crosses(each),
        )
        for each in drawn
    )
    top = max([level(0.9), *(line.points[-1][1] for line in lines), *(mark.y for mark in marks)])
    names = ((0.0, "min"), (0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99"))
    y_ticks = tuple((level(share), name) for share, name in names if level(share) <= top + 0.15)
    edges = _edges(domain, log=log)
    return Chart(
        lines=lines,
        marks=tuple(marks),
        x_ticks=ticks,
        x_domain=domain,
        x_log=log,
        y_ticks=y_ticks,
        y_top=top + 0.15,
        edges=tuple(edges.tolist()),
        bars=tuple(_bars(each, edges) for each in drawn),
    )
