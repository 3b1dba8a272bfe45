"""Draws power and energy for the terminal: a table per scope and service, in 80 columns. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from npubench.lang import Language
from npubench.lang import Text as Words
from npubench.report.power_words import UNAVAILABLE
from npubench.report.shown import RunView
from npubench.report.shown_power import PowerPanel, PowerRow, PowerScope
from npubench.report.text_loads import STYLES, number_of

if TYPE_CHECKING:
    from rich.console import RenderableType

_NAME_WIDTH, _LOAD_WIDTH, _NUMBER_WIDTH = 12, 20, 10
# The columns that the terminal has room for; the report has all.
_MOST_COLUMNS = 4
_HEADS: dict[str, Words] = {
    "cameras_per_w": Words(en="cameras/W", ko="카메라/W"),
    "users_per_w": Words(en="users/W", ko="사용자/W"),
    "tokens_per_j": Words(en="tokens/J", ko="토큰/J"),
    "energy_per_frame_j": Words(en="a frame", ko="프레임"),
    "energy_per_page_j": Words(en="a page", ko="페이지"),
    "energy_per_request_j": Words(en="a request", ko="요청"),
    "net_energy_per_request_j": Words(en="net", ko="순"),
    "power_mean_w": Words(en="mean", ko="평균"),
    "idle": Words(en="idle", ko="유휴"),
}


def _panel(scope: PowerScope, panel: PowerPanel, language: Language) -> list[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = [
        Text.assemble((panel.title[language], "bold"), (f" · {scope.title[language]}", "bold yellow"))
    ]
    shown = _chosen(panel)
    together: dict[tuple[str, str, Words], list[PowerRow]] = {}
    for row in panel.rows:
        together.setdefault((row.model.id, row.precision, row.scope), []).append(row)
    for n, ((model, precision, where), rows) in enumerate(together.items()):
        parts.append(Text.assemble((f"{model} {precision}", "bold cyan"), (f" · {where[language]}", "dim")))
        parts.append(_table(panel, rows, shown, language, head=n == 0))
    used = {row.numbers[index].note for row in panel.rows for index in shown}
    notes = [f"({n}) {note[language]}" for n, note in enumerate(panel.notes, 1) if n in used]
    return [*parts, *(Padding(Text(note, style="dim"), (0, 0, 0, 2)) for note in notes)]


def _table(
    panel: PowerPanel, rows: Sequence[PowerRow], shown: Sequence[int], language: Language, *, head: bool
) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=head, header_style="dim")
    table.add_column("", width=_NAME_WIDTH, overflow="fold")
    table.add_column("", width=_LOAD_WIDTH, overflow="fold")
    for index in shown:
        title = _HEADS.get(panel.keys[index], panel.columns[index])
        table.add_column(title[language], justify="right", width=_NUMBER_WIDTH, overflow="fold")
    for row in rows:
        load = Text(row.written)
        if row.tone != "good":
            load.append(f" {row.verdict_text[language]}", style=STYLES[row.tone])
        table.add_row(
            Text(f"  {row.backend.id}"), load, *(Text(number_of(row.numbers[index], language)) for index in shown)
        )
    return table


def _chosen(panel: PowerPanel) -> tuple[int, ...]:
    """The first columns and the last two (mean and idle power)."""
    n = len(panel.columns)
    return tuple(range(n)) if n <= _MOST_COLUMNS else (*range(_MOST_COLUMNS - 2), n - 2, n - 1)


def power(run: RunView, language: Language) -> list[RenderableType]:
    """What a run says of power; without a figure, why there is none."""
    from rich.text import Text

    found = run.power
    head = Words(en="Power and energy", ko="전력과 에너지")[language]
    if found.missing is not None:
        if not run.groups:
            return []
        said = Text.assemble((head, "bold"), f" {UNAVAILABLE[language]}: {found.missing[language]}")
        return [said, Text("")]
    parts: list[RenderableType] = [Text(head, style="bold underline")]
    for scope in found.scopes:
        for panel in scope.panels:
            parts += _panel(scope, panel, language)
    parts += [Text(f"· {remark[language]}", style="yellow") for remark in found.remarks]
    return [*parts, Text("")]
