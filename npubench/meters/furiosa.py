"""FuriosaAI devices through the maker's SMI binding, of either generation.

    furiosa_smi     `furiosa-smi` 2026.4 and later: no init, RNGD only; a power limit; a list of throttle reasons
    furiosa_smi_py  `furiosa-smi-py` to 2026.1: init(); Warboy and RNGD; a bit mask of reasons

Per device, where it answers when probed: `furiosa-smi.<pci address>.` and `power` (W, whole card: on RNGD the board's
sensor RMS_TOTAL, an average over a time that is not documented), `limit` (W), `temperature` (the hottest sensor of the
chip), `ambient` (of the board), `clock` (MHz, the slowest core) and `throttle`.

Throttle reasons → causes: thermal slowdown → thermal; application and hardware power caps → power-cap; hardware clock
cap, bus limit and other reasons → hardware. Idle is none, nor are clocks that somebody asked for (application and
governor clock caps).

Tested with both wheels over a made sysfs; not verified on hardware. Settings are never written.

Not aware of: the kernel's own sensors of the same card (`meters.hwmon`), which of two channels counts (`stats.ledger`).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import metadata
from types import ModuleType
from typing import Any, Literal

import msgspec

from npubench.conditions import Cause
from npubench.meters.taking import SensorError, said, taken
from npubench.spi import THROTTLE_BITS, Availability, Channel, Reading
from npubench.tools import address

# Module → distribution, the newer first: both may be installed, and Warboy is known to the older only.
_BINDINGS = {"furiosa_smi": "furiosa-smi", "furiosa_smi_py": "furiosa-smi-py"}
# Reasons as furiosa_smi names them and as furiosa_smi_py's constants do.
_CAUSES: dict[str, tuple[str, Cause]] = {
    "ThermalSlowdown": ("THERMAL_SLOWDOWN", "thermal"),
    "AppPowerCap": ("APP_POWER_CAP", "power-cap"),
    "HwPowerCap": ("HW_POWER_CAP", "power-cap"),
    "HwClockCap": ("HW_CLOCK_CAP", "hardware"),
    "HwBusLimit": ("HW_BUS_LIMIT", "hardware"),
    "OtherReason": ("OTHER_REASON", "hardware"),
    "Unknown": ("", "hardware"),
}
_INSTALL = "pip install furiosa-smi (Warboy and SDKs to 2026.1: furiosa-smi-py), where the meter runs"
_FIX = "lspci -d 1ed2: shows cards, ls /dev/rngd the driver; furiosa-smi info"


class _Source(msgspec.Struct, frozen=True):
    channel: Channel
    get: Callable[[], object]


def _loaded(name: str) -> tuple[ModuleType | None, str]:
    try:
        binding = importlib.import_module(name)
        if hasattr(binding, "init"):
            binding.init()
    except ModuleNotFoundError as error:
        return None, f"{name} is not installed" if error.name == name else said(error)
    except Exception as error:  # native modules raise what they like
        return None, f"{name}: {said(error)}"
    return binding, ""


def _offered(binding: Any, distribution: str) -> tuple[list[_Source], str]:
    """Everything of all devices that a binding lists; or nothing, and why."""
    try:
        devices = list(binding.list_devices())
        found = [source for device in devices for source in _sources(binding, device, distribution)]
    except Exception as error:
        return [], f"{distribution} does not list its devices: {said(error)}"
    return found, "" if devices else f"{distribution} finds no device: no card, or its driver is not loaded"


def _version(distribution: str) -> dict[str, str]:
    try:
        return {distribution: metadata.version(distribution)}
    except metadata.PackageNotFoundError:
        return {}


def _bdf(device: Any) -> str:
    """The device's PCI address as sysfs writes it."""
    held = device.device_info() if hasattr(device, "device_info") else device
    found = held.bdf()
    if isinstance(found, str):
        return address(found)
    return f"{found.domain():04x}:{found.bus():02x}:{found.device():02x}.{found.function():x}"


def _named(device: Any) -> str:
    held = device.device_info() if hasattr(device, "device_info") else device
    return str(held.arch()).rpartition(".")[2]


def _limit_w(device: Any) -> float:
    return float(device.power_limit()) / 1000


def _clock_mhz(device: Any) -> float:
    found = device.core_frequency()
    # Core → MHz in the newer binding, a list of objects in the older.
    cores = list(found.values()) if isinstance(found, dict) else [core.frequency() for core in found.pe_frequency()]
    if not cores:
        raise SensorError("no core gives its clock")
    return float(min(cores))


def _throttle(binding: Any, device: Any) -> int:
    """The causes in effect as the sum of their THROTTLE_BITS."""
    reasons = device.throttle_reason()
    causes: set[Cause] = set()
    if isinstance(reasons, int):
        for constant, cause in _CAUSES.values():
            if reasons & getattr(binding, f"THROTTLE_REASON_{constant}", 0):
                causes.add(cause)
    else:
        # The wheel writes "HW Clock Cap", its type is called ThrottleReason.HwClockCap.
        names = {re.sub(r"[^a-z]", "", str(reason).rpartition(".")[2].lower()) for reason in reasons}
        causes = {cause for name, (_, cause) in _CAUSES.items() if name.lower() in names}
    return sum(THROTTLE_BITS[cause] for cause in causes)


def _sources(binding: Any, device: Any, distribution: str) -> Iterator[_Source]:
    """Everything that this generation of the binding has a call for."""
    where = _bdf(device)
    shown = f"{distribution}, {_named(device)}"

    def channel(
        what: str,
        unit: str,
        quantity: Literal["power", "temperature", "clock", "limit", "throttle"],
        kind: Literal["average", "state"],
        how: str,
    ) -> Channel:
        return Channel(
            name=f"furiosa-smi.{where}.{what}",
            unit=unit,
            scope="card",
            kind=kind,
            quantity=quantity,
            source=f"{shown}: {how}",
            device=where,
        )

    yield _Source(
        channel("power", "W", "power", "average", "power_consumption, the whole card"), device.power_consumption
    )
    if hasattr(device, "power_limit"):
        yield _Source(channel("limit", "W", "limit", "state", "power_limit"), partial(_limit_w, device))
    for what, call in (("temperature", "soc_peak"), ("ambient", "ambient")):
        how = f"device_temperature.{call}"
        yield _Source(channel(what, "C", "temperature", "state", how), partial(_temperature_c, device, call))
    clock = channel("clock", "MHz", "clock", "state", "core_frequency, the slowest core")
    yield _Source(clock, partial(_clock_mhz, device))
    throttle = channel("throttle", "", "throttle", "state", "throttle_reason")
    yield _Source(throttle, partial(_throttle, binding, device))


def _temperature_c(device: Any, call: str) -> float:
    return float(getattr(device.device_temperature(), call)())


class FuriosaMeter:
    """A `spi.Meter` of all FuriosaAI devices."""

    def __init__(self) -> None:
        self._sources: tuple[_Source, ...] = ()

    def probe(self) -> Availability:
        versions: dict[str, str] = {}
        reasons: list[str] = []
        offered: dict[str, _Source] = {}
        for name, distribution in _BINDINGS.items():
            binding, reason = _loaded(name)
            if binding is not None:
                versions |= _version(distribution)
                found, reason = _offered(binding, distribution)
                # A device that the newer binding knows is not asked a second time through the older one.
                known = {source.channel.device for source in offered.values()}
                offered |= {item.channel.name: item for item in found if item.channel.device not in known}
            reasons += [reason] if reason else []
        if not offered:
            fix = _FIX if versions else _INSTALL
            return Availability(available=False, reason="; ".join(reasons)[:300], fix=fix, versions=versions)
        return self._answering(list(offered.values()), versions)

    def _answering(self, offered: Sequence[_Source], versions: dict[str, str]) -> Availability:
        """Keeps what answers now."""
        looks = [taken(source.channel, source.get) for source in offered]
        answering = [source for source, look in zip(offered, looks, strict=True) if look.value is not None]
        if not any(source.channel.quantity == "power" for source in answering):
            reason = "; ".join(f"{look.channel}: {look.status}" for look in looks if look.channel.endswith(".power"))
            return Availability(available=False, reason=reason[:300], versions=versions)
        # A card whose power does not answer now keeps its channel: a total without it would look complete.
        self._sources = tuple(source for source in offered if source in answering or source.channel.quantity == "power")
        return Availability(available=True, versions=versions)

    def channels(self) -> Sequence[Channel]:
        return tuple(source.channel for source in self._sources)

    def read(self) -> Sequence[Reading]:
        return tuple(taken(source.channel, source.get) for source in self._sources)

    def close(self) -> None:
        """The binding has nothing to close."""
        self._sources = ()
