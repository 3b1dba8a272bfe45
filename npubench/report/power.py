"""Power and energy of a run: a table per scope and service, the meters that were looked for, and where each was read.

Guarantees: a table holds one scope, one service and one execution kind, and its title says which; a cell that is not a
result shows a dash; a run without any figure says why. Pure.

Not aware of: single launches and channels (`energies`), time lines (`timeline`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

import msgspec

from npubench.energy import PowerSession, ScopeEnergy
from npubench.lang import Text
from npubench.report import loads, reasons
from npubench.report.cells import anchor, own_words
from npubench.report.foreign import LINE_LIMIT, MESSAGE_LIMIT, clean
from npubench.report.numbers import Footnotes, backend_name, count, model_name
from npubench.report.power_words import (
    HEADS,
    POWER_SCOPES,
    SCOPE_ORDER,
    UNAVAILABLE,
    device_name,
    figure,
    interval,
    kind_name,
    scope_name,
    watts,
)
from npubench.report.shown import Number, Tone
from npubench.report.shown_power import MeterRow, Power, PowerPanel, PowerRow, PowerScope, Source
from npubench.report.words import KINDS, SERVICES, VERDICTS, joined, same
from npubench.report.words import scope as measured_scope
from npubench.schema import Cell, Launch, Run, Spread
from npubench.spi import MeterScope
from npubench.units import UNKNOWN, show_share

_IDLE = Text(en="Idle, before the run", ko="유휴 전력(실행 전)")
_SEARCHED = Text(
    en="only where cameras or users were searched and held", ko="카메라나 사용자 수를 탐색해 확인한 부하에만 있습니다"
)
_ONLY = {"cameras_per_w": _SEARCHED, "users_per_w": _SEARCHED}
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
_INVALID = Text(
    en="the cell is invalid, so its energy is not a result; the reason is in the table of all cells",
    ko="무효인 셀의 에너지는 결과가 아닙니다. 이유는 전체 셀 표에 있습니다",
)
_NO_IDLE = Text(en="no idle baseline was read in this scope", ko="이 범위에서 유휴 전력을 읽지 못했습니다")
NO_METER = Text(
    en="no power meter answered on this machine: `npubench power list` says what each one lacks",
    ko="이 장비에서 응답한 전력계가 없습니다. `npubench power list`로 빠진 것을 확인하십시오",
)

_RANKING: tuple[MeterScope, ...] = ("node", "wall", "card", "device", "chip", "package", "rail")
_MOST_COLUMNS = 2

# The figure of each service unit that its table has, known or not.
_ALWAYS = {
    "frame": "energy_per_frame_j",
    "page": "energy_per_page_j",
    "token": "tokens_per_j",
    "sample": "energy_per_request_j",
}

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


def leading(cells: Sequence[Cell], scope: MeterScope, said: Sayings) -> tuple[Number, Text | None]:
    """What the table of services says of one row in one scope: of a searched load before any other."""
    known = [cell for cell in cells if usable(cell) and cell.efficiency.get(scope)]
    known.sort(key=lambda cell: loads.searched(cell.scenario) is None)
    for cell in known:
        for key in _LEADING:
            spread = cell.efficiency[scope].get(key)
            if spread is None or spread.median is None:
                continue
            if key == "cameras_per_w" and spread.median > 0:
                # People plan by the camera; the tables of power have the metric itself.
                number = Number(text=watts(1 / spread.median), unit=Text(en="per camera", ko="카메라당"))
            else:
                number = figure(key, spread.median)
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


def _whose(run: Run, channel: str, launches: Mapping[str, Launch]) -> Text:
    """Which backends' cells count a channel as theirs."""
    mine: dict[str, None] = {}
    other: dict[str, None] = {}
    unsure: dict[str, None] = {}
    names = {cell.id: cell.backend for cell in run.cells}
    for name, launch in launches.items():
        ledgers = [launch.energy, *(log.ledgers[name] for log in run.logs if name in log.ledgers)]
        found = next((ledger.channels[channel] for ledger in ledgers if channel in ledger.channels), None)
        if found is not None and launch.cell in names:
            book = unsure if found.ours is None else mine if found.ours else other
            book.setdefault(names[launch.cell])
    parts = []
    if mine:
        told = joined([same(name) for name in mine])
        parts.append(Text(en=f"counted for {told.en}", ko=f"{told.ko}의 전력으로 계산"))
    if unsure:
        told = joined([same(name) for name in unsure])
        parts.append(Text(en=f"not known for {told.en}", ko=f"{told.ko}의 것인지 알 수 없음"))
    if other and not mine:
        told = joined([same(name) for name in other])
        parts.append(Text(en=f"not of {told.en}", ko=f"{told.ko}의 것이 아님"))
    if not parts:
        return Text(en="not in any launch", ko="어느 실행에도 없음")
    return Text(en="; ".join(part.en for part in parts), ko=", ".join(part.ko for part in parts))


def _sources(run: Run, launches: Mapping[str, Launch]) -> Iterator[Source]:
    listed = [(meter.name, channel) for meter in run.meters for channel in meter.channels]
    listed += [(clean(log.name), channel) for log in run.logs for channel in log.channels]
    for meter, channel in listed:
        quiet = channel.kind == "state" or channel.quantity not in ("power", "energy")
        yield Source(
            name=clean(channel.name),
            meter=clean(meter),
            scope=scope_name(channel.scope),
            kind=kind_name(channel),
            device=device_name(clean(channel.device)),
            source=clean(channel.source, LINE_LIMIT),
            refresh=interval(channel.refresh_ns),
            whose=Text(en="shown on the time line", ko="시간 그래프에 표시")
            if quiet
            else _whose(run, channel.name, launches),
        )


def _meters(run: Run) -> Iterator[MeterRow]:
    tone: Tone
    for meter in run.meters:
        place = (
            Text(en=f"environment of {clean(meter.place)}", ko=f"{clean(meter.place)} 환경")
            if meter.place
            else Text(en="npubench's own environment", ko="npubench 자체 환경")
        )
        if meter.availability.available:
            n = count(len(meter.channels))
            word = "channel" if len(meter.channels) == 1 else "channels"
            said, tone = Text(en=f"answered, {n} {word}", ko=f"응답함, 채널 {n}개"), "good"
        else:
            why = clean(meter.availability.reason or UNKNOWN, MESSAGE_LIMIT)
            if meter.availability.fix:
                why = f"{why} → {clean(meter.availability.fix, MESSAGE_LIMIT)}"
            said, tone = Text(en=why, ko=why), "plain"
        yield MeterRow(name=clean(meter.name), place=place, tone=tone, said=said)


def cost(sessions: Sequence[PowerSession]) -> Text | None:
    """What measuring itself took: processor time of the samplers, and its effect on fixed work as an interval."""
    english, korean = [], []
    for session in sessions:
        shares = {name: item.cpu_share for name, item in session.costs.items() if item.cpu_share is not None}
        if shares:
            each = ", ".join(f"{clean(name)} {show_share(share)}" for name, share in shares.items())
            english.append(f"reading the meters took, of one processor core: {each}")
            korean.append(f"전력계를 읽는 데 쓴 프로세서 코어 하나의 비율: {each}")
        if (effect := session.effect) is not None:
            low, high = (f"{100 * (value - 1):+.2f} %".replace("-", "−") for value in (effect.low, effect.high))
            english.append(
                f"fixed work took {low} to {high} longer while they were read (95 %, {count(effect.blocks)} blocks)"
            )
            korean.append(
                f"읽는 동안 같은 작업의 시간 변화는 {low} – {high}입니다(95 % 구간, {count(effect.blocks)}개 블록)"
            )
    if not english:
        return None
    return Text(en="In this run, " + "; ".join(english) + ".", ko="이번 실행에서 " + ". ".join(korean) + ".")


def _remarks(run: Run) -> Iterator[Text]:
    yield from own_words([note.text for note in run.notes if note.code == "idle-drift"])
    for session in run.power:
        for name, item in session.costs.items():
            if item.ended:
                why = clean(item.ended, MESSAGE_LIMIT)
                yield Text(en=f"{clean(name)} stopped early: {why}", ko=f"{clean(name)} 읽기가 일찍 끝남: {why}")
    for log in run.logs:
        yield log_said(log.name, log.of, log.alignment.how, log.alignment.offset_s, log.alignment.uncertainty_s)


def log_said(name: str, of: str, how: str, offset_s: float, uncertainty_s: float) -> Text:
    """How an external log was aligned."""
    offset, sure = f"{offset_s:+.3f} s".replace("-", "−"), f"{uncertainty_s:.3f} s"
    by_en, by_ko = ("a pulse of load", "부하 펄스") if how == "pulse" else ("its clock", "시계")
    return Text(
        en=f"{clean(name)} comes from an external log ({clean(of)}), aligned by {by_en}: {offset} ± {sure}",
        ko=f"{clean(name)}: 외부 기록({clean(of)})을 {by_ko} 기준으로 맞춤, 보정 {offset} ± {sure}",
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
        sources=tuple(_sources(run, launches)),
        meters=tuple(_meters(run)),
        remarks=tuple(_remarks(run)),
    )
