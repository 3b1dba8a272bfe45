"""What a ledger over a day of eight channels at 10 Hz costs, as a multiple of copying its readings. `make benchmarks`.

Both sides alternate, so that a noisy neighbour hits both; the figure is the median over blocks. Nothing here asserts a
time. Goal (stated, not asserted): 6.9 million readings in ≤ 2 s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import msgspec
import numpy as np
import pytest

from npubench.energy import Window
from npubench.spi import THROTTLE_BITS, Channel
from npubench.stats.readings import RECORD, Readings
from tests.stats.made_power import COUNTER, POWER, S, book

DAY_S, INTERVAL_S, BLOCKS = 86_400, 0.1, 5


def made(length_s: float, *, mixed: bool) -> Readings:
    """Three counters, four powers, a throttle state: tick by tick as one meter gives them; `mixed`: as several do."""
    random, count = np.random.default_rng(0), round(length_s / INTERVAL_S)
    state = Channel(name="t", unit="", scope="card", kind="state", quantity="throttle", source="made", device="gpu0")
    channels = tuple(
        msgspec.structs.replace(COUNTER if place < 3 else POWER, name=f"c{place}", device=f"gpu{place}")
        for place in range(7)
    )
    rows = np.zeros((count, 8), RECORD)
    rows["before_ns"] = np.arange(count)[:, None] * round(INTERVAL_S * S) + np.arange(8) * 1000
    rows["after_ns"] = rows["before_ns"] + 500
    rows["channel"] = np.arange(8)
    watts = random.normal(100, 5, (count, 7))
    rows["value"][:, :3] = np.cumsum(watts[:, :3] * INTERVAL_S, axis=0)
    rows["value"][:, 3:7] = watts[:, 3:]
    rows["value"][:, 7] = np.where(random.uniform(size=count) < 0.001, THROTTLE_BITS["power-cap"], 0)
    table = rows.reshape(-1)
    if mixed:
        table[1:-1:1000], table[2::1000] = table[2::1000].copy(), table[1:-1:1000].copy()
    return Readings((*channels, state), ("ok",), table)


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@pytest.mark.benchmark
def test_a_day_of_eight_channels(benchmark: Any) -> None:
    # `make test` only sees whether it runs.
    length_s = 120 if benchmark.disabled else DAY_S
    window = Window(start_ns=S, end_ns=round((length_s - 1) * S))
    for title, mixed in (("one meter", False), ("interleaved meters", True)):
        readings = made(length_s, mixed=mixed)
        assert book(readings, window=window).scopes["card"].energy_j is not None
        pairs = [
            (seconds(lambda: book(readings, window=window)), seconds(lambda: readings.table.copy()))  # noqa: B023
            for _ in range(BLOCKS)
        ]
        took, copying = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
        said = f"{median(one / other for one, other in pairs):.1f} × copying them ({copying * 1e3:.0f} ms)"
        print(f"\n{title}: {took:.2f} s for {len(readings.table):,} readings, {said}")  # noqa: T201
    benchmark.pedantic(lambda: None, rounds=1)
