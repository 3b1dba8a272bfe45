"""Every fault in one run: each cell has its class, the next one is measured, nothing stays behind."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from npubench import store
from npubench.engine.launcher import Environment, Limits, run_job
from npubench.engine.protocol import AdapterRef, CompileJob
from npubench.schema import Failure, FailureKind, Launch, PlannedCell
from npubench.spi import Artifact
from npubench.stats.samples import read
from tests.faults.parts import Outcome, Sentry, carried_out, faulty, gone, plan_of, workers
from tests.support import floor_model

# Degraded is what other work on the test machine makes of a sound launch.
FINISHED = ("valid", "degraded")
LEAK = 10 << 20

SEGFAULTS = {
    "load": "open",
    "compile": "open",
    "third": "warm-up",
    "window": "measure",
    "close": "close",
    "exit": "exit",
}


GOOD = faulty("good")


@pytest.fixture(scope="module")
def outcome(library: Path, tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Outcome:
    """One run: a faulty backend, the sound one, a faulty one, the sound one …"""
    root = tmp_path_factory.mktemp("faults")
    node = root / "npu0"
    node.touch()
    lib = str(library)
    bad = [
        faulty("load", fault="load", library=lib),
        faulty("compile", fault="compile", library=lib),
        faulty("third", fault="infer", at=3, library=lib),
        faulty("window", fault="infer", at=3, in_window=True, library=lib),
        faulty("close", fault="close", library=lib),
        faulty("exit", fault="exit", library=lib),
        faulty("late", fault="late"),
        faulty("lost", node, fault="lost", at=3, in_window=True),
        faulty("beside", node),
    ]
    order = [card for fault in bad for card in (fault, GOOD)]
    return carried_out(plan_of(order, asked_again=("lost", "beside")), root, model_cache, Limits(stall_s=60))


def failure_of(launch: Launch) -> Failure:
    assert launch.failure is not None
    assert launch.verdict == "invalid"
    return launch.failure


@pytest.mark.parametrize(("fault", "phase"), SEGFAULTS.items())
def test_a_real_segfault_has_its_class_and_says_where(outcome: Outcome, fault: str, phase: str) -> None:
    (launch,) = outcome.of(fault)
    failure = failure_of(launch)
    assert (failure.kind, failure.signal, failure.phase) == (FailureKind.CRASHED, "SIGSEGV", phase)
    # The Python stack says whose call it was. At exit there is none any more.
    if fault != "exit":
        assert any("Segmentation fault" in line for line in failure.stderr)
        assert any("faulty_adapter.py" in line for line in failure.stderr)
    assert outcome.after(fault).verdict in FINISHED


def test_the_samples_of_a_crashed_launch_are_kept(outcome: Outcome) -> None:
    for fault in ("window", "close", "exit", "lost"):
        (launch,) = outcome.of(fault)
        assert launch.samples is not None
        path = outcome.folder.samples_path(launch.cell, launch.number)
        assert store.sha256_file(path) == launch.samples.sha256
        assert len(read(path).table) == launch.samples.rows
        assert not launch.summary
        if fault in ("window", "lost"):
            assert launch.samples.rows == 2


def test_another_requests_answer_is_convicted_in_the_launch_itself(outcome: Outcome) -> None:
    """Without a quality gate: this model's card has no floor."""
    (launch,) = outcome.of("late")
    failure = failure_of(launch)
    assert (failure.kind, failure.phase) == (FailureKind.INCONSISTENT, "check")
    assert "asked twice" in failure.message
    assert outcome.after("late").verdict in FINISHED


def test_a_device_that_vanishes_is_lost_and_others_on_it_are_not_opened(outcome: Outcome) -> None:
    (launch,) = outcome.of("lost")
    failure = failure_of(launch)
    assert (failure.kind, failure.phase) == (FailureKind.DEVICE_LOST, "measure")
    assert "VK_ERROR_DEVICE_LOST; asked again, the backend is no longer here: npu0 is not there" in failure.message
    assert outcome.after("lost").verdict in FINISHED
    # Another backend on the same device finds it gone when it opens it.
    (beside,) = outcome.of("beside")
    assert failure_of(beside).kind is FailureKind.DEVICE_LOST
    assert outcome.after("beside").verdict in FINISHED


def test_nothing_stays_behind(outcome: Outcome) -> None:
    assert not outcome.left
    assert not workers()
    assert len(outcome.launches) == 18
    assert outcome.folder.sealed()
    assert {path.name for path in outcome.folder.path.iterdir()} == {"plan.json", "run.json", "launches", "power"}


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 3])
def test_a_device_that_comes_back_is_measured_again(tmp_path: Path, model_cache: Path, at: int) -> None:
    """Its node disappears between launches; while it is gone each launch fails at once, with the probe's reason."""
    node = tmp_path / "npu0"
    node.touch()

    class Unplugging(Sentry):
        def finished(self, cell: PlannedCell, launch: Launch) -> None:
            super().finished(cell, launch)
            if len(self.done) == at:
                node.unlink()
            if len(self.done) == at + 2:
                node.touch()

    plan = plan_of([faulty("unplugged", node)] * (at + 3), asked_again=("unplugged",))
    found = carried_out(plan, tmp_path, model_cache, Limits(stall_s=60), Unplugging()).of("unplugged")
    kinds = [launch.failure.kind if launch.failure else None for launch in found]
    assert kinds == [*[None] * at, FailureKind.DEVICE_LOST, FailureKind.DEVICE_LOST, None]
    first, second = failure_of(found[at]), failure_of(found[at + 1])
    assert (first.phase, second.phase) == ("open", "probe")
    assert second.message == "lost in an earlier launch, and still not here: npu0 is not there"


@pytest.mark.parametrize(
    ("fault", "phase"),
    [
        ("hang", "first"),
        pytest.param("hang-deaf", "first", marks=pytest.mark.slow),
        pytest.param("hang-load", "open", marks=pytest.mark.slow),
    ],
)
def test_a_hang_in_native_code_is_ended(
    library: Path, tmp_path: Path, model_cache: Path, fault: str, phase: str
) -> None:
    plan = plan_of([faulty("stuck", fault=fault, library=str(library)), GOOD])
    outcome = carried_out(plan, tmp_path, model_cache, Limits(stall_s=3))
    failure = failure_of(outcome.of("stuck")[0])
    assert (failure.kind, failure.phase) == (FailureKind.HUNG, phase)
    assert failure.message == "no sign of life for 3 s; it did not heed SIGTERM and was killed"
    # SIGTERM made it say where it hangs, although native code holds Python's lock; unless it ignores signals as well.
    assert any("faulty_adapter.py" in line for line in failure.stderr) == (fault != "hang-deaf")
    assert outcome.after("stuck").verdict in FINISHED
    assert not outcome.left


def test_a_leak_is_ended_before_the_machine_is_and_names_its_growth(
    library: Path, tmp_path: Path, model_cache: Path
) -> None:
    leaking = faulty("leak", fault="leak", leak_bytes=LEAK, in_window=True, work_ms=5, library=str(library))
    limits = Limits(stall_s=60, memory_bytes=300 << 20)
    outcome = carried_out(plan_of([leaking, GOOD], leak=20), tmp_path, model_cache, limits)
    (launch,) = outcome.of("leak")
    failure = failure_of(launch)
    assert (failure.kind, failure.phase) == (FailureKind.OUT_OF_MEMORY, "measure")
    assert "MiB a request), more than the 300 MiB that it may hold" in failure.message
    assert launch.samples is not None
    assert launch.samples.rows >= 10
    assert outcome.after("leak").verdict in FINISHED


@pytest.mark.slow
def test_a_leak_that_fits_into_the_window_degrades_the_result(library: Path, tmp_path: Path, model_cache: Path) -> None:
    leaking = faulty("leak", fault="leak", leak_bytes=LEAK, in_window=True, work_ms=30, library=str(library))
    outcome = carried_out(plan_of([leaking], leak=1.5), tmp_path, model_cache, Limits(stall_s=60))
    (launch,) = outcome.of("leak")
    assert launch.status == "ok"
    assert launch.verdict == "degraded"
    (reason,) = [reason for reason in launch.reasons if "leaks memory" in reason.en]
    # The parent's readings and counts are of slightly different moments.
    each = re.search(r"([0-9.]+) MiB a request", reason.en)
    assert each is not None
    assert 7 < float(each[1]) < 13
    assert "machine's memory lasts" in reason.en
    assert reason in outcome.run.cells[0].reasons
    assert launch.process is not None
    assert launch.process.memory is not None


def test_a_segfault_while_compiling_ahead(library: Path, tmp_path: Path) -> None:
    graph = str(floor_model()[1] / "add.onnx")
    job = CompileJob(
        adapter=AdapterRef(code="faulty_adapter:FaultyAdapter", options={"library": str(library)}),
        artifacts=(Artifact(role="model", path=graph, sha256=""),),
        folder=str(tmp_path),
    )
    failure = run_job(job, tmp_path, Environment(python=sys.executable))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.signal, failure.phase) == (FailureKind.CRASHED, "SIGSEGV", "compile")
    assert gone(workers())
