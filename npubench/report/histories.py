"""The trend of a run's cells over the nights of its machine: a line each, and pictures of those that matter most.

Guarantees: what changed comes first; at most `MOST_PICTURES` are drawn, all others have their line of blocks and their
sentence; the nights of what is drawn are a table beside it. Pure.

Not aware of: how a history is found and change points are looked for (`stats.trend`), the picture (`trend_chart`).
"""

from __future__ import annotations

from npubench.lang import Text
from npubench.report import trend as said
from npubench.report.cells import anchor
from npubench.report.foreign import clean
from npubench.report.loads import in_scope, searched
from npubench.report.numbers import count
from npubench.report.shown import Tone
from npubench.report.shown_lead import Histories, History, NightRow
from npubench.schema import Run
from npubench.stats.trend import CellTrend, Trend
from npubench.units import show

MOST_PICTURES = 4
_BLOCKS = 48
_MOST_ROWS = 60
_LEGEND = Text(
    en="Pictures: a dashed upright line is a change of level with its size; a triangle below marks a night when a "
    "version changed, a cross one without a value; hollow points are off their neighbours and count as no change.",
    ko="그림: 세로 점선은 수준이 바뀐 날과 그 크기, 아래의 세모는 버전이 바뀐 날, 가위표는 값이 없는 날입니다. 속이 빈 "
    "점은 이웃과 동떨어진 값으로, 변화로 보지 않습니다.",
)


def histories(run: Run, key: str, found: Trend | Text | None) -> Histories | None:
    """The section of one run. A Text says why there is no history; None where nobody asked: then there is none."""
    if found is None:
        return None
    if isinstance(found, Text):
        return Histories(missing=found)
    anchors = {cell.id: anchor(key, cell) for cell in run.cells}
    cells = [
        cell for cell in found.cells if cell.id in anchors and any(night.value is not None for night in cell.nights)
    ]
    if found.nights < 2 or not cells:
        return Histories(missing=_few(found))
    cells.sort(key=_place)
    changed = sum(bool(cell.changes) for cell in cells)
    n, nights = count(len(cells)), count(found.nights)
    first, last = said.date(found.first or ""), said.date(found.last or "")
    return Histories(
        missing=None,
        sentence=Text(
            en=f"{nights} nights of this machine, {first} to {last}: {count(changed)} of {n} cells "
            f"{'has' if changed == 1 else 'have'} changed in level. A change warns; it is no verdict.",
            ko=f"이 장비의 {first}부터 {last}까지 {nights}회 측정: 셀 {n}개 중 {count(changed)}개의 수준이 "
            "바뀌었습니다. 변화점은 알림이며 판정이 아닙니다.",
        ),
        cells=tuple(
            _history(cell, f"{key}-h{number}", anchors[cell.id], number) for number, cell in enumerate(cells, 1)
        ),
        notes=_notes(found),
        legend=_LEGEND,
    )


def _few(found: Trend) -> Text:
    if found.quick_looks and found.nights < 2:
        n = count(found.quick_looks)
        return Text(
            en=f"No trend yet: quick looks ({n}) are left out, as no comparison takes them.",
            ko=f"아직 추이가 없습니다. 비교에 쓰이지 않는 간이 측정 {n}회는 제외합니다.",
        )
    return Text(
        en="No trend yet: it begins with the second complete run of this machine.",
        ko="아직 추이가 없습니다. 이 장비의 두 번째 측정부터 나타납니다.",
    )


def _place(cell: CellTrend) -> tuple[bool, bool, bool]:
    """What got worse, what changed, what was searched; the sort is stable."""
    worse = any(change.worse for change in cell.changes)
    return not worse, not cell.changes, searched(cell.scenario) is None


def _history(cell: CellTrend, key: str, sheet: str, number: int) -> History:
    line = said.line(cell, _BLOCKS)
    newest = next((night.value for night in reversed(cell.nights) if night.value is not None), None)
    tone: Tone = "plain"
    if cell.changes:
        tone = "warn" if cell.changes[-1].worse else "good" if cell.changes[-1].worse is False else "plain"
    drawn = number <= MOST_PICTURES
    return History(
        key=key,
        name=" ".join(clean(part) for part in (cell.model, cell.precision, cell.backend)),
        load=in_scope(cell.scenario, cell.scope),
        metric=said.metric(cell),
        value=_shown(newest, cell),
        range=f"{_shown(line.low, cell)} … {_shown(line.high, cell)}",
        blocks=line.blocks,
        sentence=said.sentence(cell),
        tone=tone,
        anchor=sheet,
        picture=cell if drawn else None,
        rows=_rows(cell) if drawn else (),
    )


def _shown(value: float | None, cell: CellTrend) -> str:
    """Cameras and users are counted."""
    return show(value, "count" if cell.unit in ("cameras", "users") else cell.unit)


def _rows(cell: CellTrend) -> tuple[NightRow, ...]:
    """Newest first; of a long history the newest."""
    remarks = said.remarks(cell)
    return tuple(
        NightRow(
            date=said.date(night.created, time=True),
            value=_shown(night.value, cell),
            launches=count(night.launches) if night.launches else "",
            said=tuple(text for _, text in remarks.get(night.run, [])),
        )
        for night in reversed(cell.nights[-_MOST_ROWS:])
    )


def _notes(found: Trend) -> tuple[Text, ...]:
    notes = []
    if found.left_out:
        n = count(len(found.left_out))
        notes.append(
            Text(
                en=f"Folders that gave no night: {n}; `npubench trend` names them.",
                ko=f"측정 결과로 읽을 수 없는 폴더 {n}개. `npubench trend`에서 이름을 볼 수 있습니다.",
            )
        )
    return tuple(notes)
