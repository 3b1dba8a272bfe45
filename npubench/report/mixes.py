"""Several services at once: what each one delivers beside the others, and what it loses against running alone. Pure.

Guarantees: a change is stated only where both figures are results; what ran beside others is in no other table of
services.
"""

from __future__ import annotations

from npubench.lang import Text
from npubench.report import loads
from npubench.report.cells import anchor
from npubench.report.foreign import clean
from npubench.report.numbers import Footnotes, backend_name, count, model_name, of_cell, rate_key
from npubench.report.shown import Number
from npubench.report.shown_loads import Mix, MixRow
from npubench.report.words import KINDS, VERDICTS, scope
from npubench.schema import Cell, Run
from npubench.units import UNKNOWN, show

_LATENCIES = ("latency_p50_ns", "latency_p99_ns")
_NO_RESULT = Text(en="one of the two is not a result", ko="둘 중 하나가 결과가 아닙니다")
_NO_ALONE = Text(en="it was not measured alone", ko="단독으로 측정하지 않았습니다")


def _change(alone: Cell, beside: Cell, metric: str) -> tuple[Number, Text | None]:
    """(the change from alone to beside in percent, why it is unknown)."""
    for cell in (alone, beside):
        spread = cell.summary.get(metric)
        if cell.verdict not in ("valid", "degraded") or spread is None or not spread.median:
            return Number(text=UNKNOWN, reason=_NO_RESULT), _NO_RESULT
    before, after = alone.summary[metric].median, beside.summary[metric].median
    assert before is not None
    assert after is not None
    change = (after / before - 1) * 100
    sign = "+" if change > 0 else "−" if change < 0 else ""
    return Number(text=f"{sign}{show(abs(change), '')} %"), None


def _row(run: Run, key: str, cell: Cell, alone: Cell | None, notes: Footnotes) -> MixRow:
    numbers: list[Number] = []
    for metric in (rate_key(cell), *_LATENCIES):
        for of in (alone, cell):
            if of is None:
                numbers.append(notes.add(Number(text=UNKNOWN, reason=_NO_ALONE), _NO_ALONE))
            else:
                numbers.append(notes.add(*of_cell(of, metric)))
        if alone is None:
            numbers.append(notes.add(Number(text=UNKNOWN, reason=_NO_ALONE), _NO_ALONE))
        else:
            numbers.append(notes.add(*_change(alone, cell, metric)))
    tone, verdict_text = VERDICTS[cell.verdict]
    how, where = loads.title(cell.scenario), scope(cell.scope)[0]
    return MixRow(
        anchor=anchor(key, cell),
        model=model_name(run, cell.model),
        backend=backend_name(run, cell.backend),
        precision=clean(cell.precision),
        title=Text(en=f"{how.en} · {where.en}", ko=f"{how.ko} · {where.ko}"),
        written=loads.written(cell.scenario),
        numbers=tuple(numbers),
        tone=tone,
        verdict_text=verdict_text,
    )


def mixes(run: Run, key: str) -> tuple[Mix, ...]:
    """Every mix of a run, one per execution kind, each service in a row."""
    by_id = {cell.id: cell for cell in run.cells}
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in run.cells:
        if cell.purpose == "measure" and cell.mix is not None:
            found.setdefault((cell.mix, str(cell.execution_kind)), []).append(cell)
    shown = []
    for number, cells in enumerate(found.values(), 1):
        notes = Footnotes()
        kind, n = KINDS[cells[0].execution_kind][0], count(len(cells))
        shown.append(
            Mix(
                key=f"{key}-mix{number}",
                title=Text(
                    en=f"{n} {'service' if len(cells) == 1 else 'services'} at once", ko=f"서비스 {n}개 동시 실행"
                ),
                kind=kind,
                rows=tuple(_row(run, key, cell, by_id.get(cell.alone or ""), notes) for cell in cells),
                notes=notes.texts,
            )
        )
    return tuple(shown)
