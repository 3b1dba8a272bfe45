"""The sheets of the ranking and of what changed against a baseline: places, intervals and verdicts as numbers.

Guarantees: a table of the ranking is one of `stats.ranked`, which never mixes kinds and scopes; everything unranked is
listed with its reason. Of a comparison the worst stands first, and each kind and scope has a table of its own.

Not aware of: how places and verdicts are found (`stats`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.report import words
from npubench.report.comparison import findings as of
from npubench.report.comparison.findings import Finding
from npubench.report.foreign import LINE_LIMIT, clean
from npubench.report.ranking import FRONT, NOT_RANKED, view
from npubench.report.xlsx.heads import capital, column_of, unit_of, with_unit
from npubench.report.xlsx.parts import (
    Column,
    Figure,
    Head,
    Lead,
    Sheet,
    Table,
    Tone,
    listed,
    table,
    text,
)
from npubench.schema import Run
from npubench.stats.compared import Comparison, Version
from npubench.stats.ranked import Figure as Ranked
from npubench.stats.ranked import Row
from npubench.stats.ranked import Table as Standing
from npubench.stats.ranking import rank

RANKING = Text(en="Ranking", ko="순위")
CHANGES = Text(en="Changes", ko="변화")
_NO_BOUND = Text(en="no interval: too few launches", ko="실행 횟수가 적어 구간 없음")
_LEFT_OUT = Text(en="Not ranked, and why", ko="순위에 없는 항목과 이유")
_NO_PLACE = Text(en="no place", ko="순위 없음")


class _Entry(NamedTuple):
    name: str
    row: Row
    said: Text


def _figure(at: int, says: Callable[[Ranked], float | None], why: Text) -> Callable[[_Entry], Figure]:
    def found(entry: _Entry) -> Figure:
        figure = entry.row.figures[at]
        value = says(figure)
        unit = METRICS[figure.metric].unit
        return Figure(None if value is None else value * unit_of(unit)[0], figure.reason or why)

    return found


def _place(at: int) -> Callable[[_Entry], Figure]:
    return lambda entry: Figure(entry.row.figures[at].place, _NO_PLACE)


def _shared(entry: _Entry) -> Figure:
    return Figure(f"{'=' if entry.row.figures[0].shared else ''}{FRONT if entry.row.front else ''}")


def _columns(found: Standing, confidence: str) -> list[Head]:
    heads = [
        Head(text("Entry", "항목"), lambda entry: Figure(entry.name)),
        Head(Column(title=Text(en="Place", ko="순위"), form="count"), _place(0), kept=True),
        Head(text("Shared (=), front (★)", "공동(=), 최적 경계(★)"), _shared),
    ]
    for at, key in enumerate(found.metrics):
        known = METRICS[key]
        unit = unit_of(known.unit)[1]
        value = Head(column_of(known.title, known.unit), _figure(at, lambda figure: figure.value, _NO_PLACE))
        heads.append(value)
        for name, name_ko, says in (("low", "하한", _low), ("high", "상한", _high)):
            said = Text(
                en=f"{known.title.en}, {confidence} % {name}", ko=f"{known.title.ko} {confidence} % 구간 {name_ko}"
            )
            heads.append(Head(Column(title=with_unit(capital(said), unit)), _figure(at, says, _NO_BOUND)))
        if at:
            said = Text(en=f"Place by {known.title.en}", ko=f"{known.title.ko} 순위")
            heads.append(Head(Column(title=said, form="count"), _place(at)))
    launches = Column(title=Text(en="Launches", ko="실행 횟수"), form="count")
    return [
        *heads,
        Head(launches, lambda entry: Figure(entry.row.figures[0].launches)),
        Head(text("Remarks", "설명", "long"), lambda entry: Figure(entry.said)),
    ]


def _low(figure: Ranked) -> float | None:
    return figure.low


def _high(figure: Ranked) -> float | None:
    return figure.high


def ranking(runs: Sequence[Run]) -> list[Sheet]:
    """The ranking of these runs, and on a sheet of its own what is in none of its tables."""
    found = rank(runs)
    shown = view(found)
    confidence = f"{found.confidence * 100:g}"
    tables = []
    for each in shown.tables:
        entries = [_Entry(row.name, item, row.said) for row, item in zip(each.rows, each.table.rows, strict=True)]
        made = table(each.title, _columns(each.table, confidence), entries, notes=each.notes)
        tables.append(made)
    nothing = () if shown.tables else (Text(en="Nothing could be ranked.", ko="순위를 매길 수 있는 것이 없습니다."),)
    first = Sheet(
        name=RANKING,
        title=Text(en="Ranking, with intervals", ko="순위와 신뢰 구간"),
        prose=(*nothing, shown.legend, *shown.notes),
        tables=tuple(tables),
    )
    rows = [(why, name) for why, names in shown.unranked for name in names]
    if not rows:
        return [first]
    columns = [
        Head(text("What", "대상"), lambda row: Figure(row[1])),
        Head(text("Why it is not ranked", "순위에 없는 이유", "long"), lambda row: Figure(row[0])),
    ]
    return [first, Sheet(name=NOT_RANKED, title=_LEFT_OUT, tables=(table(NOT_RANKED, columns, rows),))]


def _metric(says: Callable[[Finding], Figure]) -> Callable[[Finding], Figure]:
    """Of a cell in which nothing was judged there is nothing to be missed."""
    return lambda item: says(item) if item.metric is not None else Figure(None)


def _mean(side: str) -> Callable[[Finding], Figure]:
    def says(item: Finding) -> Figure:
        assert item.metric is not None
        mean = getattr(item.metric, side).mean
        return Figure(None if mean is None else mean * unit_of(item.metric.unit)[0], _NO_VALUE)

    return _metric(says)


_NO_VALUE = Text(en="no launch gave a value", ko="값이 있는 실행 없음")


def _share(name: str) -> Callable[[Finding], Figure]:
    return _metric(lambda item: Figure(getattr(item.metric, name), item.metric.reason if item.metric else None))


def _launches(item: Finding) -> Figure:
    return Figure(of.launches(item.metric) if item.metric is not None else "")


def _unit(item: Finding) -> Figure:
    return Figure(unit_of(item.metric.unit)[1] if item.metric is not None else "")


def _percent(en: str, ko: str) -> Column:
    return Column(title=Text(en=f"{en} (%)", ko=f"{ko} (%)"), form="percent")


def changes(found: Comparison) -> Sheet:
    """What changed between two runs."""
    confidence = f"{found.rule.confidence * 100:g}"
    words_of = Head(text("Verdict", "판정"), lambda item: Figure(item.word))
    columns = [
        Head(text("Cell", "셀"), lambda item: Figure(of.cell_name(item.cell))),
        Head(text("Metric", "지표"), lambda item: Figure(of.metric_name(item.metric) if item.metric else "")),
        words_of,
        Head(Column(title=Text(en="Baseline", ko="기준"), decimals=None), _mean("base")),
        Head(Column(title=Text(en="New", ko="새 값"), decimals=None), _mean("new")),
        Head(text("Unit", "단위"), _unit),
        Head(_percent("Change", "변화"), _share("change")),
        Head(_percent(f"{confidence} % low", f"{confidence} % 하한"), _share("low")),
        Head(_percent(f"{confidence} % high", f"{confidence} % 상한"), _share("high")),
        Head(_percent("Smallest change that shows", "감지 가능한 최소 변화"), _share("minimum_detectable_change")),
        Head(_percent("Tolerance", "허용 폭"), _share("tolerance")),
        Head(text("Launches", "실행 횟수"), _launches),
        Head(text("Remarks", "설명", "long"), lambda item: Figure(of.said(item))),
    ]
    groups: dict[tuple[str | None, str], list[Finding]] = {}
    for item in of.findings(found):
        groups.setdefault((item.cell.execution_kind, item.cell.scope), []).append(item)
    tables: list[Table] = []
    for (kind, scope), items in groups.items():
        title = listed([words.kind(kind)[0], words.scope(scope)[0]], " · ") if kind else words.scope(scope)[0]
        tables.append(table(title, columns, items, tone=_tone, toned=words_of.column.title))
    versions = [item for item in found.varying if item.base != item.new]
    if versions:
        named = [
            Head(text(en, ko), _part(part))
            for part, en, ko in (("name", "Version", "버전"), ("base", "Baseline", "기준"), ("new", "New", "새 값"))
        ]
        tables.append(table(Text(en="Versions that changed", ko="달라진 버전"), named, versions))
    runs = [words.same(f"{name} {run.id} · {run.machine} · {run.created}") for name, run in
            (("BASE", found.base), ("NEW", found.new))]  # fmt: skip
    sentence = Text(en=clean(found.sentence.en, LINE_LIMIT * 3), ko=clean(found.sentence.ko, LINE_LIMIT * 3))
    lead = Lead(text=sentence, tone="good" if found.exit_code == 0 else "bad")
    return Sheet(
        name=CHANGES,
        title=Text(en="Changes against the baseline", ko="기준 대비 변화"),
        prose=(lead, *runs, *found.notes),
        tables=tuple(tables),
    )


def _part(name: str) -> Callable[[Version], Figure]:
    return lambda item: Figure(clean(getattr(item, name) or "", LINE_LIMIT))


def _tone(item: Finding) -> Tone:
    return "bad" if item.group in ("regressed", "blocked") else "good" if item.group == "improved" else "plain"
