"""What rbln-smi says of Rebellions devices: one call (`rbln-smi -b -j`) answers for all of them.

Values are strings with units ("38C", "18810987uW"); newer builds write numbers where older ones write strings, and some
print warnings before their JSON. Each value is read strictly; what does not fit stays unknown. Verified on an output of
an RBLN-CA22 (driver 3.2.2) that others published, not on a device.

Not aware of: what becomes of it (`engine.rebellions`, `meters.rebellions`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from npubench.tools import Silent, address, output, printable, quantity

TOOL = "rbln-smi"
TIMEOUT_S = 10.0
COMMAND = (TOOL, "-b", "-j")


class RblnDevice(msgspec.Struct, frozen=True, kw_only=True):
    """One logical device; a card may hold several (an RBLN-CA25 four). Unknown is None.

    `power_w` is the whole card's. `power_said` and `temperature_said` are as the tool wrote them, fit for a terminal.
    """

    npu: str
    address: str
    name: str | None
    sid: str | None
    status: str | None
    firmware: str | None
    pstate: str | None
    temperature_c: float | None
    temperature_said: str
    power_w: float | None
    power_said: str
    memory_bytes: int | None
    memory_used_bytes: int | None


class RblnContext(msgspec.Struct, frozen=True, kw_only=True):
    """A process on a device."""

    npu: str
    pid: int
    name: str
    memory_bytes: int | None


class RblnState(msgspec.Struct, frozen=True, kw_only=True):
    """All that one call says. `contexts` None: the tool lists no processes."""

    driver_version: str | None
    devices: tuple[RblnDevice, ...]
    contexts: tuple[RblnContext, ...] | None


def _whole(value: object) -> int | None:
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() else None


def _said(value: object) -> str | None:
    return printable(value) or None if isinstance(value, str) else None


def _in(units: str, value: object) -> float | None:
    """A quantity whose unit is one of `units` (`W mW uW`), in their base."""
    unit = value.strip().lstrip("-0123456789. ") if isinstance(value, str) else ""
    return quantity(value) if unit in units.split() else None


def _shown(value: object) -> str:
    return printable(str(value)) if value is not None else "nothing"


def _parsed(text: str) -> Mapping[str, Any]:
    """The JSON object with `devices` in `text`, with or without lines of other text around it. Raises ValueError."""
    reasons = []
    for line in re.finditer(r"^[ \t]*\{", text, re.MULTILINE):
        try:
            found, _ = json.JSONDecoder().raw_decode(text, line.end() - 1)
        except (ValueError, RecursionError) as error:
            reasons.append(str(error))
            continue
        if "devices" in found:
            return found  # type: ignore[no-any-return]
        reasons.append("no devices in its output")
    raise ValueError(
        f"{TOOL} -b -j wrote no JSON that can be used: {reasons[0] if reasons else printable(text) or 'nothing'}"
    )


def _device(item: Mapping[str, Any]) -> RblnDevice:
    pci, memory = item.get("pci"), item.get("memory")
    memory = memory if isinstance(memory, Mapping) else {}
    return RblnDevice(
        npu=_shown(item.get("npu")),
        address=address(str(pci.get("bus_id", ""))) if isinstance(pci, Mapping) else "",
        name=_said(item.get("name")),
        sid=_said(item.get("sid")),
        status=_said(item.get("status")),
        firmware=_said(item.get("fw_ver")),
        pstate=_said(item.get("pstate")),
        temperature_c=_in("C °C", item.get("temperature")),
        temperature_said=_shown(item.get("temperature")),
        power_w=_in("W mW uW µW", item.get("card_power")),
        power_said=_shown(item.get("card_power")),
        memory_bytes=_whole(memory.get("total")),
        memory_used_bytes=_whole(memory.get("used")),
    )


def _contexts(listed: object) -> tuple[RblnContext, ...] | None:
    if not isinstance(listed, list):
        return None
    found = []
    for item in listed:
        pid = _whole(item.get("pid")) if isinstance(item, Mapping) else None
        if pid is not None:
            name = _said(item.get("name")) or _said(item.get("process")) or "?"
            memory = _whole(item.get("memalloc"))
            found.append(RblnContext(npu=_shown(item.get("npu")), pid=pid, name=name, memory_bytes=memory))
    return tuple(found)


def parse(text: str) -> RblnState:
    """What `rbln-smi -b -j` printed. Raises ValueError."""
    found = _parsed(text)
    listed = found.get("devices")
    if not isinstance(listed, list):
        raise ValueError(f"{TOOL} -b -j: no devices in its output")
    return RblnState(
        driver_version=_said(found.get("KMD_version")) or _said(found.get("driver_version")),
        devices=tuple(_device(item) for item in listed if isinstance(item, Mapping)),
        contexts=_contexts(found.get("contexts")),
    )


def ask(timeout_s: float = TIMEOUT_S) -> RblnState | str:
    """What the tool says of all devices now, or why it says nothing. Raises nothing."""
    said = output(COMMAND, timeout_s)
    if isinstance(said, Silent):
        return said.reason
    try:
        return parse(said)
    except ValueError as error:
        return str(error)
