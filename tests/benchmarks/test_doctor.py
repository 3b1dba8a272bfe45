"""How long `npubench doctor` takes with many backends, as ratios in one run. Run with `make benchmarks`.

Goal (stated, not asserted): 3 s or less on a machine with a CPU only, with every card that we ship.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import pytest

from npubench.cards import BackendCard
from npubench.discovery import catalogue
from npubench.engine.counters import Counted
from npubench.engine.probing import survey
from npubench.engine.select import probe

CARDS = 12


def cards() -> dict[str, BackendCard]:
    """Twelve backends that all import ONNX Runtime from this environment: the case that costs most."""
    card = catalogue().backends["cpu"].card
    return {f"made-{number}": msgspec.structs.replace(card, id=f"made-{number}") for number in range(CARDS)}


@pytest.mark.slow
def test_survey_over_one_probe_after_the_other(benchmark: Any, tmp_path: Path) -> None:
    asked = cards()
    blocks: list[tuple[float, float]] = []

    def block() -> None:
        folder = tmp_path / str(len(blocks))
        start = time.perf_counter()
        survey(asked, folder / "together")
        middle = time.perf_counter()
        for name, card in asked.items():
            probe(card, folder / name)
        blocks.append((middle - start, time.perf_counter() - middle))

    benchmark.pedantic(block, rounds=3)
    ratio, together = median(a / b for a, b in blocks), median(a for a, _ in blocks)
    benchmark.extra_info.update(ratio=ratio, together_s=together)
    print(f"\n{CARDS} backends: together / one by one = {ratio:.2f}, {together:.2f} s")  # noqa: T201


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_doctor(benchmark: Any, arguments: tuple[str, ...]) -> None:
    taken: list[float] = []
    spent: list[float] = []

    def block() -> None:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-m", "npubench", "doctor", *arguments], check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    benchmark.pedantic(block, rounds=5)
    shipped = sum(not found.card.hidden for found in catalogue().backends.values())
    benchmark.extra_info.update(seconds=median(taken), cpu_s=median(spent), cards=shipped)
    name = " ".join(("npubench doctor", *arguments))
    print(f"\n{name}: {median(taken):.2f} s, {median(spent):.2f} CPU-seconds, {shipped} cards")  # noqa: T201


def test_reading_the_counters(benchmark: Any) -> None:
    """What the parent does at each end of a timed window, on this machine."""
    counted = Counted()
    benchmark(counted.take)
    if benchmark.stats is not None:
        took_us = benchmark.stats.stats.median * 1e6
        print(f"\nreading the counters: {took_us:.0f} µs on {len(counted.processors)} processors")  # noqa: T201
