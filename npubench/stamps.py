"""Time stamps as meters and loggers write them, to nanoseconds since 1970 (UTC): pure.

Taken: ISO 8601 and its kin (`2026-11-25 15:04:05.5+09:00`, `2026/11/25`, `2026. 11. 25. 오후 3:04:05`), day or month
first where the values tell which (`25.11.2026`, `11/25/2026 3:04:05 PM`), and seconds, ms, µs or ns since 1970. Nothing
is guessed: a stamp without a time zone needs one from the user, and `03/04/2026` needs to be told its order.

Not aware of: where stamps come from (`metering_log`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

Order = Literal["ymd", "dmy", "mdy", "epoch"]

_DATE = r"(\d{1,4})\s?(?:[-/.]|년)\s?(\d{1,2})\s?(?:[-/.]|월)\s?(\d{1,4})(?:일|\.)?"
_HALF = r"(오전|오후|AM|PM|a\.m\.|p\.m\.)"
_TIME = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
_ZONE = r"(Z|KST|(?:UTC|GMT)?[+-]\d{1,2}(?::?\d{2})?|UTC|GMT)"
_STAMP = re.compile(rf"{_DATE}(?:T|,?\s+){_HALF}?\s?{_TIME}\s?{_HALF}?\s?{_ZONE}?", re.ASCII | re.IGNORECASE)
_DATED = re.compile(_DATE, re.ASCII)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?", re.ASCII)
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?", re.ASCII | re.IGNORECASE)
_DAY_NS, _EPOCH_DAY = 86_400_000_000_000, date(1970, 1, 1).toordinal()
# From 2001 (ten digits) to 2286: what a count of s, ms, µs or ns since 1970 looks like.
_EPOCHS = ((1_000_000_000, 1_000_000_000), (10**12, 1_000_000), (10**15, 1_000), (10**18, 1))
_ZONES = {"": 0, "Z": 0, "UTC": 0, "GMT": 0, "KST": 9 * 3600}
_YEARS = range(1970, 2200)  # what int64 ns can hold, and no meter's log is older


class Stamps(msgspec.Struct, frozen=True, kw_only=True):
    """How the stamps of one log are written. `zone`: for those that name none; None: none is given."""

    order: Order
    zone: tzinfo | None = None


def zone(text: str) -> tzinfo:
    """A time zone: `+09:00`, `UTC`, `KST` or a name of the IANA data base (`Asia/Seoul`). Raises ValueError."""
    upper = text.strip().upper()
    if upper and upper in _ZONES:
        return timezone(timedelta(seconds=_ZONES[upper]))
    if found := _OFFSET.fullmatch(upper):
        seconds = _seconds(found)
        if abs(seconds) <= 14 * 3600:
            return timezone(timedelta(seconds=seconds))
        raise ValueError(f'time zone "{text}": an offset is 14 hours at most')
    try:
        return ZoneInfo(text.strip())
    except (ValueError, OSError, LookupError) as error:
        wanted = "expected an offset (+09:00), UTC, or a name such as Asia/Seoul"
        raise ValueError(f'time zone "{text}" is not known here; {wanted}') from error


def _seconds(found: re.Match[str]) -> int:
    seconds = int(found[2]) * 3600 + int(found[3] or 0) * 60
    return -seconds if found[1] == "-" else seconds


def zoned(text: str) -> bool:
    """Whether a stamp carries its own zone (or counts from 1970)."""
    found = _STAMP.fullmatch(text.strip())
    return found[10] is not None if found else bool(_NUMBER.fullmatch(text.strip()))


def settle(texts: Iterable[str], asked: str = "") -> Order:
    """In which order the stamps give year, month and day. `asked` (ymd, dmy, mdy) decides where they do not.

    Raises ValueError that says what was found; a text that is no stamp at all is passed over, unless all are.
    """
    if asked not in ("", "ymd", "dmy", "mdy"):
        raise ValueError(f'the order of dates is "{asked}"; expected ymd, dmy or mdy')
    seen: dict[Order, str] = {}
    last, open_case = "", ""
    for text in texts:
        last = text = text.strip()
        if _NUMBER.fullmatch(text):
            seen.setdefault("epoch", text)
        elif found := _DATED.match(text):
            first, second = int(found[1]), int(found[2])
            if len(found[1]) == 4:
                seen.setdefault("ymd", text)
            elif len(found[3]) != 4:
                raise ValueError(f'"{text}": a year of four digits is expected')
            elif first > 12 or "." in found[0].rstrip("."):
                # Dots are written day first in every locale that writes them with the year last.
                seen.setdefault("dmy", text)
            elif second > 12:
                seen.setdefault("mdy", text)
            else:
                open_case = text
    if len(seen) > 1:
        raise ValueError("dates are written in two ways: " + " and ".join(f'"{text}"' for text in seen.values()))
    if seen:
        return next(iter(seen))
    if not open_case:
        raise ValueError(f'"{last}" is no date with a time, and no seconds or ms since 1970')
    if asked in ("dmy", "mdy"):
        return "dmy" if asked == "dmy" else "mdy"
    raise ValueError(f'"{open_case}" may be day first or month first; say which (dmy or mdy)')


def read_ns(text: str, stamps: Stamps) -> int:
    """One stamp as ns since 1970, UTC. Raises ValueError that quotes it."""
    text = text.strip()
    if stamps.order == "epoch":
        return _epoch_ns(text)
    found = _STAMP.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is no date with a time')
    first, second, third = int(found[1]), int(found[2]), int(found[3])
    year, month, day = {
        "ymd": (first, second, third),
        "dmy": (third, second, first),
        "mdy": (third, first, second),
    }[stamps.order]
    hour, minute, whole = int(found[5]), int(found[6]), int(found[7] or 0)
    half = (found[4] or found[9] or "").upper().replace(".", "")
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(f'"{text}": {half} goes with hours from 1 to 12')
        hour = hour % 12 + (12 if half in ("오후", "PM") else 0)
    if hour > 23 or minute > 59 or whole > 59 or year not in _YEARS:
        raise ValueError(f'"{text}" is not a moment between {_YEARS.start} and {_YEARS.stop}')
    try:
        day_ns = _day_ns(year, month, day)
    except ValueError as error:
        raise ValueError(f'"{text}": {error}') from error
    fraction_ns = int((found[8] or "0").ljust(9, "0"))
    local_ns = day_ns + (hour * 3600 + minute * 60 + whole) * 1_000_000_000 + fraction_ns
    return local_ns - _offset_s(found[10], stamps.zone, (year, month, day, hour, minute, whole), text) * 1_000_000_000


@lru_cache(64)
def _day_ns(year: int, month: int, day: int) -> int:
    return (date(year, month, day).toordinal() - _EPOCH_DAY) * _DAY_NS


def _offset_s(named: str | None, given: tzinfo | None, moment: tuple[int, ...], text: str) -> int:
    if named is not None:
        found = _OFFSET.fullmatch(named)
        return _seconds(found) if found else _ZONES[named.upper()]
    if given is None:
        raise ValueError(f'"{text}" names no time zone')
    year, month, day, hour, minute, second = moment
    offset = datetime(year, month, day, hour, minute, second, tzinfo=given).utcoffset()
    return round(offset.total_seconds()) if offset is not None else 0


def _epoch_ns(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f'"{text}" is no number of seconds or ms since 1970')
    whole, _, fraction = text.replace(",", ".").partition(".")
    value = int(whole)
    for least, factor in _EPOCHS:
        if least <= value < least * 10 and value * factor < 2**63:
            # In integers: a float has not enough digits for ns since 1970.
            return value * factor + (int(fraction.ljust(9, "0")[:9]) * factor // 1_000_000_000 if fraction else 0)
    raise ValueError(
        f'"{text}" is no count of s, ms, µs or ns since 1970 (a time since the start of a log says no date)'
    )
