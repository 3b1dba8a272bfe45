"""From the runs of a page to the data within it (`page_data`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from npubench.report.cells import anchor
from npubench.report.page_data import PageData, ShownCell, ShownRun
from npubench.schema import Cell, Run

if TYPE_CHECKING:
    from npubench.report.view import RunFiles


def data_of(runs: Sequence[RunFiles]) -> PageData:
    """The numbers of these runs, which `view.build` shows in this order."""
    return PageData(runs=tuple(shown_run(files.run, f"r{index}", files.sha256) for index, files in enumerate(runs, 1)))


def shown_run(run: Run, key: str, sha256: str | None) -> ShownRun:
    """One run's numbers. `key` is its place in the page."""
    return ShownRun(
        key=key,
        run=run.id,
        machine=run.machine.name,
        npubench=run.npubench,
        sha256=sha256,
        cells=tuple(_cell(cell, key) for cell in run.cells),
    )


def _cell(cell: Cell, key: str) -> ShownCell:
    return ShownCell(
        id=cell.id,
        anchor=anchor(key, cell) if cell.purpose == "measure" else "",
        verdict=cell.verdict,
        summary={name: spread.median for name, spread in cell.summary.items()},
        launches={name: spread.launches for name, spread in cell.summary.items()},
        energy={name: spread.median for name, spread in cell.energy.items()},
        efficiency={
            scope: {name: spread.median for name, spread in figures.items()}
            for scope, figures in cell.efficiency.items()
        },
    )
