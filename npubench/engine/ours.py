"""How long our own processes ran on a processor, and how long they waited for one.

Of this process and its descendants, all their threads: the kernel's /proc/<pid>/task/<tid>/schedstat (documentation,
scheduler/sched-stats: ns on a processor, ns waiting on a run queue, time slices). A thread that ended takes its times
along. Some 20 µs a thread; nothing is read of anybody else's processes.

Not aware of: what of it is a disturbance (`stats.conditions`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class OwnTimes(NamedTuple):
    """Of all our threads together. `waited_ns`: runnable, and not running."""

    ran_ns: int
    waited_ns: int


def parse_schedstat(text: str) -> OwnTimes | None:
    """The content of a schedstat file; None for anything else (a kernel without CONFIG_SCHED_INFO gives zeros)."""
    fields = text.split()
    if len(fields) != 3 or not all(field.isdigit() for field in fields):
        return None
    return OwnTimes(int(fields[0]), int(fields[1]))


def tree(pid: int, root: Path = Path("/")) -> list[int]:
    """`pid` and its descendants, as far as the kernel tells (CONFIG_PROC_CHILDREN)."""
    found, left = [], [pid]
    while left:
        current = left.pop()
        if current in found:
            continue
        found.append(current)
        for task in _tasks(current, root):
            with suppress(OSError, ValueError):
                left += [int(word) for word in (task / "children").read_text().split()]
    return found


def own_times(pid: int | None = None, root: Path = Path("/")) -> OwnTimes | None:
    """Of this process (or `pid`) and its descendants; None where the kernel does not tell."""
    total: OwnTimes | None = None
    for process in tree(os.getpid() if pid is None else pid, root):
        for task in _tasks(process, root):
            with suppress(OSError):
                if (one := parse_schedstat((task / "schedstat").read_text())) is not None:
                    before = total or OwnTimes(0, 0)
                    total = OwnTimes(before.ran_ns + one.ran_ns, before.waited_ns + one.waited_ns)
    return total


def _tasks(pid: int, root: Path) -> list[Path]:
    try:
        return list((root / "proc" / str(pid) / "task").iterdir())
    except OSError:
        return []
