"""The worker: a fresh process that speaks to one runtime and does one job.

    python -m npubench.engine.worker EVENTS_FD PARENT_PID < job.json

It runs in the backend's own environment: Python 3.10, numpy, msgspec, its adapter and workload, nothing else. Events
go to the pipe EVENTS_FD as JSON lines. It dies with its parent. What it cannot do it reports as a `Failed` event and
ends 0; what kills it, the parent classifies (`launcher`).
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import platform
import resource
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from npubench import __version__
from npubench.engine import answering, installed, placing, protocol, stopping
from npubench.engine.measure import drive, quiet_collector
from npubench.engine.protocol import (
    BuildJob,
    CompileJob,
    Event,
    Failed,
    MeasureJob,
    Phase,
    PlaceJob,
    ProbeJob,
    QualityJob,
    resolve,
)
from npubench.engine.schedule import issuer
from npubench.engine.table import SampleTable
from npubench.engine.warmup import warm_up
from npubench.errors import ArtifactError, CardError, DataError, NpubenchError, StoreError, UnsupportedError
from npubench.schema import Failure, FailureKind, Window
from npubench.spi import (
    Adapter,
    Array,
    Artifact,
    Bound,
    Compiles,
    Outputs,
    Places,
    ProbesWith,
    Session,
    TensorSpec,
    Workload,
)
from npubench.stats.placement import execution_kind, together

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

# How long the outputs of further inputs are checked after the window.
CHECK_NS = 2_000_000_000

# The file of raw outputs in a quality job's folder.
ANSWERS = "answers.npz"

# A window that has too few samples when it ends is extended up to this many times its length.
EXTEND = 2


class WrongOutputError(Exception):
    """An output that is not what the model declares, or not finite."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Events:
    """The pipe to the parent."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.phase = ""

    def send(self, event: Event) -> None:
        os.write(self._descriptor, msgspec.json.encode(event) + b"\n")

    def enter(self, phase: str) -> None:
        self.phase = phase
        self.send(Phase(name=phase))


def die_with_parent(parent: int) -> None:
    """SIGKILL for this process when its parent thread ends, also when that has happened already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def make_adapter(ref: protocol.AdapterRef) -> Adapter:
    """The adapter that the job names, made from the backend card's provider and device."""
    plugin = {} if ref.plugin is None else {"plugin": ref.plugin}
    adapter: Adapter = resolve(ref.code)(provider=ref.provider, device=ref.device, **plugin)
    stopping.includes(adapter)
    return adapter


def probe(job: ProbeJob, events: Events) -> None:
    """Asks the adapter whether it is here."""
    events.enter("probe")
    adapter = make_adapter(job.adapter)
    found = adapter.probe_with(job.adapter.options) if isinstance(adapter, ProbesWith) else adapter.probe()
    environment = installed.facts(adapter) if job.thorough and found.available else None
    events.send(protocol.Probed(availability=found, environment=environment))


def build(job: BuildJob, events: Events) -> None:
    """Calls the builder, passing its progress on."""
    events.enter("build")
    result = resolve(job.builder)(**job.arguments, progress=lambda text: events.send(protocol.Said(text=text)))
    events.send(protocol.Built(result=msgspec.to_builtins(result)))


def measure(job: MeasureJob, events: Events) -> None:
    """Opens, binds, warms up, measures, checks; see the module `measure` for the timed part."""
    now = time.perf_counter_ns
    events.enter("open")
    adapter = make_adapter(job.adapter)
    start = now()
    sessions = {artifact.role: adapter.open(artifact, job.adapter.options) for artifact in job.artifacts}
    load_ns = now() - start
    events.enter("bind")
    folder = Path(job.folder)
    clock = _Clock()
    workload: Workload = resolve(job.workload)()
    bound = workload.bind(sessions, job.request, clock)
    events.enter("first")
    start = now()
    units = bound.step(0)
    first_ns = now() - start
    events.enter("warm-up")
    warmup, step_ns = warm_up(bound.step, job.warmup_ns)
    # Before the check, which copies outputs that the workload itself never holds all at once.
    peak_rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    events.enter("check")
    check_outputs(bound, sessions, 0)
    capacity = min(job.max_samples, max(4096, job.least_samples, 3 * EXTEND * job.window_ns // max(step_ns, 1)))
    table = SampleTable(folder, capacity, min(job.max_tokens, capacity * units) if bound.unit == "token" else 1)
    clock.target = table.tokens
    events.enter("measure")
    before = resource.getrusage(resource.RUSAGE_SELF)
    with quiet_collector():
        start = now()
        drive(
            bound.step,
            table,
            itertools.count().__next__,
            issuer(job.scenario, start),
            stop_ns=start + job.window_ns,
            least=min(job.least_samples, capacity),
            last_ns=start + EXTEND * job.window_ns,
        )
        end = now()
    after = resource.getrusage(resource.RUSAGE_SELF)
    events.enter("check")
    check_all(bound, sessions)
    if table.tokens.dropped:
        raise RuntimeError(f"{table.tokens.dropped} token times did not fit into the table of {job.max_tokens}")
    wanted = str(job.adapter.device.get("type", "none"))
    evidence = {role: item.placement() for role, item in sessions.items() if isinstance(item, Places)}
    for role, found in evidence.items():
        if execution_kind(wanted, found) == "cpu_fallback":
            message = f"no node of the graph {role} ran on {found.requested}"
            raise WrongOutputError(FailureKind.CPU_FALLBACK, message)
    placement = together(list(evidence.values())) if len(evidence) == len(sessions) else None
    events.send(
        protocol.Measured(
            unit=bound.unit,
            load_ns=load_ns,
            first_inference_ns=first_ns,
            warmup=warmup,
            window=Window(start_ns=start, end_ns=end),
            samples_per_row=job.request.batch,
            placement=placement,
            execution_kind=execution_kind(wanted, placement),
            pid=os.getpid(),
            python=platform.python_version(),
            executable=os.path.basename(sys.executable),
            peak_rss_bytes=peak_rss_bytes,
            cpu_ns=int((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e9),
            involuntary_switches=after.ru_nivcsw - before.ru_nivcsw,
            versions={"numpy": np.__version__, "npubench-worker": __version__, **adapter.describe()},
            options={role: dict(getattr(session, "options", {})) for role, session in sessions.items()},
            inputs={role: tuple(session.inputs) for role, session in sessions.items()},
            outputs={role: tuple(session.outputs) for role, session in sessions.items()},
        )
    )
    bound.close()
    for session in sessions.values():
        session.close()


def quality(job: QualityJob, events: Events) -> None:
    """Opens, binds, answers; see the module `answering`."""
    started = time.perf_counter_ns()
    events.enter("open")
    adapter = make_adapter(job.adapter)
    sessions = {artifact.role: adapter.open(artifact, job.adapter.options) for artifact in job.artifacts}
    events.enter("bind")
    workload: Workload = resolve(job.workload)()
    bound = workload.bind(sessions, job.request, _Clock())
    events.enter("first")
    check_outputs(bound, sessions, 0)
    events.enter("quality")
    scores, compared = answering.answer(bound, job.fidelity_inputs, job.reference, Path(job.folder) / ANSWERS)
    events.send(
        protocol.Answered(
            scores=scores,
            inputs=bound.count * job.request.batch,
            fidelity_inputs=compared,
            file=ANSWERS,
            duration_ns=time.perf_counter_ns() - started,
            versions={"numpy": np.__version__, "npubench-worker": __version__, **adapter.describe()},
        )
    )
    bound.close()
    for session in sessions.values():
        session.close()


def place(job: PlaceJob, events: Events) -> None:
    """Opens as timed, profiled and strictly; see the module `placing`."""
    started = time.perf_counter_ns()
    adapter = make_adapter(job.adapter)
    workload: Workload = resolve(job.workload)()
    evidence, first_ns = placing.look(
        adapter,
        job.artifacts,
        job.adapter.options,
        lambda sessions: workload.bind(sessions, job.request, _Clock()),
        Path(job.folder),
        job.runs,
        job.sessions,
        events.enter,
    )
    events.send(
        protocol.Placed(
            evidence=evidence,
            first_inference_ns=first_ns,
            duration_ns=time.perf_counter_ns() - started,
            versions={"numpy": np.__version__, "npubench-worker": __version__, **adapter.describe()},
        )
    )


def compile_ahead(job: CompileJob, events: Events) -> None:
    """Compiles each artefact into the job's folder."""
    events.enter("compile")
    adapter = make_adapter(job.adapter)
    if not isinstance(adapter, Compiles):
        raise UnsupportedError("this adapter compiles nothing ahead of time")
    made: list[Artifact] = []
    times: dict[str, int] = {}
    for artifact in job.artifacts:
        start = time.perf_counter_ns()
        made.append(adapter.compile(artifact, job.adapter.options, job.folder))
        times[artifact.role] = time.perf_counter_ns() - start
    versions = {"numpy": np.__version__, "npubench-worker": __version__, **adapter.describe()}
    events.send(protocol.Compiled(artifacts=tuple(made), compile_ns=times, versions=versions))


class _Clock:
    """The clock that a workload is bound to; it ticks into the sample table once that exists."""

    target: Any = None

    def tick(self) -> None:
        if self.target is not None:
            self.target.tick()


def check_outputs(bound: Bound, sessions: Mapping[str, Session], index: int) -> None:
    """Runs input `index` outside any timed region; raises WrongOutputError for what cannot be right."""
    declared: dict[str, TensorSpec] = {}
    for role, session in sessions.items():
        for spec in session.outputs:
            # Under a role's name a workload gathers the rows of several calls (the lines of a page).
            gathered = msgspec.structs.replace(spec, shape=("rows", *spec.shape[1:]))
            declared[f"{role}/{spec.name}"] = gathered
            declared.setdefault(spec.name, spec)
    for name, value in outputs_of(bound, index).items():
        if name in declared:
            check_output(name, value, declared[name])


def check_all(bound: Bound, sessions: Mapping[str, Session]) -> None:
    """Checks every distinct input after the window: at least two, and as many as fit into CHECK_NS."""
    started = time.perf_counter_ns()
    for index in range(bound.count):
        if index >= 2 and time.perf_counter_ns() - started > CHECK_NS:
            return
        check_outputs(bound, sessions, index)


def outputs_of(bound: Bound, index: int) -> Outputs:
    """The raw outputs for input `index` (modulo the number of distinct inputs)."""
    return bound.inspect(index % max(bound.count, 1))


def check_output(name: str, value: Array, spec: TensorSpec) -> None:
    """Raises WrongOutputError when `value` does not have the declared shape and type, or holds NaN or infinity."""
    shape = tuple(value.shape)
    fits = len(shape) == len(spec.shape) and all(
        not isinstance(want, int) or have == want for have, want in zip(shape, spec.shape, strict=True)
    )
    if not fits:
        raise WrongOutputError(FailureKind.WRONG_SHAPE, f"output {name}: shape {shape}, declared {spec.shape}")
    if value.dtype != np.dtype(spec.dtype):
        raise WrongOutputError(FailureKind.WRONG_SHAPE, f"output {name}: type {value.dtype}, declared {spec.dtype}")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        bad = int(value.size - np.isfinite(value).sum())
        raise WrongOutputError(
            FailureKind.NON_FINITE, f"output {name}: {bad} of {value.size} values are NaN or infinite"
        )


def classify(error: BaseException) -> FailureKind:
    """The class of an exception that the worker itself caught."""
    if isinstance(error, WrongOutputError):
        return error.kind
    if isinstance(error, DataError):
        return FailureKind.BAD_DATA
    if isinstance(error, CardError):
        return FailureKind.BAD_CARD
    if isinstance(error, UnsupportedError):
        return FailureKind.UNSUPPORTED
    if isinstance(error, StoreError):
        return FailureKind.DISK_FULL
    if isinstance(error, ArtifactError):
        return FailureKind.BAD_ARTIFACT
    text = str(error).lower()
    # Runtimes report exhausted memory in words: std::bad_alloc, "Failed to allocate memory", CUDA "out of memory".
    if isinstance(error, MemoryError) or any(
        phrase in text for phrase in ("bad_alloc", "bad alloc", "failed to allocate memory", "out of memory")
    ):
        return FailureKind.OUT_OF_MEMORY
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FailureKind.DISK_FULL
    return FailureKind.RAISED


def main() -> int:
    """Reads the job, does it, reports."""
    events = Events(int(sys.argv[1]))
    die_with_parent(int(sys.argv[2]))
    stopping.install()
    job: protocol.Job = msgspec.json.decode(sys.stdin.buffer.read(), type=protocol.Job)
    try:
        if isinstance(job, ProbeJob):
            probe(job, events)
        elif isinstance(job, BuildJob):
            build(job, events)
        elif isinstance(job, QualityJob):
            quality(job, events)
        elif isinstance(job, PlaceJob):
            place(job, events)
        elif isinstance(job, CompileJob):
            compile_ahead(job, events)
        else:
            measure(job, events)
    except Exception as error:
        traceback.print_exc()
        kind = classify(error)
        if isinstance(job, BuildJob) and kind is FailureKind.RAISED:
            kind = FailureKind.BUILD_FAILED
        message = str(error) or type(error).__name__
        if kind in (FailureKind.RAISED, FailureKind.BUILD_FAILED):
            message = f"{type(error).__name__}: {message}"
        hint = error.hint if isinstance(error, NpubenchError) else None
        failure = Failure(kind=kind, message=message[:4000], hint=hint, phase=events.phase)
        events.send(Failed(failure=failure))
    return 0


if __name__ == "__main__":
    sys.exit(main())
