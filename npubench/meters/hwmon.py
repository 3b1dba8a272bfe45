"""hwmon: power, energy, temperatures, clocks and power limits that kernel drivers publish in /sys/class/hwmon.

A chip belongs to the PCI function above its `device` link, never to its number, which changes from start to start. Read
are chips of accelerators (`pciids.kind_of`) and the few others that measure the machine (`meters.hwmon_chips`, which
also knows what a driver's numbers cover). Per channel N of a chip:

    hwmon.<device>.powerN      powerN_average, else powerN_input, µW; both where both are (powerN-input the second)
    hwmon.<device>.energyN     energyN_input, µJ, a counter of 64 bits
    hwmon.<device>.tempN       tempN_input, °C         hwmon.<device>.freqN   freqN_input, MHz
    hwmon.<device>.powerN-cap  powerN_cap, W; powerN-max: powerN_max, of drivers that limit power by it

<device> is the PCI address, or the bus address of a chip that is on none. Where several chips share one, each name has
the chip's name in it. What labels say is in each channel's source.

`most_w` is three times the largest limit that can be set: PCI Express lets a card draw three times its rating for
100 µs (CEM 5.0), so a larger value is a fault of the sensor.

Sources: kernel documentation hwmon/sysfs-interface; `hwmon_chips` names each driver's. The Furiosa form is what that
maker's own library reads; not verified on hardware.

Not aware of: which channel of a device counts (`stats.ledger`), what else a device says of itself (`engine.devices`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from npubench.meters.hwmon_chips import Chip, meaning, measures_machine
from npubench.meters.taking import SensorError, listed, maybe, pci_ids, taken, text, whole
from npubench.pciids import kind_of
from npubench.spi import Availability, Channel, Reading
from npubench.virtual import described

CLASS = "sys/class/hwmon"
_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_FILE = re.compile(r"(power|energy|temp|freq)([0-9]+)_(input|average|cap|max)")
_HEAD_ROOM = 3.0
# The unit of a channel, its quantity, and what a file's number is divided by to be in it.
_FORMS: dict[str, tuple[str, Literal["power", "energy", "temperature", "clock"], float]] = {
    "power": ("uW", "power", 1.0),
    "energy": ("uJ", "energy", 1.0),
    "temp": ("C", "temperature", 1e3),
    "freq": ("MHz", "clock", 1e6),
}


class _Source(msgspec.Struct, frozen=True):
    """A channel and how its value is taken."""

    channel: Channel
    get: Callable[[], float]


def _value(path: Path, divisor: float) -> float:
    return whole(path) / divisor


def _limit_w(path: Path) -> float:
    # Kernel ABI of i915 and xe: zero is a limit that is switched off.
    if (value := whole(path)) == 0:
        raise SensorError("no limit is in effect")
    return value / 1e6


def _chip(root: Path, folder: Path) -> Chip | None:
    """The chip in `folder` if it measures an accelerator or the machine, else None."""
    name = text(folder / "name") or text(folder / "device/name")
    target = Path(os.path.realpath(folder / "device"))
    folders = (folder, target)
    # The nearest PCI function above: an I2C chip on a card's own bus is that card's.
    address = next((part for part in reversed(target.parts) if _ADDRESS.fullmatch(part)), "")
    function = root / "sys/bus/pci/devices" / address
    ids = pci_ids(function) if address else None
    if ids is not None and kind_of(*ids) is not None:
        driver = os.path.basename(os.path.realpath(function / "driver")) if (function / "driver").exists() else ""
        return Chip(name=name, address=address, place=address, driver=driver, vendor=ids[0], folders=folders)
    if not measures_machine(name):
        return None
    place = target.name if (folder / "device").exists() else name
    return Chip(name=name, place=place, folders=folders, measured=listed(target / "measures"))


def _chips(root: Path) -> list[Chip]:
    base = root / CLASS
    found = [chip for entry in listed(base) if (chip := _chip(root, base / entry)) is not None]
    return sorted(found, key=lambda chip: (chip.place, chip.name))


def _prefixes(chips: Sequence[Chip]) -> list[str]:
    """A name for each chip that no other has: its place, where several share it with the chip's name and a count."""
    places = [chip.place for chip in chips]
    names = [f"{chip.place}.{chip.name}" if places.count(chip.place) > 1 else chip.place for chip in chips]
    return [
        f"hwmon.{name}-{names[:index].count(name) + 1}" if names.count(name) > 1 else f"hwmon.{name}"
        for index, name in enumerate(names)
    ]


def _natural(name: str) -> tuple[str, int, str]:
    found = _FILE.fullmatch(name)
    return (found[1], int(found[2]), found[3]) if found else ("", 0, name)


class _Files:
    """The attributes of one chip and what they mean."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        # Old drivers keep attributes in the device's folder, newer ones in hwmonN.
        for folder in chip.folders:
            self._paths = {entry: folder / entry for entry in listed(folder)}
            if any(map(_FILE.fullmatch, self._paths)):
                break

    def _text(self, name: str) -> str:
        return text(self._paths[name]) if name in self._paths else ""

    def _says(self, name: str) -> int | None:
        return maybe(self._paths[name]) if name in self._paths else None

    def sources(self, prefix: str) -> list[_Source]:
        """The chip's channels, in the order of their files."""
        found = []
        for name in sorted(filter(_FILE.fullmatch, self._paths), key=_natural):
            what, number, form = _FILE.fullmatch(name).groups()  # type: ignore[union-attr]
            # Sensors that are switched off answer ENODATA (hwmon/sysfs-interface); a battery is not the machine's load.
            off = self._says(f"{what}{number}_enable") == 0 or self._says(f"{what}{number}_is_battery") == 1
            label = self._text(f"{what}{number}_label")
            means = meaning(self._chip, what, label)
            if off or means is None or (what != "power" and form != "input"):
                continue
            if form in ("cap", "max"):
                if form not in means.limits:
                    continue
                source = self._limit(prefix, number, form)
            else:
                source = self._reading(prefix, what, number, form)
            shown = f"hwmon {self._chip.name} {name}{f' ({label})' if label else ''}: {means.covers}"
            channel = msgspec.structs.replace(
                source.channel, scope=means.scope, source=shown, device=self._chip.address
            )
            found.append(_Source(channel, source.get))
        return found

    def _limit(self, prefix: str, number: str, form: str) -> _Source:
        name = f"power{number}_{form}"
        channel = _channel(f"{prefix}.power{number}-{form}", "W", "limit", "state")
        return _Source(channel, partial(_limit_w, self._paths[name]))

    def _reading(self, prefix: str, what: str, number: str, form: str) -> _Source:
        unit, quantity, divisor = _FORMS[what]
        name, kind, lag_ns = f"{prefix}.{what}{number}", "state", None
        if what == "power":
            kind = "average" if form == "average" else "instant"
            interval_ms = self._says(f"power{number}_average_interval")
            lag_ns = interval_ms * 1_000_000 if interval_ms and form == "average" else None
            name += "-input" if form == "input" and f"power{number}_average" in self._paths else ""
        elif what == "energy":
            kind = "counter"
        channel = _channel(name, unit, quantity, kind)
        if what in ("power", "energy"):
            channel = msgspec.structs.replace(channel, most_w=self._most_w(number), lag_bound_ns=lag_ns)
        return _Source(channel, partial(_value, self._paths[f"{what}{number}_{form}"], divisor))

    def _most_w(self, number: str) -> float | None:
        """Three times the largest limit that can be set; None where the driver gives none."""
        names = ("cap_max", "rated_max", "cap_default", "cap", "max")
        limits = (self._says(f"power{number}_{name}") for name in names)
        largest = next((limit for limit in limits if limit), None)
        return largest / 1e6 * _HEAD_ROOM if largest else None


def _channel(name: str, unit: str, quantity: Any, kind: Any) -> Channel:
    return Channel(name=name, unit=unit, quantity=quantity, kind=kind, scope="device", source="")


class HwmonMeter:
    """A `spi.Meter` of the drivers' own sensors. `root` holds `sys/`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._sources: tuple[_Source, ...] = ()

    def probe(self) -> Availability:
        seen = described(self._root)
        if not (self._root / CLASS).exists():
            return Availability(available=False, reason=f"no /sys/class/hwmon: {seen or 'the kernel has no hwmon'}")
        chips = _chips(self._root)
        found: list[_Source] = []
        for chip, prefix in zip(chips, _prefixes(chips), strict=True):
            found += _Files(chip).sources(prefix)
        energies = [source for source in found if source.channel.quantity in ("power", "energy")]
        if not energies:
            named = sorted({chip.name for chip in chips})
            others = len(listed(self._root / CLASS)) - len(chips)
            why = "no chip in /sys/class/hwmon reports the power of an accelerator or of the machine"
            why += f"; of accelerators: {', '.join(named)}" if named else f"; {others} other chips"
            why += f"; {seen}" if seen else ""
            return Availability(available=False, reason=why)
        looks = [taken(source.channel, source.get) for source in energies]
        if all(look.value is None for look in looks):
            reasons = "; ".join(f"{look.channel}: {look.status}" for look in looks)
            return Availability(available=False, reason=reasons[:300])
        self._sources = tuple(found)
        return Availability(available=True)

    def channels(self) -> Sequence[Channel]:
        return tuple(source.channel for source in self._sources)

    def read(self) -> Sequence[Reading]:
        return tuple(taken(source.channel, source.get) for source in self._sources)

    def close(self) -> None:
        """Nothing is held."""
