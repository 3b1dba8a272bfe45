"""MLPerf LoadGen's early-stopping statistic: from how many queries on a percentile can be stated.

Source: MLPerf Inference rules (early stopping) and mlcommons/inference, loadgen/early_stopping.cc.
"""

from __future__ import annotations

from functools import cache


def _least(percent: float, over: int, confidence: float, tolerance: float) -> int:
    """h(t): the least number of queries within the limit beside `over` ones over it."""
    # Imported when first needed: most commands start without it.
    from scipy.special import betainc  # type: ignore[import-untyped]

    share = percent / 100 - tolerance
    low, high = 1, 2
    while betainc(high, over + 1, share) > 1 - confidence:
        low, high = high, high * 2
    while low < high:
        middle = (low + high) // 2
        if betainc(middle, over + 1, share) <= 1 - confidence:
            high = middle
        else:
            low = middle + 1
    return low


@cache
def needed(percent: float, most_over: int, *, confidence: float = 0.99, tolerance: float = 0.0) -> tuple[int, ...]:
    """Least number of queries of which 0, 1, … `most_over` - 1 may be over the limit, at this percentile."""
    return tuple(_least(percent, over, confidence, tolerance) + over for over in range(most_over))
