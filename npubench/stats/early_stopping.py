"""MLPerf LoadGen's early-stopping statistic: from how many queries on a percentile can be stated, and which it is.

t of n requests may be over a limit, and the share that is within it is still at least p with confidence c, when
I_{p-d}(n - t, t + 1) ≤ 1 - c (the binomial distribution's, as a regularised incomplete beta function; d a tolerance).

Source: MLPerf Inference rules (early stopping) and mlcommons/inference, loadgen/early_stopping.cc; the tests hold this
to LoadGen's own answers. Needs scipy, so nothing here runs in a worker, which is given the tables that `needed` makes.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from npubench.schema import Value
from npubench.stats.percentiles import INFINITE

CONFIDENCE = 0.99
"""LoadGen's, for estimates; a ruleset's own is for what it demands."""


@cache
def needed(
    percent: float, most_over: int, *, confidence: float = CONFIDENCE, tolerance: float = 0.0
) -> tuple[int, ...]:
    """Least number of queries of which 0, 1, … `most_over` - 1 may be over the limit, at this percentile."""
    # Imported when first needed: most commands start without it.
    from scipy.special import betainc  # type: ignore[import-untyped]

    share = percent / 100 - tolerance
    over = np.arange(most_over)
    # h(t), the least number of queries within the limit beside t over it: all t at once, by bisection.
    low, high = np.ones(most_over, dtype=np.int64), np.full(most_over, 2, dtype=np.int64)
    while (beyond := betainc(high, over + 1, share) > 1 - confidence).any():
        low, high = np.where(beyond, high, low), np.where(beyond, high * 2, high)
    while (low < high).any():
        middle = (low + high) // 2
        enough = betainc(middle, over + 1, share) <= 1 - confidence
        low, high = np.where(enough, low, np.minimum(middle + 1, high)), np.where(enough, middle, high)
    return tuple((low + over).tolist())


@cache
def may_be_over(queries: int, percent: float, *, confidence: float = CONFIDENCE, tolerance: float = 0.0) -> int:
    """How many of `queries` may be over a limit at most while the percentile still keeps it; -1: not even none."""
    from scipy.special import betainc

    share = percent / 100 - tolerance

    def holds(over: int) -> bool:
        return bool(betainc(queries - over, over + 1, share) <= 1 - confidence)

    if queries < 1 or not holds(0):
        return -1
    low, high = 0, queries
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def estimate(highest: npt.NDArray[np.generic], queries: int, percent: float) -> Value:
    """The percentile's early-stopping estimate: the t-th highest of `queries` values, t as large as may be over.

    `highest` are values among which all of the t highest are, in any order (all of them, say). Null below LoadGen's
    floor, t = 1.
    """
    over = may_be_over(queries, percent)
    if over < 1:
        least = needed(percent, 2)[1]
        return Value(
            value=None,
            reason=f"{queries} samples; p{percent:g} needs at least {least}, {least - queries} more",
        )
    value = float(np.partition(highest, len(highest) - over)[len(highest) - over])
    if not np.isfinite(value):
        return Value(value=None, reason=INFINITE)
    return Value(value=value)
