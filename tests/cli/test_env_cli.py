"""`npubench env` where nothing has to be installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from npubench.cli.env import remove, sync
from npubench.errors import InstallError, UnknownNameError, UsageError
from tests.support import write_backend


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NPUBENCH_ENVIRONMENTS", str(tmp_path / "environments"))


def cards_of(folder: Path) -> Path:
    write_backend(folder, "needy", environment='[environment]\nrequires = ["runtime-of-tests==1"]\n\n')
    return write_backend(folder, "vendor", environment='[environment]\npython = "/nowhere/bin/python"\n\n')


def test_list_says_what_each_backend_runs_in_and_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "npubench", "env", "list", "--json", "--cards", str(cards_of(tmp_path / "cards"))]
    seen = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    backends = {item["backend"]: item for item in seen["backends"]}
    assert backends["cpu"]["kind"] == "own"
    assert backends["cpu"]["state"] == "ready"
    assert backends["needy"]["state"] == "missing"
    assert backends["needy"]["fix"] == "npubench env sync needy"
    assert backends["vendor"]["kind"] == "python"
    assert "cannot be started" in backends["vendor"]["reason"]
    assert seen["stale"] == []


def test_a_backend_of_npubenchs_own_environment_needs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    sync(["cpu"])
    assert "nothing to install" in capsys.readouterr().out


def test_a_named_interpreter_is_never_installed_into(tmp_path: Path) -> None:
    cards = [cards_of(tmp_path / "cards")]
    with pytest.raises(InstallError, match="cannot be started"):
        sync(["vendor"], cards=cards)
    with pytest.raises(UsageError, match="left alone"):
        remove(["vendor"], cards=cards)


def test_names_are_checked() -> None:
    with pytest.raises(UnknownNameError, match='did you mean "cpu"'):
        sync(["cpuu"])
    with pytest.raises(UsageError, match="--stale"):
        remove()
    with pytest.raises(UsageError, match="--all"):
        sync()
