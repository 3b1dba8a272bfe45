"""`npubench selftest`: what npubench itself costs on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

from npubench import store
from npubench.build.materialise import cache_root
from npubench.cards import BackendCard
from npubench.cli.progress import Console
from npubench.cli.session import devices, stoppable
from npubench.discovery import catalogue
from npubench.engine import plan as planning
from npubench.engine import select as selection
from npubench.engine.launcher import Limits
from npubench.engine.machine import facts
from npubench.engine.run import Execution
from npubench.errors import AbsentBackendError, MeasurementError
from npubench.lang import here
from npubench.rules import load
from npubench.schema import FLOOR_MODEL, Run, encode
from npubench.units import show

_WAIT_S, _STALL_S = 60.0, 60.0


def selftest(as_json: bool) -> None:
    """Measures the null backend and the one-node model on every backend that is ready. Raises MeasurementError."""
    console = Console(as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="npubench-selftest-") as temporary:
        result = _measured(Path(temporary), console)
    if as_json:
        console.document(encode(result))
    else:
        console.table(
            (here("backend", "백엔드"), here("floor p50", "하한 p50"), "p99", here("samples/s", "샘플/s")),
            [
                (
                    cell.backend,
                    *(
                        show(cell.summary[key].median if key in cell.summary else None, unit)
                        for key, unit in (
                            ("latency_p50_ns", "ns"),
                            ("latency_p99_ns", "ns"),
                            ("samples_per_s", "samples/s"),
                        )
                    ),
                )
                for cell in result.cells
            ],
        )
    bad = [cell for cell in result.cells if cell.verdict == "invalid"]
    if bad:
        failures = [failure for cell in bad for failure in cell.failures[:1]]
        raise MeasurementError(
            "; ".join(f"{cell.backend}: {cell.failures[0].message if cell.failures else cell.verdict}" for cell in bad),
            hint=next((failure.hint for failure in failures if failure.hint), None),
        )


def _measured(root: Path, console: Console) -> Run:
    cards = catalogue()
    rules = load()
    floor = selection.model_of(cards, FLOOR_MODEL)
    with stoppable() as stop, devices(root, _WAIT_S, console, stop):
        ready: dict[str, BackendCard] = {"null": cards.backends["null"].card}
        try:
            ready.update(selection.find_backends(cards, (), stop=stop).ready)
        except AbsentBackendError as error:
            console.say(str(error))
        plan = planning.make(
            run=store.new_run_id(),
            wanted=[planning.Wanted(model=FLOOR_MODEL, scenarios=("single-stream",))],
            models={FLOOR_MODEL: floor.card},
            backends=ready,
            inputs={},
            machine=facts(),
            rules=rules,
            budget=planning.Budget(profile="smoke", seconds=1.0, launches=1, max_window_s=1.0),
            seed=0,
            suite=None,
            sources={f"room:{FLOOR_MODEL}": str(floor.room)},
        )
        folder = store.RunFolder.create(root, "selftest", plan.run)
        folder.write_plan(plan)
        with console.live(plan, folder) as watcher:
            return Execution(plan, folder, cache_root(), watcher, Limits(stall_s=_STALL_S), stop).carry_out()
