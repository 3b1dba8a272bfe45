"""Power and energy as results: which meters there were, what each channel read, joules by channel and by scope.

Joules are of one window, the timed region that a child marked. Unknown is None with a reason, never zero; a total that
lacks one of its channels is None. Definitions: METRICS.md, Energy.

Not aware of: how meters are read (`engine.sampler`), how joules are computed (`stats.ledger`).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from npubench.conditions import Cause
from npubench.lang import Text
from npubench.spi import Availability, Channel, MeterScope


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable; unknown keys are ignored when reading."""


class Window(_Facts, frozen=True, kw_only=True):
    """From when to when, on CLOCK_MONOTONIC of this boot."""

    start_ns: int
    end_ns: int


class PlannedMeter(_Facts, frozen=True, kw_only=True):
    """A meter of a run: its code (`module:attr`), where it runs and whether it answered when the run was planned.

    `place`: the backend in whose environment its binding lives, empty for npubench's own. `backends`: whose cards name
    it; none: it is the machine's. `options` may name local files, so they stay in the plan.
    """

    name: str
    code: str
    place: str = ""
    backends: tuple[str, ...] = ()
    options: dict[str, Any] = {}
    availability: Availability
    channels: tuple[Channel, ...] = ()


class IdlePower(_Facts, frozen=True, kw_only=True):
    """What a channel drew while nothing was measured; `mean_w` None with `reason`.

    `refresh_ns`: the median time between changes of the value, as observed. `changed`: how many there were.
    """

    mean_w: float | None
    reason: Text | None = None
    sd_w: float | None = None
    min_w: float | None = None
    max_w: float | None = None
    window: Window | None = None
    readings: int = 0
    faults: int = 0
    changed: int = 0
    refresh_ns: int | None = None


class ChannelEnergy(_Facts, frozen=True, kw_only=True):
    """One channel in the window. `energy_j` is gross; None with `reason`.

    `uncertainty_j` is what times alone leave open (refresh, lag, gaps), with 95 % confidence; None where a value that
    never changed says nothing of them. The sensor's own error is `accuracy`, as documented. `idle_w` is the baseline
    before the run, `net_j` gross less idle. `ours`: whether it belongs to the device under test; None: cannot be told.
    `readings` and `faults` count good and bad readings in the window, `coverage` the share of it that good ones cover;
    `refresh_ns` is observed.
    """

    energy_j: float | None
    reason: Text | None = None
    uncertainty_j: float | None = None
    idle_w: float | None = None
    net_j: float | None = None
    mean_w: float | None = None
    min_w: float | None = None
    max_w: float | None = None
    scope: MeterScope
    kind: str
    device: str = ""
    source: str = ""
    ours: bool | None = True
    readings: int = 0
    faults: int = 0
    coverage: float | None = None
    refresh_ns: int | None = None
    lag_bound_ns: int | None = None
    accuracy: float | None = None


class ScopeEnergy(_Facts, frozen=True, kw_only=True):
    """The device under test in one scope: one channel for each of its devices, summed; None where one is lacking.

    `figures`: metric → value, those of `metrics.ENERGY` that this unit and load have (J per page, cameras per W …);
    a metric that cannot be told is left out of it. `reason`: why there is no energy. `notes`: what else to know,
    such as two sensors of one device that disagree, or why there is no net energy.
    """

    channels: tuple[str, ...]
    energy_j: float | None
    reason: Text | None = None
    uncertainty_j: float | None = None
    idle_w: float | None = None
    net_j: float | None = None
    mean_w: float | None = None
    figures: dict[str, float] = {}
    notes: tuple[Text, ...] = ()


class PowerEvent(_Facts, frozen=True, kw_only=True):
    """Something that slowed a device, or a change of its clock or limit, from the first reading that shows it to the
    last. `low` and `high` are the extreme values of a temperature (°C) or a limit (W); of a clock (MHz) that dropped
    its lowest value and what is usual in the window.
    """

    device: str
    what: Literal["throttle", "clock", "temperature", "limit"]
    window: Window
    causes: tuple[Cause, ...] = ()
    low: float | None = None
    high: float | None = None


class EnergyLedger(_Facts, frozen=True, kw_only=True):
    """Energy of one launch in its `window`; None with `reason` where no meter answered.

    The window is where the confirmed load was held for long enough, else the timed region of the launch. `requests` and
    `units` were completed within it.
    """

    reason: Text | None = None
    window: Window | None = None
    requests: int | None = None
    units: int | None = None
    channels: dict[str, ChannelEnergy] = {}
    scopes: dict[MeterScope, ScopeEnergy] = {}
    events: tuple[PowerEvent, ...] = ()


class MeterCost(_Facts, frozen=True, kw_only=True):
    """What reading one meter took: of the sampler's process, and of one reading of all its channels.

    `cpu_share`: of one core, starting left out. `missed`: deadlines that were skipped. `ended`: why it stopped early.
    """

    readings: int
    missed: int = 0
    cpu_share: float | None = None
    read_p50_ns: int | None = None
    read_p99_ns: int | None = None
    ended: str | None = None


class Effect(_Facts, frozen=True, kw_only=True):
    """How much slower fixed work is while meters are read: a ratio of times with its 95 % interval, in alternating
    blocks with and without sampling (A/A where sampling costs nothing).
    """

    ratio: float
    low: float
    high: float
    blocks: int


class ClockPair(_Facts, frozen=True, kw_only=True):
    """CLOCK_MONOTONIC and the wall clock (UTC, ns since 1970) at one moment, `gap_ns` apart at most."""

    monotonic_ns: int
    wall_ns: int
    gap_ns: int


class PowerSession(_Facts, frozen=True, kw_only=True):
    """Power around the launches of one invocation (a resumed run has several). Written once, when it ends.

    `pulses`: when the machine was kept busy on purpose, so that an external meter's log can be aligned with it. `rest`:
    when it was left alone before the first launch, for the idle baseline.
    """

    schema: Literal["npubench.power/1"] = "npubench.power/1"
    run: str
    number: int
    meters: tuple[str, ...] = ()
    before: dict[str, IdlePower] = {}
    after: dict[str, IdlePower] = {}
    costs: dict[str, MeterCost] = {}
    effect: Effect | None = None
    pulses: tuple[Window, ...] = ()
    rest: Window | None = None
    clock: tuple[ClockPair, ...] = ()
    files: dict[str, str] = {}


class Alignment(_Facts, frozen=True, kw_only=True):
    """How an external log's clock was tied to this machine's: log time + `offset_s` is wall time here."""

    how: Literal["clock", "pulse"]
    offset_s: float
    uncertainty_s: float
    correlation: float | None = None


class Attachment(_Facts, frozen=True, kw_only=True):
    """An external meter's log, brought to a run after it was measured; a file of its own, written once.

    `ledgers`: launch (`<cell>-<number>`) → its energy from this log alone. `raw`: the log's readings, aligned, beside
    this file. `of`: the log's file name, without its folder, and its SHA-256.
    """

    schema: Literal["npubench.power-log/1"] = "npubench.power-log/1"
    run: str
    name: str
    of: str
    of_sha256: str
    alignment: Alignment
    channels: tuple[Channel, ...]
    idle: dict[str, IdlePower] = {}
    ledgers: dict[str, EnergyLedger] = {}
    raw: str = ""
    raw_sha256: str = ""
