"""How a cell scales over devices: its rate on 1, 2, 4, 8 of them, and what each added one still brings.

Efficiency of n devices is their rate over n times the rate per device of the smallest number that was measured. Where
the host's processors are busy they are what limits; where they are not, it is the devices, their memory or their bus,
which nothing here can tell apart. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from npubench.scenarios import KINDS
from npubench.schema import Cell

Limit = Literal["host", "device"]

# From this share of the host's threads on there is no room for another lane's work (our judgement).
HOST_BUSY = 0.9
# An efficiency below this says that something limits; above it nobody asks what.
SCALES = 0.9


DEVICES = "devices"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One number of devices. `efficiency` 1.0: as much per device as with the fewest."""

    devices: int
    cell: Cell
    rate: float | None
    efficiency: float | None
    host_share: float | None
    limited_by: Limit | None


def groups(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Cells that differ in their number of devices alone, the fewest first; groups of one are left out."""
    found: dict[tuple[tuple[str, str], ...], list[Cell]] = {}
    for cell in cells:
        # A document may come from anybody: what names no number of devices does not scale.
        if cell.purpose == "measure" and cell.mix is None and cell.key.get("devices", "").isdecimal():
            same = tuple(sorted((name, value) for name, value in cell.key.items() if name != DEVICES))
            found.setdefault((*same, ("kind", str(cell.execution_kind))), []).append(cell)
    several = [group for group in found.values() if len({_devices(cell) for cell in group}) > 1]
    return [sorted(group, key=_devices) for group in several]


def steps(group: Sequence[Cell], metric: str, threads: int | None) -> tuple[Step, ...]:
    """The scaling of a group by the rate `metric`. `threads`: of the host, None where unknown."""
    rates = {cell.id: _median(cell, metric) for cell in group}
    first = next((cell for cell in group if rates[cell.id]), None)
    base = None
    if first is not None:
        rate = rates[first.id]
        assert rate is not None
        base = rate / _devices(first)
    made = []
    for cell in group:
        rate, cores = rates[cell.id], _median(cell, "host_cores")
        devices = _devices(cell)
        efficiency = rate / (devices * base) if rate is not None and base else None
        share = cores / threads if cores is not None and threads else None
        limited: Limit | None = None
        if efficiency is not None and efficiency < SCALES and share is not None:
            limited = "host" if share >= HOST_BUSY else "device"
        made.append(
            Step(devices=devices, cell=cell, rate=rate, efficiency=efficiency, host_share=share, limited_by=limited)
        )
    return tuple(made)


def _devices(cell: Cell) -> int:
    return int(cell.key.get(DEVICES, "1"))


def _median(cell: Cell, metric: str) -> float | None:
    if cell.verdict not in ("valid", "degraded"):
        return None
    found = cell.summary.get(metric)
    return found.median if found is not None else None


def host_stage(stages: Mapping[str, float]) -> str | None:
    """The largest of the stages that the host does itself; None where none was seen."""
    own = {name: ns for name, ns in stages.items() if name in ("decode", "pre", "post") and ns > 0}
    return max(own, key=lambda name: own[name]) if own else None


def rate_metric(cell: Cell) -> str | None:
    """What counts as the rate of a cell whose load was searched; None: the throughput of its unit."""
    if cell.scenario.name not in KINDS or KINDS[cell.scenario.name].load is None:
        return None
    return next((name for name in cell.summary if name.startswith("sustained_")), None)
