"""`npubench ab` from the command line to its exit code, on a backend that computes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from npubench import store
from npubench.verify.folder import verify_folder
from tests.support import backend_toml


def ab(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "npubench", "ab", *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--a", "cpu"), "ab takes --a X and --b Y"),
        (("--a", "cpu", "--b", "cpuu"), 'did you mean "cpu"'),
        (("--resume", "latest", "--a", "cpu"), "--resume goes without --a"),
    ],
)
def test_what_was_typed_is_checked_before_anything_else(words: tuple[str, ...], said: str) -> None:
    done = ab(*words)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.slow
def test_two_cards_in_turns(tmp_path: Path) -> None:
    (tmp_path / "new.toml").write_text(backend_toml("null", work_ns=200_000), encoding="utf-8")
    out = ("--out", str(tmp_path / "results"))
    done = ab(
        "--a", "null", "--b", str(tmp_path / "new.toml"), "-m", "overhead-floor", "-s", "single-stream", "--launches",
        "4", "--budget", "4s", "--no-power", "--json", *out,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    (cell,) = found["cells"]
    assert found["schema"] == "npubench.compare/1"
    assert found["base"]["id"].endswith("@a")
    assert found["new"]["id"].endswith("@b")
    assert cell["backend"] == "null"
    # A backend without a device is no hardware: both are measured, neither is judged.
    assert cell["status"] in ("untimed", "not_comparable")
    assert done.returncode == found["exit_code"]

    folder = store.open_run("latest", tmp_path / "results")
    run = folder.run()
    assert {item.backend for item in run.cells} == {"null@a", "null@b"}
    assert run.backends["null@b"]["options"] == {"work_ns": 200_000}
    (note,) = (item.text.en for item in run.notes if item.code == "ab")
    assert note == "Two builds measured in turns. A: the card null. B: the card file new.toml."
    assert not verify_folder(folder).mismatches

    # A run that is complete is only judged again.
    again = ab("--resume", "latest", "--json", *out)
    assert json.loads(again.stdout) == found
