"""Starts, pauses and stops samplers, and cuts readings out of their growing files.

A failing meter never fails a measurement: it leaves a reason instead of readings. Nothing here waits for a meter that
does not answer, but for as long as it was told to.

Not aware of: meters' code (the sampler loads it, in its own environment), joules (`stats.ledger`), cells.
"""

from __future__ import annotations

import math
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from npubench.energy import MeterCost
from npubench.engine.recording import Cost, End, Header, Line, Status
from npubench.engine.sampler import Job, Ready
from npubench.spi import Availability, Channel, Reading
from npubench.stats.readings import OK, RECORD, Readings, Records

_START_TIMEOUT_S = 30.0  # vendor bindings may take seconds to import
NAME = "power"
LOG = ".stderr"
# Readings are in order but for a meter that follows a log: its rows come late, with their own times.
_UNORDERED_NS = 120_000_000_000


class SamplerLog(msgspec.Struct, frozen=True, kw_only=True):
    """What a sampler's second file says. `ended` is None when it was killed, or still runs; `cost` is the latest."""

    channels: tuple[Channel, ...] = ()
    interval_ns: int = 0
    statuses: tuple[str, ...] = (OK,)
    cost: MeterCost = MeterCost(readings=0)
    ended: str | None = None


class PowerSampler:
    """A running sampler process. `availability` says whether the meter answers; if not, the files stay empty.

    `rows` and `lines` are its files, `channels` and `first` what the meter has and its first reading of it.
    Start it from a thread that outlives it: the kernel ends it with the thread that started it (prctl(2)).
    """

    def __init__(self, process: subprocess.Popen[bytes] | None, stem: Path, meter: str, ready: Ready | None) -> None:
        self._process = process
        self._stem = stem
        self._meter = meter
        self._answer = b""
        self._answered = ready is not None
        self._stopped = False
        self.rows = stem.with_name(f"{stem.name}.bin")
        self.lines = stem.with_name(f"{stem.name}.jsonl")
        self.first: tuple[Reading, ...] = ()
        self._take(ready or _absent(f"{meter} has not answered yet"))

    def _take(self, ready: Ready) -> None:
        self.availability, self.channels = ready.availability, ready.channels
        self.interval_ns, self.first = ready.interval_ns, ready.readings

    @classmethod
    def begin(
        cls,
        meter: str,
        interval_s: float,
        folder: Path,
        python: str = sys.executable,
        *,
        name: str = NAME,
        options: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> PowerSampler:
        """Starts reading `meter` (`module:attr`) every `interval_s` seconds, in `python`; does not wait for an answer.

        It writes `folder`/`name`.bin, .jsonl and .stderr. A failing meter never raises, because a measurement without
        energy is still a measurement. Raises ValueError for an interval that is not positive.
        """
        interval_ns = round(interval_s * 1e9) if math.isfinite(interval_s) else 0
        if interval_ns <= 0:
            raise ValueError(f"interval_s is {interval_s!r}; expected a positive number of seconds")
        stem = folder.absolute() / name
        for ending in (".bin", ".jsonl", LOG):
            stem.with_name(f"{name}{ending}").unlink(missing_ok=True)
        job = Job(meter=meter, interval_ns=interval_ns, out=str(stem), options=dict(options or {}), parent=os.getpid())
        try:
            with stem.with_name(f"{name}{LOG}").open("wb") as log:
                process = subprocess.Popen(
                    [python, "-m", "npubench.engine.sampler"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=None if environment is None else dict(environment),
                    start_new_session=True,
                )
        except OSError as error:
            return cls(None, stem, meter, _absent(f"{python}: {error.strerror}"))
        if process.stdin is not None:
            # Read byte by byte before anything is imported that could hang; a job of 64 KiB does not exist.
            with suppress(OSError):
                process.stdin.write(msgspec.json.encode(job) + b"\n")
                process.stdin.flush()
        return cls(process, stem, meter, None)

    @classmethod
    def start(cls, meter: str, interval_s: float, folder: Path, *args: Any, **kwargs: Any) -> PowerSampler:
        """As `begin`, but returns once the meter has answered or has not within 30 s; then it has been stopped."""
        sampler = cls.begin(meter, interval_s, folder, *args, **kwargs)
        try:
            answered([sampler], _START_TIMEOUT_S)
        except BaseException:
            sampler.stop(0.0)
            raise
        if not sampler.availability.available:
            if not sampler.answered:
                sampler._take(_absent(f"{meter} did not answer within {_START_TIMEOUT_S:g} s"))
            sampler.stop()
        return sampler

    @property
    def answered(self) -> bool:
        """Whether the meter has said that it is there or not."""
        return self._answered

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def descriptor(self) -> int | None:
        """What becomes readable when the answer comes; None once it has come."""
        if self._answered or self._process is None or self._process.stdout is None:
            return None
        return self._process.stdout.fileno()

    def hear(self) -> None:
        """Reads what there is of the answer; call it when `descriptor` is readable."""
        descriptor = self.descriptor()
        if descriptor is None:
            return
        piece = os.read(descriptor, 65536)
        self._answer += piece
        if piece and not self._answer.endswith(b"\n"):
            return
        self._answered = True
        try:
            self._take(msgspec.json.decode(self._answer, type=Ready))
        except msgspec.DecodeError:
            self._take(_absent(f"the sampler of {self._meter} ended without an answer: {self._last_words()}"))

    def _last_words(self) -> str:
        text = ""
        with suppress(OSError):
            text = self._stem.with_name(f"{self._stem.name}{LOG}").read_text(encoding="utf-8", errors="replace")
        last = text.strip().splitlines()[-1:]
        return last[0][:300] if last else "no message"

    def pause(self) -> None:
        """Asks it to read no more until `resume`. One reading may still be under way."""
        self._tell(b"pause\n")

    def resume(self) -> None:
        """Asks it to read again, from now on."""
        self._tell(b"resume\n")

    def _tell(self, command: bytes) -> None:
        if self._process is not None and self._process.stdin is not None and not self._stopped:
            with suppress(OSError):
                self._process.stdin.write(command)
                self._process.stdin.flush()

    def ask_to_end(self) -> None:
        """Lets it end in its own time; several samplers then end at once. `stop` waits for it."""
        self._stopped = True
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()

    def stop(self, timeout_s: float = 5.0) -> Path:
        """Ends the sampler after one last reading and returns its file of rows (which a failing meter leaves empty)."""
        self.ask_to_end()
        if self._process is not None:
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return self.rows

    def log(self) -> SamplerLog:
        """What its second file says by now."""
        return read_log(self.lines)

    def readings(self, start_ns: int, end_ns: int) -> Readings:
        """What was begun to be read in [start, end), as far as it has been written."""
        return cut(self.rows, self.log(), start_ns, end_ns)

    def newest_ns(self) -> int | None:
        """When the newest reading that was written was begun; None before the first."""
        table = mapped(self.rows)
        return int(table["before_ns"][-1]) if len(table) else None

    def __enter__(self) -> PowerSampler:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def _absent(reason: str) -> Ready:
    return Ready(availability=Availability(available=False, reason=reason))


def answered(samplers: Iterable[PowerSampler], seconds: float) -> None:
    """Waits until all of them have answered, for so long at most. Their handshakes run at the same time."""
    deadline = time.monotonic() + seconds
    waiting = {found: sampler for sampler in samplers if (found := sampler.descriptor()) is not None}
    while waiting:
        ready = select.select(list(waiting), [], [], max(0.0, deadline - time.monotonic()))[0]
        if not ready:
            return
        for descriptor in ready:
            waiting[descriptor].hear()
            if waiting[descriptor].answered:
                del waiting[descriptor]


def mapped(rows: Path) -> Records:
    """The rows of a sampler's file, mapped and not read; a last one that is not whole is left out. Empty where it is
    not there.
    """
    with suppress(OSError):
        count = rows.stat().st_size // RECORD.itemsize
        if count:
            found: Records = np.memmap(rows, dtype=RECORD, mode="r", shape=(count,))
            return found
    return np.empty(0, RECORD)


def cut(rows: Path, log: SamplerLog, start_ns: int, end_ns: int) -> Readings:
    """The rows that were begun in [start, end): found by halving, so that a day's file is not read.

    Rows that name no channel or status of the log (a damaged file) are left out.
    """
    table = mapped(rows)
    if len(table):
        begun = table["before_ns"]
        first, last = np.searchsorted(begun, np.array([start_ns - _UNORDERED_NS, end_ns + _UNORDERED_NS]))
        table = np.array(table[first:last])
        table = table[(table["channel"] < len(log.channels)) & (table["status"] < len(log.statuses))]
    return Readings(log.channels, log.statuses, table).between(start_ns, end_ns)


def read_log(lines: Path) -> SamplerLog:
    """A sampler's second file, whole or cut off by a kill: a line that is not complete is left out.

    A missing or empty file is an empty log.
    """
    try:
        data = lines.read_bytes()
    except OSError:
        return SamplerLog()
    decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
    header: Header | None = None
    statuses: dict[int, str] = {0: OK}
    cost, ended = MeterCost(readings=0), None
    for raw in data.split(b"\n"):
        line: Line | None = None
        with suppress(msgspec.DecodeError):
            line = decoder.decode(raw)
        if isinstance(line, Header):
            header = line
        elif isinstance(line, Status):
            statuses[line.code] = line.text
        elif isinstance(line, Cost):
            cost = _cost(line)
        elif isinstance(line, End):
            ended = line.reason
    return SamplerLog(
        channels=header.channels if header is not None else (),
        interval_ns=header.interval_ns if header is not None else 0,
        statuses=_in_place(statuses),
        cost=cost,
        ended=ended,
    )


def _in_place(statuses: Mapping[int, str]) -> tuple[str, ...]:
    most = min(max(statuses), 0xFFFF)
    return tuple(statuses.get(code, "a status whose text was lost") for code in range(most + 1))


def _cost(line: Cost) -> MeterCost:
    return MeterCost(
        readings=line.ticks,
        missed=line.missed,
        cpu_share=line.cpu_ns / line.sampled_ns if line.sampled_ns > 0 else None,
        read_p50_ns=line.read_p50_ns,
        read_p99_ns=line.read_p99_ns,
    )


def all_readings(sampler: PowerSampler) -> Readings:
    """Everything that a sampler has written, for a short look."""
    return sampler.readings(-(1 << 62), 1 << 62)


def ended(samplers: Sequence[PowerSampler], timeout_s: float = 5.0) -> None:
    """Ends all of them at the same time; one that hangs is killed after `timeout_s`."""
    for sampler in samplers:
        sampler.ask_to_end()
    deadline = time.monotonic() + timeout_s
    for sampler in samplers:
        sampler.stop(max(0.0, deadline - time.monotonic()))
