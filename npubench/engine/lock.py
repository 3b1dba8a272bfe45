"""One run at a time on the devices of one machine.

Two runs at once would measure each other. The lock is `flock` on one file per machine, so the kernel releases it when
its holder dies, however it dies: no stale lock, nothing to clean up. The file says who holds it (pid, run folder,
start) and is left in place. The descriptor is close-on-exec: children never keep a dead parent's lock.

The file lies in NPUBENCH_LOCK_DIR, else in the system's shared lock folder where everybody may write there, else in the
system's folder for temporary files. Containers that share devices must share that folder to see each other.

Not aware of: which devices a run uses; there is one lock for all of them.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import msgspec

from npubench.errors import DeviceBusyError, RunInterruptedError, UsageError
from npubench.lang import here
from npubench.units import utc_now

FILE = "npubench-devices.lock"
_POLL_S = 0.2
# The Filesystem Hierarchy Standard's place for device lock files (FHS 3.0, 3.15.4 and 5.9).
_SHARED = Path("/run/lock")


class Holder(msgspec.Struct, frozen=True):
    """Who holds the devices. `run` is the run folder, or the results folder until there is one. `started`: ISO 8601."""

    pid: int
    run: str
    started: str


def lock_folder() -> Path:
    """Where the lock file lies (module docstring)."""
    if configured := os.environ.get("NPUBENCH_LOCK_DIR"):
        return Path(configured)
    with suppress(OSError):
        # Only where every user can write: else root and others would look at different files.
        mode = _SHARED.stat().st_mode
        if mode & stat.S_IWOTH and mode & stat.S_ISVTX:
            return _SHARED
    return Path(tempfile.gettempdir())


def _open(path: Path) -> int:
    # First without O_CREAT: with fs.protected_regular the kernel refuses it for other users' files in sticky folders.
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            for mode in (os.O_RDWR, os.O_RDONLY):
                with suppress(FileNotFoundError, PermissionError):
                    return os.open(path, mode | flags)
            with suppress(FileExistsError):
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o666)
                # Past the umask, so that another user's run can take the lock and say who it is.
                os.fchmod(descriptor, 0o666)
                return descriptor
        return os.open(path, os.O_RDWR | flags)
    except OSError as error:
        raise UsageError(
            f"{path}: the device lock cannot be opened: {error.strerror}",
            hint="name a folder that every user of these devices can write to with NPUBENCH_LOCK_DIR",
        ) from error


class DeviceLock:
    """The lock of this machine's devices, for the run in `run_folder`.

    `acquire` waits and may raise; `with DeviceLock(folder):` is `acquire(0)` and `release`.
    """

    def __init__(self, run_folder: Path | str, folder: Path | None = None) -> None:
        self.path = (folder or lock_folder()) / FILE
        self._run = str(run_folder)
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def holder(self) -> Holder | None:
        """What the file says about its (latest) holder, None where it says nothing that can be read."""
        try:
            return msgspec.json.decode(self.path.read_bytes()[:4096], type=Holder)
        except (OSError, msgspec.DecodeError):
            return None

    def acquire(
        self,
        wait_s: float = 0.0,
        on_wait: Callable[[Holder], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Takes the lock, waiting up to `wait_s` seconds. Calls `on_wait` once for each holder that is waited for.

        Raises DeviceBusyError naming the holder's pid and run folder, RunInterruptedError when `stop()` turns true
        while waiting, UsageError when the file cannot be opened.
        """
        if self._descriptor is not None:
            return
        deadline = time.monotonic() + wait_s
        descriptor = _open(self.path)
        announced: Holder | None = None
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    pass
                if stop():
                    raise RunInterruptedError(
                        here("stopped while waiting; nothing was measured", "대기 중에 멈춤. 측정한 것이 없습니다")
                    )
                now = time.monotonic()
                holder = self.holder() or Holder(pid=0, run="?", started="?")
                if now >= deadline:
                    raise _busy(holder, wait_s)
                if on_wait is not None and holder != announced:
                    announced = holder
                    on_wait(holder)
                time.sleep(min(_POLL_S, deadline - now))
            self._say_who(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def names(self, run_folder: Path | str) -> None:
        """Says in the file which run folder it is, once there is one."""
        self._run = str(run_folder)
        if self._descriptor is not None:
            self._say_who(self._descriptor)

    def _say_who(self, descriptor: int) -> None:
        content = msgspec.json.encode(Holder(pid=os.getpid(), run=self._run, started=utc_now())) + b"\n"
        # A file of another user may be readable only: the lock holds all the same, it just cannot say whose it is.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, content, 0)

    def release(self) -> None:
        """Gives the lock back. Does nothing when it is not held."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> DeviceLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def _busy(holder: Holder, wait_s: float) -> DeviceBusyError:
    # The file may be anybody's: nothing of it reaches a terminal unfiltered.
    run = "".join(char for char in holder.run if char.isprintable())[:300]
    waited = here(f" after waiting {wait_s:g} s", f" ({wait_s:g}초 기다림)") if wait_s > 0 else ""
    return DeviceBusyError(
        here(
            f"another npubench run holds this machine's devices{waited}: pid {holder.pid or 'unknown'}, {run}",
            f"다른 npubench 실행이 이 장비의 장치를 사용 중입니다{waited}: pid {holder.pid or '알 수 없음'}, {run}",
        ),
        hint=here(
            "wait for it to end, or stop it with Ctrl-C; what it measured so far is kept",
            "끝날 때까지 기다리거나 Ctrl-C로 중단하세요. 지금까지 측정한 결과는 보존됩니다",
        ),
    )
