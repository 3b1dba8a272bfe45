"""How long our own processes ran on a processor, and how long they waited for one.

Of this process and its descendants. What ran: /proc/<pid>/stat (proc(5): user and system time of the process and of
its children that ended, threads that ended among it), in ticks as /proc/stat counts everybody's. What waited: the
kernel's /proc/<pid>/task/<tid>/schedstat (documentation, scheduler/sched-stats: ns on a processor, ns waiting on a run
queue, time slices); a thread that ended takes that along. Some 20 µs a thread; nothing is read of anybody else's
processes.

Not aware of: what of it is a disturbance (`stats.conditions`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class OwnTimes(NamedTuple):
    """Of all our threads together. `waited_ns`: runnable, and not running, of threads that are still there."""

    ran_ns: int
    waited_ns: int


# Of /proc/<pid>/stat, behind the name: utime, stime, cutime, cstime (proc(5), fields 14 to 17).
_TIMES = slice(11, 15)


def parse_waited(text: str) -> int | None:
    """ns that a thread waited, from its schedstat file; None for anything else (a kernel without CONFIG_SCHED_INFO
    gives zeros).
    """
    fields = text.split()
    if len(fields) != 3 or not all(field.isdigit() for field in fields):
        return None
    return int(fields[1])


def parse_ran(text: str, ticks_per_s: int) -> int | None:
    """ns that a process, its threads and its children that ended ran, from its stat file; None for anything else."""
    # The name of a process may have blanks and brackets in it.
    fields = text.rpartition(")")[2].split()[_TIMES]
    if len(fields) != 4 or not all(field.isdigit() for field in fields):
        return None
    return sum(map(int, fields)) * (1_000_000_000 // ticks_per_s)


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
    ran: list[int | None] = []
    waited: list[int | None] = []
    ticks = os.sysconf("SC_CLK_TCK")
    for process in tree(os.getpid() if pid is None else pid, root):
        with suppress(OSError):
            ran.append(parse_ran((root / "proc" / str(process) / "stat").read_text("utf-8", "replace"), ticks))
        for task in _tasks(process, root):
            with suppress(OSError):
                waited.append(parse_waited((task / "schedstat").read_text()))
    known = [value for value in ran if value is not None], [value for value in waited if value is not None]
    return OwnTimes(sum(known[0]), sum(known[1])) if all(known) else None


def _tasks(pid: int, root: Path) -> list[Path]:
    try:
        return list((root / "proc" / str(pid) / "task").iterdir())
    except OSError:
        return []
