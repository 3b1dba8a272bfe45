"""A worker's memory, seen from outside."""

from __future__ import annotations

import os
import time

import pytest

from npubench.engine import memory
from npubench.engine.memory import Guard, private_bytes
from npubench.schema import Window

GIB = 1 << 30
MIB = 1 << 20


class Held:
    """Stands in for /proc: what the worker holds, and what the machine has left."""

    def __init__(self) -> None:
        self.bytes, self.left = 100 * MIB, 8 * GIB

    def take(self, count: int) -> None:
        self.bytes += count
        self.left -= count


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    found = Held()
    monkeypatch.setattr(memory, "private_bytes", lambda pid: found.bytes)
    return found


def test_a_process_has_private_memory_and_one_that_is_gone_has_none() -> None:
    before = private_bytes(os.getpid())
    assert before is not None
    taken = b"x" * (64 * MIB)
    after = private_bytes(os.getpid())
    assert after is not None
    assert after - before > 32 * MIB
    assert len(taken) == 64 * MIB
    assert private_bytes(2**22 + 1) is None


def test_growth_ends_the_worker_while_there_is_still_a_reserve(held: Held) -> None:
    guard = Guard(1, left=lambda: held.left)
    assert guard.look(0) is None
    said = None
    for request in range(1, 1000):
        held.take(10 * MIB)
        if (said := guard.look(request)) is not None:
            break
    assert said is not None
    # A tenth of the 8 GiB is less than 1 GiB.
    assert 0 < held.left < 0.8 * GIB
    assert f"over {request} requests (10.0 MiB a request)" in said
    assert "were left on the machine" in said


def test_a_machine_with_little_memory_to_begin_with_is_no_fault_of_the_worker(held: Held) -> None:
    held.left = 300 * MIB
    guard = Guard(1, left=lambda: held.left)
    held.take(100 * MIB)
    assert guard.look(0) is None
    held.take(180 * MIB)
    assert guard.look(0) is not None


def test_the_bound_that_is_given_counts(held: Held) -> None:
    guard = Guard(1, most_bytes=300 * MIB, left=lambda: held.left)
    assert guard.look(0) is None
    held.take(250 * MIB)
    said = guard.look(0)
    assert said is not None
    assert said.startswith("its memory grew from 100 MiB to 350 MiB, more than the 300 MiB")


def test_growth_is_told_from_the_phase_that_it_happened_in(held: Held) -> None:
    guard = Guard(1, most_bytes=GIB, left=lambda: held.left)
    guard.look(0)
    held.take(500 * MIB)
    guard.enter()
    guard.look(0)
    held.take(500 * MIB)
    said = guard.look(5)
    assert said is not None
    assert "from 600 MiB to 1.07 GiB over 5 requests (100 MiB a request)" in said


def test_where_memory_cannot_be_read_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "private_bytes", lambda pid: None)
    guard = Guard(1, left=lambda: None)
    assert guard.look(0) is None
    assert guard.use(Window(start_ns=0, end_ns=1)) is None


def test_what_was_held_in_the_window(held: Held) -> None:
    guard = Guard(1, left=lambda: held.left)
    for request in range(5):
        guard.look(request)
        held.take(MIB)
        time.sleep(0.002)
    times = [reading.at_ns for reading in guard._readings]
    use = guard.use(Window(start_ns=times[0], end_ns=times[4]))
    assert use is not None
    assert (use.end_bytes - use.start_bytes, use.requests) == (4 * MIB, 4)
    assert use.start_bytes < use.middle_bytes < use.end_bytes
    # Long before, it was not watched.
    assert guard.use(Window(start_ns=0, end_ns=1_000_000_000)) is None
