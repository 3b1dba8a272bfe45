"""`npubench compare` into files and annotations, as CI calls it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from npubench.cli.compare import compare
from npubench.cli.outputs import Outputs, spoken_language, write
from npubench.errors import RunInterruptedError, StoreError, UsageError
from tests.cli.test_compare import BASE, NASTY, NEW, ask, put
from tests.stats.made_runs import cell, run


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("NPUBENCH_LANG", raising=False)
    root = tmp_path / "results"
    put(root, run(cell(), cell(model=NASTY), id=BASE))
    put(root, run(cell(factor=1.2), cell(model=NASTY, factor=1.2), id=NEW))
    return root


def test_files_of_both_kinds_and_the_console_at_once(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, tests = tmp_path / "new" / "summary.md", tmp_path / "new" / "junit.xml"
    assert ask(root, asked=Outputs(markdown=page, junit=tests)) == 3
    assert capsys.readouterr().out.startswith("6 of 6 metrics regressed")
    assert page.read_text(encoding="utf-8").startswith("### ❌ 6 of 6 metrics regressed")
    assert len(list(ElementTree.parse(tests).iter("failure"))) == 6


def test_the_language_that_was_asked_for(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "summary.md"
    assert ask(root, asked=Outputs(markdown=page, lang="ko")) == 3
    assert page.read_text(encoding="utf-8").startswith("### ❌ 지표 6개 중 6개 악화")
    assert "악화" in capsys.readouterr().out
    with pytest.raises(UsageError, match="--lang fr: expected en or ko"):
        spoken_language("fr")


def test_annotations_are_the_only_commands_on_stdout(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(root, asked=Outputs(annotations=True)) == 3
    lines = capsys.readouterr().out.splitlines()
    stopped = re.fullmatch(r"::stop-commands::([0-9a-f]{32})", lines[0])
    assert stopped is not None
    again = lines.index(f"::{stopped[1]}::")
    assert all(line.startswith(("::error ", "::notice ")) for line in lines[again + 1 :])
    assert len(lines) - again - 1 == 7


def test_json_stays_one_document(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(root, as_json=True, asked=Outputs(annotations=True)) == 3
    found = capsys.readouterr()
    assert json.loads(found.out)["exit_code"] == 3
    assert found.err.startswith("::error title=regressed%3A ")


def test_what_cannot_be_measured_again_keeps_its_verdict_and_its_files(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs that are nothing but a run.json, as those from git are."""
    page, tests, said = tmp_path / "s.md", tmp_path / "j.xml", "red cells were not measured again"
    assert ask(root, confirm=True, asked=Outputs(markdown=page, junit=tests)) == 3
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith("6 of 6 metrics regressed")
    # A long path is folded at any letter.
    assert f"{said}: {root}".replace(" ", "") in out.replace(" ", "")
    assert "confirm on the machine and in the folder in which it was measured" in out
    assert said in page.read_text(encoding="utf-8")
    assert said in tests.read_text(encoding="utf-8")
    assert ask(root, confirm=True, as_json=True) == 3
    assert json.loads(capsys.readouterr().out)["notes"][0]["ko"].startswith("악화된 셀을 다시 측정하지 못함")


def test_ctrl_c_while_measuring_again_keeps_what_was_compared(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise RunInterruptedError("stopped; every finished launch is kept")

    monkeypatch.setattr("npubench.cli.confirm.confirmed_now", stopped)
    page = tmp_path / "s.md"
    with pytest.raises(RunInterruptedError) as caught:
        ask(root, confirm=True, asked=Outputs(markdown=page))
    assert caught.value.exit_code == 130
    assert capsys.readouterr().out.startswith("6 of 6 metrics regressed")
    assert "not measured again: stopped" in page.read_text(encoding="utf-8")


def test_a_file_that_cannot_be_written_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        compare(BASE, NEW, allow=[], as_json=False, out=root, asked=Outputs(markdown=tmp_path))
    if Path("/dev/full").exists():
        with pytest.raises(StoreError, match="/dev/full: cannot be written"):
            write(Path("/dev/full"), "x")


def test_the_command_line(root: Path, tmp_path: Path) -> None:
    page, tests = tmp_path / "s.md", tmp_path / "j.xml"
    command = [sys.executable, "-m", "npubench", "compare", BASE, NEW, "--out", str(root)]
    command += ["--markdown", str(page), "--junit", str(tests), "--annotations", "--lang", "ko"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "::error title=악화" in done.stdout
    assert page.is_file()
    assert tests.is_file()
