"""One AMD GPU as AMD SMI shows it: what it offers, found by asking once, and a reading of each of those.

A value that is "N/A" (text since release 6, the largest integer of its width before) is no value: a channel that has
none when probed is not offered, later it is a reading with a status. An error of the binding is the status of the
readings that it hit.

Sources: amdsmi.h, the Python binding's reference (rocm.docs.amd.com), the binding of release 7.0.2 as read. Tested with
a package of the same functions; not verified on hardware.

Not aware of: loading the library, other GPUs (`amdsmi`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from npubench.spi import THROTTLE_BITS, Channel, Reading

_Kind = Literal["counter", "instant", "average", "state"]
# Real excursions above the largest limit are below this; a broken sensor's value is far above it.
_HEAD_ROOM = 2.0
# What is not available: text since release 6, the largest integer of its width before.
_MISSING = (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
_RESIDENCIES: Mapping[str, str] = {
    "ppt_residency_acc": "power-cap",
    "prochot_residency_acc": "thermal",
    "socket_thm_residency_acc": "thermal",
    "vr_thm_residency_acc": "thermal",
    "hbm_thm_residency_acc": "thermal",
}
_CLOCKS: Mapping[str, str] = {"gfx": "GFX", "memory": "MEM"}


class _MissingError(Exception):
    """A value that the binding says it does not have."""


class _Offer(msgspec.Struct, frozen=True):
    """Readings that one call gives: each channel with its key in the call's answer."""

    call: Callable[[], Mapping[str, Any]]
    channels: tuple[tuple[Channel, str], ...]


def _is_number(value: object) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and value not in _MISSING
    return isinstance(value, float)


def _number(found: Mapping[str, Any], key: str) -> float:
    """The number under `key`. Raises _MissingError for one that is not there."""
    value = found.get(key, "N/A")
    if not _is_number(value):
        raise _MissingError(f"amdsmi gave {value!r}")
    return float(value)


def says(error: BaseException) -> str:
    """The binding's messages go over several lines."""
    return " ".join(str(error).split()) or type(error).__name__


class Gpu:
    """An open GPU: `channels` that it offers, and why it `refused` others. Raises what the binding does."""

    def __init__(self, smi: Any, handle: Any, address: str) -> None:
        self._smi = smi
        self._handle = handle
        self.address = address
        self.refused: dict[str, str] = {}
        self._before: dict[str, int] = {}
        self._causes = 0.0
        self._name = self._market_name()
        self._most_w = self._largest_w()
        self._offers = [offer for offer in map(self._tried, self._wanted()) if offer.channels]
        self.channels = tuple(channel for offer in self._offers for channel, _ in offer.channels)

    def _ask(self, name: str, *arguments: Any) -> Mapping[str, Any]:
        answer = getattr(self._smi, name)(self._handle, *arguments)
        return answer if isinstance(answer, Mapping) else {"value": answer}

    def _market_name(self) -> str:
        try:
            return str(self._ask("amdsmi_get_gpu_asic_info").get("market_name") or "AMD GPU")
        except Exception:
            return "AMD GPU"

    def _largest_w(self) -> float | None:
        """More than this it cannot draw: the largest limit that can be set, with head room."""
        try:
            largest_uw = _number(self._ask("amdsmi_get_power_cap_info"), "max_power_cap")
        except Exception:
            return None
        return largest_uw / 1e6 * _HEAD_ROOM or None

    def _channel(self, what: str, unit: str, how: str, kind: _Kind, **more: Any) -> Channel:
        name, source = f"amdsmi.{self.address}.{what}", f"AMD SMI {how}, {self._name}"
        return Channel(name=name, unit=unit, scope="chip", kind=kind, source=source, device=self.address, **more)

    def _wanted(self) -> list[_Offer]:
        state = self._channel
        energy = state("energy", "uJ", "energy count", "counter", quantity="energy", most_w=self._most_w)
        power = state("power", "W", "current socket power", "instant", most_w=self._most_w)
        average = state("power-average", "W", "average socket power", "average", most_w=self._most_w)
        limit = state("limit", "W", "power cap", "state", quantity="limit")
        heat = state("temperature", "C", "temperature", "state", quantity="temperature")
        clocks = [state(f"{what}-clock", "MHz", f"{what} clock", "state", quantity="clock") for what in _CLOCKS]
        throttle = state("throttle", "", "throttler residencies", "state", quantity="throttle")
        return [
            _Offer(self._energy, ((energy, "uj"),)),
            _Offer(
                lambda: self._ask("amdsmi_get_power_info"),
                ((power, "current_socket_power"), (average, "average_socket_power")),
            ),
            _Offer(self._limit, ((limit, "w"),)),
            _Offer(self._temperature, ((heat, "value"),)),
            *(
                _Offer(self._clock(kind), ((clock, "clk"),))
                for clock, kind in zip(clocks, _CLOCKS.values(), strict=True)
            ),
            _Offer(self._throttle, ((throttle, "bits"),)),
        ]

    def _energy(self) -> Mapping[str, Any]:
        found = self._ask("amdsmi_get_energy_count")
        # The accumulator was called "power" before release 6.4.
        key = "energy_accumulator" if "energy_accumulator" in found else "power"
        return {"uj": _number(found, key) * _number(found, "counter_resolution")}

    def _limit(self) -> Mapping[str, Any]:
        return {"w": _number(self._ask("amdsmi_get_power_cap_info"), "power_cap") / 1e6}

    def _temperature(self) -> Mapping[str, Any]:
        kinds, now = self._smi.AmdSmiTemperatureType, self._smi.AmdSmiTemperatureMetric.CURRENT
        try:
            return self._ask("amdsmi_get_temp_metric", kinds.HOTSPOT, now)
        except self._smi.AmdSmiException:
            return self._ask("amdsmi_get_temp_metric", kinds.EDGE, now)

    def _clock(self, kind: str) -> Callable[[], Mapping[str, Any]]:
        return lambda: self._ask("amdsmi_get_clock_info", getattr(self._smi.AmdSmiClkType, kind))

    def _throttle(self) -> Mapping[str, Any]:
        """Causes whose time grew since the reading before; those of that reading while the driver has nothing new."""
        found = self._ask("amdsmi_get_gpu_metrics_info")
        keys = ("accumulation_counter", *_RESIDENCIES)
        now = {key: int(_number(found, key)) for key in keys if _is_number(found.get(key))}
        if "accumulation_counter" not in now or len(now) == 1:
            raise _MissingError("amdsmi gives no residencies of throttlers")
        if now["accumulation_counter"] != self._before.get("accumulation_counter"):
            grown = {_RESIDENCIES[key] for key in _RESIDENCIES if now.get(key, 0) > self._before.get(key, math.inf)}
            self._causes = float(sum(THROTTLE_BITS[cause] for cause in grown))
            self._before = now
        return {"bits": self._causes}

    def _tried(self, offer: _Offer) -> _Offer:
        """What of it answers."""
        good = []
        for (channel, key), reading in zip(offer.channels, self._taken(offer), strict=True):
            if reading.value is None:
                self.refused[channel.name] = reading.status
            elif reading.value or channel.kind == "state" or channel.kind == "counter":
                good.append((channel, key))
            else:
                # Only one of the two powers is there on most GPUs; the other one may read 0.
                self.refused[channel.name] = "0 W"
        return msgspec.structs.replace(offer, channels=tuple(good))

    def _taken(self, offer: _Offer) -> list[Reading]:
        before = time.perf_counter_ns()
        found: Mapping[str, Any] = {}
        status = "ok"
        try:
            found = offer.call()
        except (self._smi.AmdSmiException, _MissingError, AttributeError) as error:
            status = says(error)
        after = time.perf_counter_ns()
        return [self._reading(channel, found, key, status, before, after) for channel, key in offer.channels]

    def _reading(
        self, channel: Channel, found: Mapping[str, Any], key: str, status: str, before_ns: int, after_ns: int
    ) -> Reading:
        value: float | None = None
        if status == "ok":
            try:
                value = _number(found, key)
            except _MissingError as error:
                status = str(error)
        if value is not None and (not math.isfinite(value) or (value < 0 and channel.quantity != "temperature")):
            value, status = None, f"amdsmi gave {value:g}"
        return Reading(channel=channel.name, value=value, before_ns=before_ns, after_ns=after_ns, status=status)

    def read(self) -> list[Reading]:
        return [reading for offer in self._offers for reading in self._taken(offer)]
