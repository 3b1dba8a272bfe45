"""Made sysfs trees: PCI functions, hwmon chips and powercap zones, linked as the kernel links them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

BUS = "sys/devices/pci0000:00"


def write(folder: Path, files: Mapping[str, object]) -> Path:
    """Files with a line end each, as sysfs has them."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n", encoding="utf-8")
    return folder


def link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(os.path.relpath(target, path.parent))


def pci(root: Path, address: str, vendor: int, device: int, code: int, driver: str = "") -> Path:
    """A PCI function behind a bridge; its folder."""
    ids = {"vendor": f"0x{vendor:04x}", "device": f"0x{device:04x}", "class": f"0x{code:06x}"}
    folder = write(root / BUS / "0000:00:01.0" / address, ids)
    link(root / "sys/bus/pci/devices" / address, folder)
    if driver:
        (root / "sys/bus/pci/drivers" / driver).mkdir(parents=True, exist_ok=True)
        link(folder / "driver", root / "sys/bus/pci/drivers" / driver)
    return folder


def hwmon(root: Path, number: int, parent: Path, name: str, files: Mapping[str, object]) -> Path:
    """A chip of the device in `parent`; its folder."""
    folder = write(parent / f"hwmon/hwmon{number}", {"name": name, **files})
    link(folder / "device", parent)
    link(root / f"sys/class/hwmon/hwmon{number}", folder)
    return folder


def zone(root: Path, name: str, called: str, energy_uj: object, **files: object) -> Path:
    """A powercap zone `intel-rapl:0:1`, below the folder of the one above it, as the kernel has them; its folder."""
    control, _, numbers = name.partition(":")
    parts = numbers.split(":")
    above = [f"{control}:{':'.join(parts[: length + 1])}" for length in range(len(parts))]
    folder = write(
        root.joinpath("sys/devices/virtual/powercap", control, *above),
        {"name": called, "energy_uj": energy_uj, "max_energy_range_uj": 262143328850, **files},
    )
    link(root / "sys/class/powercap" / name, folder)
    return folder
