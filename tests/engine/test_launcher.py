"""Whatever becomes of a worker is a result with a class, and no child stays."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from npubench.discovery import code
from npubench.engine import launcher
from npubench.engine.ending import Ended, end_process
from npubench.engine.launcher import DEFAULT_STALL_S, Environment, Limits, StopRequested, child_environment, run_job
from npubench.engine.protocol import AdapterRef, Event, Load, Measured, MeasureJob, Phase, Probed, ProbeJob
from npubench.engine.warmup import PATIENCE
from npubench.schema import Failure, FailureKind
from npubench.spi import Artifact, Request


def measure_job(folder: Path, **options: Any) -> MeasureJob:
    """A short measurement of the null adapter with these options."""
    return MeasureJob(
        adapter=AdapterRef(code=code("adapters", "null"), device={"type": "none"}, options=options),
        workload=code("workloads", "tensor"),
        artifacts=(Artifact(role="model", path="none", sha256=""),),
        request=Request(scope="device"),
        load=Load(arrival="completion"),
        folder=str(folder),
        window_ns=200_000_000,
        warmup_ns=50_000_000,
        least_samples=12,
        max_samples=10_000,
        max_tokens=1,
    )


def left_over() -> list[psutil.Process]:
    """Children of this process but the one that Python keeps for its own shared memory, once anything spawned."""
    found = psutil.Process().children(recursive=True)
    return [child for child in found if "multiprocessing.resource_tracker" not in " ".join(child.cmdline())]


def failure_of(folder: Path, limits: Limits = Limits(), **options: Any) -> Failure:  # noqa: B008
    answer = run_job(measure_job(folder, **options), folder, limits=limits)
    assert isinstance(answer, Failure), answer
    assert not left_over()
    return answer


def test_a_sound_launch_answers(tmp_path: Path) -> None:
    answer = run_job(measure_job(tmp_path), tmp_path)
    assert isinstance(answer, Measured)
    assert answer.execution_kind == "virtual"
    assert answer.window.end_ns > answer.window.start_ns


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("crash", FailureKind.CRASHED),
        ("kill", FailureKind.KILLED),
        ("oom", FailureKind.OUT_OF_MEMORY),
        ("raise", FailureKind.RAISED),
        ("nan", FailureKind.NON_FINITE),
        ("shape", FailureKind.WRONG_SHAPE),
    ],
)
def test_each_fault_has_its_class(tmp_path: Path, fault: str, kind: FailureKind) -> None:
    failure = failure_of(tmp_path, fault=fault)
    assert failure.kind is kind
    assert failure.message
    if fault == "crash":
        assert failure.signal == "SIGSEGV"
    if fault == "raise":
        assert any("the fault that was asked for" in line for line in failure.stderr)


@pytest.mark.parametrize("fault", ["crash", "kill", "raise"])
def test_a_fault_in_the_middle_of_the_window_says_where(tmp_path: Path, fault: str) -> None:
    failure = failure_of(tmp_path, fault=fault, fault_at=500, work_ns=20_000)
    assert failure.phase in ("warm-up", "measure")


def test_a_hang_is_given_up(tmp_path: Path) -> None:
    failure = failure_of(tmp_path, Limits(stall_s=1.0), fault="hang")
    assert failure.kind is FailureKind.HUNG
    assert "no sign of life" in failure.message


def test_wrong_output_late_in_the_run_is_caught_too(tmp_path: Path) -> None:
    failure = failure_of(tmp_path, fault="nan", fault_at=500, work_ns=1000)
    assert failure.kind is FailureKind.NON_FINITE


def test_an_interpreter_that_is_not_there_is_a_result(tmp_path: Path) -> None:
    answer = run_job(measure_job(tmp_path), tmp_path, Environment(python=str(tmp_path / "python")))
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.NOT_AVAILABLE
    assert "cannot be started" in answer.message


def test_an_adapter_that_cannot_be_imported_is_a_result(tmp_path: Path) -> None:
    job = ProbeJob(adapter=AdapterRef(code="no_such_vendor:Adapter"))
    answer = run_job(job, tmp_path)
    assert isinstance(answer, Failure)
    assert "no_such_vendor" in answer.message


def test_a_worker_that_exits_without_a_word_is_a_protocol_failure(tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho vendor says hello >&2\nexit 3\n")
    script.chmod(0o755)
    answer = run_job(measure_job(tmp_path), tmp_path, Environment(python=str(script)))
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.PROTOCOL
    assert answer.exit_code == 3
    assert answer.stderr == ("vendor says hello",)


def test_rubbish_on_the_event_pipe_is_a_protocol_failure(tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text('#!/bin/sh\neval "echo rubbish >&$3"\n')
    script.chmod(0o755)
    answer = run_job(measure_job(tmp_path), tmp_path, Environment(python=str(script)))
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.PROTOCOL


def test_a_noisy_library_does_not_disturb(tmp_path: Path) -> None:
    """stdout belongs to the vendor's library: it is kept, and is no part of the protocol."""
    (tmp_path / "noisy_vendor.py").write_text(
        "from npubench.adapters.null import NullAdapter\n"
        "class Noisy(NullAdapter):\n"
        "    def probe(self):\n"
        '        print(\'{"event": "said"}\' * 1000)\n'
        "        return super().probe()\n"
    )
    environment = Environment(variables={"PYTHONPATH": str(tmp_path)})
    answer = run_job(ProbeJob(adapter=AdapterRef(code="noisy_vendor:Noisy")), tmp_path, environment)
    assert not isinstance(answer, Failure)
    assert "said" in (tmp_path / "stdout.txt").read_text()


def test_stopping_ends_the_worker(tmp_path: Path) -> None:
    seen: list[str] = []

    def say(event: Event) -> None:
        if isinstance(event, Phase):
            seen.append(event.name)

    with pytest.raises(StopRequested):
        run_job(measure_job(tmp_path, fault="hang"), tmp_path, say=say, stop=lambda: "first" in seen)
    assert not left_over()


def test_a_worker_dies_with_its_parent(tmp_path: Path) -> None:
    """`kill -9` of the parent leaves no orphan, not even one that hangs in a driver call."""
    read, write = os.pipe()
    parent = os.fork()
    if parent == 0:  # a parent of its own, that can be killed
        os.close(read)

        def say(event: Event) -> None:
            if isinstance(event, Phase) and event.name == "first":
                children = psutil.Process().children()
                os.write(write, f"{children[0].pid}\n".encode())

        run_job(measure_job(tmp_path, fault="hang"), tmp_path, say=say)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as stream:
        worker = int(stream.readline())
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker outlived its parent"
        time.sleep(0.05)


def test_warming_up_may_be_silent_for_as_long_as_it_was_planned(tmp_path: Path) -> None:
    job = msgspec.structs.replace(measure_job(tmp_path), warmup_ns=200_000_000_000)
    assert Limits().of("warm-up", job) == DEFAULT_STALL_S + PATIENCE * 200
    assert Limits(stall_s=1.0).of("warm-up", job) == 1.0 + PATIENCE * 200
    assert Limits().of("measure", job) == DEFAULT_STALL_S


@pytest.mark.parametrize("phase", ["open", "bind", "first", "build"])
def test_whatever_may_compile_has_half_an_hour(tmp_path: Path, phase: str) -> None:
    assert Limits().of(phase, measure_job(tmp_path)) == 1800.0
    assert Limits(stall_s=1.0).of(phase, measure_job(tmp_path)) == 1.0


HELPER = """\
import os, signal, time
from pathlib import Path
from npubench.adapters.null import NullAdapter

class WithHelper(NullAdapter):
    def probe(self):
        helper = os.fork()  # inherits the event pipe
        if helper == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
            os._exit(0)
        Path(os.environ["HELPER_PID"]).write_text(str(helper))
        if "HANG" in os.environ:
            time.sleep(600)
        return super().probe()
"""


def gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("hang", [False, True])
def test_a_child_of_the_worker_neither_holds_up_the_answer_nor_outlives_it(tmp_path: Path, hang: bool) -> None:
    (tmp_path / "vendor_with_helper.py").write_text(HELPER)
    variables = {"PYTHONPATH": str(tmp_path), "HELPER_PID": str(tmp_path / "pid"), **({"HANG": "1"} if hang else {})}
    job = ProbeJob(adapter=AdapterRef(code="vendor_with_helper:WithHelper"))
    answer = run_job(job, tmp_path, Environment(variables=variables), Limits(stall_s=5.0 if hang else 60.0))
    if hang:
        assert isinstance(answer, Failure)
        assert answer.kind is FailureKind.HUNG
    else:
        assert isinstance(answer, Probed)
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_worker_that_never_reads_its_job_does_not_hold_us_up(tmp_path: Path) -> None:
    """A job may be longer than a pipe holds."""
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    job = measure_job(tmp_path, note="x" * (1 << 20))
    answer = run_job(job, tmp_path, Environment(python=str(script)), Limits(stall_s=0.5))
    assert isinstance(answer, Failure)
    assert (answer.kind, answer.phase) == (FailureKind.HUNG, "start")
    assert not left_over()


def test_a_library_that_floods_the_event_pipe_does_not_fill_our_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "_MOST_LINE_BYTES", 1 << 18)
    script = tmp_path / "python"
    script.write_text('#!/bin/sh\neval "exec tr \\\\\\\\0 x < /dev/zero >&$3"\n')
    script.chmod(0o755)
    answer = run_job(measure_job(tmp_path), tmp_path, Environment(python=str(script)))
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.PROTOCOL
    assert not left_over()


def test_a_process_that_no_signal_ends_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits inside the kernel for its device; nobody knows how long."""
    workers: list[Any] = []

    def stuck(process: Any) -> Ended:
        workers.append(process)
        return "stuck"

    monkeypatch.setattr(launcher, "end_process", stuck)
    answer = run_job(measure_job(tmp_path, fault="hang"), tmp_path, limits=Limits(stall_s=2.0))
    (process,) = workers
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.HUNG
    assert f"no signal ends it (process {process.pid}, state S" in answer.message
    assert "reset the device" in answer.message
    assert end_process(process) == "asked"


def test_what_a_worker_said_itself_counts_also_where_it_hangs_afterwards(tmp_path: Path) -> None:
    (tmp_path / "hangs_at_exit.py").write_text(
        "import atexit, time\n"
        "class Adapter:\n"
        "    def __init__(self, provider=None, device=None):\n"
        "        atexit.register(time.sleep, 600)\n"
        "        raise RuntimeError('the licence has expired')\n"
    )
    environment = Environment(variables={"PYTHONPATH": str(tmp_path)})
    job = ProbeJob(adapter=AdapterRef(code="hangs_at_exit:Adapter"))
    answer = run_job(job, tmp_path, environment, Limits(stall_s=3.0))
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.RAISED
    assert answer.message == "RuntimeError: the licence has expired; then no sign of life for 3 s"


def test_a_bmcs_credentials_reach_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NPUBENCH_REDFISH_USER", "NPUBENCH_REDFISH_PASSWORD"):
        monkeypatch.setenv(name, "open-sesame")
    for python in (sys.executable, "/usr/bin/python-of-another"):
        assert "open-sesame" not in child_environment(Environment(python=python), tmp_path).values()


def test_files_where_a_person_happens_to_be_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("copy", "json", "tokens", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not the library')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert isinstance(run_job(measure_job(tmp_path), tmp_path), Measured)
