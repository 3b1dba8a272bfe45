"""Small pictures of many nights: a headline's history as a line, and a calendar of how nights went. Numbers only.

Guarantees: what only wavers looks flat (`trend.SPAN`), a gap breaks the line, outliers stand at its edge; a day is told
by colour and by shape. Nothing of others' text is in here: templates draw it from numbers.

Not aware of: what stands beside it (`index`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import msgspec

from npubench.report.shown import Tone
from npubench.report.trend import SPAN
from npubench.stats.trend import CellTrend

WIDTH, HEIGHT = 160, 32
_PAD = 3.0
# A pixel a night is enough; of more the newest are drawn.
_MOST = 120
WEEKS = 26
STEP = 13
_HEAD = 14


class Spark(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of unbroken stretches, single nights, change points (x), the newest night; in WIDTH × HEIGHT."""

    paths: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    steps: tuple[float, ...]
    last: tuple[float, float] | None


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A day of the calendar: its middle, how its night went (None: there was none), what to say of it."""

    x: int
    y: int
    tone: Tone | None
    title: str


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """Weeks as columns, Monday on top. `months`: (x, text) of the columns in which one begins."""

    width: int
    height: int
    days: tuple[Day, ...]
    months: tuple[tuple[int, str], ...]


def spark(cell: CellTrend) -> Spark | None:
    """The line; None with fewer than two values."""
    nights = cell.nights[-_MOST:]
    usual = [night.value for night in nights if night.value is not None and not night.outlier]
    known = usual or [night.value for night in nights if night.value is not None]
    if sum(night.value is not None for night in nights) < 2 or min(known) <= 0:
        return None
    low, high = math.log(min(known)), math.log(max(known))
    middle, half = (low + high) / 2, max(high - low, math.log1p(SPAN)) / 2

    def at(place: int, value: float) -> tuple[float, float]:
        share = min(1.0, max(0.0, (math.log(value) - middle + half) / (2 * half))) if value > 0 else 0.0
        x = _PAD + (WIDTH - 2 * _PAD) * place / max(1, len(nights) - 1)
        return round(x, 1), round(HEIGHT - _PAD - (HEIGHT - 2 * _PAD) * share, 1)

    stretches: list[list[tuple[float, float]]] = [[]]
    line = nights[0].line
    for place, night in enumerate(nights):
        if night.value is None or night.line != line:
            stretches.append([])
        line = night.line
        if night.value is not None and not night.outlier:
            stretches[-1].append(at(place, night.value))
    changed = {change.run for change in cell.changes}
    places = [(place, night.value) for place, night in enumerate(nights) if night.value is not None]
    return Spark(
        paths=tuple(_path(part) for part in stretches if len(part) > 1),
        dots=(
            *(part[0] for part in stretches if len(part) == 1),
            *(at(place, night.value) for place, night in enumerate(nights) if night.outlier and night.value),
        ),
        steps=tuple(at(place, 1.0)[0] for place, night in enumerate(nights) if night.run in changed),
        last=at(*places[-1]) if nights[-1].value is not None else None,
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points)


def day_of(created: str) -> date | None:
    """The day of an ISO time; None for what is no time."""
    try:
        return date.fromisoformat(created[:10])
    except ValueError:
        return None


def calendar(nights: Mapping[date, tuple[Tone, str]], last: date) -> Calendar:
    """The weeks up to that of `last`. `nights`: day → tone and words."""
    try:
        first = last - timedelta(days=last.weekday() + 7 * (WEEKS - 1))
    except OverflowError:
        first = date.min
    days: list[Day] = []
    months: list[tuple[int, str]] = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        x, y = number // 7 * STEP + STEP // 2, _HEAD + number % 7 * STEP + STEP // 2
        tone, said = nights.get(day, (None, ""))
        days.append(Day(x=x, y=y, tone=tone, title=f"{day}: {said}" if said else f"{day}"))
        # A name needs the room of three weeks.
        if day.day == 1 and x < (WEEKS - 2) * STEP:
            months.append((number // 7 * STEP, f"{day:%Y-%m}" if day.month == 1 or not months else f"{day:%m}"))
    return Calendar(width=WEEKS * STEP, height=_HEAD + 7 * STEP, days=tuple(days), months=tuple(months))
