"""The energy of each cell, launch by launch and channel by channel: gross, idle and net are three numbers.

Guarantees: every row names its scope, kind and device; a total stands only where the ledger has one; what is unknown
is a dash and its reason stands below it. Pure.

Not aware of: how joules were computed (`stats.ledger`), tables over cells (`power`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from npubench.energy import ChannelEnergy, EnergyLedger, ScopeEnergy
from npubench.lang import Text
from npubench.report.cells import own_words
from npubench.report.foreign import LINE_LIMIT, clean
from npubench.report.numbers import count
from npubench.report.power_sources import log_said
from npubench.report.power_words import (
    HEADS,
    KINDS,
    device_name,
    figure,
    interval,
    scope_name,
    watts,
)
from npubench.report.shown import Number
from npubench.report.shown_power import ChannelRow, EnergyTable, LedgerPart
from npubench.report.words import same
from npubench.schema import Cell, Launch, Run
from npubench.units import UNKNOWN, show, show_joules, show_ns, show_share

_NOT_OURS = Text(en="not of the device under test", ko="측정 대상 장치의 값이 아님")
_UNSURE = Text(en="whether it belongs to the device under test cannot be told", ko="측정 대상 장치의 값인지 알 수 없음")


def _gross(energy_j: float | None, uncertainty_j: float | None) -> Number:
    if energy_j is None:
        return Number(text=UNKNOWN)
    said = None if uncertainty_j is None else same(f"± {show_joules(uncertainty_j)}")
    return Number(text=show_joules(energy_j), said=said)


def _net(energy_j: float | None) -> Number:
    return Number(text=show_joules(energy_j).replace("-", "−"))


def _range(found: ChannelEnergy) -> str:
    if found.min_w is None or found.max_w is None:
        return UNKNOWN
    return f"{show(found.min_w, '')} – {watts(found.max_w)}"


def _channel(name: str, found: ChannelEnergy) -> ChannelRow:
    said = [] if found.reason is None else list(own_words([found.reason]))
    if found.ours is not True:
        said.append(_UNSURE if found.ours is None else _NOT_OURS)
    if found.lag_bound_ns:
        lag = show_ns(found.lag_bound_ns)
        said.append(Text(en=f"the sensor may lag by up to {lag}", ko=f"센서가 최대 {lag} 늦을 수 있음"))
    if found.accuracy is not None:
        share = show(found.accuracy, "ratio")
        said.append(Text(en=f"sensor ± {share} as documented", ko=f"센서 오차 ± {share}(공급사 문서)"))
    scope, device = scope_name(found.scope), device_name(clean(found.device))
    kind, source = KINDS.get(found.kind, same(clean(found.kind))), clean(found.source, LINE_LIMIT)
    english, korean = [scope.en, kind.en, device.en], [scope.ko, kind.ko, device.ko]
    if source:
        english.append(source)
        korean.append(source)
    n, bad = count(found.readings), count(found.faults)
    read = Text(en=f"{n}, {bad} bad", ko=f"{n}, 불량 {bad}") if found.faults else same(n)
    return ChannelRow(
        name=clean(name),
        title=same(clean(name)),
        where=Text(en=" · ".join(english), ko=" · ".join(korean)),
        total=False,
        gross=_gross(found.energy_j, found.uncertainty_j),
        idle=Number(text=watts(found.idle_w)),
        net=_net(found.net_j),
        mean=Number(text=watts(found.mean_w)),
        range=_range(found),
        coverage=show_share(found.coverage),
        refresh=interval(found.refresh_ns),
        readings=read,
        said=_line(said),
    )


def _total(scope: str, found: ScopeEnergy) -> ChannelRow:
    said = list(own_words([*([] if found.reason is None else [found.reason]), *found.notes]))
    # A request of one frame or page is that frame or page.
    twice = {"energy_per_request_j"} if {"energy_per_frame_j", "energy_per_page_j"} & set(found.figures) else set()
    for key in HEADS:
        if key in found.figures and key not in {"power_mean_w", *twice}:
            number, head = figure(key, found.figures[key]), HEADS[key]
            english = f"{number.text}{_joined(number, 'en')}"
            korean = f"{number.text}{_joined(number, 'ko')}"
            said.append(Text(en=f"{head.en}: {english}", ko=f"{head.ko}: {korean}"))
    name, n = scope_name(scope), count(len(found.channels))
    listed = ", ".join(clean(channel) for channel in found.channels)
    title = Text(en=f"Device under test: {name.en}", ko=f"측정 대상 장치: {name.ko}")
    where = (
        Text(en=f"sum of {n} channels: {listed}", ko=f"채널 {n}개의 합: {listed}")
        if len(found.channels) > 1
        else same(listed)
    )
    return ChannelRow(
        name=scope,
        title=title,
        where=where,
        total=True,
        gross=_gross(found.energy_j, found.uncertainty_j),
        idle=Number(text=watts(found.idle_w)),
        net=_net(found.net_j),
        mean=Number(text=watts(found.mean_w)),
        range="",
        coverage="",
        refresh="",
        readings=same(""),
        said=_line(said),
    )


def _line(said: Sequence[Text]) -> Text | None:
    if not said:
        return None
    return Text(en=" · ".join(text.en for text in said), ko=" · ".join(text.ko for text in said))


def _joined(number: Number, language: Literal["en", "ko"]) -> str:
    if number.unit is None:
        return ""
    unit = number.unit[language]
    return unit if unit.startswith("/") else f" {unit}"


def _part(head: Text, ledger: EnergyLedger) -> LedgerPart:
    english, korean = [head.en], [head.ko]
    if ledger.window is not None:
        length = show_ns(ledger.window.end_ns - ledger.window.start_ns)
        english.append(f"a window of {length}")
        korean.append(f"구간 {length}")
    if ledger.requests is not None:
        english.append(f"{count(ledger.requests)} requests")
        korean.append(f"요청 {count(ledger.requests)}개")
    rows = [_total(scope, found) for scope, found in ledger.scopes.items()]
    rows += [_channel(name, found) for name, found in ledger.channels.items()]
    return LedgerPart(
        title=Text(en=" · ".join(english), ko=" · ".join(korean)),
        # Where channels are known, each says its own.
        reason=None if ledger.reason is None or rows else own_words([ledger.reason])[0],
        rows=tuple(rows),
    )


def _own(ledger: EnergyLedger, logs: Iterable[EnergyLedger]) -> EnergyLedger:
    """A launch's ledger less what external logs added to it: they have parts of their own, with their alignment."""
    channels, scopes = dict(ledger.channels), dict(ledger.scopes)
    for log in logs:
        added = list(log.channels.values())
        channels = {name: found for name, found in channels.items() if found not in added}
        scopes = {scope: found for scope, found in scopes.items() if log.scopes.get(scope) != found}
    return msgspec.structs.replace(ledger, channels=channels, scopes=scopes)


def _parts(run: Run, cell: Cell, launches: Mapping[str, Launch]) -> Iterator[LedgerPart]:
    for name in cell.launches:
        if name in launches:
            number = count(launches[name].number)
            own = _own(launches[name].energy, (log.ledgers[name] for log in run.logs if name in log.ledgers))
            yield _part(Text(en=f"Launch {number}", ko=f"실행 {number}"), own)
        for log in run.logs:
            if name in log.ledgers:
                found = log.alignment
                yield _part(
                    log_said(log.name, log.of, found.how, found.offset_s, found.uncertainty_s), log.ledgers[name]
                )


def table(run: Run, cell: Cell, launches: Mapping[str, Launch]) -> EnergyTable | None:
    """The energy of one cell; None where no channel was read in any launch (the sheet's facts then say why)."""
    parts = tuple(_parts(run, cell, launches))
    return EnergyTable(parts=parts) if any(part.rows for part in parts) else None
