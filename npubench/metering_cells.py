"""Numbers as a meter's log writes them: which sign is the decimal one, what a cell says, what is wrong with it.

Not aware of: which column a cell is from (`metering_columns`), time (`stamps`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

OK, EMPTY, NEGATIVE, OVERLOAD = "ok", "the cell is empty", "the value is negative", "overload"
# SCPI-99, volume 1, 7.2.1: 9.9E37 stands for infinity, 9.91E37 for not a number.
_SCPI_INFINITY, _SCPI_NAN = 9.9e37, 9.91e37
_OVERLOADS = ("OL", "O.L.", "OVL", "OVLD", "OVER", "OVERLOAD", "OVERRANGE", "INF", "+INF", "-INF")
_NUMBER = re.compile(r"([+-]?[0-9.,]*[0-9][0-9.,]*(?:[eE][+-]?[0-9]{1,3})?)\s*([^\W\d_]{1,6})?")
_PLAIN = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?|[+-]?\.[0-9]+")
_GROUPED = {
    ".": re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?"),
    ",": re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]*)?"),
}
_ONE_GROUP = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")


def settle(cells: Iterable[tuple[int, str]]) -> tuple[str, bool]:
    """The decimal sign of (line, cell) pairs, and whether any cell has one. Raises ValueError that names the line.

    A comma before exactly three digits (`1,234`) may separate thousands, so it alone decides nothing; a point before
    three digits is taken for a decimal point unless the others are commas.
    """
    sure: dict[str, tuple[int, str]] = {}
    likely: dict[str, tuple[int, str]] = {}
    for line, cell in cells:
        found = _NUMBER.fullmatch(cell.strip())
        if found is None:
            continue
        text = found[1]
        signs = [sign for sign in text if sign in ".,"]
        if not signs:
            continue
        if len(set(signs)) == 2 or len(signs) == 1:
            into = likely if len(signs) == 1 and _ONE_GROUP.fullmatch(text) else sure
            into.setdefault(signs[-1], (line, text))
        else:  # 1,234,567: groups only, so the other sign is the decimal one
            sure.setdefault("." if signs[0] == "," else ",", (line, text))
    for found_in in (sure, likely):
        if len(found_in) > 1:
            (one, first), (other, second) = found_in["."], found_in[","]
            raise ValueError(f'line {one} has "{first}" and line {other} "{second}": which is the decimal sign?')
    if sure:
        return next(iter(sure)), True
    if "," in likely:
        line, text = likely[","]
        raise ValueError(f'line {line}: "{text}" may be {text.replace(",", ".")} or {text.replace(",", "")}')
    return ".", bool(likely)


def value_of(cell: str, decimal: str, unit: str) -> tuple[float, str]:
    """A cell's value (NaN where there is none) and its status: `ok`, or what is wrong."""
    text = cell.strip()
    if _PLAIN.fullmatch(text) and (decimal == "." or "." not in text):
        return _judged(float(text))
    if not text:
        return math.nan, EMPTY
    if text.upper() in _OVERLOADS:
        return math.nan, OVERLOAD
    found = _NUMBER.fullmatch(text)
    if found is None:
        return math.nan, f'the cell says "{text[:20]}"'
    if found[2] is not None and found[2] != unit:
        return math.nan, f'the cell says "{text[:20]}", its column is in {unit}'
    number = found[1]
    group = "," if decimal == "." else "."
    if group in number:
        if not _GROUPED[decimal].fullmatch(number):
            return math.nan, f'the cell says "{text[:20]}"'
        number = number.replace(group, "")
    try:
        return _judged(float(number.replace(",", ".")))
    except ValueError:
        return math.nan, f'the cell says "{text[:20]}"'


def _judged(value: float) -> tuple[float, str]:
    if abs(value) == _SCPI_NAN:
        return math.nan, "the meter says not a number (9.91E37)"
    if abs(value) >= _SCPI_INFINITY:
        return math.nan, OVERLOAD
    return (math.nan, NEGATIVE) if value < 0 else (value, OK)
