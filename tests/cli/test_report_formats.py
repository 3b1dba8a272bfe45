"""`npubench report --format …` and the ending of `-o`: what is written, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from openpyxl import load_workbook

from npubench.cli.report import Asked, report
from npubench.cli.report_formats import Format, chosen
from npubench.errors import UsageError
from tests.report import hall


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return hall.put(tmp_path / "results", hall.night(), whole=True)


def test_the_ending_is_enough(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book, page = tmp_path / "a" / "report.xlsx", tmp_path / "report.md"
    report(Asked(runs=(str(folder),), output=book, lang="ko", out=tmp_path / "results"))
    report(Asked(runs=(str(folder),), output=page, lang="en", out=tmp_path / "results"))
    assert load_workbook(io.BytesIO(book.read_bytes())).sheetnames[0] == "요약"
    assert page.read_text(encoding="utf-8").startswith("# npubench")
    assert capsys.readouterr().out.split() == [str(book), str(page)]


def test_in_a_folder_the_run_gives_the_name(folder: Path, tmp_path: Path) -> None:
    report(Asked(runs=(str(folder),), output=tmp_path, lang="en", out=tmp_path / "results", form=Format.markdown))
    assert (tmp_path / f"{folder.name}.md").is_file()


def test_which_form() -> None:
    assert chosen(None, None) is Format.html
    assert chosen(Format.xlsx, None) is Format.xlsx
    assert chosen(None, Path("x.XLSX")) is Format.xlsx
    assert chosen(None, Path("x.htm")) is Format.html
    assert chosen(Format.markdown, Path("reports.d")) is Format.markdown


@pytest.mark.parametrize(
    ("form", "output", "said"),
    [
        (Format.xlsx, "x.html", "the ending .html is that of html"),
        (Format.html, "x.xlsx", "the ending .xlsx is that of xlsx"),
        (Format.markdown, "x.xlsx", "the ending .xlsx is that of xlsx"),
        (None, "x.pdf", "not written as .pdf; expected .html, .xlsx, .md"),
        (Format.xlsx, "x.ods", "not written as .ods"),
    ],
)
def test_what_does_not_fit_is_refused(form: Format | None, output: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        chosen(form, Path(output))
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_refused_before_anything_is_read(tmp_path: Path) -> None:
    """A wrong combination is said at once, whatever the run."""
    with pytest.raises(UsageError, match="the ending"):
        report(Asked(runs=("latest",), output=tmp_path / "x.md", out=tmp_path, form=Format.xlsx))
