"""Rulesets: the bounds, minimums and thresholds that a result was judged by, as versioned data files.

Not aware of: how they are applied (`stats`, `engine`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from npubench.errors import UnknownNameError
from npubench.lang import Text

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

    Two together say that other work disturbed a launch, which a comparison minds (`stats.compare`) and a verdict does
    not: `others_share`, processor time of others; `waited_share`, how long our own threads waited for a processor, in
    all, as a share of the window.
    """

    slowed_share: float
    slowing_causes: tuple[str, ...]
    quota_paused_share: float
    stolen_share: float
    memory_stalled_share: float
    others_share: float = 0.1
    waited_share: float = 0.05


class EnergyRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When joules are published: the shortest window, the least share of it that readings cover, how many times the
    value must have been refreshed in it. `idle_s`: how long the idle baseline is read. `drift`: above this share the
    idle baselines before and after a run differ.
    """

    window_s: float
    coverage: float
    refreshes: int
    idle_s: float
    drift: float


class EarlyStoppingRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """LoadGen's statistic: confidence c and tolerance d (METRICS.md, Early stopping)."""

    confidence: float
    tolerance: float


class ScenarioRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a result of one scenario must have.

    `percentiles`: those at which its latency is judged, the ruleset's own first; where a launch is too short for it the
    next one that the queries support is judged instead and named, and the launch lacks what the first one needs.
    """

    percentiles: tuple[float, ...] = ()
    min_queries: int = 0
    min_samples: int = 0
    min_duration_s: float = 0.0


class Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a request must not exceed, in seconds; what is not given is not bound. `why` cites the source."""

    latency_s: float | None = None
    ttft_s: float | None = None
    tpot_s: float | None = None
    why: str


class Ruleset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One ruleset file. `bounds` by service unit (frame, page, token, sample); a camera's frame is bound by 1/F.

    `note`: what has to be known about it. `grid`: axes along which it wants a model measured, each with its values.
    """

    id: str
    title: Text
    note: Text | None = None
    grid: dict[str, tuple[str | int, ...]] = {}
    percentile: str
    overhead_factor: float
    min_macs_assigned: float
    max_unattributed: float
    launch_spread: float
    leak_bytes: int
    lag_absolute_ns: int
    lag_share: float
    disturbance: DisturbanceRule
    energy: EnergyRule
    early_stopping: EarlyStoppingRule
    scenarios: dict[str, ScenarioRule]
    bounds: dict[str, Bound]
    profiles: dict[str, ProfileRule]


def known() -> tuple[str, ...]:
    """The ids of all rulesets."""
    return tuple(sorted(found.stem for found in FOLDER.glob("*.toml")))


def load(name: str = DEFAULT) -> Ruleset:
    """The ruleset called `name`. Raises UnknownNameError."""
    path = FOLDER / f"{name}.toml"
    if not path.is_file():
        raise UnknownNameError(f'no ruleset "{name}"; known: {", ".join(known())}')
    document: Any = msgspec.toml.decode(path.read_bytes())
    return msgspec.convert(document, Ruleset)
