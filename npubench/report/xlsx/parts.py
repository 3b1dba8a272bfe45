"""What a workbook is made of: sheets of tables with real numbers, and bars over their columns. Decided, not drawn.

Guarantees: a number is the stored value times a constant of its column, whose head names the unit; it never comes from
text, and is written with 16 digits. Unknown is None, and the row says why. A `Text` is ours, in both languages; a `str`
is a name or somebody else's words, already cleaned.

Not aware of: XlsxWriter (`book`), what stands in a sheet (`cells`, `services`, `llm` …).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from npubench.lang import Text
from npubench.report.shown_base import Shown
from npubench.report.shown_base import Tone as Tone

Value = Text | str | float | None
"""What stands in a spreadsheet's cell; an int is a float without decimals."""

Form = Literal["text", "long", "count", "number", "percent"]
"""`long`: sentences, which are wrapped. `number`: with as many decimals as its column needs."""

MOST_DECIMALS = 6


class Chart(Shown, frozen=True):
    """What a chart shows: its title and its axis with the unit. Columns of one chart are drawn side by side."""

    title: Text
    axis: Text


class Column(Shown, frozen=True, kw_only=True):
    """A column. `title` names the unit. `decimals`: of a `number`; None: each cell as it needs. `lead`: the summary has
    it, too.
    """

    title: Text
    form: Form = "number"
    decimals: int | None = 1
    chart: Chart | None = None
    lead: bool = False


class Bars(Shown, frozen=True, kw_only=True):
    """A bar chart of some rows of a table: `series` are columns of numbers, `labels` the columns (first, last) of the
    words under the bars, `rows` the first row and the one after the last.
    """

    title: Text
    x_title: Text
    y_title: Text
    labels: tuple[int, int]
    series: tuple[int, ...]
    rows: tuple[int, int]
    decimals: int = 1
    percent: bool = False


class Table(Shown, frozen=True, kw_only=True):
    """A table. `tones` colour the cells of column `toned` by row. `filtered`: it gets filter buttons."""

    title: Text
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    said: tuple[Text, ...] = ()
    notes: tuple[Text, ...] = ()
    bars: tuple[Bars, ...] = ()
    filtered: bool = True
    tones: tuple[Tone, ...] = ()
    toned: int | None = None


class Link(Shown, frozen=True, kw_only=True):
    """A line that leads to another sheet, by its place in the workbook."""

    to: int
    said: Text


class Lead(Shown, frozen=True, kw_only=True):
    """What stands large: a verdict."""

    text: Text
    tone: Tone


class Sheet(Shown, frozen=True, kw_only=True):
    """A sheet: a title, lines of prose, tables below each other. `name` is made fit and unique by `book`.

    `one_wide`: it is printed one page wide, however small.
    """

    name: Text
    title: Text
    prose: tuple[Text | Lead | Link, ...] = ()
    tables: tuple[Table, ...] = ()
    one_wide: bool = False


class Figure(NamedTuple):
    """A value, or None with why. `empty`: there is nothing to be missed, so that nothing is said."""

    value: Value
    reason: Text | None = None


class Head(NamedTuple):
    """A column that is to be, and what it says of an item. `kept`: also where no row has a value."""

    column: Column
    says: Callable[[Any], Figure]
    kept: bool = False


WHY_BLANK = Column(title=Text(en="Why cells are empty", ko="빈칸의 이유"), form="long")
_DROPPED = Text(en="Left out, because no row has a value: {}", ko="값이 있는 행이 없어 생략한 열: {}")


def text(en: str, ko: str, form: Form = "text") -> Column:
    """A column of words."""
    return Column(title=Text(en=en, ko=ko), form=form)


def decimals(values: Sequence[float], digits: int = 3) -> int:
    """Decimals that give the median `digits` significant digits."""
    sizes = sorted(abs(value) for value in values if value)
    if not sizes:
        return 0
    return min(MOST_DECIMALS, max(0, digits - 1 - math.floor(math.log10(sizes[len(sizes) // 2]))))


def fitted(heads: Sequence[Head], items: Sequence[Any]) -> tuple[tuple[Column, ...], list[list[Value]], list[Text]]:
    """(columns, rows, notes): every head's value of every item; a last column says why cells are empty.

    A column of numbers in which no row has a value is left out, and a note says why.
    """
    found = [[_finite(head.says(item)) for head in heads] for item in items]
    kept, notes = [], []
    for at, head in enumerate(heads):
        if head.kept or head.column.form in ("text", "long") or any(row[at].value is not None for row in found):
            kept.append(at)
        else:
            why = next((row[at].reason for row in found if row[at].reason is not None), None)
            notes.append(head.column.title if why is None else _told(head.column.title, why))
    columns = [_sized(heads[at].column, [row[at].value for row in found]) for at in kept]
    rows = [[row[at].value for at in kept] for row in found]
    whys = [_why([(heads[at].column.title, row[at]) for at in kept]) for row in found]
    if any(why is not None for why in whys):
        columns.append(WHY_BLANK)
        rows = [[*row, why] for row, why in zip(rows, whys, strict=True)]
    said = [Text(en=_DROPPED.en.format(listed(notes).en), ko=_DROPPED.ko.format(listed(notes).ko))] if notes else []
    return tuple(columns), rows, said


def _finite(found: Figure) -> Figure:
    """A spreadsheet has no infinity and no NaN."""
    if isinstance(found.value, float) and not math.isfinite(found.value):
        return Figure(None, Text(en="not a finite number", ko="유한한 수가 아닙니다"))
    return found


def _sized(column: Column, values: Sequence[Value]) -> Column:
    if column.form != "number" or column.decimals is None:
        return column
    numbers = [value for value in values if isinstance(value, (int, float))]
    return msgspec.structs.replace(column, decimals=decimals(numbers))


def _told(head: Text, why: Text) -> Text:
    return Text(en=f"{head.en}: {why.en}", ko=f"{head.ko}: {why.ko}")


def _why(cells: Sequence[tuple[Text, Figure]]) -> Text | None:
    """The reasons of one row, each once, with the columns that it is of."""
    found: dict[Text, list[Text]] = {}
    for head, figure in cells:
        if figure.value is None and figure.reason is not None:
            found.setdefault(figure.reason, []).append(head)
    if not found:
        return None
    each = [_told(_few(heads), why) for why, heads in found.items()]
    return Text(en=". ".join(item.en for item in each), ko=". ".join(item.ko for item in each))


def _few(heads: Sequence[Text], most: int = 3) -> Text:
    """The first heads; the rest is counted."""
    told, more = listed(heads[:most]), len(heads) - most
    return told if more <= 0 else Text(en=f"{told.en} and {more} more", ko=f"{told.ko} 외 {more}개")


def listed(parts: Sequence[Text], between: str = ", ") -> Text:
    """Several texts in one."""
    return Text(en=between.join(part.en for part in parts), ko=between.join(part.ko for part in parts))


def table(
    title: Text,
    heads: Sequence[Head],
    items: Sequence[Any],
    *,
    said: Sequence[Text] = (),
    notes: Sequence[Text] = (),
    tone: Callable[[Any], Tone] | None = None,
    toned: Text | None = None,
) -> Table:
    """A table of `items`. `tone` colours the cells of the column called `toned`."""
    columns, rows, dropped = fitted(heads, items)
    at = next((n for n, column in enumerate(columns) if toned is not None and column.title == toned), None)
    return Table(
        title=title,
        columns=columns,
        rows=tuple(tuple(row) for row in rows),
        said=tuple(said),
        notes=(*notes, *dropped),
        tones=tuple(tone(item) for item in items) if tone is not None else (),
        toned=at,
    )


def charted(head: Head, chart: Chart) -> Head:
    """`head`, whose column is drawn in `chart` and stands in the summary."""
    return head._replace(column=msgspec.structs.replace(head.column, chart=chart, lead=True))


def led(head: Head) -> Head:
    """`head`, whose column stands in the summary."""
    return head._replace(column=msgspec.structs.replace(head.column, lead=True))


def briefly(found: Table, most: int, sheet: Text) -> Table:
    """The summary of a table: its leading columns and first rows; `sheet` has the rest."""
    columns = [n for n, column in enumerate(found.columns) if column.lead]
    more = len(found.rows) - most
    notes = [
        Text(
            en=f"Everything, and why cells are empty: sheet {sheet.en}.",
            ko=f"전체 수치와 빈칸의 이유: {sheet.ko} 시트.",
        )
    ]
    if more > 0:
        notes.insert(0, Text(en=f"{more:,} more rows there.", ko=f"나머지 {more:,}행은 해당 시트에 있습니다."))
    return Table(
        title=found.title,
        columns=tuple(found.columns[n] for n in columns),
        rows=tuple(tuple(row[n] for n in columns) for row in found.rows[:most]),
        notes=tuple(notes),
        filtered=False,
        tones=found.tones[:most],
        toned=columns.index(found.toned) if found.toned in columns else None,
    )


def bars(found: Table, parts: Sequence[tuple[int, int, Text]], labels: tuple[int, int], x_title: Text) -> Table:
    """`found` with a chart for each of `parts` (first row, the one after the last, name) and `Column.chart`, where
    there are two numbers at least.
    """
    charts: dict[Chart, list[int]] = {}
    for n, column in enumerate(found.columns):
        if column.chart is not None:
            charts.setdefault(column.chart, []).append(n)
    drawn = []
    for start, end, name in parts:
        for chart, columns in charts.items():
            series = tuple(n for n in columns if any(found.rows[at][n] is not None for at in range(start, end)))
            known = [at for at in range(start, end) if any(found.rows[at][n] is not None for n in series)]
            values = [found.rows[at][n] for at in known for n in series]
            numbers = [value for value in values if isinstance(value, (int, float))]
            if len(numbers) > 1:
                drawn.append(
                    Bars(
                        title=listed([chart.title, name], " · "),
                        x_title=x_title,
                        y_title=chart.axis,
                        labels=labels,
                        series=series,
                        rows=(known[0], known[-1] + 1),
                        decimals=0 if all(number == int(number) for number in numbers) else decimals(numbers, 2),
                        percent=found.columns[series[0]].form == "percent",
                    )
                )
    return msgspec.structs.replace(found, bars=(*found.bars, *drawn))
