"""The sheets about the measurement: machine, versions, cards and warnings of each run; method and glossary.

Not aware of: numbers of cells.
"""

from __future__ import annotations

from collections.abc import Sequence

from npubench.lang import Text
from npubench.metrics import METRICS, QUALITY
from npubench.report.numbers import backend_name
from npubench.report.shown import Fact, RunView, Term, View
from npubench.report.xlsx.heads import Item, column_of, metric
from npubench.report.xlsx.parts import Column, Figure, Head, Sheet, Table, table, text
from npubench.schema import Run

METHOD = Text(en="Method", ko="측정 방법")
GLOSSARY = Text(en="Glossary", ko="용어")
MACHINES = Text(en="Machines", ko="환경")

_NAME = text("Name", "이름")
_VALUE = text("Value", "값", "long")
_NOTHING = Text(en="none", ko="없음")


def _facts(title: Text, facts: Sequence[Fact]) -> Table | None:
    if not facts:
        return None
    columns = [Head(_NAME, lambda fact: Figure(fact.name)), Head(_VALUE, lambda fact: Figure(fact.value))]
    return _plain(table(title, columns, facts))


def _terms(title: Text, terms: Sequence[Term]) -> Table:
    columns = [
        Head(text("Term", "용어"), lambda term: Figure(term.title)),
        Head(text("Meaning", "뜻", "long"), lambda term: Figure(term.meaning)),
    ]
    return _plain(table(title, columns, terms))


def _plain(found: Table) -> Table:
    """Nothing to be filtered."""
    import msgspec

    return msgspec.structs.replace(found, filtered=False)


def _warnings(shown: RunView) -> Table | None:
    if not shown.remarks:
        return None
    columns = [
        Head(text("Code", "코드"), lambda remark: Figure(remark.code)),
        Head(text("What to know, what to do", "알아 둘 것, 할 일", "long"), lambda remark: Figure(remark.text)),
    ]
    title = Text(en="Warnings and notes", ko="경고와 참고")
    return _plain(table(title, columns, shown.remarks, tone=lambda remark: remark.tone, toned=columns[0].column.title))


def _absent(shown: RunView) -> Table | None:
    if not shown.absent:
        return None
    columns = [
        Head(text("Backend", "백엔드"), lambda item: Figure(item.title)),
        Head(text("Reason", "이유", "long"), lambda item: Figure(item.reason)),
        Head(text("What would make it ready", "준비하는 방법", "long"), lambda item: Figure(item.fix or "")),
    ]
    return _plain(table(Text(en="Backends that are not here", ko="이 장비에 없는 백엔드"), columns, shown.absent))


def _cards(shown: RunView) -> Table | None:
    if not shown.cards:
        return None
    columns = [
        Head(text("Card", "카드"), lambda card: Figure(card.id)),
        Head(text("Title", "제목", "long"), lambda card: Figure(card.title)),
        Head(text("SHA-256", "SHA-256", "long"), lambda card: Figure(card.sha256)),
    ]
    return _plain(table(Text(en="Cards that were used", ko="사용한 카드"), columns, shown.cards))


def _floors(run: Run) -> Table | None:
    """What npubench itself costs on each backend."""
    items = [Item(run, cell, {}, {}) for cell in run.cells if cell.purpose == "floor"]
    if not items:
        return None
    columns = [
        Head(text("Backend", "백엔드"), lambda item: Figure(backend_name(item.run, item.cell.backend).title)),
        metric("latency_p50_ns"),
        metric("sample_count"),
    ]
    return _plain(
        table(METRICS["overhead_floor_ns"].title, columns, items, said=[METRICS["overhead_floor_ns"].meaning])
    )


def machines(runs: Sequence[Run], view: View) -> Sheet:
    """What surrounds the numbers, run by run."""
    tables = []
    for run, shown in zip(runs, view.runs, strict=True):
        name = f"{shown.machine} {shown.id}"

        def title(en: str, ko: str, name: str = name) -> Text:
            return Text(en=f"{name} · {en}", ko=f"{name} · {ko}")

        tables += [
            _warnings(shown),
            _absent(shown),
            _facts(title("run", "실행"), shown.run_facts),
            _facts(title("machine", "장비"), shown.machine_facts),
            _facts(title("accelerators", "가속기"), shown.devices),
            _facts(title("versions", "버전"), shown.versions),
            _cards(shown),
            _floors(run),
        ]
    return Sheet(
        name=MACHINES,
        title=Text(en="Machines, versions, cards and warnings", ko="장비, 버전, 카드, 경고"),
        prose=view.lead.folded if view.lead is not None else (),
        tables=tuple(found for found in tables if found is not None),
    )


def method(view: View) -> Sheet:
    """How it was measured, and what the numbers do not say."""
    limits = [Term(key=str(n), title=Text(en=str(n), ko=str(n)), meaning=said) for n, said in enumerate(view.limits, 1)]
    return Sheet(
        name=METHOD,
        title=Text(en="How it was measured, and what the numbers do not say", ko="측정 방법과 수치가 말하지 않는 것"),
        tables=(
            _terms(Text(en="Method", ko="방법"), view.method),
            _terms(Text(en="What the numbers do not say", ko="수치가 말하지 않는 것"), limits),
        ),
    )


def _unit(key: str, unit: str) -> Text:
    title = column_of(Text(en="", ko=""), unit).title
    return Text(en=title.en.strip(" ()"), ko=title.ko.strip(" ()"))


def glossary(view: View) -> Sheet:
    """Every metric and word."""
    columns = [
        Head(text("Metric", "지표"), lambda item: Figure(item.title)),
        Head(text("Unit here", "이 문서의 단위"), lambda item: Figure(_unit(item.key, item.unit))),
        Head(text("Meaning", "뜻", "long"), lambda item: Figure(item.meaning)),
        Head(text("Worse when", "나쁜 방향"), lambda item: Figure(_WORSE[item.worse])),
        Head(
            Column(title=Text(en="Fewest samples", ko="최소 표본 수"), form="count"),
            lambda item: Figure(item.minimum_n),
        ),
        Head(text("Key in run.json", "run.json의 키"), lambda item: Figure(item.key)),
    ]
    metrics = table(Text(en="Metrics", ko="지표"), columns, [*METRICS.values(), *QUALITY.values()])
    return Sheet(
        name=GLOSSARY,
        title=Text(en="Every metric and word", ko="모든 지표와 용어"),
        tables=(_terms(Text(en="Words", ko="낱말"), view.words), _plain(metrics)),
    )


_WORSE = {
    "higher": Text(en="higher", ko="클수록"),
    "lower": Text(en="lower", ko="작을수록"),
    "neither": Text(en="–", ko="–"),
}
