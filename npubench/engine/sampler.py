"""Reads one meter at absolute deadlines in a process of its own: `python -m npubench.engine.sampler`.

It disturbs neither the measuring process nor the parent, runs in whatever environment has the meter's binding (Python
3.10, numpy, msgspec), and outlives every fault of the meter: an exception becomes the status of a reading.

Protocol: the first line of stdin is a `Job` (JSON). The answer is one `Ready` line on stdout once the first reading is
down; what libraries print goes to stderr. The lines `pause` and `resume` on stdin stop the reading and start it again.
Sampling ends on end of file on stdin, on SIGTERM, or when the file is full; a watcher thread ends the process if a hung
meter keeps it from noticing that its parent is gone.

What it writes is `recording`'s. Times are CLOCK_MONOTONIC ns.

Not aware of: windows, energy (`stats.ledger`), which process is measured.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

import msgspec

from npubench.engine.protocol import resolve
from npubench.engine.recording import Cost, End, Full, Header, Times, Writer, say, take
from npubench.spi import Availability, Channel, Configurable, Meter, Paced, Reading

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# A day of 64 channels at 10 Hz takes 1.8 GB; a runaway interval must not fill the disk.
MOST_BYTES = 2 << 30
_GRACE_S = 2.0
_COST_EVERY_NS = 30_000_000_000


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """`meter` is `module:attr` of a factory; `out` the files to write, without their endings; neither must exist.

    `options` are for a `Configurable` meter.
    """

    meter: str
    interval_ns: int
    out: str
    options: dict[str, Any] = {}
    most_bytes: int = MOST_BYTES
    parent: int | None = None


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The sampler's answer to its job: whether it reads, which channels, and its first reading of each of them."""

    availability: Availability
    channels: tuple[Channel, ...] = ()
    interval_ns: int = 0
    readings: tuple[Reading, ...] = ()


def _answer(descriptor: int, ready: Ready) -> None:
    # The parent may be gone already; then stdin says so too.
    with suppress(OSError):
        os.write(descriptor, msgspec.json.encode(ready) + b"\n")
        os.close(descriptor)


def _open_meter(job: Job) -> tuple[Meter | None, Ready]:
    """The meter that the job names, if it is there. Some bindings raise all sorts of errors on import."""
    try:
        meter: Meter = resolve(job.meter)()
        if isinstance(meter, Configurable):
            try:
                meter.configure(job.options)
            except ValueError as error:
                return None, Ready(availability=Availability(available=False, reason=str(error)))
        elif job.options:
            given = ", ".join(sorted(job.options))
            return None, Ready(
                availability=Availability(available=False, reason=f"options: found {given}; this meter takes none")
            )
        availability = meter.probe()
        if not availability.available:
            meter.close()
            return None, Ready(availability=availability)
        pace = meter.interval_ns if isinstance(meter, Paced) else 0
        return meter, Ready(
            availability=availability,
            channels=tuple(meter.channels()),
            interval_ns=max(job.interval_ns, int(pace)),
        )
    except (Exception, SystemExit) as error:
        return None, Ready(availability=Availability(available=False, reason=f"{job.meter}: {say(error)}"))


def _die_with_parent(parent: int | None) -> None:
    """Asks the kernel for SIGTERM when the thread that started this process ends (prctl(2)); Linux only."""
    with suppress(Exception):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        raise SystemExit(0)


def _watch(stdin: int, wake: int, done: threading.Event) -> None:
    """Thread: hands commands to the loop, wakes it at end of file, ends the process if the loop does not end in time.

    `p`: pause, `r`: resume, `e`: end of file, `t`: SIGTERM (from the signal handler).
    """
    with suppress(OSError):
        rest = b""
        while piece := os.read(stdin, 4096):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if (word := line.strip()) in (b"pause", b"resume"):
                    os.write(wake, word[:1])
    with suppress(OSError):
        os.write(wake, b"e")
    if not done.wait(_GRACE_S):
        os._exit(0)


class _Loop:
    """Reads until it is told to end."""

    def __init__(self, meter: Meter, job: Job, ready: Ready, writer: Writer, bell: int, answers: int) -> None:
        self._meter, self._writer, self._bell, self._answers = meter, writer, bell, answers
        self._ready = ready
        self._interval_ns = ready.interval_ns
        self._ticks = self._missed = self._cpu_ns = self._sampled_ns = 0
        self._times = Times()
        writer.head(
            Header(meter=job.meter, interval_ns=ready.interval_ns, pid=os.getpid(), channels=ready.channels),
        )

    def run(self) -> None:
        """Until the end. Raises OSError where the files cannot be written."""
        reason = ""
        try:
            while not reason:
                reason = self._sample()
                self._cost()
                if not reason:
                    reason = self._wait_paused()
        except Full as full:
            reason = str(full)
            self._cost()
        self._writer.line(End(reason=reason, process_cpu_ns=time.process_time_ns()))

    def _tick(self) -> None:
        before = time.perf_counter_ns()
        readings = take(self._meter, self._ready.channels)
        self._times.add(time.perf_counter_ns() - before)
        self._ticks += 1
        self._writer.rows(readings)
        if self._ticks == 1:
            # Not before the first reading is down: a window that starts after the answer is bracketed.
            _answer(self._answers, msgspec.structs.replace(self._ready, readings=tuple(readings)))

    def _sample(self) -> str:
        """Reads at every deadline until told otherwise: why it ends, or nothing where it is to pause."""
        cpu_ns, started = time.process_time_ns(), time.perf_counter_ns()
        earlier_cpu_ns, earlier_ns = self._cpu_ns, self._sampled_ns
        deadline = cost_at = started
        heard = b""
        try:
            while not heard:
                self._tick()
                now = time.perf_counter_ns()
                self._cpu_ns = earlier_cpu_ns + time.process_time_ns() - cpu_ns
                self._sampled_ns = earlier_ns + now - started
                if now - cost_at >= _COST_EVERY_NS:
                    cost_at = now
                    self._cost()
                deadline += self._interval_ns
                if deadline <= now:
                    late = (now - deadline) // self._interval_ns + 1
                    self._missed += late
                    deadline += late * self._interval_ns
                while not heard and (remaining := deadline - time.perf_counter_ns()) > 0:
                    if select.select([self._bell], [], [], remaining / 1e9)[0]:
                        heard = _last(os.read(self._bell, 64), b"p")
            if heard != b"p":
                # One more reading, so that a window that has just ended is bracketed too.
                self._tick()
        finally:
            self._cpu_ns = earlier_cpu_ns + time.process_time_ns() - cpu_ns
            self._sampled_ns = earlier_ns + time.perf_counter_ns() - started
        return _REASONS.get(heard, "")

    def _wait_paused(self) -> str:
        heard = b""
        while not heard:
            heard = _last(os.read(self._bell, 64), b"r")
        return _REASONS.get(heard, "")

    def _cost(self) -> None:
        cost = Cost(
            ticks=self._ticks,
            missed=self._missed,
            cpu_ns=self._cpu_ns,
            sampled_ns=self._sampled_ns,
            read_p50_ns=self._times.percentile(0.5),
            read_p99_ns=self._times.percentile(0.99),
        )
        self._writer.line(cost)


_REASONS = {b"e": "asked to end", b"t": "SIGTERM"}


def _last(heard: bytes, wanted: bytes) -> bytes:
    """What counts of the commands that were heard: ending, else the last one where it is the one that matters now."""
    for ending in (b"e", b"t"):
        if ending in heard:
            return ending
    return wanted if heard.endswith(wanted) else b""


def _first_line(descriptor: int) -> bytes:
    """The job's line, byte by byte: what follows it belongs to the watcher."""
    line = bytearray()
    while (byte := os.read(descriptor, 1)) and byte != b"\n":
        line += byte
    return bytes(line)


def main() -> int:
    """Runs one job; 0 unless the job itself is nonsense (2)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # stdout belongs to the vendor's library from here on: what it prints must not look like an answer.
    answers = os.dup(1)
    os.dup2(2, 1)
    try:
        job = msgspec.json.decode(_first_line(0), type=Job)
        if job.interval_ns <= 0:
            raise ValueError("interval_ns must be positive")
        _die_with_parent(job.parent)
        writer = Writer(job.out, job.most_bytes)
    except (msgspec.MsgspecError, ValueError, OSError) as error:
        _answer(answers, Ready(availability=Availability(available=False, reason=say(error))))
        return 2
    bell, ring = os.pipe()
    os.set_blocking(ring, False)
    done = threading.Event()

    def on_term(number: int, frame: Any) -> None:
        with suppress(OSError):
            os.write(ring, b"t")

    signal.signal(signal.SIGTERM, on_term)
    threading.Thread(target=_watch, args=(0, ring, done), daemon=True).start()
    meter, ready = _open_meter(job)
    if meter is None:
        _answer(answers, ready)
    else:
        try:
            _Loop(meter, job, ready, writer, bell, answers).run()
        except OSError as error:
            # A full disk ends the sampling, never the run; what was written stays readable.
            sys.stderr.write(f"npubench sampler: {error}\n")
        with suppress(Exception, SystemExit):
            meter.close()
    done.set()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
