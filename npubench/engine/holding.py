"""For how long one load is to last so that its energy can be published, wherever a meter answers. Pure.

A given load's window is made that long; what a search confirmed is held for so long afterwards, on top of its time. Not
so in a quick look (smoke), and on an emulator, whose energy means nothing. What this adds to a run is known when it is
planned.

Not aware of: how a hold is run (`capacity_answer`, `making`), what is derived from it (`stats.held`).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from npubench.cards import BackendCard, emulated
from npubench.energy import PlannedMeter
from npubench.rules import Ruleset
from npubench.scenarios import KINDS, searched
from npubench.schema import Plan, PlannedCell

QUICK = "smoke"
"""The profile for a quick look: its windows are too short for energy, and are left so."""


def answering(meters: Iterable[PlannedMeter], backend: str | None = None) -> bool:
    """Whether some meter gives power or energy, of the machine or of this backend's devices (None: of any)."""
    return any(
        channel.quantity in ("power", "energy") or channel.kind == "counter"
        for meter in meters
        if meter.availability.available and (backend is None or not meter.backends or backend in meter.backends)
        for channel in meter.channels
    )


def hold_s(meters: Iterable[PlannedMeter], rules: Ruleset, profile: str, external_log: bool = False) -> float:
    """`Plan.hold_s`: the shortest window of which the ruleset publishes joules; 0 where no meter answers.

    `external_log`: one whose log is attached afterwards does.
    """
    return rules.energy.window_s if profile != QUICK and (external_log or answering(meters)) else 0.0


def held_s(plan: Plan, cell: PlannedCell) -> float:
    """How long a launch of this cell is to last under one load for its energy; 0: as planned anyway."""
    if plan.hold_s <= 0 or cell.purpose != "measure" or KINDS[cell.scenario.name].load is None:
        return 0.0
    card = msgspec.convert(plan.backends[cell.backend], BackendCard)
    read = plan.external_log or answering(plan.meters, cell.backend)
    return plan.hold_s if read and not emulated(card) else 0.0


def added_s(plan: Plan, cell: PlannedCell) -> float:
    """What holding may add to each launch of this cell, at most. A given load's own window is long enough already."""
    return held_s(plan, cell) if searched(cell.scenario) else 0.0
