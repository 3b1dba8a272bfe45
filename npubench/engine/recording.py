"""What a sampler writes: readings that can be written, as rows of a fixed size, and lines that say what they mean.

`<out>.bin` has one row of `stats.readings.RECORD` per reading; `<out>.jsonl` has the `Header`, the text of every status
before it is first used (`Status`), what sampling costs (`Cost`, now and then) and an `End`. Both are readable at any
time and after a kill: a last row or line that is not whole is to be left out.

Not aware of: when meters are read (`sampler`), who reads the files (`power`).
"""

from __future__ import annotations

import math
import os
import struct
import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from npubench.spi import Channel, Meter, Reading
from npubench.stats.readings import OK

_ROW = struct.Struct("<qqdHHI")
"""One row of `stats.readings.RECORD`."""
# A meter that words every fault anew must not fill the 16 bits of a status.
_MOST_STATUSES = 1000
_MOST_TEXT = 300
# Places of the histogram of read times: 64 to a doubling, so a percentile is told within 1.1 %.
_PER_DOUBLING = 64


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="header", tag_field="line"):
    """First line of the file. `interval_ns` is the meter's own where that is longer (`spi.Paced`)."""

    meter: str
    interval_ns: int
    pid: int
    channels: tuple[Channel, ...]


class Status(msgspec.Struct, frozen=True, kw_only=True, tag="status", tag_field="line"):
    """What the status `code` of a row says; code 0 is ok and has no line."""

    code: int
    text: str


class Cost(msgspec.Struct, frozen=True, kw_only=True, tag="cost", tag_field="line"):
    """What sampling has cost so far: `ticks` readings of all channels, `missed` deadlines that were skipped, CPU time
    out of the time in which it sampled (pauses and starting left out), and how long a reading takes.
    """

    ticks: int
    missed: int
    cpu_ns: int
    sampled_ns: int
    read_p50_ns: int | None = None
    read_p99_ns: int | None = None


class End(msgspec.Struct, frozen=True, kw_only=True, tag="end", tag_field="line"):
    """Last line, absent after a kill. `process_cpu_ns` includes starting and importing."""

    reason: str
    process_cpu_ns: int


Line = Header | Status | Cost | End


class Full(Exception):  # noqa: N818 - how a file of bounded size ends
    """The file has reached its size limit, or the disk is full; the text says which."""


class Times:
    """How long reads took: counts by the logarithm, so that a day of them takes no memory."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._total = 0

    def add(self, duration_ns: int) -> None:
        """Counts one read."""
        place = round(math.log2(max(1, duration_ns)) * _PER_DOUBLING)
        self._counts[place] = self._counts.get(place, 0) + 1
        self._total += 1

    def percentile(self, share: float) -> int | None:
        """The time that this share of the reads did not exceed; None before the first."""
        left = math.ceil(self._total * share)
        for place in sorted(self._counts):
            left -= self._counts[place]
            if left <= 0:
                return round(math.pow(2, place / _PER_DOUBLING))
        return None


class Writer:
    """The two files of one meter; `out` is without their endings. Raises OSError where they exist already."""

    def __init__(self, out: str, most_bytes: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._rows = os.open(f"{out}.bin", flags, 0o644)
        self._lines = os.open(f"{out}.jsonl", flags, 0o644)
        self._left = most_bytes
        self._codes: dict[str, int] = {OK: 0}
        self._places: dict[str, int] = {}

    def line(self, line: Line) -> None:
        """One line of the second file."""
        os.write(self._lines, msgspec.json.encode(line) + b"\n")

    def head(self, header: Header) -> None:
        """The first line; the channels' places are theirs from now on."""
        self._places = {channel.name: place for place, channel in enumerate(header.channels)}
        self.line(header)

    def rows(self, readings: Iterable[Reading]) -> None:
        """Writes the readings of one tick. Raises Full."""
        found = [
            _ROW.pack(
                reading.before_ns,
                reading.after_ns,
                math.nan if reading.value is None else reading.value,
                self._places[reading.channel],
                self._code(reading.status),
                0,
            )
            for reading in readings
        ]
        data = b"".join(found)
        if os.write(self._rows, data) < len(data):
            raise Full("the disk is full")
        self._left -= len(data)
        if self._left <= 0:
            raise Full("the file reached its size limit")

    def _code(self, status: str) -> int:
        known = self._codes.get(status)
        if known is not None:
            return known
        if len(self._codes) >= _MOST_STATUSES:
            status = "another fault than those before"
            if status in self._codes:
                return self._codes[status]
        code = self._codes[status] = len(self._codes)
        self.line(Status(code=code, text=status))
        return code


def say(error: BaseException) -> str:
    """An error in a line."""
    return f"{type(error).__name__}: {error}"[:_MOST_TEXT]


def take(meter: Meter, channels: Sequence[Channel]) -> list[Reading]:
    """One reading of each channel, in the order of their times, each of which can be written.

    A value that is no finite number becomes None with a status that names it; an exception or a silent channel gives a
    reading without a value; readings of channels that were never announced are left out.
    """
    known = {channel.name for channel in channels}
    before = time.perf_counter_ns()
    found: list[Reading] = []
    status = "the meter gave no reading for this channel"
    try:
        found.extend(map(_sound, meter.read()))
    except (Exception, SystemExit) as error:
        status = f"raised {say(error)}"
    after = time.perf_counter_ns()
    found = [reading for reading in found if reading.channel in known]
    if len(found) < len(known) or len({reading.channel for reading in found}) < len(known):
        seen = {reading.channel for reading in found}
        found += [
            Reading(channel=channel.name, value=None, before_ns=before, after_ns=after, status=status)
            for channel in channels
            if channel.name not in seen
        ]
    found.sort(key=_begun)
    return found


def _begun(reading: Reading) -> int:
    return reading.before_ns


def _sound(reading: Any) -> Reading:
    """`reading` as it can be written. Raises TypeError for what is none, and OverflowError for times beyond 64 bits."""
    if not (
        isinstance(reading, Reading)
        and isinstance(reading.channel, str)
        and isinstance(reading.before_ns, int)
        and isinstance(reading.after_ns, int)
        and isinstance(reading.status, str)
    ):
        raise TypeError(f"found {reading!r:.200}; expected a Reading")
    if max(abs(reading.before_ns), abs(reading.after_ns)) >> 63:
        raise OverflowError(f"the times of {reading.channel} are no nanoseconds of CLOCK_MONOTONIC")
    value: Any = reading.value
    status = reading.status
    if type(value) is float and math.isfinite(value) and status == OK:
        return reading
    if value is not None:
        try:
            # numpy's numbers are numbers; a text is none, though float() would take "12".
            number = math.nan if isinstance(value, (str, bytes)) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            status = f"the value was {value!r:.60}" if status == OK else status
        value = number if math.isfinite(number) else None
    elif status == OK:
        status = "no value"
    return msgspec.structs.replace(reading, value=value, status=status[:_MOST_TEXT])
