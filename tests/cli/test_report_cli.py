"""`npubench report`: what a page is made from, where it looks for the accepted run and the history, what it writes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from npubench import store
from npubench.cli import report_past as past
from npubench.cli.report import Asked, files_of, place, report, stem_of
from npubench.errors import NotComparableError, UsageError
from npubench.lang import Text
from npubench.report.view import RunFiles
from npubench.stats.compared import Comparison
from npubench.stats.trend import Trend
from tests.report import sample
from tests.stats.made_nights import MACHINE, history, night, put, run_id
from tests.stats.made_runs import cell


def folder(root: Path, number: int) -> store.RunFolder:
    return store.RunFolder(root / MACHINE / run_id(number))


def accept(root: Path, run: str) -> None:
    (root / "baseline.toml").write_text(f'"{MACHINE}" = "{run}"\n')


def one(root: Path, number: int, **asked: str) -> RunFiles:
    (found,) = files_of([folder(root, number)], **asked)
    return found


def test_the_accepted_run_of_the_folder_is_compared_with(tmp_path: Path) -> None:
    history(tmp_path, 3, lambda number: 1.3 if number == 2 else 1.0)
    accept(tmp_path, run_id(0))
    found = one(tmp_path, 2).changes
    assert isinstance(found, Comparison)
    assert (found.base.id, found.new.id) == (run_id(0), run_id(2))
    assert "regressed" in found.sentence.en


def test_a_named_run_is_compared_with_in_its_place(tmp_path: Path) -> None:
    history(tmp_path, 3)
    accept(tmp_path, run_id(0))
    found = one(tmp_path, 2, baseline=run_id(1)).changes
    assert isinstance(found, Comparison)
    assert found.base.id == run_id(1)
    itself = one(tmp_path, 2, baseline=run_id(2)).changes
    assert isinstance(itself, Text)
    assert "itself" in itself.en


def test_none_is_a_calm_line(tmp_path: Path) -> None:
    history(tmp_path, 2)
    accept(tmp_path, run_id(0))
    assert one(tmp_path, 1, baseline="none").changes == past.NOT_WANTED
    assert one(tmp_path, 0).changes == past.ITSELF
    (tmp_path / "baseline.toml").unlink()
    assert one(tmp_path, 1).changes == past.NO_BASELINE


def test_what_was_asked_for_by_name_is_an_error_and_what_was_not_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history(tmp_path, 2)
    accept(tmp_path, "20250101T010203Z-000000")
    found = one(tmp_path, 1).changes
    assert isinstance(found, Text)
    assert "cannot be compared" in found.en
    # The page names no path; the console does.
    assert str(tmp_path) not in found.en
    assert "not under" in capsys.readouterr().err
    with pytest.raises(NotComparableError, match="which is not under"):
        one(tmp_path, 1, baseline="baseline")
    with pytest.raises(UsageError, match="no run"):
        one(tmp_path, 1, baseline="nothing")


def test_the_history_ends_with_the_run_that_is_shown(tmp_path: Path) -> None:
    history(tmp_path, 9)
    found = one(tmp_path, 5).history
    assert isinstance(found, Trend)
    assert (found.nights, found.last) == (6, folder(tmp_path, 5).run().created)
    assert len(found.cells[0].nights) == 6


def test_rubbish_in_the_folder_is_counted_and_names_no_path(tmp_path: Path) -> None:
    history(tmp_path, 3)
    broken = tmp_path / MACHINE / run_id(1) / store.RUN
    broken.write_bytes(b"{")
    found = one(tmp_path, 2).history
    assert isinstance(found, Trend)
    assert [item.path for item in found.left_out] == [run_id(1)]


def test_quick_looks_make_no_trend(tmp_path: Path) -> None:
    history(tmp_path, 2, comparable=False, profile="smoke")
    found = one(tmp_path, 1).history
    assert isinstance(found, Text)
    assert "quick looks" in found.en


def test_a_run_that_was_copied_elsewhere_looks_in_the_results_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history(tmp_path / "results", 3)
    monkeypatch.setenv("NPUBENCH_RESULTS", str(tmp_path / "results"))
    away = tmp_path / "stick" / "copy"
    away.mkdir(parents=True)
    (away / store.RUN).write_bytes((folder(tmp_path / "results", 2).path / store.RUN).read_bytes())
    (found,) = files_of([store.RunFolder(away)])
    assert isinstance(found.history, Trend)
    assert found.history.nights == 3


def test_the_page_of_two_runs_has_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history(tmp_path, 2)
    other = night(1, cell(factor=0.5, backend="npu"), machine=sample.machine(name="other"))
    other = msgspec.structs.replace(other, id="20260102T010203Z-ffffff")
    put(tmp_path, other)
    accept(tmp_path, run_id(0))
    runs = (str(folder(tmp_path, 1).path), str(tmp_path / MACHINE / other.id))
    report(Asked(runs=runs, output=tmp_path, lang="ko", out=tmp_path))
    path = Path(capsys.readouterr().out.strip())
    assert path == tmp_path / f"{run_id(1)}.html"
    page = path.read_text(encoding="utf-8")
    assert '<html lang="ko">' in page
    for name in ("lead", "ranking", "beside", "r1-changes", "r1-trend", "r2-changes", "r2-trend"):
        assert f'id="{name}"' in page


def test_a_file_a_folder_and_neither(tmp_path: Path) -> None:
    assert place(tmp_path / "a.xlsx", "run", "xlsx") == tmp_path / "a.xlsx"
    assert place(tmp_path, "run", "html") == tmp_path / "run.html"
    assert place(tmp_path / "new", "run", "html") == tmp_path / "new" / "run.html"
    assert place(None, "run", "html").name == "run.html"


def test_a_page_is_called_like_its_run_wherever_that_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history(tmp_path, 1)
    monkeypatch.chdir(folder(tmp_path, 0).path)
    here = store.RunFolder(Path())
    assert stem_of(here, one(tmp_path, 0, baseline="none")) == run_id(0)
    # A folder may be called like the machine that a redacted page must not name.
    away = tmp_path / "gpu01-results"
    away.mkdir()
    (away / store.RUN).write_bytes((here.path / store.RUN).read_bytes())
    copied = store.RunFolder(away)
    (hidden,) = files_of([copied], baseline="none", redact=True)
    assert stem_of(copied, hidden) == run_id(0)
    other = msgspec.structs.replace(hidden, run=msgspec.structs.replace(hidden.run, id="../x"))
    assert "/" not in stem_of(copied, other)


def test_a_name_that_the_run_does_not_know_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    history(tmp_path, 1)
    monkeypatch.setattr("socket.gethostname", lambda: "cctv-detect.corp.kr")
    files_of([folder(tmp_path, 0)], baseline="none", redact=True)
    assert "cctv-detect, the name of this machine, is still in the report" in capsys.readouterr().err
    monkeypatch.setattr("socket.gethostname", lambda: "jongno-7")
    files_of([folder(tmp_path, 0)], baseline="none", redact=True)
    assert "still in the report" not in capsys.readouterr().err


def test_an_unwritable_place_is_a_usage_error(tmp_path: Path) -> None:
    history(tmp_path, 1)
    (tmp_path / "x").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        report(Asked(runs=(str(folder(tmp_path, 0).path),), output=tmp_path / "x" / "y.html", baseline="none"))
    with pytest.raises(UsageError, match="--lang fr"):
        report(Asked(runs=(str(folder(tmp_path, 0).path),), lang="fr", baseline="none"))
