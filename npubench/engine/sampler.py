"""Reads one meter at absolute deadlines in a process of its own: `python -m npubench.engine.sampler`.

It disturbs neither the measuring process nor the parent, runs in whatever environment has the meter's binding (Python
3.10, numpy, msgspec), and outlives every fault of the meter: an exception becomes the status of a reading.

Protocol: the first line of stdin is a `Job` (JSON). The answer is one `Ready` line on stdout once the first reading is
down; what libraries print goes to stderr. Sampling ends on end of file on stdin, on SIGTERM, or when the file is full;
a watcher thread ends the process if a hung meter keeps it from noticing that its parent is gone.

The file is JSON lines, one write per line, so that it is readable after a kill: a `Header`, one `Tick` per deadline, an
`End`. Times are CLOCK_MONOTONIC ns. Every tick carries the CPU time used so far: what measuring costs is itself known.

Not aware of: windows, energy (`power`), which process is measured.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from npubench.engine.protocol import resolve
from npubench.spi import Availability, Channel, Meter, Reading

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# At 5 readings a second and 150 bytes each, a day takes 65 MB; a runaway interval must not fill the disk.
MOST_BYTES = 256 << 20
_GRACE_S = 2.0
_READINGS: msgspec.json.Decoder[tuple[Reading, ...]] = msgspec.json.Decoder(tuple[Reading, ...])


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """`meter` is `module:attr` of a factory; `out` the file to write, which must not exist."""

    meter: str
    interval_ns: int
    out: str
    most_bytes: int = MOST_BYTES
    parent: int | None = None


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The sampler's answer to its job: whether it reads, and which channels."""

    availability: Availability
    channels: tuple[Channel, ...] = ()


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="header", tag_field="line"):
    """First line of the file."""

    meter: str
    interval_ns: int
    pid: int
    channels: tuple[Channel, ...]


class Tick(msgspec.Struct, frozen=True, kw_only=True, tag="tick", tag_field="line"):
    """One reading of all channels. `cpu_ns` is the sampling CPU time so far, `missed` the deadlines skipped so far."""

    readings: tuple[Reading, ...]
    cpu_ns: int
    missed: int


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end", tag_field="line"):
    """Last line, absent after a kill. `process_cpu_ns` includes starting and importing."""

    reason: str
    ticks: int
    missed: int
    cpu_ns: int
    process_cpu_ns: int


Line = Header | Tick | End


def _append(descriptor: int, line: Line) -> int:
    data = msgspec.json.encode(line) + b"\n"
    return os.write(descriptor, data)


def _answer(descriptor: int, ready: Ready) -> None:
    # The parent may be gone already; then stdin says so too.
    with suppress(OSError):
        os.write(descriptor, msgspec.json.encode(ready) + b"\n")
        os.close(descriptor)


def _say(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def _open_meter(code: str) -> tuple[Meter | None, Ready]:
    """The meter that `code` names, if it is there. Some bindings raise all sorts of errors on import."""
    try:
        meter: Meter = resolve(code)()
        availability = meter.probe()
        if not availability.available:
            meter.close()
            return None, Ready(availability=availability)
        return meter, Ready(availability=availability, channels=tuple(meter.channels()))
    except (Exception, SystemExit) as error:
        return None, Ready(availability=Availability(available=False, reason=f"{code}: {_say(error)}"))


def take(meter: Meter, channels: Sequence[Channel]) -> tuple[Reading, ...]:
    """One reading of each channel; an exception or a silent channel gives a reading with a null value and a status."""
    before = time.perf_counter_ns()
    try:
        # A copy through JSON's types now, so that a value that cannot be written is a fault of this reading only.
        found = _READINGS.decode(msgspec.json.encode(tuple(meter.read())))
        status = "the meter gave no reading for this channel"
    except (Exception, SystemExit) as error:
        found, status = (), f"raised {_say(error)}"
    after = time.perf_counter_ns()
    seen = {reading.channel for reading in found}
    silent = tuple(
        Reading(channel=channel.name, value=None, before_ns=before, after_ns=after, status=status)
        for channel in channels
        if channel.name not in seen
    )
    return found + silent


def _die_with_parent(parent: int | None) -> None:
    """Asks the kernel for SIGTERM when the thread that started this process ends (prctl(2)); Linux only."""
    with suppress(Exception):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        raise SystemExit(0)


def _watch(stdin: int, wake: int, done: threading.Event) -> None:
    """Thread: wakes the loop at end of file on stdin, and ends the process if the loop does not end in time."""
    with suppress(OSError):
        while os.read(stdin, 4096):
            pass
    with suppress(OSError):
        os.write(wake, b"e")
    if not done.wait(_GRACE_S):
        os._exit(0)


def _loop(meter: Meter, job: Job, ready: Ready, descriptor: int, bell: int, answers: int) -> None:
    channels = ready.channels
    header = Header(meter=job.meter, interval_ns=job.interval_ns, pid=os.getpid(), channels=channels)
    written = _append(descriptor, header)
    started_cpu = time.process_time_ns()
    deadline, ticks, missed, reason = time.perf_counter_ns(), 0, 0, ""
    while not reason:
        readings = take(meter, channels)
        ticks += 1
        cpu_ns = time.process_time_ns() - started_cpu
        written += _append(descriptor, Tick(readings=readings, cpu_ns=cpu_ns, missed=missed))
        if ticks == 1:
            # Not before the first reading is down: a window that starts after the answer is bracketed.
            _answer(answers, ready)
        if written >= job.most_bytes:
            reason = "the file reached its size limit"
            break
        now = time.perf_counter_ns()
        deadline += job.interval_ns
        if deadline <= now:
            late = (now - deadline) // job.interval_ns + 1
            missed += late
            deadline += late * job.interval_ns
        while not reason and (remaining := deadline - time.perf_counter_ns()) > 0:
            if select.select([bell], [], [], remaining / 1e9)[0]:
                reason = "SIGTERM" if b"e" not in os.read(bell, 64) else "asked to end"
    # One more reading, so that a window that has just ended is bracketed too.
    readings = take(meter, channels)
    cpu_ns = time.process_time_ns() - started_cpu
    _append(descriptor, Tick(readings=readings, cpu_ns=cpu_ns, missed=missed))
    end = End(reason=reason, ticks=ticks + 1, missed=missed, cpu_ns=cpu_ns, process_cpu_ns=time.process_time_ns())
    _append(descriptor, end)


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
        descriptor = os.open(job.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except (msgspec.MsgspecError, ValueError, OSError) as error:
        _answer(answers, Ready(availability=Availability(available=False, reason=_say(error))))
        return 2
    bell, ring = os.pipe()
    os.set_blocking(ring, False)
    done = threading.Event()

    def on_term(number: int, frame: Any) -> None:
        with suppress(OSError):
            os.write(ring, b"t")

    signal.signal(signal.SIGTERM, on_term)
    threading.Thread(target=_watch, args=(0, ring, done), daemon=True).start()
    meter, ready = _open_meter(job.meter)
    if meter is None:
        _answer(answers, ready)
    else:
        try:
            _loop(meter, job, ready, descriptor, bell, answers)
        except OSError as error:
            # A full disk ends the sampling, never the run; what was written stays readable.
            sys.stderr.write(f"npubench sampler: {error}\n")
        with suppress(Exception, SystemExit):
            meter.close()
    done.set()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
