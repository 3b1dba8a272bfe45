"""Rulesets: the bounds, minimums and thresholds that a result was judged by, as versioned data files.

Not aware of: how they are applied (`stats`, `engine`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from npubench.errors import UnknownNameError

FOLDER = Path(__file__).resolve().parent / "rulesets"
DEFAULT = "npubench-1"


class ProfileRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time budget: seconds of measuring over all launches of a run, launches per cell, and the longest window."""

    budget_s: float
    launches: int
    max_window_s: float
    comparable: bool


class DisturbanceRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From when on what happened around a launch degrades it. Shares are of the time that was watched.

    `slowed_share`: a device or the processor ran slower than it was asked to, for one of `slowing_causes`;
    `quota_paused_share`: of the CPU quota's periods; `stolen_share`: processor time that a hypervisor gave to others;
    `memory_stalled_share`: time in which some task waited for memory.
    """

    slowed_share: float
    slowing_causes: tuple[str, ...]
    quota_paused_share: float
    stolen_share: float
    memory_stalled_share: float


class Ruleset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One ruleset file."""

    id: str
    percentile: str
    overhead_factor: float
    min_macs_assigned: float
    max_unattributed: float
    launch_spread: float
    leak_bytes: int
    lag_absolute_ns: int
    lag_share: float
    disturbance: DisturbanceRule
    profiles: dict[str, ProfileRule]


def load(name: str = DEFAULT) -> Ruleset:
    """The ruleset called `name`. Raises UnknownNameError."""
    path = FOLDER / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in FOLDER.glob("*.toml")))
        raise UnknownNameError(f'no ruleset "{name}"; known: {known}')
    document: Any = msgspec.toml.decode(path.read_bytes())
    return msgspec.convert(document, Ruleset)
