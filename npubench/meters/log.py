"""The growing log (CSV) of an external power meter, followed while it is written.

    [[meters]]
    use = "meter-csv"
    [meters.options]
    file = "/var/log/pdu/outlet-17.csv"
    timezone = "+09:00"       # of stamps that name none
    offset_s = 3.0            # log time + offset_s = this machine's wall time
    uncertainty_s = 0.1       # of that offset; without one there is no alignment
    scope = "wall"
    columns = "time=1,power=2"

Readings carry the log's own times on CLOCK_MONOTONIC, ± uncertainty. A log that comes late (buffered by its writer) may
lack a window's end; `npubench power attach` reads it after the run and can align it by a pulse.

Not aware of: how a log is written (`metering_log`), joules.
"""

from __future__ import annotations

import codecs
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from npubench import metering_log
from npubench.energy import ClockPair
from npubench.errors import DataError
from npubench.metering_log import Layout, Row, Wanted
from npubench.spi import Availability, Channel, MeterScope, Reading
from npubench.stats.alignment import Tie
from npubench.stats.logged import channels, monotonic_ns

_TEXTS = ("columns", "delimiter", "decimal", "timezone", "dates")
_OPTIONS = ("file", "name", "scope", "offset_s", "uncertainty_s", *_TEXTS)
_FIX = 'a meters file with [[meters]] use = "meter-csv" and [meters.options] file = "…", uncertainty_s = …'
_SILENT = 5  # intervals without a row, after which the log is said to stand still
_AT_ONCE = 1 << 20  # bytes of a log that are read in one look


class LogMeter:
    """A `spi.Meter` with a channel for the log's power and one for its energy."""

    interval_ns = 100_000_000

    def __init__(self) -> None:
        self._file: Path | None = None
        self._name = "meter-csv"
        self._scope: MeterScope = "node"
        self._offset_s, self._uncertainty_s = 0.0, 0.0
        self._wanted = Wanted()
        self._layout: Layout | None = None
        self._channels: tuple[Channel, ...] = ()
        self._decoder: codecs.IncrementalDecoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._position, self._rest, self._line = 0, "", 0
        self._last: Row | None = None
        self._silent_ns = 0

    def configure(self, options: Mapping[str, Any]) -> None:
        """Raises ValueError that names the option, what was found and what was expected."""
        for name in options:
            if name not in _OPTIONS:
                raise ValueError(f"{name}: not an option of meter-csv; expected one of {', '.join(_OPTIONS)}")
        for name in ("file", "name", *_TEXTS):
            if name in options and not isinstance(options[name], str):
                raise ValueError(f"{name}: found {options[name]!r}; expected a text")
        if not options.get("file"):
            raise ValueError("file: missing; expected the path of the meter's log")
        self._file = Path(options["file"]).expanduser()
        if options.get("name"):
            self._name = f"meter-csv.{options['name']}"
        scope = options.get("scope", "node")
        if scope not in get_args(MeterScope):
            raise ValueError(f"scope: found {scope!r}; expected one of {', '.join(get_args(MeterScope))}")
        self._scope = cast("MeterScope", scope)
        self._offset_s = _seconds(options, "offset_s", 0.0)
        if "uncertainty_s" not in options:
            raise ValueError("uncertainty_s: missing; expected how far offset_s may be off (NTP on both sides: 0.1)")
        self._uncertainty_s = _seconds(options, "uncertainty_s", 0.0)
        if self._uncertainty_s <= 0:
            raise ValueError(f"uncertainty_s: found {self._uncertainty_s:g}; expected seconds, over 0")
        self._wanted = Wanted(**{name: options[name] for name in _TEXTS if name in options})

    def probe(self) -> Availability:
        if self._file is None:
            return Availability(available=False, reason="no log is named", fix=_FIX)
        try:
            data = self._file.read_bytes()
            if not data:
                raise DataError(f"{self._file}: the log is empty", hint="start the meter's logging before the run")
            self._begin(data)
        except OSError as error:
            said = f"{self._file}: the log cannot be read: {error.strerror}"
            return Availability(available=False, reason=said, fix="start the meter's logging, or name another file")
        except DataError as error:
            fix = (error.hint or "").replace("--", "option ") or _FIX
            return Availability(available=False, reason=str(error), fix=fix)
        return Availability(available=True)

    def _begin(self, data: bytes) -> None:
        """Settles how the log is written, by all that is there. Raises DataError."""
        assert self._file is not None
        whole = data[: data.rfind(b"\n") + 1]
        log = metering_log.parse(whole, self._file.name, self._wanted)
        lines, encoding = metering_log.text_lines(whole, self._file.name)
        self._layout = metering_log.settle(lines, self._file.name, self._wanted)
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._decoder.decode(whole)
        self._position, self._rest, self._line = len(whole), "", len(lines)
        known = [item for item in metering_log.rows(lines[-3:], self._layout) if isinstance(item, Row)]
        self._last = known[-1] if known else None
        self._channels = channels(log.sources, self._name, self._file.name, self._scope, log.interval_ns)
        self._silent_ns = max(_SILENT * (log.interval_ns or 0), 5_000_000_000)

    def channels(self) -> Sequence[Channel]:
        return self._channels

    def read(self) -> Sequence[Reading]:
        """The rows that are new; where there are none, the last one again, with its own time."""
        now = time.perf_counter_ns()
        clocks = Tie(pairs=(ClockPair(monotonic_ns=now, wall_ns=time.time_ns(), gap_ns=0),))
        try:
            rows = self._new()
        except (OSError, DataError) as error:
            said = getattr(error, "strerror", None) or str(error)
            return self._faulty(f"the log cannot be read any more: {said}", now)
        if rows:
            self._last = rows[-1]
        elif self._last is not None:
            rows = [self._last]
        found = [reading for row in rows for reading in self._readings(row, clocks, now)]
        if not found or found[-1].after_ns < now - self._silent_ns:
            return self._faulty(f"the log has had no row for over {self._silent_ns / 1e9:.0f} s", now)
        return found

    def _new(self) -> list[Row]:
        """Whole lines that came since the last look."""
        assert self._file is not None
        assert self._layout is not None
        with self._file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size < self._position:
                # Begun anew: its header again, and everything after it.
                self._begin(stream.read())
                return [self._last] if self._last is not None else []
            stream.seek(self._position)
            data = stream.read(_AT_ONCE)
        self._position += len(data)
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        self._line += len(lines)
        return [item for item in metering_log.rows(lines, self._layout) if isinstance(item, Row)]

    def _readings(self, row: Row, clocks: Tie, now: int) -> list[Reading]:
        moment = int(monotonic_ns(np.array([row.time_ns], dtype=np.int64), self._offset_s, clocks)[0])
        margin = round(self._uncertainty_s * 1e9)
        ahead_s = (moment - margin - now) / 1e9
        found = []
        for channel, (value, status) in zip(self._channels, row.values, strict=True):
            if ahead_s > 0:
                status = f"the row is {ahead_s:.1f} s ahead of this machine's clock: offset_s is wrong"
            found.append(
                Reading(
                    channel=channel.name,
                    value=value if status == "ok" and math.isfinite(value) else None,
                    before_ns=moment - margin,
                    after_ns=moment + margin,
                    status=status,
                )
            )
        return found

    def _faulty(self, status: str, now: int) -> list[Reading]:
        return [
            Reading(channel=channel.name, value=None, before_ns=now, after_ns=now, status=status)
            for channel in self._channels
        ]

    def close(self) -> None:
        """Nothing is held."""


def _seconds(options: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = options.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name}: found {value!r}; expected seconds")
    return float(value)
