"""One channel's energy in a window, published or null with the reason: the ruleset's conditions, applied.

Null whenever it would have to be guessed, in this order: no reading, a source that is at fault (frozen, reset, jumping,
0 W), a window that is too short, too little of it covered, too few refreshes in it. Least, mean and most power are what
was read and stay. Never 0, never extrapolated further than a reading reaches.

Not aware of: how joules are computed (`counter_energy`, `power_energy`), scopes and devices (`efficiency`).
"""

from __future__ import annotations

from npubench.energy import ChannelEnergy, IdlePower
from npubench.lang import Text
from npubench.rules import EnergyRule
from npubench.spi import Channel
from npubench.stats.counter_energy import counter_energy
from npubench.stats.found import Found, said
from npubench.stats.power_energy import power_energy
from npubench.stats.series import TO_J, TO_W, Series, factor, is_counter


def _found(series: Series, length_ns: float, idle: IdlePower | None) -> Found:
    channel = series.channel
    counter = is_counter(channel)
    if factor(channel) is None:
        wanted = ", ".join(TO_J if counter else TO_W)
        return Found().null(
            f"the channel's unit is {channel.unit!r}; expected one of {wanted}",
            f"채널의 단위가 {channel.unit!r}입니다. 다음 중 하나여야 합니다: {wanted}",
        )
    if length_ns <= 0:
        return Found().null("the window is empty", "구간이 비어 있습니다")
    inside = series.inside(length_ns)
    count = inside.stop - inside.start
    if count < 2:
        why = f" ({series.faults} failed: {series.fault})" if series.faults else ""
        why_ko = f" (실패 {series.faults}개: {series.fault})" if series.faults else ""
        return Found().null(
            f"{count} readings in the window, at least 2 are needed{why}",
            f"구간에 측정값이 {count}개이며 2개 이상 필요합니다{why_ko}",
        )
    return counter_energy(series, length_ns, idle) if counter else power_energy(series, length_ns, idle)


def _too_few(found: Found, channel: Channel, length_ns: float, rule: EnergyRule) -> Text | None:
    """Why the value was not refreshed often enough; a counter's documented interval says nothing of its steps."""
    count = float(found.changes)
    every = found.refresh_ns
    if count >= rule.refreshes:
        return None
    if not is_counter(channel) and channel.refresh_ns:
        count, every = length_ns / channel.refresh_ns, float(channel.refresh_ns)
    elif found.constant:
        if every is None:
            return None
        count = length_ns / every
    if count >= rule.refreshes:
        return None
    needed_s = rule.refreshes * (every or length_ns / max(count, 1.0)) / 1e9
    return Text(
        en=f"the value was refreshed {int(count)} times in {said(length_ns)}, {rule.refreshes} are needed: take a "
        f"window of {needed_s:,.0f} s or more",
        ko=f"{said(length_ns)} 동안 값이 {int(count)}번 갱신되었고 {rule.refreshes}번이 필요합니다. 구간을 "
        f"{needed_s:,.0f}초 이상으로 잡으세요",
    )


def _reason(found: Found, channel: Channel, length_ns: float, rule: EnergyRule) -> Text | None:
    if found.reason is not None:
        return found.reason
    if (missing_s := rule.window_s - length_ns / 1e9) > 0:
        took = said(length_ns) if missing_s > 0.05 else f"{length_ns / 1e9:.3f} s"
        return Text(
            en=f"the window took {took}; a published energy needs {rule.window_s:g} s",
            ko=f"구간이 {took}였습니다. 에너지를 공표하려면 {rule.window_s:g}초가 필요합니다",
        )
    if found.maybe is not None:
        return found.maybe
    covered = 1.0 if is_counter(channel) else found.coverage or 0.0
    if is_counter(channel):
        covered -= found.still_ns / length_ns
    if covered < rule.coverage:
        if found.still_ns > (1.0 - covered) * length_ns / 2:
            return Text(
                en=f"the value stood still for {said(found.still_ns)} of {said(length_ns)}, though it used to change: "
                "the sensor froze",
                ko=f"늘 변하던 값이 {said(length_ns)} 중 {said(found.still_ns)} 동안 그대로였습니다. 센서가 멈췄습니다",
            )
        return Text(
            en=f"readings cover only {covered:.0%} of the window, {rule.coverage:.0%} are needed",
            ko=f"측정값이 구간의 {covered:.0%}만 덮습니다. {rule.coverage:.0%}가 필요합니다",
        )
    if (few := _too_few(found, channel, length_ns, rule)) is not None:
        return few
    if found.energy_j is None:
        return Text(en="the counter hardly moved", ko="카운터가 거의 움직이지 않았습니다")
    return None


def channel_energy(
    series: Series, length_ns: float, *, ours: bool | None, idle: IdlePower | None, rule: EnergyRule
) -> ChannelEnergy:
    """The channel of `series` in a window of `length_ns` that begins at its 0. `idle`: its baseline, where known."""
    channel = series.channel
    found = _found(series, length_ns, idle)
    reason = _reason(found, channel, length_ns, rule)
    energy_j = found.energy_j if reason is None else None
    idle_w = idle.mean_w if idle is not None else None
    inside = series.inside(length_ns)
    return ChannelEnergy(
        energy_j=energy_j,
        reason=reason,
        uncertainty_j=None if energy_j is None else found.uncertainty_j,
        idle_w=idle_w,
        net_j=None if energy_j is None or idle_w is None else energy_j - idle_w * length_ns / 1e9,
        mean_w=found.mean_w,
        min_w=found.min_w,
        max_w=found.max_w,
        scope=channel.scope,
        kind=channel.kind,
        device=channel.device,
        source=channel.source,
        ours=ours,
        readings=max(inside.stop - inside.start, 0),
        faults=series.faults,
        coverage=found.coverage,
        refresh_ns=None if found.refresh_ns is None else round(found.refresh_ns),
        lag_bound_ns=channel.lag_bound_ns,
        accuracy=channel.accuracy,
    )
