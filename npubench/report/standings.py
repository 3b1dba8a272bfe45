"""The ranking as a page shows it: a table for each piece of work, its intervals drawn, speed over energy as a picture.

Guarantees what `stats.ranking` does: divisions, execution kinds and scopes of metering stay apart, and whoever is in no
table is named with the reason. Only work that somebody else did too is ranked; what stands alone is said. Scales begin
at zero. Energy of the whole machine stands beside speed; smaller scopes have tables of their own, folded. Pure.

Not aware of: how places are found (`stats.ranking`), consoles and Markdown (`ranking`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from npubench.lang import Text
from npubench.metrics import CAPACITY, METRICS
from npubench.report import loads
from npubench.report.cells import anchor
from npubench.report.comparison.findings import line
from npubench.report.curves import load_ticks
from npubench.report.numbers import backend_name, card_title
from npubench.report.power_words import scope_name
from npubench.report.ranking import (
    LEGEND,
    Names,
    cells_of,
    interval_of,
    place_in,
    place_of,
    said_of,
    shown_value,
    table_of,
    told_once,
    why_not,
)
from npubench.report.shown import Name
from npubench.report.shown_lead import (
    Pareto,
    Point,
    Scale,
    SmallTable,
    Standing,
    StandingRow,
    Standings,
    StandingTable,
    Strip,
)
from npubench.report.words import KINDS, same, scope
from npubench.schema import Run
from npubench.stats.ranked import Figure, Ranking, Row, Table
from npubench.units import UNKNOWN, show

WHOLE = ("node", "wall")
_NEAR = 0.04
"""Of an axis: letters closer than this would cover each other."""
_COUNTED = ("capacity_cameras", "capacity_users")
_MARKS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HELD = Text(en="held … least that failed", ko="확인 … 실패한 최소 부하")
_NOBODY = Text(
    en="Nothing to rank: every piece of work was done by one backend alone.",
    ko="순위를 매길 것이 없습니다. 작업마다 백엔드가 하나뿐입니다.",
)
_NOTHING = Text(
    en="Nothing can be ranked; the reasons are below.", ko="순위를 매길 수 있는 것이 없습니다. 이유는 아래에 있습니다."
)
_MORE = Text(en="more is better", ko="클수록 좋음")
_LESS = Text(en="less is better", ko="작을수록 좋음")

_Work = tuple[str, bytes, str, str, str | None]


class _Where(msgspec.Struct, frozen=True):
    """Where a run is on the page; `sheets`: cell id → the id of its sheet."""

    run: Run
    sheets: dict[str, str]


def standings(runs: Sequence[tuple[Run, str]], found: Ranking) -> Standings:
    """The ranking of these runs (and the keys of their parts of the page)."""
    names = Names(found)
    where = {
        (run.id, run.machine.name): _Where(run, {cell.id: anchor(key, cell) for cell in run.cells}) for run, key in runs
    }
    groups: dict[_Work, list[tuple[Table, bool]]] = {}
    for table, both in told_once(found.tables):
        groups.setdefault(_work(table), []).append((table, both))
    items: list[Standing] = []
    alone: list[Text] = []
    drawn: set[str] = set()
    for number, tables in enumerate(sorted(groups.values(), key=lambda each: _first(each[0][0])), 1):
        shown = _standing(f"s{number}", tables, names, where, f"{found.confidence * 100:g}", drawn)
        if shown is None:
            alone += _alone(tables, names, where)
        else:
            items.append(shown)
    unranked: dict[Text, list[str]] = {}
    for item in found.unranked:
        unranked.setdefault(why_not(item), []).append(names.left_out(item))
    confidence = f"{found.confidence * 100:g}"
    missing = None if items else _NOBODY if alone else _NOTHING
    return Standings(
        missing=missing,
        items=tuple(items),
        alone=tuple(dict.fromkeys(alone)),
        unranked=tuple((why, tuple(dict.fromkeys(what))) for why, what in unranked.items()),
        notes=found.notes,
        legend=Text(en=LEGEND.en.format(confidence), ko=LEGEND.ko.format(confidence)),
    )


def _work(table: Table) -> _Work:
    return table.model, msgspec.json.encode(table.scenario), table.scope, table.kind, table.mix


def _first(table: Table) -> tuple[object, ...]:
    """Service numbers first: whole services, searched loads (cameras at 15 fps), rates, one at a time."""
    fps = table.scenario.params.get("fps", 15)
    away = abs(float(fps) - 15) if isinstance(fps, (int, float)) else 0.0
    how = 0 if loads.searched(table.scenario) else {"offline": 1, "single-stream": 2}.get(table.scenario.name, 3)
    # Of one model all of it stands together, in the order of the plan (the sort is stable).
    return table.kind != "hardware", table.mix is not None, table.scope != "service", how, away


def _name(row: Row, where: Mapping[tuple[str, str], _Where]) -> Name:
    at = where.get((row.entry.run, row.entry.machine))
    return (
        Name(id=line(row.entry.backend), title=same(row.entry.backend))
        if at is None
        else backend_name(at.run, row.entry.backend)
    )


def _model(table: Table, where: Mapping[tuple[str, str], _Where]) -> Text:
    cards: Iterable[object] = (each.run.models.get(table.model) for each in where.values())
    card = next((each for each in cards if each is not None), None)
    return card_title(card, table.model)


def _anchor(row: Row, where: Mapping[tuple[str, str], _Where]) -> str:
    at = where.get((row.entry.run, row.entry.machine))
    return at.sheets.get(row.entry.cell, "") if at is not None else ""


def _standing(
    key: str,
    tables: Sequence[tuple[Table, bool]],
    names: Names,
    where: Mapping[tuple[str, str], _Where],
    confidence: str,
    drawn: set[str],
) -> Standing | None:
    """One piece of work; None where nobody else did it in any division."""
    first = tables[0][0]
    speeds = [(table, both) for table, both in tables if table.meter_scope is None and len(table.rows) > 1]
    if not speeds:
        return None
    shown, small, pareto = [], [], None
    for number, (speed, both) in enumerate(speeds, 1):
        energies = [
            table
            for table, _ in tables
            if table.meter_scope is not None
            and (table.division, table.precision) == (speed.division, speed.precision)
            and any(row.figures[0].value is not None for row in table.rows)
        ]
        beside = min(energies, key=_whole, default=None)
        if beside is not None and not any(row.figures[0].place is not None for row in beside.rows):
            beside = None
        marks: dict[str, str] = {}
        if pareto is None and beside is not None and first.model not in drawn:
            marks = {_entry(row): _MARKS[n] for n, row in enumerate(speed.rows[: len(_MARKS)])}
            pareto = _pareto(f"{key}-p", beside, marks)
            if pareto is None:
                marks = {}
            else:
                drawn.add(first.model)
        shown.append(_table(f"{key}-{number}", speed, both, beside, names, where, marks, confidence))
        small += [
            _small(f"{key}-{number}-{table.meter_scope}", table, names, confidence)
            for table in energies
            if table is not beside
        ]
    model, load, around = _model(first, where), loads.title(first.scenario), scope(first.scope)[0]
    context = [around]
    context += [KINDS[first.kind][0]] if first.kind != "hardware" else []
    if first.mix is not None:
        mix = line(first.mix)
        context.append(Text(en=f"measured beside others: {mix}", ko=f"함께 측정: {mix}"))
    return Standing(
        key=key,
        title=Text(en=f"{model.en}: {load.en}", ko=f"{model.ko}: {load.ko}"),
        context=Text(en=" · ".join(part.en for part in context), ko=" · ".join(part.ko for part in context)),
        tables=tuple(shown),
        pareto=pareto,
        small=tuple(small),
    )


def _whole(table: Table) -> int:
    """The whole machine first, in which unlike devices have places."""
    return WHOLE.index(table.meter_scope) if table.meter_scope in WHOLE else len(WHOLE)


def _entry(row: Row) -> str:
    return f"{row.entry.machine}\n{row.entry.run}\n{row.entry.cell}"


def _division(table: Table, both: bool) -> Text:
    if table.division == "open":
        return Text(
            en="Each at its best precision that passed quality (open division)",
            ko="각자 품질을 통과한 최선의 정밀도(자유 부문)",
        )
    precision = line(table.precision)
    if both:
        return Text(
            en=f"All at {precision}, which is also each one's best precision that passed quality",
            ko=f"모두 {precision}(각자 품질을 통과한 최선의 정밀도이기도 함)",
        )
    return Text(en=f"All at {precision} (fixed division)", ko=f"모두 {precision}(고정 부문)")


def _table(
    key: str,
    table: Table,
    both: bool,
    beside: Table | None,
    names: Names,
    where: Mapping[tuple[str, str], _Where],
    marks: Mapping[str, str],
    confidence: str,
) -> StandingTable:
    firsts = [row.figures[0] for row in table.rows]
    top = max((found.high or found.value or 0.0 for found in firsts), default=0.0) or 1.0
    ticks, end = _scale(firsts[0].metric, top)
    energy = {_entry(row): row for row in beside.rows} if beside is not None else {}
    columns = [METRICS[name].title for name in table.metrics]
    if beside is not None and beside.meter_scope is not None:
        title, around = METRICS[beside.metrics[0]].title, scope_name(beside.meter_scope)
        columns.append(Text(en=f"{title.en}, {around.en}", ko=f"{title.ko}({around.ko})"))
    rows = []
    for row in table.rows:
        first = row.figures[0]
        metered = energy.get(_entry(row))
        others = list(cells_of(row.figures))[2:]
        if beside is not None:
            others.append(_beside(metered.figures[0]) if metered is not None else UNKNOWN)
        rows.append(
            StandingRow(
                mark=marks.get(_entry(row), ""),
                place=place_in(first),
                front=bool(metered is not None and metered.front),
                backend=_name(row, where),
                beside=" · ".join(names.beside(row.entry, precision=table.division == "open")),
                number=shown_value(first, first.value),
                interval=interval_of(first),
                strip=_strip(first, end),
                others=tuple(others),
                said=said_of(row),
                anchor=_anchor(row, where),
            )
        )
    better = _MORE if METRICS[table.metrics[0]].worse == "lower" else _LESS
    return StandingTable(
        key=key,
        title=_division(table, both),
        better=better,
        interval=_HELD
        if table.metrics[0] in CAPACITY
        else Text(en=f"mean of launches, {confidence} % interval", ko=f"실행 평균, {confidence} % 구간"),
        columns=tuple(columns),
        metered=beside is not None and beside.meter_scope is not None,
        scale=Scale(ticks=tuple((round(value / end * 100, 2), label) for value, label in ticks)),
        rows=tuple(rows),
        notes=table.notes,
    )


def _beside(found: Figure) -> str:
    place = f" ({place_in(found)})" if found.place is not None else ""
    return f"{shown_value(found, found.value)}{place}"


def _scale(metric: str, top: float) -> tuple[tuple[tuple[float, str], ...], float]:
    """Zero and the end of the scale: in a narrow column more labels would cover each other."""
    end = load_ticks(top, whole=metric in _COUNTED)[-1][0]
    return ((0.0, "0"), (end, _label(metric, end))), end


def _label(metric: str, value: float) -> str:
    unit = METRICS[metric].unit
    if unit == "ns":
        return show(value, unit)
    if unit.startswith("J/"):
        return show(value, "J")
    return f"{value:,.10g}"


def _strip(found: Figure, end: float) -> Strip:
    def at(value: float | None) -> float | None:
        return None if value is None else round(min(max(value / end * 100, 0.0), 100.0), 2)

    return Strip(mid=at(found.value), low=at(found.low), high=at(found.high))


def _pareto(key: str, table: Table, marks: Mapping[str, str]) -> Pareto | None:
    """Speed over energy of those of whom both are known with intervals; None for fewer than two."""
    energy, speed = table.metrics[:2]
    assert table.meter_scope is not None
    points = []
    for row in table.rows:
        x, y = row.figures[0], row.figures[1]
        if row.front is None or x.value is None or y.value is None or _entry(row) not in marks:
            continue
        points.append(
            Point(
                mark=marks[_entry(row)],
                x=x.value,
                y=y.value,
                x_range=(x.low or x.value, x.high or x.value),
                y_range=(y.low or y.value, y.high or y.value),
                front=row.front,
            )
        )
    if len(points) < 2:
        return None
    xs, ys = _axis(energy, [p.x_range[1] for p in points]), _axis(speed, [p.y_range[1] for p in points])
    points = _lettered(points, xs[-1][0], ys[-1][0])
    around = scope_name(table.meter_scope)
    more_energy, more_speed = METRICS[energy].worse == "lower", METRICS[speed].worse == "lower"
    en = f"{'upper' if more_speed else 'lower'} {'right' if more_energy else 'left'}"
    ko = f"{'오른쪽' if more_energy else '왼쪽'} {'위' if more_speed else '아래'}"
    title, speedy = METRICS[energy].title, METRICS[speed].title
    return Pareto(
        key=key,
        title=Text(en=f"{_upper(speedy.en)} over {title.en}", ko=f"{title.ko} 대비 {speedy.ko}"),
        x_title=Text(en=f"{title.en} ({around.en})", ko=f"{title.ko}({around.ko})"),
        y_title=speedy,
        x_ticks=xs,
        y_ticks=ys,
        points=tuple(points),
        best=Text(
            en=f"Best is to the {en}. Filled: nobody beats it in both together (★).",
            ko=f"{ko}로 갈수록 좋습니다. 채운 점: 둘을 함께 볼 때 이보다 앞서는 항목이 없습니다(★).",
        ),
    )


def _lettered(points: Sequence[Point], width: float, height: float) -> list[Point]:
    """The points, those that lie on top of each other with all their letters at the first."""
    shown: list[Point] = []
    for point in points:
        for place, other in enumerate(shown):
            if other.mark and abs(point.x - other.x) < _NEAR * width and abs(point.y - other.y) < _NEAR * height:
                shown[place] = msgspec.structs.replace(other, mark=f"{other.mark}, {point.mark}")
                point = msgspec.structs.replace(point, mark="")
                break
        shown.append(point)
    return shown


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _axis(metric: str, highs: Sequence[float]) -> tuple[tuple[float, str], ...]:
    ticks = load_ticks(max(highs) * 1.08, whole=metric in _COUNTED)
    return tuple((value, "0" if value == 0 else _label(metric, value)) for value, _ in ticks)


def _small(key: str, table: Table, names: Names, confidence: str) -> SmallTable:
    shown = table_of(table, names, confidence, both=False)
    assert table.meter_scope is not None
    around, division = scope_name(table.meter_scope), _division(table, both=False)
    return SmallTable(
        key=key,
        title=Text(en=f"Energy, {around.en} · {division.en}", ko=f"에너지({around.ko}) · {division.ko}"),
        columns=shown.columns,
        rows=tuple(
            (place_of(row), each.name, each.cells, each.said) for row, each in zip(table.rows, shown.rows, strict=True)
        ),
        notes=table.notes,
    )


def _alone(
    tables: Sequence[tuple[Table, bool]], names: Names, where: Mapping[tuple[str, str], _Where]
) -> Iterable[Text]:
    for table, _ in tables:
        if table.meter_scope is None and len(table.rows) == 1:
            (row,) = table.rows
            entry, load = names.of(row.entry, precision=True), loads.title(table.scenario)
            if table.scope != "service":
                load = loads.in_scope(table.scenario, table.scope)
            model = line(table.model)
            yield Text(en=f"{model}, {load.en}: {entry}", ko=f"{model}, {load.ko}: {entry}")
