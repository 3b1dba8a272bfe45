"""A ranking as tables of words: for the console, a Markdown file, and a page. A pure function of the document.

Guarantees: every table says in its title what is ranked, in which division, of which execution kind and (of energy) in
which scope of metering; every entry that is in no table is listed with its reason. A place that is shared is marked
"=". Text of others is cleaned and on one line, not escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from npubench.lang import Language, Text
from npubench.metrics import METRICS
from npubench.report import loads, reasons, tuned
from npubench.report.comparison.findings import line, value
from npubench.report.foreign import LINE_LIMIT
from npubench.report.marked import text
from npubench.report.words import KINDS, METER_SCOPES, scope
from npubench.stats.compared import RunRef
from npubench.stats.ranked import Entry, Figure, Ranking, Row, Table, Unranked, Why
from npubench.units import UNKNOWN, show, significant

FRONT = "★"
NOT_RANKED = Text(en="Not ranked", ko="순위에 없음")
LEGEND = Text(
    en="Which entry is better? Only one whose interval does not touch the other's; where intervals overlap, no "
    "difference can be shown. An entry's place tells how many are better in this way: with none it is first, "
    "with two it is third; = marks a place that several share. The interval is where the value lies with {} % "
    "confidence, judged from the launches; where the largest load was searched, it reaches from the load that "
    "held to the least that failed. "
    + FRONT
    + ": nobody beats this entry in speed and energy together, that is, is at least as good in both and clearly "
    "better in one. Values here are geometric means of the launches, elsewhere medians: the last digit may "
    "differ.",
    ko="어느 쪽이 더 나은가? 두 값의 구간이 서로 겹치지 않을 때만 더 낫다고 봅니다. 겹치면 차이를 확인할 수 "
    "없습니다. 순위는 자기보다 나은 항목의 수로 정합니다. 없으면 1위, 둘이면 3위이며 =는 공동 순위입니다. "
    "구간은 반복 측정으로 구한 {} % 신뢰 구간입니다. 최대 부하를 찾는 측정에서는 지킨 부하부터 실패한 가장 "
    "작은 부하까지가 구간입니다. "
    + FRONT
    + ": 속도와 에너지를 함께 볼 때 이보다 앞서는 항목이 없음(둘 다 같거나 낫고 하나는 확실히 나은 항목이 "
    "없음). 이 표의 값은 반복 측정의 기하 평균이고 다른 곳의 값은 중앙값이므로 끝자리가 다를 수 있습니다.",
)
WHY: dict[Why, Text] = {
    "invalid": Text(en="invalid", ko="무효"),
    "unsupported": Text(en="unsupported", ko="미지원"),
    "absent": Text(en="not there", ko="없음"),
    "not_comparable": Text(en="not comparable with the others", ko="다른 항목과 비교 불가"),
    "unproven": Text(en="not proven where it ran", ko="실행 위치 미확인"),
    "untimed": Text(en="times mean nothing", ko="시간이 의미 없음"),
    "quality": Text(en="not in the open division", ko="자유 부문에서 제외"),
}


class ShownRow(msgspec.Struct, frozen=True):
    """`place` and `cells` are ready to be drawn; `labels` and `reasons` are said below the name."""

    place: str
    name: str
    cells: tuple[str, ...]
    said: Text


class ShownTable(msgspec.Struct, frozen=True):
    """`columns` are those of `cells`: the first metric, its interval, then the others. `table`: the same as numbers."""

    title: Text
    columns: tuple[Text, ...]
    rows: tuple[ShownRow, ...]
    notes: tuple[Text, ...]
    table: Table


class ShownRanking(msgspec.Struct, frozen=True):
    """`unranked`: (why, and what to know; what). `legend` explains places."""

    runs: tuple[str, ...]
    tables: tuple[ShownTable, ...]
    unranked: tuple[tuple[Text, tuple[str, ...]], ...]
    notes: tuple[Text, ...]
    legend: Text


def view(found: Ranking) -> ShownRanking:
    """The ranking in words."""
    names = Names(found)
    confidence = f"{found.confidence * 100:g}"
    notes = list(found.notes)
    if found.allow:
        allowed = line(", ".join(found.allow), LINE_LIMIT)
        notes.append(Text(en=f"--allow {allowed}", ko=f"--allow {allowed}"))
    unranked: dict[Text, list[str]] = {}
    for item in found.unranked:
        unranked.setdefault(why_not(item), []).append(names.left_out(item))
    return ShownRanking(
        runs=tuple(_run(run) for run in found.runs),
        tables=tuple(table_of(table, names, confidence, both) for table, both in told_once(found.tables)),
        unranked=tuple((why, tuple(dict.fromkeys(what))) for why, what in unranked.items()),
        notes=tuple(notes),
        legend=Text(en=LEGEND.en.format(confidence), ko=LEGEND.ko.format(confidence)),
    )


def told_once(tables: Sequence[Table]) -> Iterator[tuple[Table, bool]]:
    """Each table, and whether it is that of both divisions: with one precision they say the same."""

    def rows(table: Table) -> bytes:
        shown = msgspec.structs.replace(table, division="fixed", precision=None)
        return msgspec.json.encode(shown)

    fixed = {rows(table) for table in tables if table.division == "fixed"}
    opened = {rows(table) for table in tables if table.division == "open"}
    for table in tables:
        if table.division == "fixed" or rows(table) not in fixed:
            yield table, rows(table) in fixed & opened


def _run(run: RunRef) -> str:
    return " · ".join(line(part) for part in (run.id, run.machine, run.profile, run.created))


class Names:
    """What an entry is called: no more than tells it apart from the others of this ranking."""

    def __init__(self, found: Ranking) -> None:
        entries = [row.entry for table in found.tables for row in table.rows]
        places = {(run.machine, run.id) for run in found.runs}
        self._machines = len({machine for machine, _ in places}) > 1
        self._runs = len(places) > len({machine for machine, _ in places})
        self._variants = len({entry.variant for entry in entries}) > 1
        self._devices = len({entry.devices for entry in entries}) > 1

    def of(self, entry: Entry, *, precision: bool) -> str:
        """All of it in a line."""
        return " · ".join([line(entry.backend), *self.beside(entry, precision=precision)])

    def beside(self, entry: Entry, *, precision: bool) -> list[str]:
        """What tells it apart beside its backend."""
        parts = [f"×{entry.devices}"] if self._devices else []
        parts += [entry.precision] if precision else []
        parts += [entry.variant] if self._variants else []
        parts += [entry.machine] if self._machines else []
        parts += [entry.run] if self._runs else []
        return [line(part) for part in parts]

    def left_out(self, item: Unranked) -> str:
        parts = [item.model, item.precision, item.backend]
        parts += [loads.written(item.scenario)] if item.scenario is not None else []
        # The same load is measured in several scopes; what is left out in one may be ranked in another.
        parts += [item.scope] if item.scope and item.scope != "service" else []
        parts += [item.machine] if self._machines else []
        parts += [item.run] if self._runs else []
        return " · ".join(line(part) for part in parts if part)


def why_not(item: Unranked) -> Text:
    head = WHY[item.why]
    if item.why == "untimed" and item.reasons:
        return item.reasons[0]
    parts = [Text(en=line(said.en, LINE_LIMIT), ko=line(said.ko, LINE_LIMIT)) for said in item.reasons[:3]]
    for each in item.differences[:5]:
        name, own, usual = line(each.field), value(each.new), value(each.base)
        parts.append(Text(en=f"{name} {own} (others: {usual})", ko=f"{name} {own}(다른 항목: {usual})"))
    if not parts:
        return head
    return Text(
        en=f"{head.en}: {'; '.join(part.en for part in parts)}", ko=f"{head.ko}: {'; '.join(part.ko for part in parts)}"
    )


_OPEN = Text(en="open division: best precision that passed quality", ko="자유 부문: 품질을 통과한 최선의 정밀도")


def _title(table: Table, both: bool) -> Text:
    load, where, kind = loads.title(table.scenario), scope(table.scope)[0], KINDS[table.kind][0]
    model = line(table.model)
    if table.division == "fixed":
        precision = line(table.precision)
        division = Text(
            en=f"fixed{' and open' if both else ''} division: {precision}",
            ko=f"고정{'·자유' if both else ''} 부문: {precision}",
        )
    else:
        division = Text(
            en="open division: best precision that passed quality", ko="자유 부문: 품질을 통과한 최선의 정밀도"
        )
    parts = [Text(en=model, ko=model), load, where, division]
    parts += [kind] if table.kind != "hardware" else []
    if table.mix is not None:
        mix = line(table.mix)
        parts.append(Text(en=f"measured beside others: {mix}", ko=f"함께 측정: {mix}"))
    if table.meter_scope is not None:
        metered = METER_SCOPES[table.meter_scope]
        parts.append(Text(en=f"energy of {metered.en}", ko=f"에너지: {metered.ko}"))
    return Text(en=" · ".join(part.en for part in parts), ko=" · ".join(part.ko for part in parts))


def table_of(table: Table, names: Names, confidence: str, both: bool) -> ShownTable:
    first, *rest = (METRICS[key].title for key in table.metrics)
    interval = Text(en=f"{confidence} % interval", ko=f"{confidence} % 구간")
    rows = tuple(
        ShownRow(
            place=place_of(row),
            name=names.of(row.entry, precision=table.division == "open"),
            cells=tuple(cells_of(row.figures)),
            said=said_of(row),
        )
        for row in table.rows
    )
    columns = (first, interval, *rest)
    return ShownTable(title=_title(table, both), columns=columns, rows=rows, notes=table.notes, table=table)


def place_of(row: Row) -> str:
    place = place_in(row.figures[0])
    return f"{place} {FRONT}" if row.front else place


def place_in(found: Figure) -> str:
    return UNKNOWN if found.place is None else f"{found.place}{'=' if found.shared else ''}"


def cells_of(figures: Sequence[Figure]) -> Iterator[str]:
    first, *rest = figures
    yield shown_value(first, first.value)
    yield interval_of(first)
    for found in rest:
        place = f" ({place_in(found)})" if found.place is not None else ""
        yield f"{shown_value(found, found.value)}{place}"


def shown_value(found: Figure, number: float | None) -> str:
    """The number; of a unit that the column's head tells it stands alone."""
    if number is None:
        return UNKNOWN
    unit = METRICS[found.metric].unit
    if unit in ("cameras", "users"):
        return show(number, "count")
    if unit.startswith("J/"):
        return show(number, "J")
    return show(number, unit) if unit == "ns" else significant(number)


def interval_of(found: Figure) -> str:
    if found.low is None:
        return UNKNOWN
    high = "?" if found.high is None else shown_value(found, found.high)
    return f"{shown_value(found, found.low)} … {high}"


def said_of(row: Row) -> Text:
    parts = list(row.entry.labels)
    best = row.entry.tuned
    driven = loads.driving(row.entry.scenario) if best is None else tuned.point(best)
    parts += [driven] if driven is not None else []
    for found in row.figures:
        if found.reason is not None:
            title = METRICS[found.metric].title
            why = _reason(found.reason)
            parts.append(Text(en=f"{title.en}: {why.en}", ko=f"{title.ko}: {why.ko}"))
    return Text(en="; ".join(part.en for part in parts), ko="; ".join(part.ko for part in parts))


def _reason(found: Text) -> Text:
    """A reason that was kept in one language only is put into both where it is one of ours."""
    if found.en == found.ko:
        found = reasons.full(found.en)
    return Text(en=line(found.en, LINE_LIMIT), ko=line(found.ko, LINE_LIMIT))


_PLACE = Text(en="place", ko="순위")
_ENTRY = Text(en="entry", ko="항목")
_REMARK = Text(en="remark", ko="설명")
_TITLE = Text(en="Ranking", ko="순위")


def markdown(found: Ranking, spoken: Language) -> str:
    """The ranking as a Markdown page, in full."""
    shown = view(found)
    return "".join(_page(shown, spoken))


def _page(shown: ShownRanking, spoken: Language) -> Iterator[str]:
    yield f"### {_TITLE[spoken]}\n\n"
    yield "".join(f"- {text(run, LINE_LIMIT)}\n" for run in (*shown.runs, *(note[spoken] for note in shown.notes)))
    for table in shown.tables:
        yield f"\n#### {text(table.title[spoken], LINE_LIMIT)}\n\n"
        columns = [_PLACE, _ENTRY, *table.columns, _REMARK]
        yield f"| {' | '.join(column[spoken] for column in columns)} |\n"
        yield f"| {' | '.join(['--:', '---', *(['--:'] * len(table.columns)), '---'])} |\n"
        for row in table.rows:
            cells = [row.place, text(row.name, LINE_LIMIT), *row.cells, text(row.said[spoken], LINE_LIMIT)]
            yield f"| {' | '.join(cells)} |\n"
        yield "".join(f"\n{note[spoken]}\n" for note in table.notes)
    if shown.unranked:
        yield f"\n#### {NOT_RANKED[spoken]}\n\n"
        for why, names in shown.unranked:
            yield f"- {text(why[spoken], LINE_LIMIT)}\n"
            yield "".join(f"  - {text(name, LINE_LIMIT)}\n" for name in names)
    yield f"\n<sub>{shown.legend[spoken]}</sub>\n"
