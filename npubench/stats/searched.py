"""What the steps of a search leave open: a capacity was confirmed at one load and failed at the next one tried.

Later launches confirm the load that the first one found, so launches of a capacity agree without saying how finely it
was searched: twelve cameras in five launches of one night and eleven in five of the next may be one and the same
device. The truth lies between the load that was confirmed and the smallest that failed, and an interval must be that
wide.

Not aware of: how loads are searched (`engine.capacity`).
"""

from __future__ import annotations

import math

import msgspec

from npubench.metrics import CAPACITY
from npubench.schema import Capacity, Cell


class Steps(msgspec.Struct, frozen=True):
    """How far above its confirmed value each side's capacity may lie, as ln(failed / confirmed); infinite: unknown."""

    base: float = 0.0
    new: float = 0.0


NONE = Steps()


def _step(capacity: Capacity | None) -> float:
    if capacity is None:
        return 0.0
    if not capacity.confirmed or capacity.failed is None or capacity.failed <= capacity.confirmed:
        return math.inf
    return math.log(capacity.failed / capacity.confirmed)


def steps(key: str, base: Cell, new: Cell) -> Steps:
    """Those of a metric that is a searched load, or counts one per watt; none of any other."""
    if key not in CAPACITY and key not in ("cameras_per_w", "users_per_w"):
        return NONE
    return Steps(_step(base.capacity), _step(new.capacity))


def loads_differ(base: Cell, new: Cell) -> bool:
    """Whether latencies were measured at different loads, found by search, and so say nothing of each other."""
    if base.capacity is None and new.capacity is None:
        return False
    found = {
        value for cell in (base, new) for key in CAPACITY if key in cell.summary for value in cell.summary[key].launches
    }
    return len(found) > 1


def held_nothing(cell: Cell, key: str) -> float | None:
    """The least load, where even that failed in every launch; None where some launch held one or nothing is known."""
    found, spread = cell.capacity, cell.summary.get(key)
    # What a cell confirmed is the least of its launches: one that held nothing makes it 0.
    if found is None or spread is None or any(value != 0 for value in spread.launches):
        return None
    return found.failed if found.confirmed == 0 and found.failed else None
