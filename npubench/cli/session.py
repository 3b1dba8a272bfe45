"""What surrounds a measuring command: Ctrl-C that asks before it ends, and the devices of this machine held alone."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from npubench.cli.progress import Console
from npubench.engine.launcher import StopRequested
from npubench.engine.lock import DeviceLock
from npubench.errors import RunInterruptedError
from npubench.lang import here


class Stop:
    """Ctrl-C: once asks the command to stop, twice ends it at once."""

    def __init__(self) -> None:
        self.requested = False

    def __call__(self) -> bool:
        return self.requested

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        text = here(
            "stopping after the write in progress; Ctrl-C again ends at once",
            "쓰기를 마치고 멈춥니다. 한 번 더 누르면 즉시 끝냅니다",
        )
        print(f"\nnpubench: {text}", file=sys.stderr)  # noqa: T201

    def __enter__(self) -> Stop:
        self._before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Listens to Ctrl-C. A child that was stopped before there was a run becomes RunInterruptedError."""
    try:
        with Stop() as stop:
            yield stop
    except StopRequested:
        raise RunInterruptedError(
            here("stopped before anything was measured", "측정을 시작하기 전에 멈췄습니다")
        ) from None


@contextmanager
def devices(run: Path, wait_s: float, console: Console, stop: Stop) -> Iterator[DeviceLock]:
    """Holds the lock of this machine's devices for `run`. Raises DeviceBusyError after `wait_s` seconds."""
    lock = DeviceLock(run)
    lock.acquire(wait_s, console.waiting, stop)
    try:
        yield lock
    finally:
        lock.release()
