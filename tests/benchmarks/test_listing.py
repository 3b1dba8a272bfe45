"""What it costs to find runs among 100 machines with 365 nights each, as a multiple of reading the bare names.

Nothing here asserts a time; both sides alternate in one process. `make benchmarks`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from npubench import store

BLOCKS = 5


def tree(root: Path, machines: int, nights: int) -> str:
    """Run folders with what a listing could be tempted to read; the id of one in the middle."""
    for machine in range(machines):
        for night in range(nights):
            folder = (
                root
                / f"npu-node-{machine:03}"
                / f"2026{night // 28 % 12 + 1:02}{night % 28 + 1:02}T03{machine:04}Z-{night:06x}"
            )
            (folder / "launches").mkdir(parents=True)
            (folder / "plan.json").touch()
            (folder / "run.json").touch()
    return folder.name


def names(root: Path) -> int:
    return sum(len(os.listdir(root / machine)) for machine in os.listdir(root))


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@pytest.mark.benchmark
def test_finding_runs(benchmark: Any, tmp_path: Path) -> None:
    machines, nights = (3, 5) if benchmark.disabled else (100, 365)
    wanted = tree(tmp_path, machines, nights)
    assert names(tmp_path) == machines * nights
    calls: dict[str, Callable[[], object]] = {
        "every run": lambda: sum(1 for _ in store.listed(tmp_path)),
        "one machine's runs": lambda: sum(1 for _ in store.listed(tmp_path, "npu-node-001")),
        "latest": lambda: store.open_run("latest", tmp_path),
        "a whole id": lambda: store.open_run(wanted, tmp_path),
        "the beginning of an id": lambda: store.open_run(wanted[:-1], tmp_path),
        "every run, sealed or not": lambda: sum(item.sealed for item in store.listed(tmp_path)),
    }
    for title, call in calls.items():
        pairs = [(seconds(call), seconds(lambda: names(tmp_path))) for _ in range(BLOCKS)]
        took, ratio = median(one for one, _ in pairs), median(one / other for one, other in pairs)
        print(f"\n{title}: {took * 1e3:.1f} ms, {ratio:.2f} × the bare names of {machines * nights:,} runs")  # noqa: T201
    benchmark.pedantic(lambda: None, rounds=1)
