"""Real runs to verify: measured once for a session on the null adapter, then copied and tampered with."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from npubench.engine.launcher import Limits
from npubench.engine.protocol import Event
from npubench.engine.run import Execution
from npubench.evidence import Certificate
from npubench.schema import Launch, PlannedCell, Quality
from npubench.store import RunFolder
from tests.support import null_card, null_plan


class Quiet:
    """Watches nothing."""

    def building(self, model: str, text: str) -> None: ...
    def starting(self, cell: PlannedCell, number: int, index: int, total: int) -> None: ...
    def event(self, event: Event, completed: int) -> None: ...
    def finished(self, cell: PlannedCell, launch: Launch) -> None: ...
    def asking(self, cell: PlannedCell) -> None: ...
    def answered(self, record: Quality) -> None: ...
    def placing(self, cell: PlannedCell) -> None: ...
    def placed(self, found: Certificate) -> None: ...


CERTIFICATE = Certificate(
    model="tiny",
    precision="fp32",
    variant="portable",
    backend="null",
    extent="full",
    execution_kind="virtual",
    requested="Null",
    executing=("Null",),
    nodes={"Null": 4},
    compute_nodes={"Null": 2},
    macs={"Null": 1000},
    macs_unmatched=0,
    macs_share=1.0,
    self_time_ns={"Null": 5000},
    fallback_ops={},
)
"""A certificate as an adapter with evidence gives it; the null adapter gives none."""


def measured(root: Path, cache: Path) -> RunFolder:
    """A sealed run: two cells with two launches each, one of them a searched load; and a certificate."""
    card = null_card(work_ns=200_000)
    plan = null_plan(card, launches=2, window_s=0.4, scenarios=("single-stream", "server"))
    folder = RunFolder.create(root, "test-machine", plan.run)
    folder.write_plan(plan)
    folder.write_certificate(CERTIFICATE)
    Execution(plan, folder, cache, Quiet(), Limits(stall_s=60), lambda: False).carry_out()
    return folder


def copied(folder: RunFolder, to: Path) -> RunFolder:
    """A copy of a run to tamper with, in a folder of the same name."""
    path = to / folder.path.name
    shutil.copytree(folder.path, path)
    return RunFolder(path)


def edit(path: Path, change: Callable[[Any], None]) -> None:
    """Changes a JSON file in place."""
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def edit_samples(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes columns of a samples file in place."""
    with np.load(path) as stored:
        columns = {name: stored[name].copy() for name in stored.files}
    change(columns)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **columns)
    path.write_bytes(buffer.getvalue())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def reseal(folder: RunFolder) -> None:
    """What a careful forger does: every hash fits the changed files."""

    def rehash(document: Any) -> None:
        if document.get("samples"):
            document["samples"]["sha256"] = sha256(folder.path / "launches" / document["samples"]["file"])

    for path in sorted((folder.path / "launches").glob("*.json")):
        edit(path, rehash)

    def files(document: Any) -> None:
        document["files"] = {name: sha256(folder.path / name) for name in document["files"]}

    edit(folder.path / "run.json", files)
