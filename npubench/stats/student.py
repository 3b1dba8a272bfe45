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
from statistics import fmean
from typing import Literal

import msgspec

# More launches than this a side is no plan: the answer is then "not to be estimated".
MOST_LAUNCHES = 1000


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
    from scipy import special  # type: ignore[import-untyped]

    return float(special.ndtri(probability) if math.isinf(freedom) else special.stdtrit(freedom, probability))


def half_width(at: Standing, confidence: float) -> float:
    """Half of the two-sided interval's width."""
    return at.error * quantile(at.freedom, (1 + confidence) / 2)


def detectable(at: Standing, confidence: float, power: float, tolerance: float) -> float:
    """The smallest true difference whose interval lies wholly above `tolerance` with probability `power`.

    With (d̂ − tolerance)/s being noncentral t, that is tolerance + δ·s, where δ is the noncentrality at which a share
    `power` lies above the interval's quantile. The true standard error is taken to be the observed one.
    """
    from scipy import special

    if at.error == 0:
        return tolerance
    edge = quantile(at.freedom, (1 + confidence) / 2)
    return tolerance + at.error * float(special.nctdtrinc(at.freedom, 1 - power, edge))


def place(difference: float, half: float, tolerance: float) -> Literal["above", "below", "inside"] | None:
    """Where the interval lies wholly: above `tolerance`, below −`tolerance`, inside both; None where it straddles."""
    low, high = difference - half, difference + half
    if low > tolerance:
        return "above"
    if high < -tolerance:
        return "below"
    return "inside" if low >= -tolerance and high <= tolerance else None


def more_launches(base: Sample, new: Sample, confidence: float, tolerance: float, least: int) -> int | None:
    """How many more launches on *each* side would decide, if means and spreads stay as they are now.

    At least `least` launches a side. None where it cannot be estimated: fewer than two values on a side, or a
    difference so close to the tolerance that MOST_LAUNCHES would not decide.
    """
    difference = new.mean - base.mean

    def enough(more: int) -> bool:
        at = standing(base.grown(more), new.grown(more))
        return at is not None and place(difference, half_width(at, confidence), tolerance) is not None

    low, high = max(0, least - min(base.count, new.count)), MOST_LAUNCHES
    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle + 1
    return low
