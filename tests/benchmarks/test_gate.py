"""How often the gate cries wolf, what it misses, and how long it takes: simulated launches through the real functions.

Everything is seeded, so the shares are asserted; times and memory are printed only. `make benchmarks` prints the tables
that docs/gate.md explains. Each cell has three metrics whose launches are drawn independently, which is harder than
what one device gives: its latency and its throughput go together, and so do their false alarms.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np
import pytest

from npubench import store
from npubench.schema import Cell, Run, encode
from npubench.stats.compare import Wanted, compare
from npubench.stats.compared import Comparison, Rule
from npubench.stats.confirmation import confirmed
from npubench.stats.history import Night, read_night
from npubench.stats.noise import History, Learned
from npubench.stats.speed import MINIMUM_EFFECT, Tolerated, compare_metric
from tests.stats.made_runs import cell, run, spread

LAUNCHES, CELLS = 5, 100
SDS = (0.005, 0.01, 0.02, 0.03)
METRICS = ("latency_p50_ns", "latency_p99_ns", "frames_per_s")

Draw = np.random.Generator
# Names only: a cell's numbers are put in by `measured`.
TEMPLATE = tuple(cell(model=f"model-{number}") for number in range(CELLS))


def measured(draw: Draw, sd: float, night: Sequence[float] = (), slower: float = 0.0, count: int = CELLS) -> Run:
    """Cells whose launches have deviation `sd` about the cell's level of that `night` (log), `slower` by a share."""
    values = draw.normal(0.0, sd, (count, len(METRICS), LAUNCHES)) + math.log1p(slower)
    if len(night):
        values += np.asarray(night)[:count, None, None]
    # A throughput is the inverse of a time.
    values[:, 2] *= -1
    found = np.exp(values).tolist()
    cells = tuple(
        msgspec.structs.replace(
            made, summary={key: spread(launches) for key, launches in zip(METRICS, numbers, strict=True)}
        )
        for made, numbers in zip(TEMPLATE, found, strict=False)
    )
    return run(*cells, id="20261125T010203Z-bbbbbb")


def against(base: Run, new: Run, wanted: Wanted | None = None) -> Comparison:
    return compare(msgspec.structs.replace(base, id="20261124T010203Z-aaaaaa"), new, wanted)


def red(found: Comparison) -> int:
    return sum(item.red for item in found.cells)


def row(*values: object) -> None:
    print(" | ".join(f"{value!s:>12}" for value in values))  # noqa: T201


def share(count: float, of: float) -> str:
    return f"{100 * count / of:.2f} %"


@pytest.mark.benchmark
def test_false_alarms(benchmark: Any) -> None:
    """A/A: nothing has changed. Red cells are measured again on both sides, and count where both agree."""
    nights = 5 if benchmark.disabled else 150
    print(f"\nA/A, {LAUNCHES} launches a side, {nights} nights of {CELLS} cells with {len(METRICS)} metrics each")  # noqa: T201
    row("launch sd", "red cells", "red nights", "… confirmed")
    for sd in SDS:
        draw = np.random.default_rng(round(sd * 1e4))
        alarms = bad_nights = confirmed_nights = 0
        for _ in range(nights):
            first = against(measured(draw, sd), measured(draw, sd))
            alarms += red(first)
            bad_nights += red(first) > 0
            if red(first):
                second = against(measured(draw, sd), measured(draw, sd))
                confirmed_nights += red(confirmed(first, second)) > 0
        row(f"{sd:.1%}", share(alarms, nights * CELLS), share(bad_nights, nights), share(confirmed_nights, nights))
        assert alarms / (nights * CELLS) <= 0.01
        assert confirmed_nights / nights <= 0.05
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.benchmark
def test_power(benchmark: Any) -> None:
    """A true slowdown: how often it is called regressed, and whether the stated detectable change is true."""
    repeats = 200 if benchmark.disabled else 4000
    print(f"\nslowdown of 10 %, {LAUNCHES} launches a side, {repeats} repeats; and of the change stated as detectable")  # noqa: T201
    row("launch sd", "p50 +10 %", "p99 +10 %", "p50 detects", "… found in", "p99 detects", "… found in")
    for sd in SDS:
        draw = np.random.default_rng(round(sd * 1e4) + 1)
        cells: list[str] = []
        for key in METRICS[:2]:
            caught = detected(draw, key, sd, 0.10, repeats)
            cells.append(share(caught, repeats))
            if sd <= 0.01:
                assert caught / repeats >= 0.95
        for key in METRICS[:2]:
            stated = detectable(key, sd)
            found = detected(draw, key, sd, stated, repeats)
            cells += [f"{100 * stated:.1f} %", share(found, repeats)]
            assert found / repeats == pytest.approx(0.95, abs=0.05 if benchmark.disabled else 0.015)
        row(f"{sd:.1%}", *cells)
    benchmark.pedantic(lambda: None, rounds=1)


def detected(draw: Draw, key: str, sd: float, slower: float, repeats: int) -> int:
    logs = draw.normal(0.0, sd, (repeats, 2, LAUNCHES))
    logs[:, 1] += math.log1p(slower)
    tolerated, count = Tolerated(MINIMUM_EFFECT[key]), 0
    for base, new in np.exp(logs).tolist():
        found = compare_metric(key, spread(base), spread(new), tolerated, Rule())
        count += found is not None and found.verdict == "regressed"
    return count


def detectable(key: str, sd: float) -> float:
    """What is stated for launches whose sample deviation is exactly `sd`."""
    values = np.exp(np.array([-1.0, -1.0, 0.0, 1.0, 1.0]) * sd).tolist()
    found = compare_metric(key, spread(values), spread(values), Tolerated(MINIMUM_EFFECT[key]), Rule())
    assert found is not None
    assert found.minimum_detectable_change is not None
    return found.minimum_detectable_change


@pytest.mark.benchmark
def test_nights_that_differ(benchmark: Any) -> None:
    """A/A where all launches of a night share an effect of that night: what the floor from 14 earlier nights is for."""
    repeats, sd = (2 if benchmark.disabled else 40), 0.005
    print(f"\nA/A with an effect of the night, launch sd {sd:.1%}, {repeats} nights of {CELLS} cells")  # noqa: T201
    row("night sd", "minimum only", "with history", "… confirmed", "median tol.", "+10 % found")
    for effect in (0.0, 0.005, 0.01, 0.02):
        draw = np.random.default_rng(round(effect * 1e4) + 2)
        plain = learned = again = caught = 0
        tolerances: list[float] = []
        for _ in range(repeats):
            levels = draw.normal(0.0, effect, (16, CELLS)) if effect else np.zeros((16, CELLS))
            earlier = [night(measured(draw, sd, level), day) for day, level in enumerate(levels[:14], 1)][::-1]
            wanted = Wanted(tolerances=Learned(History.of(earlier)))
            base, new = measured(draw, sd, levels[14]), measured(draw, sd, levels[15])
            plain += red(against(base, new))
            found = against(base, new, wanted)
            learned += red(found)
            if red(found):
                # Measured again in turns with the baseline's build: both sides share that night.
                level = draw.normal(0.0, effect, CELLS) if effect else np.zeros(CELLS)
                second = against(measured(draw, sd, level), measured(draw, sd, level), wanted)
                again += red(confirmed(found, second))
            tolerances += [item.metrics[0].tolerance for item in found.cells]
            caught += red(against(base, measured(draw, sd, levels[15], slower=0.10), wanted))
        total = repeats * CELLS
        tolerated = f"{100 * median(tolerances):.1f} %"
        shares = [share(count, total) for count in (plain, learned, again)]
        row(f"{effect:.1%}", *shares, tolerated, share(caught, total))
    benchmark.pedantic(lambda: None, rounds=1)


def night(made: Run, day: int) -> Night:
    found = read_night(msgspec.json.encode(msgspec.structs.replace(made, created=f"2026-11-{day:02d}T01:02:03Z")))
    assert isinstance(found, Night)
    return found


CHILD = """
import json, resource, sys, time
from pathlib import Path
begun = time.perf_counter()
from npubench.cli.compare import found_between
loaded, cpu = time.perf_counter(), time.process_time()
found = found_between(sys.argv[2], sys.argv[3], Path(sys.argv[1]))
print(json.dumps({
    "cells": len(found.cells), "metrics": sum(len(cell.metrics) for cell in found.cells),
    "import_s": loaded - begun, "compare_s": time.perf_counter() - loaded, "cpu_s": time.process_time() - cpu,
    "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def large(count: int, seed: int, name: str) -> Run:
    """A run whose cells are as large as real ones: 12 KB of identity, evidence, thirty metrics of five launches."""
    draw = np.random.default_rng(seed)
    filler = {
        f"field_{number}": {"graph": f"{number:064x}", "options": {"a": 1, "b": "x" * 40}} for number in range(30)
    }
    cells: list[Cell] = []
    for number in range(count):
        made = cell(np.exp(draw.normal(0, 0.01, LAUNCHES)).tolist(), model=f"model-{number}", identity=filler)
        others = {f"other_{place}": spread(np.exp(draw.normal(0, 0.01, LAUNCHES)).tolist()) for place in range(25)}
        cells.append(msgspec.structs.replace(made, summary={**made.summary, **others}))
    return run(*cells, id=name)


@pytest.mark.benchmark
def test_a_thousand_cells(benchmark: Any, tmp_path: Path) -> None:
    """Two runs of 1 000 cells × 5 launches from their files, in a fresh process. Goal: 1 s, 300 MB."""
    count = 20 if benchmark.disabled else 1000
    names = ("20261124T010203Z-aaaaaa", "20261125T010203Z-bbbbbb")
    for seed, name in enumerate(names):
        path = tmp_path / "test-machine" / name / store.RUN
        path.parent.mkdir(parents=True)
        path.write_bytes(encode(large(count, seed, name)))
    call: Callable[[], dict[str, float]] = lambda: json.loads(  # noqa: E731
        subprocess.run(
            [sys.executable, "-c", CHILD, str(tmp_path), *names], check=True, capture_output=True, text=True
        ).stdout
    )
    found = [call() for _ in range(1 if benchmark.disabled else 5)]
    size = path.stat().st_size / 1e6
    first = found[0]
    print(f"\n{first['cells']:.0f} cells, {first['metrics']:.0f} metrics, two files of {size:.1f} MB: ", end="")  # noqa: T201
    middle = {name: median(item[name] for item in found) for name in first}
    print(  # noqa: T201
        f"imports {middle['import_s']:.2f} s, compare {middle['compare_s']:.2f} s (CPU {middle['cpu_s']:.2f} s), "
        f"peak {middle['rss_mib']:.0f} MiB"
    )
    benchmark.pedantic(lambda: None, rounds=1)
