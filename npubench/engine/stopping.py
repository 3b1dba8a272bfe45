"""How a worker ends when its parent says SIGTERM: what its runtime runs or loads is ended first.

The handler of a signal in Python waits until the interpreter has its turn, which it has not while a runtime computes.
So the signal's number also goes to a pipe, as soon as it arrives, and a thread that waits there asks the adapter to
interrupt (`spi.Interrupts`); then the call that was in flight raises, the handler has its turn and the process ends as
any Python process ends: a device is not left in the middle of a request. Until then the thread sleeps in `read` and
costs the measured process nothing. Who does not heed this gets SIGKILL from the parent.

Source: the Python library reference, `signal.set_wakeup_fd`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType

from npubench.spi import Adapter, Interrupts

EXIT_CODE = 128 + signal.SIGTERM
"""What a shell says of a process that SIGTERM ended."""

_adapters: list[Interrupts] = []


def install() -> None:
    """From here on SIGTERM ends this process as described above. To be called once, from the main thread."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_wait, args=(reader,), name="npubench-stopping", daemon=True).start()


def includes(adapter: Adapter) -> None:
    """`adapter` is asked to interrupt when the time has come, if it can."""
    if isinstance(adapter, Interrupts):
        _adapters.append(adapter)


def _wait(reader: int) -> None:
    while signal.SIGTERM not in os.read(reader, 64):
        pass
    for adapter in _adapters:
        with suppress(Exception):  # the process ends anyway
            adapter.interrupt()


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(EXIT_CODE)
