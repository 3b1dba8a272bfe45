"""What a page is made from: a run document, its launches and, where they are still there, samples and readings."""

from __future__ import annotations

from npubench.report.view import RunFiles
from npubench.schema import Run
from npubench.stats import samples
from npubench.stats.readings import Readings
from npubench.store import LAUNCHES, RUN, RunFolder, sha256_file


def run_files(folder: RunFolder, run: Run) -> RunFiles:
    """`run` with the launches of its folder; samples and readings only when a chart asks for them."""

    def load(launch: str) -> samples.Samples | None:
        path = folder.path / LAUNCHES / f"{launch}.npz"
        return samples.read(path) if path.is_file() else None

    def read(launch: str) -> Readings | None:
        path = folder.path / LAUNCHES / f"{launch}.power.npz"
        return Readings.decode(path) if path.is_file() else None

    return RunFiles(
        run=run,
        launches={f"{item.cell}-{item.number}": item for item in folder.launches()},
        samples=load,
        readings=read,
        sha256=sha256_file(folder.path / RUN) if folder.sealed() else None,
    )
