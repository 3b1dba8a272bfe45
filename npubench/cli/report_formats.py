"""The forms in which a report can be written, and which one was asked for: an HTML page, a workbook, Markdown.

Guarantees: `--format` and the ending of `-o` never disagree: that is a UsageError. A file's ending alone is enough.

Not aware of: which runs (`report`), where files go (`report.place`).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from npubench.errors import UsageError
from npubench.lang import Language

if TYPE_CHECKING:
    from npubench.report.drawing import Drawing
    from npubench.report.view import RunFiles
    from npubench.stats.readings import Readings
    from npubench.stats.samples import Samples


class Format(str, Enum):
    """What a report is written as."""

    html = "html"
    xlsx = "xlsx"
    markdown = "markdown"

    @property
    def ending(self) -> str:
        return "md" if self is Format.markdown else self.value


_ENDINGS = {"html": Format.html, "xlsx": Format.xlsx, "md": Format.markdown}
# Forms that people ask for and that are not written.
_FOREIGN = ("xls", "xlsm", "ods", "csv", "pdf", "json")


def chosen(asked: Format | None, output: Path | None) -> Format:
    """The form that was asked for, by name, else by the ending of `output`, else HTML. Raises UsageError."""
    ending = "" if output is None or output.is_dir() else output.suffix.removeprefix(".").lower()
    meant = _ENDINGS.get(ending)
    if ending in _FOREIGN:
        known = ", ".join(f".{form.ending}" for form in Format)
        raise UsageError(
            f"-o {output}: a report is not written as .{ending}; expected {known}",
            hint="for CSV see `npubench export`; a workbook (.xlsx) opens in Excel and LibreOffice",
        )
    if asked is not None and meant is not None and asked is not meant:
        raise UsageError(
            f"--format {asked.value} -o {output}: the ending .{ending} is that of {meant.value}",
            hint=f"name a file that ends in .{asked.ending}, or leave --format out",
        )
    return asked or meant or Format.html


def rendered(
    form: Format, files: Sequence[RunFiles], spoken: Language, *, follow: bool = False, drawing: Drawing | None = None
) -> str | bytes:
    """The report of these runs in a form. `follow`: as in `html.render`. `drawing` is closed."""
    from npubench.report import view

    if form is Format.html:
        from npubench.report import html
        from npubench.report.drawing import Drawing

        with drawing or Drawing() as pen:
            shown = view.build(files, lambda part: pen.begin(html.pictures_of(part)))
            return html.render(shown, spoken, follow=follow, drawing=pen)
    # Neither form has charts of single requests, so that their samples need not be read.
    light = [msgspec.structs.replace(each, samples=_no_samples, readings=_no_readings) for each in files]
    shown = view.build(light)
    if form is Format.xlsx:
        from npubench.report import xlsx

        return xlsx.render(shown, light, spoken)
    from npubench.report.markdown import markdown

    return markdown(shown, light, spoken)


def _no_samples(launch: str) -> Samples | None:
    return None


def _no_readings(launch: str) -> Readings | None:
    return None
