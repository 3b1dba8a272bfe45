"""Figures with intervals, and the places that they justify.

A figure is the geometric mean of its launches with Student's interval; what was searched is the load that all launches
confirmed, up to the least that failed. One launch, or several that lack a value, give no interval and so no place.

Not aware of: cells of which kind may stand beside each other (`ranking`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from npubench.lang import Text
from npubench.metrics import CAPACITY, METRICS
from npubench.schema import Cell, Spread
from npubench.stats.ranked import Figure
from npubench.stats.student import Sample, quantile

_ONE = Text(en="one launch has no interval", ko="실행 1회로는 구간을 알 수 없음")
_NONE = Text(en="not measured", ko="측정하지 않음")


def figure(cell: Cell, key: str, spread: Spread | None, confidence: float) -> Figure:
    """A metric of a cell, without a place."""
    values = spread.launches if spread is not None else ()
    if spread is None or spread.median is None:
        why = Text(en=spread.reason, ko=spread.reason) if spread is not None and spread.reason else _NONE
        return Figure(metric=key, value=None, launches=len(values), reason=why)
    if key in CAPACITY:
        return _held(cell, key, spread)
    good = [math.log(value) for value in values if value is not None and math.isfinite(value) and value > 0]
    if not good or len(good) < len(values):
        why = Text(en="a launch gave no value", ko="값이 없는 실행이 있음")
        return Figure(metric=key, value=None, launches=len(values), reason=why)
    sample = Sample.of(good)
    found = Figure(metric=key, value=math.exp(sample.mean), launches=sample.count)
    if sample.variance is None:
        return msgspec.structs.replace(found, reason=_ONE)
    half = math.sqrt(sample.variance / sample.count) * quantile(sample.count - 1, (1 + confidence) / 2)
    # The load that it is counted by may be anywhere up to the least that failed.
    above = _step(cell) if key in ("cameras_per_w", "users_per_w") else 1.0
    high = _exp(sample.mean + half) * above
    return msgspec.structs.replace(found, low=_exp(sample.mean - half), high=high if math.isfinite(high) else None)


def _exp(power: float) -> float:
    return math.exp(power) if power < 700 else math.inf


def _step(cell: Cell) -> float:
    """How many times its value a searched load may be: up to the least that failed, as in `searched`."""
    found = cell.capacity
    if found is None or not found.confirmed or found.failed is None or found.failed <= found.confirmed:
        return math.inf
    return found.failed / found.confirmed


def _held(cell: Cell, key: str, spread: Spread) -> Figure:
    """A capacity: every launch confirmed at least its value."""
    value = spread.median
    assert value is not None
    found = Figure(metric=key, value=value, launches=len(spread.launches))
    if len(spread.launches) < 2:
        return msgspec.structs.replace(found, reason=_ONE)
    found = msgspec.structs.replace(found, low=value)
    if value == 0:
        # That nothing was held is certain; how much less than the least load would be is not.
        return msgspec.structs.replace(found, high=0.0)
    above = _step(cell)
    if math.isinf(above):
        why = Text(en="no load failed: it may hold more", ko="실패한 부하가 없어 더 감당할 수도 있음")
        return msgspec.structs.replace(found, high=None, reason=why)
    return msgspec.structs.replace(found, high=value * above)


def bounds(found: Figure) -> tuple[float, float] | None:
    """The interval; an unknown upper end of something that was confirmed is infinite. None: there is no interval."""
    if found.value is None or found.low is None:
        return None
    return found.low, math.inf if found.high is None else found.high


def certainly_better(one: Figure, other: Figure) -> bool:
    """Whether the intervals do not meet and `one` is on the good side."""
    a, b = bounds(one), bounds(other)
    if a is None or b is None:
        return False
    return a[0] > b[1] if METRICS[one.metric].worse == "lower" else a[1] < b[0]


def at_least_as_good(one: Figure, other: Figure) -> bool:
    if one.value is None or other.value is None:
        return False
    return one.value >= other.value if METRICS[one.metric].worse == "lower" else one.value <= other.value


def placed(figures: Sequence[Figure]) -> tuple[Figure, ...]:
    """The figures of one metric with their places. Who cannot be told apart shares one: there is no false winner."""
    places = [
        None if bounds(item) is None else 1 + sum(certainly_better(other, item) for other in figures)
        for item in figures
    ]
    return tuple(
        msgspec.structs.replace(item, place=place, shared=place is not None and places.count(place) > 1)
        for item, place in zip(figures, places, strict=True)
    )


def order(found: Figure) -> tuple[float, float]:
    """Best first: by place, then by value; what has no place comes after, what has no value last."""
    if found.value is None:
        return math.inf, math.inf
    value = -found.value if METRICS[found.metric].worse == "lower" else found.value
    return (math.inf if found.place is None else found.place), value


def front(points: Sequence[tuple[Figure, Figure]]) -> tuple[bool | None, ...]:
    """Of (speed, energy) points those that no other one dominates: at least as good in both, certainly better in one.

    None where a point lacks either figure or its interval, or stands alone.
    """
    known = [bounds(speed) is not None and bounds(energy) is not None for speed, energy in points]
    if sum(known) < 2:
        return (None,) * len(points)

    def dominated(at: int) -> bool:
        return any(
            known[other]
            and all(at_least_as_good(a, b) for a, b in zip(points[other], points[at], strict=True))
            and any(certainly_better(a, b) for a, b in zip(points[other], points[at], strict=True))
            for other in range(len(points))
            if other != at
        )

    return tuple(not dominated(at) if known[at] else None for at in range(len(points)))
