"""Student's t for comparisons: Welch's interval of a difference of means, its power, and launches still needed.

Guarantees finite arithmetic for any finite samples: zero variance gives an interval of width zero, fewer than two
values on a side give none. Welch (1947) "The generalization of 'Student's' problem when several different population
variances are involved"; degrees of freedom by Welch and Satterthwaite. Quantiles are scipy's, imported when first
needed: the parent side only.

Not aware of: what the values mean, logarithms, tolerances in percent (`compare`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import fmean
from typing import Any, Literal

import msgspec
import numpy as np

# More launches than this a side is no plan: the answer is then "not to be estimated".
MOST_LAUNCHES = 1000
# Quantiles of each variance: against 200 of them the answer moves by 1 % at 5 launches a side, by 5 % at 2.
_GRID = 32


class Sample(msgspec.Struct, frozen=True):
    """A side of a comparison: `count` values, their mean and their variance (null for fewer than two)."""

    count: int
    mean: float
    variance: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Sample:
        """From at least one finite value."""
        mean = fmean(values)
        if len(values) < 2:
            return cls(len(values), mean, None)
        # Not statistics.variance: its exact fractions cost more than everything else here together.
        return cls(len(values), mean, math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))

    def grown(self, more: int) -> Sample:
        """The same mean and spread, seen in `more` further values."""
        return Sample(self.count + more, self.mean, self.variance)


class Standing(msgspec.Struct, frozen=True):
    """`error` is the standard error of new − base, `freedom` its degrees of freedom (infinite at zero variance)."""

    error: float
    freedom: float


def standing(base: Sample, new: Sample) -> Standing | None:
    """How well the difference is known; None where a side has fewer than two values."""
    if base.variance is None or new.variance is None:
        return None
    a, b = base.variance / base.count, new.variance / new.count
    whole = a + b
    # Shares, not squares: variances near the smallest float would underflow to 0/0.
    if whole == 0:
        return Standing(0.0, math.inf)
    freedom = 1 / ((a / whole) ** 2 / (base.count - 1) + (b / whole) ** 2 / (new.count - 1))
    return Standing(math.sqrt(whole), freedom)


def quantile(freedom: float, probability: float) -> float:
    """Student's t quantile; the normal one at infinite degrees of freedom."""
    special = _special()
    return float(special.ndtri(probability) if math.isinf(freedom) else special.stdtrit(freedom, probability))


@lru_cache(maxsize=1)
def _special() -> Any:
    """Imported once: an import statement costs more than a quantile, and there are tens of thousands."""
    from scipy import special  # type: ignore[import-untyped]

    return special


def half_width(at: Standing, confidence: float) -> float:
    """Half of the two-sided interval's width."""
    return at.error * quantile(at.freedom, (1 + confidence) / 2)


def detectable(base: Sample, new: Sample, confidence: float, power: float, tolerance: float) -> float | None:
    """The smallest true difference whose interval lies wholly above `tolerance` in a share `power` of repeats.

    Repeats draw as many normal values with the spreads seen here. None where `standing` is None.
    """
    at = standing(base, new)
    if at is None or base.variance is None or at.error == 0:
        return None if at is None else tolerance
    share = round(base.variance / base.count / at.error**2, 2)
    if base.count == new.count:
        # Which of two sides is the noisier one does not matter then.
        share = min(share, round(1 - share, 2))
    return tolerance + at.error * _errors_needed(base.count, new.count, share, confidence, power)


@lru_cache(maxsize=4096)
def _errors_needed(base: int, new: int, share: float, confidence: float, power: float) -> float:
    """How many true standard errors above the tolerance a difference must lie; `share` is the base's of the variance.

    The interval's half-width varies with both sample variances and, through them, with Welch's degrees of freedom. A
    noncentral t of fixed freedom ignores the latter and promises 95 % where 5 launches a side deliver 92 %; so the
    power is averaged over a grid of quantiles of both (scaled chi-square) variances.
    """
    special = _special()
    middles = (np.arange(_GRID) + 0.5) / _GRID
    a = share * special.chdtri(base - 1, middles)[:, None] / (base - 1)
    b = (1 - share) * special.chdtri(new - 1, middles)[None, :] / (new - 1)
    whole = a + b
    freedom = 1 / ((a / whole) ** 2 / (base - 1) + (b / whole) ** 2 / (new - 1))
    edge = np.sqrt(whole) * special.stdtrit(freedom, (1 + confidence) / 2)
    low, high = 0.0, float(edge.max()) + 10.0
    for _ in range(24):
        middle = (low + high) / 2
        if float(special.ndtr(middle - edge).mean()) < power:
            low = middle
        else:
            high = middle
    return high


def place(low: float, high: float, tolerance: float) -> Literal["above", "below", "inside"] | None:
    """Where an interval lies wholly: above `tolerance`, below −`tolerance`, inside both; None where it straddles."""
    if low > tolerance:
        return "above"
    if high < -tolerance:
        return "below"
    return "inside" if low >= -tolerance and high <= tolerance else None


def more_launches(
    base: Sample,
    new: Sample,
    confidence: float,
    tolerance: float,
    least: int,
    below: float = 0.0,
    above: float = 0.0,
) -> int | None:
    """How many more launches on *each* side would decide, if means and spreads stay as they are now.

    At least `least` launches a side. `below` and `above`: what the interval is wider by, however many there are. None
    where it cannot be estimated: fewer than two values on a side, or a difference so close to the tolerance that
    MOST_LAUNCHES would not decide.
    """
    if base.variance is None or new.variance is None:
        return None
    difference = new.mean - base.mean
    # The widest half of an interval that would still lie wholly above, below or inside.
    room = max(
        difference - below - tolerance,
        -tolerance - difference - above,
        min(tolerance - difference - above, difference - below + tolerance),
    )
    whole = base.variance + new.variance
    first = max(0, least - min(base.count, new.count))
    if room <= 0:
        return None
    # No quantile is smaller than the normal one, so fewer launches than this cannot be enough.
    normal = quantile(math.inf, (1 + confidence) / 2)
    low = max(first, math.ceil(whole * (normal / room) ** 2 - max(base.count, new.count))) if whole else first
    step, high = 1, low
    while high <= MOST_LAUNCHES and not _fits(base, new, high, room, confidence):
        low, high, step = high + 1, high + step, step * 2
    high = min(high, MOST_LAUNCHES)
    if low > MOST_LAUNCHES or not _fits(base, new, high, room, confidence):
        return None
    while low < high:
        middle = (low + high) // 2
        if _fits(base, new, middle, room, confidence):
            high = middle
        else:
            low = middle + 1
    return low


def _fits(base: Sample, new: Sample, more: int, room: float, confidence: float) -> bool:
    """Whether with `more` launches a side the interval's half-width is no more than `room`."""
    at = standing(base.grown(more), new.grown(more))
    return at is not None and half_width(at, confidence) <= room
