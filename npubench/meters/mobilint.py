"""Mobilint devices through the maker's mbltml: power and temperature of ARIES devices.

    mbltml.<device>.power        W, mbltmlGetTotalPower: "total instantaneous power consumption of a device", which is
                                 all that the maker says of what it covers (scope device)
    mbltml.<device>.temperature  °C, of the die

The power was seen to change about once a second (published by others). REGULUS has no power reading. <device> is the
PCI address where it is certain: by the device node's entry in sysfs, or because there is one ARIES and one accelerator
of the maker. Else it is called by its node, `aries0`, and the channel's source says why.

mbltmlSetExtraPmicID and the rail readings that it selects are never called: they change what the firmware measures.
The clock is left out because its unit is not documented. Functions and errors as in the package (mbltml 0.0.0), the
unit of the temperature as in the maker's mblt-tracker. Tested with a module of our own making, and with the real one
where there is no device; not verified on hardware.

Not aware of: utilisation, joules.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from npubench.meters.taking import listed, pci_ids, said, taken
from npubench.pciids import kind_of
from npubench.spi import Availability, Channel, Reading

VENDOR = 0x209F
_FIX = "install Mobilint's driver and check ls /dev/aries*; pip install mbltml where the meter runs"


class _Source(msgspec.Struct, frozen=True):
    channel: Channel
    get: Callable[[], object]


def _addresses(root: Path) -> list[str]:
    """PCI addresses of Mobilint's accelerators."""
    base = root / "sys/bus/pci/devices"
    found = {address: pci_ids(base / address) for address in listed(base)}
    return [address for address, ids in found.items() if ids and ids[0] == VENDOR and kind_of(*ids) is not None]


def _is_aries(library: Any, number: int) -> bool:
    return bool(library.mbltmlGetDeviceType(number) == library.MBLTML_DEVICE_ARIES)


def _name(library: Any, number: int) -> str:
    """The device's node without its folder (`aries0`); a name made of the number where there is none."""
    try:
        node = os.path.basename(str(library.mbltmlGetNodeName(number)))
    except Exception:
        node = ""
    return node if re.fullmatch(r"[A-Za-z][\w-]*", node) else f"mobilint{number}"


def _of_node(root: Path, name: str) -> str:
    """The PCI address that sysfs gives for a device node; "" where it gives none."""
    try:
        node = os.stat(root / "dev" / name)
        link = os.readlink(root / f"sys/dev/char/{os.major(node.st_rdev)}:{os.minor(node.st_rdev)}/device")
    except OSError:
        return ""
    return os.path.basename(link)


def _devices(library: Any, count: int, root: Path) -> Iterator[tuple[int, str, str]]:
    """(number, id, what its source says of the id) of each ARIES."""
    numbers = [number for number in range(count) if _is_aries(library, number)]
    addresses = _addresses(root)
    for number in numbers:
        name = _name(library, number)
        if (found := _of_node(root, name)) in addresses:
            yield number, found, ""
        elif len(numbers) == len(addresses) == 1:
            yield number, addresses[0], ""
        else:
            how_many = f"{len(numbers)} ARIES and {len(addresses)} accelerators of the maker on PCI"
            yield number, name, f"; named by its node, because of {how_many} nothing says which is which"


def _sources(library: Any, number: int, device: str, aside: str) -> Iterator[_Source]:
    def channel(what: str, unit: str, call: str, **more: Any) -> _Source:
        made = Channel(
            name=f"mbltml.{device}.{what}",
            unit=unit,
            scope="device",
            source=f"mbltml {call}({number}), ARIES{aside}",
            device=device,
            **more,
        )
        return _Source(made, partial(getattr(library, call), number))

    yield channel("power", "W", "mbltmlGetTotalPower", kind="instant")
    yield channel("temperature", "C", "mbltmlGetTemperature", kind="state", quantity="temperature")


class MobilintMeter:
    """A `spi.Meter` of all ARIES devices. `root` holds `sys/`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._library: Any = None
        self._sources: tuple[_Source, ...] = ()

    def probe(self) -> Availability:
        try:
            library = importlib.import_module("mbltml")
        except Exception as error:
            missing = isinstance(error, ModuleNotFoundError) and error.name == "mbltml"
            reason = "mbltml is not installed" if missing else f"mbltml: {said(error)}"
            return Availability(available=False, reason=reason, fix=_FIX)
        versions = _version()
        try:
            # Its own documentation passes the device types; the function takes none.
            library.mbltmlInit()
        except Exception as error:
            reason = f"mbltmlInit: {said(error)} (no Mobilint device, or its driver is not loaded)"
            return Availability(available=False, reason=reason, fix=_FIX, versions=versions)
        self._library = library
        try:
            count = int(library.mbltmlGetDeviceCount())
            offered = [
                source
                for number, device, aside in _devices(library, count, self._root)
                for source in _sources(library, number, device, aside)
            ]
        except Exception as error:
            return self._none(f"mbltml does not list its devices: {said(error)}", versions)
        if not offered:
            others = f"; {count} of the other kinds, which have no power reading" if count else ""
            return self._none(f"mbltml finds no ARIES device{others}", versions)
        looks = [taken(source.channel, source.get) for source in offered]
        powers = [look for look in looks if look.channel.endswith(".power")]
        if all(look.value is None for look in powers):
            return self._none("; ".join(f"{look.channel}: {look.status}" for look in powers)[:300], versions)
        # A device whose power does not answer now keeps its channel: a total without it would look complete.
        self._sources = tuple(
            source
            for source, look in zip(offered, looks, strict=True)
            if look.value is not None or source.channel.quantity == "power"
        )
        return Availability(available=True, versions=versions)

    def _none(self, reason: str, versions: dict[str, str]) -> Availability:
        self.close()
        return Availability(available=False, reason=reason, fix=_FIX, versions=versions)

    def channels(self) -> Sequence[Channel]:
        return tuple(source.channel for source in self._sources)

    def read(self) -> Sequence[Reading]:
        return tuple(taken(source.channel, source.get) for source in self._sources)

    def close(self) -> None:
        """Lets the library go."""
        library, self._library = self._library, None
        if library is not None:
            library.mbltmlShutdown()


def _version() -> dict[str, str]:
    try:
        return {"mbltml": metadata.version("mbltml")}
    except metadata.PackageNotFoundError:
        return {}
