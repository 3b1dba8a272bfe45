"""A metric over the launches of a cell. The launch is the unit of replication, so nothing is pooled."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from npubench.schema import Spread, Value


def spread(values: Iterable[Value]) -> Spread:
    """The median over launches, null (with the first reason) when any launch has none."""
    found = list(values)
    numbers = tuple(item.value for item in found)
    known = [number for number in numbers if number is not None]
    if not known or len(known) < len(numbers):
        reason = next((item.reason for item in found if item.value is None), "no launch finished")
        return Spread(median=None, launches=numbers, reason=reason)
    return Spread(median=float(median(known)), launches=numbers)
