"""The parent's side of the process boundary: starts a worker, watches it, says what became of it.

A worker that crashes, hangs, is killed, eats the machine's memory or ends without a word becomes a `Failure` with its
class and its last lines; nothing of that reaches the parent as an exception. No child outlives this module's calls, nor
a child of a child that stayed in the worker's session, but for one that the kernel itself cannot end (`ending`).

Liveness: an event or a finished sample is a sign of life; without one for `stall_s` the worker has hung. There is no
heartbeat thread in the worker that could disturb what it measures.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from npubench.build.materialise import cache_root
from npubench.engine import table
from npubench.engine.ending import Ended, end_process, state_of
from npubench.engine.memory import Guard
from npubench.engine.protocol import (
    Answered,
    Built,
    Compiled,
    Conformed,
    Event,
    Failed,
    Job,
    Measured,
    MeasureJob,
    Phase,
    Placed,
    Probed,
    Surveyed,
    Tuned,
)
from npubench.engine.warmup import PATIENCE
from npubench.schema import Failure, FailureKind

PACKAGE_PARENT = Path(__file__).resolve().parents[2]

# A crash's Python stack of two threads fits, with what the library printed before.
TAIL_LINES = 40
_POLL_S = 0.1
# No event is longer than this; a library that writes into our pipe must not fill our memory.
_MOST_LINE_BYTES = 16 << 20

# Until its first inference a runtime may compile for minutes, at whichever call it likes (METRICS.md: compile, cold
# load); everything else makes progress much sooner.
_PATIENT = ("open", "bind", "first", "build", "quality", "compile", "place")
STALL_S: Mapping[str, float] = dict.fromkeys(_PATIENT, 1800.0)
DEFAULT_STALL_S = 120.0

# Where an adapter has a vendor's compiler in a process of its own, which has a limit of its own
# (`adapters.vendor_cache`): the answer that it was too long is worth more than a worker that has hung.
COMPILING = ("open", "compile", "place", "conform")
_AFTER_COMPILER_S = 120.0


def _compiler_s() -> float:
    """How long a vendor's compiler may take, where somebody says so."""
    try:
        return float(os.environ.get("NPUBENCH_COMPILE_LIMIT_S", ""))
    except ValueError:
        return 0.0


# Whoever may read a machine's power by its BMC may switch it off: these reach the meter that needs them and no worker.
SECRETS = ("NPUBENCH_REDFISH_USER", "NPUBENCH_REDFISH_PASSWORD")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker may take: seconds without a sign of life, per phase, and memory.

    `stall_s` overrides all phases. `memory_bytes` is the most private memory that it may hold; None: all but a reserve
    for the machine (`memory.Guard`).
    """

    stall_s: float | None = None
    memory_bytes: int | None = None

    def of(self, phase: str, job: Job) -> float:
        """Seconds for a phase of `job`. Warming up is silent for as long as it was planned, and that comes on top."""
        limit = self.stall_s if self.stall_s is not None else STALL_S.get(phase, DEFAULT_STALL_S)
        if self.stall_s is None and phase in COMPILING:
            limit = max(limit, _compiler_s() + _AFTER_COMPILER_S)
        silent = PATIENCE * job.warmup_ns / 1e9 if phase == "warm-up" and isinstance(job, MeasureJob) else 0.0
        return limit + silent


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The Python that a backend's worker runs in."""

    python: str = sys.executable
    variables: dict[str, str] = {}


class StopRequested(Exception):  # noqa: N818 - not an error
    """Ctrl-C while a worker ran; the worker has been stopped."""


Answer = Probed | Surveyed | Built | Measured | Answered | Placed | Compiled | Conformed | Tuned | Failure


def child_environment(environment: Environment, folder: Path) -> dict[str, str]:
    """The worker's environment variables, without `SECRETS`.

    A foreign interpreter finds our package through a folder that holds nothing else: putting our site-packages on its
    path would give it our numpy as well.
    """
    # Nothing is imported from the folder that a person happens to be in (Python 3.11 and later know the variable).
    variables = {**os.environ, **environment.variables, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
    for name in SECRETS:
        variables.pop(name, None)
    # What a vendor's compiler made is kept where models are; a vendor's Python cannot find that by itself.
    variables.setdefault("NPUBENCH_CACHE", str(cache_root()))
    if Path(environment.python) != Path(sys.executable):
        bridge = folder / "bridge"
        bridge.mkdir(parents=True, exist_ok=True)
        link = bridge / "npubench"
        if not link.exists():
            link.symlink_to(PACKAGE_PARENT / "npubench", target_is_directory=True)
        kept = environment.variables.get("PYTHONPATH")
        variables["PYTHONPATH"] = f"{bridge}{os.pathsep}{kept}" if kept else str(bridge)
        for name in ("PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"):
            variables.pop(name, None)
    return variables


def run_job(
    job: Job,
    folder: Path,
    environment: Environment = Environment(),  # noqa: B008 - frozen
    limits: Limits = Limits(),  # noqa: B008 - frozen
    say: Callable[[Event], None] = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
) -> Answer:
    """Runs `job` in a fresh process and returns its answer, or the Failure. `folder` keeps its output.

    Raises StopRequested after stopping the worker when `stop()` turns true.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reader, writer = os.pipe()
    try:
        with (
            (folder / "stdout.txt").open("wb") as out,
            (folder / "stderr.txt").open("wb") as err,
            _as_file(msgspec.json.encode(job)) as stdin,
        ):
            try:
                process = subprocess.Popen(
                    [environment.python, "-m", "npubench.engine.worker", str(writer), str(os.getpid())],
                    stdin=stdin,
                    stdout=out,
                    stderr=err,
                    pass_fds=(writer,),
                    env=child_environment(environment, folder),
                    # A session of its own: Ctrl-C in the terminal reaches us, and we decide about the worker.
                    start_new_session=True,
                )
            except OSError as error:
                return Failure(
                    kind=FailureKind.NOT_AVAILABLE,
                    message=f"{environment.python}: cannot be started: {error.strerror}",
                    phase="start",
                )
        os.close(writer)
        writer = -1
        watch = _Watch(process, reader, job, folder, limits, say, stop)
        try:
            return watch.until_done()
        finally:
            watch.end()
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


def _as_file(content: bytes) -> IO[bytes]:
    """A file in memory: a pipe would block us where a worker hangs before it has read a job of more than 64 KiB."""
    stream = os.fdopen(os.memfd_create("npubench-job"), "w+b")
    stream.write(content)
    stream.seek(0)
    return stream


class _Watch:
    """Reads one worker's events until it has answered or is gone."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: int,
        job: Job,
        folder: Path,
        limits: Limits,
        say: Callable[[Event], None],
        stop: Callable[[], bool],
    ) -> None:
        self._process = process
        self._reader = reader
        self._job = job
        self._folder = folder
        self._limits = limits
        self._say = say
        self._stop = stop
        self._phase = "start"
        self._answer: Answer | None = None
        self._ended: Ended | None = None
        self._guard = Guard(process.pid, limits.memory_bytes)
        self._kills_before = _out_of_memory_kills()

    def end(self) -> Ended:
        """Ends the worker and what it started, once; how it ended."""
        if self._ended is None:
            self._ended = end_process(self._process)
        return self._ended

    def until_done(self) -> Answer:
        """The worker's answer; it has ended when this returns, unless the answer says that it cannot be ended."""
        buffer = b""
        alive_at, seen = time.monotonic(), 0
        with selectors.DefaultSelector() as selector:
            selector.register(self._reader, selectors.EVENT_READ)
            while True:
                if self._stop():
                    self.end()
                    raise StopRequested
                ended = self._process.poll() is not None
                if selector.select(_POLL_S):
                    chunk = os.read(self._reader, 1 << 16)
                    if not chunk:
                        return self._after_end()
                    alive_at = time.monotonic()
                    *lines, buffer = (buffer + chunk).split(b"\n")
                    for line in lines:
                        self._take(line)
                    if len(buffer) > _MOST_LINE_BYTES:
                        return self._stopped(FailureKind.PROTOCOL, "what came down the event pipe is no event")
                elif ended:
                    # A child of the worker's holds the pipe open; all that the worker wrote has been read.
                    return self._after_end()
                done = table.completed(self._folder)
                if done != seen:
                    alive_at, seen = time.monotonic(), done
                if (too_much := self._guard.look(done)) is not None:
                    return self._stopped(FailureKind.OUT_OF_MEMORY, too_much)
                limit = self._limits.of(self._phase, self._job)
                if time.monotonic() - alive_at > limit:
                    return self._stopped(FailureKind.HUNG, f"no sign of life for {limit:g} s")

    def _take(self, line: bytes) -> None:
        try:
            event: Event = msgspec.json.decode(line, type=Event)
        except msgspec.DecodeError:
            text = line.decode("utf-8", "replace")[:200]
            self._answer = self._failure(FailureKind.PROTOCOL, f"not an event: {json.dumps(text, ensure_ascii=False)}")
            return
        if isinstance(event, Phase):
            self._phase = event.name
            self._guard.enter()
        elif isinstance(event, (Probed, Surveyed, Built, Measured, Answered, Placed, Compiled, Conformed, Tuned)):
            self._answer = event
        elif isinstance(event, Failed):
            self._answer = msgspec.structs.replace(event.failure, stderr=self._tail())
        self._say(event)

    def _after_end(self) -> Answer:
        """The pipe is closed: what the worker said, and how it ended."""
        try:
            self._process.wait(DEFAULT_STALL_S if self._limits.stall_s is None else self._limits.stall_s)
        except subprocess.TimeoutExpired:
            return self._stopped(FailureKind.HUNG, "the worker closed its pipe but did not end")
        code = self._process.returncode
        if isinstance(self._answer, Failure):
            return self._answer
        if code < 0:
            return self._killed(-code)
        if self._answer is None:
            if b"No module named" in self._raw_tail():
                missing = self._tail()[-1] if self._tail() else ""
                return self._failure(
                    FailureKind.NOT_AVAILABLE,
                    f"its Python lacks a package ({missing}); the worker needs numpy and msgspec besides the runtime",
                )
            return self._failure(FailureKind.PROTOCOL, f"the worker ended with code {code} and no answer")
        if code != 0:
            # A driver's exit handler, say. The samples may be good, but a device left in that state is not.
            return self._failure(FailureKind.CRASHED, f"the worker ended with code {code} after its answer")
        if isinstance(self._answer, Measured):
            return msgspec.structs.replace(self._answer, memory=self._guard.use(self._answer.window))
        return self._answer

    def _stopped(self, kind: FailureKind, why: str) -> Failure:
        """Ends the worker, which never answered or no longer counts, and says how that went."""
        how = self.end()
        if how == "stuck":
            pid = self._process.pid
            why += (
                f"; no signal ends it (process {pid}, state {state_of(pid) or '?'}: it waits inside the kernel for the "
                "device): reset the device or restart the machine before measuring on it again"
            )
        elif how == "killed":
            why += "; it did not heed SIGTERM and was killed"
        if isinstance(self._answer, Failure):
            # What it said itself is why it failed; that it did not end either comes on top.
            return msgspec.structs.replace(self._answer, message=f"{self._answer.message}; then {why}")
        return self._failure(kind, why)

    def _killed(self, number: int) -> Failure:
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        if number == signal.SIGKILL:
            kind = FailureKind.OUT_OF_MEMORY if _out_of_memory_kills() > self._kills_before else FailureKind.KILLED
            return self._failure(kind, f"ended by {name}", name)
        return self._failure(FailureKind.CRASHED, f"ended by {name}", name)

    def _failure(self, kind: FailureKind, message: str, signal_name: str | None = None) -> Failure:
        return Failure(
            kind=kind,
            message=message,
            phase=self._phase,
            exit_code=self._process.returncode,
            signal=signal_name,
            stderr=self._tail(),
        )

    def _raw_tail(self) -> bytes:
        try:
            with (self._folder / "stderr.txt").open("rb") as stream:
                stream.seek(0, os.SEEK_END)
                stream.seek(max(0, stream.tell() - 16_384))
                return stream.read()
        except OSError:
            return b""

    def _tail(self) -> tuple[str, ...]:
        lines = self._raw_tail().decode("utf-8", "replace").splitlines()
        return tuple(line[:500] for line in lines[-TAIL_LINES:])


def _out_of_memory_kills() -> int:
    """How often the kernel's OOM killer has struck here (cgroup v2, else the whole machine); 0 if unknown."""
    for path in ("/sys/fs/cgroup/memory.events", "/proc/vmstat"):
        with suppress(OSError):
            found = re.search(r"^oom_kill (\d+)$", Path(path).read_text(), re.MULTILINE)
            if found:
                return int(found[1])
    return 0
