"""A plan is carried out: failures are results, the rest goes on, and a killed run resumes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from npubench import store
from npubench.engine.launcher import Limits
from npubench.engine.protocol import Event
from npubench.engine.run import Execution
from npubench.errors import RunInterruptedError
from npubench.schema import FailureKind, Launch, Plan, PlannedCell, Run
from npubench.stats.runs import assembled
from npubench.stats.samples import read
from npubench.stats.summary import summarise
from tests.support import null_card, null_plan


class Quiet:
    """Counts what it is told, and can ask for a stop."""

    def __init__(self, stop_after: int = 10_000) -> None:
        self.done: list[Launch] = []
        self.stop_after = stop_after

    def building(self, model: str, text: str) -> None: ...
    def starting(self, cell: PlannedCell, number: int, index: int, total: int) -> None: ...
    def event(self, event: Event, completed: int) -> None: ...
    def finished(self, cell: PlannedCell, launch: Launch) -> None:
        self.done.append(launch)

    def stop(self) -> bool:
        return len(self.done) >= self.stop_after


def new_folder(tmp_path: Path, plan: Plan) -> store.RunFolder:
    folder = store.RunFolder.create(tmp_path / "results", "test-machine", plan.run)
    folder.write_plan(plan)
    return folder


def execute(plan: Plan, folder: store.RunFolder, cache: Path, watcher: Quiet) -> Run:
    return Execution(plan, folder, cache, watcher, Limits(stall_s=20), watcher.stop).carry_out()


def test_failures_are_results_and_the_other_cells_go_on(tmp_path: Path, model_cache: Path) -> None:
    backends = [null_card("good"), *(null_card(fault, fault=fault) for fault in ("crash", "nan", "raise", "kill"))]
    plan = null_plan(*backends)
    run = execute(plan, new_folder(tmp_path, plan), model_cache, Quiet())
    found = {cell.backend: cell for cell in run.cells}
    assert found["good"].verdict == "valid"
    assert found["good"].summary["samples_per_s"].median
    kinds = {name: cell.failures[0].kind for name, cell in found.items() if cell.failures}
    assert kinds == {
        "crash": FailureKind.CRASHED,
        "nan": FailureKind.NON_FINITE,
        "raise": FailureKind.RAISED,
        "kill": FailureKind.KILLED,
    }
    assert all(found[name].verdict == "invalid" for name in kinds)
    assert all(not found[name].summary for name in kinds)


def test_every_published_number_comes_from_the_kept_samples(tmp_path: Path, model_cache: Path) -> None:
    plan = null_plan(null_card(work_ns=50_000), launches=2, scenarios=("single-stream", "offline"))
    folder = new_folder(tmp_path, plan)
    run = execute(plan, folder, model_cache, Quiet())
    assert len(run.cells) == 2
    for launch in folder.launches():
        assert launch.samples is not None
        assert launch.window is not None
        path = folder.samples_path(launch.cell, launch.number)
        assert store.sha256_file(path) == launch.samples.sha256
        cell = next(cell for cell in plan.cells if cell.id == launch.cell)
        arrival = "completion" if cell.scenario.name == "single-stream" else "at-once"
        again = summarise(read(path), launch.window, launch.unit, arrival)
        assert all(launch.summary[key] == value for key, value in again.items())
    assert {path.name for path in folder.path.iterdir()} == {"plan.json", "run.json", "launches"}


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path: Path, model_cache: Path) -> None:
    plan = null_plan(null_card(), launches=4)
    folder = new_folder(tmp_path, plan)
    with pytest.raises(RunInterruptedError) as caught:
        execute(plan, folder, model_cache, Quiet(stop_after=2))
    assert caught.value.exit_code == 130
    assert f"--resume {folder.path}" in str(caught.value.hint)
    assert len(list(folder.launches())) == 2
    assert not folder.sealed()
    partial = assembled(folder)
    assert partial.cells[0].verdict == "degraded"
    assert "only 2 of 4 launches finished" in [reason.en for reason in partial.cells[0].reasons]

    before = {path.name: path.read_bytes() for path in (folder.path / "launches").iterdir()}
    watcher = Quiet()
    run = execute(folder.plan(), folder, model_cache, watcher)
    assert len(watcher.done) == 2
    assert run.cells[0].verdict == "valid"
    assert len(run.cells[0].launches) == 4
    assert before.items() <= {path.name: path.read_bytes() for path in (folder.path / "launches").iterdir()}.items()


def test_a_sealed_run_is_not_measured_again(tmp_path: Path, model_cache: Path) -> None:
    plan = null_plan(null_card())
    folder = new_folder(tmp_path, plan)
    run = execute(plan, folder, model_cache, Quiet())
    assert folder.run() == run


def test_the_order_is_seeded_and_interleaved() -> None:
    models = ("a", "b", "c", "d")
    plan = null_plan(null_card(), launches=3, models=models, seed=7)
    again = null_plan(null_card(), launches=3, models=models, seed=7)
    other = null_plan(null_card(), launches=3, models=models, seed=8)
    assert plan.order == again.order
    assert plan.order != other.order
    rounds = [plan.order[at : at + 4] for at in (0, 4, 8)]
    assert all({cell for cell, _ in part} == {cell.id for cell in plan.cells} for part in rounds)
    assert [{number for _, number in part} for part in rounds] == [{1}, {2}, {3}]


def test_a_plan_survives_the_round_trip(tmp_path: Path) -> None:
    plan = null_plan(null_card(), launches=2)
    assert new_folder(tmp_path, plan).plan() == plan


def test_a_missing_room_file_fails_its_cells_only(tmp_path: Path, model_cache: Path) -> None:
    plan = null_plan(null_card(), models=("good", "gone"))
    (tmp_path / "empty").mkdir()
    plan = msgspec.structs.replace(plan, sources={**plan.sources, "room:gone": str(tmp_path / "empty")})
    run = execute(plan, new_folder(tmp_path, plan), model_cache, Quiet())
    found = {cell.model: cell for cell in run.cells}
    assert found["good"].verdict == "valid"
    assert found["gone"].failures[0].kind is FailureKind.BAD_ARTIFACT
