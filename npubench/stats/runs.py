"""A run folder as a run document, sealed or not."""

from __future__ import annotations

import msgspec

from npubench.rules import load
from npubench.schema import Cell, Launch, Run
from npubench.stats import cell_energy
from npubench.stats.assemble import assemble
from npubench.store import EXHIBITS, LAUNCHES, PLACEMENT, POWER, QUALITY, TUNING, RunFolder, is_attachment, sha256_file


def assembled(folder: RunFolder) -> Run:
    """The sealed run, or what there is of one that is not complete, put together from its launches.

    With the energy from external meters' logs that were attached (`with_logs`); no file of the run holds that.
    """
    return with_logs(folder.run() if folder.sealed() else derived(folder), folder)


def derived(folder: RunFolder) -> Run:
    """The run as its launches and records make it, whether it is sealed or not. Attached logs are no part of it."""
    plan = folder.plan()
    files = {
        f"{part}/{path.name}": sha256_file(path)
        for part in (LAUNCHES, QUALITY, EXHIBITS, PLACEMENT, TUNING, POWER)
        for path in sorted((folder.path / part).glob("*.json"))
        if not is_attachment(path)
    }
    return assemble(
        plan,
        folder.launches(),
        load(plan.ruleset),
        files,
        folder.qualities(),
        folder.certificates(),
        folder.tunings(),
        sessions=folder.sessions(),
    )


def with_logs(run: Run, folder: RunFolder) -> Run:
    """`run` with what the folder's attached logs say of its launches: energy and efficiency of cells, nothing else."""
    logs = folder.attachments()
    if not logs:
        return run
    by_cell: dict[str, list[Launch]] = {}
    for launch in sorted(folder.launches(), key=lambda launch: launch.number):
        by_cell.setdefault(launch.cell, []).append(cell_energy.attached(launch, logs))
    cells = tuple(_with_energy(cell, by_cell.get(cell.id, [])) for cell in run.cells)
    return msgspec.structs.replace(run, cells=cells, logs=logs)


def _with_energy(cell: Cell, launches: list[Launch]) -> Cell:
    good = [launch for launch in launches if launch.status == "ok"]
    if not good:
        return cell
    return msgspec.structs.replace(
        cell,
        energy=cell_energy.energy(good),
        energy_reason=cell_energy.energy_reason(launches),
        efficiency=cell_energy.efficiency(good),
    )
