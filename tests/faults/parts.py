"""What the fault tests are made of: the compiled provider, cards, a plan in a given order, and who watches it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from npubench import store
from npubench.cards import BackendCard
from npubench.discovery import catalogue
from npubench.engine.launcher import Limits
from npubench.engine.run import Execution
from npubench.schema import Launch, Plan, PlannedCell, Run
from npubench.spi import Availability
from tests.engine.test_run import Quiet
from tests.support import null_plan

HERE = Path(__file__).parent
WORKER = "npubench.engine.worker"


def compiled(folder: Path) -> Path:
    """faulty.c as a shared library. Skips without a C compiler, but not in CI."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        if os.environ.get("CI"):
            pytest.fail("no C compiler in CI: .ci/run installs one")
        pytest.skip("no C compiler: apt-get install gcc libc6-dev")
    library = folder / "libfaulty_ep.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, HERE / "faulty.c"], check=True)
    return library


def installed(folder: Path) -> Path:
    """A folder with the adapter and its entry point, as a wheel would have been unpacked; for PYTHONPATH."""
    facts = folder / "faulty-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[npubench.adapters]\nfaulty = faulty_adapter:FaultyAdapter\n")
    shutil.copy(HERE / "faulty_adapter.py", folder)
    return folder


def faulty(id: str, node: Path | None = None, **options: Any) -> BackendCard:  # noqa: A002
    """The CPU card on the faulty adapter; without a fault it is as sound as ONNX Runtime.

    Without a device, so that no time goes into a certificate of where each of them ran.
    """
    card = catalogue().backends["cpu"].card
    device = msgspec.structs.replace(card.device, type="none")
    variables = {"FAULTY_NODE": str(node)} if node else {}
    environment = msgspec.structs.replace(card.environment, variables=variables)
    return msgspec.structs.replace(
        card, id=id, adapter="faulty", device=device, options=options, environment=environment
    )


def workers() -> list[int]:
    """The living workers of this process, wherever they hang in the tree: each names its parent."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = process.info["cmdline"] or []
        if WORKER in line and line[-1] == str(os.getpid()) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


class Sentry(Quiet):
    """After each launch: are there processes left?"""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[int] = []

    def finished(self, cell: PlannedCell, launch: Launch) -> None:
        super().finished(cell, launch)
        self.left += workers()


class Outcome(msgspec.Struct, frozen=True):
    """A run that was carried out: its launches by backend, in their order, and what was found after each."""

    folder: store.RunFolder
    run: Run
    launches: tuple[tuple[str, Launch], ...]
    left: tuple[int, ...]

    def of(self, backend: str) -> list[Launch]:
        return [launch for name, launch in self.launches if name == backend]

    def after(self, backend: str) -> Launch:
        """The launch after this backend's last one."""
        last = max(index for index, (name, _) in enumerate(self.launches) if name == backend)
        return self.launches[last + 1][1]


def plan_of(order: Sequence[BackendCard], asked_again: Sequence[str] = (), **windows: float) -> Plan:
    """A plan of launches in this order, with short warm-ups; `windows` are those of a backend in seconds, else 0.2.

    The backends of `asked_again` answered a probe when it was planned, and are probed after a failure.
    """
    cards = {card.id: card for card in order}
    plan = null_plan(*cards.values())
    cells = tuple(
        msgspec.structs.replace(cell, window_s=windows.get(cell.backend, 0.2), warmup_s=0.1) for cell in plan.cells
    )
    ids = {cell.backend: cell.id for cell in cells}
    number: Counter[str] = Counter()
    wanted = []
    for card in order:
        number[card.id] += 1
        wanted.append((ids[card.id], number[card.id]))
    here = {name: Availability(available=True) for name in asked_again}
    return msgspec.structs.replace(plan, cells=cells, order=tuple(wanted), availability=here)


def carried_out(plan: Plan, root: Path, cache: Path, limits: Limits, sentry: Sentry | None = None) -> Outcome:
    """Carries a plan out and looks around after every launch."""
    sentry = sentry or Sentry()
    folder = store.RunFolder.create(root, "test-machine", plan.run)
    folder.write_plan(plan)
    run = Execution(plan, folder, cache, sentry, limits, sentry.stop).carry_out()
    backends = {cell.id: cell.backend for cell in plan.cells}
    launches = tuple((backends[launch.cell], launch) for launch in sentry.done)
    return Outcome(folder, run, launches, tuple(sentry.left))


def gone(pids: Sequence[int]) -> bool:
    """Whether these processes have ended, reaped or not."""
    deadline = time.monotonic() + 10
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
