"""Draws sheets with XlsxWriter. Decides nothing.

Guarantees: text is written as text, so that no formula and no link comes from anybody's name; what a spreadsheet would
calculate when it is typed again carries the sign for "text" (`quotePrefix`). The same sheets give the same bytes: no
clock, no temporary file. Sheets print on A4, landscape.

`constant_memory` is not used: it takes neither tables (each with filter buttons of its own) nor files in memory; a
workbook of 2 000 cells needs about 100 MB without it.
"""

from __future__ import annotations

import io
from datetime import datetime, timezone
from typing import Any

from npubench.lang import Language, Text
from npubench.report.export_csv import FORMULA
from npubench.report.xlsx import charts, look, names
from npubench.report.xlsx.parts import Column, Lead, Link, Sheet, Table, Tone, Value

_SPAN = 150.0
_A4 = 9
_WIDEST_ON_A_PAGE = 230.0
EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc)


def created(text: str) -> datetime:
    """When a run was made, as a document's date; of a file that does not say so a fixed one."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return EPOCH
    return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)


def render(sheets: list[Sheet], language: Language, properties: dict[str, Any]) -> bytes:
    """The workbook. `properties`: of the document, `created` among them."""
    import xlsxwriter

    stream, font = io.BytesIO(), look.FONTS[language]
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "default_format_properties": {"font_name": font, "font_size": 10},
    }
    book = xlsxwriter.Workbook(stream, options)
    book.set_properties(properties)
    drawn = _Book(book, language, font)
    for sheet, name in zip(sheets, list(names.unique([sheet.name[language] for sheet in sheets])), strict=True):
        drawn.add(sheet, name)
    drawn.draw()
    book.close()
    return stream.getvalue()


class _Book:
    """Formats are made once and shared; lives while one workbook is drawn."""

    def __init__(self, book: Any, language: Language, font: str) -> None:
        self.book, self.language, self.font = book, language, font
        self._formats: dict[tuple[tuple[str, Any], ...], Any] = {}
        self._sheets: list[tuple[Sheet, str, Any]] = []

    def add(self, sheet: Sheet, name: str) -> None:
        self._sheets.append((sheet, name, self.book.add_worksheet(name)))

    def draw(self) -> None:
        for sheet, name, at in self._sheets:
            _Page(self, sheet, name, at).draw()

    def name_of(self, place: int) -> str:
        return self._sheets[place][1]

    def form(self, **changes: Any) -> Any:
        key = tuple(sorted(changes.items()))
        if key not in self._formats:
            self._formats[key] = self.book.add_format({**look.base(self.font), **changes})
        return self._formats[key]

    def text(self, found: str, **changes: Any) -> Any:
        """The format of a text: one that begins like a formula is marked as text."""
        quoted = {"quote_prefix": True} if found.startswith(FORMULA) else {}
        return self.form(**changes, **quoted)


class _Page:
    """One sheet while it is drawn: `row` is the next free one."""

    def __init__(self, book: _Book, sheet: Sheet, name: str, at: Any) -> None:
        self.book, self.sheet, self.name, self.at = book, sheet, name, at
        self.row = 0
        self.widths = self._widths()

    def say(self, text: Value) -> str:
        return look.spoken(text, self.book.language)

    def _widths(self) -> list[float]:
        """Of each column what the tables of the sheet need."""
        widths: list[float] = []
        for table in self.sheet.tables:
            for n, column in enumerate(table.columns):
                seen = [self._seen(column, row[n]) for row in table.rows[:400]]
                width = look.column_width(column, column.title[self.book.language], seen)
                widths[n : n + 1] = [max([width, *widths[n : n + 1]])]
        return widths or [look._LONG]

    def _seen(self, column: Column, value: Value) -> str:
        if isinstance(value, (int, float)):
            return look.shown(value, look.number_format(column, value))
        return "" if value is None else self.say(value)

    def draw(self) -> None:
        for n, width in enumerate(self.widths):
            self.at.set_column(n, n, width)
        self._line(self.sheet.title, bold=True, font_size=16)
        for part in self.sheet.prose:
            self._prose(part)
        heads = [self._table(n, table) for n, table in enumerate(self.sheet.tables)]
        self._page(heads)

    def _span(self) -> tuple[int, float]:
        """(last column, width) of a line of prose."""
        width = 0.0
        for n, each in enumerate(self.widths):
            if n and width + each > _SPAN:
                return n - 1, width
            width += each
        return len(self.widths) - 1, width

    def _line(self, text: Value, *, height: float = 1.0, **form: Any) -> None:
        """A line of prose over several columns, as high as it needs to be."""
        said = self.say(text)
        if not said:
            return
        last, width = self._span()
        size = form.get("font_size", 10)
        tall = max(height, look.lines(said, width * 10 / size)) * (size * 1.45 + 3)
        found = self.book.text(said, text_wrap=True, **{"valign": "top", **form})
        if last:
            self.at.merge_range(self.row, 0, self.row, last, "", found)
        self.at.write_string(self.row, 0, said, found)
        self.at.set_row(self.row, min(tall, 400))
        self.row += 1

    def _prose(self, part: Text | Lead | Link) -> None:
        if isinstance(part, Lead):
            ink, ground = look.TONES[part.tone]
            self._line(part.text, bold=True, font_size=12, font_color=ink, bg_color=ground, valign="vcenter", indent=1)
        elif isinstance(part, Link):
            to = self.book.name_of(part.to)
            said = self.say(part.said)
            form = self.book.text(said, font_color=look.LINK, underline=1)
            quoted = to.replace("'", "''")
            self.at.write_url(self.row, 0, f"internal:'{quoted}'!A1", form, f"{to}: {said}"[:250])
            self.row += 1
        else:
            self._line(part)

    def _table(self, number: int, table: Table) -> int:
        """Draws a table with what belongs to it; the row of its heads."""
        self.row += 1
        self._line(table.title, bold=True, font_size=12)
        for said in table.said:
            self._line(said, font_color=look.GREY)
        head = self.row
        titles = list(self._titles(table))
        tall = max((look.lines(title, self.widths[n] - 2) for n, title in enumerate(titles)), default=1)
        self.at.set_row(head, max(20, tall * 14 + 4))
        if table.filtered and table.rows:
            self.at.add_table(head, 0, head + len(table.rows), len(titles) - 1, {
                "name": f"t{self.book.book.worksheets().index(self.at) + 1}_{number + 1}",
                "columns": [{"header": title} for title in titles],
                "style": None,
            })  # fmt: skip
        for n, (column, title) in enumerate(zip(table.columns, titles, strict=True)):
            side = "left" if column.form in ("text", "long") else "right"
            form = self.book.form(
                bold=True,
                text_wrap=True,
                bg_color=look.HEAD,
                bottom=1,
                top=1,
                border_color=look.INK,
                align=side,
                indent=int(side == "left"),
            )
            self.at.write_string(head, n, title, form)
        for at, row in enumerate(table.rows):
            tone = table.tones[at] if at < len(table.tones) else "plain"
            tall = self._tall(table, row)
            if tall > 1:
                # Programs that do not fit heights by themselves would cut the text.
                self.at.set_row(head + 1 + at, min(tall * 14 + 4, 400))
            for n, (column, value) in enumerate(zip(table.columns, row, strict=True)):
                self._cell(head + 1 + at, n, column, value, tone if n == table.toned else "plain")
        self.row = head + 1 + len(table.rows)
        for note in table.notes:
            self._line(note, font_size=9, font_color=look.GREY)
        if table.bars:
            self.row = charts.draw(
                self.book.book, self.at, self.name, table, self.row + 1, head + 1, self.book.language
            )
        return head

    def _tall(self, table: Table, row: tuple[Value, ...]) -> int:
        """Lines of the longest text of a row that is wrapped."""
        long = [(n, value) for n, value in enumerate(row) if table.columns[n].form == "long" and value]
        return max((look.lines(self.say(value), self.widths[n] - 2) for n, value in long), default=1)

    def _titles(self, table: Table) -> list[str]:
        """Heads, each only once: a spreadsheet's table cannot have two of a name."""
        found: list[str] = []
        for column in table.columns:
            title, number = self.say(column.title).replace("\n", " ")[:250], 2
            plain, used = title, {other.casefold() for other in found}
            while title.casefold() in used:
                title, number = f"{plain} ({number})", number + 1
            found.append(title)
        return found

    def _cell(self, row: int, n: int, column: Column, value: Value, tone: Tone) -> None:
        ink, ground = look.TONES[tone]
        edge: dict[str, Any] = {"bottom": 4, "border_color": look.RULE}
        # Words keep off the numbers before them.
        edge.update(indent=1 if column.form in ("text", "long") and n else 0)
        if tone != "plain":
            edge.update(bg_color=ground, font_color=ink, bold=True)
        if isinstance(value, (int, float)):
            self.at.write_number(row, n, value, self.book.form(num_format=look.number_format(column, value), **edge))
        elif value is None:
            self.at.write_blank(row, n, None, self.book.form(**edge))
        else:
            said = self.say(value)
            wrap = {"text_wrap": True, "valign": "top"} if column.form == "long" else {}
            if column.form != "long":
                said = said.replace("\n", " ")
            self.at.write_string(row, n, said, self.book.text(said, **edge, **wrap))

    def _page(self, heads: list[int]) -> None:
        """Panes, and how it prints."""
        at = self.at
        at.hide_gridlines(2)
        wide = len(self.widths) > 6
        if len(heads) == 1 and heads[0] <= 7:
            at.freeze_panes(heads[0] + 1, 1 if wide else 0)
        elif heads:
            at.freeze_panes(1, 1 if wide else 0)
        at.set_landscape()
        at.set_paper(_A4)
        at.set_margins(left=0.4, right=0.4, top=0.6, bottom=0.6)
        if self.sheet.one_wide or sum(self.widths) <= _WIDEST_ON_A_PAGE:
            at.fit_to_pages(1, 0)
        else:
            # Smaller would be unreadable: the rest goes on further pages, with the first column on each.
            at.set_print_scale(55)
            at.repeat_columns(0, 0)
        if len(heads) == 1 and self.sheet.tables[0].rows:
            at.repeat_rows(heads[0])
        title = self.name.replace("&", "&&")
        at.set_header(f"&L&9{title}&R&9npubench"[:250])
        at.set_footer("&C&9&P / &N")
