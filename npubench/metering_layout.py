"""How the log of an external power meter (CSV) is written: delimiter, decimal sign, columns, dates. Pure.

What the file itself shows is taken and said in `taken`; what it leaves open is a DataError that names the line and the
option that decides it.

Not aware of: what the rows say (`metering_log`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo

import msgspec

from npubench import metering_cells as cells
from npubench import metering_columns as columns
from npubench import stamps
from npubench.errors import DataError
from npubench.lang import Text
from npubench.metering_columns import Columns

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
_PREAMBLE = 60  # instruments write a block of settings before the header; none seen is longer
_LOOKED_AT = 500  # rows at either end by which delimiter, decimal sign and dates are settled


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a user says of a log that it does not say itself; empty: the log decides.

    `columns` as in `metering_columns.WAY_OUT`; `delimiter` one character or `tab`; `decimal` `.` or `,`; `timezone` as
    in `stamps.zone`, for stamps that name none; `dates` dmy or mdy.
    """

    columns: str = ""
    delimiter: str = ""
    decimal: str = ""
    timezone: str = ""
    dates: str = ""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How one log is written. `begin`: the place of its first row among the lines, from 0."""

    name: str
    delimiter: str
    decimal: str
    columns: Columns
    stamps: stamps.Stamps
    begin: int
    taken: tuple[Text, ...] = ()


def text_lines(data: bytes, name: str) -> tuple[list[str], str]:
    """The file's lines and in which encoding they were read. Raises DataError for what is no text."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        # Korean Windows writes CP949; Latin-1 decodes everything, and only signs such as µ depend on it.
        encodings = ("utf-8-sig", "cp949", "latin-1")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return lines, encoding
    raise DataError(f"{name}: not a text file", hint="export the meter's log as CSV")


def encoding_taken(encoding: str) -> tuple[Text, ...]:
    """What to say of an encoding; UTF-8 goes without saying."""
    said = Text(en=f"encoding {encoding.upper()}", ko=f"인코딩 {encoding.upper()}")
    return () if encoding == "utf-8-sig" else (said,)


def _split(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Each line's cells; a quoted cell does not go over a line's end, so that line numbers stay true."""
    for line in lines:
        if '"' not in line:
            yield [cell.strip() for cell in line.split(delimiter)]
            continue
        try:
            found = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
        except csv.Error:
            found = line.split(delimiter)
        yield [cell.strip() for cell in found]


def settle(lines: Sequence[str], name: str, wanted: Wanted) -> Layout:
    """How a log is written, by its header and its rows so far. Raises DataError for what stays open."""
    try:
        return _settle(lines, name, wanted)
    except columns.ColumnsError as error:
        raise DataError(f"{name}: {error}", hint=columns.WAY_OUT) from error


def _settle(lines: Sequence[str], name: str, wanted: Wanted) -> Layout:
    asked = columns.parse_asked(wanted.columns) if wanted.columns else None
    given = "\t" if wanted.delimiter.lower() == "tab" else wanted.delimiter
    if given and (len(given) != 1 or given.isalnum() or given in '".\n\r'):
        raise DataError(f'{name}: --delimiter "{given}": expected one character, or tab')
    if wanted.decimal not in ("", ".", ","):
        raise DataError(f'{name}: --decimal "{wanted.decimal}": expected . or ,')
    fitting: dict[str, tuple[int, int, Columns]] = {}
    for delimiter in [given] if given else DELIMITERS:
        if (found := _header(lines, delimiter, asked)) is not None:
            fitting[delimiter] = found
    if not fitting:
        shown = next((line.strip() for line in lines if line.strip()), "")
        expected = 'expected titles such as "Time,Power (W)"' if asked is None else f'asked for is "{wanted.columns}"'
        raise DataError(
            f'{name}: no header line was found; the first line is "{shown[:80]}", {expected}', hint=columns.WAY_OUT
        )
    if len(fitting) > 1:
        even = {delimiter: found for delimiter, found in fitting.items() if _even(lines, delimiter, found)}
        if len(even) != 1:
            number = min(found[1] for found in fitting.values()) + 1
            named = " or ".join(DELIMITERS[delimiter] for delimiter in fitting)
            raise DataError(f"{name}: line {number}: cells may be separated by {named}", hint="say --delimiter")
        fitting = even
    ((delimiter, (head, begin, chosen)),) = fitting.items()
    sample = _sample(lines, begin, delimiter)
    if head >= 0:
        _same_width(sample, lines[head], head + 1, delimiter, name)
    decimal, shown_decimal = _decimal(sample, chosen, wanted, name)
    stamp, said = _stamps(sample, chosen, wanted, name)
    taken = [
        Text(en=f"cells separated by {_spelt(delimiter)}", ko=f"구분 문자: {delimiter!r}"),
        Text(en=f"decimal sign {decimal}", ko=f"소수점: {decimal}")
        if shown_decimal
        else Text(en="no decimals in the values", ko="값에 소수 자리가 없음"),
    ]
    for source in chosen.sources:
        where = "+".join(str(number + 1) for number in source.numbers)
        label = Text(en=source.quantity, ko="전력" if source.quantity == "power" else "에너지")
        taken.append(
            Text(
                en=f"{label.en} from column {where} ({source.name}), in {source.unit}",
                ko=f"{label.ko}: {where}번 열({source.name}), 단위 {source.unit}",
            )
        )
    return Layout(
        name=name,
        delimiter=delimiter,
        decimal=decimal,
        columns=chosen,
        stamps=stamp,
        begin=begin,
        taken=(*taken, *said),
    )


def _spelt(delimiter: str) -> str:
    return DELIMITERS.get(delimiter, f'"{delimiter}"')


def _header(lines: Sequence[str], delimiter: str, asked: columns.Asked | None) -> tuple[int, int, Columns] | None:
    """Where the header is (−1: none), where rows begin, and the columns; None where this delimiter shows no log."""
    for place, titles in enumerate(_split(lines[:_PREAMBLE], delimiter)):
        if len(titles) < 2:
            continue
        if asked is None:
            if columns.is_header(titles):
                return place, place + 1, columns.from_header(titles)
        elif columns.numbered(asked):
            if columns.is_header(titles):
                return place, place + 1, columns.from_asked(asked, titles)
            if _looks_like_row(titles, columns.time_of(asked)):
                return -1, place, columns.from_asked(asked, [])
        elif columns.titles_of(asked) <= set(titles):
            return place, place + 1, columns.from_asked(asked, titles)
    return None


def _looks_like_row(found: Sequence[str], time: Sequence[int]) -> bool:
    if len(found) <= max(time):
        return False
    try:
        stamps.settle([stamp_text(found, time)], "dmy")
    except ValueError:
        return False
    return True


def stamp_text(found: Sequence[str], places: Sequence[int]) -> str:
    """A row's time as one text."""
    return " ".join(found[place] for place in places)


def rows_of(lines: Sequence[str], begin: int, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The line number (from 1) and the cells of each line that is not blank; `begin` lines come before them."""
    for number, (line, found) in enumerate(zip(lines, _split(lines, delimiter), strict=True), begin + 1):
        if line.strip():
            yield number, found


def _sample(lines: Sequence[str], begin: int, delimiter: str) -> list[tuple[int, list[str]]]:
    """The first and the last rows, by which a log is judged."""
    if len(lines) - begin <= 2 * _LOOKED_AT:
        return list(rows_of(lines[begin:], begin, delimiter))
    last = len(lines) - _LOOKED_AT
    return [
        *rows_of(lines[begin : begin + _LOOKED_AT], begin, delimiter),
        *rows_of(lines[last:], last, delimiter),
    ]


def _even(lines: Sequence[str], delimiter: str, found: tuple[int, int, Columns]) -> bool:
    """Whether the rows have as many cells as the header, or as each other."""
    head, begin, _ = found
    widths = {len(row) for _, row in _sample(lines, begin, delimiter)[:50]}
    return len(widths) == 1 and (head < 0 or widths == {len(next(_split([lines[head]], delimiter)))})


def _same_width(sample: Sequence[tuple[int, list[str]]], header: str, line: int, delimiter: str, name: str) -> None:
    width = len(next(_split([header], delimiter)))
    wide = [(number, len(row)) for number, row in sample if len([cell for cell in row if cell]) > width]
    if wide and len(wide) * 2 > len(sample):
        number, cells_there = wide[0]
        said = f"{name}: line {number} has {cells_there} cells where the header (line {line}) has {width}"
        raise DataError(
            f"{said}: is {_spelt(delimiter)} the decimal sign as well?",
            hint="export the log with semicolons, or with a decimal point",
        )


def _decimal(sample: Sequence[tuple[int, list[str]]], chosen: Columns, wanted: Wanted, name: str) -> tuple[str, bool]:
    if wanted.decimal:
        return wanted.decimal, True
    places = [number for source in chosen.sources for number in source.numbers]
    found = ((line, row[place]) for line, row in sample for place in places if place < len(row))
    try:
        return cells.settle(found)
    except ValueError as error:
        raise DataError(f"{name}: {error}", hint='say --decimal "." or --decimal ","') from error


def _stamps(
    sample: Sequence[tuple[int, list[str]]], chosen: Columns, wanted: Wanted, name: str
) -> tuple[stamps.Stamps, list[Text]]:
    most = max(chosen.time)
    texts = [(line, stamp_text(row, chosen.time)) for line, row in sample if len(row) > most]
    if not texts:
        raise DataError(f"{name}: there is no row after the header", hint="start the meter's log before the run")
    line = texts[0][0]
    try:
        order = stamps.settle((text for _, text in texts), wanted.dates)
        given: tzinfo | None = stamps.zone(wanted.timezone) if wanted.timezone else None
        if given is None and chosen.zone:
            given = stamps.zone(chosen.zone)
    except ValueError as error:
        hint = "say --dates dmy or --dates mdy" if "day first" in str(error) else columns.WAY_OUT
        raise DataError(f"{name}: line {line}: {error}", hint=hint) from error
    bare = next(((number, text) for number, text in texts if not stamps.zoned(text)), None)
    if bare is not None and order != "epoch" and given is None and _readable(bare[1], order):
        raise DataError(
            f'{name}: line {bare[0]}: "{bare[1]}" names no time zone',
            hint="say --timezone, such as --timezone +09:00 or --timezone UTC",
        )
    words = {"ymd": "year first", "dmy": "day first", "mdy": "month first", "epoch": "counted from 1970"}
    words_ko = {"ymd": "연-월-일", "dmy": "일-월-연", "mdy": "월-일-연", "epoch": "1970년부터 센 값"}
    said = [Text(en=f"dates {words[order]}", ko=f"날짜 순서: {words_ko[order]}")]
    if bare is not None and given is not None and order != "epoch":
        shown = wanted.timezone or chosen.zone
        origin = Text(en="as given", ko="지정한 값") if wanted.timezone else Text(en="by its header", ko="머리글 기준")
        said.append(Text(en=f"time zone {shown}, {origin.en}", ko=f"시간대 {shown}({origin.ko})"))
    elif order != "epoch":
        said.append(Text(en="time zone in each row", ko="행마다 시간대가 있음"))
    return stamps.Stamps(order=order, zone=given), said


def _readable(text: str, order: stamps.Order) -> bool:
    """Whether a time zone is all that a stamp lacks."""
    try:
        stamps.read_ns(text, stamps.Stamps(order=order))
    except ValueError as error:
        return str(error).endswith("names no time zone")
    return True
