"""`npubench rank RUN…`: backends, machines and runs on the same work, in 80 columns, as JSON or as a Markdown file.

Whatever others wrote is cleaned and drawn as text, never as markup.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console as RichConsole
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as Drawn

from npubench import store
from npubench.cli.outputs import spoken_language, write
from npubench.discovery import checkout_root
from npubench.errors import NotComparableError
from npubench.lang import Language, Text
from npubench.report.ranking import NOT_RANKED, ShownRanking, ShownTable, markdown, view
from npubench.stats.ranking import rank as ranked
from npubench.stats.runs import assembled

if TYPE_CHECKING:
    from rich.console import RenderableType

_NOTHING = Text(en="nothing can be ranked", ko="순위를 매길 수 있는 것이 없음")
# With a column of space between them no wider than 80.
_PLACE, _FIGURE, _INTERVAL = 5, 10, 19


def rank(
    names: Sequence[str],
    *,
    allow: Sequence[str] = (),
    as_json: bool = False,
    page: Path | None = None,
    lang: str = "",
    out: Path | None = None,
) -> None:
    """Prints the ranking. Exits with 5 where nothing at all could be ranked."""
    spoken = spoken_language(lang)
    root = store.results_root(out, checkout_root())
    folders = {folder.path.resolve(): folder for folder in (store.open_run(name, root) for name in names)}
    found = ranked([assembled(folder) for folder in folders.values()], allow=allow)
    if page is not None:
        write(page, markdown(found, spoken))
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    else:
        console = RichConsole(highlight=False)
        for part in draw(view(found), spoken):
            console.print(part)
    if not found.tables:
        sys.stdout.flush()
        sys.exit(NotComparableError.exit_code)


def draw(shown: ShownRanking, spoken: Language) -> Iterator[RenderableType]:
    """The runs, each table under its title, and what is in none."""
    for run in shown.runs:
        yield Drawn(run, style="dim")
    for note in shown.notes:
        yield Drawn(f"· {note[spoken]}", style="yellow")
    yield Drawn("")
    for table in shown.tables:
        yield from _table(table, spoken)
    if not shown.tables:
        yield Drawn(_NOTHING[spoken], style="bold red")
    if shown.unranked:
        yield Drawn(NOT_RANKED[spoken], style="bold")
        for why, names in shown.unranked:
            for name in names:
                yield Padding(Drawn(name, style="cyan"), (0, 0, 0, 2))
            yield Padding(Drawn(why[spoken]), (0, 0, 0, 4))
        yield Drawn("")
    if shown.tables:
        yield Drawn(shown.legend[spoken], style="dim")


def _table(shown: ShownTable, spoken: Language) -> Iterator[RenderableType]:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    widths = [_FIGURE, _INTERVAL, *([_FIGURE + 2] * (len(shown.columns) - 2))]
    table.add_column("", width=_PLACE, overflow="fold")
    table.add_column("", width=80 - _PLACE - 1 - sum(width + 1 for width in widths), overflow="fold")
    for title, width in zip(shown.columns, widths, strict=True):
        table.add_column(Drawn(title[spoken]), width=width, justify="right", overflow="fold")
    remarks: dict[str, list[str]] = {}
    for row in shown.rows:
        table.add_row(Drawn(row.place), Drawn(row.name), *(Drawn(cell) for cell in row.cells))
        if row.said[spoken]:
            remarks.setdefault(row.said[spoken], []).append(row.name)
    yield Drawn(shown.title[spoken], style="bold cyan")
    yield table
    for note in shown.notes:
        yield Padding(Drawn(note[spoken], style="yellow"), (0, 0, 0, 2))
    for said, names in remarks.items():
        yield Padding(Drawn(f"{', '.join(names)}: {said}", style="dim"), (0, 0, 0, 2))
    yield Drawn("")
