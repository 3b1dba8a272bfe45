"""The worker: a fresh process that speaks to one runtime and does one job.

    python -m npubench.engine.worker EVENTS_FD PARENT_PID < job.json

It runs in the backend's own environment: Python 3.10, numpy, msgspec, its adapter and workload, nothing else. Events
go to the pipe EVENTS_FD as JSON lines. It dies with its parent. What it cannot do it reports as a `Failed` event and
ends 0; what kills it, the parent classifies (`launcher`), and the Python stack at that moment is on stderr.
"""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np

from npubench import __version__
from npubench.engine import answering, installed, measuring, placing, protocol, stopping
from npubench.engine.checking import WrongOutputError, check_outputs
from npubench.engine.lanes import Clock
from npubench.engine.protocol import (
    BuildJob,
    CompileJob,
    ConformJob,
    Event,
    Failed,
    MeasureJob,
    Phase,
    PlaceJob,
    ProbeJob,
    QualityJob,
    SurveyJob,
    TuneJob,
    resolve,
)
from npubench.errors import (
    AbsentBackendError,
    ArtifactError,
    CardError,
    DataError,
    NpubenchError,
    StoreError,
    UnsupportedError,
)
from npubench.schema import Failure, FailureKind
from npubench.spi import (
    Adapter,
    Artifact,
    Availability,
    Bound,
    Calibrates,
    Compiles,
    Feeds,
    KeepsCompiled,
    ProbesWith,
    RequestError,
    Session,
    Workload,
)

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

# The files of raw outputs and of what can be shown in a quality job's folder.
ANSWERS = "answers.npz"
EXHIBITS = "exhibits.json"


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


def tell_where() -> None:
    """Writes the Python stack to stderr when a library crashes, and when SIGTERM comes because nothing moved."""
    faulthandler.enable()
    # In C, so also where a library holds Python's lock; with chain, the signal then does what it would have done.
    faulthandler.register(signal.SIGTERM, chain=True)


def make_adapter(ref: protocol.AdapterRef) -> Adapter:
    """The adapter that the job names, made from the backend card's provider and device.

    Raises AbsentBackendError where its package is not installed in this Python: the parent found it in its own.
    """
    plugin = {} if ref.plugin is None else {"plugin": ref.plugin}
    try:
        factory = resolve(ref.code)
    except ModuleNotFoundError as error:
        package = ref.code.partition(":")[0].partition(".")[0]
        if error.name != package:
            raise
        raise AbsentBackendError(
            f"the adapter's package {package} is not installed in this backend's Python, {sys.executable}",
            hint=f"install its wheel there too: {sys.executable} -m pip install --no-deps …",
        ) from error
    adapter: Adapter = factory(provider=ref.provider, device=ref.device, **plugin)
    stopping.includes(adapter)
    return adapter


def answer_of(adapter: Adapter, ref: protocol.AdapterRef) -> Availability:
    """Whether the backend is here, with the options of its card where the adapter can try them."""
    return adapter.probe_with(ref.options) if isinstance(adapter, ProbesWith) else adapter.probe()


def probe(job: ProbeJob, events: Events) -> None:
    """Asks the adapter whether it is here."""
    events.enter("probe")
    adapter = make_adapter(job.adapter)
    found = answer_of(adapter, job.adapter)
    environment = installed.facts(adapter) if job.thorough and found.available else None
    events.send(protocol.Probed(availability=found, environment=environment))


def survey(job: SurveyJob, events: Events) -> None:
    """Asks each adapter whether it is here. One that raises has no answer: the parent asks it alone, and hears why."""
    found: dict[str, Availability] = {}
    for name, ref in job.adapters.items():
        events.enter("probe")
        with suppress(Exception):
            found[name] = answer_of(make_adapter(ref), ref)
    events.send(protocol.Surveyed(found=found))


def build(job: BuildJob, events: Events) -> None:
    """Calls the builder, passing its progress on."""
    events.enter("build")
    result = resolve(job.builder)(**job.arguments, progress=lambda text: events.send(protocol.Said(text=text)))
    events.send(protocol.Built(result=msgspec.to_builtins(result)))


def measure(job: MeasureJob, events: Events) -> None:
    """Measures a launch; see the module `measuring`."""
    measuring.measure(job, lambda index: make_adapter(nth(job.adapter, index)), events)


def nth(ref: protocol.AdapterRef, index: int) -> protocol.AdapterRef:
    """The adapter of the device `index` places after the card's own."""
    if index == 0:
        return ref
    return msgspec.structs.replace(ref, device={**ref.device, "index": int(ref.device.get("index", 0)) + index})


def quality(job: QualityJob, events: Events) -> None:
    """Opens, binds, answers; see the module `answering`."""
    started = time.perf_counter_ns()
    events.enter("open")
    adapter = make_adapter(job.adapter)
    sessions = {artifact.role: adapter.open(artifact, job.adapter.options) for artifact in job.artifacts}
    events.enter("bind")
    workload: Workload = resolve(job.workload)()
    bound = workload.bind(sessions, job.request, Clock())
    events.enter("first")
    check_outputs(bound, sessions, 0)
    events.enter("quality")
    scores, compared = answering.answer(bound, job.fidelity_inputs, job.reference, Path(job.folder) / ANSWERS)
    shown = answering.show(bound, Path(job.folder) / EXHIBITS)
    events.send(
        protocol.Answered(
            scores=scores,
            inputs=bound.count * job.request.batch,
            fidelity_inputs=compared,
            file=ANSWERS,
            exhibits=EXHIBITS if shown else None,
            duration_ns=time.perf_counter_ns() - started,
            versions={"numpy": np.__version__, "npubench-worker": __version__, **adapter.describe()},
        )
    )
    close(bound, sessions, events)


def close(bound: Bound, sessions: Mapping[str, Session], events: Events) -> None:
    """Frees everything, after the answer: what goes wrong here does not take it back, but fails the launch."""
    events.enter("close")
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
        lambda sessions: workload.bind(sessions, job.request, Clock()),
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
    inputs = _calibration(job, adapter)
    made: list[Artifact] = []
    times: dict[str, int] = {}
    kept: list[str] = []
    for artifact in job.artifacts:
        # A sign of life: each graph may take its time.
        events.enter("compile")
        start = time.perf_counter_ns()
        if isinstance(adapter, Calibrates) and artifact.role in inputs:
            found = adapter.compile_calibrated(artifact, job.adapter.options, job.folder, inputs[artifact.role])
        else:
            found = adapter.compile(artifact, job.adapter.options, job.folder)
        made.append(found)
        times[artifact.role] = time.perf_counter_ns() - start
        if isinstance(adapter, KeepsCompiled):
            told = adapter.compilation(found)
            times[artifact.role] = told.ns
            kept += [artifact.role] * told.kept
    versions = {"numpy": np.__version__, "npubench-worker": __version__, **adapter.describe()}
    events.send(protocol.Compiled(artifacts=tuple(made), compile_ns=times, kept=tuple(kept), versions=versions))


def _calibration(job: CompileJob, adapter: Adapter) -> Mapping[str, Sequence[Feeds]]:
    """Role → the inputs that its graph is quantised on; empty where the compiler is given none."""
    if job.calibration is None or not isinstance(adapter, Calibrates):
        return {}
    # Not above: no other job should start the later for it.
    from npubench.engine import calibrating

    ends = {artifact.role: adapter.signature(artifact) for artifact in job.artifacts}
    wanted = job.calibration
    return calibrating.feeds(resolve(wanted.workload)(), wanted.request, ends, wanted.most)


def conform(job: ConformJob, events: Events) -> None:
    """Asks the adapter every question of the job; see the module `conforming`."""
    # Not above: no other job should start the later for it.
    from npubench.engine import conforming

    events.enter("conform")
    conforming.ask(job, lambda **device: make_adapter(msgspec.structs.replace(job.adapter, **device)), events.send)
    versions = {"numpy": np.__version__, "npubench-worker": __version__, **make_adapter(job.adapter).describe()}
    events.send(protocol.Conformed(versions=versions, python=platform.python_version()))


def tune(job: TuneJob, events: Events) -> None:
    """Looks for the fastest point; see the module `tuning`."""
    # Not above: no other job should start the later for it.
    from npubench.engine import tuning

    adapter = make_adapter(job.adapter)
    found, unit = tuning.tune(job, adapter, resolve(job.workload)(), events.enter, events.send, classify)
    versions = {"numpy": np.__version__, "npubench-worker": __version__, **adapter.describe()}
    events.send(protocol.Tuned(found=found, unit=unit, versions=versions))


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
    if isinstance(error, AbsentBackendError):
        return FailureKind.NOT_AVAILABLE
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
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT):
        return FailureKind.DISK_FULL
    # Vulkan and Level Zero say DEVICE_LOST, DirectML DEVICE_REMOVED, NVML "GPU is lost", the kernel ENODEV or ENXIO.
    if number in (errno.ENODEV, errno.ENXIO) or any(
        phrase in text.replace("_", " ")
        for phrase in ("device lost", "device removed", "gpu is lost", "fallen off the bus", "no such device")
    ):
        return FailureKind.DEVICE_LOST
    return FailureKind.RAISED


def failure_of(error: Exception, phase: str, *, building: bool = False) -> Failure:
    """What became of a job that raised `error`."""
    kind = classify(error)
    if building and kind is FailureKind.RAISED:
        kind = FailureKind.BUILD_FAILED
    message = str(error) or type(error).__name__
    if kind in (FailureKind.RAISED, FailureKind.BUILD_FAILED):
        message = f"{type(error).__name__}: {message}"
    return Failure(
        kind=kind,
        message=message[:4000],
        hint=error.hint if isinstance(error, NpubenchError) else None,
        phase=phase,
        status=error.status if isinstance(error, RequestError) else None,
    )


def main() -> int:
    """Reads the job, does it, reports."""
    events = Events(int(sys.argv[1]))
    die_with_parent(int(sys.argv[2]))
    stopping.install()
    tell_where()
    job: protocol.Job = msgspec.json.decode(sys.stdin.buffer.read(), type=protocol.Job)
    try:
        if isinstance(job, ProbeJob):
            probe(job, events)
        elif isinstance(job, SurveyJob):
            survey(job, events)
        elif isinstance(job, BuildJob):
            build(job, events)
        elif isinstance(job, QualityJob):
            quality(job, events)
        elif isinstance(job, PlaceJob):
            place(job, events)
        elif isinstance(job, CompileJob):
            compile_ahead(job, events)
        elif isinstance(job, ConformJob):
            conform(job, events)
        elif isinstance(job, TuneJob):
            tune(job, events)
        else:
            measure(job, events)
    except Exception as error:
        traceback.print_exc()
        failure = failure_of(error, events.phase, building=isinstance(job, BuildJob))
        events.send(Failed(failure=failure))
    # Exit handlers of the vendor's library are still to come.
    events.enter("exit")
    return 0


if __name__ == "__main__":
    sys.exit(main())
