"""Joules of a power: trapezoids between good readings, with what their times alone leave open.

The uncertainty (95 %) assumes that a reading shows what the device drew at, or on average until, some moment no
earlier than one refresh and the documented lag ago, and that the load does not keep step with the sensor:

- when between two looks, and how often within a refresh, the power really changed is not known. Each change of the
  value counts with its size times its interval (refresh or look, the longer), in quadrature and halved: the variance
  of a systematic sample by successive differences (Wolter, Introduction to Variance Estimation, ch. 8). It holds for a
  load that changes faster than the sensor, and is more than enough for one that changes slower;
- a late sensor shifts the window: lag and refresh, times the largest difference of power between both edges;
- over what good readings do not cover, the power lay somewhere between the window's least and most.

The first is a standard deviation, taken 1.96 times; the others are bounds and added. A lag that is not documented is
taken for none.

Not aware of: counters (`counter_energy`), which result is published (`channel_energy`).
"""

from __future__ import annotations

import math

import numpy as np

from npubench.energy import IdlePower
from npubench.stats import refresh
from npubench.stats.found import HOLE, Found, said
from npubench.stats.series import Flags, Floats, Series

_TWO_SIDED_95 = 1.96


def _edge_j(times: Floats, values: Floats, length: float, late: float) -> float:
    """What a sensor that is `late` (ns) shifts over the window's edges at most, W·ns."""
    ends = []
    for edge in (0.0, length):
        low = max(int(np.searchsorted(times, edge - late, "left")) - 1, 0)
        near = values[low : int(np.searchsorted(times, edge + late, "right")) + 1]
        ends.append((float(near.min()), float(near.max())))
    (low_start, high_start), (low_end, high_end) = ends
    return late * max(abs(high_end - low_start), abs(high_start - low_end))


def _unmoved(found: Found, series: Series, changed: Floats, length: float, idle: IdlePower | None) -> Found:
    """A value that was the same in the whole window: a constant source, a slow one, a frozen one, or an estimate."""
    value = float(found.mean_w or 0.0)
    if idle is not None and idle.mean_w is not None and not idle.changed and math.isclose(value, idle.mean_w):
        return found.frozen(
            f"it reads {value:g} W under load as it did idle, and never changed: frozen, or an estimate",
            f"부하 중에도 유휴 때와 같은 {value:g} W이고 전혀 변하지 않았습니다. 멈췄거나 추정값입니다",
        )
    if idle is not None and idle.refresh_ns and idle.changed >= refresh.ENOUGH_AROUND:
        # It changed often while there was less to see.
        return found.frozen(
            f"it reads {value:g} W throughout, though idle it changed every {said(idle.refresh_ns)}: the sensor froze",
            f"줄곧 {value:g} W입니다. 유휴 때는 {said(idle.refresh_ns)}마다 변했으므로 센서가 멈췄습니다",
        )
    # How fast it changed around the window tells whether this is a slow sensor.
    return found.with_(refresh_ns=refresh.refresh_ns(changed) if len(changed) > 2 else None)


def power_energy(series: Series, length_ns: float, idle: IdlePower | None) -> Found:
    """Energy of a power in [0, `length_ns`]. `values` are W; there are at least two readings inside."""
    times, values, usual = series.times_ns, series.values, series.usual_ns
    inside = series.inside(length_ns)
    low, high = inside.start, inside.stop
    changed = refresh.changes(values)
    moved = changed[(changed > low) & (changed < high)]
    read = values[inside]
    least, most = float(read.min()), float(read.max())
    found = Found(changes=len(moved), refresh_ns=refresh.refresh_ns(times[moved]), min_w=least, max_w=most)
    # The path through the window, with its edges in between the readings around them.
    at = np.concatenate(([0.0], times[inside], [length_ns]))
    watts = np.concatenate((np.interp([0.0], times, values), read, np.interp([length_ns], times, values)))
    spans, middles = np.diff(at), (watts[1:] + watts[:-1]) / 2
    area = float(spans @ middles)
    found = found.with_(mean_w=area / length_ns)
    if most <= 0:
        return found.null(
            "the sensor reported 0 W throughout, which no device draws", "센서가 줄곧 0 W였습니다. 그런 장치는 없습니다"
        )
    before = float(times[low] - (times[low - 1] if low > 0 else 0.0))
    after = float((times[high] if high < len(times) else length_ns) - times[high - 1])
    gaps = np.concatenate(([before], np.diff(times[inside]), [after]))
    reach = HOLE * usual
    still = np.zeros(len(spans), dtype=np.bool_)
    marks = refresh.stale(times, changed, length_ns)
    still[: high - low + 1] = _padded(marks, low, high)
    open_ = still | (gaps > reach)
    uncovered = spans[open_]
    coverage = max(0.0, 1.0 - float(uncovered.sum()) / length_ns)
    found = found.with_(coverage=coverage, still_ns=float(spans[still].sum()))
    if low == 0 and before > reach:
        return found.null(
            f"readings begin {said(before)} after the window does", f"측정값이 구간보다 {said(before)} 늦게 시작합니다"
        )
    if high == len(times) and after > reach:
        return found.null(
            f"readings end {said(after)} before the window does", f"측정값이 구간보다 {said(after)} 먼저 끝납니다"
        )
    if not len(moved):
        found = _unmoved(found, series, times[changed], length_ns, idle)
    # Under a steady load the value changes less often than it is refreshed.
    every = min((item for item in (found.refresh_ns, series.channel.refresh_ns) if item), default=0.0)
    widths = np.maximum(gaps, every)
    widths[1:-1] += (series.took_ns[inside][1:] + series.took_ns[inside][:-1]) / 2
    steps = np.diff(np.concatenate((values[max(low - 1, 0) : low] if low else read[:1], read)))
    steps = np.concatenate((steps, [values[high] - read[-1] if high < len(values) else 0.0]))
    parts = np.where(open_, 0.0, steps * widths)
    variance = float(parts @ parts) / 2
    late = (series.channel.lag_bound_ns or 0) + every
    uncertain = _TWO_SIDED_95 * math.sqrt(variance) + _edge_j(times, values, length_ns, late)
    if len(uncovered):
        uncertain += float(uncovered @ np.maximum(most - middles[open_], middles[open_] - least))
    # Of a value that never changed nothing tells how often it is new.
    return found.with_(
        energy_j=area / 1e9,
        uncertainty_j=uncertain / 1e9 if len(moved) or every else None,
        constant=not len(moved),
    )


def _padded(marks: Flags, low: int, high: int) -> Flags:
    """The marks of the pairs from before the first reading inside to after the last; False where there is no pair."""
    found = np.zeros(high - low + 1, dtype=np.bool_)
    start, stop = max(low - 1, 0), min(high, len(marks))
    found[start - (low - 1) : stop - (low - 1)] = marks[start:stop]
    return found
