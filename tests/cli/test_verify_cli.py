"""`npubench verify`, `pack` and `export` as a person uses them: exit codes, JSON, both languages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from npubench.store import RunFolder
from tests.cli.inside import inside as npubench
from tests.verify.conftest import original, run
from tests.verify.made import edit

__all__ = ["original", "run"]


@pytest.mark.slow
def test_a_run_its_pack_and_its_report(original: RunFolder, tmp_path: Path) -> None:
    done = npubench("verify", original.path)
    assert done.returncode == 0, done.stderr + done.stdout
    assert ": all agree" in done.stdout
    assert "stated, not recomputable:" in done.stdout
    pack, report = tmp_path / "run.zip", tmp_path / "run.html"
    assert npubench("pack", original.path, "-o", pack).returncode == 0
    assert npubench("report", original.path, "-o", report).returncode == 0
    done = npubench("verify", pack, report, original.path, "--json")
    assert done.returncode == 0, done.stdout
    found = json.loads(done.stdout)
    assert [item["kind"] for item in found] == ["pack", "report", "run"]
    assert all(item["schema"] == "npubench.verify/1" and not item["mismatches"] for item in found)


def test_exit_codes(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert npubench("verify", "nothing").returncode == 2
    assert npubench("verify", "latest").returncode == 2
    edit(run.path / "run.json", lambda document: document["cells"][0].update(verdict="<b>|\x1b[31m"))
    broken = npubench("verify", run.path)
    # A verdict that there is not: the document cannot be read.
    assert broken.returncode == 4
    assert "\x1b" not in broken.stdout
    edit(run.path / "run.json", lambda document: document["cells"][0].update(verdict="unsupported"))
    done = npubench("verify", run.path)
    assert done.returncode == 4
    assert "✗ run.json cells[0].verdict" in done.stdout
    monkeypatch.setenv("NPUBENCH_LANG", "ko")
    assert "불일치" in npubench("verify", run.path).stdout
    monkeypatch.setenv("NPUBENCH_LANG", "en")
    edit(run.path / "run.json", lambda document: document.update(schema="npubench.run/99"))
    newer = npubench("verify", run.path)
    assert newer.returncode == 5
    assert "newer npubench" in newer.stdout
    both = npubench("verify", run.path, tmp_path / "nothing.html")
    assert both.returncode == 2
    text = tmp_path / "x.txt"
    text.write_text("hello")
    assert npubench("verify", text).returncode == 5


def test_two_runs_that_claim_one_id(original: RunFolder, run: RunFolder) -> None:
    done = npubench("verify", original.path, run.path)
    assert done.returncode == 2
    assert "both claim to be run" in done.stderr


def test_exports(original: RunFolder, tmp_path: Path) -> None:
    done = npubench("export", original.path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("run,machine,")
    path = tmp_path / "out" / "run.json"
    done = npubench("export", original.path, "--format", "pytest-benchmark", "-o", path)
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_bytes())["benchmarks"]
    wrong = npubench("export", original.path, "--format", "pytest-benchmark", "--launches")
    assert wrong.returncode == 2
    assert "--launches goes with --format csv" in wrong.stderr


def test_a_pack_that_is_cut_and_one_of_an_unsealed_run(run: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "run.zip"
    assert npubench("pack", run.path, "-o", path).returncode == 0
    path.write_bytes(path.read_bytes()[:-1000])
    cut = npubench("verify", path)
    assert cut.returncode == 5
    assert "not a pack" in cut.stdout
    (run.path / "run.json").unlink()
    done = npubench("pack", run.path, "-o", path)
    assert done.returncode == 2
    assert "not sealed" in done.stderr
