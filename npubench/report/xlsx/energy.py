"""The sheet of energy: a table for each scope of metering, service, execution kind and scope of measuring.

Guarantees: different scopes of metering never share a table or a chart; gross, idle and net are columns of their own.
Not aware of: single channels and launches (the page's sheets have those).
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from npubench.lang import Text
from npubench.metrics import ENERGY, METRICS
from npubench.report import loads
from npubench.report.cells import own_words
from npubench.report.power_figures import why_dark
from npubench.report.power_words import POWER_SCOPES, SCOPE_ORDER, scope_name
from npubench.report.xlsx import heads
from npubench.report.xlsx.heads import Item, Kind, checked, column_of, grouped, scaled
from npubench.report.xlsx.parts import (
    Chart,
    Column,
    Figure,
    Head,
    Sheet,
    Table,
    bars,
    charted,
    listed,
    table,
    text,
)
from npubench.spi import MeterScope

ENERGY_NAME = Text(en="Energy", ko="에너지")
_TITLE = Text(en="Power and energy", ko="전력과 에너지")
_IDLE = Column(title=Text(en="Idle power before the run (W)", ko="실행 전 유휴 전력 (W)"))
_MOST_CHARTS = 4
_NO_IDLE = Text(en="no idle baseline in this scope", ko="이 범위의 유휴 전력을 읽지 못함")
# What a service's energy is drawn by.
_CHARTED = {
    "frame": "energy_per_frame_j",
    "page": "energy_per_page_j",
    "token": "tokens_per_j",
    "sample": "energy_per_request_j",
}
_WORK = Head(text("Configuration and load", "구성과 부하"), lambda item: Figure(_work(item)))


def _work(item: Item) -> Text:
    return listed([heads.label(item), loads.title(item.cell.scenario)], " · ")


def _figure(key: str, where: MeterScope) -> Head:
    known = METRICS[key]

    def says(item: Item) -> Figure:
        spread = item.cell.efficiency.get(where, {}).get(key)
        # A metric that this load cannot have is no gap.
        return Figure(None) if spread is None else scaled(spread, known.unit)

    return Head(column_of(known.title, known.unit), lambda item: checked(item, says))


def _idle(where: MeterScope) -> Head:
    """The idle baseline: the median over the launches' ledgers, external logs included."""

    def says(item: Item) -> Figure:
        found, run = [], item.run
        for name in item.cell.launches:
            ledgers = [log.ledgers[name] for log in run.logs if name in log.ledgers]
            launch = item.launches.get(name)
            ledgers += [launch.energy] if launch is not None else []
            seen = [ledger.scopes[where].idle_w for ledger in ledgers if where in ledger.scopes]
            found += [watts for watts in seen if watts is not None]
        return Figure(median(found) if found else None, _NO_IDLE)

    return Head(_IDLE, lambda item: checked(item, says))


def _table(kind: Kind, where: MeterScope, items: list[Item]) -> Table:
    name, meaning = scope_name(where), POWER_SCOPES[where][1]
    keys = {key for item in items for key in item.cell.efficiency.get(where, {})}
    # A request of one frame is that frame: the same number need not stand twice.
    if keys & {"energy_per_frame_j", "energy_per_page_j"}:
        keys.discard("energy_per_request_j")
    shown = _CHARTED[kind.unit]
    known = METRICS[shown]
    title = Text(en=f"{known.title.en}, {name.en}", ko=f"{known.title.ko}, {name.ko}")
    chart = Chart(title, column_of(known.title, known.unit).title)
    columns = [_WORK, heads.MODEL, heads.PRECISION, heads.BACKEND, heads.LOAD]
    for key in ENERGY:
        if key in keys:
            head = _figure(key, where)
            columns.append(charted(head, chart) if key == shown and heads.alike(where, items) else head)
    columns += [_idle(where), heads.JUDGED, heads.WHY]
    # Equal work stands together, so that bars of equal work do.
    order = list(dict.fromkeys(_same_work(item) for item in items))
    items.sort(key=lambda item: order.index(_same_work(item)))
    made = table(
        listed([Text(en=f"Metered: {name.en}", ko=f"측정 범위: {name.ko}"), kind.title], " · "),
        columns,
        items,
        said=[meaning],
        tone=lambda item: item.tone,
        toned=heads.VERDICT,
    )
    return bars(made, _parts(items), (0, 0), _WORK.column.title)


def _same_work(item: Item) -> Text:
    title = loads.title(item.cell.scenario)
    return Text(en=f"{item.cell.model}, {title.en}", ko=f"{item.cell.model}, {title.ko}")


def _parts(items: Sequence[Item]) -> list[tuple[int, int, Text]]:
    found: list[tuple[int, int, Text]] = []
    for at, item in enumerate(items):
        name = own_words([_same_work(item)])[0]
        start = found.pop()[0] if found and found[-1][2] == name else at
        found.append((start, at + 1, name))
    # Of very many loads the searched ones are what people plan by.
    searched = [part for part in found if loads.searched(items[part[0]].cell.scenario) is not None]
    return [*searched, *(part for part in found if part not in searched)][:_MOST_CHARTS]


def sheet(items: list[Item]) -> Sheet | None:
    """The tables of every scope; where nothing was read a sentence says why. None where no cell was measured."""
    if not items:
        return None
    found = []
    for where in SCOPE_ORDER:
        read = [item for item in items if item.cell.efficiency.get(where)]
        for kind, together in grouped(read).items():
            if not kind.mixed and kind.kind is not None:
                found.append(_table(kind, where, together))
    if found:
        return Sheet(name=ENERGY_NAME, title=_TITLE, tables=tuple(found))
    why = why_dark([item.cell for item in items], items[0].said)
    said = Text(en=f"Energy is unknown: {why.en}.", ko=f"에너지를 알 수 없습니다: {why.ko}.")
    return Sheet(name=ENERGY_NAME, title=_TITLE, prose=(said,))
