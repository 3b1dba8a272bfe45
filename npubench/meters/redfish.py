"""The machine's power by its board management controller (BMC), over Redfish. Not verified on hardware.

    [[meters]]
    use = "redfish"
    [meters.options]
    url = "https://bmc-17.example"
    credentials = "/etc/npubench/bmc.toml"   # user and password, mode 600; else NPUBENCH_REDFISH_USER and _PASSWORD
    ca = "/etc/npubench/bmc-ca.pem"          # else the system's certificates
    chassis = "1"                            # else every chassis that is a whole machine
    scope = "node"
    name = "blade-3"                         # in the channels' names, where there is more than one BMC

Power: `EnvironmentMetrics` (PowerWatts.Reading; EnergykWh.Reading is a counter), else the older `Power`
(PowerControl[0].PowerConsumedWatts). Where every power supply gives PowerInputWatts, their sum is one more channel, of
scope wall. Schemas: DMTF DSP8010.

A BMC averages over seconds and seldom says over how many, so the kind is `average`. Its bound is the sensor's
AveragingInterval or SensingInterval where the BMC links one. PowerMetrics.IntervalInMin is the window of
AverageConsumedWatts, so it bounds the reading only where both are the same number. Else the bound is unknown, and only
observation tells.

Not aware of: HTTP and sessions (`redfish_client`), joules.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast, get_args

import msgspec

from npubench.meters.redfish_client import PASSWORD, USER, Address, Client, RedfishError, credentials, is_path
from npubench.spi import Availability, Channel, MeterScope, Reading

INTERVAL_NS = 1_000_000_000
_OPTIONS = ("url", "name", "chassis", "ca", "credentials", "scope", "timeout_s")
_FIX = (
    'a meters file with [[meters]] use = "redfish" and [meters.options] url = "https://BMC" '
    f"(user and password: {USER}, {PASSWORD}, or a file that the option credentials names)"
)
_MOST_STATUS = 300
_ROOT = "/redfish/v1/Chassis"
# ChassisType (DSP8010, Chassis) of what is part of a machine or holds several: not a node.
_NOT_A_MACHINE = (
    "Cage", "Card", "Cartridge", "Component", "Drawer", "Expansion", "HeatExchanger", "ImmersionTank", "Module",
    "Other", "Pod", "Rack", "RackGroup", "Row", "Shelf", "Sidecar", "StorageEnclosure", "Zone",
)  # fmt: skip
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


class _Place(msgspec.Struct, frozen=True):
    """Where one channel's value stands: a document and the members on the way, or the sum of all power supplies'."""

    channel: Channel
    document: str
    members: tuple[str | int, ...]


class RedfishMeter:
    """A `spi.Meter` with a power channel per chassis, and its energy counter and power input where the BMC has them."""

    interval_ns = INTERVAL_NS

    def __init__(self) -> None:
        self._address: Address | None = None
        self._name = "redfish"
        self._chassis: tuple[str, ...] = ()
        self._ca: Path | None = None
        self._credentials: Path | None = None
        self._scope: MeterScope = "node"
        self._timeout_s = 5.0
        self._client: Client | None = None
        self._places: tuple[_Place, ...] = ()

    def configure(self, options: Mapping[str, Any]) -> None:
        """Raises ValueError that names the option, what was found and what was expected."""
        for option in options:
            if option not in _OPTIONS:
                raise ValueError(f"{option}: not an option of redfish; expected one of {', '.join(_OPTIONS)}")
        url = options.get("url")
        if not isinstance(url, str):
            raise ValueError('url: missing; expected "https://HOST" of the BMC')
        self._address = Address(url)
        name = options.get("name")
        if name is not None and not (isinstance(name, str) and _is_id(name)):
            raise ValueError(f"name: found {name!r}; expected letters, digits, '.', '_', ':' and '-'")
        self._name = f"redfish.{name}" if name else "redfish"
        chassis = options.get("chassis", ())
        named = (chassis,) if isinstance(chassis, str) else chassis
        if not isinstance(named, (list, tuple)) or not all(isinstance(n, str) and _is_id(n) for n in named):
            raise ValueError(f"chassis: found {chassis!r}; expected the Id of a chassis, or a list of them")
        self._chassis = tuple(named)
        for option in ("ca", "credentials"):
            path = options.get(option)
            if path is not None and not isinstance(path, str):
                raise ValueError(f"{option}: found {type(path).__name__}; expected the path of a file")
        self._ca = Path(options["ca"]).expanduser() if options.get("ca") else None
        self._credentials = Path(options["credentials"]).expanduser() if options.get("credentials") else None
        scope = options.get("scope", "node")
        if scope not in get_args(MeterScope):
            raise ValueError(f"scope: found {scope!r}; expected one of {', '.join(get_args(MeterScope))}")
        self._scope = cast("MeterScope", scope)
        timeout_s = options.get("timeout_s", 5.0)
        if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)) or not 0 < timeout_s <= 60:
            raise ValueError(f"timeout_s: found {timeout_s!r}; expected seconds, at most 60")
        self._timeout_s = float(timeout_s)

    def probe(self) -> Availability:
        if self._address is None:
            return Availability(available=False, reason="no BMC is named", fix=_FIX)
        try:
            client = Client(self._address, self._ca, credentials(self._credentials), self._timeout_s)
            self._client = client
            found, lacking = self._find(client)
        except RedfishError as error:
            self.close()
            return Availability(available=False, reason=str(error), fix=_FIX)
        self._places = tuple(found)
        if not found:
            self.close()
            return Availability(available=False, reason=f"{self._address}: {'; '.join(lacking)}", fix=_FIX)
        return Availability(available=True)

    def channels(self) -> Sequence[Channel]:
        return tuple(place.channel for place in self._places)

    def read(self) -> Sequence[Reading]:
        """Every channel; each document is read once."""
        client, readings = self._client, []
        seen: dict[str, tuple[Mapping[str, Any] | RedfishError, int, int]] = {}
        for place in self._places:
            if place.document not in seen:
                before = time.perf_counter_ns()
                try:
                    answer: Mapping[str, Any] | RedfishError = (
                        client.get(place.document) if client is not None else RedfishError("the meter was closed")
                    )
                except RedfishError as error:
                    answer = error
                seen[place.document] = answer, before, time.perf_counter_ns()
            document, before, after = seen[place.document]
            value, status = (None, str(document)) if isinstance(document, RedfishError) else _value(document, place)
            status = client.clean(status)[:_MOST_STATUS] if client is not None else status
            readings.append(
                Reading(
                    channel=place.channel.name, value=value, before_ns=before, after_ns=after, status=status or "ok"
                )
            )
        return tuple(readings)

    def close(self) -> None:
        """Deletes the session."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def _find(self, client: Client) -> tuple[list[_Place], list[str]]:
        """The channels of every chassis asked for, and why others have none."""
        links = [f"{_ROOT}/{name}" for name in self._chassis]
        if not links:
            members = client.get(_ROOT).get("Members")
            found = members if isinstance(members, list) else []
            links = [link for item in found if (link := _link(item)) is not None]
        places: list[_Place] = []
        lacking: list[str] = []
        for link in links:
            chassis = client.get(link)
            name = link.rstrip("/").rpartition("/")[2]
            kind = chassis.get("ChassisType")
            if not self._chassis and kind in _NOT_A_MACHINE:
                lacking.append(
                    f"chassis {name} is a {kind}, not a machine (name it with option chassis if it is meant)"
                )
                continue
            at = self._of(client, link, chassis, name)
            places += at
            if not at:
                lacking.append(f"chassis {name} gives no power")
        return places, lacking or [f"{_ROOT} lists no chassis"]

    def _of(self, client: Client, link: str, chassis: Mapping[str, Any], name: str) -> list[_Place]:
        metrics_at = _link(chassis.get("EnvironmentMetrics")) or f"{link.rstrip('/')}/EnvironmentMetrics"
        power_at = _link(chassis.get("Power")) or f"{link.rstrip('/')}/Power"
        metrics, power = _if_there(client, metrics_at), _if_there(client, power_at)
        found: list[_Place] = []
        if isinstance(metrics.get("PowerWatts"), dict):
            lag_ns = _lag_ns(client, metrics["PowerWatts"])
            found.append(self._place(name, "", metrics_at, ("PowerWatts", "Reading"), lag_ns))
        elif _at(power, ("PowerControl", 0)) is not None:
            found.append(self._place(name, "", power_at, ("PowerControl", 0, "PowerConsumedWatts"), _average_ns(power)))
        if isinstance(metrics.get("EnergykWh"), dict):
            channel = Channel(
                name=f"{self._name}.{name}.energy",
                unit="kWh",
                scope=self._scope,
                kind="counter",
                quantity="energy",
                source=f"Redfish {metrics_at} EnergykWh",
            )
            found.append(_Place(channel, metrics_at, ("EnergykWh", "Reading")))
        if _supplies(power):
            found.append(self._place(name, ".input", power_at, ("PowerSupplies",), None, "wall"))
        return found

    def _place(
        self,
        name: str,
        part: str,
        document: str,
        members: tuple[str | int, ...],
        lag_ns: int | None,
        scope: MeterScope | None = None,
    ) -> _Place:
        what = "the sum of PowerSupplies[].PowerInputWatts" if scope else ".".join(str(member) for member in members)
        channel = Channel(
            name=f"{self._name}.{name}{part}",
            unit="W",
            scope=scope or self._scope,
            kind="average",
            source=f"Redfish {document} {what}",
            lag_bound_ns=lag_ns,
        )
        return _Place(channel, document, members)


def _is_id(text: str) -> bool:
    return bool(re.fullmatch(r"[\w.:-]+", text, re.ASCII))


def _link(item: Any) -> str | None:
    """A link to another document of the same service."""
    found = item.get("@odata.id") if isinstance(item, dict) else None
    return found if isinstance(found, str) and is_path(found) else None


def _if_there(client: Client, path: str) -> Mapping[str, Any]:
    """A document that a service need not have; the one that it does not have is empty."""
    try:
        return client.get(path)
    except RedfishError as error:
        if error.status in (404, 405, 501):
            return {}
        raise


def _at(document: Any, members: Sequence[str | int]) -> Any:
    for member in members:
        if isinstance(member, int):
            document = document[member] if isinstance(document, list) and len(document) > member else None
        else:
            document = document.get(member) if isinstance(document, dict) else None
    return document


def _value(document: Mapping[str, Any], place: _Place) -> tuple[float | None, str]:
    """A channel's value, or None and what was found in its place."""
    if place.members == ("PowerSupplies",):
        total = 0.0
        for number, supply in enumerate(_present(document)):
            value, status = _number(supply.get("PowerInputWatts"), f"PowerSupplies[{number}].PowerInputWatts")
            if value is None:
                return None, status
            total += value
        return (total, "") if _present(document) else (None, "PowerSupplies is missing")
    return _number(_at(document, place.members), ".".join(str(member) for member in place.members))


def _number(found: Any, name: str) -> tuple[float | None, str]:
    if found is None:
        return None, f"{name} is null or missing"
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None, f"{name} is {type(found).__name__} {found!r}, no number"
    if not math.isfinite(found) or found < 0:
        return None, f"{name} is {found}"
    return float(found), ""


def _present(power: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The power supplies that are plugged in."""
    found = power.get("PowerSupplies")
    listed = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    return [item for item in listed if _at(item, ("Status", "State")) != "Absent"]


def _supplies(power: Mapping[str, Any]) -> bool:
    """Whether every supply gives what it takes in: a sum that lacks one is no sum."""
    supplies = _present(power)
    return bool(supplies) and all(_number(item.get("PowerInputWatts"), "")[0] is not None for item in supplies)


def _lag_ns(client: Client, reading: Mapping[str, Any]) -> int | None:
    """The sensor's own window, where the BMC links the sensor and the sensor says it (DSP8010, Sensor)."""
    path = reading.get("DataSourceUri")
    sensor: Mapping[str, Any] = {}
    if (link := _link({"@odata.id": path})) is not None:
        with suppress(RedfishError):
            sensor = client.get(link)
    for name in ("AveragingInterval", "SensingInterval"):
        found = _DURATION.fullmatch(str(sensor.get(name) or ""))
        if found and any(found.groups()):
            days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
            return round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1e9)
    return None


def _average_ns(power: Mapping[str, Any]) -> int | None:
    """The window of PowerMetrics, where the power is evidently its average."""
    control = _at(power, ("PowerControl", 0))
    consumed, _ = _number(_at(control, ("PowerConsumedWatts",)), "")
    average, _ = _number(_at(control, ("PowerMetrics", "AverageConsumedWatts")), "")
    minutes, _ = _number(_at(control, ("PowerMetrics", "IntervalInMin")), "")
    if consumed is None or consumed != average or not minutes:
        return None
    return round(minutes * 60e9)
