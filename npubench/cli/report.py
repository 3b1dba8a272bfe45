"""`npubench report RUN…`: finds the runs, puts together what the report is made from, and writes it.

Guarantees: a failure to write is a UsageError that names the file; nothing is measured and no results folder is
changed.

Not aware of: which run is accepted and which nights were before (`report_past`), what is on the page (`report.view`),
how it is drawn (`report.html`).
"""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console as RichConsole

from npubench import store
from npubench.cli.outputs import spoken_language, write
from npubench.cli.report_formats import Format, chosen, rendered
from npubench.discovery import checkout_root
from npubench.errors import UsageError
from npubench.lang import here

if TYPE_CHECKING:
    from npubench.report.drawing import Drawing
    from npubench.report.view import RunFiles

# An id that is safe as a file's name; whoever wrote the run may have written another.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line. `lang` is empty where the environment decides, `runs` for the newest.

    `baseline`: a run, `none`, or empty for the accepted one. `index`: the page over all runs instead, and the missing
    pages of its newest `pages` runs. `form` None: the ending of `output` decides.
    `embed_media`: pictures of the user's own as well. `redact`: names, serial numbers, addresses and paths replaced.
    """

    runs: tuple[str, ...]
    output: Path | None = None
    lang: str = ""
    baseline: str = ""
    out: Path | None = None
    index: bool = False
    pages: int = 0
    form: Format | None = None
    embed_media: bool = False
    redact: bool = False


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
        if asked.redact or asked.embed_media:
            raise UsageError(
                here(
                    "--redact and --embed-media are for reports, not for --index",
                    "--redact와 --embed-media는 보고서용이며 --index와 함께 쓸 수 없습니다",
                )
            )
        path = _index(asked, root)
    elif asked.pages:
        raise UsageError(here("--pages goes with --index", "--pages는 --index와 함께 씁니다"))
    else:
        folders = [store.open_run(name, root) for name in asked.runs or ("latest",)]
        with _drawing(form) as drawing:
            files = files_of(
                folders, root=asked.out, baseline=asked.baseline, embed_media=asked.embed_media, redact=asked.redact
            )
            path = write_files(files, asked.output, asked.lang, stem_of(folders[0], files[0]), form, drawing)
    RichConsole(highlight=False, markup=False).print(str(path), soft_wrap=True)


def _drawing(form: Format) -> AbstractContextManager[Drawing | None]:
    """What draws a page's pictures, started before anything else: it takes longest."""
    if form is not Format.html:
        return nullcontext()
    from npubench.report.drawing import Drawing

    return Drawing(early=True)


def stem_of(folder: store.RunFolder, files: RunFiles) -> str:
    """The name of a report without its ending: its folder's, or the run's id where a folder may name a machine."""
    if not files.redacted:
        return folder.path.resolve().name
    return files.run.id if _PLAIN.fullmatch(files.run.id) else store.slug(files.run.id)


def _warn_of_own_name(files: Sequence[RunFiles]) -> None:
    """Says on stderr where this machine's own name is still in what was redacted.

    A run that was given another name (`--machine`) does not know it, and a page that was redacted by it could not be
    verified elsewhere.
    """
    name = socket.gethostname().partition(".")[0]
    pattern = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)".encode(), re.IGNORECASE)
    if len(name) > 2 and any(pattern.search(msgspec.json.encode([each.run, each.launches])) for each in files):
        said = here(
            f"{name}, the name of this machine, is still in the report: the run does not say that it is a name",
            f"이 장비의 이름이 보고서에 남아 있습니다: {name}. 실행 결과에 장비 이름으로 기록되지 않은 말입니다",
        )
        print(f"npubench: {said}", file=sys.stderr)  # noqa: T201


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
    return write_files(files_of(folders, root=root, baseline=baseline), output, lang, stem, form)


def write_files(
    files: Sequence[RunFiles],
    output: Path | None,
    lang: str,
    stem: str,
    form: Format | None = None,
    drawing: Drawing | None = None,
) -> Path:
    """What `files_of` put together, in the format `form`; see `write_report`. `drawing`: see `rendered`."""
    spoken, found = spoken_language(lang), chosen(form, output)
    path = place(output, stem, found.ending)
    write(path, rendered(found, files, spoken, follow=not lang, drawing=drawing))
    return path


def files_of(
    folders: Sequence[store.RunFolder],
    *,
    root: Path | None = None,
    baseline: str = "",
    embed_media: bool = False,
    redact: bool = False,
) -> list[RunFiles]:
    """The runs with everything that any format is made from: launches, pictures, changes against the accepted run,
    history; redacted where that was asked.

    `root`: the results folder, where it is not the one that the run lies in. `baseline`: as in `Asked`. Raises
    UsageError where a redacted page is to hold the user's own pictures.
    """
    from npubench.cli.report_past import changes, history, home_of
    from npubench.report import media
    from npubench.report.files import run_files
    from npubench.report.redact import redacted
    from npubench.stats.runs import assembled

    if embed_media and redact:
        raise UsageError(
            here(
                "--redact and --embed-media contradict each other: nobody can tell what pictures show",
                "--redact와 --embed-media는 함께 쓸 수 없습니다. 그림에 무엇이 보이는지는 알 수 없습니다",
            ),
            hint=here("leave one of them out", "둘 중 하나를 빼십시오"),
        )
    found = []
    for folder in folders:
        run = assembled(folder)
        home = root if root is not None else home_of(folder, run)
        has_plan = embed_media and (folder.path / store.PLAN).is_file()
        files = run_files(folder, run, media.reader(folder.plan().sources if has_plan else None))
        found.append(
            msgspec.structs.replace(files, changes=changes(folder, run, home, baseline), history=history(run, home))
        )
    if not redact:
        return found
    found = redacted(found)
    _warn_of_own_name(found)
    return found
