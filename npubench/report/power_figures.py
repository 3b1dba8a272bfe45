"""Which figure of energy stands for a row of backends side by side, in which scope, and why there is none.

Guarantees: a reason stands in both languages wherever a ledger gave it; what is not a result has no figure. Pure.

Not aware of: tables (`power`, `services`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from npubench.lang import Text
from npubench.report import loads, reasons
from npubench.report.cells import own_words
from npubench.report.power_words import SCOPE_ORDER, UNAVAILABLE, figure, scope_name
from npubench.report.shown import Number
from npubench.schema import Cell, Launch, Run
from npubench.spi import MeterScope
from npubench.units import UNKNOWN

# What a spread says of a launch in which a ledger said nothing (`stats.cell_energy`).
_FIXED = {
    "this scope was not read in this launch": Text(
        en="this scope was not read in every launch", ko="모든 실행에서 이 범위를 읽지는 못했습니다"
    ),
    "not read in this launch": Text(en="not read in every launch", ko="모든 실행에서 읽지는 못했습니다"),
    "the idle power is not known": Text(en="the idle power is not known", ko="유휴 전력을 알 수 없습니다"),
    "no work was completed, or no load was confirmed, in the window": Text(
        en="no work was completed, or no load was confirmed, in the window",
        ko="구간에서 완료한 작업이나 확인한 부하가 없습니다",
    ),
}
NO_METER = Text(
    en="no power meter answered on this machine: `npubench power list` says what each one lacks",
    ko="이 장비에서 응답한 전력계가 없습니다. `npubench power list`로 빠진 것을 확인하십시오",
)

_RANKING: tuple[MeterScope, ...] = ("node", "wall", "card", "device", "chip", "package", "rail")
_MOST_COLUMNS = 2

# The first of these that a cell has is its figure in the table of services.
_LEADING = (
    "cameras_per_w", "users_per_w", "tokens_per_j", "energy_per_page_j", "energy_per_frame_j", "energy_per_request_j",
    "power_mean_w",
)  # fmt: skip


def usable(cell: Cell) -> bool:
    return cell.verdict in ("valid", "degraded")


def scopes_of(cells: Sequence[Cell]) -> tuple[MeterScope, ...]:
    """The scopes in which any of these cells has figures, from the smallest boundary to the largest."""
    found = {scope for cell in cells for scope, figures in cell.efficiency.items() if figures}
    return tuple(scope for scope in SCOPE_ORDER if scope in found)


def covering(rows: Sequence[Sequence[Cell]]) -> tuple[MeterScope, ...]:
    """At most two scopes for a table with these rows: the one in which most have a figure, and one for the rest.

    Of equal ones the first of `_RANKING`: where unlike devices stand side by side they should be ranked.
    """
    left = list(rows)
    chosen: list[MeterScope] = []
    while left and len(chosen) < _MOST_COLUMNS:
        known = scopes_of([cell for row in left for cell in row if usable(cell)])
        if not known:
            break
        best = max(known, key=lambda scope: (sum(map(_has(scope), left)), -_RANKING.index(scope)))
        chosen.append(best)
        left = [row for row in left if not _has(best)(row)]
    return tuple(chosen)


def _has(scope: MeterScope) -> Callable[[Sequence[Cell]], bool]:
    def has(row: Sequence[Cell]) -> bool:
        return any(
            usable(cell) and any(each.median is not None for each in cell.efficiency.get(scope, {}).values())
            for cell in row
        )

    return has


Sayings = Mapping[str, Text]
"""A reason in English, as a spread keeps it → in both languages, as the ledger that gave it has it."""


def sayings(run: Run, launches: Mapping[str, Launch]) -> dict[str, Text]:
    """Every reason that a ledger of this run gives."""
    ledgers = [launch.energy for launch in launches.values()]
    ledgers += [ledger for log in run.logs for ledger in log.ledgers.values()]
    found = dict(_FIXED)
    for ledger in ledgers:
        told = [ledger.reason, *(channel.reason for channel in ledger.channels.values())]
        for scope in ledger.scopes.values():
            told += [scope.reason, *scope.notes]
        found.update((text.en, text) for text in told if text is not None)
    return found


def spoken(reason: str | None, said: Sayings) -> Text:
    """A spread's reason in both languages."""
    found = said.get(reason or "")
    return reasons.short(reason) if found is None else own_words([found])[0]


def why_dark(cells: Sequence[Cell], said: Sayings) -> Text:
    """Why none of these cells has a figure."""
    for cell in cells:
        if cell.energy_reason is not None:
            return own_words([cell.energy_reason])[0]
        for spread in cell.energy.values():
            if spread.median is None and spread.reason:
                return spoken(spread.reason, said)
    return NO_METER


def headline(cell: Cell, scope: MeterScope) -> Number | None:
    """What one unit of the service takes in one scope; None where that is not known."""
    for key in _LEADING:
        spread = cell.efficiency.get(scope, {}).get(key)
        if spread is None or spread.median is None:
            continue
        return figure(key, spread.median)
    return None


def leading(cells: Sequence[Cell], scope: MeterScope, said: Sayings) -> tuple[Number, Text | None]:
    """What the table of services says of one row in one scope: of a searched load before any other."""
    known = [cell for cell in cells if usable(cell) and cell.efficiency.get(scope)]
    known.sort(key=lambda cell: loads.searched(cell.scenario) is None)
    for cell in known:
        if (number := headline(cell, scope)) is not None:
            return msgspec.structs.replace(number, said=loads.title(cell.scenario)), None
    why = _reason(cells, scope, said)
    return Number(text=UNKNOWN, reason=why, said=UNAVAILABLE), why


def _reason(cells: Sequence[Cell], scope: MeterScope, said: Sayings) -> Text:
    for cell in cells:
        for spread in cell.efficiency.get(scope, {}).values():
            if spread.reason:
                return spoken(spread.reason, said)
    if any(cell.efficiency for cell in cells):
        name = scope_name(scope)
        return Text(
            en=f"not read in this scope ({name.en}); others are under Power and energy",
            ko=f"이 범위({name.ko})에서는 읽지 못했습니다. 다른 범위는 ‘전력과 에너지’에 있습니다",
        )
    return why_dark(cells, said)


def dark(cells: Sequence[Cell], said: Sayings) -> tuple[Number, Text | None]:
    """The power of a row in a run in which nothing was read."""
    why = why_dark([cell for cell in cells if usable(cell)] or cells, said)
    return Number(text=UNKNOWN, reason=why, said=UNAVAILABLE), why
