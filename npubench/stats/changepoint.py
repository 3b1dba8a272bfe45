"""Change points of a cell's history: from which night on it costs another amount, and how much.

The values are night means of log cost. Guarantees, each by simulation (`tests/benchmarks/test_trend.py` prints the
table): a lasting change is found with its second night; one night that is off is an outlier and no change; two nights
that are off are reported, and become outliers once the next nights are back; a flat history looked at every night
rarely warns. Fewer than LEAST_NIGHTS nights, or values that are all equal, have no change point.

How: the scale is robust (differences of neighbouring nights, so that no step widens it), outliers are set aside, and
the rest is cut where the sum of squares falls by more than PENALTY times the variance: the exact optimum (PELT, Killick
and others 2012) by ruptures, whose C implementation takes under 1 ms where its Python one takes 0.7 s for a year.
No rule of its own is needed for the newest nights: with segments of two nights PELT sees a step in its second night,
and a CUSUM of the last segment asks for the same evidence. A slow drift shows as several steps.

Importing ruptures takes about a second (it loads scipy.stats), so it is imported by the first history that is long
enough. Not aware of: metrics, nights (`history`), whether a comparison calls anything a regression: change points warn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import msgspec
import numpy as np

LEAST_NIGHTS = 7
"""Fewer say nothing of a scale: five nights before a change, as for the noise floor, and its two."""
PENALTY = 20.0
"""In variances of a night. Looked at on each of 90 nights, 8 of 100 flat histories warn at 16, 2 of 100 at 20 or 25; of
histories with heavy tails (Student's t with 4 degrees of freedom) 24, 10 and 3 do. More would cost power at night sd
1 %."""
OUTLIER = 4.0
"""In standard deviations, from the level before and from the level after."""
_SHORTEST = 2
# Timers, clocks and counts are no better than this: equal values would make any other one infinitely significant.
_LEAST_SCALE = 1e-3
# E|z| of a normal z whose largest tenth is cut off.
_TRIMMED = 0.657


class ChangePoint(msgspec.Struct, frozen=True):
    """The level of log cost changed with the value at `index`, from `before` to `after` (means of the segments)."""

    index: int
    before: float
    after: float

    @property
    def change(self) -> float:
        """Difference of log cost; more is worse."""
        return self.after - self.before


class Changes(msgspec.Struct, frozen=True):
    """What a history shows. Indices are those of the values given.

    `outliers` are nights off their neighbours; `pending`: the newest night is off and the next one will tell. `scale`
    is the standard deviation of a night that was used; None where there were too few nights.
    """

    points: tuple[ChangePoint, ...] = ()
    outliers: tuple[int, ...] = ()
    pending: bool = False
    scale: float | None = None


class Series(msgspec.Struct, frozen=True):
    """What `change_points` is asked about a history."""

    values: tuple[float | None, ...]
    least: float = 0.0
    noise: float = 0.0


FindChanges = Callable[[Iterable[Series]], "list[Changes]"]
"""`changes_of`, or a function that has it done elsewhere, at best while the next histories are still being made."""


def robust_scale(values: Sequence[float]) -> float:
    """Standard deviation of a night from differences of neighbours, at least two values; steps hardly widen it.

    The larger of two estimates: the median of the differences is 0 where most nights are equal (capacities are whole
    numbers); the mean without the largest tenth is not.
    """
    steps = np.sort(np.abs(np.diff(np.asarray(values, dtype=np.float64))))
    kept = steps[: max(1, len(steps) - math.ceil(len(steps) / 10))]
    return float(max(1.4826 * np.median(steps), kept.mean() / _TRIMMED) / math.sqrt(2))


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _outliers(values: Sequence[float], scale: float) -> list[int]:
    """Nights above both neighbouring levels (three nights each), or below both, by more than OUTLIER scales."""
    found, last = [], len(values) - 1
    # Only nights that are off one of their neighbours at all can be off the median of them.
    signal = np.asarray(values)
    apart = np.zeros(len(values), bool)
    for lag in (1, 2, 3):
        far = np.abs(signal[lag:] - signal[:-lag]) > OUTLIER * scale
        apart[lag:] |= far
        apart[:-lag] |= far
    for place in np.flatnonzero(apart).tolist():
        value = values[place]
        # At an end there is one level only; there the night next to it must differ as well.
        before = _median(values[max(0, place - 3) : place]) if place else values[1]
        after = _median(values[place + 1 : place + 4]) if place < last else values[last - 1]
        if (
            min(value - before, value - after) > OUTLIER * scale
            or max(value - before, value - after) < -OUTLIER * scale
        ):
            found.append(place)
    return found


def prepare() -> None:
    """Imports what cutting needs, for a process that is about to do much of it."""
    import ruptures  # type: ignore[import-untyped]  # noqa: F401


def _cuts(values: Sequence[float], scale: float) -> list[int]:
    """Places at which a new segment begins, in order."""
    from ruptures import KernelCPD

    signal = (np.asarray(values) - np.median(values)) / scale
    cuts = KernelCPD(kernel="linear", min_size=_SHORTEST).fit(signal.reshape(-1, 1)).predict(pen=PENALTY)
    return [int(cut) for cut in cuts[:-1]]


def _levels(values: Sequence[float], cuts: Sequence[int]) -> list[float]:
    return [
        math.fsum(values[start:end]) / (end - start)
        for start, end in zip([0, *cuts], [*cuts, len(values)], strict=True)
    ]


def change_points(values: Sequence[float | None], *, least: float = 0.0, noise: float = 0.0) -> Changes:
    """Change points of `values`: log cost by night, oldest first; None, NaN and infinity are nights without a value.

    Steps smaller than `least` (log cost) are no change points. `noise` bounds the scale from below, where the spread
    within the nights is known.
    """
    kept = [(place, value) for place, value in enumerate(values) if value is not None and math.isfinite(value)]
    if len(kept) < LEAST_NIGHTS:
        return Changes()
    known = [value for _, value in kept]
    scale = max(robust_scale(known), noise, _LEAST_SCALE)
    off = _outliers(known, scale)
    rest = [item for number, item in enumerate(kept) if number not in set(off)]
    found = Changes(
        outliers=tuple(kept[number][0] for number in off), pending=bool(off) and off[-1] == len(kept) - 1, scale=scale
    )
    known = [value for _, value in rest]
    if len(rest) < 2 * _SHORTEST or max(known) - min(known) <= max(least, scale):
        return found
    cuts = _cuts(known, scale)
    while cuts:
        levels = _levels(known, cuts)
        sizes = [abs(after - before) for before, after in pairwise(levels)]
        smallest = min(range(len(sizes)), key=sizes.__getitem__)
        if sizes[smallest] >= least:
            break
        del cuts[smallest]
    levels = _levels(known, cuts)
    points = tuple(
        ChangePoint(rest[cut][0], before, after) for cut, before, after in zip(cuts, levels, levels[1:], strict=False)
    )
    return msgspec.structs.replace(found, points=points)


def changes_of(series: Iterable[Series]) -> list[Changes]:
    """Change points of each history, in order."""
    return [change_points(one.values, least=one.least, noise=one.noise) for one in series]
