"""Accelerators that this machine holds, whether or not any software for them is installed.

Read from sysfs only: no driver, no vendor library, no process. What is listed: processing accelerators (PCI base class
12h), graphics processors, and cards of known accelerator makers whatever their class, because not all of them use 12h
(a Mobilint ARIES says 0780h, communication controller; a Hailo-8 0b40h, co-processor). `Device.name` is built from ids
alone and so is stable; a model name, where the system knows one, is in `detail["model"]`.

Not aware of: backends, whether a device works.
"""

from __future__ import annotations

import os
from pathlib import Path

from npubench.pciids import VENDORS, kind_of
from npubench.spi import Device

PCI_IDS = ("usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n\t")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    try:
        return int(_read(path), 16)
    except ValueError:
        return None


def _link(path: Path) -> str:
    """The last part of a symbolic link's target, "" where there is none."""
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return ""


def model_names(wanted: set[tuple[int, int]], root: Path) -> dict[tuple[int, int], str]:
    """Model names from the system's pci.ids for (vendor, device) pairs; empty where the file is missing."""
    text = next((found for name in PCI_IDS if (found := _read(root / name))), "")
    names: dict[tuple[int, int], str] = {}
    vendors = {vendor for vendor, _ in wanted}
    current = -1
    for line in text.splitlines() if wanted else ():
        if not line or line[0] in "#C":
            current = -1 if line.startswith("C ") else current
        elif line[0] != "\t":
            current = _hex(line[:4])
        elif current in vendors and not line.startswith("\t\t"):
            pair = (current, _hex(line[1:5]))
            if pair in wanted:
                names[pair] = line[5:].strip()
    return names


def _hex(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return -1


def _pci(root: Path) -> list[Device]:
    base = root / "sys/bus/pci/devices"
    found: list[tuple[str, int, int, int, str]] = []
    try:
        entries = sorted(os.listdir(base))
    except OSError:
        return []
    for address in entries:
        vendor, device = _number(base / address / "vendor"), _number(base / address / "device")
        class_code = _number(base / address / "class")
        if vendor is None or device is None or class_code is None:
            continue
        kind = kind_of(vendor, device, class_code)
        if kind is not None:
            found.append((address, vendor, device, class_code, kind))
    models = model_names({(vendor, device) for _, vendor, device, _, _ in found}, root)
    devices = []
    for address, vendor, device, class_code, kind in found:
        ids = f"{vendor:04x}:{device:04x}"
        known = VENDORS.get(vendor)
        detail = {"pci": ids, "class": f"0x{class_code:06x}"}
        if driver := _link(base / address / "driver"):
            detail["driver"] = driver
        if version := driver_version(address, root):
            detail["driver_version"] = version
        if model := _nvidia_model(root, address) or models.get((vendor, device), ""):
            detail["model"] = model
        if (base / address / "physfn").exists():
            detail["virtual_function"] = "yes"
        name = f"{known.name} {ids}" if known else ids
        devices.append(
            Device(id=address, type=kind, vendor=known.name if known else f"0x{vendor:04x}", name=name, detail=detail)
        )
    return devices


def driver_version(address: str, root: Path) -> str | None:
    """The version of the module behind a PCI device's driver; None for drivers that are the kernel's own."""
    module = _link(root / "sys/bus/pci/devices" / address / "driver/module")
    return _read(root / "sys/module" / module / "version") or None if module else None


def _nvidia_model(root: Path, address: str) -> str:
    """NVIDIA's kernel module names the board in procfs; "" where it is not loaded."""
    for line in _read(root / "proc/driver/nvidia/gpus" / address / "information").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "Model":
            return value.strip()
    return ""


def _accel(root: Path, seen: set[str]) -> list[Device]:
    """Entries of the kernel's class for compute accelerators (/sys/class/accel) that are not listed already."""
    base = root / "sys/class/accel"
    try:
        entries = sorted(os.listdir(base))
    except OSError:
        return []
    devices = []
    for entry in entries:
        parent = _link(base / entry / "device")
        if parent in seen:
            continue
        driver = _link(base / entry / "device/driver")
        detail = {"node": f"accel/{entry}", **({"driver": driver} if driver else {})}
        devices.append(Device(id=parent or entry, type="npu", vendor="", name=driver or entry, detail=detail))
    return devices


def accelerators(root: Path = Path("/")) -> tuple[Device, ...]:
    """Every accelerator below `root` (with `sys/` and `proc/` in it), by PCI address. Unknown makers by hex id."""
    pci = _pci(root)
    return (*pci, *_accel(root, {device.id for device in pci}))
