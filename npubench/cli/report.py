"""`npubench report RUN…`: finds the runs, puts together what the page is made from, and writes it.

Guarantees: a failure to write is a UsageError that names the file; nothing is measured and no results folder is
changed.

Not aware of: what is on the page (`report.view`), how it is drawn (`report.html`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console as RichConsole

from npubench import store
from npubench.cli.outputs import spoken_language, write
from npubench.discovery import checkout_root


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line. `lang` is empty where the environment decides."""

    runs: tuple[str, ...]
    output: Path | None = None
    lang: str = ""
    out: Path | None = None


def report(asked: Asked) -> None:
    """Writes what was asked and says where."""
    root = store.results_root(asked.out, checkout_root())
    folders = [store.open_run(name, root) for name in asked.runs]
    path = write_report(folders, asked.output, asked.lang, folders[0].path.name)
    RichConsole(highlight=False, markup=False).print(str(path), soft_wrap=True)


def place(output: Path | None, stem: str, ending: str) -> Path:
    """Where a document goes: `output` itself where it ends so, else `<stem>.<ending>` in that folder.

    Without `output` in `reports/` of the checkout, else here.
    """
    if output is None:
        root = checkout_root()
        output = root / "reports" if root else Path()
    return output / f"{stem}.{ending}" if output.is_dir() or output.suffix != f".{ending}" else output


def write_report(folders: Sequence[store.RunFolder], output: Path | None, lang: str, stem: str) -> Path:
    """The HTML page of some runs, written to `output` (a file, or a folder for `<stem>.html`)."""
    from npubench.report import html, view
    from npubench.report.files import run_files
    from npubench.stats.runs import assembled

    spoken = spoken_language(lang)
    runs = [run_files(folder, assembled(folder)) for folder in folders]
    page = html.render(view.build(runs), spoken, follow=not lang)
    path = place(output, stem, "html")
    write(path, page)
    return path
