"""A cell's energy from its launches': joules by channel, figures by scope, external logs added. Pure.

Not aware of: how joules are computed (`ledger`), anything else of a cell (`assemble`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from npubench.energy import Attachment, EnergyLedger, PowerSession
from npubench.lang import Text
from npubench.rules import EnergyRule
from npubench.schema import Launch, Note, Spread, Value
from npubench.spi import MeterScope
from npubench.stats.efficiency import metrics_of
from npubench.stats.idle import drifted
from npubench.stats.spreads import spread


def _both(own: EnergyLedger, log: Attachment, found: EnergyLedger) -> EnergyLedger:
    """A launch's energy with that from an external log of it. A scope that the launch has stays its own."""
    channels = {**own.channels}
    for name, channel in found.channels.items():
        channels[name if name not in channels else f"{log.name}: {name}"] = channel
    known = any(channel.energy_j is not None for channel in channels.values())
    return msgspec.structs.replace(
        own,
        reason=None if known else own.reason or found.reason,
        window=own.window or found.window,
        requests=own.requests if own.window is not None else found.requests,
        units=own.units if own.window is not None else found.units,
        channels=channels,
        scopes={**found.scopes, **own.scopes},
        events=(*own.events, *found.events),
    )


def attached(launch: Launch, logs: Iterable[Attachment]) -> Launch:
    energy = launch.energy
    for log in logs:
        if (found := log.ledgers.get(f"{launch.cell}-{launch.number}")) is not None:
            energy = _both(energy, log, found)
    return launch if energy is launch.energy else msgspec.structs.replace(launch, energy=energy)


def _figure(launch: Launch, scope: MeterScope, metric: str) -> Value:
    if (found := launch.energy.scopes.get(scope)) is None:
        said = launch.energy.reason.en if launch.energy.reason is not None else "this scope was not read in this launch"
        return Value(value=None, reason=said)
    if (value := found.figures.get(metric)) is not None:
        return Value(value=value)
    if found.reason is not None:
        return Value(value=None, reason=found.reason.en)
    if metric == "net_energy_per_request_j":
        notes = [note.en for note in found.notes if note.en.startswith("no net")]
        return Value(value=None, reason=notes[0] if notes else "the idle power is not known")
    return Value(value=None, reason="no work was completed, or no load was confirmed, in the window")


def efficiency(good: list[Launch]) -> dict[MeterScope, dict[str, Spread]]:
    """Scope → metric → its spread over the launches; null where one of them has none."""
    searched = next((launch.capacity.searched for launch in good if launch.capacity), None)
    wanted = metrics_of(good[0].unit, searched) if good else ()
    scopes = {scope: None for launch in good for scope in launch.energy.scopes}
    return {
        scope: {metric: spread(_figure(launch, scope, metric) for launch in good) for metric in wanted}
        for scope in scopes
    }


def energy_reason(launches: list[Launch]) -> Text | None:
    """Why no channel has an energy; None where one has."""
    if not launches:
        return Text(en="no launch finished", ko="끝난 실행이 없음")
    if any(channel.energy_j is not None for launch in launches for channel in launch.energy.channels.values()):
        return None
    return next((launch.energy.reason for launch in launches if launch.energy.reason is not None), None)


def drift_notes(sessions: Iterable[PowerSession], rule: EnergyRule) -> Iterator[Note]:
    for session in sessions:
        for said in drifted(session.before, session.after, rule).values():
            yield Note(code="idle-drift", text=said)


def energy(good: list[Launch]) -> dict[str, Spread]:
    """Channel → joules in the timed window over the launches."""
    names = sorted({name for launch in good for name in launch.energy.channels})
    found = {}
    for name in names:
        channels = [launch.energy.channels.get(name) for launch in good]
        found[name] = spread(
            Value(value=channel.energy_j, reason=channel.reason.en if channel.reason else None)
            if channel is not None
            else Value(value=None, reason="not read in this launch")
            for channel in channels
        )
    return found
