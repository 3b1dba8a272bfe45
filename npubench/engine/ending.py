"""Ends a worker and everything that it started, gently and then not.

Guarantees: returns within a bounded time whatever the process does; no member of the worker's session stays, also one
that left its process group. Not reached: a daemon that made a session of its own, and a process inside a driver call
that no signal interrupts, which is reported as stuck.

Not aware of: jobs, answers.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Literal

Ended = Literal["already", "asked", "killed", "stuck"]
"""How it ended: before we came, on SIGTERM, on SIGKILL, or not at all."""

# Grace between SIGTERM and SIGKILL; a hung driver call ignores the first.
TERM_S = 2.0
# A killed process goes at once unless the kernel itself waits for a device (state D); then nobody knows how long.
KILL_S = 10.0
# A member that forks while it is looked for is found in the next look.
_LOOKS = 3


def end_process(process: subprocess.Popen[bytes]) -> Ended:
    """Ends and reaps `process`, which leads a session of its own, and ends what is left of its session."""
    how: Ended = "already"
    if process.poll() is None:
        how = "asked"
        signal_group(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(TERM_S)
        if process.returncode is None:
            how = "killed"
    # Helpers of a vendor's runtime may outlive the worker, or not heed the first signal.
    signal_group(process.pid, signal.SIGKILL)
    for _ in range(_LOOKS):
        left = session_members(process.pid)
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not left:
            break
    try:
        process.wait(KILL_S)
    except subprocess.TimeoutExpired:
        return "stuck"
    return how


def signal_group(leader: int, number: signal.Signals) -> None:
    """Signals the process group of a session's leader; without members left there is no such group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def session_members(session: int) -> list[int]:
    """The living processes of a session, its leader apart; none where /proc cannot be read."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        state, member = _state_and_session(int(entry.name))
        if member == session and state != "Z" and entry.name != str(session):
            found.append(int(entry.name))
    return found


def state_of(pid: int) -> str:
    """A process's state letter as the kernel has it (proc(5): D is an uninterruptible wait), "" where it is gone."""
    return _state_and_session(pid)[0]


def _state_and_session(pid: int) -> tuple[str, int]:
    try:
        # The name in parentheses may hold anything, also parentheses; what follows the last one is numbers.
        after = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return "", -1
    return after[0].decode(), int(after[3])
