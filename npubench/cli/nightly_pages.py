"""The files of a night: `nightly.html`, `.md`, `.xml` (JUnit) and `.json` under names that never change, and by run id.

Guarantees: written whole or not at all; those of an earlier night are removed before tonight's begins, so that a page
that is there is tonight's. A night that ended before there was a run has no page of cells, and says why in all four.

Not aware of: what is in them (`report`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from npubench import store
from npubench.cli.report_past import history, home_of
from npubench.errors import UsageError
from npubench.lang import Language, language
from npubench.report import html, view
from npubench.report.files import run_files
from npubench.report.nightly import Past, junit, markdown, shown
from npubench.stats.nightly import Nightly
from npubench.stats.runs import assembled
from npubench.units import show

NAME = "nightly"
_ENDINGS = ("html", "md", "xml", "json")


class Pages(msgspec.Struct, frozen=True):
    """The folder of the pages."""

    folder: Path

    @classmethod
    def at(cls, asked: Path | None, checkout: Path | None) -> Pages:
        """`--report`, else `reports/` of the checkout, else `npubench-reports` here. Raises UsageError for a file."""
        folder = asked or (checkout / "reports" if checkout is not None else Path("npubench-reports"))
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"--report {folder}: is a file", hint="name a folder: a night writes four files")
        return cls(folder)

    def stable(self) -> tuple[Path, ...]:
        """The files under the names that never change."""
        return tuple(self.folder / f"{NAME}.{ending}" for ending in _ENDINGS)

    def clear(self) -> None:
        """Removes an earlier night's. Raises UsageError where the folder cannot be written to."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.stable():
                with suppress(FileNotFoundError):
                    path.unlink()
        except OSError as error:
            raise _refused(self.folder, error) from error

    def write(self, night: Nightly, folder: store.RunFolder | None, past: Sequence[Past]) -> tuple[Path, ...]:
        """Writes all of them; returns those that never change their names. Raises UsageError."""
        spoken = language()
        texts = {
            "html": _page(night, folder, past, spoken),
            "md": markdown(night, past, spoken),
            "xml": junit(night, spoken),
            "json": msgspec.json.format(msgspec.json.encode(night), indent=1).decode() + "\n",
        }
        for ending, text in texts.items():
            for stem in (NAME, *(() if night.run is None else (night.run,))):
                _write(self.folder / f"{stem}.{ending}", text)
        return self.stable()


def _page(night: Nightly, folder: store.RunFolder | None, past: Sequence[Past], spoken: Language) -> str:
    runs = []
    if folder is not None:
        run = assembled(folder)
        # What a night found against the accepted run, red cells measured again and all, stands before its cells.
        before = history(run, home_of(folder, run))
        runs.append(msgspec.structs.replace(run_files(folder, run), history=before))
    return html.render(view.build(runs), spoken, shown(night, past))


def shown_past(past: Sequence[Past], spoken: Language) -> tuple[str, ...]:
    """Earlier nights, a line each."""
    return tuple(f"{item.created} · {show(item.exit_code, '')} · {item.sentence[spoken]}" for item in past)


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path}: cannot be written: {error.strerror}", hint="name another folder with --report DIR")
