"""The service numbers that a buyer reads first: per service and scope one small table, never two scopes in one.

A service is told by the unit that its cells counted (frame, page, token), not by model names. Execution kinds are kept
apart, and cells of which nothing proves where they ran are not here: these tables put backends side by side. A cell
that is not a result (invalid, unsupported) shows a dash, however fast it was. What ran beside other services is in a
table of its own (`mixes`). What was held under a bound comes first,
with the bound and the percentile below the number; each camera rate has a column where it was searched. Of several
offline cells of one build the fastest is shown, with how it was driven. Energy comes last; a column holds one scope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from npubench.lang import Text
from npubench.report import capacity, loads, power_figures, tuned
from npubench.report.cells import anchor
from npubench.report.foreign import clean
from npubench.report.numbers import Footnotes, backend_name, model_name, of_cell, rate_key
from npubench.report.placement import assisted
from npubench.report.power_words import POWER_SCOPES
from npubench.report.shown import Number, Panel, Service, ServiceRow, Term
from npubench.report.words import KINDS, SERVICES, VERDICTS, scope
from npubench.schema import Cell, ExecutionKind, Launch, Run, Validity
from npubench.units import UNKNOWN

_SCOPE_ORDER = ("service", "device", "resident")


Said = tuple[Number, Text | None]


class _Column(NamedTuple):
    """A column: whose cells it takes, and what it says of the one that is chosen."""

    title: Text
    takes: Callable[[Cell], bool]
    says: Callable[[Cell, Run], Said]


def _metric(key: str, scenario: str, title: Text) -> _Column:
    return _Column(title, lambda cell: cell.scenario.name == scenario, lambda cell, _: of_cell(cell, key))


def _rates(key: str, en: str, ko: str) -> tuple[_Column, _Column]:
    return (
        _metric(key, "offline", Text(en=f"{en}, all at once", ko=f"{ko}, 한꺼번에")),
        _metric(key, "single-stream", Text(en=f"{en}, one at a time", ko=f"{ko}, 하나씩")),
    )


def _latency(what_en: str, what_ko: str) -> tuple[_Column, ...]:
    return tuple(
        _metric(
            f"latency_{p}_ns", "single-stream", Text(en=f"{p} latency of a {what_en}", ko=f"{what_ko} 지연 시간 {p}")
        )
        for p in ("p50", "p90", "p99")
    )


def _token(p: str) -> tuple[_Column, ...]:
    return tuple(
        _metric(f"{stem}_{p}_ns", "single-stream", Text(en=f"{stem.upper()} {p}", ko=f"{stem.upper()} {p}"))
        for stem in ("ttft", "tpot")
    )


COLUMNS: dict[str, tuple[_Column, ...]] = {
    "frame": (*_rates("frames_per_s", "frames/s", "프레임/s"), *_latency("frame", "프레임")),
    "page": (*_rates("pages_per_min", "pages/min", "페이지/min"), *_latency("page", "페이지")),
    "token": (*_rates("tokens_per_s", "tokens/s", "토큰/s"), *_token("p50"), *_token("p99")),
    "sample": (*_rates("samples_per_s", "samples/s", "샘플/s"), *_latency("sample", "샘플")),
}

# What a search is called in a column's head, by what is searched and the service unit ("": any other).
_HEADS: dict[tuple[str, str], Text] = {
    ("rate", "frame"): Text(en="frames/s within the bound", ko="한계 안의 프레임/s"),
    ("rate", "page"): Text(en="pages/min within the bound", ko="한계 안의 페이지/min"),
    ("rate", "token"): Text(en="requests/s within TTFT and TPOT", ko="TTFT·TPOT 한계 안의 요청/s"),
    ("rate", ""): Text(en="requests/s within the bound", ko="한계 안의 요청/s"),
    ("users", ""): Text(en="users within the bounds", ko="한계 안의 사용자 수"),
}
_SUSTAINED: dict[str, Text] = {
    "frame": Text(en="frames/s sustained, no bound", ko="지속 프레임/s(한계 없음)"),
    "page": Text(en="pages/min sustained, no bound", ko="지속 페이지/min(한계 없음)"),
    "": Text(en="requests/s sustained, no bound", ko="지속 요청/s(한계 없음)"),
}


def _head(cell: Cell, unit: str) -> Text:
    """The head of the column of a searched load."""
    name = loads.searched(cell.scenario) or ""
    if name == "cameras":
        return loads.title(msgspec.structs.replace(cell.scenario, params=_only(cell, ("fps",))))
    return _HEADS.get((name, unit), _HEADS.get((name, ""), loads.title(cell.scenario)))


def _only(cell: Cell, keys: Sequence[str]) -> dict[str, object]:
    return {key: cell.scenario.params[key] for key in keys if key in cell.scenario.params}


def _capacities(run: Run, unit: str, models: set[str]) -> tuple[_Column, ...]:
    """A column for each load that was searched on these models, the slowest cameras first, and what is sustained."""
    asked = [cell for cell in run.cells if cell.purpose == "measure" and cell.model in models]
    found: dict[Text, Cell] = {}
    for cell in sorted((c for c in asked if loads.searched(c.scenario)), key=_frames_per_s):
        found.setdefault(_head(cell, unit), cell)
    if not found:
        return ()

    def column(head: Text) -> _Column:
        def takes(cell: Cell) -> bool:
            return loads.searched(cell.scenario) is not None and _head(cell, unit) == head

        return _Column(head, takes, lambda cell, _: capacity.number(cell))

    def steady(cell: Cell, _: Run) -> Said:
        return capacity.sustained(cell) or Number(text=UNKNOWN, reason=_NOT_SEEN), _NOT_SEEN

    sustained = _Column(
        _SUSTAINED.get(unit, _SUSTAINED[""]), lambda cell: loads.searched(cell.scenario) is not None, steady
    )
    return (*(column(head) for head in found), sustained)


def _frames_per_s(cell: Cell) -> float:
    fps = cell.scenario.params.get("fps", 0)
    return float(fps) if isinstance(fps, (int, float)) else 0.0


_SEVERITY: tuple[Validity, ...] = ("valid", "degraded", "invalid", "unsupported")
_NOT_ASKED = Text(en="this scenario was not part of the run", ko="이 시나리오는 이번 실행에 없습니다")
_NOT_SEEN = Text(
    en="the closed loop that shows what is sustained was not run",
    ko="지속 처리량을 보여 주는 연속 처리를 하지 않았습니다",
)
_INVALID = Text(
    en="the cell is invalid, so its numbers are not a result; the reason is in the table of all measurements",
    ko="무효인 셀의 수치는 결과가 아닙니다. 이유는 전체 측정 결과 표에 있습니다",
)
_UNSUPPORTED = Text(
    en="the backend does not take this; the reason is in the table of all measurements",
    ko="백엔드가 지원하지 않습니다. 이유는 전체 측정 결과 표에 있습니다",
)


def _usable(cell: Cell) -> bool:
    return cell.verdict in ("valid", "degraded")


def _speed(cell: Cell) -> float:
    spread = cell.summary.get(rate_key(cell))
    return spread.median if spread is not None and spread.median is not None else 0.0


def _number(run: Run, cells: Sequence[Cell], column: _Column, notes: Footnotes) -> Number:
    """What a column says of the cells of one row."""
    taken = [cell for cell in cells if column.takes(cell)]
    if not taken:
        return notes.add(Number(text=UNKNOWN, reason=_NOT_ASKED), _NOT_ASKED)
    usable = [cell for cell in taken if _usable(cell)]
    if not usable:
        why = _INVALID if any(cell.verdict == "invalid" for cell in taken) else _UNSUPPORTED
        return notes.add(Number(text=UNKNOWN, reason=why), why)
    several = usable[0].scenario.name == "offline" and len(usable) > 1
    cell = max(usable, key=_speed) if several else usable[0]
    number, why_unknown = column.says(cell, run)
    driven = tuned.point(cell.tuning.best) if cell.tuning is not None else None
    if several and driven is None:
        driven = loads.driving(cell.scenario)
    if driven is not None and number.text != UNKNOWN:
        number = msgspec.structs.replace(number, said=driven)
    return notes.add(number, why_unknown)


def _panel(run: Run, key: str, unit: str, name: str, cells: list[Cell], said: power_figures.Sayings) -> Panel:
    rows: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        use = loads.use(cell.scenario)
        rows.setdefault((cell.model, cell.precision, cell.backend, use.en if use else ""), []).append(cell)
    # A scenario that no cell of the whole run has would be a column of dashes.
    asked = [cell for cell in run.cells if cell.purpose == "measure"]
    searches = _capacities(run, unit, {cell.model for cell in cells})
    columns = (
        *searches,
        *(column for column in COLUMNS[unit] if any(column.takes(cell) for cell in asked)),
    )
    # What is sustained without a bound is no service number. Energy stands beside what leads, within sight on a phone.
    leading = max(1, len(searches) - 1)
    spent = _power(list(rows.values()), said)
    notes = Footnotes()
    shown = []
    for (model, precision, backend, _), found in rows.items():
        worst = max((cell.verdict for cell in found), key=_SEVERITY.index)
        tone, text = VERDICTS[worst]
        shown.append(
            ServiceRow(
                backend=backend_name(run, backend),
                model=model_name(run, model),
                precision=clean(precision),
                use=loads.use(found[0].scenario),
                numbers=(
                    *(_number(run, found, column, notes) for column in columns[:leading]),
                    *(notes.add(*energy(found)) for _, energy in spent),
                    *(_number(run, found, column, notes) for column in columns[leading:]),
                ),
                tone=tone,
                verdict_text=text,
                anchor=anchor(key, next(cell for cell in found if cell.verdict == worst)),
                assisted=next(filter(None, (assisted(cell.certificate) for cell in found)), None),
            )
        )
    return Panel(
        scope=scope(name)[0],
        columns=(
            *(column.title for column in columns[:leading]),
            *(title for title, _ in spent),
            *(column.title for column in columns[leading:]),
        ),
        leading=leading,
        rows=tuple(shown),
        notes=notes.texts,
    )


def _power(
    rows: Sequence[Sequence[Cell]], said: power_figures.Sayings
) -> list[tuple[Text, Callable[[Sequence[Cell]], Said]]]:
    """A column for each scope that it takes to cover these rows, else one that says why there is none."""
    found = power_figures.covering(rows)
    if not found:
        return [(Text(en="Energy", ko="에너지"), partial(power_figures.dark, said=said))]
    heads = [POWER_SCOPES[scope][0] for scope in found]
    return [
        (Text(en=f"Energy, {head.en}", ko=f"에너지({head.ko})"), partial(power_figures.leading, scope=scope, said=said))
        for scope, head in zip(found, heads, strict=True)
    ]


def scopes(run: Run) -> tuple[Term, ...]:
    """The scopes that occur in a run, explained once."""
    used = {cell.scope for cell in run.cells if cell.purpose == "measure"}
    return tuple(Term(key=name, title=scope(name)[0], meaning=scope(name)[1]) for name in _SCOPE_ORDER if name in used)


def services(run: Run, key: str, launches: Mapping[str, Launch] | None = None) -> tuple[Service, ...]:
    """Every service in every known execution kind that gave numbers, hardware first.

    `launches` say why an energy is not there.
    """
    said = power_figures.sayings(run, launches or {})
    found: dict[tuple[ExecutionKind, str], dict[str, list[Cell]]] = {}
    for cell in run.cells:
        if cell.mix is not None:
            continue
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
                    panels=tuple(_panel(run, key, unit, where, by_scope[where], said) for where in order),
                )
            )
    return tuple(shown)
