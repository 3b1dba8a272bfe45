"""A run as CSV: one row for each cell and metric, with `launches` also one for each launch. RFC 4180, UTF-8.

Columns stay as they are: new ones are added at the end. A cell of the table that others wrote and that begins with
`=`, `+`, `-`, `@` or a tab gets an apostrophe before it, because a spreadsheet would take it for a formula (OWASP, CSV
Injection); numbers are ours and are written in full, unknown is empty with its reason.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from npubench.metrics import METRICS, QUALITY
from npubench.report.foreign import MESSAGE_LIMIT, clean
from npubench.scenarios import written
from npubench.schema import Cell, Run, Spread

COLUMNS = (
    "run", "machine", "created", "npubench", "ruleset", "profile", "comparable",
    "cell", "model", "variant", "precision", "backend", "scenario", "scope", "service_unit", "purpose",
    "execution_kind", "verdict", "launch", "metric", "meter", "unit", "value", "reason",
)  # fmt: skip
"""`launch`: empty in the row of the cell itself (the median over its launches; of a capacity the smallest), else the
launch. `meter`: the channel of a joule figure, the scope of an efficiency, empty for every other metric. `unit` is that
of the value: ns, 1/s, count …; booleans are true and false.
"""

# Full-width forms are formulas too where a spreadsheet normalises them.
FORMULA = tuple("=+-@\t\r＝＋－＠")


def safe(text: object) -> str:
    """Somebody else's text as one line that no spreadsheet calculates."""
    found = clean("" if text is None else text, MESSAGE_LIMIT).replace("\n", " ")
    return f"'{found}" if found.startswith(FORMULA) or found.lstrip().startswith(FORMULA) else found


def export(run: Run, *, launches: bool = False) -> bytes:
    """The table. With `launches` a row for each launch's value follows that of its cell."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for cell in run.cells:
        head = _head(run, cell)
        for metric, meter, unit, spread in _figures(cell):
            writer.writerow((*head, "", metric, meter, unit, _number(spread.median), safe(spread.reason)))
            if launches and len(spread.launches) == len(cell.launches):
                for name, value in zip(cell.launches, spread.launches, strict=True):
                    writer.writerow((*head, safe(name), metric, meter, unit, _number(value), ""))
    return stream.getvalue().encode()


def _head(run: Run, cell: Cell) -> tuple[str, ...]:
    comparable = "true" if run.comparable else "false"
    of_run = (run.id, run.machine.name, run.created, run.npubench, run.ruleset, run.profile, comparable)
    of_cell = (
        cell.id,
        cell.model,
        cell.key.get("variant", ""),
        cell.precision,
        cell.backend,
        written(cell.scenario),
        cell.scope,
        cell.unit,
        cell.purpose,
        cell.execution_kind,
        cell.verdict,
    )
    return tuple(safe(value) for value in (*of_run, *of_cell))


def _figures(cell: Cell) -> Iterator[tuple[str, str, str, Spread]]:
    """(metric, meter, unit, values) of everything that this cell has."""
    for name, spread in cell.summary.items():
        yield name, "", METRICS[name].unit if name in METRICS else "", spread
    if cell.quality is not None:
        for score in cell.quality.scores:
            unit = QUALITY[score.metric].unit if score.metric in QUALITY else ""
            yield safe(score.metric), "", unit, Spread(median=score.value, launches=(), reason=score.reason)
    for channel, spread in cell.energy.items():
        yield "energy_j", safe(channel), "J", spread
    for scope, figures in cell.efficiency.items():
        for name, spread in figures.items():
            yield name, scope, METRICS[name].unit if name in METRICS else "", spread


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)
