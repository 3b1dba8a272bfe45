"""The early-stopping statistic against METRICS' table and against LoadGen's own answers.

`golden/loadgen-early-stopping.json` was printed by `loadgen_grid.py` with mlcommons-loadgen 6.0.17.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.stats.early_stopping import estimate, may_be_over, needed

GOLDEN = Path(__file__).parent.parent / "golden" / "loadgen-early-stopping.json"
PERCENTS = (50, 90, 95, 97, 99, 99.9)


def agrees(grid: dict[str, Any]) -> None:
    """Every answer of LoadGen's is ours."""
    assert len(grid["estimates"]) > 100
    for row in grid["estimates"]:
        over = may_be_over(row["queries"], row["percent"])
        # LoadGen discards what is above the t-th highest.
        assert row["discarded"] == (over - 1 if over >= 1 else None), row
        assert row["floor"] == needed(row["percent"], 2)[1]
        value = estimate(np.arange(row["queries"]), row["queries"], row["percent"])
        assert value.value == (None if row["discarded"] is None else row["queries"] - 1 - row["discarded"])
    for row in grid["needed"]:
        assert row["queries"] == needed(row["percent"], row["over"] + 1)[row["over"]], row
    latencies = np.array(grid["latencies"]["ns"])
    assert estimate(latencies, len(latencies), 90).value == grid["latencies"]["p90_ns"]
    assert estimate(latencies, len(latencies), 99).value == grid["latencies"]["p99_ns"]


def test_loadgens_own_answers() -> None:
    agrees(json.loads(GOLDEN.read_text()))


@pytest.mark.slow
def test_loadgens_own_answers_made_anew(tmp_path: Path) -> None:
    """Needs a package index; without one the golden file stands alone."""
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "mlcommons-loadgen"]
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        pytest.skip(f"mlcommons-loadgen cannot be installed: {done.stderr.strip()[-200:]}")
    script = Path(__file__).with_name("loadgen_grid.py")
    printed = subprocess.run([str(python), str(script)], capture_output=True, text=True, check=True, timeout=300)
    agrees(json.loads(printed.stdout))


@pytest.mark.parametrize(
    ("percent", "counts"),
    [
        (90, {0: 44, 1: 64, 2: 81, 5: 127, 10: 197}),
        (95, {0: 90, 1: 130, 2: 165, 5: 259, 10: 398}),
        (97, {0: 152, 1: 219, 2: 277, 5: 433, 10: 667}),
        (99, {0: 459, 1: 662, 2: 838, 5: 1307, 10: 2010}),
        (99.9, {0: 4603, 1: 6636, 2: 8403, 5: 13105, 10: 20140}),
    ],
)
def test_the_table_of_the_rules(percent: float, counts: dict[int, int]) -> None:
    table = needed(percent, 11)
    assert {over: table[over] for over in counts} == counts


@given(st.integers(1, 200_000), st.sampled_from(PERCENTS))
def test_both_directions_say_the_same(queries: int, percent: float) -> None:
    over = may_be_over(queries, percent)
    table = needed(percent, 40)
    if over < 39:
        assert sum(queries >= count for count in table) == over + 1


@given(st.lists(st.integers(0, 10**9), min_size=11, max_size=500), st.sampled_from(PERCENTS))
def test_an_estimate_is_never_below_the_percentile(values: list[int], percent: float) -> None:
    found = estimate(np.array(values), len(values), percent)
    if found.value is not None:
        assert found.value in values
        assert found.value >= sorted(values)[len(values) * round(percent * 10) // 1000]
    else:
        assert "more" in str(found.reason)


def test_what_was_never_answered_is_not_a_number() -> None:
    values = np.concatenate([np.arange(90.0), np.full(10, np.inf)])
    assert estimate(values, 100, 90).value is None
    assert "infinitely late" in str(estimate(values, 100, 90).reason)
    assert estimate(values, 100, 50).value is not None
