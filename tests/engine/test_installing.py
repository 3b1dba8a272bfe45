"""Environments really made: venv, pip, marker. The wheels lie in a folder, so that no index decides what happens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from npubench.engine.environments import MARKER, place_of
from npubench.engine.installing import pip_variables, remove, sync
from npubench.engine.launcher import StopRequested
from npubench.errors import InstallError
from tests.support import write_backend
from tests.wheels import fetch_floor, make_wheel

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = fetch_floor(tmp_path_factory.mktemp("wheels"))
    make_wheel(folder, "tiny-runtime", "1.0")
    make_wheel(folder, "tiny-runtime", "1.1")
    make_wheel(folder, "tiny-needs-more", requires=["not-here-at-all"])
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Environments that the tests of this module share: making one takes seconds."""
    return tmp_path_factory.mktemp("environments")


@pytest.fixture(autouse=True)
def from_the_folder(monkeypatch: pytest.MonkeyPatch, wheels: Path, made: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("NPUBENCH_ENVIRONMENTS", str(made))


def npubench(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "npubench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **variables})


def requiring(folder: Path, id: str, *requirements: str) -> Path:  # noqa: A002
    return write_backend(folder, id, environment=f"[environment]\nrequires = {json.dumps(requirements)}\n\n")


RUN = ("--model", "overhead-floor", "--scenario", "single-stream", "--profile", "smoke", "--budget", "1s", "--json")


def test_a_named_backend_gets_its_environment_and_runs_in_it(tmp_path: Path) -> None:
    """… and what was installed is in the result, while the parent has none of it."""
    cards = requiring(tmp_path, "needy", "tiny-runtime==1.0")
    done = npubench("run", "--cards", str(cards), "--backend", "needy", "--backend", "null", *RUN)
    assert done.returncode == 0, done.stderr
    assert "needy: installing tiny-runtime==1.0 …" in done.stderr
    run = json.loads(done.stdout)
    assert run["environments"]["needy"]["packages"]["tiny-runtime"] == "1.0"
    assert "tiny-runtime" not in run["environments"]["null"]["packages"]
    assert {cell["backend"]: cell["verdict"] in ("valid", "degraded") for cell in run["cells"]} == {
        "needy": True,
        "null": True,
    }
    again = npubench("env", "sync", "needy", "--cards", str(cards))
    assert again.returncode == 0
    assert "is installed" in again.stdout
    listed = json.loads(npubench("env", "list", "--json", "--cards", str(cards)).stdout)
    (mine,) = [item for item in listed["backends"] if item["backend"] == "needy"]
    assert (mine["kind"], mine["state"]) == ("requires", "ready")
    assert mine["packages"]["tiny-runtime"] == "1.0"


def test_what_is_whole_is_left_as_it_is() -> None:
    first = sync(["tiny-runtime==1.0"])
    place = place_of(["tiny-runtime==1.0"])
    before = (place.folder / MARKER).stat().st_mtime_ns
    assert sync(["tiny-runtime==1.0"]) == first
    assert (place.folder / MARKER).stat().st_mtime_ns == before
    assert {"tiny-runtime", "numpy", "msgspec"} <= {name.lower() for name in first.packages}


def test_a_half_made_environment_is_made_anew() -> None:
    """As a kill during pip leaves it: files, and no marker."""
    sync(["tiny-runtime==1.0"])
    place = place_of(["tiny-runtime==1.0"])
    (place.folder / MARKER).unlink()
    rest = place.folder / "lib" / "left-over"
    rest.write_text("half a file")
    sync(["tiny-runtime==1.0"])
    assert not rest.exists()
    assert place.marker() is not None


def test_two_at_once_make_one_environment() -> None:
    code = "from npubench.engine.installing import sync; print(sync(['tiny-runtime==1.1'], print).made)"
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len({output.splitlines()[-1] for output, _ in said}) == 1
    assert sum("installing" in line for output, _ in said for line in output.splitlines()) == 2  # one waits, one makes


def test_what_cannot_be_installed_is_said_with_pips_last_lines(made: Path) -> None:
    with pytest.raises(InstallError, match="No matching distribution found for tiny-runtime==9") as caught:
        sync(["tiny-runtime==9"])
    assert caught.value.exit_code == 4
    assert any("from versions: 1.0, 1.1" in line for line in caught.value.output)
    assert caught.value.hint is not None
    assert "[environment] requires" in caught.value.hint
    assert not place_of(["tiny-runtime==9"]).folder.exists()


def test_without_a_network_a_named_backend_is_absent_and_the_rest_is_measured(tmp_path: Path) -> None:
    cards = requiring(tmp_path, "needy", "tiny-runtime>=1")
    offline = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    offline |= {"PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": "", "PIP_CONFIG_FILE": os.devnull}
    done = npubench("run", "--cards", str(cards), "--backend", "needy", "--backend", "null", *RUN, **offline)
    assert done.returncode == 4
    run = json.loads(done.stdout)
    (absent,) = run["absent"]
    assert absent["backend"] == "needy"
    assert absent["fix"]["en"].startswith("npubench env sync needy")
    assert "pip reached no package index" in absent["fix"]["en"]
    assert [cell["backend"] for cell in run["cells"]] == ["null"]


def test_a_card_that_requires_what_does_not_exist_ends_sync_with_4(tmp_path: Path) -> None:
    """… and the one after it is installed all the same."""
    cards = requiring(tmp_path, "first", "tiny-needs-more")
    requiring(tmp_path, "second", "tiny-runtime==1.0")
    done = npubench("env", "sync", "first", "second", "--cards", str(cards))
    assert done.returncode == 4
    assert "not-here-at-all" in done.stderr
    assert "first:   ERROR" in done.stdout
    assert "second: " in done.stdout
    assert place_of(["tiny-runtime==1.0"]).marker() is not None


def test_ctrl_c_ends_pip_and_leaves_nothing() -> None:
    polls = iter(range(1_000_000))
    with pytest.raises(StopRequested):
        sync(["tiny-runtime"], stop=lambda: next(polls) > 2)
    assert not place_of(["tiny-runtime"]).folder.exists()


def test_removing(tmp_path: Path) -> None:
    cards = requiring(tmp_path, "needy", "tiny-runtime==1.0")
    requiring(tmp_path, "same", "tiny-runtime==1.0")
    sync(["tiny-runtime==1.0"])
    done = npubench("env", "remove", "needy", "--cards", str(cards))
    assert done.returncode == 0, done.stderr
    assert "it was also the environment of same" in done.stdout
    assert not place_of(["tiny-runtime==1.0"]).folder.exists()
    assert not remove(place_of(["tiny-runtime==1.0"]).folder)
    assert "was not installed" in npubench("env", "remove", "needy", "--cards", str(cards)).stdout
    sync(["tiny-runtime==1.1"])
    assert npubench("env", "remove", "--stale", "--cards", str(cards)).returncode == 0
    assert not place_of(["tiny-runtime==1.1"]).folder.exists()


def test_what_would_install_elsewhere_does_not_reach_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_TARGET", "/somewhere")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple")
    variables = pip_variables()
    assert "PIP_TARGET" not in variables
    assert "PIP_USER" not in variables
    assert variables["PIP_INDEX_URL"] == "https://example.org/simple"
