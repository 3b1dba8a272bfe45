"""`npubench power attach` as it is typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from npubench.store import RunFolder
from tests.cli.test_run_cli import npubench
from tests.engine.test_attaching import folder as folder  # a fixture
from tests.engine.test_attaching import written


@pytest.mark.parametrize("language", ["en", "ko"])
def test_help_fits_80_columns(language: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "npubench", "power", "attach", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NPUBENCH_LANG": language, "COLUMNS": "80"},
    )
    assert all(cell_len(line) <= 80 for line in done.stdout.splitlines()), done.stdout
    assert "--uncertainty" in done.stdout


def test_attach_shows_json_and_refuses(folder: RunFolder, tmp_path: Path) -> None:
    log = written(tmp_path / "pdu.csv", zone=False)
    refused = npubench("power", "attach", folder.path, log)
    assert refused.returncode == 2
    assert 'pdu.csv: line 2: "2026-' in refused.stderr
    assert "→ say --timezone" in refused.stderr
    given = ("--align", "clock", "--offset", "3", "--uncertainty", "0.1", "--timezone", "UTC", "--scope", "node")
    done = npubench("power", "attach", folder.path, log, *given, "--name", "rack", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["schema"], found["name"], found["alignment"]["how"]) == ("npubench.power-log/1", "rack", "clock")
    shown = npubench("show", folder.path)
    assert shown.returncode == 0, shown.stderr
    said = " ".join(shown.stdout.split())
    assert "rack comes from an external log (pdu.csv)" in said
    assert "+3.000 s" in said
    whole = json.loads(npubench("show", folder.path, "--json").stdout)
    # 10 000 J of the known source in 1 000 requests.
    value = whole["cells"][0]["efficiency"]["node"]["energy_per_request_j"]["median"]
    assert value == pytest.approx(10.0, rel=0.005)
