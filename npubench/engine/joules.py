"""The energy of one launch from its readings: whose the channels are, the ledger, what services shared. Pure.

Launching calls it with what it has just read, `verify` with the same readings from their file: the same numbers.

Not aware of: how readings were taken (`metering`), how joules are computed (`stats.ledger`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from npubench.cards import BackendCard
from npubench.conditions import Conditions
from npubench.energy import EnergyLedger, IdlePower, Window
from npubench.engine.belonging import Belonging, apart
from npubench.engine.metering import explained
from npubench.lang import Text
from npubench.rules import EnergyRule
from npubench.schema import Plan, PlannedCell, Validity
from npubench.stats.conditions import worse
from npubench.stats.ledger import Work, ledger
from npubench.stats.power_events import events, judge_power
from npubench.stats.readings import Readings


def covering(own: Window, energy: Window) -> Window:
    """From the beginning of the earlier window to the end of the later one."""
    return Window(start_ns=min(own.start_ns, energy.start_ns), end_ns=max(own.end_ns, energy.end_ns))


def slowed(energy: EnergyLedger, own: Window, readings: Readings) -> tuple[Validity, tuple[Text, ...]]:
    """What slowed the device while energy was read, and in the launch's own window where that is another one.

    `readings` are those of both windows (`covering`).
    """
    verdict, reasons = judge_power(energy)
    if energy.window in (None, own) or not energy.channels:
        return verdict, reasons
    earlier, more = judge_power(msgspec.structs.replace(energy, window=own, events=events(readings, own)))
    return worse(verdict, earlier), (*reasons, *more)


def joules(
    plan: Plan,
    cell: PlannedCell,
    conditions: Conditions,
    readings: Readings,
    window: Window,
    work: Work,
    *,
    idle: Mapping[str, IdlePower],
    rule: EnergyRule,
    named: Callable[[str], Sequence[str]],
) -> EnergyLedger:
    """The ledger of a launch of `cell`. `named`: the backends whose cards name a channel's meter."""
    beside = [
        msgspec.convert(plan.backends[other.backend], BackendCard)
        for other in plan.cells
        if cell.mix is not None and other.mix == cell.mix and other.id != cell.id
    ]
    card = msgspec.convert(plan.backends[cell.backend], BackendCard)
    whose = Belonging(card, plan.machine, conditions, beside, named)
    shared = [channel.name for channel in readings.channels if whose.shared(channel)]
    found = ledger(readings, window, work, ours=whose.ours, idle=idle, rule=rule)
    return apart(explained(found, readings, window), shared, len(beside) + 1)
