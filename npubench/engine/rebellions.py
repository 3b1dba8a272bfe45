"""What rbln-smi says of Rebellions devices: one call (`rbln-smi -b -j`) answers for all of them.

Values are strings with units ("38C"); newer builds write numbers where older ones write strings, so each value is read
strictly and what does not fit is unknown. Verified on an output of an RBLN-CA22 (driver 3.2.2) that others published,
not on a device. The tool reports no reasons for slowing down and no power limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from npubench.conditions import DeviceProcess, DeviceState
from npubench.engine.tools import Silent, address, output, printable, quantity

TOOL = "rbln-smi"
TIMEOUT_S = 10.0


def _whole(value: object) -> int | None:
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return int(text) if text.isdigit() else None


def _said(value: object) -> str | None:
    return printable(value) or None if isinstance(value, str) else None


def parse(document: str, own: Iterable[int] = ()) -> tuple[DeviceState, ...]:
    """The devices in the output of `rbln-smi -b -j`, by PCI address. Processes in `own` are left out.

    Raises ValueError.
    """
    try:
        found: Any = msgspec.json.decode(document)
    except msgspec.DecodeError as error:
        raise ValueError(f"{TOOL} -b -j wrote no JSON: {error}") from error
    if not isinstance(found, Mapping) or not isinstance(found.get("devices"), list):
        raise ValueError(f"{TOOL} -b -j: no devices in its output")
    driver = _said(found.get("KMD_version")) or _said(found.get("driver_version"))
    contexts = found.get("contexts")
    ours = set(own)
    return tuple(_device(item, driver, contexts, ours) for item in found["devices"] if isinstance(item, Mapping))


def _device(item: Mapping[str, Any], driver: str | None, contexts: object, own: set[int]) -> DeviceState:
    pci = item.get("pci")
    memory = item.get("memory")
    total = _whole(memory.get("total")) if isinstance(memory, Mapping) else None
    used = _whole(memory.get("used")) if isinstance(memory, Mapping) else None
    state = _said(item.get("status"))
    pstate = _said(item.get("pstate"))
    mode = [f"performance state {pstate}"] * bool(pstate) + [f"status {state}"] * (state not in (None, "normal"))
    return DeviceState(
        id=address(str(pci.get("bus_id", ""))) if isinstance(pci, Mapping) else "",
        name=_said(item.get("name")) or "",
        type="npu",
        driver="rebellions",
        driver_version=driver,
        firmware_version=_said(item.get("fw_ver")),
        temperature_c=quantity(item.get("temperature")),
        power_mode=", ".join(mode) or None,
        memory_bytes=total,
        memory_free_bytes=None if total is None or used is None else total - used,
        processes=_processes(item.get("npu"), contexts, own),
        sources=(TOOL,),
    )


def _processes(npu: object, contexts: object, own: set[int]) -> tuple[DeviceProcess, ...] | None:
    if not isinstance(contexts, list):
        return None
    found = []
    for context in contexts:
        if isinstance(context, Mapping) and str(context.get("npu")) == str(npu):
            pid = _whole(context.get("pid"))
            if pid is not None and pid not in own:
                name = _said(context.get("name")) or _said(context.get("process")) or "?"
                found.append(DeviceProcess(pid=pid, name=name, memory_bytes=_whole(context.get("memalloc"))))
    return tuple(found)


def ask(own: Iterable[int]) -> tuple[DeviceState, ...] | str:
    """What the tool says of all devices now, or why it says nothing. Raises nothing."""
    said = output([TOOL, "-b", "-j"], TIMEOUT_S)
    if isinstance(said, Silent):
        return said.reason
    try:
        return parse(said, own)
    except ValueError as error:
        return str(error)
