"""Other processes that are using the processor, by name and pid only: command lines hold secrets.

Reads /proc/<pid>/stat itself: psutil takes 120–280 µs a process here, this 15 µs, and a shared node runs thousands.

Not aware of: whether they disturb a measurement (`preflight`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

# A process is named as busy from a tenth of one core on: less is the usual noise of a running system (our judgement).
BUSY_SHARE = 0.1
_BUSY_LISTED = 5


class Process(msgspec.Struct, frozen=True):
    """One line of the process table. `cpu_ticks` and `started` are in clock ticks (sysconf SC_CLK_TCK)."""

    name: str
    parent: int
    cpu_ticks: int
    started: int


def parse_stat(data: bytes) -> Process:
    """The content of /proc/<pid>/stat (proc_pid_stat(5)). Raises ValueError for anything else."""
    head, bracket, tail = data.rpartition(b")")
    fields = tail.split()
    # Fields 4 (ppid), 14 (utime), 15 (stime) and 22 (starttime), counted from 3 after the name.
    if not bracket or len(fields) < 20:
        raise ValueError("not a stat line")
    name = head.partition(b"(")[2].decode("utf-8", "replace")
    return Process(name, int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[19]))


def process_table(root: Path = Path("/")) -> dict[int, Process]:
    """Every process that can be seen, by pid."""
    table: dict[int, Process] = {}
    base = f"{root / 'proc'}/"
    try:
        entries = os.listdir(base)
    except OSError:
        return table
    for entry in entries:
        if entry.isdigit():
            # A process may end between listing and looking.
            with suppress(OSError, ValueError), open(f"{base}{entry}/stat", "rb", buffering=0) as stream:
                table[int(entry)] = parse_stat(stream.read(4096))
    return table


def own_tree(parents: Mapping[int, int], pid: int) -> set[int]:
    """`pid`, its ancestors and its descendants."""
    own = {pid}
    current = pid
    while (current := parents.get(current, 0)) and current not in own:
        own.add(current)
    below = {pid}
    while below:
        below = {child for child, parent in parents.items() if parent in below} - own
        own |= below
    return own


def busiest(
    before: Mapping[int, Process], after: Mapping[int, Process], ticks_elapsed: float, pid: int
) -> tuple[str, ...]:
    """The busiest processes between two tables that are not of `pid`'s tree, as `name (pid N, P % of a core)`."""
    own = own_tree({number: process.parent for number, process in after.items()}, pid)
    busy = []
    for number, process in after.items():
        earlier = before.get(number)
        # A number may have been given to another process in between.
        if number in own or earlier is None or earlier.started != process.started:
            continue
        share = (process.cpu_ticks - earlier.cpu_ticks) / ticks_elapsed
        if share >= BUSY_SHARE:
            # A process chooses its own name: nothing of it reaches a terminal unfiltered.
            name = "".join(char if char.isprintable() else "?" for char in process.name)[:64]
            busy.append((share, number, name))
    busy.sort(reverse=True)
    return tuple(f"{name} (pid {number}, {share:.0%} of a core)" for share, number, name in busy[:_BUSY_LISTED])


def busy_processes(sample_s: float = 0.2, root: Path = Path("/")) -> tuple[str, ...]:
    """The busiest processes that are not of our own tree, over `sample_s` seconds."""
    before, started = process_table(root), time.monotonic()
    time.sleep(sample_s)
    elapsed = time.monotonic() - started
    return busiest(before, process_table(root), elapsed * os.sysconf("SC_CLK_TCK"), os.getpid())
