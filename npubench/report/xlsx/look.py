"""How a workbook looks: fonts, colours, number formats, widths. No content."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import Any

from npubench.lang import Language
from npubench.report.foreign import clean
from npubench.report.xlsx.parts import Column, Tone, Value

FONTS: dict[Language, str] = {"ko": "맑은 고딕", "en": "Arial"}
"""What Korean and Western offices have; LibreOffice puts a font of the same widths in their place."""

INK, GREY, RULE, HEAD, LINK = "#1b1b1f", "#5c5f66", "#c9ccd1", "#e8edf4", "#0b57a4"
# Tone → (ink, ground): each pair has a contrast above 6 : 1, and the word stands in the cell.
TONES: dict[Tone, tuple[str, str]] = {
    "good": ("#0b5d1e", "#e4f3e7"),
    "warn": ("#6d4300", "#fff1cf"),
    "bad": ("#8a1020", "#fde5e8"),
    "plain": (INK, "#ffffff"),
}
_LONG, _MOST, _LEAST_NUMBER, _MOST_NUMBER = 64.0, 40.0, 9.0, 15.0
MOST_TEXT = 32_000
"""A cell takes 32 767 characters (Excel's specification)."""
ROW_PX, CHAR_PX = 20, 7


def number_format(column: Column, value: Value) -> str:
    """The number format of a cell."""
    if column.form == "count":
        return "#,##0"
    if column.form == "percent":
        return "0.00%"
    places = column.decimals
    if places is None:
        size = abs(value) if isinstance(value, (int, float)) else 0.0
        places = min(6, max(0, 2 - math.floor(math.log10(size)))) if size else 0
    return "#,##0" if not places else "#,##0." + "0" * places


def spoken(value: Value, language: Language) -> str:
    """A text in the language asked for, short enough for a cell."""
    found = (
        value if isinstance(value, str) else "" if value is None or isinstance(value, (int, float)) else value[language]
    )
    # Whatever was cleaned stays as it is; what was put together from many is cut here.
    return clean(found, MOST_TEXT)


def wide(text: str) -> float:
    """Columns that a line of text takes: Hangul and the like take two."""
    return max((_width(line) for line in text.split("\n")), default=0.0)


def _width(line: str) -> float:
    return sum(1.9 if unicodedata.east_asian_width(char) in "WF" else 1.0 for char in line)


def lines(text: str, width: float) -> int:
    """Lines of a text that is wrapped at `width`."""
    return sum(max(1, math.ceil(_width(line) / max(width, 1))) for line in text.split("\n"))


def column_width(column: Column, title: str, values: Sequence[str]) -> float:
    """The width of a column. `values`: its texts, and its numbers as they are shown."""
    longest = max((wide(value) for value in values), default=0.0)
    word = max((_width(part) for part in title.split()), default=0.0)
    if column.form == "long":
        return min(_LONG, max(24.0, longest + 2))
    if column.form == "text":
        return min(_MOST, max(8.0, longest + 2.5, word + 2))
    return min(_MOST_NUMBER, max(_LEAST_NUMBER, longest + 2, word + 2.5))


def shown(number: float, form: str) -> str:
    """About how a number stands in its cell, for its width."""
    if form.endswith("%"):
        return f"{number * 100:.2f} %"
    places = len(form.partition(".")[2])
    return f"{number:,.{places}f}"


def base(font: str) -> dict[str, Any]:
    """What every format has."""
    return {"font_name": font, "font_size": 10, "font_color": INK, "valign": "vcenter"}
