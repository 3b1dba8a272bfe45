"""Rebellions cards through rbln-smi (`rbln-smi -b -j`): the card's power, and each logical device's temperature.

    rbln-smi.<pci address>.power        W, of the whole card, by its first logical device
    rbln-smi.<pci address>.temperature  °C, of each logical device

A card may be several logical devices (an RBLN-CA25 is four), each of which the tool lists with the whole card's power.
Those with one serial number (`sid`) are one card, which gets one power channel; its source names the others. Where
serial numbers are missing, or differ though the card is known to be several devices, each device gets a channel whose
source says that the card may be there more than once: no document says what `sid` is the number of.

Each look starts a process, so the meter is paced to one in half a second; the value was seen to change about once a
second (90 of 100 samples taken a second apart, RBLN-CA22, published by others). The tool states no throttling and no
limit. What it prints is parsed in `npubench.rbln`; not verified on hardware.

Not aware of: the devices' condition around a launch (`engine.rebellions`), joules.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from npubench import rbln
from npubench.meters.taking import fault, judged
from npubench.rbln import RblnDevice, RblnState
from npubench.spi import Availability, Channel, Reading

# A hung device hangs the tool; a reading that takes this long says so in its status.
_TIMEOUT_S = 5.0
# Cards that are known to be several logical devices.
_SEVERAL = ("RBLN-CA25",)


def _key(device: RblnDevice) -> str:
    """What a logical device is known by: its PCI address, else its number."""
    return device.address or f"npu{device.npu}"


def _cards(devices: Sequence[RblnDevice]) -> list[list[RblnDevice]]:
    """Logical devices by the card that they are on, in the tool's order. No serial number: a card of its own."""
    cards: dict[str, list[RblnDevice]] = {}
    for device in devices:
        cards.setdefault(device.sid or f"without a serial number: {_key(device)}", []).append(device)
    return list(cards.values())


def _power(card: Sequence[RblnDevice], listed: int) -> Channel:
    first, others = card[0], [_key(device) for device in card[1:]]
    how = "rbln-smi card_power, the whole card"
    if others:
        how += f" with {', '.join(others)}"
    elif listed > 1 and (first.sid is None or first.name in _SEVERAL):
        how += "; serial numbers do not show which devices are one card, so it may be here more than once"
    return Channel(
        name=f"rbln-smi.{_key(first)}.power",
        unit="W",
        scope="card",
        kind="instant",
        source=f"{how}, {first.name or 'Rebellions'}",
        device=_key(first),
    )


def _temperature(device: RblnDevice) -> Channel:
    return Channel(
        name=f"rbln-smi.{_key(device)}.temperature",
        unit="C",
        scope="chip",
        kind="state",
        quantity="temperature",
        source=f"rbln-smi temperature, {device.name or 'Rebellions'}",
        device=_key(device),
    )


class RebellionsMeter:
    """A `spi.Meter` of all Rebellions cards; `Paced`."""

    interval_ns = 500_000_000

    def __init__(self, timeout_s: float = _TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._channels: tuple[Channel, ...] = ()

    def probe(self) -> Availability:
        found = rbln.ask(self._timeout_s)
        if isinstance(found, str):
            fix = "install Rebellions' driver, which brings rbln-smi; then: rbln-smi -b -j"
            return Availability(available=False, reason=found, fix=fix)
        versions = {"rbln": found.driver_version} if found.driver_version else {}
        if not found.devices:
            reason = f"{rbln.TOOL} lists no device"
            return Availability(available=False, reason=reason, fix="lspci -d 1eff:", versions=versions)
        # A device whose power is not known now keeps its channel: a total without it would look complete.
        if all(device.power_w is None for device in found.devices):
            said = ", ".join(f"{_key(device)}: {device.power_said}" for device in found.devices)
            reason = f"{rbln.TOOL} gives no power with a unit ({said})"
            return Availability(available=False, reason=reason[:300], versions=versions)
        keys = [_key(device) for device in found.devices]
        if len(set(keys)) < len(keys):
            reason = f"{rbln.TOOL} lists devices that nothing tells apart ({', '.join(keys)})"
            return Availability(available=False, reason=reason[:300], versions=versions)
        cards = _cards(found.devices)
        powers = [_power(card, len(found.devices)) for card in cards]
        temperatures = [_temperature(device) for device in found.devices if device.temperature_c is not None]
        self._channels = (*powers, *temperatures)
        return Availability(available=True, versions=versions)

    def channels(self) -> Sequence[Channel]:
        return self._channels

    def read(self) -> Sequence[Reading]:
        before = time.perf_counter_ns()
        found = rbln.ask(self._timeout_s)
        after = time.perf_counter_ns()
        if isinstance(found, str):
            return tuple(fault(channel, found[:200], before, after) for channel in self._channels)
        return tuple(_reading(channel, found, before, after) for channel in self._channels)

    def close(self) -> None:
        """Nothing is held."""


def _reading(channel: Channel, found: RblnState, before_ns: int, after_ns: int) -> Reading:
    device = next((device for device in found.devices if _key(device) == channel.device), None)
    if device is None:
        return fault(channel, f"{rbln.TOOL} no longer lists this device", before_ns, after_ns)
    power = channel.quantity == "power"
    value = device.power_w if power else device.temperature_c
    if value is None:
        name, said = ("card_power", device.power_said) if power else ("temperature", device.temperature_said)
        # Which digits were wrong is not kept: statuses are few.
        shown = "a number without a unit that is known" if any(char.isdigit() for char in said) else said
        return fault(channel, f"{name} says {shown}", before_ns, after_ns)
    return judged(channel, value, before_ns, after_ns)
