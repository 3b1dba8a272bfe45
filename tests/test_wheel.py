"""The wheel outside any checkout: cards inside, two commands work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_wheel_works_outside_the_checkout(tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(dist), str(ROOT)], check=True)
    (wheel,) = dist.glob("npubench-*.whl")
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "--quiet", "install", f"{wheel}[cpu]"], check=True)
    away = tmp_path / "away"
    away.mkdir()
    variables = {name: value for name, value in os.environ.items() if name != "NPUBENCH_RESULTS"}
    npubench = str(environment / "bin" / "npubench")
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
