"""How good a power channel is, from what it read while the machine was at rest: noise, drift, refresh, and whether a
window of the ruleset's length is enough.

Guarantees: what a channel at rest cannot show (a value that stands still has no refresh to observe) is said, not
guessed. Pure.

Not aware of: how it was read (`engine.power`), words (`cli.power_check`).
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np

from npubench.energy import ChannelEnergy, IdlePower, Window
from npubench.rules import EnergyRule
from npubench.spi import Channel
from npubench.stats.channel_energy import channel_energy
from npubench.stats.idle import idle
from npubench.stats.readings import Readings
from npubench.stats.refresh import changes
from npubench.stats.series import Series, is_counter, is_power, series

# The means of the first and the last third are compared.
_THIRDS = 3
Answer = Literal["enough", "longer", "unknown", "broken"]


class ChannelCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One channel. `refresh_ns` is observed, `drift_w` the last third's mean less the first's.

    `answer`: a window of the ruleset is `enough`, has to be `longer` (`needed_s`), cannot be told (`unknown`: the value
    stood still) or nothing good was read (`broken`). `uncertainty`: what times leave open of the energy in such a
    window, as a share of it.
    """

    channel: Channel
    idle: IdlePower
    drift_w: float | None
    refreshes: float | None
    needed_s: float | None
    uncertainty: float | None
    answer: Answer


def _drift_w(found: Series, length_ns: float) -> float | None:
    inside = found.inside(length_ns)
    times, values = found.times_ns[inside] / 1e9, found.values[inside]
    if is_counter(found.channel):
        # Between two changes a counter says nothing.
        moved = changes(values)
        times, values = times[moved], values[moved]
        spans, steps = np.diff(times), np.diff(values)
        if len(steps) < 2 * _THIRDS or steps.min() < 0:
            return None
        third = len(steps) // _THIRDS
        first, last = (steps[part].sum() / spans[part].sum() for part in (slice(None, third), slice(-third, None)))
        return float(last - first)
    if len(values) < 2 * _THIRDS:
        return None
    third = len(values) // _THIRDS
    return float(np.mean(values[-third:]) - np.mean(values[:third]))


def _energy(found: Series, length_ns: float, rule: EnergyRule) -> ChannelEnergy:
    """The energy of this short look, whatever the rule asks of a published one."""
    lenient = msgspec.structs.replace(rule, window_s=0.0, coverage=0.0, refreshes=0)
    return channel_energy(found, length_ns, ours=None, idle=None, rule=lenient)


def _refresh_ns(channel: Channel, seen: IdlePower) -> float | None:
    """How often the value is new: observed, else as documented. A counter's steps are observed alone."""
    if seen.refresh_ns:
        return float(seen.refresh_ns)
    return float(channel.refresh_ns) if channel.refresh_ns and not is_counter(channel) else None


def judged(readings: Readings, window: Window, rule: EnergyRule) -> tuple[ChannelCheck, ...]:
    """Each channel of power or energy, from what was read in `window` while the machine was at rest."""
    length_ns = float(window.end_ns - window.start_ns)
    calm = idle(readings, window)
    found = []
    for each in series(readings, window):
        if not is_power(each.channel):
            continue
        seen = calm[each.channel.name]
        every = _refresh_ns(each.channel, seen)
        refreshes = None if every is None else rule.window_s * 1e9 / every
        needed_s = None if every is None else max(rule.window_s, math.ceil(rule.refreshes * every / 1e9))
        energy = _energy(each, length_ns, rule)
        share = None
        if energy.energy_j and energy.uncertainty_j is not None and energy.mean_w:
            # Changes of a power that were missed add in quadrature (`power_energy`), the edges of a counter not at all.
            longer = 1.0 if is_counter(each.channel) else max(1.0, math.sqrt(rule.window_s * 1e9 / length_ns))
            share = longer * energy.uncertainty_j / (energy.mean_w * rule.window_s)
        answer: Answer
        if seen.mean_w is None and seen.readings < 2:
            answer = "broken"
        elif refreshes is None:
            answer = "unknown"
        else:
            answer = "enough" if refreshes >= rule.refreshes else "longer"
        found.append(
            ChannelCheck(
                channel=each.channel,
                idle=seen,
                drift_w=_drift_w(each, length_ns),
                refreshes=refreshes,
                needed_s=needed_s,
                uncertainty=share,
                answer=answer,
            )
        )
    return tuple(found)
