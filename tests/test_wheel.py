"""The wheel outside any checkout: cards inside, two commands work."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Installed


@pytest.mark.slow
def test_the_wheel_works_outside_the_checkout(installed: Installed, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    variables = {name: value for name, value in os.environ.items() if name not in ("NPUBENCH_RESULTS", "PYTHONPATH")}
    npubench = str(installed.python.with_name("npubench"))
    check = subprocess.run([npubench, "check"], cwd=away, env=variables, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stderr
    run = [npubench, "run", "--profile", "smoke", "--budget", "8s", "--backend", "cpu", "--model", "cctv-detect"]
    done = subprocess.run(run, cwd=away, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folder = away / done.stdout.splitlines()[-1]
    assert (folder / "run.json").is_file()
    assert folder.is_relative_to(away / "npubench-results")
    page = subprocess.run([npubench, "report", str(folder), "-o", "page.html"], cwd=away, env=variables, check=False)
    assert page.returncode == 0
    assert "cctv-detect" in (away / "page.html").read_text(encoding="utf-8")
