"""The table of all measurements. Failed and unsupported cells are rows like any other."""

from __future__ import annotations

from collections.abc import Sequence

from npubench.lang import Text
from npubench.report import loads, quality
from npubench.report.foreign import MESSAGE_LIMIT, clean, clean_lines
from npubench.report.numbers import Footnotes, backend_name, model_name, of_cell, rate_key
from npubench.report.placement import assisted
from npubench.report.shown import Fault, Group, Number, Row
from npubench.report.words import KINDS, VERDICTS, scope
from npubench.schema import FAILURE_TEXT, Cell, ExecutionKind, Failure, Run, UnsupportedCell
from npubench.units import UNKNOWN


def faults(failures: Sequence[Failure]) -> tuple[Fault, ...]:
    """The failures of a cell; the same one in several launches is shown once and counted."""
    found: dict[tuple[str, str, str], list[Failure]] = {}
    for failure in failures:
        found.setdefault((failure.kind.value, failure.message, failure.phase), []).append(failure)
    shown = []
    for (kind, message, phase), group in found.items():
        last = group[-1]
        where = ", ".join(
            part
            for part in (
                phase,
                f"signal {last.signal}" if last.signal else "",
                f"exit code {last.exit_code}" if last.exit_code is not None else "",
            )
            if part
        )
        shown.append(
            Fault(
                kind=kind,
                explanation=FAILURE_TEXT[last.kind],
                message=clean(message, MESSAGE_LIMIT),
                where=clean(where),
                hint=clean(last.hint, MESSAGE_LIMIT) if last.hint else "",
                stderr=clean_lines(last.stderr),
                times=len(group),
            )
        )
    return tuple(shown)


def anchor(run_key: str, cell: Cell) -> str:
    """The id of a cell's sheet on the page: ours, not the file's, so that no foreign text becomes an id."""
    letters = "".join(char for char in cell.id if char.isascii() and char.isalnum())
    return f"{run_key}-{letters}"


def _beside(cell: Cell, title: Text) -> Text:
    """The load in words; of a cell of a mix, that it was not measured alone."""
    if cell.mix is None:
        return title
    return Text(en=f"{title.en}, beside other services", ko=f"{title.ko}, 다른 서비스와 동시에")


def _row(run: Run, cell: Cell, key: str, notes: Footnotes) -> Row:
    def number(name: str) -> Number:
        value, why = of_cell(cell, name)
        return notes.add(value, Text(en="no launch finished", ko="끝까지 실행된 프로세스가 없습니다") if empty else why)

    empty = not cell.summary
    tone, verdict_text = VERDICTS[cell.verdict]
    return Row(
        anchor=anchor(key, cell),
        model=model_name(run, cell.model),
        precision=clean(cell.precision),
        backend=backend_name(run, cell.backend),
        scenario=_beside(cell, loads.title(cell.scenario)),
        scenario_id=loads.written(cell.scenario) + ("" if cell.mix is None else " + mix"),
        scope=scope(cell.scope)[0],
        verdict=cell.verdict,
        verdict_text=verdict_text,
        tone=tone,
        rate=number(rate_key(cell)),
        p50=number("latency_p50_ns"),
        p90=number("latency_p90_ns"),
        p99=number("latency_p99_ns"),
        samples=number("sample_count"),
        quality=notes.add(*quality.number(cell)),
        assisted=assisted(cell.certificate),
        reasons=why_of(cell),
        faults=faults(cell.failures),
    )


def why_of(cell: Cell) -> tuple[Text, ...]:
    """The reasons of a cell's verdict, less those that a failure shown beside them says in the same words."""
    said = {failure.message for failure in cell.failures}
    return own_words([reason for reason in cell.reasons if reason.en not in said])


def own_words(texts: Sequence[Text]) -> tuple[Text, ...]:
    """Sentences from a result file, cleaned: the file may come from anybody's machine."""
    return tuple(Text(en=clean(text.en, MESSAGE_LIMIT), ko=clean(text.ko, MESSAGE_LIMIT)) for text in texts)


def _unsupported_row(run: Run, cell: UnsupportedCell, notes: Footnotes) -> Row:
    tone, verdict_text = VERDICTS["unsupported"]
    (why,) = own_words([cell.reason])
    unknown = notes.add(
        Number(text=UNKNOWN, reason=why),
        Text(en="not supported: the reason is in its row", ko="미지원: 이유는 해당 행에"),
    )
    every = Text(en="all", ko="전체")
    return Row(
        anchor="",
        model=model_name(run, cell.model),
        precision=clean(cell.precision),
        backend=backend_name(run, cell.backend),
        scenario=every,
        scenario_id="",
        scope=every,
        verdict="unsupported",
        verdict_text=verdict_text,
        tone=tone,
        rate=unknown,
        p50=unknown,
        p90=unknown,
        p99=unknown,
        samples=unknown,
        quality=unknown,
        reasons=(why,),
    )


def groups(run: Run, key: str) -> tuple[Group, ...]:
    """All cells but the floors, one table per execution kind, in the order of the plan."""
    found: dict[ExecutionKind | None, list[Cell]] = {}
    for cell in run.cells:
        if cell.purpose == "measure":
            found.setdefault(cell.execution_kind, []).append(cell)
    shown = []
    for kind, (title, meaning) in KINDS.items():
        notes = Footnotes()
        rows = [_row(run, cell, key, notes) for cell in found.get(kind, [])]
        if kind is None:
            rows += [_unsupported_row(run, cell, notes) for cell in run.unsupported]
        if rows:
            shown.append(Group(key=kind or "none", title=title, meaning=meaning, rows=tuple(rows), notes=notes.texts))
    return tuple(shown)
