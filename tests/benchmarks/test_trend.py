"""What a year of nights costs to follow, and how often change points are right. `make benchmarks`.

Goals (stated, not asserted): trend of 365 nights × 100 cells in ≤ 3 s with ≤ 300 MB; listing of 100 machines × 365
nights stays usable (`test_listing`); a change of 5 % found with its second night in ≥ 90 % at launch sd ≤ 1 %.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npubench.stats.changepoint import LEAST_NIGHTS, change_points
from npubench.stats.trend import least_change
from tests.stats.made_nights import MACHINE, year

LAUNCHES, STEP, LONGEST = 5, 0.05, 90
# Runs in a process of its own: the peak is that of the command alone.
_CHILD = """
import json, resource, sys, time
from npubench.cli import main
sys.argv = ["npubench", "trend", "--json", "--out", sys.argv[1]]
start, code = time.perf_counter(), 0
try:
    main()
except SystemExit as stopped:
    code = stopped.code
used = resource.getrusage(resource.RUSAGE_SELF)
found = [time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, code]
print(json.dumps(found), file=sys.stderr)
"""


@pytest.mark.benchmark
def test_a_year_of_a_hundred_cells(benchmark: Any, tmp_path: Path) -> None:
    nights, cells = (8, 3) if benchmark.disabled else (365, 100)
    size = year(tmp_path, nights, cells)
    done = subprocess.run([sys.executable, "-c", _CHILD, str(tmp_path)], capture_output=True, check=True, timeout=300)
    found = json.loads(done.stdout)
    assert (found["nights"], len(found["cells"]), found["machine"]) == (nights, cells, MACHINE)
    seconds, busy, peak, code = json.loads(done.stderr.splitlines()[-1])
    assert code in (None, 0)
    benchmark.extra_info.update(seconds=seconds, peak_mb=peak)
    changed = sum(bool(cell["changes"]) for cell in found["cells"])
    print(  # noqa: T201
        f"\n{nights} nights × {cells} cells, {size / 1e6:.0f} MB of run.json: {seconds:.2f} s "
        f"({busy:.2f} s of processor), peak {peak:.0f} MB; {changed} cells with a change point"
    )
    benchmark.pedantic(lambda: None)


def _history(random: np.random.Generator, nights: int, sd: float, night_sd: float) -> np.ndarray[Any, Any]:
    """Night means of log cost."""
    return random.normal(0, sd, (nights, LAUNCHES)).mean(axis=1) + random.normal(0, night_sd, nights)


def _right(random: np.random.Generator, sd: float, night_sd: float, repeats: int) -> list[float]:
    """The share of steps found with the first, second, third and fifth night of the new level."""
    seen = np.zeros(4)
    for _ in range(repeats):
        at = int(random.integers(LEAST_NIGHTS - 2, LONGEST))
        values = _history(random, at + 5, sd, night_sd)
        values[at:] += np.log1p(STEP)
        for place, nights in enumerate((1, 2, 3, 5)):
            found = change_points(values[: at + nights].tolist(), least=least_change("latency_p50_ns"))
            seen[place] += any(abs(point.index - at) <= 1 for point in found.points)
    return list(seen / repeats)


def _false(random: np.random.Generator, sd: float, night_sd: float, repeats: int) -> tuple[float, float]:
    """Of flat histories looked at on every night: the share of nights that warn, of histories that ever do."""
    nights = ever = 0
    for _ in range(repeats):
        values = _history(random, LONGEST, sd, night_sd).tolist()
        warned = [
            bool(change_points(values[:count], least=least_change("latency_p50_ns")).points)
            for count in range(LEAST_NIGHTS, LONGEST + 1)
        ]
        nights += sum(warned)
        ever += any(warned)
    return nights / repeats / (LONGEST - LEAST_NIGHTS + 1), ever / repeats


@pytest.mark.benchmark
def test_how_often_change_points_are_right(benchmark: Any) -> None:
    random, repeats = np.random.default_rng(20261126), 3 if benchmark.disabled else 400
    flat = 1 if benchmark.disabled else 200
    title = f"A step of {STEP:.0%} after 5 to {LONGEST - 1} nights of {LAUNCHES} launches: found by its n-th night, %"
    print(f"\n{title}")  # noqa: T201
    print("launch sd  night sd |  1st  2nd  3rd  5th | flat: % of nights  % of histories of 90 nights")  # noqa: T201
    for night_sd in (0.0, 0.01):
        for sd in (0.005, 0.01, 0.02, 0.03):
            shares = " ".join(f"{share * 100:4.0f}" for share in _right(random, sd, night_sd, repeats))
            nights, ever = _false(random, sd, night_sd, flat)
            print(f"{sd:9.1%} {night_sd:9.1%} | {shares} | {nights * 100:16.2f} {ever * 100:15.1f}", flush=True)  # noqa: T201
    benchmark.pedantic(lambda: None)
