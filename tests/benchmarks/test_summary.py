"""What it costs to summarise a million samples, as a multiple of sorting them, in one process. `make benchmarks`.

Both sides alternate, so that a noisy neighbour hits both; the figure is the median over blocks. Nothing here asserts a
time. Goal (stated, not asserted): a million samples in ≤ 0.5 s, with everything that a launch document holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import pytest

from npubench.rules import load
from npubench.scenarios import Scenario
from npubench.schema import SAMPLE_COLUMNS, Warmup, Window
from npubench.stats.conclude import conclude
from npubench.stats.samples import Samples
from npubench.stats.trials import Limits

ROWS = 1_000_000
TOKENS = 10
BLOCKS = 5


def made(count: int, tokens: int = 0) -> Samples:
    random = np.random.default_rng(0)
    table = np.zeros((count, len(SAMPLE_COLUMNS)), dtype=np.int64)
    due = np.cumsum(random.exponential(1e6, count)).astype(np.int64)
    took = random.gamma(4, 2e5, count).astype(np.int64)
    table[:, 0] = due
    table[:, 1] = due + random.exponential(500, count).astype(np.int64)
    table[:, 3] = table[:, 1] + took
    table[:, 4] = tokens or 1
    table[:, 7] = random.uniform(size=count) < 0.01
    if not tokens:
        return Samples(table, np.zeros((0, 2), dtype=np.int64))
    rows = np.repeat(np.arange(count), tokens)
    steps = np.tile(np.arange(1, tokens + 1), count)
    at = table[rows, 1] + took[rows] * steps // tokens
    table[:, 2] = at[::tokens]
    return Samples(table, np.column_stack([rows, at]))


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compared(title: str, samples: Samples, scenario: Scenario, unit: str, limits: Limits | None) -> None:
    settings: dict[str, Any] = {
        "window": Window(start_ns=0, end_ns=int(samples.column("scheduled_ns").max()) + 1),
        "rules": load(),
        "warmup": Warmup(steps=1, duration_ns=1, steady=True),
    }

    def summarised() -> object:
        return conclude(samples, scenario=scenario, unit=unit, limits=limits, **settings)

    # The first call imports scipy and tells it the statistic's tables.
    summarised()
    pairs = [(seconds(summarised), seconds(lambda: np.sort(samples.latency_ns))) for _ in range(BLOCKS)]
    took, sorting = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    ratio = median(one / other for one, other in pairs)
    said = f"{ratio:.1f} × sorting their latencies ({sorting * 1e3:.0f} ms)"
    print(f"\n{title}: {took:.3f} s for {len(samples.table):,} samples, {said}")  # noqa: T201


@pytest.mark.benchmark
def test_a_million_samples(benchmark: Any) -> None:
    # `make test` only sees whether it runs.
    count = 20_000 if benchmark.disabled else ROWS
    samples = made(count)
    compared("closed loop", samples, Scenario(name="single-stream"), "frame", None)
    lanes = {"instances": 1, "inflight": 4}
    server = Scenario(name="server", params={"rate": 1000, **lanes})
    compared("server, given rate", samples, server, "frame", Limits(latency_ns=100_000_000))
    compared(
        f"language model, {TOKENS} tokens each", made(count, TOKENS), Scenario(name="single-stream"), "token", None
    )
    benchmark.pedantic(lambda: None, rounds=1)
