"""A plan is carried out: failures are results, the rest goes on, and a killed run resumes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from npubench import store
from npubench.cards import DeviceSpec
from npubench.engine import files as building
from npubench.engine import keeping
from npubench.engine.launcher import Limits
from npubench.engine.protocol import Event
from npubench.engine.run import Execution
from npubench.errors import RunInterruptedError, StoreError
from npubench.evidence import Certificate
from npubench.schema import Failure, FailureKind, Launch, Plan, PlannedCell, Quality, Run
from npubench.spi import Device
from npubench.stats.runs import assembled
from npubench.stats.samples import read
from npubench.stats.summary import summarise
from tests.support import floor_model, null_card, null_plan

# Degraded is what other work on the test machine makes of a sound launch.
FINISHED = ("valid", "degraded")


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

    def asking(self, cell: PlannedCell) -> None: ...
    def answered(self, record: Quality) -> None: ...
    def placing(self, cell: PlannedCell) -> None: ...
    def placed(self, found: Certificate) -> None: ...

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
    assert found["good"].verdict in FINISHED
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
    assert {path.name for path in folder.path.iterdir()} == {"plan.json", "run.json", "launches", "power"}


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
    assert run.cells[0].verdict in FINISHED
    assert not [reason for reason in run.cells[0].reasons if "launches finished" in reason.en]
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
    assert found["good"].verdict in FINISHED
    assert found["gone"].failures[0].kind is FailureKind.BAD_ARTIFACT


@pytest.mark.parametrize("fault", ["crash", "raise"])
def test_what_was_measured_before_a_crash_is_kept(tmp_path: Path, model_cache: Path, fault: str) -> None:
    # Warm-up ends after 0.2 s, which are at most 10,000 steps of 20 µs; the window has room for many more, also on a
    # machine that is busy with something else.
    plan = null_plan(null_card(fault=fault, fault_at=12_000, work_ns=20_000), window_s=10.0)
    plan = msgspec.structs.replace(
        plan, cells=tuple(msgspec.structs.replace(cell, warmup_s=0.2) for cell in plan.cells)
    )
    folder = new_folder(tmp_path, plan)
    run = execute(plan, folder, model_cache, Quiet())
    (launch,) = folder.launches()
    assert launch.status == "failed"
    assert launch.failure is not None
    assert launch.failure.phase == "measure"
    assert launch.samples is not None
    path = folder.samples_path(launch.cell, launch.number)
    assert launch.samples.file == path.name
    assert launch.samples.sha256 == store.sha256_file(path)
    assert len(read(path).table) == launch.samples.rows > 0
    assert not run.cells[0].summary
    said = path.with_suffix(".stderr.txt")
    # Of a crash the Python stack is there: whose call it was.
    assert ("the fault that was asked for" if fault == "raise" else "Segmentation fault") in said.read_text()
    assert "in _fail" in said.read_text()


def test_only_the_end_of_what_a_failed_launch_printed_is_kept(
    tmp_path: Path, model_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "OUTPUT_BYTES", 10)
    plan = null_plan(null_card(fault="raise"))
    folder = new_folder(tmp_path, plan)
    execute(plan, folder, model_cache, Quiet())
    (path,) = (folder.path / "launches").glob("*.stderr.txt")
    assert path.read_text() == "asked for\n"
    assert not list((folder.path / "launches").glob("*.stdout.txt"))
    assert not list((folder.path / "launches").glob("*.npz"))


def test_a_build_that_fails_keeps_its_class_and_what_to_do(tmp_path: Path, model_cache: Path) -> None:
    plan = null_plan(null_card())
    graph = floor_model()[1] / "add.onnx"
    models = {"tiny": {**plan.models["tiny"], "graphs": {"model": {"file": graph.name, "sha256": "0" * 64}}}}
    plan = msgspec.structs.replace(plan, models=models, sources={**plan.sources, "onnx:tiny": str(graph)})
    (failure,) = execute(plan, new_folder(tmp_path, plan), model_cache, Quiet()).cells[0].failures
    assert failure.kind is FailureKind.BAD_DATA
    assert failure.phase == "build"
    assert failure.hint == "start a new run"
    assert any("changed since the run was planned" in line for line in failure.stderr)


def test_a_full_disk_while_building_stops_the_run_and_is_no_result(
    tmp_path: Path, model_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Failure(kind=FailureKind.DISK_FULL, message="no room in the cache", hint="set NPUBENCH_CACHE")
    monkeypatch.setattr(building, "try_build", lambda *_: full)
    plan = null_plan(null_card())
    folder = new_folder(tmp_path, plan)
    with pytest.raises(StoreError, match="no room in the cache") as caught:
        execute(plan, folder, model_cache, Quiet())
    assert caught.value.hint == "set NPUBENCH_CACHE"
    assert not list(folder.launches())


def test_ctrl_c_while_building_stops_the_build(tmp_path: Path, model_cache: Path) -> None:
    class WhileBuilding(Quiet):
        begun = False

        def starting(self, cell: PlannedCell, number: int, index: int, total: int) -> None:
            self.begun = True

        def stop(self) -> bool:
            return self.begun

    plan = null_plan(null_card())
    folder = new_folder(tmp_path, plan)
    with pytest.raises(RunInterruptedError):
        execute(plan, folder, model_cache, WhileBuilding())
    assert not list(folder.launches())


def test_the_hosts_counters_bracket_the_timed_window(tmp_path: Path, model_cache: Path) -> None:
    plan = null_plan(null_card(), window_s=0.05)
    watcher = Quiet()
    execute(plan, new_folder(tmp_path, plan), model_cache, watcher)
    (launch,) = watcher.done
    found = launch.conditions
    assert found is not None
    assert found.start_ns is not None
    assert found.end_ns is not None
    assert launch.window is not None
    assert found.start_ns <= launch.window.start_ns < launch.window.end_ns <= found.end_ns
    assert found.cost_ns > 0
    assert found.devices == ()


def test_a_device_that_vanished_makes_its_cells_invalid_and_no_others(tmp_path: Path, model_cache: Path) -> None:
    """The planned accelerator is not on this machine's bus: what ran in its name did not run on it."""
    card = msgspec.structs.replace(null_card("npu"), device=DeviceSpec(type="npu", vendor="Made"))
    plan = null_plan(card, null_card("other"), window_s=0.05)
    lost = Device(id="ffff:ff:1f.7", type="npu", vendor="Made", name="Made NP-1")
    plan = msgspec.structs.replace(plan, machine=msgspec.structs.replace(plan.machine, accelerators=(lost,)))
    run = execute(plan, new_folder(tmp_path, plan), model_cache, Quiet())
    cells = {cell.backend: cell for cell in run.cells}
    assert cells["npu"].verdict == "invalid"
    assert "Made NP-1 (ffff:ff:1f.7) is gone" in " ".join(reason.en for reason in cells["npu"].reasons)
    assert cells["other"].verdict in FINISHED
