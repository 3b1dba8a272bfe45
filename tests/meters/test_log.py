"""The meter that follows a growing log."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from npubench.meters.log import LogMeter
from npubench.spi import Configurable, Meter, Paced, Reading

HEADER = "Time,Power (W)\n"


def stamp(ago_s: float = 0.0) -> str:
    return (datetime.now(timezone.utc) - timedelta(seconds=ago_s)).isoformat(timespec="milliseconds")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "pdu.csv"
    path.write_text(HEADER + "".join(f"{stamp(ago)},{100 + ago}\n" for ago in (3, 2, 1)))
    return path


def follow(log: Path, **options: Any) -> LogMeter:
    meter = LogMeter()
    meter.configure({"file": str(log), "uncertainty_s": 0.1, **options})
    return meter


def append(log: Path, text: str) -> None:
    with log.open("a") as stream:
        stream.write(text)


def values(readings: Any) -> list[float | None]:
    found: list[Reading] = list(readings)
    return [reading.value for reading in found]


def test_rows_as_they_come(log: Path) -> None:
    meter = follow(log, scope="wall")
    kept: Meter = meter
    assert isinstance(meter, Configurable)
    assert isinstance(meter, Paced)
    assert kept.probe().available
    (channel,) = meter.channels()
    assert (channel.name, channel.scope, channel.unit) == ("meter-csv.Power", "wall", "W")
    # Nothing new: the last row again, with its own time.
    first = meter.read()
    assert values(first) == [101]
    assert values(meter.read()) == [101]
    now = time.perf_counter_ns()
    middle = (first[0].before_ns + first[0].after_ns) / 2
    assert abs(now - middle - 1e9) < 0.5e9
    assert first[0].after_ns - first[0].before_ns == 200_000_000
    append(log, f"{stamp(0.6)},110\n{stamp(0.5)},111\n{stamp(0.4)},11")
    assert values(meter.read()) == [110, 111]
    # A row that is half written waits for its other half.
    append(log, "2.5\n")
    assert values(meter.read()) == [112.5]
    append(log, f"{stamp()},N/A\n")
    (bad,) = meter.read()
    assert (bad.value, bad.status) == (None, 'the cell says "N/A"')


def test_clocks_that_are_apart(log: Path) -> None:
    """A log that is ahead says so; the offset brings its rows back to where they belong."""
    meter = follow(log)
    assert meter.probe().available
    append(log, f"{stamp(-3)},100\n")
    (ahead,) = meter.read()
    assert ahead.value is None
    assert "s ahead of this machine's clock: offset_s is wrong" in ahead.status
    right = follow(log, offset_s=-3.0)
    assert right.probe().available
    append(log, f"{stamp(-3)},100\n")
    (found,) = right.read()
    assert (found.value, found.status) == (100, "ok")
    assert abs(time.perf_counter_ns() - (found.before_ns + found.after_ns) / 2) < 0.5e9


def test_a_log_that_stands_still_or_is_gone(log: Path) -> None:
    log.write_text(HEADER + "".join(f"{stamp(60 + ago)},{100 + ago}\n" for ago in (3, 2, 1)))
    meter = follow(log)
    assert meter.probe().available
    (still,) = meter.read()
    assert (still.value, still.status) == (None, "the log has had no row for over 5 s")
    log.unlink()
    (gone,) = meter.read()
    assert "cannot be read any more: No such file" in gone.status


def test_a_log_that_is_begun_anew(log: Path) -> None:
    meter = follow(log)
    assert meter.probe().available
    log.write_text(HEADER + f"{stamp()},42\n")
    assert values(meter.read()) == [42]
    append(log, f"{stamp()},43\n")
    assert values(meter.read()) == [43]
    log.write_text("")
    assert meter.read()[0].value is None


@pytest.mark.parametrize(
    ("text", "said", "fix"),
    [
        ("", "the log is empty", "before the run"),
        (HEADER, "no row after the header", "before the run"),
        ("1795600800,5\n1795600801,5\n", "no header line was found", "option columns"),
        (HEADER + "2026-11-25 10:00:00,5\n", "names no time zone", "option timezone"),
        (HEADER + "2026-11-25 10:00:00,5", "no row after the header", "before the run"),
    ],
)
def test_probe_says_what_is_missing(tmp_path: Path, text: str, said: str, fix: str) -> None:
    path = tmp_path / "pdu.csv"
    path.write_text(text)
    probed = follow(path).probe()
    assert not probed.available
    assert said in (probed.reason or "")
    assert fix in (probed.fix or "")


def test_no_file(tmp_path: Path) -> None:
    probed = follow(tmp_path / "pdu.csv").probe()
    assert "cannot be read: No such file" in (probed.reason or "")
    assert "[[meters]]" in (LogMeter().probe().fix or "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "file: missing"),
        ({"file": "a.csv"}, "uncertainty_s: missing"),
        ({"file": "a.csv", "uncertainty_s": 0}, "uncertainty_s: found 0"),
        ({"file": "a.csv", "uncertainty_s": "0.1"}, "uncertainty_s: found '0.1'"),
        ({"file": "a.csv", "uncertainty_s": 1, "scope": "house"}, "scope: found 'house'"),
        ({"file": "a.csv", "uncertainty_s": 1, "timezone": 9}, "timezone: found 9"),
        ({"file": "a.csv", "uncertainty_s": 1, "tz": "UTC"}, "tz: not an option of meter-csv"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as error:
        LogMeter().configure(options)
    assert said in str(error.value)
