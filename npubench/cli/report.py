"""`npubench report RUN…`: finds the runs, puts together what the page is made from, and writes it.

The accepted run and the history of a machine are looked for where its run is (`<root>/<machine>/<run>`), else under the
results folder. Guarantees: what was asked for by name and cannot be had is an error; what was not asked for and cannot
be had is said on the page, without paths, and on stderr with them. A failure to write is a UsageError that names the
file; no results folder is changed.

Not aware of: what is on the page (`report.view`), how it is drawn (`report.html`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from rich.console import Console as RichConsole

from npubench import baselines, store
from npubench.baselines import BASELINE
from npubench.cli.outputs import spoken_language, write
from npubench.discovery import checkout_root
from npubench.errors import NotComparableError, NpubenchError
from npubench.lang import Text
from npubench.report.foreign import clean
from npubench.report.view import RunFiles
from npubench.schema import Run
from npubench.stats.compared import Comparison
from npubench.stats.history import Night, Skipped, nights, stamp
from npubench.stats.trend import HEADLINES, LeftOut, Trend, follow, gather

NONE = "none"
MOST_NIGHTS = 60
"""Nights of a machine that a page looks back on; `npubench trend` looks back a year."""

_NOT_WANTED = Text(en="No comparison was asked for.", ko="비교를 요청하지 않았습니다.")
_NO_BASELINE = Text(
    en="No run has been accepted for this machine yet: `npubench baseline accept RUN` names one.",
    ko="이 장비에 승인된 실행이 아직 없습니다. `npubench baseline accept RUN`으로 지정합니다.",
)
_ITSELF = Text(en="This run is the accepted one itself.", ko="이 실행이 바로 승인된 기준입니다.")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line. `lang` is empty where the environment decides.

    `baseline`: a run, `none`, or empty for the accepted one.
    """

    runs: tuple[str, ...]
    output: Path | None = None
    lang: str = ""
    baseline: str = ""
    out: Path | None = None


def report(asked: Asked) -> None:
    """Writes what was asked and says where."""
    root = store.results_root(asked.out, checkout_root())
    folders = [store.open_run(name, root) for name in asked.runs]
    path = write_report(
        folders, asked.output, asked.lang, folders[0].path.name, root=asked.out, baseline=asked.baseline
    )
    RichConsole(highlight=False, markup=False).print(str(path), soft_wrap=True)


def place(output: Path | None, stem: str, ending: str) -> Path:
    """Where a document goes: `output` itself where it ends so, else `<stem>.<ending>` in that folder.

    Without `output` in `reports/` of the checkout, else here.
    """
    if output is None:
        root = checkout_root()
        output = root / "reports" if root else Path()
    return output / f"{stem}.{ending}" if output.is_dir() or output.suffix != f".{ending}" else output


def write_report(
    folders: Sequence[store.RunFolder],
    output: Path | None,
    lang: str,
    stem: str,
    *,
    root: Path | None = None,
    baseline: str = "",
) -> Path:
    """The HTML page of some runs, written to `output` (a file, or a folder for `<stem>.html`)."""
    from npubench.report import html, view

    spoken = spoken_language(lang)
    page = html.render(view.build(loaded(folders, root, baseline)), spoken)
    path = place(output, stem, "html")
    write(path, page)
    return path


def loaded(folders: Sequence[store.RunFolder], root: Path | None = None, baseline: str = "") -> list[RunFiles]:
    """The runs with everything that a report is made from: launches, changes against the accepted run, history.

    `root`: the results folder, where it is not the one that the run lies in. `baseline`: as in `Asked`.
    """
    from npubench.report.files import run_files
    from npubench.stats.runs import assembled

    found = []
    for folder in folders:
        run = assembled(folder)
        home = root if root is not None else _home(folder, run)
        files = run_files(folder, run)
        found.append(
            msgspec.structs.replace(files, changes=changes(folder, run, home, baseline), history=history(run, home))
        )
    return found


def _home(folder: store.RunFolder, run: Run) -> Path:
    """The results folder that a run lies in; one that was copied elsewhere has the usual one."""
    path = folder.path.resolve()
    if path.parent.name == store.slug(run.machine.name):
        return path.parent.parent
    return store.results_root(None, checkout_root())


def changes(folder: store.RunFolder, run: Run, root: Path, baseline: str) -> Comparison | Text:
    """The comparison with the accepted run, or with the one that was named; a Text where there is none.

    Raises NpubenchError for a run that was named and cannot be had.
    """
    from npubench.cli.compare import found_between

    if baseline == NONE:
        return _NOT_WANTED
    if baseline and baseline != BASELINE:
        if store.open_run(baseline, root).path.resolve() == folder.path.resolve():
            return _ITSELF
        return found_between(baseline, str(folder.path), root)
    try:
        accepted = baselines.entry(root, run.machine.name)
        if accepted is None:
            return _NO_BASELINE
        if accepted[1] == run.id:
            return _ITSELF
        return found_between(BASELINE, str(folder.path), root)
    except NpubenchError as error:
        if baseline:
            raise
        print(f"npubench: {error}", file=sys.stderr)  # noqa: T201
        if isinstance(error, NotComparableError):
            return Text(
                en="The accepted run cannot be compared with this one: it is not among the results, or shares no cell.",
                ko="승인된 실행과 비교할 수 없습니다. 결과 폴더에 없거나 같은 셀이 없습니다.",
            )
        return Text(en="The accepted run cannot be read.", ko="승인된 실행을 읽을 수 없습니다.")


def history(run: Run, root: Path) -> Trend | Text:
    """The histories of a run's cells up to that run; a Text where there is none."""
    skipped: list[Skipped] = []
    until = stamp(run.id if store.ID.match(run.id) else run.created)

    def before(found: Iterable[Night]) -> Iterable[Night]:
        return (night for night in found if stamp(night.id if store.ID.match(night.id) else night.created) <= until)

    kept = gather(before(nights(root, run.machine.name, metrics=HEADLINES, skipped=skipped)), MOST_NIGHTS)
    if not kept.nights:
        n = kept.quick_looks
        if n:
            return Text(
                en="No trend: quick looks are left out, as no comparison takes them.",
                ko="추이가 없습니다. 간이 측정은 비교에 쓰이지 않아 제외합니다.",
            )
        return Text(
            en="No trend yet: no complete run of this machine is among the results.",
            ko="아직 추이가 없습니다. 결과 폴더에 이 장비의 완료된 실행이 없습니다.",
        )
    known = {cell.id for cell in run.cells}
    cells = [
        follow(reversed(kept.seen[cell]), *kept.metric[cell], absent_since=kept.without[cell])
        for cell in kept.metric
        if cell in known
    ]
    return Trend(
        machine=clean(run.machine.name),
        nights=len(kept.nights),
        first=kept.nights[-1].created,
        last=kept.nights[0].created,
        cells=tuple(cells),
        quick_looks=kept.quick_looks,
        left_out=tuple(LeftOut(path=item.path.name, reason=item.reason) for item in skipped),
    )
