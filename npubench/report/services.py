"""The service numbers that a buyer reads first: per service and scope one small table, never two scopes in one.

A service is told by the unit that its cells counted (frame, page, token), not by model names. Execution kinds are kept
apart, and cells of which nothing proves where they ran are not here: these tables put backends side by side. A cell
that is not a result (invalid, unsupported) shows a dash, however fast it was.
"""

from __future__ import annotations

from typing import NamedTuple

from npubench.lang import Text
from npubench.report.cells import anchor
from npubench.report.foreign import clean
from npubench.report.numbers import Footnotes, backend_name, model_name, of_cell
from npubench.report.placement import assisted
from npubench.report.shown import Number, Panel, Service, ServiceRow, Term
from npubench.report.words import KINDS, SERVICES, VERDICTS, scope
from npubench.schema import Cell, ExecutionKind, Run, Validity
from npubench.units import UNKNOWN

_SCOPE_ORDER = ("service", "device", "resident")


class _Column(NamedTuple):
    """A column: a metric in a scenario."""

    metric: str
    scenario: str
    title: Text


def _rates(key: str, en: str, ko: str) -> tuple[_Column, _Column]:
    return (
        _Column(key, "offline", Text(en=f"{en}, all at once", ko=f"{ko}, 한꺼번에")),
        _Column(key, "single-stream", Text(en=f"{en}, one at a time", ko=f"{ko}, 하나씩")),
    )


def _latency(what_en: str, what_ko: str) -> tuple[_Column, ...]:
    return tuple(
        _Column(
            f"latency_{p}_ns", "single-stream", Text(en=f"{p} latency of a {what_en}", ko=f"{what_ko} 지연 시간 {p}")
        )
        for p in ("p50", "p90", "p99")
    )


COLUMNS: dict[str, tuple[_Column, ...]] = {
    "frame": (*_rates("frames_per_s", "frames/s", "프레임/s"), *_latency("frame", "프레임")),
    "page": (*_rates("pages_per_min", "pages/min", "페이지/min"), *_latency("page", "페이지")),
    "token": (
        *_rates("tokens_per_s", "tokens/s", "토큰/s"),
        _Column("ttft_p50_ns", "single-stream", Text(en="TTFT p50", ko="TTFT p50")),
        _Column("ttft_p99_ns", "single-stream", Text(en="TTFT p99", ko="TTFT p99")),
        _Column("tpot_p50_ns", "single-stream", Text(en="TPOT p50", ko="TPOT p50")),
        _Column("tpot_p99_ns", "single-stream", Text(en="TPOT p99", ko="TPOT p99")),
    ),
    "sample": (*_rates("samples_per_s", "samples/s", "샘플/s"), *_latency("sample", "샘플")),
}

_SEVERITY: tuple[Validity, ...] = ("valid", "degraded", "invalid", "unsupported")
_NOT_ASKED = Text(en="this scenario was not part of the run", ko="이 시나리오는 이번 실행에 없습니다")
_INVALID = Text(
    en="the cell is invalid, so its numbers are not a result; the reason is in the table of all cells",
    ko="무효인 셀의 수치는 결과가 아닙니다. 이유는 전체 셀 표에 있습니다",
)
_UNSUPPORTED = Text(
    en="the backend does not take this; the reason is in the table of all cells",
    ko="백엔드가 지원하지 않습니다. 이유는 전체 셀 표에 있습니다",
)


def _number(cell: Cell | None, column: _Column, notes: Footnotes) -> Number:
    if cell is None:
        return notes.add(Number(text=UNKNOWN, reason=_NOT_ASKED), _NOT_ASKED)
    if cell.verdict == "invalid":
        return notes.add(Number(text=UNKNOWN, reason=_INVALID), _INVALID)
    if cell.verdict == "unsupported":
        return notes.add(Number(text=UNKNOWN, reason=_UNSUPPORTED), _UNSUPPORTED)
    number, why = of_cell(cell, column.metric)
    return notes.add(Number(text=number.text, reason=number.reason), why)


def _panel(run: Run, key: str, unit: str, name: str, cells: list[Cell]) -> Panel:
    rows: dict[tuple[str, str, str], dict[str, Cell]] = {}
    for cell in cells:
        rows.setdefault((cell.model, cell.precision, cell.backend), {}).setdefault(cell.scenario.name, cell)
    # A scenario that no cell of the whole run has would be a column of dashes.
    asked = {cell.scenario.name for cell in run.cells if cell.purpose == "measure"}
    columns = tuple(column for column in COLUMNS[unit] if column.scenario in asked)
    notes = Footnotes()
    shown = []
    for (model, precision, backend), found in rows.items():
        worst = max((cell.verdict for cell in found.values()), key=_SEVERITY.index)
        tone, text = VERDICTS[worst]
        shown.append(
            ServiceRow(
                backend=backend_name(run, backend),
                model=model_name(run, model),
                precision=clean(precision),
                numbers=tuple(_number(found.get(column.scenario), column, notes) for column in columns),
                tone=tone,
                verdict_text=text,
                anchor=anchor(key, next(cell for cell in found.values() if cell.verdict == worst)),
                assisted=next(filter(None, (assisted(cell.certificate) for cell in found.values())), None),
            )
        )
    return Panel(
        scope=scope(name)[0],
        columns=tuple(column.title for column in columns),
        rows=tuple(shown),
        notes=notes.texts,
    )


def scopes(run: Run) -> tuple[Term, ...]:
    """The scopes that occur in a run, explained once."""
    used = {cell.scope for cell in run.cells if cell.purpose == "measure"}
    return tuple(Term(key=name, title=scope(name)[0], meaning=scope(name)[1]) for name in _SCOPE_ORDER if name in used)


def services(run: Run, key: str) -> tuple[Service, ...]:
    """Every service in every known execution kind that gave numbers, hardware first."""
    found: dict[tuple[ExecutionKind, str], dict[str, list[Cell]]] = {}
    for cell in run.cells:
        if cell.purpose == "measure" and cell.execution_kind not in (None, "unknown") and cell.summary:
            unit = cell.unit if cell.unit in COLUMNS else "sample"
            found.setdefault((cell.execution_kind, unit), {}).setdefault(cell.scope, []).append(cell)
    kinds = [kind for kind in KINDS if kind not in (None, "unknown")]
    shown = []
    for unit, (name, title) in SERVICES.items():
        for kind in kinds:
            by_scope = found.get((kind, unit))
            if not by_scope:
                continue
            order = [*(s for s in _SCOPE_ORDER if s in by_scope), *(s for s in by_scope if s not in _SCOPE_ORDER)]
            shown.append(
                Service(
                    key=f"{key}-{name}-{kind}",
                    title=title,
                    # Hardware is what a reader assumes; everything else is said in the heading.
                    kind=None if kind == "hardware" else KINDS[kind][0],
                    panels=tuple(_panel(run, key, unit, where, by_scope[where]) for where in order),
                )
            )
    return tuple(shown)
