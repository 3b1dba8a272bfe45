"""Exports: a table that no spreadsheet calculates, and a file that pytest-benchmark's own tool compares."""

from __future__ import annotations

import csv
import io
import json
import statistics
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.report import export_benchmark, export_csv
from npubench.schema import Run, Scenario
from npubench.store import RunFolder
from tests.stats import made_runs


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


def test_a_row_for_each_cell_and_metric(original: RunFolder) -> None:
    run = original.run()
    found = rows(export_csv.export(run))
    assert list(found[0]) == list(export_csv.COLUMNS)
    assert len(found) == sum(len(cell.summary) for cell in run.cells)
    row = next(row for row in found if row["metric"] == "latency_p50_ns" and row["scenario"] == "single-stream")
    cell = next(cell for cell in run.cells if cell.id == row["cell"])
    assert float(row["value"]) == cell.summary["latency_p50_ns"].median
    assert (row["unit"], row["launch"], row["comparable"]) == ("ns", "", "false")
    unknown = next(row for row in found if not row["value"])
    assert unknown["reason"]


def test_launches_have_rows_of_their_own(original: RunFolder) -> None:
    run = original.run()
    found = rows(export_csv.export(run, launches=True))
    of_launch = [row for row in found if row["launch"] and row["metric"] == "samples_per_s"]
    assert len(of_launch) == 4
    cell = run.cells[0]
    values = tuple(float(row["value"]) for row in of_launch if row["cell"] == cell.id)
    assert values == cell.summary["samples_per_s"].launches


EVIL = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", '"><script>', "a\nb", "\x1b[31mred", "|x|", "😀"]


@pytest.mark.parametrize("name", EVIL)
def test_foreign_text_is_no_formula(name: str) -> None:
    run = made_runs.run(made_runs.cell(model=name, unit="frame"))
    (row, *_) = rows(export_csv.export(run))
    assert not row["model"].lstrip().startswith(("=", "+", "-", "@", "＝"))
    assert "\x1b" not in row["model"]
    assert "\n" not in row["model"]
    assert name.strip("\t\r \x1b")[-1] in row["model"]


@given(st.text(max_size=50))
def test_safe_never_begins_a_formula(text: str) -> None:
    found = export_csv.safe(text)
    assert not found.lstrip().startswith(tuple("=+-@＝＋－＠"))
    assert not {"\r", "\n", "\x00"} & set(found)


def test_joules_and_efficiency_have_rows() -> None:
    spread = made_runs.spread((10.0, 12.0))
    cell = made_runs.cell(energy={"nvml.0.energy": spread}, efficiency={"card": {"cameras_per_w": spread}})
    found = {(row["metric"], row["meter"]): row for row in rows(export_csv.export(made_runs.run(cell)))}
    assert found["energy_j", "nvml.0.energy"]["unit"] == "J"
    assert found["cameras_per_w", "card"]["value"]


def compared(*paths: Path) -> subprocess.CompletedProcess[str]:
    """What `pytest-benchmark compare` says."""
    code = "import sys; from pytest_benchmark.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "compare", "--columns=min,median,mean,stddev,rounds", *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=paths[0].parent, timeout=120)


def test_pytest_benchmark_compares_two_runs(tmp_path: Path) -> None:
    paths = []
    for name, factor in (("a", 1.0), ("b", 1.25)):
        run = made_runs.run(made_runs.cell(factor=factor), made_runs.cell(factor=factor, backend="npu"))
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_bytes(export_benchmark.export(run))
    done = compared(*paths)
    assert done.returncode == 0, done.stderr
    assert "Failed to load" not in done.stdout + done.stderr
    # One table for each cell and metric, with both runs in it.
    assert done.stdout.count("2 tests") == 4
    assert "cctv-detect fp32 npu single-stream device latency_p50" in done.stdout
    assert "(1.25)" in done.stdout


def test_a_real_run(original: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(export_benchmark.export(original.run()))
    document = json.loads(path.read_bytes())
    assert document["commit_info"]["id"] == "unversioned"
    assert document["machine_info"]["node"] == "test-machine"
    first = document["benchmarks"][0]
    assert first["stats"]["rounds"] == 2
    assert 1e-6 < first["stats"]["median"] < 1
    done = compared(path)
    assert done.returncode == 0, done.stderr
    assert "tiny fp32 null single-stream" in done.stdout


@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=30))
def test_statistics_are_the_tools_own(data: list[float]) -> None:
    from pytest_benchmark.stats import Stats

    theirs = Stats()
    for value in data:
        theirs.update(value)
    ours = export_benchmark.stats(data)
    for name in Stats.fields:
        found, wanted = ours[name], getattr(theirs, name)
        assert found == wanted if isinstance(wanted, str) else found == pytest.approx(wanted, rel=1e-12, abs=1e-15), (
            name
        )
    assert ours["mean"] == pytest.approx(statistics.mean(data))


def test_a_cell_without_latencies_and_a_run_without_cells() -> None:
    cell = msgspec.structs.replace(made_runs.cell((None, None)), scenario=Scenario(name="offline"))
    for run in (made_runs.run(cell), made_runs.run()):
        assert json.loads(export_benchmark.export(run))["benchmarks"] == []
    assert isinstance(made_runs.run(), Run)
    assert rows(export_csv.export(made_runs.run())) == []
