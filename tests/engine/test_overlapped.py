"""Requests that overlap without threads of ours: order, room, failures."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from npubench.adapters.null import NullSession
from npubench.engine import table
from npubench.engine.generator import Driven, Limit
from npubench.engine.overlapped import overlapped
from npubench.engine.schedule import frames, poisson
from npubench.engine.table import SampleTable
from npubench.schema import DROPPED, SAMPLE_COLUMNS
from npubench.spi import Artifact, Begins, Request, RequestError
from npubench.workloads.synthetic import STATUS, Synthetic
from tests.workloads.fakes import CountingClock

MS = 1_000_000
Done = Callable[[int], None]


def consistent(folder: Path, driven: Driven) -> dict[str, np.ndarray]:
    rows = table.read(folder)[0]
    found = {name: rows[:, index] for index, name in enumerate(SAMPLE_COLUMNS)}
    assert (found["issued_ns"] >= found["scheduled_ns"]).all()
    assert (found["completed_ns"] >= found["issued_ns"]).all()
    assert (found["completed_ns"] <= driven.end_ns).all()
    return found


def most_at_once(found: dict[str, np.ndarray]) -> int:
    run = found["status"] != DROPPED
    moments = [(at, 1) for at in found["issued_ns"][run]] + [(at, -1) for at in found["completed_ns"][run]]
    return int(np.max(np.cumsum([change for _, change in sorted(moments)]), initial=0))


class Holding:
    """A runtime that completes requests in pairs, the second one first, on a thread of its own."""

    def __init__(self) -> None:
        self.order: list[int] = []
        self._asked: queue.SimpleQueue[tuple[int, Done] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def begin(self, index: int, done: Done) -> None:
        self._asked.put((index, done))

    def _run(self) -> None:
        held: list[tuple[int, Done]] = []
        while True:
            try:
                asked = self._asked.get(timeout=0.01)
            except queue.Empty:
                asked = None
            if asked is not None:
                held.append(asked)
            if len(held) == 2 or asked is None:
                for index, done in reversed(held):
                    self.order.append(index)
                    done(1)
                held = []


def test_requests_that_complete_out_of_order_keep_their_own_times(tmp_path: Path) -> None:
    runtime = Holding()
    arrivals = poisson(400, 200 * MS, 2)
    driven = overlapped(runtime.begin, SampleTable(tmp_path, 500, 0), arrivals, 7, in_flight=4)
    found = consistent(tmp_path, driven)
    assert runtime.order != sorted(runtime.order)
    assert np.array_equal(found["scheduled_ns"] - driven.start_ns, arrivals.due_ns)
    assert np.array_equal(np.argsort(found["completed_ns"], kind="stable"), runtime.order)
    assert driven[2:] == ("planned", 7 + len(arrivals.due_ns), 0)


@pytest.mark.parametrize("servers", [1, 3])
def test_no_more_are_in_flight_than_were_asked_for(tmp_path: Path, servers: int) -> None:
    params = {"mean_ns": 2 * MS, "distribution": "two-point", "servers": servers}
    bound = Synthetic().bind({"m": _session()}, Request(scope="device", params=params), CountingClock())
    assert isinstance(bound, Begins)
    driven = overlapped(
        bound.begin, SampleTable(tmp_path, 500, 0), None, 0, in_flight=3, window_ns=0, least=40, last_ns=10**12
    )
    found = consistent(tmp_path, driven)
    assert len(found["status"]) == 40
    assert 1 < most_at_once(found) <= 3
    bound.close()


def test_a_request_may_be_complete_before_begin_returns(tmp_path: Path) -> None:
    driven = overlapped(
        lambda _, done: done(2), SampleTable(tmp_path, 500, 0), None, 0, in_flight=1, least=9, last_ns=10**12
    )
    assert consistent(tmp_path, driven)["units"].tolist() == [2] * 9


def test_frames_are_dropped_here_as_well(tmp_path: Path) -> None:
    params = {"mean_ns": 10 * MS, "servers": 1}
    bound = Synthetic().bind({"m": _session()}, Request(scope="device", params=params), CountingClock())
    assert isinstance(bound, Begins)
    arrivals = frames(3, 100, 200 * MS, 3)
    driven = overlapped(bound.begin, SampleTable(tmp_path, 500, 0), arrivals, 0, in_flight=1, drop=True)
    found = consistent(tmp_path, driven)
    issued: dict[int, int] = {}
    for stream, due, at, status in zip(
        *(found[name] for name in ("stream", "scheduled_ns", "issued_ns", "status")), strict=True
    ):
        assert (status == DROPPED) == (issued.get(stream, 0) > due)
        if status != DROPPED:
            issued[stream] = at
    assert len(found["status"]) == len(arrivals.due_ns)
    assert (found["status"] == DROPPED).any()
    bound.close()


def test_a_load_that_cannot_be_held_ends_early(tmp_path: Path) -> None:
    params = {"mean_ns": 20 * MS, "servers": 1}
    bound = Synthetic().bind({"m": _session()}, Request(scope="device", params=params), CountingClock())
    assert isinstance(bound, Begins)
    limit = Limit(latency_ns=5 * MS, ttft_ns=None, tpot_ns=None, most_over=3)
    driven = overlapped(
        bound.begin, SampleTable(tmp_path, 9_000, 0), poisson(800, 10_000 * MS, 1), 0, in_flight=2, limit=limit
    )
    found = consistent(tmp_path, driven)
    assert driven.ended == "hopeless"
    assert len(found["status"]) < 40
    assert driven.left > 0
    bound.close()


def test_a_request_that_fails_is_a_sample_and_gives_its_room_back(tmp_path: Path) -> None:
    params = {"mean_ns": 1_000, "servers": 1, "fails_every": 3}
    bound = Synthetic().bind({"m": _session()}, Request(scope="device", params=params), CountingClock())
    assert isinstance(bound, Begins)
    driven = overlapped(bound.begin, SampleTable(tmp_path, 500, 0), None, 0, in_flight=2, least=9, last_ns=10**12)
    assert consistent(tmp_path, driven)["status"].tolist() == [0, 0, STATUS] * 3
    bound.close()


def test_what_begin_raises_is_the_callers(tmp_path: Path) -> None:
    def begin(index: int, done: Done) -> None:
        if index == 4:
            raise RuntimeError("the device is gone")
        done(1)

    with pytest.raises(RuntimeError, match="the device is gone"):
        overlapped(begin, SampleTable(tmp_path, 500, 0), None, 0, in_flight=2, least=9, last_ns=10**12)
    assert len(table.read(tmp_path)[0]) == 4


def test_a_runtime_that_completes_a_request_twice_is_found_out(tmp_path: Path) -> None:
    def begin(index: int, done: Done) -> None:
        done(1)
        if index == 2:
            done(1)

    with pytest.raises(RuntimeError, match="completed twice"):
        overlapped(begin, SampleTable(tmp_path, 500, 0), None, 0, in_flight=2, least=9, last_ns=10**12)


def _session() -> NullSession:
    return NullSession(Artifact(role="m", path="", sha256="0" * 64), {})


def test_a_request_error_leaves_the_session_usable(tmp_path: Path) -> None:
    def begin(index: int, done: Done) -> None:
        raise RequestError("busy", status=9)

    driven = overlapped(begin, SampleTable(tmp_path, 5, 0), None, 0, in_flight=1, least=99, last_ns=10**12)
    assert driven.ended == "full"
    assert consistent(tmp_path, driven)["status"].tolist() == [9] * 5
