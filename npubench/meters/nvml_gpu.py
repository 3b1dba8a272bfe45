"""One NVIDIA GPU as NVML shows it: what it offers, found by asking once, and a reading of each of those.

What the sensor sees: NVIDIA states an accuracy (±5 %) for Fermi and Kepler only. On A100 and H100 25 % of the time is
sampled (arXiv 2312.02741), so only long windows and repeated launches are trusted, and no lag is claimed for what is
"now" and for the counter: how often they change is observed.

An error of NVML is the status of the readings that it hit; GPU_IS_LOST ends that GPU's reading for this round, because
calls to a lost device may be slow.

Sources: nvml.h and the NVML reference (nvmlDeviceGetPowerUsage, nvmlDeviceGetTotalEnergyConsumption, field values).
Tested with an NVML of our own making; not verified on hardware.

Not aware of: loading the library, other GPUs (`nvml`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import msgspec

from npubench.conditions import nvidia_causes
from npubench.spi import THROTTLE_BITS, Channel, MeterScope, Reading

_Kind = Literal["counter", "instant", "average", "state"]
_ENERGY, _AVERAGE, _INSTANT = 83, 185, 186  # nvml.h, NVML_FI_DEV_…
_GPU, _MODULE, _MEMORY = 0, 1, 2  # nvml.h, NVML_POWER_SCOPE_…
_KEPLER, _AMPERE, _UNKNOWN = 2, 7, 0xFFFFFFFF  # nvml.h, NVML_DEVICE_ARCH_…
# Compute capabilities that one chip alone has each: A100, H100 (CUDA programming guide).
_GA100, _GH100 = (8, 0), (9, 0)
_LOST = 15  # nvml.h, NVML_ERROR_GPU_IS_LOST
_MIG_ON, _VGPU = 1, 2  # nvml.h, NVML_DEVICE_MIG_ENABLE, NVML_GPU_VIRTUALIZATION_MODE_VGPU
_ACCURACY = 0.05
_AVERAGE_NS = 1_000_000_000
# Real excursions above the largest limit that can be set are below this; a broken sensor's value is far above it.
_HEAD_ROOM = 2.0
# nvml.h, nvmlValueType_t → the union's member. What is not available is given as all ones.
_MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
_ALL_ONES = {"uiVal": 0xFFFFFFFF, "ulVal": 0xFFFFFFFFFFFFFFFF, "ullVal": 0xFFFFFFFFFFFFFFFF}


class _Offer(msgspec.Struct, frozen=True):
    """One reading that a GPU gives: by `field` (id, scope), else by `call`."""

    channel: Channel
    field: tuple[int, int] | None = None
    call: Callable[[], float] | None = None


def _value(item: Any) -> float | None:
    """The number in a field value; None where the driver gave none."""
    if not 0 <= item.valueType < len(_MEMBERS):
        return None
    member = _MEMBERS[item.valueType]
    number = getattr(item.value, member)
    return None if number == _ALL_ONES.get(member) else float(number)


def _judged(channel: Channel, value: float | None, before_ns: int, after_ns: int) -> Reading:
    status = "ok"
    if value is None:
        status = "NVML gave no value"
    elif not math.isfinite(value) or (value < 0 and channel.quantity != "temperature"):
        value, status = None, f"NVML gave {value:g}"
    return Reading(channel=channel.name, value=value, before_ns=before_ns, after_ns=after_ns, status=status)


class Gpu:
    """An open GPU: `channels` that it offers, and why it `refused` others. Raises NVMLError where it has no address."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle
        pci = nvml.nvmlDeviceGetPciInfo(handle)
        # As sysfs writes it (NVML's own text has eight digits of domain). A GPU is function 0 of its card.
        self.address = f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.0"
        self.refused: dict[str, str] = {}
        self._architecture = self._maybe("nvmlDeviceGetArchitecture") or _UNKNOWN
        self._capability = tuple(self._maybe("nvmlDeviceGetCudaComputeCapability") or ())
        self._most_w = self._largest_w()
        self._says = f"{self._name()}{self._sharing()}"
        fields = self._fields()
        calls = self._calls({offer.channel.name for offer in fields})
        self._fielded = [(offer.channel, offer.field) for offer in fields]
        self._called = [(offer.channel, offer.call) for offer in calls if offer.call is not None]
        self.channels = tuple(offer.channel for offer in (*fields, *calls))

    def _ask(self, name: str, *arguments: Any) -> Any:
        """What an NVML function says; raises NVMLError, also for a function that this binding does not have."""
        function = getattr(self._nvml, name, None)
        if function is None:
            raise self._nvml.NVMLError(self._nvml.NVML_ERROR_FUNCTION_NOT_FOUND)
        return function(self._handle, *arguments)

    def _scaled(self, scale: Callable[[Any], float], name: str, *arguments: Any) -> float:
        return scale(self._ask(name, *arguments))

    def _maybe(self, name: str) -> Any:
        try:
            return self._ask(name)
        except self._nvml.NVMLError:
            return None

    def _name(self) -> str:
        said = self._maybe("nvmlDeviceGetName")
        return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said or "NVIDIA GPU")

    def _averages(self) -> bool:
        """Whether power usage is the mean of 1 s here (NVML reference, nvmlDeviceGetPowerUsage)."""
        return _AMPERE <= self._architecture < _UNKNOWN and self._capability != _GA100

    def _largest_w(self) -> float | None:
        """More than this the card cannot draw: the largest limit that can be set, with head room."""
        limits = self._maybe("nvmlDeviceGetPowerManagementLimitConstraints")
        largest = limits[1] if limits else self._maybe("nvmlDeviceGetPowerManagementDefaultLimit")
        return largest / 1000 * _HEAD_ROOM if largest else None

    def _sharing(self) -> str:
        """What to say of a card that several users share."""
        mode = self._maybe("nvmlDeviceGetMigMode")
        if mode and mode[0] == _MIG_ON:
            return "; MIG is on: the whole card, not one instance"
        if self._maybe("nvmlDeviceGetVirtualizationMode") == _VGPU:
            return "; a virtual GPU: the whole card, with its other users"
        return ""

    def _channel(self, what: str, unit: str, how: str, kind: _Kind, **more: Any) -> Channel:
        source = f"NVML {how}, {self._says}"
        known = {"scope": "card", "device": self.address, **more}
        return Channel(name=f"nvml.{self.address}.{what}", unit=unit, kind=kind, source=source, **known)

    def _power(self, what: str, how: str, *, average: bool = False, scope: MeterScope = "card") -> Channel:
        # Worth saying beside each watt: what happens in the other 75 % is not seen.
        part = "; seen to sample 25 % of the time" if self._capability in (_GA100, _GH100) else ""
        return self._channel(
            what,
            "mW",
            how + part,
            "average" if average else "instant",
            scope=scope,
            lag_bound_ns=_AVERAGE_NS if average else None,
            # A module holds more than the GPU, whose limit says nothing of it.
            most_w=None if scope == "package" else self._most_w,
            accuracy=_ACCURACY if scope == "card" and self._architecture == _KEPLER else None,
        )

    def _energy(self, how: str) -> Channel:
        return self._channel("energy", "mJ", how, "counter", quantity="energy", most_w=self._most_w)

    def _fields(self) -> list[_Offer]:
        """What is read as fields, all of them in one call."""
        wanted = (
            (self._energy(f"field {_ENERGY}"), (_ENERGY, _GPU)),
            (self._power("power", f"field {_INSTANT}"), (_INSTANT, _GPU)),
            (self._power("power-average", f"field {_AVERAGE}", average=True), (_AVERAGE, _GPU)),
            (self._power("module-power", f"field {_INSTANT}, module", scope="package"), (_INSTANT, _MODULE)),
            (self._power("memory-power", f"field {_INSTANT}, memory", scope="rail"), (_INSTANT, _MEMORY)),
        )
        try:
            found = self._ask("nvmlDeviceGetFieldValues", [field for _, field in wanted])
        except self._nvml.NVMLError as error:
            self.refused["fields"] = str(error)
            return []
        offers = []
        for (channel, field), item in zip(wanted, found, strict=True):
            if item.nvmlReturn != self._nvml.NVML_SUCCESS:
                self.refused[channel.name] = str(self._nvml.NVMLError(item.nvmlReturn))
            elif (value := _value(item)) is None or (value == 0 and field[1] != _GPU):
                # 0 W of what only some boards have a sensor for is no sensor: nothing that is on draws nothing.
                self.refused[channel.name] = "no value"
            else:
                offers.append(_Offer(channel, field=field))
        return offers

    def _calls(self, have: set[str]) -> list[_Offer]:
        """What is read by a call of its own, each function in the order in which it is tried."""
        nvml, named = self._nvml, f"nvml.{self.address}."
        energy, usage = "nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage"
        now, before = "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"
        offers = []
        if f"{named}energy" not in have:
            offers.append(self._tried(self._energy(energy), ((energy,),)))
        if not have & {f"{named}power", f"{named}power-average"}:
            offers.append(self._tried(self._power("power", usage, average=self._averages()), ((usage,),)))
        limit = self._channel("limit", "W", "nvmlDeviceGetEnforcedPowerLimit", "state", quantity="limit")
        offers.append(self._tried(limit, (("nvmlDeviceGetEnforcedPowerLimit",),), lambda milliwatts: milliwatts / 1000))
        heat = self._channel("temperature", "C", "GPU temperature", "state", quantity="temperature", scope="chip")
        readers = (("nvmlDeviceGetTemperatureV", nvml.NVML_TEMPERATURE_GPU),)
        offers.append(self._tried(heat, (*readers, ("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU))))
        for what, kind in (("sm", nvml.NVML_CLOCK_SM), ("memory", nvml.NVML_CLOCK_MEM)):
            clock = self._channel(f"{what}-clock", "MHz", f"{what} clock", "state", quantity="clock", scope="chip")
            offers.append(self._tried(clock, (("nvmlDeviceGetClockInfo", kind),)))
        throttle = self._channel("throttle", "", "clocks event reasons", "state", quantity="throttle", scope="chip")
        offers.append(self._tried(throttle, ((now,), (before,)), _throttled))
        return [offer for offer in offers if offer is not None]

    def _tried(
        self, channel: Channel, functions: Sequence[tuple[Any, ...]], scale: Callable[[Any], float] = float
    ) -> _Offer | None:
        """The first function that answers; None where none does."""
        for name, *arguments in functions:
            try:
                self._ask(name, *arguments)
            except self._nvml.NVMLError as error:
                self.refused[channel.name] = str(error)
                continue
            self.refused.pop(channel.name, None)
            return _Offer(channel, call=partial(self._scaled, scale, name, *arguments))
        return None

    def read(self) -> list[Reading]:
        """A reading of each channel. Raises nothing that NVML does."""
        readings: list[Reading] = []
        gone = ""
        if self._fielded:
            before = time.perf_counter_ns()
            try:
                found = list(self._ask("nvmlDeviceGetFieldValues", [field for _, field in self._fielded]))
                codes = [item.nvmlReturn for item in found]
            except self._nvml.NVMLError as error:
                found, codes = [None] * len(self._fielded), [error.value] * len(self._fielded)
            after = time.perf_counter_ns()
            for (channel, _), item, code in zip(self._fielded, found, codes, strict=True):
                if code == self._nvml.NVML_SUCCESS:
                    readings.append(_judged(channel, _value(item), before, after))
                else:
                    readings.append(_failed(channel, self._nvml.NVMLError(code), before, after))
                    gone = gone or (readings[-1].status if code == _LOST else "")
        for channel, call in self._called:
            before = time.perf_counter_ns()
            if gone:
                readings.append(
                    Reading(channel=channel.name, value=None, before_ns=before, after_ns=before, status=gone)
                )
                continue
            try:
                value = call()
                readings.append(_judged(channel, value, before, time.perf_counter_ns()))
            except self._nvml.NVMLError as error:
                readings.append(_failed(channel, error, before, time.perf_counter_ns()))
                gone = readings[-1].status if error.value == _LOST else ""
        return readings


def _throttled(bits: int) -> float:
    return float(sum(THROTTLE_BITS[cause] for cause in nvidia_causes(bits)))


def _failed(channel: Channel, error: Any, before_ns: int, after_ns: int) -> Reading:
    status = f"NVML: {error} (error {error.value})"
    return Reading(channel=channel.name, value=None, before_ns=before_ns, after_ns=after_ns, status=status)
