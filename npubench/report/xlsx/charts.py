"""Native bar charts below a table: zero-based, with titles and units on their axes, colour-blind-safe.

Not aware of: which columns are drawn (`parts.bars`).
"""

from __future__ import annotations

from typing import Any

from npubench.lang import Language
from npubench.report.charts import PALETTE
from npubench.report.xlsx import look
from npubench.report.xlsx.parts import Bars, Table

_WIDTH, _GAP, _TALLEST = 550, 20, 900
_MOST_BARS, _MOST_LABELLED = 120, 30
# Besides its colour every series has a pattern of its own from the third on, for grey paper.
_PATTERNS = (None, None, "wide_upward_diagonal", "percent_25", "wide_downward_diagonal", "light_horizontal")


def draw(book: Any, at: Any, name: str, table: Table, row: int, first: int, language: Language) -> int:
    """Draws the table's charts from `row` on, two beside each other; the row after them. `first`: of the table."""
    x, tallest = 0, 0
    for bars in table.bars:
        drawn = _chart(book, name, table, bars, first, language)
        if drawn is None:
            continue
        chart, width, height = drawn
        if x and x + width > 2 * _WIDTH + _GAP:
            row, x, tallest = row + _rows(tallest), 0, 0
        said = " · ".join((bars.title[language], bars.y_title[language], bars.x_title[language]))
        options = {"x_offset": x, "y_offset": 4, "object_position": 2, "description": said[:250]}
        # Not in the first column, which is repeated on every printed page.
        at.insert_chart(row, min(1, len(table.columns) - 1), chart, options)
        x, tallest = x + width + _GAP, max(tallest, height)
    return row + _rows(tallest) if tallest else row


def _rows(height: int) -> int:
    return height // look.ROW_PX + 2


def _chart(
    book: Any, name: str, table: Table, bars: Bars, first: int, language: Language
) -> tuple[Any, int, int] | None:
    start, end = first + bars.rows[0], first + bars.rows[1] - 1
    count = (bars.rows[1] - bars.rows[0]) * len(bars.series)
    if count > _MOST_BARS:
        return None
    # Names need room beside the bars; lengths and numbers of requests stand well below them.
    across = bars.labels[0] == bars.labels[1]
    chart = book.add_chart({"type": "bar" if across else "column"})
    percent = bars.percent
    form = "0.0%" if percent else "#,##0" + ("." + "0" * bars.decimals if bars.decimals else "")
    font = {"name": look.FONTS[language], "size": 9, "color": look.INK}
    for at, column in enumerate(bars.series):
        pattern, colour = _PATTERNS[at % len(_PATTERNS)], PALETTE[at % len(PALETTE)]
        filled: dict[str, Any] = {"fill": {"color": colour}}
        if pattern is not None:
            filled = {"pattern": {"pattern": pattern, "fg_color": colour, "bg_color": "#ffffff"}}
        series: dict[str, Any] = {
            "name": [name, first - 1, column],
            "categories": [name, start, bars.labels[0], end, bars.labels[1]],
            "values": [name, start, column, end, column],
            "border": {"color": colour, "width": 0.75},
            "gap": 60,
            "overlap": 0,
            **filled,
        }
        if count <= _MOST_LABELLED:
            series["data_labels"] = {"value": True, "num_format": form, "font": font}
        chart.add_series(series)
    bold = {**font, "bold": False, "color": look.GREY}
    labels: dict[str, Any] = {
        "name": bars.x_title[language],
        "name_font": bold,
        "num_font": font,
        "line": {"color": look.RULE},
    }
    if across:
        labels.update(reverse=True)
    values: dict[str, Any] = {
        "name": bars.y_title[language],
        "name_font": bold,
        "num_font": font,
        "num_format": form,
        "min": 0,
        "major_gridlines": {"visible": True, "line": {"color": "#e3e5e8", "width": 0.75}},
        "line": {"none": True},
    }
    if across:
        # Bars begin at the top, in the table's order, and the axis stays below them.
        values.update(label_position="high")
        chart.set_y_axis(labels)
        chart.set_x_axis(values)
    else:
        chart.set_x_axis(labels)
        chart.set_y_axis(values)
    chart.set_title({"name": bars.title[language], "name_font": {**font, "size": 11, "bold": True}, "overlay": False})
    chart.set_legend({"none": True} if len(bars.series) == 1 else {"position": "bottom", "font": font})
    chart.show_blanks_as("gap")
    chart.set_chartarea({"border": {"color": look.RULE}})
    width = _WIDTH if across else min(2 * _WIDTH + _GAP, max(_WIDTH, 160 + 26 * count))
    height = min(_TALLEST, 150 + 26 * count + 24 * (bars.rows[1] - bars.rows[0])) if across else 340
    chart.set_size({"width": width, "height": height})
    return chart, width, height
