"""The registers of the virtual HB-1: one small file that every process of this machine reads, as a driver's would be.

Power is a model, 4 W idle and 21 W more while the NPU computes; it measures nothing.
"""

from __future__ import annotations

import fcntl
import os
import struct
import tempfile
import time
from pathlib import Path

IDLE_W, BUSY_W = 4.0, 21.0

# since_ns, busy_ns, last_ns (end of the last work), runs, pid of the last worker
_LAYOUT = struct.Struct("<5q")
_RECENT_NS = 100_000_000


def _place() -> Path:
    return Path(os.environ.get("HANBIT_STATE") or Path(tempfile.gettempdir()) / f"hanbit-{os.getuid()}")


class Registers:
    """Counters since the device was first used; each change is made under a lock on the file."""

    def __init__(self) -> None:
        place = _place()
        place.mkdir(parents=True, exist_ok=True)
        self._file = os.open(place / "hb1-0", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __del__(self) -> None:
        os.close(self._file)

    def _read(self) -> list[int]:
        raw = os.pread(self._file, _LAYOUT.size, 0)
        found = list(_LAYOUT.unpack(raw)) if len(raw) == _LAYOUT.size else [0, 0, 0, 0, 0]
        now = time.perf_counter_ns()
        # Nothing yet, or from before this machine was started.
        return found if 0 < found[0] <= now else [now, 0, 0, 0, 0]

    def _update(self, busy_ns: int) -> list[int]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            since_ns, busy, last_ns, runs, pid = self._read()
            if busy_ns:
                busy, last_ns, runs, pid = busy + busy_ns, time.perf_counter_ns(), runs + 1, os.getpid()
            os.pwrite(self._file, _LAYOUT.pack(since_ns, busy, last_ns, runs, pid), 0)
            return [since_ns, busy, last_ns, runs, pid]
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def worked(self, busy_ns: int) -> None:
        """The NPU has computed for so long."""
        self._update(busy_ns)

    def snapshot(self) -> dict[str, str]:
        """Everything as text with units."""
        since_ns, busy_ns, last_ns, runs, pid = self._update(0)
        now = time.perf_counter_ns()
        energy_j = IDLE_W * (now - since_ns) / 1e9 + BUSY_W * busy_ns / 1e9
        working = now - last_ns < _RECENT_NS
        return {
            "energy": f"{round(energy_j * 1e6)}uJ",
            "power": f"{round((IDLE_W + BUSY_W * working) * 1e6)}uW",
            "temperature": "41C",
            "throttle": "none",
            "resets": "0",
            "runs": str(runs),
            "pid": str(pid) if pid and Path(f"/proc/{pid}").exists() else "",
        }
