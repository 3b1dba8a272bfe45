"""The condition of a machine and its devices: how it is now, and how it was around one measured launch.

Sizes are bytes, powers watts, clocks MHz, temperatures °C, durations ns. Unknown is None, never zero.

Not aware of: how any of it is read (`engine.devices`, `engine.counters`), what it means for a result
(`stats.conditions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Cause = Literal["thermal", "power-brake", "hardware", "power-cap", "sync-boost"]
"""Why a device ran below the clocks that it was asked for.

`thermal`: heat; `power-brake`: an outside signal, such as a failing power supply; `hardware`: the device slowed itself
and does not say which of the two it was; `power-cap`: it reached its power limit, which is how it is meant to work
under load; `sync-boost`: it waits for the slowest of a group.
"""

# Idle and clocks that somebody set are no slowing down.
_NVIDIA_BITS: Mapping[int, Cause] = {
    0x04: "power-cap",
    0x08: "hardware",
    0x10: "sync-boost",
    0x20: "thermal",
    0x40: "thermal",
    0x80: "power-brake",
}


def nvidia_causes(bits: int) -> tuple[Cause, ...]:
    """The causes in NVIDIA's bits, sorted (nvml.h, nvmlClocksEventReason…; nvidia-smi, clocks_event_reasons.active)."""
    causes = {cause for bit, cause in _NVIDIA_BITS.items() if bits & bit}
    # The hardware's summary bit is set with either of its causes; alone it says that the cause is not known.
    if causes & {"thermal", "power-brake"}:
        causes.discard("hardware")
    return tuple(sorted(causes))


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable; unknown keys are ignored when reading."""


class DeviceProcess(_Facts, frozen=True, kw_only=True):
    """A process on a device. The name is a program's, never a command line: those hold secrets."""

    pid: int
    name: str
    computes: bool = True
    memory_bytes: int | None = None


class DeviceState(_Facts, frozen=True, kw_only=True):
    """One accelerator at one time. `id` is that of `Machine.accelerators`; `sources` says where the facts are from.

    `processes` are those of others, not npubench's own; None with `processes_reason` where they cannot be seen.
    `slowed` are the causes in effect at this time, `slowed_ns` the time spent in each since the driver was loaded.
    """

    id: str
    name: str = ""
    type: str = ""
    driver: str | None = None
    driver_version: str | None = None
    firmware_version: str | None = None
    temperature_c: float | None = None
    clock_mhz: float | None = None
    clock_most_mhz: float | None = None
    power_cap_w: float | None = None
    power_cap_default_w: float | None = None
    power_mode: str | None = None
    memory_bytes: int | None = None
    memory_free_bytes: int | None = None
    processes: tuple[DeviceProcess, ...] | None = None
    processes_reason: str | None = None
    slowed: tuple[Cause, ...] | None = None
    slowed_ns: dict[Cause, int] | None = None
    sources: tuple[str, ...] = ()


class ProcessorState(_Facts, frozen=True, kw_only=True):
    """The host processor at one time. `throttle_events`: how often it slowed down for heat since the start."""

    governor: str | None = None
    frequency_driver: str | None = None
    preference: str | None = None
    platform_profile: str | None = None
    boost: bool | None = None
    clock_mhz: float | None = None
    clock_most_mhz: float | None = None
    temperature_c: float | None = None
    throttle_events: int | None = None


class Slowed(_Facts, frozen=True, kw_only=True):
    """How long a device was slowed for one cause, out of `observed_ns` in which it was watched.

    `source`: `counter` (kept by the driver over the whole launch), `samples` (looked at now and then within the timed
    window, so a share and no exact time) or `state` (seen before or after the launch only; `slowed_ns` is None).
    """

    cause: Cause
    slowed_ns: int | None
    observed_ns: int | None
    source: Literal["counter", "samples", "state"]


class DeviceCondition(_Facts, frozen=True, kw_only=True):
    """A device around one launch: before its process started, after it ended, and between. `after` None: it is gone.

    `used`: whether the launch ran on it; None where the backend could have run on several devices and nothing says
    which it was. `before` is bare (no `sources`) where the device was missing already.
    """

    before: DeviceState
    after: DeviceState | None
    used: bool | None = True
    slowed: tuple[Slowed, ...] = ()


class Conditions(_Facts, frozen=True, kw_only=True):
    """What may have disturbed one launch. Figures are differences between `start_ns` and `end_ns` (CLOCK_MONOTONIC),
    which bracket the timed window; None there means that the launch never reached its window.

    `quota_paused_periods` of `quota_periods` enforcement periods of the CPU quota ended in a pause; `quota_paused_ns`
    adds up over processors, and so do `stolen_ns`: the hypervisor ran something else on one of our `processors`;
    `others_ns`: these ran processes that are not npubench's; `ran_ns`, `waited_ns`: npubench's own threads ran, or were
    ready to and waited for a processor.
    `memory_stalled_ns`: some task waited for memory. Pairs are (at the start, at the end). `cost_ns`: the parent's own
    time spent on looking, tools included; none of it within the timed window.
    """

    start_ns: int | None = None
    end_ns: int | None = None
    processors: int | None = None
    throttle_events: int | None = None
    throttled_ns: int | None = None
    cooling: tuple[str, ...] | None = None
    quota_periods: int | None = None
    quota_paused_periods: int | None = None
    quota_paused_ns: int | None = None
    stolen_ns: int | None = None
    others_ns: int | None = None
    ran_ns: int | None = None
    waited_ns: int | None = None
    memory_stalled_ns: int | None = None
    swapped_in_bytes: int | None = None
    clock_mhz: tuple[float | None, float | None] = (None, None)
    temperature_c: tuple[float | None, float | None] = (None, None)
    devices: tuple[DeviceCondition, ...] = ()
    cost_ns: int = 0
