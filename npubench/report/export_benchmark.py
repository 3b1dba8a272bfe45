"""A run as pytest-benchmark's JSON, for `pytest-benchmark compare A.json B.json`.

One benchmark for each cell and latency metric: its rounds are the launches, because the launch is the unit of
replication, and its data are their values in seconds. Cells of two runs that are the same cell share a group, so that
they stand in one table. Rates and capacities are no durations and are left out.

Names and statistics are those of pytest-benchmark 5 (`pytest_benchmark/stats.py`; quartiles by its methods 2 and 3).
Not aware of: whether two runs may be compared, which that tool does not ask (`npubench compare` does).
"""

from __future__ import annotations

import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import msgspec

from npubench.metrics import METRICS
from npubench.report.foreign import clean
from npubench.scenarios import written
from npubench.schema import Cell, Run

_STEMS = ("latency_", "ttft_", "tpot_", "itl_")
LATENCIES = tuple(name for name, metric in METRICS.items() if metric.unit == "ns" and name.startswith(_STEMS))

# The release whose form this is.
VERSION = "5.3.1"


def export(run: Run) -> bytes:
    """The document."""
    benchmarks = [
        found
        for cell in run.cells
        if cell.purpose == "measure"
        for name in LATENCIES
        if (found := _benchmark(run, cell, name)) is not None
    ]
    document = {
        "machine_info": _machine(run),
        "commit_info": {
            # A run is of a machine and its software, not of a commit: nothing is made up.
            "id": "unversioned",
            "time": None,
            "author_time": None,
            "dirty": False,
            "project": "npubench",
            "branch": "(unknown)",
        },
        "benchmarks": benchmarks,
        "datetime": run.created,
        "version": VERSION,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _machine(run: Run) -> dict[str, Any]:
    machine = run.machine
    return {
        "node": clean(machine.name),
        "processor": clean(machine.cpu or ""),
        "machine": "",
        "system": clean(machine.os),
        "release": clean(machine.kernel),
        "cpu": {"brand_raw": clean(machine.cpu or ""), "count": machine.threads},
        "accelerators": [f"{clean(device.id)} {clean(device.name)}" for device in machine.accelerators],
        "versions": {clean(name): clean(version) for name, version in sorted(run.varying.items())},
    }


def _benchmark(run: Run, cell: Cell, metric: str) -> dict[str, Any] | None:
    spread = cell.summary.get(metric)
    data = [value / 1e9 for value in spread.launches if value is not None] if spread is not None else []
    if not data:
        return None
    parts = (cell.model, cell.precision, cell.backend, written(cell.scenario), cell.scope)
    where = " ".join(clean(part).replace("\n", " ") for part in parts)
    name = f"{where} {metric.removesuffix('_ns')}"
    return {
        "group": name,
        "name": name,
        "fullname": f"npubench::{where}::{metric}",
        "params": None,
        "param": None,
        "extra_info": {
            "run": run.id,
            "cell": cell.id,
            "metric": metric,
            "verdict": cell.verdict,
            "execution_kind": cell.execution_kind,
            "launches": list(cell.launches),
        },
        "options": {"timer": "perf_counter_ns", "warmup": True},
        "stats": stats(data),
    }


def stats(data: Sequence[float]) -> dict[str, Any]:
    """pytest-benchmark's figures of some durations in seconds."""
    ordered, rounds = sorted(data), len(data)
    mean, deviation = statistics.mean(data), statistics.stdev(data) if rounds > 1 else 0.0
    first, third = _quartiles(ordered)
    iqr = third - first
    low, high = first - 1.5 * iqr, third + 1.5 * iqr
    beyond_deviation = sum(not mean - deviation <= value <= mean + deviation for value in data)
    beyond_iqr = sum(not low <= value <= high for value in data)
    total = sum(data)
    return {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": mean,
        "stddev": deviation,
        "rounds": rounds,
        "median": statistics.median(data),
        "iqr": iqr,
        "q1": first,
        "q3": third,
        "iqr_outliers": beyond_iqr,
        "stddev_outliers": beyond_deviation,
        "outliers": f"{beyond_deviation};{beyond_iqr}",
        "ld15iqr": ordered[bisect_left(ordered, low)],
        "hd15iqr": ordered[bisect_right(ordered, high) - 1],
        "ops": rounds / total if total else 0,
        "total": total,
        "data": list(data),
        "iterations": 1,
    }


def _quartiles(ordered: Sequence[float]) -> tuple[float, float]:
    """First and third quartile: method 2 for an even count, 3 for an odd one."""
    rounds = len(ordered)
    if rounds == 1:
        return ordered[0], ordered[0]
    if rounds % 2 == 0:
        return statistics.median(ordered[: rounds // 2]), statistics.median(ordered[rounds // 2 :])
    n = rounds // 4
    if rounds % 4 == 1:
        return 0.25 * ordered[n - 1] + 0.75 * ordered[n], 0.75 * ordered[3 * n] + 0.25 * ordered[3 * n + 1]
    return 0.75 * ordered[n] + 0.25 * ordered[n + 1], 0.25 * ordered[3 * n + 1] + 0.75 * ordered[3 * n + 2]
