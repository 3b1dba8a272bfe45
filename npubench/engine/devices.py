"""How each accelerator is now: driver, firmware, heat, clocks, power limit, free memory, and who else is on it.

First from sysfs, which costs nothing and works for every vendor by PCI address; then from the vendor's own tool where
one is known and installed, whose word goes before. A tool is called only where a device of its vendor is: on a machine
without accelerators nothing is started. Who else is on a device comes from the tool, or from open device files.

Sources: kernel ABI (sysfs-bus-pci, hwmon, DRM's amdgpu, i915 and xe attributes), Furiosa's smi for RNGD's attributes.
Verified on made trees and on recorded outputs of tools; no accelerator was at hand.
Not aware of: launches (`watching`), what any of it means for a result.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from npubench.conditions import Cause, DeviceState
from npubench.engine import nvidia, rebellions
from npubench.engine.busy import own_tree, process_table
from npubench.engine.holders import Holders, furiosa_number, nodes, scan
from npubench.engine.pci import driver_version
from npubench.rbln import TOOL as RBLN_SMI
from npubench.spi import Device

SYSFS = "sysfs"
"""The source in `DeviceState.sources` that is no vendor's tool."""

# Attributes in which drivers state what runs on the card: amdgpu, habanalabs, and vendors that follow them.
_FIRMWARE = ("vbios_version", "fw_os_ver", "cpucp_ver", "fw_version", "firmware_version")
# i915 and xe state each reason in a file of its own; pl1, pl2 and pl4 are power limits (kernel docs, gpu/i915 and xe).
_INTEL_REASONS: tuple[tuple[str, Cause], ...] = (
    (r"reason_thermal|reason_prochot|reason_soc_thermal|reason_mem_thermal|reason_soc_avg_thermal", "thermal"),
    (r"reason_(pl\d|psys_pl\d|fast_vmode|iccmax|ratl|vr_\w+|p0_freq)", "power-cap"),
)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n\t")
    except (OSError, ValueError):
        return ""


def _number(path: Path) -> int | None:
    text = _read(path)
    return int(text) if text.lstrip("-").isdigit() else None


def _glob(folder: Path, *patterns: str) -> list[Path]:
    found: list[Path] = []
    for pattern in patterns:
        with suppress(OSError):
            found += sorted(folder.glob(pattern))
    return found


def _slowed(base: Path) -> tuple[Cause, ...] | None:
    """Intel's reasons in effect now; None where the driver states none."""
    files = _glob(base, "drm/card*/gt/gt*/throttle_reason_*", "tile*/gt*/freq*/throttle/reason_*")
    found: set[Cause] = set()
    for path in files:
        name = path.name.removeprefix("throttle_")
        if _number(path) == 1:
            found |= {cause for pattern, cause in _INTEL_REASONS if re.fullmatch(pattern, name)}
    return tuple(sorted(found)) if files else None


def _furiosa(root: Path, state: DeviceState) -> DeviceState:
    number = furiosa_number(root, state.id)
    if number is None:
        return state
    folder = root / f"sys/class/rngd_mgmt/rngd!npu{number}mgmt"
    governor = _read(folder / "npu_governor")
    return msgspec.structs.replace(
        state,
        driver_version=_read(folder / "version") or state.driver_version,
        firmware_version=_read(folder / "fw_version") or state.firmware_version,
        power_mode=f"governor {governor}" if governor else state.power_mode,
    )


def from_sysfs(device: Device, root: Path = Path("/")) -> DeviceState | None:
    """What sysfs says of one device now; None where it is no longer there."""
    base = root / "sys/bus/pci/devices" / device.id
    if not base.exists():
        # Entries of /sys/class/accel without a PCI device are not tied to a folder of this kind.
        node = device.detail.get("node")
        if node is None or not (root / "sys/class" / node).exists():
            return None
        base = root / "sys/class" / node / "device"
    elif _read(base / "vendor") == "0xffff":
        return None  # what a card that fell off the bus answers
    temperatures = [value for path in _glob(base, "hwmon/hwmon*/temp*_input") if (value := _number(path)) is not None]
    cap, default = _glob(base, "hwmon/hwmon*/power1_cap"), _glob(base, "hwmon/hwmon*/power1_cap_default")
    total, used = _number(base / "mem_info_vram_total"), _number(base / "mem_info_vram_used")
    level = _read(base / "power_dpm_force_performance_level")
    firmware = [text for name in _FIRMWARE if (text := _read(base / name))]
    state = DeviceState(
        id=device.id,
        name=device.detail.get("model") or device.name,
        type=device.type,
        driver=device.detail.get("driver"),
        driver_version=driver_version(device.id, root),
        firmware_version=", ".join(firmware) or None,
        temperature_c=max(temperatures) / 1000 if temperatures else None,
        power_cap_w=_watts(cap),
        power_cap_default_w=_watts(default),
        power_mode=f"performance level {level}" if level else None,
        memory_bytes=total,
        memory_free_bytes=None if total is None or used is None else total - used,
        slowed=_slowed(base),
        sources=(SYSFS,),
    )
    return _furiosa(root, state) if device.vendor == "FuriosaAI" else state


def _watts(paths: Sequence[Path]) -> float | None:
    value = _number(paths[0]) if paths else None
    return None if value is None else value / 1e6


def merged(first: DeviceState, said: DeviceState) -> DeviceState:
    """Both, where the second knows something it goes before."""
    changes = {
        name: value
        for name in said.__struct_fields__
        if name not in ("id", "type", "sources") and (value := getattr(said, name)) not in (None, "")
    }
    return msgspec.structs.replace(first, **changes, sources=(*first.sources, *said.sources))


def _tools(devices: Sequence[Device], own: set[int]) -> dict[str, tuple[tuple[DeviceState, ...] | str, str]]:
    """Vendor → (what its tool says or why it says nothing, the tool)."""
    found: dict[str, tuple[tuple[DeviceState, ...] | str, str]] = {}
    vendors = {device.vendor for device in devices}
    if "NVIDIA" in vendors:
        found["NVIDIA"] = nvidia.ask(own), nvidia.TOOL
    if "Rebellions" in vendors:
        found["Rebellions"] = rebellions.ask(own), RBLN_SMI
    return found


def _asks_tools(root: Path) -> bool:
    """Tools speak of this machine; a copy of another one's files has none."""
    return root == Path("/")


def ours(root: Path = Path("/")) -> set[int]:
    """This process, its ancestors and its descendants."""
    return own_tree({pid: process.parent for pid, process in process_table(root).items()}, os.getpid())


def look(
    devices: Iterable[Device],
    *,
    all_devices: Iterable[Device] | None = None,
    own: set[int] | None = None,
    listed: Container[str] = (),
    root: Path = Path("/"),
) -> dict[str, DeviceState]:
    """The state of each device by id; one that is gone has none. Raises nothing, starts vendors' tools on this machine.

    `all_devices`: every accelerator of the machine, so that a device file is not taken for the wrong card's. `own`: the
    processes that are not others (None: this one's ancestors and descendants). `listed`: devices that the vendor's tool
    knew before; one of them that it no longer knows is gone, while any other may never have been given to this
    container.
    """
    wanted = tuple(devices)
    if not wanted:
        return {}
    if own is None:
        own = ours(root)
    tools = _tools(wanted, own) if _asks_tools(root) else {}
    holders = _holders(wanted, tuple(all_devices or wanted), own, root)
    found: dict[str, DeviceState] = {}
    for device in wanted:
        state = from_sysfs(device, root)
        if state is None:
            continue
        said, tool = tools.get(device.vendor, ((), ""))
        if isinstance(said, str):
            if nvidia.lost(said, device.id):
                continue
            found[device.id] = _held(state, holders, said)
            continue
        mine = next((item for item in said if item.id == device.id), None)
        if mine is None and tool and device.id in listed:
            continue
        reason = f"{tool} does not know this device" if mine is None else f"{tool} lists no processes"
        state = state if mine is None else merged(state, mine)
        found[device.id] = _held(state, holders, reason if tool else "")
    return found


def _holders(wanted: Sequence[Device], everything: Sequence[Device], own: set[int], root: Path) -> Holders:
    counts = Counter(device.vendor for device in everything)
    return scan({device.id: nodes(device, counts[device.vendor], root) for device in wanted}, own, root)


def _held(state: DeviceState, holders: Holders, reason: str) -> DeviceState:
    """With the processes that hold the device's files, where the tool has not named any itself."""
    if state.processes is not None:
        return state
    found = holders.found.get(state.id, ())
    if found or not holders.unseen:
        return msgspec.structs.replace(state, processes=found)
    said = f"processes of other users ({holders.unseen}) can be looked at by root only"
    return msgspec.structs.replace(state, processes_reason="; ".join(part for part in (reason, said) if part))
