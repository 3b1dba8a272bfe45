"""How much memory a worker holds and how much the machine has left, read from outside while it runs.

Guarantees: a worker that eats the machine's memory is noticed before the kernel has to choose whom to kill, and reading
costs the worker nothing. A worker's memory is its private memory (resident less shared): mapped weights, which the
kernel can drop, do not count. What a driver pins outside of any process shows only in what the machine has left.

Not aware of: jobs, verdicts (`stats.memory`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from npubench.engine.machine import cgroup_folders
from npubench.schema import MemoryUse, Window
from npubench.units import show_bytes

# A worker is ended when less than this is left, or less than this share of what was left when it started: time for the
# parent's next look at a process that touches some GB/s, and room for everybody else.
RESERVE_BYTES = 1 << 30
RESERVE_SHARE = 0.10
# What is left is read this often, and when the worker has grown by this part of the reserve.
_LEFT_NS = 1_000_000_000
_GROWN_PARTS = 8
# A reading stands for a moment of the window when it is this near: the parent looks ten times a second.
_NEAR_NS = 250_000_000
_NEAR_SHARE = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Reading(msgspec.Struct, frozen=True):
    """Private memory of the worker at a time (CLOCK_MONOTONIC), and the requests it had completed."""

    at_ns: int
    held_bytes: int
    completed: int


def private_bytes(pid: int) -> int | None:
    """Resident less shared memory of a process, None where it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_bytes().split()
    except OSError:
        return None
    return (int(pages[1]) - int(pages[2])) * _PAGE if len(pages) > 2 else None


def available_bytes(root: Path = Path("/")) -> int | None:
    """Memory that this process could still get: the system's estimate, or what its cgroup has left."""
    found = []
    for line in _read(root / "proc/meminfo").splitlines():
        key, _, value = line.partition(":")
        if key == "MemAvailable" and value.split() and value.split()[0].isdigit():
            found.append(int(value.split()[0]) * 1024)
    for folder in cgroup_folders(root, "memory"):
        for limit, used in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            most, now = _read(folder / limit), _read(folder / used)
            if most.isdigit() and now.isdigit():
                # Page cache counts as used but is given back under pressure.
                cache = 0
                for line in _read(folder / "memory.stat").splitlines():
                    key, _, value = line.partition(" ")
                    if key in ("inactive_file", "total_inactive_file") and value.isdigit():
                        cache = max(cache, int(value))
                found.append(max(0, int(most) - int(now) + cache))
    return min(found, default=None)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


class Guard:
    """Watches one worker's memory. `most_bytes` is the most that it may hold; None: what leaves the reserve."""

    def __init__(
        self, pid: int, most_bytes: int | None = None, left: Callable[[], int | None] = available_bytes
    ) -> None:
        self._pid = pid
        self._most_bytes = most_bytes
        self._read_left = left
        self._left = left()
        self._left_at: tuple[int, int] = time.perf_counter_ns(), 0
        self._reserve = min(RESERVE_BYTES, int(RESERVE_SHARE * self._left)) if self._left is not None else 0
        self._readings: list[Reading] = []
        self._entered: Reading | None = None

    def enter(self) -> None:
        """A phase of the worker's begins: growth is counted from here."""
        self._entered = None

    def look(self, completed: int) -> str | None:
        """Takes a reading; returns why the worker has to be ended, if it has to."""
        held = private_bytes(self._pid)
        if held is None:
            return None
        reading = Reading(time.perf_counter_ns(), held, completed)
        self._readings.append(reading)
        if self._entered is None:
            self._entered = reading
        self._refresh(reading)
        if self._most_bytes is not None and held > self._most_bytes:
            return f"{self._growth(reading)}, more than the {show_bytes(self._most_bytes)} that it may hold"
        if self._left is not None and self._left < self._reserve:
            return f"{self._growth(reading)}, and {show_bytes(self._left)} were left on the machine"
        return None

    def use(self, window: Window) -> MemoryUse | None:
        """What the worker held at the start, middle and end of its window; None where it was not read that often."""
        middle = (window.start_ns + window.end_ns) // 2
        found = [self._near(at_ns, window) for at_ns in (window.start_ns, middle, window.end_ns)]
        start, half, end = found
        if start is None or half is None or end is None or not start.at_ns < half.at_ns < end.at_ns:
            return None
        return MemoryUse(
            start_bytes=start.held_bytes,
            middle_bytes=half.held_bytes,
            end_bytes=end.held_bytes,
            requests=end.completed - start.completed,
            left_bytes=self._left,
        )

    def _near(self, at_ns: int, window: Window) -> Reading | None:
        near = min(self._readings, key=lambda reading: abs(reading.at_ns - at_ns), default=None)
        bound = max(_NEAR_NS, _NEAR_SHARE * (window.end_ns - window.start_ns))
        return near if near is not None and abs(near.at_ns - at_ns) <= bound else None

    def _refresh(self, reading: Reading) -> None:
        """What the machine has left, where that may have changed: reading it takes longer than a process's own."""
        at_ns, held = self._left_at
        if reading.at_ns - at_ns > _LEFT_NS or reading.held_bytes - held > self._reserve // _GROWN_PARTS:
            self._left, self._left_at = self._read_left(), (reading.at_ns, reading.held_bytes)

    def _growth(self, now: Reading) -> str:
        """From what to what the worker grew, and by how much a request."""
        entered = self._entered or now
        said = f"its memory grew from {show_bytes(entered.held_bytes)} to {show_bytes(now.held_bytes)}"
        requests = now.completed - entered.completed
        if requests <= 0:
            return said
        each = (now.held_bytes - entered.held_bytes) / requests
        return f"{said} over {requests} requests ({show_bytes(each)} a request)"
