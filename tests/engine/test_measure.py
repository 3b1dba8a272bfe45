"""The closed loop under a clock of our own: when it ends, what a row holds, what becomes of errors."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from npubench.engine import generator, measure, table
from npubench.engine.generator import closed_loop
from npubench.engine.measure import quiet_collector
from npubench.engine.table import SampleTable
from npubench.schema import SAMPLE_COLUMNS
from npubench.spi import RequestError, Step
from tests.clock import ORIGIN_NS, Clock

STEP_NS = 10


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch, generator, measure, table)


def driven(
    folder: Path,
    step: Step,
    *,
    stop: int = 100,
    least: int = 0,
    last: int = 1_000,
    capacity: int = 200,
    tokens: int = 0,
    at_once: bool = False,
) -> dict[str, list[int]]:
    """One lane of `step`. The columns of the finished rows."""
    samples = SampleTable(folder, capacity, tokens)
    closed_loop([step], samples, 0, window_ns=stop, least=least, last_ns=last, at_once=at_once)
    return columns(folder)


def columns(folder: Path) -> dict[str, list[int]]:
    rows = table.read(folder)[0]
    return {name: rows[:, index].tolist() for index, name in enumerate(SAMPLE_COLUMNS)}


def working(clock: Clock, units: int = 1) -> Callable[[int], int]:
    """A step of 10 ns."""

    def step(_: int) -> int:
        clock.advance(STEP_NS)
        return units

    return step


def test_the_window_ends_the_loop_and_a_closed_loop_is_due_on_completion(clock: Clock, tmp_path: Path) -> None:
    found = driven(tmp_path, working(clock, units=3))
    starts = [ORIGIN_NS + STEP_NS * index for index in range(10)]
    assert found["scheduled_ns"] == found["issued_ns"] == starts
    assert found["completed_ns"] == [start + STEP_NS for start in starts]
    assert found["units"] == [3] * 10
    assert found["status"] == found["stream"] == found["first_ns"] == [0] * 10
    assert table.completed(tmp_path) == 10


def test_the_request_that_is_running_when_the_window_ends_counts(clock: Clock, tmp_path: Path) -> None:
    assert len(driven(tmp_path, working(clock), stop=95)["units"]) == 10


@pytest.mark.parametrize(
    ("least", "last", "capacity", "rows"),
    [
        (7, 1_000, 200, 10),  # enough within the window
        (25, 1_000, 200, 25),  # too few: on until there are enough
        (150, 1_000, 200, 100),  # … but never past the last moment
        (25, 1_000, 18, 18),  # … nor past the room in the table
        (0, 1_000, 4, 4),
    ],
)
def test_least_extends_the_window_within_its_bounds(
    clock: Clock, tmp_path: Path, least: int, last: int, capacity: int, rows: int
) -> None:
    found = driven(tmp_path, working(clock), least=least, last=last, capacity=capacity)
    assert len(found["units"]) == rows


def test_requests_that_were_due_before_they_were_issued_have_waited(clock: Clock, tmp_path: Path) -> None:
    found = driven(tmp_path, working(clock), at_once=True)
    assert found["scheduled_ns"] == [ORIGIN_NS] * 10
    assert found["issued_ns"] == [ORIGIN_NS + STEP_NS * index for index in range(10)]


def test_a_request_error_is_a_sample_with_its_status_and_no_units(clock: Clock, tmp_path: Path) -> None:
    def step(index: int) -> int:
        clock.advance(STEP_NS)
        if index == 2:
            raise RequestError("service unavailable", status=503)
        return 4

    found = driven(tmp_path, step, stop=50)
    assert found["status"] == [0, 0, 503, 0, 0]
    assert found["units"] == [4, 4, 0, 4, 4]
    assert all(found["completed_ns"])


def test_any_other_exception_ends_the_launch_and_the_finished_rows_stay(clock: Clock, tmp_path: Path) -> None:
    def step(index: int) -> int:
        clock.advance(STEP_NS)
        if index == 3:
            raise RuntimeError("the device is gone")
        return 1

    with pytest.raises(RuntimeError, match="the device is gone"):
        driven(tmp_path, step)
    assert columns(tmp_path)["units"] == [1, 1, 1]
    assert table.completed(tmp_path) == 3


def test_tokens_belong_to_their_request_and_the_first_one_is_its_first_result(clock: Clock, tmp_path: Path) -> None:
    samples = SampleTable(tmp_path, 10, 5)
    ticks = {0: 2, 1: 0, 2: 4, 3: 1, 4: 0}

    def step(index: int) -> int:
        for _ in range(ticks[index]):
            clock.advance(STEP_NS)
            samples.tokens.tick()
        clock.advance(STEP_NS)
        return ticks[index]

    samples.tokens.tick()  # outside a request, as in warm-up: not kept
    closed_loop([step], samples, 0, window_ns=0, least=5, last_ns=1_000)
    samples.tokens.tick()
    rows, tokens = table.read(tmp_path)
    begun = rows[:, SAMPLE_COLUMNS.index("issued_ns")]
    assert rows[:, SAMPLE_COLUMNS.index("first_ns")].tolist() == [begun[0] + STEP_NS, 0, begun[2] + STEP_NS, 0, 0]
    assert tokens[:, 0].tolist() == [0, 0, 2, 2, 2]
    assert tokens[2:, 1].tolist() == [begun[2] + STEP_NS * nth for nth in (1, 2, 3)]
    assert samples.tokens.dropped == 2  # the sixth and seventh of five, counted and not silently lost


def test_rows_of_a_second_run_follow_those_of_the_first(clock: Clock, tmp_path: Path) -> None:
    samples = SampleTable(tmp_path, 12, 0)
    seen: list[int] = []

    def step(index: int) -> int:
        seen.append(index)
        clock.advance(STEP_NS)
        return 1

    first = closed_loop([step], samples, 0, window_ns=50, least=0, last_ns=100)
    second = closed_loop([step], samples, first.next_row, window_ns=50, least=0, last_ns=100)
    third = closed_loop([step], samples, second.next_row, window_ns=50, least=0, last_ns=100)
    assert [first.next_row, second.next_row, third.next_row] == [5, 10, 12]
    assert [first.ended, second.ended, third.ended] == ["planned", "planned", "full"]
    assert seen == [*range(5), *range(5), *range(2)]
    assert columns(tmp_path)["scheduled_ns"] == [ORIGIN_NS + STEP_NS * index for index in range(12)]
    assert (second.start_ns, second.end_ns) == (ORIGIN_NS + 50, ORIGIN_NS + 100)


def test_involuntary_switches_mark_the_request_that_they_hit(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = 40  # what happened before the loop marks nothing

    def step(index: int) -> int:
        nonlocal switches
        clock.advance(STEP_NS)
        switches += {1: 2, 4: 1}.get(index, 0)
        return 1

    usage = SimpleNamespace(getrusage=lambda who: SimpleNamespace(ru_nivcsw=switches))
    monkeypatch.setattr(measure, "resource", usage)
    assert driven(tmp_path, step, stop=60)["preempted"] == [0, 2, 0, 0, 1, 0]


@pytest.mark.parametrize("enabled", [True, False])
def test_no_collection_inside_and_the_collector_is_as_it_was_afterwards(enabled: bool) -> None:
    was, frozen = gc.isenabled(), gc.get_freeze_count()
    try:
        (gc.enable if enabled else gc.disable)()
        with suppress(KeyError), quiet_collector():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() is enabled
        assert gc.get_freeze_count() <= frozen
    finally:
        (gc.enable if was else gc.disable)()


def test_the_loop_keeps_no_memory(clock: Clock, tmp_path: Path) -> None:
    """Nothing of ours grows with the number of requests: what is kept is in the mapped file."""
    count = 2_000
    samples = SampleTable(tmp_path, count, 0)
    seen: list[int] = [0] * count

    def step(index: int) -> int:
        seen[index] = gc.get_count()[0]
        return 1

    closed_loop([step], samples, 0, window_ns=0, least=count, last_ns=1)
    # The collector counts containers that live on; a loop that kept one per request would rise by `count`.
    assert np.ptp(seen) < count / 10
