"""Draws a view for the terminal: tables that can be read in 80 columns. Decides nothing.

Foreign text is already cleaned and goes in as `rich.text.Text`, never as markup, so that no square bracket of a driver
becomes a colour or a link.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from npubench.lang import Language
from npubench.lang import Text as Words
from npubench.report.certificate import COLUMNS
from npubench.report.placement import provider
from npubench.report.shown import Certified, Fault, Group, Place, Row, RunView, View
from npubench.report.text_loads import STYLES, loads, number_of
from npubench.report.text_power import power

if TYPE_CHECKING:
    from rich.console import RenderableType

# Columns and their widths: together with the gaps no wider than 80.
_COLUMNS = (
    (Words(en="backend", ko="백엔드"), 12, "left"),
    (Words(en="load", ko="부하"), 17, "left"),
    (Words(en="rate", ko="처리량"), 16, "right"),
    (Words(en="p50", ko="p50"), 8, "right"),
    (Words(en="p99", ko="p99"), 8, "right"),
    (Words(en="verdict", ko="판정"), 13, "left"),
)
_LEAST_STDERR = 3
# What is left beside these is as wide as what it has to hold.
_NAME_WIDTH, _FACT_WIDTH = 42, 30


def _faults(faults: Sequence[Fault], language: Language) -> list[str]:
    lines = []
    for fault in faults:
        lines.append(f"{fault.explanation[language]}")
        parts = [fault.kind + (f" ×{fault.times}" if fault.times > 1 else ""), fault.where, fault.message]
        lines.append("  " + " · ".join(part for part in parts if part))
        if fault.hint:
            lines.append(f"  → {fault.hint}")
        lines += [f"  | {line}" for line in fault.stderr[-_LEAST_STDERR:]]
    return lines


def _table(rows: Sequence[Row], marks: Sequence[str], language: Language, *, head: bool) -> RenderableType:
    """The cells of one model and scope."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=head, header_style="dim")
    for title, width, side in _COLUMNS:
        table.add_column(title[language], width=width, justify="right" if side == "right" else "left", overflow="fold")
    for row, mark in zip(rows, marks, strict=True):
        table.add_row(
            Text(f"  {row.backend.id}"),
            Text(row.scenario_id),
            Text(number_of(row.rate, language)),
            Text(number_of(row.p50, language)),
            Text(number_of(row.p99, language)),
            Text(f"{row.verdict_text[language]}{mark}", style=STYLES[row.tone]),
        )
    return table


def _group(group: Group, language: Language) -> list[RenderableType]:
    """The cells of one execution kind: a table per model, precision and scope, remarks and footnotes below."""
    from rich.padding import Padding
    from rich.text import Text

    together: dict[tuple[str, str, Words], list[Row]] = {}
    for row in group.rows:
        together.setdefault((row.model.id, row.precision, row.scope), []).append(row)
    remarks: list[str] = []
    parts: list[RenderableType] = [Text(group.title[language], style="bold underline")]
    for index, ((model, precision, scope), rows) in enumerate(together.items()):
        marks = []
        for row in rows:
            told = "\n".join([*(reason[language] for reason in row.reasons), *_faults(row.faults, language)])
            if told and told not in remarks:
                remarks.append(told)
            marks.append(f" [{remarks.index(told) + 1}]" if told else "")
        parts.append(Text.assemble((f"{model} {precision}", "bold cyan"), (f" · {scope[language]}", "dim")))
        parts.append(_table(rows, marks, language, head=index == 0))
    used = {number.note for row in group.rows for number in (row.rate, row.p50, row.p99)}
    footnotes = [f"({n}) {text[language]}" for n, text in enumerate(group.notes, 1) if n in used]
    footnotes += [f"[{n}] {remark}" for n, remark in enumerate(remarks, 1)]
    if footnotes:
        parts.append(Padding(Text("\n".join(footnotes), style="dim"), (0, 0, 0, 2)))
    parts.append(Text(""))
    return parts


def _briefly(said: Sequence[tuple[Place, Certified]], language: Language) -> RenderableType:
    """A line per build and backend of which there is something to say."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(max_width=_NAME_WIDTH, overflow="fold")
    table.add_column(overflow="fold")
    for place, row in said:
        brief = row.brief[language] if row.brief is not None else ""
        table.add_row(Text(f"  {place.backend.id} · {row.model.id} {row.build}"), Text(brief, style=STYLES[row.tone]))
    return table


def certificates(view: View, language: Language = "en") -> list[RenderableType]:
    """Every placement certificate in full, by backend."""
    parts: list[RenderableType] = []
    for run in view.runs:
        for place in run.places:
            parts += _place(place, language)
    return parts


def _place(place: Place, language: Language) -> list[RenderableType]:
    from rich.text import Text

    title = Text.assemble((place.backend.title[language], "bold underline"), (f" {place.backend.id}", "dim"))
    if place.kind is not None:
        title.append(f" · {place.kind[language]}", style="yellow")
    parts: list[RenderableType] = [
        title,
        Text(place.verified[language], style=STYLES[place.verified_tone]),
        Text(place.environment[language], style="dim"),
        Text(""),
    ]
    for row in place.rows:
        parts += _certificate(row, language)
    if place.notes:
        parts += [Text(f"({n}) {note[language]}", style="dim") for n, note in enumerate(place.notes, 1)]
        parts.append(Text(""))
    return parts


def _certificate(row: Certified, language: Language) -> list[RenderableType]:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    head = Text.assemble((f"{row.model.id} {row.build}", "bold cyan"), "  ", (row.label[language], STYLES[row.tone]))
    parts: list[RenderableType] = [head, Text(row.sentence[language])]
    parts += [Text(f"· {remark[language]}", style="yellow") for remark in row.remarks]
    if row.providers:
        took = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        took.add_column(Words(en="provider", ko="프로바이더")[language], overflow="fold")
        for column in COLUMNS:
            took.add_column(column[language], justify="right", overflow="fold")
        for item in row.providers:
            name = Text(
                provider(item.name) or (item.role[language] if item.role else ""), style="bold" if item.role else ""
            )
            took.add_row(name, *(Text(number_of(number, language)) for number in item.numbers))
        parts.append(Padding(took, (0, 0, 0, 2)))
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="dim", max_width=_FACT_WIDTH, overflow="fold")
    facts.add_column(overflow="fold")
    for fact in row.facts:
        value = fact.value if isinstance(fact.value, str) else fact.value[language]
        facts.add_row(Text(fact.name[language]), Text(value))
    parts += [Padding(facts, (0, 0, 0, 2)), Text("")]
    return parts


def _run(run: RunView, language: Language) -> list[RenderableType]:
    from rich.text import Text

    parts: list[RenderableType] = [
        Text(run.verdict[language], style=f"bold {STYLES[run.tone]}"),
        Text(run.sentence[language]),
        *(Text(f"· {caveat[language]}", style="dim") for caveat in run.caveats),
        Text(""),
    ]
    for group in run.groups:
        parts += _group(group, language)
    parts += loads(run, language)
    parts += power(run, language)
    if said := [(place, row) for place in run.places for row in place.rows if row.brief is not None]:
        head = Words(
            en="Where it ran (all of it: npubench show --placement)", ko="실행 위치(전체: npubench show --placement)"
        )
        parts.append(Text(head[language], style="bold"))
        parts.append(_briefly(said, language))
        parts.append(Text(""))
    if run.absent:
        head = Words(en="Backends that are not here", ko="이 장비에 없는 백엔드")
        parts.append(Text(head[language], style="bold"))
        for item in run.absent:
            parts.append(Text.assemble((f"  {item.backend}", "bold"), f"  {item.reason}"))
            if item.fix is not None:
                parts.append(Text.assemble("    → ", (item.fix[language], "cyan")))
        parts.append(Text(""))
    if run.remarks:
        head = Words(en="What to know about this run", ko="이 실행에서 알아 둘 것")
        parts.append(Text(head[language], style="bold"))
        parts += [Text(f"  · {remark.text[language]}", style=STYLES[remark.tone]) for remark in run.remarks]
        parts.append(Text(""))
    return parts


def run_table(view: View, language: Language = "en", written: str | None = None) -> list[RenderableType]:
    """What the console shows of a view: per run the verdict, all cells, absent backends and warnings.

    `written` is where the results lie; it is the last line. Print each part with `rich.console.Console.print`.
    """
    from rich.text import Text

    parts: list[RenderableType] = []
    for run in view.runs:
        parts += _run(run, language)
    if written is not None:
        parts.append(Text(Words(en=f"written to {written}", ko=f"저장 위치: {written}")[language]))
    return parts
