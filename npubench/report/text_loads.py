"""Draws for the terminal what loads gave: curves as tables, mixes, stages, the tuner's points. Decides nothing.

Not aware of: cells and certificates (`text`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from npubench.lang import Language
from npubench.lang import Text as Words
from npubench.report.shown import Number, RunView
from npubench.report.shown_loads import LoadFigure, Mix, Scaling, StageRow, Tuned

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES = {"good": "green", "warn": "yellow", "bad": "red", "plain": "dim"}
# Of a tuner's points the terminal shows those that lasted longest; the report has all.
_MOST_POINTS = 8


def number_of(number: Number, language: Language) -> str:
    """A number with its unit and the mark of its footnote."""
    text = f"{number.text} {number.unit[language]}" if number.unit else number.text
    return f"{text} ({number.note})" if number.note else text


# Columns of a search and their widths: together with the indent and the gaps no wider than 80.
_LOAD_COLUMNS = (("p50", 11), ("p90", 11), ("p99", 11))


def _load(figure: LoadFigure, language: Language) -> list[RenderableType]:
    """What one cell holds: the finding, and a line per load that was tried."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    title = Text.assemble(
        (f"{figure.model.id} {figure.precision} {figure.backend.id}", "bold cyan"),
        f" · {figure.title[language]}",
        (f" · {figure.written}", "dim"),
    )
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(figure.counted_in[language], justify="right", max_width=12, overflow="fold")
    for name, width in _LOAD_COLUMNS:
        table.add_column(f"{figure.timed} {name}".strip(), justify="right", width=width, overflow="fold")
    table.add_column(Words(en="dropped", ko="버려짐")[language], justify="right", width=7, overflow="fold")
    table.add_column(Words(en="result", ko="결과")[language], overflow="fold")
    for row in figure.rows:
        table.add_row(
            Text(row.load[language], style="bold" if row.best else ""),
            *(Text(number_of(number, language)) for number in (row.p50, row.p90, row.p99)),
            Text(row.dropped),
            Text(f"{row.result[language]} ({row.purpose[language]})", style=STYLES[row.tone]),
        )
    parts: list[RenderableType] = [title, Padding(Text(figure.sentence[language]), (0, 0, 0, 2))]
    if figure.rows:
        parts.append(Padding(table, (0, 0, 0, 2)))
    notes = [Text(f"({n}) {note[language]}", style="dim") for n, note in enumerate(figure.notes, 1)]
    return [*parts, *(Padding(note, (0, 0, 0, 2)) for note in notes), Text("")]


def _scaling(item: Scaling, language: Language) -> list[RenderableType]:
    """What more devices deliver together, a line each."""
    from rich.padding import Padding
    from rich.text import Text

    title = Text.assemble(
        (f"{item.model.id} {item.precision} {item.backend.id}", "bold cyan"), f" · {item.context[language]}"
    )
    parts: list[RenderableType] = [title, Padding(Text(item.sentence[language]), (0, 0, 0, 2))]
    each = Words(en="each", ko="장치당")[language]
    for row in item.rows:
        numbers = (number_of(number, language) for number in (row.rate, row.per_device, row.efficiency))
        together, one, share = numbers
        parts.append(Padding(Text(f"{row.devices} × {together}, {one} {each} ({share})"), (0, 0, 0, 2)))
    notes = [Text(f"({n}) {note[language]}", style="dim") for n, note in enumerate(item.notes, 1)]
    return [*parts, *(Padding(note, (0, 0, 0, 2)) for note in notes), Text("")]


def _mix(mix: Mix, language: Language) -> list[RenderableType]:
    """What each service of a mix loses beside the others, two lines each."""
    from rich.padding import Padding
    from rich.text import Text

    heads = (Words(en="rate", ko="처리량"), Words(en="p50", ko="p50"), Words(en="p99", ko="p99"))
    parts: list[RenderableType] = [Text(mix.title[language], style="bold underline")]
    for row in mix.rows:
        title = Text.assemble((f"{row.model.id} {row.precision} {row.backend.id}", "bold cyan"), f" · {row.written}")
        each = []
        for index, head in enumerate(heads):
            alone, beside, change = (number_of(number, language) for number in row.numbers[3 * index : 3 * index + 3])
            each.append(f"{head[language]} {alone} → {beside} ({change})")
        parts += [title, Padding(Text(" · ".join(each)), (0, 0, 0, 2))]
    notes = [Text(f"({n}) {note[language]}", style="dim") for n, note in enumerate(mix.notes, 1)]
    return [*parts, *(Padding(note, (0, 0, 0, 2)) for note in notes), Text("")]


def _tuned(item: Tuned, language: Language) -> list[RenderableType]:
    """The choice of the tuner, and the points that lasted longest."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    lead = Words(en="How it is best driven", ko="최적 구성")[language]
    title = Text.assemble((f"{item.model.id} {item.precision} {item.backend.id}", "bold cyan"), f" · {lead}")
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for head in (
        Words(en="batch", ko="배치"),
        Words(en="sessions", ko="세션"),
        Words(en="threads", ko="스레드"),
        Words(en="in flight", ko="동시"),
        item.unit,
    ):
        table.add_column(head[language], justify="right", overflow="fold")
    table.add_column("", overflow="fold")
    for row in item.rows[:_MOST_POINTS]:
        words = (
            Words(en="chosen", ko="선택")[language] if row.chosen else "",
            Words(en="default", ko="기본")[language] if row.default else "",
        )
        marks = " · ".join(filter(None, words))
        cells = (row.batch, row.instances, row.threads, row.inflight, number_of(row.rate, language), marks)
        table.add_row(*(Text(cell, style="bold" if row.chosen else "") for cell in cells))
    parts: list[RenderableType] = [title, Padding(Text(item.sentence[language]), (0, 0, 0, 2))]
    if item.rows:
        parts.append(Padding(table, (0, 0, 0, 2)))
    used = {row.rate.note for row in item.rows[:_MOST_POINTS]}
    notes = [f"({n}) {note[language]}" for n, note in enumerate(item.notes, 1) if n in used]
    return [*parts, *(Padding(Text(note, style="dim"), (0, 0, 0, 2)) for note in notes), Text("")]


def _stages(row: StageRow, language: Language) -> list[RenderableType]:
    """Where the time of one cell's inputs goes, in two lines."""
    from rich.padding import Padding
    from rich.text import Text

    title = Text.assemble(
        (f"{row.model.id} {row.precision} {row.backend.id}", "bold cyan"), f" · {row.context[language]} · {row.total}"
    )
    each = " · ".join(f"{part.title[language]} {part.time} ({part.share})" for part in row.stages)
    return [title, Padding(Text(each), (0, 0, 0, 2)), Padding(Text(row.sentence[language], style="dim"), (0, 0, 0, 2))]


def loads(run: RunView, language: Language) -> list[RenderableType]:
    """Everything that loads gave in a run."""
    from rich.text import Text

    parts: list[RenderableType] = []
    if run.curves:
        parts.append(Text(Words(en="How much load it holds", ko="감당하는 부하")[language], style="bold underline"))
        for figure in run.curves:
            parts += _load(figure, language)
    for scaled in run.scalings:
        parts += _scaling(scaled, language)
    for mix in run.mixes:
        parts += _mix(mix, language)
    if run.stages:
        parts.append(Text(Words(en="Where the time goes", ko="시간이 쓰이는 곳")[language], style="bold underline"))
        for row in run.stages:
            parts += _stages(row, language)
        parts.append(Text(""))
    for item in run.tuned:
        parts += _tuned(item, language)
    return parts
