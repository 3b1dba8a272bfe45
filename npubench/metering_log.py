"""The time-stamped log of an external power meter (CSV) as numbers: pure, and nothing in it is guessed silently.

What was taken from the file is in `taken`, what it leaves open is a DataError (`metering_layout`). Gaps stay gaps. A
row without a time is left out and reported, a row whose time repeats or goes back is marked, and so is a cell that
holds no power.

Not aware of: the machine's clock (`stats.alignment`), joules (`stats.ledger`), who attaches a log to what.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from npubench import metering_cells as cells
from npubench import stamps
from npubench.errors import DataError
from npubench.lang import Text
from npubench.metering_columns import Source
from npubench.metering_layout import Layout, Wanted, encoding_taken, rows_of, settle, stamp_text, text_lines

__all__ = ["Layout", "MeterLog", "Row", "Wanted", "parse", "rows", "settle", "text_lines"]

BACK, AGAIN, NO_CELL = "its time goes back", "its time repeats that of another row", "the row has too few columns"
_OTHER = "the cell says something else than a number"
_STATUSES = 64  # so many different statuses are kept apart


class MeterLog(msgspec.Struct, frozen=True, kw_only=True):
    """A log in numbers: `times_ns` [rows] since 1970 UTC, `values` and `codes` [rows, sources].

    A code is a place in `statuses`; 0 is ok, and any other value is NaN. Rows are in order of time. `interval_ns` is
    the median distance of good rows, None for fewer than two; `resolution_ns` what the stamps are rounded to.
    `remarks`: faults of the file.
    """

    name: str
    sources: tuple[Source, ...]
    times_ns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    codes: npt.NDArray[np.uint16]
    statuses: tuple[str, ...]
    interval_ns: int | None
    resolution_ns: int
    taken: tuple[Text, ...] = ()
    remarks: tuple[Text, ...] = ()


class Row(msgspec.Struct, frozen=True):
    """One row: its line (from 1), ns since 1970, and (value, status) for each source."""

    line: int
    time_ns: int
    values: tuple[tuple[float, str], ...]


def parse(data: bytes, name: str, wanted: Wanted | None = None) -> MeterLog:
    """A whole log. Raises DataError for whatever cannot be told; `name` stands for the file in messages."""
    lines, encoding = text_lines(data, name)
    layout = settle(lines, name, wanted or Wanted())
    good: list[Row] = []
    bad: list[tuple[int, str]] = []
    for item in rows(lines[layout.begin :], layout, first=layout.begin + 1):
        if isinstance(item, Row):
            good.append(item)
        else:
            bad.append(item)
    if not good or len(bad) > len(good):
        line, said = bad[0] if bad else (layout.begin + 1, "there is no row")
        raise DataError(f"{name}: line {line}: {said}; {len(good)} rows have a time and {len(bad)} have none")
    return _gathered(msgspec.structs.replace(layout, taken=(*encoding_taken(encoding), *layout.taken)), good, bad)


def rows(lines: Iterable[str], layout: Layout, first: int = 1) -> Iterator[Row | tuple[int, str]]:
    """Each row, or its line and what is wrong with its time. Blank lines are passed over."""
    most, sources, decimal = max(layout.columns.time), layout.columns.sources, layout.decimal
    whole, zone = layout.columns.time, layout.stamps
    lines = list(lines)
    for number, row in rows_of(lines, first - 1, layout.delimiter):
        if len(row) <= most:
            yield number, f"{len(row)} cells, too few for a time"
            continue
        try:
            time_ns = stamps.read_ns(stamp_text(row, whole), zone)
        except ValueError as error:
            yield number, str(error)
            continue
        yield Row(number, time_ns, tuple(_value(row, source, decimal) for source in sources))


def _value(row: Sequence[str], source: Source, decimal: str) -> tuple[float, str]:
    total = 0.0
    for place in source.numbers:
        if place >= len(row):
            return float("nan"), NO_CELL
        value, status = cells.value_of(row[place], decimal, source.unit)
        if status != cells.OK:
            return value, status
        total += value
    return total, cells.OK


def _gathered(layout: Layout, good: Sequence[Row], bad: Sequence[tuple[int, str]]) -> MeterLog:
    times = np.array([row.time_ns for row in good], dtype=np.int64)
    values = np.array([[value for value, _ in row.values] for row in good], dtype=np.float64)
    known: dict[str, int] = {cells.OK: 0}

    def code(status: str) -> int:
        if status not in known and len(known) >= _STATUSES:
            status = _OTHER
        return known.setdefault(status, len(known))

    codes = np.array([[code(status) for _, status in row.values] for row in good], dtype=np.uint16)
    remarks = []
    if bad:
        line, said = bad[0]
        count = len(bad)
        en = f"{count} rows have no time that can be read and were left out (first: line {line}: {said})"
        remarks.append(Text(en=en, ko=f"시각을 읽을 수 없는 행 {count}개를 제외함(첫 행: {line}번째 줄: {said})"))
    kept = _rising(times)
    repeats = ~kept & np.isin(times, times[kept])
    for mask, status, ko in ((repeats, AGAIN, "시각이 다른 행과 같음"), (~kept & ~repeats, BACK, "시각이 거꾸로 감")):
        if mask.any():
            codes[mask], values[mask] = code(status), np.nan
            line, count = good[int(np.flatnonzero(mask)[0])].line, int(mask.sum())
            text = Text(
                en=f"{count} rows: {status} (first: line {line})", ko=f"행 {count}개: {ko}(첫 행: {line}번째 줄)"
            )
            remarks.append(text)
    order = np.argsort(times, kind="stable")
    gaps = np.diff(times[kept])
    return MeterLog(
        name=layout.name,
        sources=layout.columns.sources,
        times_ns=times[order],
        values=values[order],
        codes=codes[order],
        statuses=tuple(known),
        interval_ns=int(np.median(gaps)) if len(gaps) else None,
        resolution_ns=_resolution_ns(times[kept]),
        taken=layout.taken,
        remarks=tuple(remarks),
    )


def _rising(times: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Marks the longest strictly rising subsequence: one wild stamp spoils itself, not all that follow."""
    if len(times) < 2 or bool((np.diff(times) > 0).all()):
        return np.ones(len(times), dtype=np.bool_)
    tails: list[int] = []
    ends: list[int] = []
    before = np.full(len(times), -1, dtype=np.int64)
    for place, moment in enumerate(times.tolist()):
        at = bisect.bisect_left(tails, moment)
        before[place] = ends[at - 1] if at else -1
        if at == len(tails):
            tails.append(moment)
            ends.append(place)
        else:
            tails[at], ends[at] = moment, place
    kept = np.zeros(len(times), dtype=np.bool_)
    place = ends[-1]
    while place >= 0:
        kept[place] = True
        place = int(before[place])
    return kept


def _resolution_ns(times: npt.NDArray[np.int64]) -> int:
    """The largest of 1 min, 1 s, 100 ms … that divides every stamp."""
    for step in (60_000_000_000, *(10**power for power in range(9, 0, -1))):
        if not (times % step).any():
            return int(step)
    return 1
