"""Reports against the data in them, and against their runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from npubench.errors import NotComparableError, SchemaTooNewError
from npubench.report import html, view
from npubench.report.files import run_files
from npubench.report.page_data import CLOSE, OPEN, taken_apart
from npubench.store import RunFolder
from npubench.verify.pages import verify_page
from tests.report import sample
from tests.verify.test_folder import said


@pytest.fixture(scope="session")
def page(original: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "report.html"
    path.write_text(html.render(view.build([run_files(original, original.run())]), "ko"), encoding="utf-8")
    return path


def edited(page: Path, to: Path, old: str, new: str) -> Path:
    text = page.read_text(encoding="utf-8")
    assert old in text
    to.write_text(text.replace(old, new, 1), encoding="utf-8")
    return to


def forged(page: Path, to: Path, change: str, into: str) -> Path:
    """An edit whose maker computes the page's hash anew."""
    import hashlib

    apart = taken_apart(page.read_text(encoding="utf-8"))
    assert apart is not None
    bare, text = apart
    assert change in bare
    bare = bare.replace(change, into)
    data = json.loads(text)
    data["page_sha256"] = hashlib.sha256(bare.encode()).hexdigest()
    to.write_text(bare.replace(f"{OPEN}{CLOSE}", f"{OPEN}{json.dumps(data)}{CLOSE}"), encoding="utf-8")
    return to


def test_a_page_agrees_with_itself_and_with_its_run(page: Path, original: RunFolder) -> None:
    alone = verify_page(page, {})
    assert said(alone) == []
    assert alone.numbers > 50
    assert any("verify REPORT RUN" in text.en for text in alone.remarks)
    beside = verify_page(page, {original.run().id: original})
    assert said(beside) == []
    assert beside.numbers > alone.numbers
    assert beside.remarks == ()


def test_an_edited_page_is_named(page: Path, tmp_path: Path) -> None:
    found = verify_page(edited(page, tmp_path / "r.html", "npubench", "npubensh"), {})
    assert any("the page was edited" in (item.why.en if item.why else "") for item in found.mismatches)


def test_a_number_in_a_sheet_whose_forger_rehashed(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    row = re.search(r'<table class="values">.*?<td class="n">([^<]+)</td>', text, re.S)
    assert row is not None
    old = row[0]
    new = old[: -len(f"{row[1]}</td>")] + "1 ns</td>"
    found = verify_page(forged(page, tmp_path / "r.html", old, new), {})
    assert [item.found for item in found.mismatches] == ["1 ns"], said(found)


def test_a_number_elsewhere_whose_forger_rehashed_takes_the_run(
    page: Path, tmp_path: Path, original: RunFolder
) -> None:
    path = forged(page, tmp_path / "r.html", '<h1 id="lead"', '<h1  id="lead"')
    assert said(verify_page(path, {})) == []
    found = verify_page(path, {original.run().id: original})
    assert any("drawn anew" in (item.why.en if item.why else "") for item in found.mismatches), said(found)


def test_data_that_is_not_the_runs(page: Path, tmp_path: Path, original: RunFolder) -> None:
    apart = taken_apart(page.read_text(encoding="utf-8"))
    assert apart is not None
    data = json.loads(apart[1])
    data["runs"][0]["cells"][0]["verdict"] = "valid!"
    data["runs"][0]["sha256"] = "0" * 64
    path = tmp_path / "r.html"
    path.write_text(apart[0].replace(f"{OPEN}{CLOSE}", f"{OPEN}{json.dumps(data)}{CLOSE}"), encoding="utf-8")
    found = verify_page(path, {original.run().id: original})
    paths = {item.path for item in found.mismatches}
    assert {"npubench-data.runs[0].sha256", "npubench-data.runs[0].cells[0].verdict"} <= paths, said(found)


def test_no_text_can_end_the_block() -> None:
    files = sample.one()
    evil = "</script><script>alert(1)</script><!--\u2028&\u202e"
    machine = msgspec.structs.replace(files.run.machine, name=evil)
    run = msgspec.structs.replace(files.run, id=evil, machine=machine)
    text = html.render(view.build([msgspec.structs.replace(files, run=run)]), "en")
    apart = taken_apart(text)
    assert apart is not None
    assert "<" not in apart[1]
    assert apart[1].isascii()
    assert json.loads(apart[1])["runs"][0]["run"] == evil
    assert text.count("<script") == 2


def test_what_is_no_report(tmp_path: Path, page: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("<html></html>")
    with pytest.raises(NotComparableError, match="not a report"):
        verify_page(path, {})
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(NotComparableError, match="not a report"):
        verify_page(path, {})
    path.write_text(f"{OPEN}{{{CLOSE}")
    with pytest.raises(NotComparableError, match="damaged"):
        verify_page(path, {})
    path.write_text(f'{OPEN}{{"schema":"npubench.report-data/7"}}{CLOSE}')
    with pytest.raises(SchemaTooNewError, match="newer npubench"):
        verify_page(path, {})
