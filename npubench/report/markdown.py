"""Draws a view as one Markdown document (GitHub, GitLab): verdict, services, ranking, cells, method. Decides nothing.

Guarantees: one language; every part of the page that is words or numbers, in its order; unknown is a dash with a
footnote; execution kinds and scopes have tables of their own. Nothing that others wrote becomes markup (`marked.text`).

Not aware of: charts (a reader of Markdown has none), comparisons and rankings as such (`comparison.markdown`,
`ranking.markdown`, which are put in as they are).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from npubench.lang import Language, Text
from npubench.report import ranking
from npubench.report.comparison.markdown import markdown as compared
from npubench.report.lead_trust import ELSEWHERE
from npubench.report.marked import text
from npubench.report.shown import Fact, Fault, Number, Row, RunView, Service, ServiceRow, Term, View
from npubench.report.shown_lead import Answer
from npubench.report.shown_power import PowerRow
from npubench.report.view import RunFiles
from npubench.stats.compared import Comparison
from npubench.stats.ranking import rank
from npubench.units import UNKNOWN

_PROSE = 4_000
_BACKEND, _MODEL = Text(en="backend", ko="백엔드"), Text(en="model", ko="모델")
_PRECISION, _VERDICT = Text(en="precision", ko="정밀도"), Text(en="verdict", ko="판정")
_LOAD = Text(en="load", ko="부하")
_TICK = {"good": "✅", "warn": "⚠️", "bad": "❌", "plain": ""}


def markdown(view: View, runs: Sequence[RunFiles], spoken: Language) -> str:
    """The document, ending with a line feed. `runs` are those of `view`."""
    parts = [f"# {text(view.title[spoken])}\n", *_lead(view, spoken)]
    for run in view.runs:
        parts += _services(run, spoken)
    parts.append("\n" + _lower(ranking.markdown(rank([files.run for files in runs]), spoken)))
    for files in runs:
        if isinstance(files.changes, Comparison):
            parts.append("\n" + _lower(compared(files.changes, spoken)))
    for run in view.runs:
        parts += _run(run, spoken)
    parts += _method(view, spoken)
    return "".join(parts)


def _lower(page: str) -> str:
    """A page of its own as a part of this one: its headings begin at level 2."""
    lines = page.split("\n")
    return "\n".join(line[1:] if line.startswith("###") else line for line in lines)


def _say(found: Text, spoken: Language) -> str:
    return text(found[spoken], _PROSE)


def _sentence(said: str) -> str:
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _of(run: RunView, title: Text, spoken: Language) -> str:
    return f"\n## {title[spoken]} · {text(run.machine)}\n"


def _elsewhere(answer: Answer) -> Iterator[Text]:
    """Conditions of what is not above, in a sentence."""
    if found := answer.elsewhere:
        english, korean = "; ".join(text.en for text in found), "; ".join(text.ko for text in found)
        yield Text(en=f"{ELSEWHERE.en}: {english}", ko=f"{ELSEWHERE.ko}: {korean}")


def _lead(view: View, spoken: Language) -> Iterator[str]:
    """What the page opens with, folded caveats included: Markdown has no room to hide them in."""
    lead = view.lead
    if lead is None:
        return
    yield f"\n{_TICK[lead.tone]} **{_say(lead.verdict, spoken)}**\n\n{_say(lead.sentence, spoken)}\n"
    for answer in lead.answers:
        told = (answer.answer, *answer.more, *answer.conditions, *_elsewhere(answer), *answer.checked)
        more = " ".join(_sentence(_say(said, spoken)) for said in told)
        yield f"\n**{_say(answer.question, spoken)}** {more}\n"
    if said := (*lead.caveats, *lead.folded):
        yield "\n" + "".join(f"- {_say(caveat, spoken)}\n" for caveat in said)


def _number(found: Number, spoken: Language) -> str:
    """A number with its unit, what it cannot be read without, and its footnote."""
    shown = text(found.text)
    if found.unit is not None and found.text != UNKNOWN:
        unit = text(found.unit[spoken])
        shown += unit if unit.startswith("/") else f" {unit}"
    shown += f" ({found.note})" if found.note else ""
    return shown if found.said is None else f"{shown}<br>{text(found.said[spoken])}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    rule = " | ".join("--:" if at in right else "---" for at in range(len(heads)))
    lines = [f"| {' | '.join(heads)} |", f"| {rule} |", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n" + "".join(f"{line}\n" for line in lines)


def _notes(notes: Sequence[Text], spoken: Language) -> str:
    return "".join(f"\n({n}) {_say(note, spoken)}\n" for n, note in enumerate(notes, 1))


def _services(run: RunView, spoken: Language) -> Iterator[str]:
    if run.services:
        yield _of(run, Text(en="Services", ko="서비스"), spoken)
    for service in run.services:
        yield from _service(service, spoken)


def _service(service: Service, spoken: Language) -> Iterator[str]:
    for panel in service.panels:
        kind = f" · {text(service.kind[spoken])}" if service.kind is not None else ""
        yield f"\n### {service.title[spoken]} · {text(panel.scope[spoken])}{kind}\n"
        heads = [_BACKEND[spoken], _MODEL[spoken], _PRECISION[spoken], _VERDICT[spoken]]
        columns = [text(column[spoken]) for column in panel.columns]
        right = tuple(range(4, 4 + len(columns)))
        yield _table([*heads, *columns], (_service_row(row, spoken) for row in panel.rows), right)
        yield _notes(panel.notes, spoken)


def _service_row(row: ServiceRow, spoken: Language) -> list[str]:
    model = text(row.model.title[spoken])
    if row.use is not None:
        model += f"<br>{text(row.use[spoken])}"
    verdict = row.verdict_text[spoken]
    if row.assisted is not None:
        verdict += f"<br>{row.assisted[spoken]}"
    head = [text(row.backend.title[spoken]), model, text(row.precision), verdict]
    return [*head, *(_number(number, spoken) for number in row.numbers)]


def _run(run: RunView, spoken: Language) -> Iterator[str]:
    """Everything about one run behind its services."""
    yield _of(run, Text(en="All measurements", ko="전체 측정 결과"), spoken)
    for group in run.groups:
        yield f"\n### {group.title[spoken]}\n\n{_say(group.meaning, spoken)}\n"
        scopes = dict.fromkeys(row.scope for row in group.rows)
        for scope in scopes:
            yield f"\n#### {text(scope[spoken])}\n"
            yield _cells([row for row in group.rows if row.scope == scope], spoken)
        yield _notes(group.notes, spoken)
    yield from _places(run, spoken)
    yield from _power(run, spoken)
    if run.absent:
        yield _of(run, Text(en="Backends that are not here", ko="이 장비에 없는 백엔드"), spoken)
        yield "\n" + "".join(
            f"- **{text(item.backend)}**: {text(item.reason)}"
            + (f" → {_say(item.fix, spoken)}" if item.fix is not None else "")
            + "\n"
            for item in run.absent
        )
    if run.remarks:
        yield _of(run, Text(en="What to know about this run", ko="이 실행에서 알아 둘 것"), spoken)
        yield "\n" + "".join(f"- {_TICK[item.tone]} {_say(item.text, spoken)}\n" for item in run.remarks)
    yield _of(run, Text(en="Machine and versions", ko="장비와 버전"), spoken)
    yield _facts([*run.run_facts, *run.machine_facts, *run.devices, *run.versions], spoken)


_CELL_HEADS = (
    _MODEL, _PRECISION, _BACKEND, _LOAD, _VERDICT, Text(en="rate", ko="처리량"), Text(en="p50", ko="p50"),
    Text(en="p90", ko="p90"), Text(en="p99", ko="p99"), Text(en="samples", ko="표본"), Text(en="quality", ko="품질"),
    Text(en="remark", ko="설명"),
)  # fmt: skip


def _cells(rows: Sequence[Row], spoken: Language) -> str:
    def cells(row: Row) -> list[str]:
        numbers = (row.rate, row.p50, row.p90, row.p99, row.samples, row.quality)
        said = [_say(reason, spoken) for reason in row.reasons]
        said += [row.assisted[spoken]] if row.assisted is not None else []
        said += [_fault(fault, spoken) for fault in row.faults]
        return [
            text(row.model.id),
            text(row.precision),
            text(row.backend.id),
            text(row.scenario[spoken]),
            row.verdict_text[spoken],
            *(_number(number, spoken) for number in numbers),
            "<br>".join(said),
        ]

    return _table([head[spoken] for head in _CELL_HEADS], map(cells, rows), tuple(range(5, 10)))


def _fault(fault: Fault, spoken: Language) -> str:
    times = f" ×{fault.times}" if fault.times > 1 else ""
    parts = [f"{text(fault.kind)}{times}", text(fault.where), text(fault.message)]
    hint = f" → {text(fault.hint)}" if fault.hint else ""
    return f"{_say(fault.explanation, spoken)} {' · '.join(part for part in parts if part)}{hint}"


def _places(run: RunView, spoken: Language) -> Iterator[str]:
    if not any(place.rows for place in run.places):
        return
    yield _of(run, Text(en="Where it ran", ko="실행 위치"), spoken)
    for place in run.places:
        kind = f" · {place.kind[spoken]}" if place.kind is not None else ""
        yield f"\n### {text(place.backend.title[spoken])}{kind}\n\n{_say(place.verified, spoken)}\n"
        if place.rows:
            heads = (_MODEL, _PRECISION, Text(en="where it ran", ko="실행 위치"))
            rows = (
                [text(row.model.id), text(row.build), "<br>".join([_say(row.sentence, spoken),
                 *(_say(remark, spoken) for remark in row.remarks)])]
                for row in place.rows
            )  # fmt: skip
            yield _table([head[spoken] for head in heads], rows)


def _power(run: RunView, spoken: Language) -> Iterator[str]:
    yield _of(run, Text(en="Power and energy", ko="전력과 에너지"), spoken)
    if run.power.missing is not None:
        yield f"\n{_say(run.power.missing, spoken)}\n"
    for scope in run.power.scopes:
        yield f"\n### {text(scope.title[spoken])}\n\n{_say(scope.meaning, spoken)}\n"
        for panel in scope.panels:
            # One scope of measuring in a table, as everywhere.
            for where in dict.fromkeys(row.scope for row in panel.rows):
                yield f"\n#### {text(panel.title[spoken])} · {text(where[spoken])}\n"
                heads = [_BACKEND[spoken], _MODEL[spoken], _PRECISION[spoken], _LOAD[spoken], _VERDICT[spoken]]
                rows = (_power_row(row, spoken) for row in panel.rows if row.scope == where)
                columns = [text(column[spoken]) for column in panel.columns]
                yield _table([*heads, *columns], rows, tuple(range(5, 5 + len(columns))))
            yield _notes(panel.notes, spoken)


def _power_row(row: PowerRow, spoken: Language) -> list[str]:
    head = [text(row.backend.title[spoken]), text(row.model.id), text(row.precision), text(row.load[spoken])]
    return [*head, row.verdict_text[spoken], *(_number(number, spoken) for number in row.numbers)]


def _facts(facts: Sequence[Fact], spoken: Language) -> str:
    def value(fact: Fact) -> str:
        return text(fact.value if isinstance(fact.value, str) else fact.value[spoken], _PROSE)

    heads = (Text(en="fact", ko="항목"), Text(en="value", ko="값"))
    return _table([head[spoken] for head in heads], ([text(fact.name[spoken]), value(fact)] for fact in facts))


def _method(view: View, spoken: Language) -> Iterator[str]:
    yield f"\n## {Text(en='How it was measured', ko='측정 방법')[spoken]}\n"
    yield _terms(view.method, spoken)
    yield f"\n## {Text(en='What the numbers do not say', ko='수치가 말하지 않는 것')[spoken]}\n\n"
    yield "".join(f"- {_say(said, spoken)}\n" for said in view.limits)
    yield f"\n## {Text(en='Words and metrics', ko='용어와 지표')[spoken]}\n"
    yield _terms([*view.words, *view.metrics], spoken)


def _terms(terms: Iterable[Term], spoken: Language) -> str:
    return "\n" + "".join(f"- **{_say(term.title, spoken)}**: {_say(term.meaning, spoken)}\n" for term in terms)
