"""Made-up power sources and the sensors that look at them. Nothing here was measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from npubench.energy import ChannelEnergy, EnergyLedger, IdlePower, Window
from npubench.rules import EnergyRule, load
from npubench.spi import Channel
from npubench.stats.ledger import Work, ledger
from npubench.stats.readings import OK, RECORD, Readings

S = 1_000_000_000
Floats = npt.NDArray[np.float64]
RULE: EnergyRule = load().energy
WORK = Work(requests=100, units=400, unit="frame", searched="cameras", load=8.0)
WINDOW = Window(start_ns=100 * S, end_ns=130 * S)

POWER = Channel(name="p", unit="W", scope="card", kind="instant", source="test", device="gpu", lag_bound_ns=0)
COUNTER = Channel(
    name="e", unit="J", scope="card", kind="counter", quantity="energy", source="test", device="gpu", lag_bound_ns=0
)


class Source:
    """Power as steps: `watts[i]` from `edges[i]` on (s); ramps are steps of a millisecond."""

    def __init__(self, edges: Floats, watts: Floats) -> None:
        self.edges, self.watts = edges, watts
        self.joules = np.concatenate(([0.0], np.cumsum(np.diff(edges) * watts[:-1])))

    def w(self, at_s: Floats) -> Floats:
        found: Floats = self.watts[np.searchsorted(self.edges, at_s, "right") - 1]
        return found

    def j(self, at_s: Any) -> Any:
        """Energy since the first edge."""
        place = np.searchsorted(self.edges, at_s, "right") - 1
        return self.joules[place] + (at_s - self.edges[place]) * self.watts[place]


def constant(watts: float = 25.0) -> Source:
    return Source(np.array([0.0]), np.array([watts]))


def ramp(start_w: float = 10.0, per_s: float = 2.0, until_s: float = 200.0) -> Source:
    edges = np.arange(0.0, until_s, 1e-3)
    return Source(edges, start_w + per_s * np.maximum(edges - 80.0, 0.0))


def square(low_w: float = 10.0, high_w: float = 30.0, period_s: float = 2.0, until_s: float = 400.0) -> Source:
    edges = np.arange(0.0, until_s, period_s / 2)
    return Source(edges, np.where(np.arange(len(edges)) % 2, low_w, high_w))


def steps(random: np.random.Generator, mean_s: float, until_s: float = 400.0) -> Source:
    edges = np.concatenate(([0.0], np.cumsum(random.exponential(mean_s, int(2 * until_s / mean_s) + 10))))
    return Source(edges, random.uniform(20, 300, len(edges)))


def refreshed(at_s: Floats, every_s: float, phase_s: float = 0.0, lag_s: float = 0.0) -> Floats:
    """The moment that a sensor shows which looks every `every_s` and is `lag_s` late."""
    found: Floats = np.floor((at_s - phase_s) / every_s) * every_s + phase_s - lag_s if every_s else at_s - lag_s
    return found


def moments(interval_s: float = 0.1, start_s: float = 60.0, end_s: float = 170.0, phase: float = 0.3) -> Floats:
    found: Floats = np.arange(start_s + phase * interval_s, end_s, interval_s)
    return found


def table(channels: tuple[Channel, ...], columns: dict[str, tuple[Floats, Floats]]) -> Readings:
    """Readings of each channel from (times in s, values in its unit)."""
    parts = []
    for place, channel in enumerate(channels):
        at_s, values = columns[channel.name]
        rows = np.zeros(len(at_s), RECORD)
        rows["before_ns"] = np.round(at_s * S) - 1000
        rows["after_ns"] = np.round(at_s * S) + 1000
        rows["value"], rows["channel"] = values, place
        parts.append(rows)
    whole = np.concatenate(parts) if parts else np.empty(0, RECORD)
    return Readings(channels, (OK,), whole[np.argsort(whole["before_ns"], kind="stable")])


def one(
    channel: Channel,
    at_s: Floats,
    values: Floats,
    *,
    window: Window = WINDOW,
    idle: dict[str, IdlePower] | None = None,
    rule: EnergyRule = RULE,
) -> ChannelEnergy:
    """The energy of a single channel."""
    return book(table((channel,), {channel.name: (at_s, values)}), window=window, idle=idle, rule=rule).channels[
        channel.name
    ]


def book(
    readings: Readings,
    *,
    window: Window = WINDOW,
    work: Work = WORK,
    ours: Callable[[Channel], bool | None] = lambda channel: True,
    idle: dict[str, IdlePower] | None = None,
    rule: EnergyRule = RULE,
) -> EnergyLedger:
    return ledger(readings, window, work, ours=ours, idle=idle or {}, rule=rule)


def noisy(at_s: Floats, watts: float = 100.0, sd_w: float = 1.0, seed: int = 0) -> Floats:
    """A steady load as a real sensor reads it: never twice the same."""
    found: Floats = watts + np.random.default_rng(seed).normal(0, sd_w, len(at_s))
    return found
