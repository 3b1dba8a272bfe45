"""The condition of Rebellions devices, from rbln-smi. The tool reports no power limit, and of slowing down only that a
device does (performance state P10), not why; P12 is a device that hangs.

Not aware of: the tool's own output (`rbln`).
"""

from __future__ import annotations

from collections.abc import Iterable

from npubench import rbln
from npubench.conditions import DeviceProcess, DeviceState
from npubench.rbln import RblnDevice, RblnState

SLOWED = "P10"
_STATES = {SLOWED: " (slowed down)", "P12": " (hung)"}


def parse(document: str, own: Iterable[int] = ()) -> tuple[DeviceState, ...]:
    """The devices in the output of `rbln-smi -b -j`, by PCI address. Processes in `own` are left out.

    Raises ValueError.
    """
    return _states(rbln.parse(document), own)


def _states(found: RblnState, own: Iterable[int]) -> tuple[DeviceState, ...]:
    ours = set(own)
    return tuple(_device(device, found, ours) for device in found.devices)


def _device(device: RblnDevice, found: RblnState, own: set[int]) -> DeviceState:
    state = device.status
    meaning = _STATES.get(device.pstate or "", "")
    mode = [f"performance state {device.pstate}{meaning}"] * bool(device.pstate)
    mode += [f"status {state}"] * (state not in (None, "normal"))
    total, used = device.memory_bytes, device.memory_used_bytes
    return DeviceState(
        id=device.address,
        name=device.name or "",
        type="npu",
        driver="rebellions",
        driver_version=found.driver_version,
        firmware_version=device.firmware,
        temperature_c=device.temperature_c,
        slowed=("hardware",) if device.pstate == SLOWED else None,
        power_mode=", ".join(mode) or None,
        memory_bytes=total,
        memory_free_bytes=None if total is None or used is None else total - used,
        processes=_processes(device.npu, found, own),
        sources=(rbln.TOOL,),
    )


def _processes(npu: str, found: RblnState, own: set[int]) -> tuple[DeviceProcess, ...] | None:
    if found.contexts is None:
        return None
    return tuple(
        DeviceProcess(pid=context.pid, name=context.name, memory_bytes=context.memory_bytes)
        for context in found.contexts
        if context.npu == npu and context.pid not in own
    )


def ask(own: Iterable[int]) -> tuple[DeviceState, ...] | str:
    """What the tool says of all devices now, or why it says nothing. Raises nothing."""
    found = rbln.ask()
    return found if isinstance(found, str) else _states(found, own)
