"""What a page is made from: a run document, its launches and, where they are still there, samples and readings."""

from __future__ import annotations

from npubench.report.media import Reader, nothing
from npubench.report.view import RunFiles
from npubench.schema import Run
from npubench.stats import samples
from npubench.stats.readings import Readings
from npubench.store import LAUNCHES, RUN, RunFolder, sha256_file


def run_files(folder: RunFolder, run: Run, read: Reader = nothing) -> RunFiles:
    """`run` with the launches of its folder; samples and readings only when a chart asks for them.

    `read` finds pictures (`media.reader`); without it none are shown.
    """

    def load(launch: str) -> samples.Samples | None:
        path = folder.path / LAUNCHES / f"{launch}.npz"
        return samples.read(path) if path.is_file() else None

    def power(launch: str) -> Readings | None:
        path = folder.path / LAUNCHES / f"{launch}.power.npz"
        return Readings.decode(path) if path.is_file() else None

    return RunFiles(
        run=run,
        launches={f"{item.cell}-{item.number}": item for item in folder.launches()},
        samples=load,
        readings=power,
        sha256=sha256_file(folder.path / RUN) if folder.sealed() else None,
        exhibits=tuple(folder.exhibits()),
        media=read,
    )
