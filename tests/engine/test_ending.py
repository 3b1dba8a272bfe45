"""A worker and what it started are ended, whatever they do about it, and never waited for without end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from npubench.engine import ending
from npubench.engine.ending import end_process, session_members, state_of

# A child that leaves the process group, and its parent, both deaf to SIGTERM; the parent says when both are.
FAMILY = """\
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setpgid(0, 0)
    print(os.getpid(), flush=True)
time.sleep(600)
"""


def start(code: str) -> tuple[subprocess.Popen[bytes], int]:
    """A session leader that runs `code`, once it has printed a number."""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    number = int(process.stdout.readline())
    process.stdout.close()
    return process, number


@pytest.fixture
def family() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    process, child = start(FAMILY)
    yield process, child
    for pid in (child, process.pid):
        if process.returncode is None or pid == child:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    process.wait()


def test_a_child_that_left_the_process_group_is_ended_too(
    family: tuple[subprocess.Popen[bytes], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, child = family
    monkeypatch.setattr(ending, "TERM_S", 0.2)
    assert session_members(process.pid) == [child]
    assert end_process(process) == "killed"
    assert process.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert session_members(process.pid) == []


def test_one_that_heeds_sigterm_is_asked_only() -> None:
    process, _ = start("import time; print(1, flush=True); time.sleep(600)")
    assert end_process(process) == "asked"
    assert end_process(process) == "already"


def test_one_that_no_signal_ends_is_not_waited_for(
    family: tuple[subprocess.Popen[bytes], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """State D cannot be made here: the signals are kept from the process instead."""
    process, _ = family
    monkeypatch.setattr(ending, "TERM_S", 0.05)
    monkeypatch.setattr(ending, "KILL_S", 0.05)
    monkeypatch.setattr(ending, "signal_group", lambda leader, number: None)
    assert end_process(process) == "stuck"
    assert process.poll() is None


def test_the_state_of_a_process() -> None:
    assert state_of(os.getpid()) == "R"
    assert state_of(2**22 + 1) == ""
