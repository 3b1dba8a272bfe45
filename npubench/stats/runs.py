"""A run folder as a run document, sealed or not."""

from __future__ import annotations

from npubench.rules import load
from npubench.schema import Run
from npubench.stats.assemble import assemble
from npubench.store import LAUNCHES, PLACEMENT, POWER, QUALITY, TUNING, RunFolder, sha256_file


def assembled(folder: RunFolder) -> Run:
    """The sealed run, or what there is of one that is not complete, put together from its launches."""
    return folder.run() if folder.sealed() else derived(folder)


def derived(folder: RunFolder) -> Run:
    """The run as its launches and records make it, whether it is sealed or not."""
    plan = folder.plan()
    files = {
        f"{part}/{path.name}": sha256_file(path)
        for part in (LAUNCHES, QUALITY, PLACEMENT, TUNING, POWER)
        for path in sorted((folder.path / part).glob("*.json"))
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
