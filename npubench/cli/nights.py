"""The nights of a machine on disk: which one is unfinished, which are done and how they ended.

A finished night leaves `<results>/<machine>/.nights/<run id>.json` (`npubench.nightly/1`), written once, after its
pages. A night without it is unfinished, be it that launches are missing or that it was measured and not compared yet.

Not aware of: how a night is carried out (`nightly`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec

from npubench import store
from npubench.errors import NpubenchError
from npubench.report.nightly import Past
from npubench.schema import Plan
from npubench.stats.nightly import Nightly

FOLDER = ".nights"
OLDEST = timedelta(days=1)
"""A night that began longer ago is not gone on with: its launches would be of two days."""


class Unfinished(msgspec.Struct, frozen=True):
    """A night that was stopped. `measured` of `planned` launches are there."""

    folder: store.RunFolder
    plan: Plan
    measured: int
    planned: int

    @property
    def sealed(self) -> bool:
        """Whether only comparing and writing is left."""
        return self.folder.sealed()


def record(root: Path, machine: str, run: str) -> Path:
    """Where the document of a finished night lies."""
    return root / store.slug(machine) / FOLDER / f"{run}.json"


def write(root: Path, night: Nightly) -> None:
    """Keeps the document of a finished night. Raises StoreError."""
    if night.run is not None and not record(root, night.machine, night.run).exists():
        store.write_once(record(root, night.machine, night.run), msgspec.json.encode(night))


def began(run: str) -> datetime | None:
    """When a run was planned, by its id; None for a name that is no id."""
    try:
        return datetime.strptime(run[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def unfinished(root: Path, machine: str, command: tuple[str, ...], now: datetime) -> Unfinished | None:
    """The newest night of this machine that the same command began, if it is not finished and not older than a day."""
    for item in reversed(list(store.listed(root, store.slug(machine)))):
        at = began(item.run)
        if at is None or at > now or now - at > OLDEST:
            continue
        folder = store.RunFolder(item.path)
        try:
            plan = folder.plan()
        except (NpubenchError, OSError):
            # A run.json from git has no plan; a damaged one is nothing to go on with.
            continue
        if plan.command != command:
            continue
        if record(root, machine, item.run).exists():
            return None
        measured = sum(folder.launch_path(*planned).exists() for planned in plan.order)
        return Unfinished(folder, plan, measured, len(plan.order))
    return None


def past(root: Path, machine: str, most: int) -> Iterator[Past]:
    """How earlier nights ended, newest first; what cannot be read is left out."""
    names = sorted((root / store.slug(machine) / FOLDER).glob("*.json"), reverse=True)
    given = 0
    for path in names:
        if given >= most:
            return
        try:
            yield msgspec.json.decode(path.read_bytes(), type=Past)
            given += 1
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue
