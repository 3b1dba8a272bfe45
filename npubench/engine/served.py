"""Evidence of where a server runs that this run started: its processes on devices, the processors that they use and the
power of their devices, before and within a timed window.

Read from /proc and the vendors' tools before the launch and right after its window, never within it. Guarantees: never
raises for what cannot be read; a server that somebody else started is not looked at, because which processes are its
cannot be told.

Not aware of: what it amounts to (`stats.server`).
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from npubench.conditions import DeviceProcess
from npubench.energy import ChannelEnergy, EnergyLedger
from npubench.engine.devices import look
from npubench.engine.holders import files_of, nodes, scan
from npubench.engine.protocol import Event, Phase
from npubench.engine.serving import Server
from npubench.evidence import Certificate, ServerDevice, ServerEvidence
from npubench.schema import Launch, Machine, PlannedCell
from npubench.spi import Device
from npubench.stats.server import judged
from npubench.tools import printable

_IDLE_S = 1.0
# What the worker says of itself, not the server.
_OURS = ("numpy", "npubench-worker")


class Observing:
    """One launch of an endpoint. Feed it the worker's events; `evidence` is for after it."""

    def __init__(self, server: Server | None, machine: Machine, root: Path = Path("/")) -> None:
        self._server = server
        self._root = root
        self._machine = machine
        self._idle_cores = self._cores(_IDLE_S) if server is not None else None
        self._at: tuple[int, int] | None = None
        self._load_cores: float | None = None
        self._devices: tuple[ServerDevice, ...] = ()
        self._unseen: tuple[str, ...] = ()
        self._programs: dict[int, str] = {}

    def event(self, event: Event) -> None:
        """Reads the server's times at both ends of the window, and the devices after it."""
        if self._server is None or not isinstance(event, Phase):
            return
        if event.name == "measure":
            self._at = self._used()
        elif event.name == "check" and self._at is not None:
            (cpu_ns, at_ns), self._at = self._at, None
            used, now = self._used()
            self._load_cores = max(0, used - cpu_ns) / max(1, now - at_ns)
            self._look()

    def evidence(self, launch: Launch) -> ServerEvidence:
        """What was seen, with the power that the launch's ledger has of the devices, judged."""
        said = _claims(launch)
        if self._server is None:
            return judged(ServerEvidence(claims=said))
        return judged(
            ServerEvidence(
                claims=said,
                processes=len(self._programs),
                programs=tuple(sorted(set(self._programs.values()))),
                devices=tuple(_powered(device, launch.energy) for device in self._devices),
                unseen=self._unseen,
                idle_cores=self._idle_cores,
                load_cores=self._load_cores,
                ready_ns=self._server.ready_ns,
                ready_by=self._server.by,
            )
        )

    def _look(self) -> None:
        assert self._server is not None
        pids = set(self._server.processes)
        self._programs = {pid: name for pid in pids if (name := _program(pid))}
        everything = self._machine.accelerators
        held, self._unseen = _held(everything, pids, self._root)
        # None of them is left out as our own: these are the ones that are looked for.
        states = look(everything, all_devices=everything, own=set(), root=self._root)
        found = []
        for state in states.values():
            told = [process for process in state.processes or () if process.pid in pids]
            # In a container of its own numbers a tool names no process of ours.
            named = {process.pid for process in told}
            mine = [*told, *(process for process in held[state.id] if process.pid not in named)]
            if mine:
                sizes = [process.memory_bytes for process in mine if process.memory_bytes is not None]
                found.append(
                    ServerDevice(
                        id=state.id,
                        name=state.name,
                        processes=len(mine),
                        # A device's file may be open for its memory's sake; a tool that knows who computes knows how
                        # much memory they hold.
                        computes=any(process.computes and process.memory_bytes is not None for process in mine),
                        memory_bytes=sum(sizes) if sizes else None,
                    )
                )
        self._devices = tuple(found)

    def _used(self) -> tuple[int, int]:
        """(ns of processor time of all its processes, now)."""
        assert self._server is not None
        return sum(_cpu_ns(pid) for pid in self._server.processes), time.monotonic_ns()

    def _cores(self, seconds: float) -> float:
        cpu_ns, at_ns = self._used()
        time.sleep(seconds)
        used, now = self._used()
        return max(0, used - cpu_ns) / max(1, now - at_ns)


def certificate(cell: PlannedCell, found: ServerEvidence, launch: Launch) -> Certificate:
    """The certificate of an endpoint's build: no graph to be seen, and what is known of its server."""
    placement = launch.placement
    return Certificate(
        model=cell.model,
        precision=cell.precision,
        variant=cell.variant,
        backend=cell.backend,
        extent="unknown",
        execution_kind="endpoint",
        requested=placement.requested if placement is not None else "endpoint",
        device_type="endpoint",
        devices=placement.devices if placement is not None else (),
        versions=dict(launch.process.versions) if launch.process is not None else {},
        macs_reason=NO_GRAPH,
        profile_reason=NO_GRAPH,
        strict_reason=NO_GRAPH,
        sources=("claimed",) if found.seen == "claimed" else ("claimed", "observed"),
        server=found,
    )


NO_GRAPH = "an endpoint shows no graph"


def _held(
    devices: Sequence[Device], pids: set[int], root: Path
) -> tuple[Mapping[str, tuple[DeviceProcess, ...]], tuple[str, ...]]:
    """Device → those of `pids` that have its files open; and the devices of which that cannot be told.

    It cannot where a device's files are not known, where files of a process cannot be looked at, or where one holds a
    file of the vendor's that nothing ties to a card.
    """
    counts = Counter(device.vendor for device in devices)
    files = {device.id: nodes(device, counts[device.vendor], root) for device in devices}
    kinds = {vendor: files_of(vendor, root) for vendor in counts}
    seen = scan({**files, **kinds}, set(), root, only=pids)
    tied = {device.vendor for device in devices if seen.found[device.id]}
    unseen = tuple(
        device.id
        for device in devices
        if seen.unseen
        or not (files[device.id] or kinds[device.vendor])
        or (seen.found[device.vendor] and device.vendor not in tied)
    )
    return seen.found, unseen


def _claims(launch: Launch) -> dict[str, str]:
    versions = launch.process.versions if launch.process is not None else {}
    said = {name: text for name, text in versions.items() if name not in _OURS}
    for device in launch.placement.devices if launch.placement is not None else ():
        said |= {name: str(text) for name, text in device.detail.items()}
    return said


def _powered(device: ServerDevice, ledger: EnergyLedger) -> ServerDevice:
    channels: Mapping[str, ChannelEnergy] = ledger.channels
    mine = [one for one in channels.values() if one.device == device.id and one.mean_w is not None]
    if not mine:
        return device
    return msgspec.structs.replace(device, idle_w=mine[0].idle_w, load_w=mine[0].mean_w)


def _cpu_ns(pid: int) -> int:
    """Processor time of a process and of its children that have ended (proc(5), stat: fields 14 to 17)."""
    with suppress(OSError, IndexError, ValueError):
        after = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return sum(map(int, after[11:15])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    return 0


def _program(pid: int) -> str:
    with suppress(OSError):
        return printable(Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip())
    return ""
