"""The process between a run and the server that it starts: ends the server when it is told to, or when the run is gone.

    python -m npubench.engine.keeper PARENT SIGNAL GRACE_S COMMAND…

It leads a session of its own, in which the server runs; what the server writes goes where the keeper's output goes.
Guarantees: on SIGTERM, and when the thread that started it ends (PDEATHSIG), the server gets SIGNAL and GRACE_S seconds
to end; then whatever is left of the session is killed. Ends with the server's exit code (128 + n for a signal n; 127
where it cannot be started, with the reason on standard error).

Not reached: a server that makes a session of its own. Not aware of: ports, HTTP.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from npubench.engine.ending import session_members

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
NOT_STARTED = 127


class _Told(Exception):  # noqa: N818 - not an error
    """Somebody wants the server to end."""


def _told(_number: int, _frame: object) -> None:
    raise _Told


def keep(command: Sequence[str], stop: signal.Signals, grace_s: float) -> int:
    """Runs `command` until it ends or this process is told to; returns the exit code."""
    server: subprocess.Popen[bytes] | None = None
    code = 0
    try:
        signal.signal(signal.SIGTERM, _told)
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        code = server.wait()
    except OSError as error:
        print(f"{command[0]}: cannot be started: {error.strerror}", file=sys.stderr)  # noqa: T201
        code = NOT_STARTED
    except _Told:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if server is not None:
            server.send_signal(stop)
            with suppress(subprocess.TimeoutExpired):
                code = server.wait(grace_s)
    finally:
        # Workers of a server outlive it now and then; they would hold the device.
        for pid in session_members(os.getsid(0)):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
    if server is not None and server.poll() is None:
        code = server.wait()
    return 128 - code if code < 0 else code


def main(arguments: Sequence[str]) -> int:
    """`arguments` as above. Ends at once where the parent has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(arguments[0]):
        return 1
    # Ours alone: a server may well be a script that imports what lies beside it.
    os.environ.pop("PYTHONSAFEPATH", None)
    return keep(arguments[3:], signal.Signals[arguments[1]], float(arguments[2]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
