"""A pulse of load with its times, and both clocks at one moment."""

from __future__ import annotations

import itertools
import os
import time

from npubench.engine.pulse import busy, clock_pair, pulses


def test_both_clocks_are_read_at_one_moment() -> None:
    before, wall_before = time.perf_counter_ns(), time.time_ns()
    found = clock_pair()
    after, wall_after = time.perf_counter_ns(), time.time_ns()
    assert before <= found.monotonic_ns <= after
    assert wall_before <= found.wall_ns <= wall_after
    assert 0 <= found.gap_ns <= after - before


def test_a_pulse_keeps_the_cores_busy_between_its_times() -> None:
    cpu = time.process_time_ns()
    found = busy(0.3)
    spent = time.process_time_ns() - cpu
    assert found.end_ns - found.start_ns >= 300_000_000
    # Whoever else uses this machine takes from it: a tenth of all its cores shows that it was loaded at all.
    assert spent > (found.end_ns - found.start_ns) * len(os.sched_getaffinity(0)) / 10


def test_pulses_are_apart_and_stop_when_told() -> None:
    found = pulses(pattern=((0.05, 0.1),) * 3)
    assert len(found) == 3
    assert all(late.start_ns - early.end_ns >= 100_000_000 for early, late in itertools.pairwise(found))
    assert pulses(lambda: True) == ()
