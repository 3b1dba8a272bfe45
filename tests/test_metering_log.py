"""Logs of external power meters: what is taken is said, what is open is an error that names the line."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.errors import DataError
from npubench.metering_log import MeterLog, Wanted, parse

GOOD = "Time,Power (W)\n2026-11-25T10:00:00Z,10.5\n2026-11-25T10:00:01Z,11\n2026-11-25T10:00:02Z,12.25\n"
START = round(datetime(2026, 11, 25, 10, tzinfo=timezone.utc).timestamp()) * 1_000_000_000


def read(text: str | bytes, **wanted: str) -> MeterLog:
    return parse(text.encode() if isinstance(text, str) else text, "meter.csv", Wanted(**wanted))


def refused(text: str | bytes, **wanted: str) -> DataError:
    with pytest.raises(DataError) as error:
        read(text, **wanted)
    assert str(error.value).startswith("meter.csv: ")
    return error.value


def said(log: MeterLog) -> str:
    return "; ".join(text.en for text in (*log.taken, *log.remarks))


def test_a_plain_log() -> None:
    log = read(GOOD)
    assert log.values[:, 0].tolist() == [10.5, 11, 12.25]
    assert log.times_ns.tolist() == [START, START + 10**9, START + 2 * 10**9]
    assert (log.interval_ns, log.resolution_ns, log.remarks) == (10**9, 10**9, ())
    assert "cells separated by a comma; decimal sign .; power from column 2 (Power), in W" in said(log)


# A time zone.


def test_a_time_without_a_zone_needs_one() -> None:
    text = GOOD.replace("Z", "")
    error = refused(text)
    assert 'line 2: "2026-11-25T10:00:00" names no time zone' in str(error)
    assert "--timezone +09:00" in str(error.hint)
    log = read(text, timezone="+09:00")
    assert log.times_ns[0] == START - 9 * 3600 * 10**9
    assert "time zone +09:00, as given" in said(log)


def test_a_zone_in_each_row_wins_and_a_zone_in_the_header_counts() -> None:
    assert read(GOOD, timezone="+09:00").times_ns[0] == START
    log = read(GOOD.replace("Z", "").replace("Time,", "Time (UTC+1),"))
    assert log.times_ns[0] == START - 3600 * 10**9
    assert "time zone UTC+1, by its header" in said(log)
    assert "is not known here" in str(refused(GOOD, timezone="Mars/Phobos"))


# A decimal comma.


def test_a_decimal_comma_with_semicolons() -> None:
    log = read("Zeit;P (kW)\n2026-11-25T10:00:00Z;1,25\n2026-11-25T10:00:01Z;1.200,5\n")
    assert log.values[:, 0].tolist() == [1.25, 1200.5]
    assert "decimal sign ," in said(log)
    assert log.sources[0].unit == "kW"


def test_a_decimal_comma_between_commas() -> None:
    error = refused("Time,Power (W)\n2026-11-25T10:00:00Z,10,5\n2026-11-25T10:00:01Z,11,5\n")
    assert "line 2 has 3 cells where the header (line 1) has 2: is a comma the decimal sign as well?" in str(error)
    assert "semicolons" in str(error.hint)
    quoted = read('Time,Power (W)\n2026-11-25T10:00:00Z,"10,5"\n2026-11-25T10:00:01Z,"11,5"\n')
    assert quoted.values[:, 0].tolist() == [10.5, 11.5]


def test_a_comma_that_may_be_either() -> None:
    text = "Time;Power (W)\n2026-11-25T10:00:00Z;1,234\n2026-11-25T10:00:01Z;1,235\n"
    error = refused(text)
    assert 'line 2: "1,234" may be 1.234 or 1234' in str(error)
    assert read(text, decimal=",").values[0, 0] == 1.234
    assert read(text, decimal=".").values[0, 0] == 1234
    both = refused("Time;Power (W)\n2026-11-25T10:00:00Z;1,25\n2026-11-25T10:00:01Z;1.25\n")
    assert 'line 3 has "1.25" and line 2 "1,25": which is the decimal sign?' in str(both)


# A gap.


def test_a_gap_stays_a_gap() -> None:
    rows = "".join(f"{1_795_600_800 + second},{second}\n" for second in (*range(10), *range(40, 50)))
    log = read("Time,Power (W)\n" + rows)
    assert len(log.times_ns) == 20
    assert np.diff(log.times_ns).max() == 31 * 10**9
    assert log.interval_ns == 10**9


# A missing header.


def test_a_missing_header() -> None:
    text = GOOD.partition("\n")[2]
    error = refused(text)
    assert 'no header line was found; the first line is "2026-11-25T10:00:00Z,10.5"' in str(error)
    assert "--columns time=1,power=2" in str(error.hint)
    log = read(text, columns="time=1,power=2")
    assert log.values[:, 0].tolist() == [10.5, 11, 12.25]
    assert "power from column 2 (power), in W" in said(log)
    assert read(text, columns="time=1,power=2:kW").sources[0].unit == "kW"


def test_a_header_without_a_unit_and_with_too_many_columns() -> None:
    assert "'Power' gives no unit" in str(refused(GOOD.replace(" (W)", "")))
    assert read(GOOD.replace(" (W)", ""), columns="time=Time,power=Power").values[0, 0] == 10.5
    two = "Time,Feed A (W),Feed B (W)\n1795600800,100,200\n1795600801,110,210\n"
    assert "2 columns hold power: 2 'Feed A (W)', 3 'Feed B (W)'" in str(refused(two))
    assert read(two, columns="time=1,power=2+3").values[:, 0].tolist() == [300, 320]
    assert read(two, columns="time=Time,power=Feed B (W)").values[:, 0].tolist() == [200, 210]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("power=2", "must name a time"),
        ("time=1", "must name a time and a power or an energy"),
        ("time=1,power=9", "there is no column 9"),
        ("time=1,power=Watt", 'asked for is "time=1,power=Watt"'),
        ("time=1,amps=2", "expected time=, date=, power= or energy="),
        ("time=1,power=2,power=3", "is there twice"),
        ("time=1,power=2+2", "added to itself"),
        ("time=1,power=2:V", '"V" is no unit of power'),
        ("time=1,power=3", '"U (V)" is no power'),
        ("time=1,energy=2", '"Power (W)" is no energy'),
        ("time=1,power=2:kW", 'the header says "Power (W)"'),
    ],
)
def test_columns_that_make_no_sense(columns: str, words: str) -> None:
    text = "Time,Power (W),U (V)\n1795600800,100,230\n1795600801,110,230\n"
    error = refused(text, columns=columns)
    assert words in str(error)
    assert "--columns" in str(error.hint)


@pytest.mark.parametrize(
    ("title", "quantity", "unit"),
    [
        ("Power (W)", "power", "W"),
        ("P_kW", "power", "kW"),
        ("Active Power [mW]", "power", "mW"),
        ("유효전력(W)", "power", "W"),
        ("Watts", "power", "W"),
        ("Energy [Wh]", "energy", "Wh"),
        ("E_kWh", "energy", "kWh"),
        ("Energy (J)", "energy", "J"),
    ],
)
def test_units_from_the_header(title: str, quantity: str, unit: str) -> None:
    (source,) = read(f"Timestamp,U (V),{title},I (A),S (VA)\n1795600800,230,5,1,6\n").sources
    assert (source.quantity, source.unit, source.numbers) == (quantity, unit, (2,))


def test_a_preamble_a_date_of_its_own_and_korean_windows() -> None:
    text = 'Model,WT-300\nSerial,1\n\n날짜,시각,유효전력(W)\n2026-11-25,오후 7:00:00,"1,200.5"\n'
    log = read(text.encode("cp949"), timezone="Asia/Seoul")
    assert (log.times_ns.tolist(), log.values[0, 0]) == ([START], 1200.5)
    assert "encoding CP949" in said(log)
    assert read(GOOD.encode("utf-16")).values[0, 0] == 10.5
    assert read(b"\xef\xbb\xbf" + GOOD.encode()).values[0, 0] == 10.5
    assert read(GOOD.replace("\n", "\r\n")).values[2, 0] == 12.25


def test_cells_that_hold_no_power() -> None:
    cells = ["N/A", "", "-3.5", "OL", "9.9E37", "9.91E37", "nan", "12 kW", "12 W", "1e1", "0"]
    rows = "".join(f"{1_795_600_800 + second};{cell}\n" for second, cell in enumerate(cells))
    log = read("Time;Power (W)\n" + rows)
    found = [log.statuses[code] for code in log.codes[:, 0]]
    assert found[:4] == ['the cell says "N/A"', "the cell is empty", "the value is negative", "overload"]
    assert found[4:8] == [
        "overload",
        "the meter says not a number (9.91E37)",
        'the cell says "nan"',
        'the cell says "12 kW", its column is in W',
    ]
    assert found[8:] == ["ok"] * 3
    assert np.isnan(log.values[:8, 0]).all()
    assert log.values[8:, 0].tolist() == [12, 10, 0]


def test_rows_out_of_order_and_twice() -> None:
    """One wild stamp spoils itself, not all that follow."""
    seconds = [0, 1, 2, 86_400, 3, 4, 4, 5, 2, 6]
    text = "Time,Power (W)\n" + "".join(f"{1_795_600_800 + second},{place}\n" for place, second in enumerate(seconds))
    log = read(text + "\nMean,5.5\n")
    good = log.codes[:, 0] == 0
    assert ((log.times_ns[good] - START) // 10**9).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert log.remarks[0].en.startswith("1 rows have no time that can be read and were left out (first: line 13")
    assert "2 rows: its time repeats that of another row (first: line" in said(log)
    assert "1 rows: its time goes back (first: line 5)" in said(log)
    assert (np.diff(log.times_ns) >= 0).all()


def test_dates_that_may_be_read_in_two_ways() -> None:
    text = "Time;Power (W)\n03/04/2026 10:00:00;1\n03/04/2026 10:00:01;2\n"
    error = refused(text, timezone="UTC")
    assert "may be day first or month first" in str(error)
    assert "--dates" in str(error.hint)
    april, march = (read(text, timezone="UTC", dates=order).times_ns[0] for order in ("dmy", "mdy"))
    assert april - march == 30 * 86_400 * 10**9


def test_a_delimiter_that_may_be_either() -> None:
    error = refused("1795600800,1;5\n1795600801,1;5\n", columns="time=1,power=2")
    assert "line 1: cells may be separated by a comma or a semicolon" in str(error)
    assert read("1795600800,1;5\n", columns="time=1,power=2", delimiter=";").values[0, 0] == 5


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\x00\x01\x02", b"\xff\xfe\xff", b"hello", b"Time,Power (W)\n"])
def test_no_log(data: bytes) -> None:
    refused(data)


def test_a_time_since_the_start_has_no_date() -> None:
    assert "says no date" in str(refused("Time,Power (W)\n0.0,1\n0.1,2\n"))


# Properties.

_VALUES = st.one_of(st.floats(0, 1e5, allow_subnormal=False).map(lambda value: round(value, 3)), st.just(math.nan))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 5_000), _VALUES), min_size=2, max_size=40),
    st.sampled_from([(",", "."), (";", ","), (";", "."), ("\t", ","), ("|", ".")]),
    st.sampled_from(["iso", "zone", "epoch", "ms", "german"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["W", "kW", "mW"]),
)
def test_what_is_written_is_read(
    rows: list[tuple[int, float]], signs: tuple[str, str], form: str, end: str, unit: str
) -> None:
    delimiter, decimal = signs
    moment, lines, expected = datetime(2026, 11, 25, 10, tzinfo=timezone.utc), [f"Time{delimiter}Power ({unit})"], []
    for gap_ms, value in rows:
        moment += timedelta(milliseconds=gap_ms)
        local = moment.astimezone(timezone(timedelta(hours=9)))
        ms = round((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) / timedelta(milliseconds=1))
        stamp = {
            "iso": local.strftime("%Y-%m-%d %H:%M:%S.%f"),
            "zone": local.isoformat(),
            "epoch": f"{ms // 1000}.{ms % 1000:03d}",
            "ms": str(ms),
            "german": local.strftime("%d.%m.%Y %H:%M:%S.%f"),
        }[form]
        cell = "" if math.isnan(value) else f"{value:.4f}".replace(".", decimal)
        lines.append(f"{stamp}{delimiter}{cell}")
        expected.append((ms * 1_000_000, value))
    log = read(end.join(lines) + end, timezone="+09:00")
    assert log.times_ns.tolist() == [time for time, _ in expected]
    np.testing.assert_allclose(log.values[:, 0], [value for _, value in expected], atol=1e-9)
    assert ((log.codes[:, 0] == 0) == ~np.isnan(log.values[:, 0])).all()
    assert log.sources[0].unit == unit


@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_garbage_is_an_error_that_says_so(data: bytes) -> None:
    try:
        parse(data, "meter.csv")
    except DataError as error:
        assert str(error).startswith("meter.csv: ")  # noqa: PT017 - most garbage is no log, some may be


_SIGNS = (",", ";", "\t", "|", "\n", '"', "-", "=", "\x1c", " ", "Z", "+09:00")
_CELLS = ("Time", "Date", "Power (W)", "E_kWh", "2026-11-25 10:00:00", "25.11.2026", "오후 3:00:00", "1795600800")
_NUMBERS = ("10,5", "10.5", "1,234", "N/A", "OL", "1e400")


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from((*_SIGNS, *_CELLS, *_NUMBERS)), max_size=40).map("".join),
    st.sampled_from(["", "time=1,power=2", "time=Time,power=E_kWh", "date=1,time=2,energy=3:Wh", "time=1,power=2+2"]),
    st.sampled_from(["", "UTC"]),
    st.sampled_from(["", ",", "."]),
)
def test_nearly_a_log_is_a_log_or_an_error_that_says_so(text: str, columns: str, zone: str, decimal: str) -> None:
    try:
        log = read(text, columns=columns, timezone=zone, decimal=decimal)
    except DataError as error:
        assert str(error).startswith("meter.csv: ")  # noqa: PT017
        return
    assert ((log.codes == 0) == np.isfinite(log.values)).all()
    assert (np.diff(log.times_ns) >= 0).all()
    assert (log.values[np.isfinite(log.values)] >= 0).all()
