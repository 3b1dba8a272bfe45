"""The commands that look: help in 80 columns, check, doctor, list, show, report, schema, selftest."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from rich.cells import cell_len
from rich.console import Console

from npubench import scenarios, store
from npubench.cli.listing import list_rulesets, list_scenarios, list_traffic
from tests.cli.test_run_cli import TINY, npubench, run_folder
from tests.stats.made_nights import MACHINE, night, put, run_id
from tests.stats.made_runs import cell
from tests.support import null_card, null_plan

COMMANDS = (
    *("", "check", "doctor", "list", "build", "run", "show", "report", "schema", "selftest", "compare", "rank"),
    *("demo", "new", "new model", "power", "power list", "power check", "verify", "pack", "export", "conform", "env"),
    *("nightly", "ab", "baseline", "baseline accept", "baseline show", "trend", "power attach", "bundle", "quality"),
)
# A process for each language, which is settled when the commands are imported.
_HELPS = """
import contextlib, io, json, sys
from typer.main import get_command
from npubench.cli.app import app
called, found = get_command(app), {}
for command in sys.argv[1:]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        called([*command.split(), "--help"], prog_name="npubench")
    found[command] = said.getvalue()
print(json.dumps(found))
"""


@pytest.mark.parametrize("language", ["en", "ko"])
def test_help_fits_80_columns_in_both_languages(language: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HELPS, *COMMANDS],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NPUBENCH_LANG": language, "COLUMNS": "80"},
    )
    found = json.loads(done.stdout)
    assert list(found) == list(COMMANDS)
    for command, said in found.items():
        assert said.startswith("Usage: npubench"), command
        assert [line for line in said.splitlines() if cell_len(line) > 80] == [], command


def test_check_says_that_all_is_well() -> None:
    done = npubench("check")
    assert done.returncode == 0
    assert "no mistakes" in done.stdout


def test_doctor_as_text_and_as_json() -> None:
    text = npubench("doctor")
    assert text.returncode == 0
    assert "cpu" in text.stdout
    assert "cuda" in text.stdout
    assert all(cell_len(line) <= 80 for line in text.stdout.splitlines())
    found = json.loads(npubench("doctor", "--json").stdout)
    assert [item["backend"] for item in found["ready"]] == ["cpu"]
    absent = {item["backend"]: item for item in found["absent"]}
    assert absent["cuda"]["reason"].startswith("its environment is not installed (onnxruntime-gpu")
    assert "npubench env sync cuda" in absent["cuda"]["fix"]["en"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("backends", "cpu"),
        ("models", "cctv-detect"),
        ("scenarios", "offline"),
        ("suites", "public-sector"),
        ("rulesets", "npubench-1"),
        ("traffic", "citizens"),
    ],
)
def test_list_lists(kind: str, name: str) -> None:
    done = npubench("list", kind)
    assert done.returncode == 0
    assert any(line.startswith(name) for line in done.stdout.splitlines())


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("scenarios", ["--scenario 'cameras:fps=5|15|30'", "fps", "15", "rate", "traffic"]),
        ("rulesets", ["npubench-1", "TTFT ≤ 2.00 s, TPOT ≤ 100 ms", "p99 → p95 → p90", "standard 9 min"]),
        ("traffic", ["citizens", "128", "education", "512", "20"]),
    ],
)
def test_what_can_be_named_is_listed_with_all_that_it_says(
    kind: str, told: list[str], language: Literal["en", "ko"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", language)
    stream = io.StringIO()
    console = Console(file=stream, width=80, highlight=False)
    lists = {"scenarios": list_scenarios, "rulesets": list_rulesets, "traffic": list_traffic}
    for part in lists[kind]():
        console.print(part)
    found = stream.getvalue()
    assert all(cell_len(line) <= 80 for line in found.splitlines())
    assert all(word in found for word in told), found
    for name, item in scenarios.KINDS.items() if kind == "scenarios" else ():
        assert f"{name}  {item.title[language]}" in found
        assert all(key in found for key in item.params)


@pytest.mark.slow
def test_show_and_report_of_a_run(tmp_path: Path) -> None:
    folder = run_folder(npubench("run", "--backend", "null", *TINY, "--report", tmp_path / "page.html"))
    assert "npubench" in (tmp_path / "page.html").read_text(encoding="utf-8")
    shown = npubench("show", "latest", "--json")
    assert json.loads(shown.stdout) == json.loads((folder / "run.json").read_bytes())
    assert npubench("show", folder.name).stdout.splitlines()[-1] == str(folder)
    assert json.loads(npubench("show", "latest", "--placement", "--json").stdout) == []
    assert "Virtual: no model was computed" in npubench("show", "latest", "--placement").stdout
    korean = npubench("report", folder, "-o", tmp_path / "ko.html", "--lang", "ko")
    assert korean.returncode == 0
    assert '<html lang="ko"' in (tmp_path / "ko.html").read_text(encoding="utf-8")
    assert npubench("report", folder, "--lang", "fr").returncode == 2
    assert npubench("report", "nothing").returncode == 2


def test_an_index_of_what_is_there_and_what_does_not_go_with_it(tmp_path: Path) -> None:
    put(tmp_path / "results", night(0, cell()))
    there = ("--out", tmp_path / "results")
    done = npubench("report", "--index", *there, "-o", tmp_path, "--lang", "en")
    assert done.stdout.splitlines() == [str(tmp_path / "index.html")]
    assert "The newest nights are fine" in (tmp_path / "index.html").read_text(encoding="utf-8")
    for wrong in (("--index", "latest"), ("--pages", "3")):
        assert npubench("report", *wrong, *there).returncode == 2
    store.RunFolder(tmp_path / "results" / MACHINE / run_id(0)).write_plan(null_plan(null_card()))
    newest = npubench("report", *there, "-o", tmp_path / "newest.html")
    assert newest.returncode == 0, newest.stderr
    assert run_id(0) in (tmp_path / "newest.html").read_text(encoding="utf-8")


def test_schema_on_stdout_is_one_document() -> None:
    assert "run.schema.json" in json.loads(npubench("schema").stdout)


@pytest.mark.slow
def test_selftest_measures_the_harness() -> None:
    done = npubench("selftest", "--json")
    assert done.returncode == 0, done.stderr
    cells = {cell["backend"]: cell for cell in json.loads(done.stdout)["cells"]}
    assert cells["null"]["summary"]["samples_per_s"]["median"] > 0
    assert cells["cpu"]["verdict"] in ("valid", "degraded")
