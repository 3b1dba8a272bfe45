"""What the generator itself costs and how late it is, as ratios in one run where there is something to compare with.

Nothing here asserts a time. Goals (stated, not asserted), on an idle core: issue lag at 1 000/s p50 ≤ 2 µs and p90
≤ 20 µs; completion stamps at 3 000/s on two lanes late by p99 ≤ 20 µs; 20 000/s sustained; per request below LoadGen.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from npubench.discovery import code
from npubench.engine import timing_load
from npubench.engine.generator import closed_loop, open_loop
from npubench.engine.overlapped import overlapped
from npubench.engine.schedule import frames, poisson
from npubench.engine.table import SampleTable
from npubench.engine.timing_facts import Part, TimingJob
from npubench.units import show
from tests.witness.loadgen import differences, matrix_model, python_of, witnessed

COUNT = 20_000


def measured_only(benchmark: Any) -> None:
    """Skips where nothing is measured: what is tested here besides is tested elsewhere."""
    if benchmark.disabled:
        pytest.skip("part of make benchmarks only")


def told(part: Part) -> None:
    print(f"\n{part.title.en}")  # noqa: T201
    for line in part.lines:
        found = line.spread
        shown = show(line.value, line.unit)
        if found is not None:
            shown = ", ".join(f"{name} {show(getattr(found, name), 'ns')}" for name in ("p50", "p90", "p99", "most"))
        print(f"  {line.title.en}: {line.refused or shown}")  # noqa: T201


@pytest.mark.slow
@pytest.mark.parametrize("make", [timing_load.lag, timing_load.stamps, timing_load.lindley])
def test_timing(benchmark: Any, make: Any) -> None:
    measured_only(benchmark)
    job = TimingJob(workload=code("workloads", "synthetic"), adapter=code("adapters", "null"))
    told(benchmark.pedantic(make, args=(job,), rounds=1))


@pytest.mark.slow
def test_what_a_request_costs_in_each_loop(benchmark: Any, tmp_path: Path) -> None:
    """ns per request of nothing; arrivals that are all due at once never wait, so that only the loop is seen."""
    measured_only(benchmark)
    due = poisson(1e9, COUNT * 1_000, 0)
    due = due._replace(**{name: getattr(due, name)[:COUNT] for name in ("due_ns", "stream", "number")})
    blocks: list[dict[str, float]] = []

    def per_request(name: str) -> float:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        table = SampleTable(folder, COUNT, 0, 2)
        if name == "overlapped":
            driven = overlapped(lambda _, done: done(1), table, None, 0, in_flight=2, least=COUNT, last_ns=10**12)
        elif name.startswith("open"):
            drop = name == "open, frames"
            driven = open_loop([lambda _: 1], table, due, 0, drop=drop, limit=None, grace_ns=10**12)
        else:
            lanes = 2 if name == "closed, 2 lanes" else 1
            driven = closed_loop([lambda _: 1] * lanes, table, 0, window_ns=0, least=COUNT, last_ns=10**12)
        return (driven.end_ns - driven.start_ns) / COUNT

    names = ("closed", "closed, 2 lanes", "open", "open, frames", "overlapped")

    def block() -> None:
        blocks.append({name: per_request(name) for name in names})

    benchmark.pedantic(block, rounds=9)
    print()  # noqa: T201
    for name in names:
        each = median(one[name] for one in blocks)
        ratio = median(one[name] / one["closed"] for one in blocks)
        benchmark.extra_info[name] = each
        print(f"{name}: {each:,.0f} ns a request = {ratio:.2f} of the closed loop")  # noqa: T201


def test_a_million_arrivals(benchmark: Any) -> None:
    benchmark.pedantic(lambda: (poisson(10_000, 100 * 10**9, 0), frames(1_000, 10, 100 * 10**9, 0)), rounds=3)
    benchmark.extra_info["arrivals"] = len(poisson(10_000, 100 * 10**9, 0).due_ns)


@pytest.mark.slow
def test_beside_loadgen(benchmark: Any, tmp_path: Path) -> None:
    """Paired: the same requests under both, in one process after the other."""
    measured_only(benchmark)
    python, model = python_of(tmp_path / "loadgen"), matrix_model(tmp_path / "model.onnx")
    found = benchmark.pedantic(witnessed, args=(python, model), kwargs={"rounds": 5}, rounds=1)
    print("", *differences(found), sep="\n")  # noqa: T201
    ratios = [one["ours"]["per_query_ns"] / one["loadgen"]["per_query_ns"] for one in found[0]["pairs"]]
    benchmark.extra_info["per_query_ratio"] = float(np.median(ratios))
    print(f"per request of nothing, ours / LoadGen: {np.median(ratios):.2f}")  # noqa: T201
