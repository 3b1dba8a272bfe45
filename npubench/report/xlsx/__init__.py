"""A run or several as an Excel workbook: tables of real numbers with native charts, in one language.

`render` decides what stands where (`services`, `llm`, `cells`, `energy`, `standing`, `about`, `summary`) and has it
drawn (`book`). Importing this package imports no XlsxWriter.

Guarantees: numbers come from the run documents, never from text; metrics are those of `metrics.METRICS`; execution
kinds, scopes and scopes of metering never share a table or a chart; nobody's text becomes a formula, a link or a name
of a sheet that a spreadsheet refuses; the same runs give the same bytes.

Not aware of: files (`store`), HTML.
"""

from __future__ import annotations

from collections.abc import Sequence

from npubench import __version__
from npubench.lang import Language
from npubench.report import power_figures
from npubench.report.foreign import clean
from npubench.report.shown import View
from npubench.report.view import RunFiles
from npubench.report.xlsx import about, book, cells, energy, llm, services, standing, summary
from npubench.report.xlsx.heads import Item
from npubench.report.xlsx.parts import Sheet
from npubench.schema import Run
from npubench.stats.compared import Comparison


def render(view: View, runs: Sequence[RunFiles], language: Language) -> bytes:
    """The workbook of `runs`, of which `view` is the report (its sentences are used)."""
    every = sheets(view, runs)
    ids = clean(", ".join(files.run.id for files in runs), 250)
    dates = sorted(book.created(files.run.created) for files in runs)
    properties = {
        "title": clean(view.title[language], 250),
        "subject": ids,
        "author": "npubench",
        "comments": f"npubench {__version__}",
        "created": (dates[-1] if dates else book.EPOCH).replace(tzinfo=None),
    }
    return book.render(every, language, properties)


def sheets(view: View, runs: Sequence[RunFiles]) -> list[Sheet]:
    """Everything that the workbook shows, in its order."""
    said = [power_figures.sayings(files.run, files.launches) for files in runs]
    by_run = [
        [Item(files.run, cell, told, files.launches, where) for cell in files.run.cells if cell.purpose == "measure"]
        for files, told, where in zip(runs, said, _apart([files.run for files in runs]), strict=True)
    ]
    every = [item for items in by_run for item in items]
    led = [services.sheet(every, "frame"), services.sheet(every, "page"), llm.sheet(every)]
    more = [llm.grid(every), energy.sheet(every), *standing.ranking([files.run for files in runs])]
    changed = [standing.changes(found) for found in (files.changes for files in runs) if isinstance(found, Comparison)]
    own = [
        cells.sheet([item._replace(where="") for item in items], files.run, shown)
        for items, files, shown in zip(by_run, runs, view.runs, strict=True)
    ]
    last = [about.machines([files.run for files in runs], view), about.method(view), about.glossary(view)]
    first = [each for each in led if each is not None]
    others = [*(each for each in more if each is not None), *changed, *own, *last]
    return [summary.sheet(view, first, others), *first, *others]


def _apart(runs: Sequence[Run]) -> list[str]:
    """What tells each run apart in a table of several: its machine, with its id where a machine has several."""
    machines = [run.machine.name for run in runs]
    if len(runs) < 2:
        return [""] * len(runs)
    return [
        run.machine.name if machines.count(run.machine.name) == 1 else f"{run.machine.name} {run.id}" for run in runs
    ]
