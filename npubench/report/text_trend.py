"""Draws histories for the terminal: several cells a line each, one cell night by night. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from npubench.lang import Language, Text
from npubench.report import trend as said
from npubench.stats.trend import CellTrend, Trend
from npubench.units import show

if TYPE_CHECKING:
    from rich.console import RenderableType

_STYLES = {said.CHANGE: "bold yellow", said.LINE: "cyan", said.GAP: "red", said.OFF: "yellow", said.VERSION: "cyan"}
# Two of indent, blocks and a gap leave room for a value and its unit in 80 columns.
_WIDTH, _WIDTH_OF_ONE = 60, 76
# Nights of a single cell that are listed unless more are asked for; the line of blocks has them all.
_ROWS = 30
_COLUMNS = (
    (Text(en="night (UTC)", ko="일시(UTC)"), 16, "left"),
    (Text(en="value", ko="값"), 14, "right"),
    (Text(en="launches", ko="실행"), 8, "right"),
)
_MOST_LEFT_OUT = 5


def draw(found: Trend, language: Language, last: int | None = None) -> Iterator[RenderableType]:
    """The parts to print; `last` is how many nights of each cell are shown."""
    from rich.text import Text as Drawn

    count = found.nights
    nights = Text(en=f"{count} night{'' if count == 1 else 's'}", ko=f"{count}회")[language]
    span = f"{said.date(found.first or '')} … {said.date(found.last or '')}"
    yield Drawn.assemble((said.one_line(found.machine, 120), "bold"), f" · {nights} · {span}")
    changed, cells = sum(bool(cell.changes) for cell in found.cells), len(found.cells)
    if cells > 1:
        verb = "has" if changed == 1 else "have"
        text = Text(
            en=f"{changed} of {cells} cells {verb} a change point",
            ko=f"셀 {cells}개 중 {changed}개에 변화점이 있음",
        )
        yield Drawn(text[language], style="yellow" if changed else "")
    yield Drawn("")
    marked = False
    for cell in found.cells:
        line = said.line(cell, _WIDTH_OF_ONE if len(found.cells) == 1 else _WIDTH, last)
        marked = marked or bool(line.marks.strip())
        if len(found.cells) == 1:
            yield from _night_by_night(cell, line, language, last)
        else:
            yield from _short(cell, line, language)
    if marked:
        yield Drawn(said.LEGEND[language], style="dim")
    yield from _notes(found, language)


def _title(cell: CellTrend, language: Language) -> RenderableType:
    from rich.text import Text as Drawn

    return Drawn.assemble((said.name(cell), "bold cyan"), f" · {said.metric(cell)[language]}")


def _short(cell: CellTrend, line: said.Line, language: Language) -> Iterator[RenderableType]:
    from rich.text import Text as Drawn

    newest = next((night.value for night in reversed(cell.nights) if night.value is not None), None)
    yield _title(cell, language)
    yield Drawn(f"  {line.blocks} {show(newest, cell.unit)}")
    if line.marks.strip():
        yield _marks(line)
    style = "yellow" if cell.changes or cell.pending else "dim"
    yield Drawn(f"  {said.sentence(cell)[language]}", style=style)
    yield Drawn("")


def _marks(line: said.Line) -> RenderableType:
    from rich.text import Text as Drawn

    return Drawn.assemble("  ", *((mark, _STYLES.get(mark, "")) for mark in line.marks.rstrip()))


def _night_by_night(cell: CellTrend, line: said.Line, language: Language, last: int | None) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text as Drawn

    yield _title(cell, language)
    yield Drawn(f"  {line.blocks}")
    if line.marks.strip():
        yield _marks(line)
    low, high = show(line.low, cell.unit), show(line.high, cell.unit)
    spread = "" if cell.spread is None else Text(en=", sd of a night {}", ko=", 회차 간 표준편차 {}")[language]
    yield Drawn(
        f"  {low} … {high}{spread.format(show(cell.spread, 'ratio'))}; {said.sentence(cell)[language]}", style="dim"
    )
    yield Drawn("")
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for title, width, justify in _COLUMNS:
        table.add_column(title[language], width=width, justify=justify, overflow="fold")  # type: ignore[arg-type]
    table.add_column("", overflow="fold", ratio=1)
    remarks = said.remarks(cell)
    start = max(0, len(cell.nights) - (last or _ROWS))
    hidden = 0
    for place, night in enumerate(cell.nights):
        told = remarks.get(night.run, [])
        if place < start and not any(mark in (said.CHANGE, said.LINE) for mark, _ in told):
            hidden += 1
            continue
        if hidden:
            more = Text(en=f"… {hidden} more", ko=f"… {hidden}회 생략")[language]
            table.add_row(Drawn(more, style="dim"))
            hidden = 0
        lines = [Drawn(f"{mark} {text[language]}", style=_STYLES.get(mark, "dim")) for mark, text in told]
        style = "dim" if night.value is None or night.outlier else ""
        table.add_row(
            Drawn(said.date(night.created, time=True)),
            Drawn(show(night.value, cell.unit), style=style),
            Drawn(str(night.launches) if night.launches else ""),
            Drawn("\n").join(lines),
        )
    yield table
    yield Drawn("")


def _notes(found: Trend, language: Language) -> Iterator[RenderableType]:
    """What was left out, and why."""
    from rich.text import Text as Drawn

    if count := found.quick_looks:
        plural = "s" if count > 1 else ""
        text = Text(
            en=f"{count} quick look{plural} left out, as no comparison takes them (--all takes them in)",
            ko=f"비교에 쓰이지 않는 간이 실행 {count}회 제외(--all로 포함)",
        )
        yield Drawn(text[language], style="dim")
    for item in found.left_out[:_MOST_LEFT_OUT]:
        reason = said.one_line(item.reason[language])
        yield Drawn(
            Text(en="left out: ", ko="제외: ")[language] + f"{said.one_line(item.path)}: {reason}", style="yellow"
        )
    if (more := len(found.left_out) - _MOST_LEFT_OUT) > 0:
        yield Drawn(Text(en=f"… and {more} more", ko=f"… 외 {more}개")[language], style="yellow")
