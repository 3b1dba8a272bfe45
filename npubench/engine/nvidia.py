"""What nvidia-smi says of NVIDIA devices: one call for everything, and a slow watch for drivers that keep no counters.

The tool's XML (`nvidia-smi -q -x`) is read, not its CSV: one unknown field name fails a whole CSV query, and the names
changed (`clocks_throttle_reasons` became `clocks_event_reasons` with driver 535), while a missing element is only an
unknown fact. The tool runs in a process with a time limit: a device that fell off the bus hangs it.

Drivers from about 555 on count the time in each reason, so two calls around a launch are enough. For older ones `Watch`
asks for the reasons once a second during the launch, from one process that says a line and sleeps.

Verified on outputs of drivers 575 (recorded by others), not on a device. Sources: nvidia-smi(1), NVML reference
(nvmlClocksEventReasons).
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from xml.etree import ElementTree

import msgspec

from npubench.conditions import Cause, DeviceProcess, DeviceState, nvidia_causes
from npubench.tools import Silent, address, output, program, quantity

TOOL = "nvidia-smi"
# Loading the driver where nothing keeps it loaded takes seconds for each device (nvidia-smi(1), persistence mode).
TIMEOUT_S = 30.0
INTERVAL_MS = 1000

# NVML's reasons by the tail of their element's name. Idle and clocks that somebody set are no slowing down.
_REASONS: dict[str, Cause] = {
    "sw_power_cap": "power-cap",
    "hw_slowdown": "hardware",
    "hw_thermal_slowdown": "thermal",
    "sw_thermal_slowdown": "thermal",
    "hw_power_brake_slowdown": "power-brake",
    "sync_boost": "sync-boost",
}
_COUNTERS: dict[str, Cause] = {
    "sw_power_cap": "power-cap",
    "sw_therm_slowdown": "thermal",
    "hw_therm_slowdown": "thermal",
    "hw_power_brake": "power-brake",
    "sync_boost": "sync-boost",
}


def _text(element: ElementTree.Element, *paths: str) -> str | None:
    """The first of these elements that says something."""
    for path in paths:
        said = (element.findtext(path) or "").strip()
        if said and said not in ("N/A", "[N/A]", "None") and "deprecated" not in said and "Error" not in said:
            return said
    return None


def _processes(gpu: ElementTree.Element, own: set[int]) -> tuple[DeviceProcess, ...] | None:
    listed = gpu.find("processes")
    if listed is None or (listed.text or "").strip() == "N/A":
        return None
    found = []
    for item in listed.iter("process_info"):
        pid = (item.findtext("pid") or "").strip()
        if pid.isdigit() and int(pid) not in own:
            memory = quantity(item.findtext("used_memory"))
            found.append(
                DeviceProcess(
                    pid=int(pid),
                    name=program(item.findtext("process_name") or ""),
                    computes="C" in (item.findtext("type") or "C"),
                    memory_bytes=None if memory is None else int(memory),
                )
            )
    return tuple(found)


def _slowed(gpu: ElementTree.Element) -> tuple[Cause, ...] | None:
    """Causes in effect now. None where the driver does not say."""
    found: dict[str, bool] = {}
    for kind in ("clocks_event_reason", "clocks_throttle_reason"):
        for element in gpu.findall(f"{kind}s/*"):
            name = element.tag.removeprefix(f"{kind}_")
            if name in _REASONS and (element.text or "").strip() in ("Active", "Not Active"):
                found[name] = (element.text or "").strip() == "Active"
    causes = {_REASONS[name] for name, active in found.items() if active}
    # The hardware's summary bit is set with either of its causes; alone it says that the cause is not known.
    if causes & {"thermal", "power-brake"}:
        causes.discard("hardware")
    return tuple(sorted(causes)) if found else None


def _counters(gpu: ElementTree.Element) -> dict[Cause, int] | None:
    """Time in each cause since the driver was loaded, ns."""
    found: dict[str, int] = {}
    for element in gpu.findall("clocks_event_reasons_counters/*"):
        name = element.tag.removeprefix("clocks_event_reasons_counters_")
        value = quantity(element.text)
        if name in _COUNTERS and value is not None:
            found[name] = int(value * 1000)
    # Seen with driver 575: heat in software and power cap are one counter under two names. It is not heat then.
    if found.get("sw_therm_slowdown") and found["sw_therm_slowdown"] == found.get("sw_power_cap"):
        del found["sw_therm_slowdown"]
    together: dict[Cause, int] = {}
    for name, value_ns in found.items():
        together[_COUNTERS[name]] = max(together.get(_COUNTERS[name], 0), value_ns)
    return together or None


def parse(document: str, own: Iterable[int] = ()) -> tuple[DeviceState, ...]:
    """The devices in the output of `nvidia-smi -q -x`. Processes in `own` are left out. Raises ValueError."""
    try:
        log = ElementTree.fromstring(document)  # noqa: S314 - the local driver's tool wrote it
    except ElementTree.ParseError as error:
        raise ValueError(f"{TOOL} -q -x wrote no XML: {error}") from error
    ours = set(own)
    return tuple(_device(gpu, _text(log, "driver_version"), ours) for gpu in log.findall("gpu"))


def _device(gpu: ElementTree.Element, driver: str | None, own: set[int]) -> DeviceState:
    where = address(gpu.get("id") or _text(gpu, "pci/pci_bus_id") or "")
    power = ("gpu_power_readings", "power_readings")

    def size(*paths: str) -> int | None:
        value = quantity(_text(gpu, *paths))
        return None if value is None else int(value)

    mode = [f"persistence {said.lower()}" for said in [_text(gpu, "persistence_mode")] if said]
    mode += [f"compute mode {said}" for said in [_text(gpu, "compute_mode")] if said and said != "Default"]
    mode += [f"MIG {said.lower()}" for said in [_text(gpu, "mig_mode/current_mig")] if said]
    vbios, gsp = _text(gpu, "vbios_version"), _text(gpu, "gsp_firmware_version")
    firmware = [f"VBIOS {vbios}"] * bool(vbios) + [f"GSP {gsp}"] * bool(gsp)
    return DeviceState(
        id=where,
        name=_text(gpu, "product_name") or "",
        type="gpu",
        driver="nvidia",
        driver_version=driver,
        firmware_version=", ".join(firmware) or None,
        temperature_c=quantity(_text(gpu, "temperature/gpu_temp")),
        clock_mhz=quantity(_text(gpu, "clocks/sm_clock", "clocks/graphics_clock")),
        clock_most_mhz=quantity(_text(gpu, "max_clocks/sm_clock", "max_clocks/graphics_clock")),
        power_cap_w=quantity(_text(gpu, *(f"{kind}/{name}" for kind in power for name in _CAPS))),
        power_cap_default_w=quantity(_text(gpu, *(f"{kind}/default_power_limit" for kind in power))),
        power_mode=", ".join(mode) or None,
        memory_bytes=size("fb_memory_usage/total"),
        memory_free_bytes=size("fb_memory_usage/free"),
        processes=_processes(gpu, own),
        slowed=_slowed(gpu),
        slowed_ns=_counters(gpu),
        sources=(TOOL,),
    )


_CAPS = ("current_power_limit", "enforced_power_limit", "power_limit")


def ask(own: Iterable[int]) -> tuple[DeviceState, ...] | str:
    """What the tool says of all devices that it sees, or why it says nothing. Raises nothing.

    It is not asked for single devices: one that it does not see (not given to this container) fails the whole call.
    """
    said = output([TOOL, "-q", "-x"], TIMEOUT_S)
    if isinstance(said, Silent):
        return said.reason
    try:
        return parse(said, own)
    except ValueError as error:
        return str(error)


def lost(said: str, where: str) -> bool:
    """Whether this complaint of the tool means that the device at this address is gone."""
    if not re.search(r"GPU is lost|fallen off the bus|Unable to determine the device handle", said):
        return False
    named = re.findall(r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.\d", said)
    return not named or where in map(address, named)


class Seen(msgspec.Struct, frozen=True):
    """The reasons of one device at one time, on CLOCK_MONOTONIC."""

    at_ns: int
    address: str
    causes: tuple[Cause, ...]


def parse_line(line: str, monotonic_minus_wall_ns: int) -> Seen | None:
    """One line of the watch: `2026/11/25 10:00:01.123, 00000000:01:00.0, 0x0000000000000004`; None for other lines."""
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != 3 or not re.fullmatch(r"0x[0-9a-fA-F]+", parts[2]):
        return None
    try:
        # The tool writes local time; the offset was taken from the same clock.
        moment = datetime.strptime(parts[0], "%Y/%m/%d %H:%M:%S.%f").timestamp()
    except ValueError:
        return None
    causes = nvidia_causes(int(parts[2], 16))
    return Seen(int(moment * 1e9) + monotonic_minus_wall_ns, address(parts[1]), causes)


class Watch:
    """Asks for the clocks' reasons once a second until it is stopped. Ends with its reader: no process is left behind.

    `field` is the reasons' name in this driver, tried in order; a driver that knows none of them is watched in vain.
    """

    _FIELDS = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")

    def __init__(self, addresses: Iterable[str]) -> None:
        self._offset_ns = time.perf_counter_ns() - time.time_ns()
        self._seen: list[Seen] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._read, args=(sorted(addresses),), daemon=True)
        self._stopped = threading.Event()
        self._thread.start()

    def _read(self, addresses: list[str]) -> None:
        for field in self._FIELDS:
            command = [TOOL, f"--query-gpu=timestamp,pci.bus_id,{field}", "--format=csv,noheader", "-i"]
            command += [",".join(addresses), "-lms", str(INTERVAL_MS)]
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError:
                return
            self._process = process
            if self._stopped.is_set():
                process.terminate()
            assert process.stdout is not None
            for raw in process.stdout:
                seen = parse_line(raw.decode("utf-8", "replace"), self._offset_ns)
                if seen is not None:
                    self._seen.append(seen)
            process.stdout.close()
            process.wait()
            if self._seen or self._stopped.is_set():
                return

    def stop(self) -> tuple[Seen, ...]:
        """Everything that was seen. The tool has ended when this returns."""
        self._stopped.set()
        while self._thread.is_alive():
            if self._process is not None:
                with suppress(ProcessLookupError):
                    self._process.kill()
            self._thread.join(0.1)
        return tuple(self._seen)


def shares(seen: Iterable[Seen], start_ns: int, end_ns: int) -> Mapping[str, tuple[int, Mapping[Cause, int]]]:
    """Device → (looks within the window, looks by cause)."""
    found: dict[str, tuple[int, dict[Cause, int]]] = {}
    for item in seen:
        if start_ns <= item.at_ns <= end_ns:
            total, causes = found.setdefault(item.address, (0, {}))
            for cause in item.causes:
                causes[cause] = causes.get(cause, 0) + 1
            found[item.address] = total + 1, causes
    return found
