"""`npubench rank` as people and files get it: golden pages, 80 columns, names full of markup, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from markdown_it import MarkdownIt
from rich.cells import cell_len

from npubench.cli.rank import rank
from npubench.lang import Language, Text
from npubench.report.ranking import markdown, view
from npubench.stats.ranking import rank as ranked
from tests.cli.test_compare import BASE, NASTY, NEW, put
from tests.stats.made_rankings import cameras, entry, joules
from tests.stats.made_runs import run
from tests.support import MACHINE

GOLDEN = Path(__file__).parents[1] / "golden"
SPOKEN: tuple[Language, ...] = ("en", "ko")


def each(**names: Any) -> Any:
    """Ties, a simulated cell, an invalid one, other data, unknown quality, energy, cameras."""
    why = (Text(en="a launch crashed", ko="실행 하나가 비정상 종료되었습니다"),)
    return run(
        entry(1.0, "cpu", energy=1.0, **names),
        entry(0.6, "npu-a", energy=0.5, **names),
        entry(0.602, "npu-b", efficiency=joules(0.9), **names),
        entry(0.3, "npu-a", precision="int8", energy=0.3, **names),
        entry(0.35, "npu-b", precision="int8", judged="unknown", verdict="degraded", **names),
        entry(0.1, "npu-c", verdict="invalid", reasons=why, **names),
        entry(0.1, "qnn-sim", execution_kind="simulated", **names),
        entry(0.7, "npu-d", identity={"data": "other"}, **names),
        cameras("cpu", 4.0, 5.0, **names),
        cameras("npu-a", 12.0, 13.0, **names),
        cameras("npu-b", 12.0, None, **names),
        id=BASE,
    )


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("NPUBENCH_LANG", raising=False)
    return tmp_path / "results"


@pytest.mark.parametrize("spoken", SPOKEN)
def test_golden(spoken: Language) -> None:
    """NPUBENCH_GOLDEN=1 writes them anew; read the difference before it is committed."""
    path, found = GOLDEN / f"rank-{spoken}.md", markdown(ranked([each()]), spoken)
    if os.environ.get("NPUBENCH_GOLDEN"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("spoken", SPOKEN)
def test_everything_fits_80_columns(root: Path, capsys: pytest.CaptureFixture[str], spoken: Language) -> None:
    put(root, each())
    named = "a-machine-whose-name-is-rather-long-for-a-column"
    put(root, msgspec.structs.replace(each(), id=NEW, machine=msgspec.structs.replace(MACHINE, name=named)))
    rank([BASE, NEW], lang=spoken, out=root)
    out = capsys.readouterr().out
    assert max(cell_len(line) for line in out.splitlines()) <= 80
    for title in ("open division", "Not ranked") if spoken == "en" else ("자유 부문", "순위에 없음"):
        assert title in out
    assert "1= " in out
    assert "★" in out


def test_names_full_of_markup_stay_names(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = (Text(en=NASTY, ko=NASTY),)
    machine = msgspec.structs.replace(MACHINE, name=NASTY)
    made = run(
        entry(1.0, NASTY, model=NASTY, energy=1.0),
        entry(1.0, "b", model=NASTY, verdict="invalid", reasons=told),
        entry(1.0, "c", model=NASTY, identity={"data": NASTY}),
        entry(1.0, "d", model=NASTY),
        id=BASE,
        machine=machine,
    )
    put(root, made)
    page = tmp_path / "rank.md"
    rank([BASE], page=page, out=root)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert max(cell_len(line) for line in out.splitlines()) <= 80
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        for child in (token, *(token.children or ())):
            assert child.type not in ("link_open", "image", "em_open", "strong_open", "code_inline", "html_block")
            assert child.type != "html_inline" or child.content in ("<sub>", "</sub>")


def test_json_is_one_document(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, each())
    rank([BASE, BASE], as_json=True, out=root)
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "npubench.rank/1"
    # The same run named twice is one run.
    assert [item["id"] for item in found["runs"]] == [BASE]
    assert found["tables"][0]["rows"][0]["figures"][0]["place"] == 1


def test_nothing_to_rank_is_exit_5(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(root, run(entry(1.0, "sim", execution_kind="simulated"), id=BASE))
    with pytest.raises(SystemExit) as stopped:
        rank([BASE], out=root)
    assert stopped.value.code == 5
    out = capsys.readouterr().out
    assert "nothing can be ranked" in out
    assert "simulated: times mean nothing" in " ".join(out.split())


def test_a_name_says_no_more_than_it_needs() -> None:
    two = msgspec.structs.replace(each(), id=NEW)
    assert {row.name for row in view(ranked([each()])).tables[0].rows} == {"cpu", "npu-a", "npu-b"}
    assert f"cpu · {NEW}" in {row.name for row in view(ranked([each(), two])).tables[0].rows}


def test_the_command_line(root: Path, tmp_path: Path) -> None:
    put(root, each())
    page = tmp_path / "rank.md"
    command = [sys.executable, "-m", "npubench", "rank", BASE, "--out", str(root), "--markdown", str(page)]
    done = subprocess.run([*command, "--lang", "ko"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "고정 부문" in done.stdout
    assert page.read_text(encoding="utf-8").startswith("### 순위")
