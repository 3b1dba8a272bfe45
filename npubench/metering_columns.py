"""Which columns of a meter's log hold the time, the power and the energy: from its header, or as the user says.

A unit must stand in the header (`Power (W)`, `P_kW`, `Energy [Wh]`, `유효전력(W)`) or be said; it is never guessed from
the size of the numbers. A column of another unit (V, A, VA, Hz …) is left alone.

Not aware of: rows and their values (`metering_log`), time stamps (`stamps`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

_POWER = {"W": "W", "UW": "uW", "ΜW": "uW", "KW": "kW", "WATT": "W", "WATTS": "W", "KILOWATTS": "kW"}
_ENERGY = {"J": "J", "KJ": "kJ", "WH": "Wh", "KWH": "kWh", "JOULE": "J", "JOULES": "J"}
_SPELT = {"mW": "mW", "mJ": "mJ", "µW": "uW", "μW": "uW", "uJ": "uJ", "µJ": "uJ", "μJ": "uJ"}  # case decides here
_TIMES: tuple[str, ...] = (
    "timestamp",
    "time stamp",
    "datetime",
    "date time",
    "date/time",
    "date & time",
    "date and time",
    "time",
)
_TIMES += (
    "epoch",
    "unixtime",
    "unix time",
    "zeitstempel",
    "zeit",
    "uhrzeit",
    "일시",
    "시각",
    "시간",
    "측정시각",
    "측정일시",
)
_DATES = ("date", "datum", "날짜", "일자", "측정일")
# What follows the name: a unit in brackets, or behind an underscore, a comma or a space.
_UNIT = re.compile(r"^(?P<name>.*?)\s*(?:[(\[](?P<in>[^()\[\]]*)[)\]]|[_,/ ](?P<after>[^\W\d_]{1,9}))?\s*$")
Role = Literal["time", "date", "power", "energy"]
_TIME_ROLES: tuple[Role, ...] = ("date", "time")
Asked = Mapping[Role, tuple[str, str]]
WAY_OUT = "name them: --columns time=1,power=2 (numbers from 1, or titles; power=2:kW gives a unit, power=3+4 a sum)"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A value of the log: one column, or several that are added. `numbers` count from 0."""

    name: str
    numbers: tuple[int, ...]
    quantity: Literal["power", "energy"]
    unit: str


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """`time`: one column, or that of the date and that of the time. `zone`: a time zone that the title names."""

    time: tuple[int, ...]
    sources: tuple[Source, ...]
    zone: str = ""


class ColumnsError(ValueError):
    """The columns cannot be told; says what was found."""


def unit_of(text: str) -> tuple[Literal["power", "energy"], str] | None:
    """What a unit's text measures and its name in `spi.Channel`; None: neither power nor energy."""
    text = text.strip()
    if text in _SPELT:
        return ("energy" if _SPELT[text].endswith("J") else "power"), _SPELT[text]
    upper = text.upper()
    if text[:1] != "M" and upper in _POWER:
        return "power", _POWER[upper]
    return ("energy", _ENERGY[upper]) if upper in _ENERGY else None


def _parts(title: str) -> tuple[str, str]:
    """A title's name and unit."""
    title = title.strip().strip("\"'")
    found = _UNIT.match(title)
    if found is None:
        return title, ""
    if found["in"] is None and found["after"] is not None and unit_of(found["after"]) is None:
        return title, ""
    return found["name"].strip(), (found["in"] or found["after"] or "").strip()


def _is_time(title: str) -> bool:
    return _parts(title)[0].lower() in _TIMES


def _is_date(title: str) -> bool:
    return _parts(title)[0].lower() in _DATES


def _measured(title: str) -> tuple[Literal["power", "energy"], str] | None:
    name, unit = _parts(title)
    return unit_of(unit) if unit else unit_of(name)


def is_header(titles: Sequence[str]) -> bool:
    """Whether a line looks like the header of a meter's log: a time, and a value that may be power or energy."""
    if not any(_is_time(title) or _is_date(title) for title in titles):
        return False
    return any(_measured(title) is not None or _hinted(title) for title in titles)


def _hinted(title: str) -> bool:
    name = _parts(title)[0].lower()
    return any(word in name for word in ("power", "energy", "leistung", "energie", "전력", "watt"))


def from_header(titles: Sequence[str]) -> Columns:
    """The columns that a header names. Raises ColumnsError where it names too few, too many or no unit."""
    times = [place for place, title in enumerate(titles) if _is_time(title)]
    dates = [place for place, title in enumerate(titles) if _is_date(title)]
    if len(times) > 1 or len(dates) > 1 or not times + dates:
        found = [titles[place] for place in times + dates]
        raise ColumnsError(f"{len(found)} columns may hold the time ({', '.join(found)})")
    by_kind: dict[str, list[Source]] = {"power": [], "energy": []}
    for place, title in enumerate(titles):
        if place not in times + dates and (measured := _measured(title)) is not None:
            quantity, unit = measured
            name = _parts(title)[0] or quantity
            by_kind[quantity].append(Source(name=name, numbers=(place,), quantity=quantity, unit=unit))
    for kind, several in by_kind.items():
        if len(several) > 1:
            named = ", ".join(f"{source.numbers[0] + 1} {titles[source.numbers[0]]!r}" for source in several)
            raise ColumnsError(f"{len(several)} columns hold {kind}: {named}; which are this machine's is not said")
    sources = (*by_kind["power"], *by_kind["energy"])
    if not sources:
        bare = [title for title in titles if _hinted(title)]
        said = f"{bare[0]!r} gives no unit" if bare else "no column is in W or Wh"
        raise ColumnsError(said)
    time = (*dates, *times)
    return Columns(time=time, sources=sources, zone=_zone(titles[time[-1]]))


def _zone(title: str) -> str:
    """A time zone in brackets behind the title: `Time (UTC+9)`."""
    unit = _parts(title)[1]
    return unit if re.fullmatch(r"(?:UTC|GMT)(?:[+-]\d{1,2}(?::?\d{2})?)?|KST|[+-]\d{2}:?\d{2}", unit) else ""


def parse_asked(text: str) -> Asked:
    """`time=1,power=2:kW` as role → (column, unit). Raises ColumnsError."""
    asked: dict[Role, tuple[str, str]] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        role, equals, column = part.partition("=")
        column, _, unit = column.strip().partition(":")
        known: dict[str, Role] = {"time": "time", "date": "date", "power": "power", "energy": "energy"}
        if not equals or not column or role.strip() not in known:
            raise ColumnsError(f'columns: found "{part}"; expected time=, date=, power= or energy= and a column')
        if known[role.strip()] in asked:
            raise ColumnsError(f'columns: "{role.strip()}" is there twice (add columns with power=3+4)')
        asked[known[role.strip()]] = column.strip(), unit.strip()
    if not {"time", "date"} & set(asked) or not {"power", "energy"} & set(asked):
        raise ColumnsError(f'columns: "{text}" must name a time and a power or an energy')
    return asked


def numbered(asked: Asked) -> bool:
    """Whether all columns are given as numbers, so that no header is needed."""
    return all(piece.strip().isdecimal() for column, _ in asked.values() for piece in column.split("+"))


def time_of(asked: Asked) -> tuple[int, ...]:
    """The columns of the time, where they are given as numbers."""
    return tuple(_place(asked[role][0], []) for role in _TIME_ROLES if role in asked)


def titles_of(asked: Asked) -> set[str]:
    """The titles that a user names, those given as numbers left out."""
    pieces = {piece.strip() for column, _ in asked.values() for piece in column.split("+")}
    return {piece for piece in pieces if not piece.isdecimal()}


def from_asked(asked: Asked, titles: Sequence[str]) -> Columns:
    """The columns that a user names. `titles` may be empty where all are numbers. Raises ColumnsError."""
    time = tuple(_place(asked[role][0], titles) for role in _TIME_ROLES if role in asked)
    sources = []
    for role in ("power", "energy"):
        if role in asked:
            column, unit = asked[role]
            numbers = tuple(_place(piece, titles) for piece in column.split("+"))
            sources.append(_source("power" if role == "power" else "energy", numbers, unit, titles))
    zone = _zone(titles[time[-1]]) if titles and time[-1] < len(titles) else ""
    return Columns(time=time, sources=tuple(sources), zone=zone)


def _source(quantity: Literal["power", "energy"], numbers: tuple[int, ...], unit: str, titles: Sequence[str]) -> Source:
    if len(set(numbers)) < len(numbers):
        raise ColumnsError(f"columns: a column of {quantity} is added to itself")
    named = [titles[place] for place in numbers if place < len(titles)]
    for title in named:
        if (there := _parts(title)[1]) and (unit_of(there) or ("", ""))[0] != quantity:
            raise ColumnsError(f'columns: "{title}" is no {quantity}')
    units = {told[1] for title in named if (told := _measured(title)) is not None}
    if unit:
        said = unit_of(unit)
        if said is None or said[0] != quantity:
            raise ColumnsError(f'columns: "{unit}" is no unit of {quantity}')
        if units - {said[1]}:
            raise ColumnsError(f'columns: {quantity} is said to be in {unit}, the header says "{named[0]}"')
        units = {said[1]}
    elif quantity == "power" and not units:
        units = {"W"}
    if len(units) > 1:
        raise ColumnsError(f"columns: {', '.join(named)} have different units and cannot be added")
    if not units:
        raise ColumnsError("columns: the unit of the energy is not in the header; say energy=N:Wh (J, kJ, Wh, kWh)")
    name = "+".join(_parts(title)[0] or title for title in named) or quantity
    return Source(name=name, numbers=numbers, quantity=quantity, unit=units.pop())


def _place(column: str, titles: Sequence[str]) -> int:
    column = column.strip()
    stripped = [title.strip() for title in titles]
    if column in stripped:
        if stripped.count(column) > 1:
            raise ColumnsError(f'columns: "{column}" is there {stripped.count(column)} times; give its number')
        return stripped.index(column)
    if column.isdecimal() and int(column) >= 1:
        if titles and int(column) > len(titles):
            raise ColumnsError(f"columns: there is no column {column}; the header has {len(titles)}")
        return int(column) - 1
    said = ", ".join(stripped) or "there is no header"
    raise ColumnsError(f'columns: found "{column}"; expected a number from 1 or one of: {said}')
