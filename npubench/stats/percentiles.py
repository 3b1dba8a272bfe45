"""Percentiles as MLPerf LoadGen and onnxruntime_perf_test compute them: `sorted[floor(n·p)]`, null where too few.

Not aware of: what is measured. Numpy only, for the worker.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from npubench.schema import Value

Numbers = npt.NDArray[Any]
"""Integers or floats; inf stands for what never came."""

INFINITE = "too many requests were dropped or failed: what was never answered is infinitely late"


def _index(n: int, percent: float) -> int:
    """Of the percentile among n sorted values."""
    # Integer arithmetic: 0.999 has no exact binary form, and floor(n·p) must not depend on that.
    return min(n - 1, n * round(percent * 10) // 1000)


def percentile(values: Numbers, percent: float) -> float:
    """`sorted[floor(n·p)]` of a non-empty array."""
    index = _index(len(values), percent)
    return float(np.partition(values, index)[index])


def percentile_or_null(values: Numbers, percent: float, least: int) -> Value:
    """The percentile, or null with the number of samples that are missing."""
    if len(values) < least:
        return of_sorted(values, percent, least)
    found = percentile(values, percent)
    return Value(value=found) if np.isfinite(found) else Value(value=None, reason=INFINITE)


def of_sorted(values: Numbers, percent: float, least: int) -> Value:
    """`percentile_or_null` of values that are sorted already."""
    n = len(values)
    if n < least:
        return Value(value=None, reason=f"{n} samples; p{percent:g} needs at least {least}, {least - n} more")
    found = float(values[_index(n, percent)])
    return Value(value=found) if np.isfinite(found) else Value(value=None, reason=INFINITE)
