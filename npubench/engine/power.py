"""Starts and stops the sampler, and reads its file; `ledger` makes joules of the readings (`energy`).

A failing meter never fails a measurement: it leaves a reason instead of readings.

Not aware of: meters' code (the sampler loads it, in its own environment), windows, cells.
"""

from __future__ import annotations

import math
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from npubench.engine.sampler import End, Header, Job, Line, Ready, Tick
from npubench.spi import Availability, Channel, Reading

_START_TIMEOUT_S = 30.0  # vendor bindings may take seconds to import
FILE, LOG = "power.jsonl", "power.stderr"


class SamplerLog(msgspec.Struct, frozen=True, kw_only=True):
    """A sampler's file. `ended` is None when it was killed; `cpu_ns` is what sampling had cost by the last line."""

    channels: tuple[Channel, ...] = ()
    interval_ns: int = 0
    readings: tuple[Reading, ...] = ()
    cpu_ns: int = 0
    missed: int = 0
    ended: str | None = None


class PowerSampler:
    """A running sampler process. `availability` says whether the meter answers; if not, the file stays empty.

    Start it from a thread that outlives it: the kernel ends it with the thread that started it (prctl(2)).
    """

    def __init__(self, process: subprocess.Popen[bytes] | None, file: Path, ready: Ready) -> None:
        self._process = process
        self.file = file
        self.availability = ready.availability
        self.channels = ready.channels

    @classmethod
    def start(
        cls,
        meter: str,
        interval_s: float,
        folder: Path,
        python: str = sys.executable,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> PowerSampler:
        """Starts reading `meter` (`module:attr`) every `interval_s` seconds into `folder`/power.jsonl, in `python`.

        Returns once the meter has answered (or has not: see `availability`); a failing meter never raises, because a
        measurement without energy is still a measurement. Raises ValueError for an interval that is not positive.
        """
        interval_ns = round(interval_s * 1e9) if math.isfinite(interval_s) else 0
        if interval_ns <= 0:
            raise ValueError(f"interval_s is {interval_s!r}; expected a positive number of seconds")
        file = folder / FILE
        with suppress(FileNotFoundError):
            file.unlink()
        job = Job(meter=meter, interval_ns=interval_ns, out=str(file.absolute()), parent=os.getpid())
        try:
            with (folder / LOG).open("wb") as log:
                process = subprocess.Popen(
                    [python, "-m", "npubench.engine.sampler"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=None if environment is None else dict(environment),
                    start_new_session=True,
                )
        except OSError as error:
            return cls(None, file, _absent(f"{python}: {error.strerror}"))
        sampler = cls(process, file, _absent("the sampler has not answered"))
        try:
            ready = _handshake(process, job, folder / LOG)
        except BaseException:
            sampler.stop(0.0)
            raise
        sampler.availability, sampler.channels = ready.availability, ready.channels
        if not ready.availability.available:
            sampler.stop()
        return sampler

    def stop(self, timeout_s: float = 5.0) -> Path:
        """Ends the sampler after one last reading and returns its file (which a failing meter leaves empty)."""
        process = self._process
        if process is None:
            return self.file
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return self.file

    def __enter__(self) -> PowerSampler:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def _absent(reason: str) -> Ready:
    return Ready(availability=Availability(available=False, reason=reason))


def _handshake(process: subprocess.Popen[bytes], job: Job, log: Path) -> Ready:
    """Sends the job and waits for the answer."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("the sampler's stdin and stdout must be pipes")
    with suppress(OSError):
        process.stdin.write(msgspec.json.encode(job) + b"\n")
        process.stdin.flush()
    answer, deadline = b"", time.monotonic() + _START_TIMEOUT_S
    descriptor = process.stdout.fileno()
    while not answer.endswith(b"\n"):
        if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return _absent(f"{job.meter} did not answer within {_START_TIMEOUT_S:g} s")
        piece = os.read(descriptor, 65536)
        if not piece:
            break
        answer += piece
    try:
        return msgspec.json.decode(answer, type=Ready)
    except msgspec.DecodeError:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        return _absent(f"the sampler ended without an answer: {last[0] if last else 'no message'}")


def read_log(file: Path) -> SamplerLog:
    """A sampler's file, whole or cut off by a kill: a last line that is not complete is left out.

    A missing or empty file is an empty log.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return SamplerLog()
    decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
    channels: tuple[Channel, ...] = ()
    readings: list[Reading] = []
    interval_ns = cpu_ns = missed = 0
    ended: str | None = None
    for raw in data.split(b"\n"):
        line: Line | None = None
        with suppress(msgspec.DecodeError):
            line = decoder.decode(raw)
        if isinstance(line, Header):
            channels, interval_ns = line.channels, line.interval_ns
        elif isinstance(line, Tick):
            readings.extend(line.readings)
            cpu_ns, missed = line.cpu_ns, line.missed
        elif isinstance(line, End):
            cpu_ns, missed, ended = line.cpu_ns, line.missed, line.reason
    return SamplerLog(
        channels=channels,
        interval_ns=interval_ns,
        readings=tuple(readings),
        cpu_ns=cpu_ns,
        missed=missed,
        ended=ended,
    )


def read_readings(file: Path) -> list[Reading]:
    """The readings in a sampler's file, in the order they were taken."""
    return list(read_log(file).readings)
