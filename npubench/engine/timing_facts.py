"""The form of what `selftest timing` finds: parts of lines, each an order statistic, a value, a word, or why neither.

Not aware of: how it is found (`timing`, `timing_load`), how it is shown (`cli.selftest_timing`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.lang import Text

Numbers = npt.NDArray[np.int64]

SECOND_NS = 1_000_000_000


class TimingJob(msgspec.Struct, frozen=True, kw_only=True):
    """`workload` and `adapter` are code: the workload of known service times, and the adapter that computes nothing.

    `scale` stretches every part (1.0: about half a minute in all).
    """

    workload: str
    adapter: str
    scale: float = 1.0


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Order statistics in ns: `sorted[floor(n·p)]`. None of any where nothing was counted."""

    count: int
    p50: int | None
    p90: int | None
    p99: int | None
    most: int | None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One fact: a `spread` in ns, or a `value` with its `unit`, or a `word`; `refused` says why there is none."""

    title: Text
    spread: Spread | None = None
    value: float | None = None
    unit: str = ""
    word: str | None = None
    refused: str | None = None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Facts that belong together, under a name."""

    name: str
    title: Text
    lines: tuple[Line, ...]


def spread(values: Numbers | Sequence[int]) -> Spread:
    """The order statistics of `values`."""
    found = np.sort(np.asarray(values, dtype=np.int64))
    n = len(found)
    at = [int(found[n * percent // 100]) if n else None for percent in (50, 90, 99)]
    return Spread(count=n, p50=at[0], p90=at[1], p99=at[2], most=int(found[-1]) if n else None)
