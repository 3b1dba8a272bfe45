"""Reads a workbook back: sheets, tables by title, what is in the package. For tests only."""

from __future__ import annotations

import io
import zipfile
from typing import Any
from xml.etree import ElementTree

from openpyxl import load_workbook

from npubench.lang import Language
from npubench.report import view, xlsx
from npubench.report.view import RunFiles

Rows = list[list[Any]]


def made(files: list[RunFiles], language: Language = "en") -> bytes:
    return xlsx.render(view.build(files), files, language)


def workbook(data: bytes) -> Any:
    return load_workbook(io.BytesIO(data))


def rows(sheet: Any) -> Rows:
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def table(sheet: Any, title: str, heads: int = 3) -> list[dict[str, Any]]:
    """The rows of the first table whose title begins so, by the titles of its columns."""
    every = rows(sheet)
    start = next(n for n, row in enumerate(every) if str(row[0]).startswith(title))
    at = next(n for n in range(start + 1, len(every)) if sum(cell is not None for cell in every[n]) >= heads)
    names = [name for name in every[at] if name is not None]
    found = []
    for row in every[at + 1 :]:
        if all(cell is None for cell in row) or sum(cell is not None for cell in row) < 2:
            break
        found.append(dict(zip(names, row, strict=False)))
    return found


def parts(data: bytes) -> dict[str, bytes]:
    """Every file of the package; each that is XML is well-formed."""
    found = {}
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        assert package.testzip() is None
        for name in package.namelist():
            found[name] = package.read(name)
            if name.endswith((".xml", ".rels", ".vml")):
                ElementTree.fromstring(found[name])
    return found
