"""Which processes have an accelerator's device file open, from /proc/<pid>/fd. Works for every vendor, without a tool.

An open file is not work: a management daemon keeps devices open for years, so those that are known are left out. Files
of other users' processes can be read by root only, and other containers' processes not at all; how many could not be
looked at is part of the answer, because "none seen" is not "none there".

Verified with processes that hold made files and character devices; no accelerator was at hand.
Not aware of: what a vendor's tool says about the same device (`devices`).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Container, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from npubench.conditions import DeviceProcess
from npubench.engine.busy import process_table
from npubench.spi import Device
from npubench.tools import printable

# Device files by vendor, as drivers and guides name them: NVIDIA nvidia0 (nvidiactl is open for every query);
# DRM and accel class nodes for all in-tree drivers; Rebellions rbln0; FuriosaAI rngd/npu0pe0, npu0 (Warboy); Mobilint
# aries0; DEEPX dxrt0; Hailo hailo0; Huawei davinci0; Tenstorrent tenstorrent/0; Google apex_0; Habana hl0; AMD kfd.
_NODES: dict[str, tuple[str, ...]] = {
    "NVIDIA": ("nvidia[0-9]*",),
    "AMD": ("kfd",),
    "Rebellions": ("rbln[0-9]*",),
    "FuriosaAI": ("rngd/npu*", "npu[0-9]*"),
    "Mobilint": ("aries[0-9]*",),
    "DEEPX": ("dxrt[0-9]*",),
    "Hailo": ("hailo[0-9]*",),
    "Huawei": ("davinci[0-9]*",),
    "Tenstorrent": ("tenstorrent/[0-9]*",),
    "Google": ("apex_[0-9]*",),
    "Habana": ("hl[0-9]*",),
}
# Daemons that watch or keep devices and compute nothing; names as the kernel keeps them, 15 characters.
_KEEPERS = re.compile(
    r"nvidia-persiste.*|nv-hostengine|dcgm-exporter.*|nvidia-smi|nvidia-powerd|rbln[-_]daemon.*|rbln-smi|furiosa-.*"
    r"|dxrtd|systemd.*|udevd"
)
_KERNEL_THREADS = 2  # kthreadd; its children have no files


class Holders(msgspec.Struct, frozen=True):
    """Processes by device id, and how many processes could not be looked at."""

    found: Mapping[str, tuple[DeviceProcess, ...]]
    unseen: int


def _address(root: Path, node: Path) -> str | None:
    """The PCI address of the device behind a character device, by its number; None where sysfs does not say."""
    try:
        number = node.stat().st_rdev
        link = os.readlink(root / f"sys/dev/char/{os.major(number)}:{os.minor(number)}/device")
    except OSError:
        return None
    return os.path.basename(link)


def _minor(root: Path, address: str) -> str | None:
    """NVIDIA's number of a device (its node has no entry in sysfs)."""
    try:
        text = (root / "proc/driver/nvidia/gpus" / address / "information").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"^Device Minor:\s*(\d+)", text, re.MULTILINE)
    return found[1] if found else None


def furiosa_number(root: Path, address: str) -> str | None:
    """N of an RNGD's `npuN`, whose sysfs entries are virtual and name their PCI address in `busname`."""
    for path in sorted((root / "sys/class/rngd_mgmt").glob("rngd!npu*mgmt/busname")):
        with suppress(OSError):
            if path.read_text(encoding="utf-8").strip().lower() == address:
                return path.parent.name.removeprefix("rngd!npu").removesuffix("mgmt")
    return None


def nodes(device: Device, of_vendor: int, root: Path = Path("/")) -> tuple[str, ...]:
    """The device files of one accelerator. `of_vendor`: how many of this vendor there are.

    A vendor's file that nothing ties to an address is taken for this device only where there is no other.
    """
    found: list[str] = []
    for folder in ("drm", "accel"):
        with suppress(OSError):
            entries = sorted(os.listdir(root / "sys/bus/pci/devices" / device.id / folder))
            base = "dev/dri" if folder == "drm" else "dev/accel"
            found += [f"/{base}/{name}" for name in entries if re.fullmatch(r"(renderD|accel)\d+", name)]
    if "node" in device.detail:
        found.append(f"/dev/accel/{os.path.basename(device.detail['node'])}")
    minor = _minor(root, device.id) if device.vendor == "NVIDIA" else None
    if minor is not None:
        return (*dict.fromkeys(found), f"/dev/nvidia{minor}")
    patterns = _NODES.get(device.vendor, ())
    number = furiosa_number(root, device.id) if device.vendor == "FuriosaAI" else None
    if number is not None:
        cores = sorted((root / "dev/rngd").glob(f"npu{number}pe*"))
        return (*dict.fromkeys(found), *(f"/dev/rngd/{path.name}" for path in cores))
    for pattern in patterns:
        for path in sorted((root / "dev").glob(pattern)):
            with suppress(OSError):
                if root == Path("/") and not stat.S_ISCHR(path.stat().st_mode):
                    continue
            address = _address(root, path)
            if address == device.id or (address is None and of_vendor == 1):
                found.append(f"/{path.relative_to(root)}")
    return tuple(dict.fromkeys(found))


def files_of(vendor: str, root: Path = Path("/")) -> tuple[str, ...]:
    """Every device file of a vendor's own kind, whichever of its cards it belongs to."""
    found = [path for pattern in _NODES.get(vendor, ()) for path in sorted((root / "dev").glob(pattern))]
    return tuple(f"/{path.relative_to(root)}" for path in found)


def scan(
    wanted: Mapping[str, tuple[str, ...]],
    own: set[int],
    root: Path = Path("/"),
    only: Container[int] | None = None,
) -> Holders:
    """Who holds the files of `wanted` (device id → paths), without the processes in `own` and known daemons.

    `only`: of these processes, whatever they are called (a server may have a daemon's name).
    """
    devices: dict[str, list[str]] = {}
    for device, paths in wanted.items():
        for path in paths:
            devices.setdefault(path, []).append(device)
    found: dict[str, list[DeviceProcess]] = {device: [] for device in wanted}
    unseen = 0
    for pid, process in process_table(root).items():
        if pid in own or process.parent == _KERNEL_THREADS or pid == _KERNEL_THREADS:
            continue
        if only is not None and pid not in only:
            continue
        folder = f"{root / 'proc'}/{pid}/fd"
        try:
            entries = os.listdir(folder)
        except PermissionError:
            unseen += 1
            continue
        except OSError:
            continue  # it has ended
        held: set[str] = set()
        for entry in entries:
            with suppress(OSError):
                held.update(devices.get(os.readlink(f"{folder}/{entry}"), ()))
        if held and (only is not None or not _KEEPERS.fullmatch(process.name)):
            for device in held:
                found[device].append(DeviceProcess(pid=pid, name=printable(process.name)))
    return Holders({device: tuple(holders) for device, holders in found.items()}, unseen)
