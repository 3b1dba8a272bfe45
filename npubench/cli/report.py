"""`npubench report RUN…`: finds the runs, puts together what the report is made from, and writes it.

Guarantees: a failure to write is a UsageError that names the file; nothing is measured and no results folder is
changed.

Not aware of: which run is accepted and which nights were before (`report_past`), what is on the page (`report.view`),
how it is drawn (`report.html`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console as RichConsole

from npubench import store
from npubench.cli.outputs import spoken_language, write
from npubench.cli.report_formats import Format, chosen, rendered
from npubench.cli.report_past import changes, history, home_of
from npubench.discovery import checkout_root
from npubench.errors import UsageError
from npubench.lang import here
from npubench.report.view import RunFiles


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line. `lang` is empty where the environment decides, `runs` for the newest.

    `baseline`: a run, `none`, or empty for the accepted one. `index`: the page over all runs instead, and the missing
    pages of its newest `pages` runs. `form` None: the ending of `output` decides.
    """

    runs: tuple[str, ...]
    output: Path | None = None
    lang: str = ""
    baseline: str = ""
    out: Path | None = None
    index: bool = False
    pages: int = 0
    form: Format | None = None


def report(asked: Asked) -> None:
    """Writes what was asked and says where."""
    form = chosen(asked.form, asked.output)
    root = store.results_root(asked.out, checkout_root())
    if asked.index:
        if form is not Format.html:
            raise UsageError(
                here(
                    f"--index is a page; found --format {form.value}",
                    f"--index는 웹 페이지입니다: --format {form.value}",
                )
            )
        path = _index(asked, root)
    elif asked.pages:
        raise UsageError(here("--pages goes with --index", "--pages는 --index와 함께 씁니다"))
    else:
        folders = [store.open_run(name, root) for name in asked.runs or ("latest",)]
        path = write_report(
            folders, asked.output, asked.lang, folders[0].path.name, root=asked.out, baseline=asked.baseline, form=form
        )
    RichConsole(highlight=False, markup=False).print(str(path), soft_wrap=True)


def _index(asked: Asked, root: Path) -> Path:
    from npubench.cli.index import write_index

    if asked.runs:
        raise UsageError(
            here("--index is over all runs: name none", "--index는 모든 실행을 다루므로 실행을 지정하지 않습니다")
        )
    return write_index(root, asked.output, asked.lang, asked.pages)


def place(output: Path | None, stem: str, ending: str) -> Path:
    """Where a document goes: `output` itself where it ends so, else `<stem>.<ending>` in that folder.

    Without `output` in `reports/` of the checkout, else here.
    """
    if output is None:
        root = checkout_root()
        output = root / "reports" if root else Path()
    return output / f"{stem}.{ending}" if output.is_dir() or output.suffix.lower() != f".{ending}" else output


def write_report(
    folders: Sequence[store.RunFolder],
    output: Path | None,
    lang: str,
    stem: str,
    *,
    root: Path | None = None,
    baseline: str = "",
    form: Format | None = None,
) -> Path:
    """The report of some runs, written to `output` (a file, or a folder for `<stem>.<ending>`).

    `form` None: by the ending of `output`, else an HTML page.
    """
    spoken, found = spoken_language(lang), chosen(form, output)
    path = place(output, stem, found.ending)
    write(path, rendered(found, files_of(folders, root=root, baseline=baseline), spoken))
    return path


def files_of(folders: Sequence[store.RunFolder], *, root: Path | None = None, baseline: str = "") -> list[RunFiles]:
    """The runs with everything that a report is made from: launches, changes against the accepted run, history.

    `root`: the results folder, where it is not the one that the run lies in. `baseline`: as in `Asked`.
    """
    from npubench.report.files import run_files
    from npubench.stats.runs import assembled

    found = []
    for folder in folders:
        run = assembled(folder)
        home = root if root is not None else home_of(folder, run)
        files = run_files(folder, run)
        found.append(
            msgspec.structs.replace(files, changes=changes(folder, run, home, baseline), history=history(run, home))
        )
    return found
