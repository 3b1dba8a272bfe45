"""The workbook in a real LibreOffice: it opens, nothing is repaired, it prints, and what it saves again is the same."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from openpyxl import load_workbook

from tests.report import gridded, hall
from tests.report.office import read
from tests.report.test_html import hostile

SOFFICE = shutil.which("soffice") or shutil.which("localc")
PDFTOTEXT = shutil.which("pdftotext")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        SOFFICE is None and not os.environ.get("CI"),
        reason="no soffice on PATH (apt-get install libreoffice-calc-nogui)",
    ),
]


def converted(book: Path, to: str, folder: Path) -> Path:
    """What LibreOffice makes of the file, with a profile of its own."""
    assert SOFFICE is not None, "CI has no soffice: apt-get install libreoffice-calc-nogui"
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    done = subprocess.run(
        [
            SOFFICE, "--headless", "--norestore", "--nolockcheck", profile,
            "--convert-to", to, "--outdir", str(folder), str(book),
        ],
        capture_output=True, text=True, timeout=600, check=True,
    )  # fmt: skip
    assert "Error" not in done.stderr
    made = folder / f"{book.stem}.{to.partition(':')[0]}"
    assert made.is_file(), done.stdout + done.stderr
    return made


def put(folder: Path, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "book.xlsx"
    path.write_bytes(data)
    return path


def text_of(pdf: Path) -> str:
    if PDFTOTEXT is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no pdftotext: apt-get install poppler-utils")
        return ""
    return subprocess.run(
        [PDFTOTEXT, "-layout", str(pdf), "-"], capture_output=True, text=True, timeout=120, check=True
    ).stdout


def test_it_prints(tmp_path: Path) -> None:
    pdf = converted(put(tmp_path / "a", read.made(list(hall.hall()), "ko")), "pdf", tmp_path)
    assert pdf.read_bytes().startswith(b"%PDF")
    if said := text_of(pdf):
        for words in ("요약", "측정 20건 중 17건 유효", "카메라", "와트당 카메라", "순위와 신뢰 구간", "측정 방법"):
            assert words in said
        assert "#REF!" not in said
        assert "#NAME?" not in said


def test_it_is_saved_again_unchanged(tmp_path: Path) -> None:
    """Every number and text survives: nothing had to be repaired, dropped or guessed."""
    data = read.made([gridded.grid()], "en")
    (tmp_path / "out").mkdir()
    again = load_workbook(converted(put(tmp_path / "a", data), "xlsx", tmp_path / "out"))
    before = read.workbook(data)
    assert again.sheetnames == before.sheetnames
    for sheet in before:
        for row in sheet.iter_rows():
            for cell in row:
                found = again[sheet.title][cell.coordinate].value
                if isinstance(cell.value, float):
                    assert found == pytest.approx(cell.value, rel=1e-14)
                else:
                    assert (found or None) == (cell.value or None), (sheet.title, cell.coordinate)
        assert len(again[sheet.title]._charts) == len(sheet._charts)


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    """As CSV the first sheet shows what was calculated: nothing."""
    found = converted(put(tmp_path / "a", read.made([hostile()], "en")), "csv", tmp_path)
    rows = list(csv.reader(found.read_text(encoding="utf-8", errors="replace").splitlines()))
    assert rows
    assert not any(re.match(r"(#NAME\?|#VALUE!|Err:\d+)", cell) for row in rows for cell in row)
