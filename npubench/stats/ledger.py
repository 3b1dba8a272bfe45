"""From readings to joules in one window: by channel, by scope, with the events beside them. Pure.

A channel's energy is null with a reason whenever it would have to be guessed, and a total that lacks a channel is null:
never 0 and never extrapolated (METRICS.md, Energy). Gross energy, idle and net are three numbers.

Not aware of: how readings were taken (`engine.sampler`), which window is honest (`engine`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from npubench.energy import EnergyLedger, IdlePower, Window
from npubench.lang import Text
from npubench.rules import EnergyRule
from npubench.spi import Channel
from npubench.stats.channel_energy import channel_energy
from npubench.stats.efficiency import Work as Work
from npubench.stats.efficiency import scopes
from npubench.stats.power_events import events_of
from npubench.stats.readings import Readings
from npubench.stats.series import is_power, series


def ledger(
    readings: Readings,
    window: Window,
    work: Work,
    *,
    ours: Callable[[Channel], bool | None],
    idle: Mapping[str, IdlePower],
    rule: EnergyRule,
) -> EnergyLedger:
    """Energy in the window for each channel and, of the device under test, for each scope; with its events.

    `readings` may hold more than the window: what is around it tells how a sensor behaves. A reading counts at the
    middle of its own before and after times. `ours`: whether a channel belongs to the device under test; None: cannot
    be told. `idle`: the baseline by channel. `reason` is set when no channel has an energy.
    """
    if not readings.channels:
        return EnergyLedger(reason=Text(en="no power meter answered", ko="응답한 전력 측정기가 없습니다"))
    length_ns = window.end_ns - window.start_ns
    channels, seen = {}, []
    for found in series(readings, window):
        channel = found.channel
        if is_power(channel):
            channels[channel.name] = channel_energy(
                found, length_ns, ours=ours(channel), idle=idle.get(channel.name), rule=rule
            )
        elif ours(channel) is not False:
            seen.append(found)
    reasons = [(name, item.reason) for name, item in channels.items() if item.reason is not None]
    reason = None
    if all(item.energy_j is None for item in channels.values()):
        reason = Text(
            en="; ".join(f"{name}: {why.en}" for name, why in reasons) or "no channel reads power or energy",
            ko="; ".join(f"{name}: {why.ko}" for name, why in reasons) or "전력이나 에너지를 읽는 채널이 없습니다",
        )
    return EnergyLedger(
        reason=reason,
        window=window,
        requests=work.requests,
        units=work.units,
        channels=channels,
        scopes=scopes(channels, length_ns, work),
        events=events_of(seen, window),
    )
