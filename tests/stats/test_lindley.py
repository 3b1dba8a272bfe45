"""Lindley's recursion against the definition of a queue, looked at from outside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.stats.lindley import latencies

queues = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=60).map(
    lambda pairs: (np.cumsum([gap for gap, _ in pairs], dtype=np.int64), np.array([each for _, each in pairs], int))
)


@given(queues)
def test_one_server_is_the_recursion_as_it_was_written(queue: tuple[np.ndarray, np.ndarray]) -> None:
    due, service = queue
    wait, expected = 0, []
    for position, each in enumerate(service):
        if position:
            wait = max(0, wait + service[position - 1] - (due[position] - due[position - 1]))
        expected.append(wait + each)
    assert latencies(due, service).tolist() == expected


@given(queues, st.integers(1, 5))
def test_a_request_starts_when_it_is_due_and_a_server_is_free_and_not_later(
    queue: tuple[np.ndarray, np.ndarray], servers: int
) -> None:
    due, service = queue
    found = latencies(due, service, servers)
    begin, end = due + found - service, due + found
    assert (begin >= due).all()
    assert (np.diff(begin) >= 0).all()  # first come, first served
    for position in range(len(due)):
        before = slice(0, position)
        busy = int((end[before] > begin[position]).sum())
        assert busy < servers
        if begin[position] > due[position]:
            # It waited: up to that moment all servers were taken, and one became free just then.
            at = begin[position] - 1
            assert int(((begin[before] <= at) & (end[before] > at)).sum()) == servers


@given(queues)
def test_enough_servers_leave_no_wait(queue: tuple[np.ndarray, np.ndarray]) -> None:
    due, service = queue
    assert latencies(due, service, max(1, len(due))).tolist() == service.tolist()


@given(queues, st.integers(1, 4))
def test_one_more_server_is_never_worse(queue: tuple[np.ndarray, np.ndarray], servers: int) -> None:
    assert (latencies(*queue, servers + 1) <= latencies(*queue, servers)).all()


def test_the_mean_wait_of_a_random_queue_is_the_known_one() -> None:
    """M/M/1 at half load: the mean time in the system is twice the mean service time."""
    source = np.random.default_rng(4)
    due = np.cumsum(source.exponential(2_000_000, 200_000)).astype(np.int64)
    service = source.exponential(1_000_000, 200_000).astype(np.int64)
    assert latencies(due, service).mean() == pytest.approx(2_000_000, rel=0.03)


@pytest.mark.parametrize(
    ("due", "service", "servers"),
    [([1, 0], [1, 1], 1), ([0, 1], [1], 1), ([0], [1], 0)],
    ids=["order", "length", "none"],
)
def test_what_is_no_queue_is_refused(due: list[int], service: list[int], servers: int) -> None:
    with pytest.raises(ValueError):
        latencies(due, service, servers)
