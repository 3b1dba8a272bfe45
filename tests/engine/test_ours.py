"""How long our own processes ran and waited, from the kernel's own files and from made ones."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from npubench.engine.counters import Counted, Counters, between, parse_busy
from npubench.engine.ours import OwnTimes, own_times, parse_ran, parse_waited, tree

_SPIN = "import time, sys\nend = time.perf_counter() + float(sys.argv[1])\nwhile time.perf_counter() < end: pass"


@pytest.mark.parametrize("text", ["", "1 2", "1 2 x", "-1 2 3", "1 2 3 4"])
def test_anything_else_is_no_schedstat(text: str) -> None:
    assert parse_waited(text) is None


STAT = "{pid} (a (b) c) S 1 1 1 0 -1 4194560 9 9 0 0 {times} 20 0 1 0 100 9 9"


def test_what_waited_is_of_a_thread_and_what_ran_of_a_process_with_the_children_that_ended() -> None:
    assert parse_waited("1500 200 3\n") == 200
    assert parse_ran(STAT.format(pid=7, times="5 2 30 1"), 100) == 380_000_000
    for text in ("", "7 (x) S 1", STAT.format(pid=7, times="5 2 -30 1")):
        assert parse_ran(text, 100) is None


def test_processes_and_threads_are_added_up_from_a_copy_of_the_files(tmp_path: Path) -> None:
    for pid, task, children, times in ((10, 10, "11 12", "100 1 1"), (10, 20, "", "50 2 1"), (11, 11, "10", "7 3 1")):
        folder = tmp_path / "proc" / str(pid) / "task" / str(task)
        folder.mkdir(parents=True)
        (folder / "children").write_text(children)
        (folder / "schedstat").write_text(times)
        ticks = {10: "1 2 3 4", 11: "0 5 0 0"}[pid]
        (tmp_path / "proc" / str(pid) / "stat").write_text(STAT.format(pid=pid, times=ticks))
    assert sorted(tree(10, tmp_path)) == [10, 11, 12]
    assert own_times(10, tmp_path) == OwnTimes(15 * 1_000_000_000 // os.sysconf("SC_CLK_TCK"), 6)
    assert own_times(99, tmp_path) is None


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this kernel tells no waiting times")
def test_a_child_that_computes_is_ours_and_no_other(tmp_path: Path) -> None:
    before = own_times()
    child = subprocess.Popen([sys.executable, "-c", _SPIN, "5"])
    try:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            now = own_times()
            assert before is not None
            assert now is not None
            if now.ran_ns - before.ran_ns > 200_000_000:
                break
            time.sleep(0.05)
        else:
            pytest.fail("the child's time was not seen")
        assert child.pid in tree(os.getpid())
    finally:
        child.kill()
        child.wait()


def test_a_thread_that_ended_ran_for_us(tmp_path: Path) -> None:
    """Lanes of a window are threads that begin and end within it: what they ran is nobody else's work."""

    def spin() -> None:
        until = time.thread_time() + 0.3
        while time.thread_time() < until:
            pass

    before = own_times()
    lane = threading.Thread(target=spin)
    lane.start()
    lane.join()
    after = own_times()
    assert before is not None
    assert after is not None
    assert after.ran_ns - before.ran_ns >= 250_000_000


def test_what_the_processors_ran_less_what_we_ran_is_others() -> None:
    stat = "cpu 0 0 0 0\ncpu0 100 10 20 900 5 3 2 50 0 0\ncpu1 1 1 1 1 1 1 1 1 0 0\n"
    assert parse_busy(stat, frozenset({0}), 100) == 1_350_000_000
    assert parse_busy("cpu0 1 2\n", frozenset({0}), 100) is None
    early = Counters(at_ns=0, processors=2, busy_ns=0, own=OwnTimes(0, 0))
    late = Counters(at_ns=10, processors=2, busy_ns=900, own=OwnTimes(600, 40))
    found = between(early, late)
    assert (found.others_ns, found.ran_ns, found.waited_ns) == (300, 600, 40)
    # Two ways of counting: never below nothing.
    assert between(early, Counters(at_ns=10, processors=2, busy_ns=500, own=OwnTimes(600, 40))).others_ns == 0
    unknown = between(early, Counters(at_ns=10, processors=2, busy_ns=900))
    assert (unknown.others_ns, unknown.ran_ns, unknown.waited_ns) == (None, None, None)


def test_a_copy_of_another_machines_files_has_none_of_our_processes(tmp_path: Path) -> None:
    assert Counted(tmp_path).take().own is None
