"""Joules of a counter: its difference between the window's edges, wraps undone, null where it cannot be trusted.

The counter is interpolated between the moments at which it was seen to change. What it did in between does not matter:
a hole in its readings costs nothing but at an edge, and where it may have wrapped unseen.

The uncertainty is a bound under one assumption: what a counter shows is what it counted at some moment no earlier than
one refresh, one look and its lag ago. So each edge is off by at most the rise of the refresh interval in which it lies,
and both by the same delay: the energy of lag and look at the larger of both powers. Stretches in which it stood still
add what the device may have drawn then. A lag that is not documented is taken for none.

Not aware of: powers (`power_energy`), which result is published (`channel_energy`).
"""

from __future__ import annotations

import numpy as np

from npubench.energy import IdlePower
from npubench.stats import refresh
from npubench.stats.found import HOLE, Found, said
from npubench.stats.series import Flags, Floats, Series, quantile

# Where the source's most power is not known (our judgement): a rise over ten times what nine tenths of the window's
# others have is a jump, unless two others come near it, as those of a load in short bursts do; a fall is taken for a
# wrap when the rise that it then stands for is at most three times theirs.
_ABSURD, _NEAR, _SHARE, _OTHERS, _OFTEN = 10.0, 3.0, 0.9, 5.0, 3
# Between two changes too far apart a counter that really counted has risen by what the device draws at least: half of
# its idle power, a tenth of its usual one.
_OF_IDLE, _OF_USUAL = 0.5, 0.1
# So many changes tell what is usual, and make edges smaller than the content.
_LEAST_CHANGES = 4
# Least and most power are told over pieces of a second, or of five refreshes of a slower counter.
_PIECE_NS, _PIECE_REFRESHES = 1e9, 5.0


def _around(times: Floats, changed: refresh.Places, length: float) -> refresh.Places:
    """The readings to interpolate between: the last change before the window to the first after it."""
    low = changed[changed <= np.searchsorted(times, 0.0, "right") - 1]
    high = changed[changed >= np.searchsorted(times, length, "left")]
    first = int(low[-1]) if len(low) else max(int(np.searchsorted(times, 0.0, "right")) - 1, 0)
    last = int(high[0]) if len(high) else len(times) - 1
    between = changed[(changed > first) & (changed < last)]
    return np.concatenate(([first], between, [last]))


def _level(rates: Floats) -> float:
    """What nine tenths of the rates do not exceed."""
    return quantile(rates, _SHARE) if len(rates) else 0.0


def _stalled(times: Floats, spans: Floats, rises: Floats, length: float, idle: IdlePower | None) -> Flags:
    longest = refresh.longest_ns(times, length)
    if longest is None:
        return np.zeros(len(spans), dtype=np.bool_)
    rates = rises / spans
    least = _OF_USUAL * quantile(rates, 0.5)
    if idle is not None and idle.mean_w is not None:
        least = max(least, _OF_IDLE * idle.mean_w / 1e9)
    found: Flags = (spans > longest) & (rates < least)
    return found


def counter_energy(series: Series, length_ns: float, idle: IdlePower | None) -> Found:
    """Energy of a counter in [0, `length_ns`]. `values` are J."""
    times, values, usual = series.times_ns, series.values, series.usual_ns
    inside = series.inside(length_ns)
    changed = refresh.changes(values)
    moved = changed[(changed >= inside.start) & (changed < inside.stop)]
    seen = refresh.refresh_ns(times[moved])
    found = Found(changes=len(moved), refresh_ns=seen)
    reach = HOLE * usual
    for edge, en, ko in ((0.0, "start", "시작"), (length_ns, "end", "끝")):
        after = int(np.searchsorted(times, edge, "left"))
        # Where there is no reading on the other side, the nearest one must reach the edge.
        early = times[after - 1] if after > 0 else edge
        late = times[after] if after < len(times) else edge
        if late - early > reach:
            return found.null(
                f"readings are missing at the window's {en}, where a counter needs them",
                f"카운터에 꼭 필요한 구간 {ko}의 측정값이 빠졌습니다",
            )
    if not len(moved):
        return found.frozen(
            f"the counter did not move in {said(length_ns)}: it is frozen, or resolves too little",
            f"카운터가 {said(length_ns)} 동안 움직이지 않았습니다. 멈췄거나 분해능이 부족합니다",
        )
    points = _around(times, changed, length_ns)
    points = points[np.concatenate(([True], np.diff(times[points]) > 0))]
    at, count, took = times[points], values[points], series.took_ns[points]
    spans, rises = np.diff(at), np.diff(count)
    if not len(spans):
        return found.slow()
    channel = series.channel
    scale = series.scale
    falls = rises < 0
    rates = rises[~falls] / spans[~falls]
    level = _level(rates)
    most = channel.most_w / 1e9 if channel.most_w is not None else None
    slack = spans + (seen or 0.0) + usual + took[1:] + took[:-1]
    if falls.any():
        if channel.wraps_at is None:
            return found.null(
                "the counter went backwards: it was reset, or does not count energy",
                "카운터가 거꾸로 갔습니다. 초기화되었거나 에너지를 세지 않습니다",
            )
        rises = np.where(falls, rises + channel.wraps_at * scale, rises)
        limit = most if most is not None else _NEAR * level
        if (falls & ((rises < 0) | (rises > limit * slack))).any():
            return found.null(
                "the counter went backwards, and not because it wrapped: it was reset",
                "카운터가 거꾸로 갔고 한 바퀴 돈 것이 아닙니다. 초기화되었습니다",
            )
    often = float(np.partition(rates, -_OFTEN)[-_OFTEN]) if len(rates) >= _OFTEN else 0.0
    jumps = rises > (most if most is not None else max(_ABSURD * level, _OTHERS * often)) * slack
    # What is usual takes a few changes to tell; where there are fewer, nothing is published.
    if jumps.any() and (most is not None or len(moved) >= _LEAST_CHANGES):
        watts = float((rises / spans)[jumps].max()) * 1e9
        bound = f"{channel.most_w:g} W" if channel.most_w is not None else "10 ×"
        return found.null(
            f"the counter jumped: its rise stands for {watts:,.0f} W, over "
            + (f"the {bound} that it can draw" if most is not None else "ten times what it rose by otherwise"),
            f"카운터가 튀었습니다. 증가분이 {watts:,.0f} W에 해당하며 "
            + (f"최대 {bound}를 넘습니다" if most is not None else "다른 때의 10배를 넘습니다"),
        )
    first, last = max(inside.start - 1, 0), min(inside.stop + 1, len(times))
    looks = np.diff(times[first:last])
    if channel.wraps_at is not None:
        limit = most if most is not None else _NEAR * level
        if limit > 0 and len(looks) and looks.max() * limit > channel.wraps_at * scale:
            return found.null(
                f"readings are {said(float(looks.max()))} apart, in which the counter may have wrapped unseen",
                f"측정값 간격이 {said(float(looks.max()))}라서 그 사이 카운터가 한 바퀴 돌았을 수 있습니다",
            )
    total = np.concatenate(([0.0], np.cumsum(rises)))
    stalled = _stalled(at[1:], spans, rises, length_ns, idle)
    clipped = np.clip(at[1:], 0.0, length_ns) - np.clip(at[:-1], 0.0, length_ns)
    still = float(clipped[stalled].sum())
    part = np.clip(times[first + 1 : last], 0.0, length_ns) - np.clip(times[first : last - 1], 0.0, length_ns)
    holes = float(part[looks > reach].sum())
    energy = float(np.interp(length_ns, at, total) - np.interp(0.0, at, total))
    powers = rises / spans
    head = int(np.searchsorted(at, 0.0, "right")) - 1
    tail = min(int(np.searchsorted(at, length_ns, "left")), len(spans)) - 1
    edges = [slice(max(place - 1, 0), place + 1) for place in (max(head, 0), tail)]
    uncertain = sum(float(rises[edge].max()) for edge in edges)
    if rises[-1] == 0:
        # No change was seen after the window: what was drawn since the last one is not counted yet.
        uncertain += level * (length_ns - float(at[-2]))
    lag = (channel.lag_bound_ns or 0) + usual + max(float(took[edge.start : edge.stop + 1].max()) for edge in edges)
    missing = max(at[0], 0.0) + max(length_ns - at[-1], 0.0)
    uncertain += max(float(powers[edge].max()) for edge in edges) * lag
    uncertain += (still + missing) * level
    pieces = max(int(length_ns / max(_PIECE_NS, _PIECE_REFRESHES * (seen or 0.0))), 1)
    moments = np.linspace(0.0, length_ns, pieces + 1)
    watts_of = np.diff(np.interp(moments, at, total)) / (length_ns / pieces) * 1e9
    found = found.with_(
        coverage=max(0.0, 1.0 - (holes + still) / length_ns),
        mean_w=energy / length_ns * 1e9,
        min_w=float(watts_of.min()),
        max_w=float(watts_of.max()),
        still_ns=still,
    )
    if len(moved) < _LEAST_CHANGES or energy <= 0:
        return found.slow()
    return found.with_(energy_j=energy, uncertainty_j=uncertain)
