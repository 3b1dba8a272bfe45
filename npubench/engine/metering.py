"""Power beside one launch: starts the sampler of the backend's first meter that answers, and makes the ledger.

A launch without a meter is still a launch: its energy is null with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from npubench.cards import BackendCard
from npubench.discovery import code
from npubench.energy import EnergyLedger, Window
from npubench.engine.launcher import child_environment
from npubench.engine.power import PowerSampler, read_readings
from npubench.engine.select import environment_of
from npubench.lang import Text
from npubench.rules import load
from npubench.stats.ledger import Work, ledger
from npubench.stats.readings import gathered

# Slow enough to cost nothing, fast enough for sensors that refresh once a second or quicker (METRICS.md, Energy).
INTERVAL_S = 0.1


class Metering(msgspec.Struct):
    """One launch's power. `file` holds the raw readings once the meter has stopped; None without a meter."""

    sampler: PowerSampler | None
    reason: str = ""
    file: Path | None = None

    def ledger(self, window: Window) -> EnergyLedger:
        """Joules per channel in the timed window. Call after the meter has stopped."""
        if self.sampler is None or self.file is None or not self.file.exists():
            said = self.reason or "the meter wrote no readings"
            return EnergyLedger(reason=Text(en=said, ko=said))
        return ledger(
            gathered(self.sampler.channels, read_readings(self.file)),
            window,
            Work(requests=0, units=0, unit="sample"),
            ours=lambda channel: True,
            idle={},
            rule=load().energy,
        )


@contextmanager
def metering(card: BackendCard, folder: Path) -> Iterator[Metering]:
    """Reads power while the body runs."""
    metering = Metering(sampler=None, reason="no power meter is set up for this backend")
    reasons: list[str] = []
    for name in card.meters:
        place = environment_of(card)
        sampler = PowerSampler.start(
            code("meters", name), INTERVAL_S, folder, place.python, environment=child_environment(place, folder)
        )
        if sampler.availability.available:
            metering = Metering(sampler=sampler)
            break
        sampler.stop()
        reasons.append(f"{name}: {sampler.availability.reason}")
    else:
        if reasons:
            metering.reason = "; ".join(reasons)
    try:
        yield metering
    finally:
        if metering.sampler is not None:
            metering.file = metering.sampler.stop()
