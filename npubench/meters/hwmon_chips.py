"""What the numbers of a hwmon chip cover, by driver, and which chips are read at all.

    amdgpu          chip      "power used by the SoC", on an APU with its processor cores (GPU power controls and
                              monitoring, kernel documentation gpu/amdgpu/thermal); label PPT
    xe              card, chip  label `card`, label `pkg`: the GPU's package (ABI/testing/sysfs-driver-intel-xe-hwmon)
    i915            device    "energy input for the entire device"; i915_gtN: one GT, a part (…-intel-i915-hwmon)
    habanalabs      device    the firmware's sensor; the kernel does not say what it covers
    FuriosaAI RNGD  card      label RMS_TOTAL, which the maker's library reports as the device's power; others are rails
    power_meter     node      ACPI 4.0 power meter: the machine, unless its folder `measures` names less (rail)
    ibmpowernv      node      the sensor that firmware calls System; its other sensors are not read
    ina2xx          rail      a shunt on a board; what it feeds is the board's secret

Any other chip of an accelerator counts as `device`: the driver does not say what it covers.

Not aware of: files (`meters.hwmon`).
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from npubench.spi import MeterScope

FURIOSA = 0x1ED2
# Kernel documentation hwmon/ina2xx and hwmon/ina238: the chips of these drivers that report power.
_INA = re.compile(r"ina(209|219|220|226|228|230|231|232|233|234|236|237|238|260|700|780)")
# How ACPI names the root of all devices (drivers/acpi/scan.c, bus.c): whoever measures it measures the machine.
_WHOLE_MACHINE = re.compile(r"LNXSYBUS:.*|LNXSYSTM:.*|device:00")


class Chip(msgspec.Struct, frozen=True, kw_only=True):
    """A chip of hwmon. `address`: the PCI function that it belongs to, empty for none; `place`: that, else its bus
    address. `measured`: what an ACPI power meter names.
    """

    name: str
    address: str = ""
    place: str = ""
    driver: str = ""
    vendor: int = -1
    folders: tuple[Path, ...] = ()
    measured: tuple[str, ...] = ()


class Meaning(msgspec.Struct, frozen=True):
    """What one channel covers, for its source. `limits`: the files `powerN_…` by which this driver limits power."""

    scope: MeterScope
    covers: str
    limits: tuple[str, ...] = ("cap",)


def measures_machine(name: str) -> bool:
    """Whether chips of this name measure the machine or a part of it, and are read though on no accelerator."""
    return name in ("power_meter", "ibmpowernv") or _INA.fullmatch(name) is not None


def _acpi(chip: Chip, what: str) -> Meaning | None:
    if what != "power":
        return None
    less = [name for name in chip.measured if not _WHOLE_MACHINE.fullmatch(name)]
    if less and len(less) == len(chip.measured):
        return Meaning("rail", f"ACPI power meter of {', '.join(less)[:120]} only", ())
    said = "firmware says: the whole machine" if chip.measured else "firmware names no part, so the whole machine"
    return Meaning("node", f"ACPI power meter, an average; {said}", ())


def _intel(chip: Chip, label: str) -> Meaning:
    if chip.name.startswith("i915_gt"):
        return Meaning("rail", "one GT of the device, not all of it", ("max",))
    if chip.name == "i915":
        return Meaning("device", "the entire device (kernel ABI of i915)", ("max",))
    if label == "card":
        return Meaning("card", "the card (kernel ABI of xe)", ("max", "cap"))
    if label == "pkg":
        return Meaning("chip", "the GPU's package (kernel ABI of xe)", ("max", "cap"))
    return Meaning("device", "xe does not say what it covers", ("max", "cap"))


def meaning(chip: Chip, what: str, label: str) -> Meaning | None:
    """What channel `what` (power, energy, temp, freq) with this label covers; None: it is not read."""
    if _INA.fullmatch(chip.name):
        if what != "power":
            return None
        return Meaning("rail", "a shunt on a board; which supply it is in, the board's maker knows", ())
    if chip.name == "power_meter":
        return _acpi(chip, what)
    if chip.name == "ibmpowernv":
        whole = what == "power" and label.casefold() == "system"
        return Meaning("node", "the machine, as OPAL firmware calls it", ()) if whole else None
    if chip.vendor == FURIOSA:
        if what == "power" and label != "RMS_TOTAL":
            return Meaning("rail", "a part of the card, as the driver labels it", ())
        return Meaning("card", "the whole card, as Furiosa's own library reports it", ("max",))
    if chip.name == "amdgpu":
        return Meaning("chip", "the SoC, on an APU with its processor cores (amdgpu documentation)")
    if chip.name in ("i915", "xe") or chip.name.startswith("i915_gt"):
        return _intel(chip, label)
    if chip.driver == "habanalabs":
        return Meaning("device", "the firmware's sensor; the kernel does not say what it covers", ())
    return Meaning("device", f"driver {chip.driver or chip.name} does not say what it covers")
