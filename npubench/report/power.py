"""Power and energy of a run: a table per scope and service, with the meters that were looked for.

Guarantees: a table holds one scope, one service and one execution kind, and its title says which; a cell that is not a
result shows a dash; a run without any figure says why. Pure.

Not aware of: single launches and channels (`energies`), where channels were read (`power_sources`), time lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

import msgspec

from npubench.energy import ScopeEnergy
from npubench.lang import Text
from npubench.report import loads, reasons
from npubench.report.cells import anchor, own_words
from npubench.report.foreign import clean
from npubench.report.numbers import Footnotes, backend_name, model_name
from npubench.report.power_figures import Sayings, sayings, spoken, usable, why_dark
from npubench.report.power_sources import meters, remarks, sources
from npubench.report.power_words import HEADS, POWER_SCOPES, SCOPE_ORDER, figure, watts
from npubench.report.shown import Number
from npubench.report.shown_power import Power, PowerPanel, PowerRow, PowerScope
from npubench.report.words import KINDS, SERVICES, VERDICTS
from npubench.report.words import scope as measured_scope
from npubench.schema import Cell, Launch, Run, Spread
from npubench.spi import MeterScope
from npubench.units import UNKNOWN

_IDLE = Text(en="Idle, before the run", ko="유휴 전력(실행 전)")
_SEARCHED = Text(
    en="only where cameras or users were searched and held", ko="카메라나 사용자 수를 탐색해 확인한 부하에만 있습니다"
)
_ONLY = {"cameras_per_w": _SEARCHED, "users_per_w": _SEARCHED}
_INVALID = Text(
    en="the cell is invalid, so its energy is not a result; the reason is in the table of all measurements",
    ko="무효인 셀의 에너지는 결과가 아닙니다. 이유는 전체 측정 결과 표에 있습니다",
)
_NO_IDLE = Text(en="no idle baseline was read in this scope", ko="이 범위에서 유휴 전력을 읽지 못했습니다")

# The figure of each service unit that its table has, known or not.
_ALWAYS = {
    "frame": "energy_per_frame_j",
    "page": "energy_per_page_j",
    "token": "tokens_per_j",
    "sample": "energy_per_request_j",
}


def _ledgers(cell: Cell, scope: MeterScope, launches: Mapping[str, Launch], run: Run) -> Iterator[ScopeEnergy]:
    for name in cell.launches:
        if name in launches and scope in launches[name].energy.scopes:
            yield launches[name].energy.scopes[scope]
        for log in run.logs:
            if name in log.ledgers and scope in log.ledgers[name].scopes:
                yield log.ledgers[name].scopes[scope]


def _row(
    run: Run,
    key: str,
    cell: Cell,
    scope: MeterScope,
    columns: Sequence[str],
    found: list[ScopeEnergy],
    notes: Footnotes,
    said: Sayings,
) -> PowerRow:
    blank = next((own_words([each.reason])[0] for each in found if each.reason is not None), None)

    def number(name: str) -> Number:
        if not usable(cell):
            return notes.add(Number(text=UNKNOWN, reason=_INVALID), _INVALID)
        if name == "idle":
            idle = [each.idle_w for each in found if each.idle_w is not None]
            why = blank or _NO_IDLE
            return notes.add(Number(text=watts(median(idle))) if idle else Number(text=UNKNOWN, reason=why), why)
        spread = cell.efficiency.get(scope, {}).get(name, Spread(median=None, launches=()))
        if spread.median is not None:
            # The column's head says what it is per.
            return msgspec.structs.replace(figure(name, spread.median), unit=None)
        why = spoken(spread.reason, said) if spread.reason else blank or _ONLY.get(name, reasons.NOT_MEASURED)
        return notes.add(Number(text=UNKNOWN, reason=why), why)

    how, where = loads.title(cell.scenario), measured_scope(cell.scope)[0]
    tone, verdict_text = VERDICTS[cell.verdict]
    return PowerRow(
        backend=backend_name(run, cell.backend),
        model=model_name(run, cell.model),
        precision=clean(cell.precision),
        load=Text(en=f"{how.en} · {where.en}", ko=f"{how.ko} · {where.ko}"),
        written=loads.written(cell.scenario),
        scope=where,
        numbers=tuple(number(name) for name in columns),
        tone=tone,
        verdict_text=verdict_text,
        anchor=anchor(key, cell),
    )


def _work(cell: Cell) -> tuple[str, ...]:
    return cell.model, cell.scope, loads.title(cell.scenario).en


def _panels(
    run: Run, key: str, scope: MeterScope, launches: Mapping[str, Launch], said: Sayings
) -> Iterator[PowerPanel]:
    groups: dict[tuple[str | None, str], list[tuple[Cell, list[ScopeEnergy]]]] = {}
    for cell in run.cells:
        if cell.purpose != "measure" or cell.mix is not None or cell.verdict == "unsupported":
            continue
        found = list(_ledgers(cell, scope, launches, run))
        if cell.efficiency.get(scope) or found:
            groups.setdefault((cell.execution_kind, cell.unit), []).append((cell, found))
    for unit, (_, service) in SERVICES.items():
        for kind in KINDS:
            cells = groups.get((kind, unit), [])
            if not cells:
                continue
            keys = {_ALWAYS[unit], "power_mean_w"}
            keys |= {name for cell, _ in cells for name in cell.efficiency.get(scope, {})}
            # A request of one frame is that frame: the same number need not stand twice.
            if keys & {"energy_per_frame_j", "energy_per_page_j"}:
                keys.discard("energy_per_request_j")
            columns = [name for name in HEADS if name in keys]
            columns.append("idle")
            # The same work on several backends stands together.
            order = list(dict.fromkeys(_work(cell) for cell, _ in cells))
            cells.sort(key=lambda item: order.index(_work(item[0])))
            notes = Footnotes()
            where = KINDS[kind][0]
            title = (
                service if kind == "hardware" else Text(en=f"{service.en}: {where.en}", ko=f"{service.ko}: {where.ko}")
            )
            yield PowerPanel(
                title=title,
                keys=tuple(columns),
                columns=tuple(_IDLE if name == "idle" else HEADS[name] for name in columns),
                rows=tuple(_row(run, key, cell, scope, columns, found, notes, said) for cell, found in cells),
                notes=notes.texts,
            )


def power(run: Run, key: str, launches: Mapping[str, Launch]) -> Power:
    """The power section of a run."""
    measured = [cell for cell in run.cells if cell.purpose == "measure" and cell.verdict != "unsupported"]
    said = sayings(run, launches)
    shown = []
    for scope in SCOPE_ORDER:
        panels = tuple(_panels(run, key, scope, launches, said))
        if panels:
            title, meaning = POWER_SCOPES[scope]
            shown.append(PowerScope(key=f"{key}-e-{scope}", title=title, meaning=meaning, panels=panels))
    return Power(
        missing=None if shown else why_dark(measured, said),
        scopes=tuple(shown),
        sources=tuple(sources(run, launches)),
        meters=tuple(meters(run)),
        remarks=tuple(remarks(run)),
    )
