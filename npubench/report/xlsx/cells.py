"""The sheet of a run: every cell with every number that it has, a table for each execution kind, scope and service.

Guarantees: no cell is left out: invalid and unsupported ones are rows with their reasons, and what an invalid cell
measured is not shown as a result. Not aware of: services (`services`, `llm`).
"""

from __future__ import annotations

from collections.abc import Sequence

from npubench.lang import Text
from npubench.metrics import ENERGY, METRICS, QUALITY
from npubench.report import words
from npubench.report.cells import own_words
from npubench.report.foreign import clean
from npubench.report.numbers import backend_name, model_name
from npubench.report.power_words import SCOPE_ORDER
from npubench.report.shown import RunView
from npubench.report.xlsx import heads
from npubench.report.xlsx.heads import Item, Kind, efficiency, grouped, metric, quality
from npubench.report.xlsx.parts import Column, Figure, Head, Lead, Sheet, Table, table, text
from npubench.schema import Run, UnsupportedCell

_UNSUPPORTED = Text(en="Not supported: a result, not a failure", ko="미지원: 실패가 아니라 결과")
_EMPTY = Text(en="No cell was measured.", ko="측정한 셀이 없습니다.")


def _launches(item: Item) -> Figure:
    return Figure(len(item.cell.launches))


_LAUNCHES = Head(Column(title=Text(en="Launches", ko="실행 횟수"), form="count"), _launches)
_ID = Head(text("Cell id", "셀 id"), lambda item: Figure(clean(item.cell.id)))


def _columns(items: Sequence[Item]) -> list[Head]:
    """What every cell has, then each metric that any of these has, in the order of the metric table."""
    found = [heads.LABEL, heads.MODEL, heads.PRECISION, heads.BACKEND, heads.LOAD, heads.JUDGED]
    keys = {key for item in items for key in item.cell.summary}
    found += [metric(key) for key in METRICS if key in keys]
    for where in SCOPE_ORDER:
        energies = {key for item in items for key in item.cell.efficiency.get(where, {})}
        found += [efficiency(key, where) for key in ENERGY if key in energies]
    scores = {score.metric for item in items if item.cell.quality is not None for score in item.cell.quality.scores}
    found += [quality(key) for key in QUALITY if key in scores]
    return [*found, *heads.WHERE, _LAUNCHES, heads.WHY, heads.WRITTEN, _ID]


def _table(kind: Kind, items: list[Item]) -> Table:
    said = [words.kind(kind.kind)[1]] if kind.kind != "hardware" else []
    return table(kind.title, _columns(items), items, said=said, tone=lambda item: item.tone, toned=heads.VERDICT)


def _unsupported(run: Run) -> Table:
    columns = [
        Head(text("Model", "모델"), lambda item: Figure(model_name(run, item.model).title)),
        Head(text("Precision", "정밀도"), lambda item: Figure(clean(item.precision))),
        Head(text("Backend", "백엔드"), lambda item: Figure(backend_name(run, item.backend).title)),
        Head(text("Reason", "이유", "long"), _reason),
    ]
    return table(_UNSUPPORTED, columns, run.unsupported)


def _reason(item: UnsupportedCell) -> Figure:
    return Figure(own_words([item.reason])[0])


def sheet(items: list[Item], run: Run, shown: RunView) -> Sheet:
    """The sheet of one run. `items`: its measured cells."""
    found = [_table(kind, together) for kind, together in grouped(items).items()]
    if run.unsupported:
        found.append(_unsupported(run))
    head = Text(en=f"{shown.machine} · {shown.id}", ko=f"{shown.machine} · {shown.id}")
    return Sheet(
        name=Text(en=shown.machine, ko=shown.machine),
        title=head,
        prose=(Lead(text=shown.verdict, tone=shown.tone), shown.sentence, *(() if found else (_EMPTY,))),
        tables=tuple(found),
    )
