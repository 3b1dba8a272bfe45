"""Time stamps of loggers: what is read, and what is not guessed."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.stamps import Stamps, read_ns, settle, zone, zoned

SEOUL = timezone(timedelta(hours=9))
MOMENT = datetime(2026, 11, 25, 15, 4, 5, tzinfo=SEOUL)
NS = round(MOMENT.timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("text", "order", "ns"),
    [
        ("2026-11-25T15:04:05+09:00", "ymd", NS),
        ("2026-11-25T06:04:05Z", "ymd", NS),
        ("2026-11-25 15:04:05.25 KST", "ymd", NS + 250_000_000),
        ("2026-11-25 15:04:05", "ymd", NS),
        ("2026/11/25 15:04:05,000000001", "ymd", NS + 1),
        ("2026-11-25 오후 3:04:05", "ymd", NS),
        ("2026. 11. 25. 오후 3:04:05", "ymd", NS),
        ("2026년 11월 25일 15:04:05", "ymd", NS),
        ("25.11.2026 15:04:05", "dmy", NS),
        ("25/11/2026 15:04:05", "dmy", NS),
        ("11/25/2026, 3:04:05 PM", "mdy", NS),
        ("2026-11-25 06:04:05 UTC", "ymd", NS),
        ("2026-11-25 07:04:05 +01", "ymd", NS),
        (str(NS // 1_000_000_000), "epoch", NS),
        (f"{NS // 1_000_000_000}.125", "epoch", NS + 125_000_000),
        (f"{NS // 1_000_000_000},125", "epoch", NS + 125_000_000),
        (str(NS // 1_000_000), "epoch", NS),
        (str(NS // 1_000), "epoch", NS),
        (str(NS + 1), "epoch", NS + 1),
    ],
)
def test_forms(text: str, order: str, ns: int) -> None:
    assert settle([text]) == order
    assert read_ns(text, Stamps(order=settle([text]), zone=zone("+09:00"))) == ns


@pytest.mark.parametrize("text", ["2026-11-25 12:00:00 AM", "2026-11-25 오전 12:00:00"])
def test_midnight_of_twelve_hours(text: str) -> None:
    assert read_ns(text, Stamps(order="ymd", zone=zone("UTC"))) % 86_400_000_000_000 == 0


def test_a_stamp_without_a_zone_is_not_read() -> None:
    assert not zoned("2026-11-25 15:04:05")
    with pytest.raises(ValueError, match="names no time zone"):
        read_ns("2026-11-25 15:04:05", Stamps(order="ymd"))
    # Its own zone is never overruled by a given one.
    assert read_ns("2026-11-25T06:04:05Z", Stamps(order="ymd", zone=SEOUL)) == NS


def test_a_date_that_may_be_read_in_two_ways() -> None:
    with pytest.raises(ValueError, match="day first or month first"):
        settle(["03/04/2026 10:00:00"])
    assert settle(["03/04/2026 10:00:00"], "mdy") == "mdy"
    assert settle(["03/04/2026 10:00:00", "03/13/2026 10:00:00"]) == "mdy"
    with pytest.raises(ValueError, match="two ways"):
        settle(["13/04/2026 10:00:00", "03/13/2026 10:00:00"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0.5", "says no date"),
        ("123456", "says no date"),
        ("2026-02-30 10:00:00Z", "day is out of range"),
        ("2026-11-25 24:00:00Z", "not a moment"),
        ("2026-11-25 13:00:00 PM", "goes with hours from 1 to 12"),
        ("1869-11-25 13:00:00Z", "not a moment"),
        ("2026-11-25", "no date with a time"),
        ("", "no date with a time"),
    ],
)
def test_no_moment(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_ns(text, Stamps(order="epoch" if text[:1] in ("0", "1") and "-" not in text else "ymd"))


@pytest.mark.parametrize("text", ["Mars/Phobos", "+25:00", "", "../etc/passwd", "KSTX", "\x00"])
def test_no_zone(text: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        zone(text)


def test_a_zone_by_name_knows_summer() -> None:
    berlin = Stamps(order="ymd", zone=zone("Europe/Berlin"))
    assert read_ns("2026-07-01 12:00:00", berlin) - read_ns("2026-07-01 10:00:00Z", berlin) == 0
    assert read_ns("2026-12-01 12:00:00", berlin) - read_ns("2026-12-01 11:00:00Z", berlin) == 0


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2190, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["%Y-%m-%dT%H:%M:%S.%f", "%Y/%m/%d %H:%M:%S.%f", "%Y. %m. %d. %H:%M:%S,%f"]),
)
def test_what_python_writes_is_read(moment: datetime, minutes: int, form: str) -> None:
    sign, rest = "-" if minutes < 0 else "+", abs(minutes)
    text = f"{moment.strftime(form)}{sign}{rest // 60:02d}:{rest % 60:02d}"
    since = moment.replace(tzinfo=timezone(timedelta(minutes=minutes))) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    assert read_ns(text, Stamps(order=settle([text]))) == (since // timedelta(microseconds=1)) * 1000


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_a_value_error(text: str) -> None:
    for order in ("ymd", "dmy", "mdy", "epoch"):
        try:
            found = read_ns(text, Stamps(order=order, zone=timezone.utc))  # type: ignore[arg-type]
        except ValueError:
            continue
        assert abs(found) < 2**63
    with suppress(ValueError):
        assert settle([text]) in ("ymd", "dmy", "mdy", "epoch")
