"""Two runs at once on one machine, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from npubench.engine import lock
from npubench.engine.lock import FILE, DeviceLock, Holder
from npubench.errors import DeviceBusyError, RunInterruptedError, UsageError

HOLD = """
import sys
from pathlib import Path
from npubench.engine.lock import DeviceLock
with DeviceLock(sys.argv[2], Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(folder: Path, run: str = "results/m/first") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), run], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = hold(tmp_path)
    yield process
    end(process)


def test_two_runs_at_once_the_second_refuses_naming_the_first(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    second = DeviceLock("results/m/second", tmp_path)
    with pytest.raises(DeviceBusyError) as caught:
        second.acquire(0.0)
    assert f"pid {holder.pid}" in str(caught.value)
    assert "results/m/first" in str(caught.value)
    assert caught.value.hint
    assert not second.held


def test_two_runs_at_once_the_second_waits(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    seen: list[Holder] = []

    def on_wait(who: Holder) -> None:
        seen.append(who)
        assert holder.stdin is not None
        holder.stdin.close()

    second = DeviceLock("results/m/second", tmp_path)
    second.acquire(30.0, on_wait)
    assert [(who.pid, who.run) for who in seen] == [(holder.pid, "results/m/first")]
    assert second.held
    assert second.holder() == Holder(os.getpid(), "results/m/second", second.holder().started)  # type: ignore[union-attr]
    second.release()
    holder.wait()
    holder.stdin = None


def test_waiting_ends_after_the_given_time(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(DeviceBusyError, match=r"0\.3"):
        DeviceLock("results/m/second", tmp_path).acquire(0.3)


def test_a_holder_killed_leaves_no_stale_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with DeviceLock("results/m/second", tmp_path) as second:
        assert second.held


def test_a_child_does_not_keep_its_dead_parents_lock(tmp_path: Path) -> None:
    parent = """
import subprocess, sys
from pathlib import Path
from npubench.engine.lock import DeviceLock
DeviceLock("r", Path(sys.argv[1])).acquire()
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=0, stdout=subprocess.DEVNULL,
                         close_fds=False)
print(child.pid, flush=True)
import os
os._exit(0)
"""
    reader, writer = os.pipe()
    done = subprocess.run(
        [sys.executable, "-c", parent, str(tmp_path)], stdin=reader, stdout=subprocess.PIPE, text=True, check=True
    )
    child = int(done.stdout)
    try:
        os.kill(child, 0)
        DeviceLock("r", tmp_path).acquire(0.0)
    finally:
        os.close(writer)
        os.close(reader)


def test_the_lock_can_be_taken_again_and_release_is_idempotent(tmp_path: Path) -> None:
    held = DeviceLock("r", tmp_path)
    held.acquire()
    held.acquire()
    held.release()
    held.release()
    with held:
        assert held.held
    assert held.holder() is None


def test_a_damaged_lock_file_says_nothing_but_still_locks(tmp_path: Path) -> None:
    with DeviceLock("r", tmp_path) as first:
        first.path.write_bytes(b"\xff{not json")
        with pytest.raises(DeviceBusyError, match="pid"):
            DeviceLock("s", tmp_path).acquire()


def test_control_characters_in_the_file_do_not_reach_the_terminal(tmp_path: Path) -> None:
    with DeviceLock("r\x1b[31m", tmp_path), pytest.raises(DeviceBusyError) as caught:
        DeviceLock("s", tmp_path).acquire()
    assert "\x1b" not in str(caught.value)


def test_a_folder_that_cannot_be_used_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="device lock") as caught:
        DeviceLock("r", tmp_path / "file").acquire()
    assert "NPUBENCH_LOCK_DIR" in str(caught.value.hint)


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("keep")
    (tmp_path / FILE).symlink_to(tmp_path / "target")
    with pytest.raises(UsageError):
        DeviceLock("r", tmp_path).acquire()
    assert (tmp_path / "target").read_text() == "keep"


def test_other_users_can_take_the_lock_too(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with DeviceLock("r", tmp_path) as held:
            assert held.path.stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(before)


def test_the_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_LOCK_DIR", str(tmp_path))
    assert DeviceLock("r").path == tmp_path / FILE
    monkeypatch.delenv("NPUBENCH_LOCK_DIR")
    monkeypatch.setattr(lock, "_SHARED", tmp_path)
    tmp_path.chmod(0o700)
    assert lock.lock_folder() != tmp_path
    tmp_path.chmod(0o1777)
    assert lock.lock_folder() == tmp_path


def test_two_locks_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    first, order = DeviceLock("a", tmp_path), []
    first.acquire()
    waiting = threading.Event()

    def other() -> None:
        second = DeviceLock("b", tmp_path)
        second.acquire(30.0, lambda _: waiting.set())
        order.append("second")
        second.release()

    thread = threading.Thread(target=other)
    thread.start()
    waiting.wait(30)
    order.append("first")
    first.release()
    thread.join()
    assert order == ["first", "second"]


def test_ctrl_c_while_waiting_ends_the_wait(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    second = DeviceLock("results/m/second", tmp_path)
    seen: list[Holder] = []
    with pytest.raises(RunInterruptedError, match="nothing was measured") as caught:
        second.acquire(600.0, seen.append, lambda: bool(seen))
    assert caught.value.exit_code == 130
    assert not second.held


def test_the_file_names_the_run_folder_once_there_is_one(tmp_path: Path) -> None:
    with DeviceLock("results", tmp_path) as held:
        for run in ("results/m/a-longer-name", "r"):
            held.names(run)
            said = DeviceLock("x", tmp_path).holder()
            assert said is not None
            assert (said.pid, said.run) == (os.getpid(), run)
