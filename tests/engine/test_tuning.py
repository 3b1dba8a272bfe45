"""The worker's part: what is opened, shared, kept and closed; what becomes of a point that raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from npubench.engine import tuning
from npubench.engine.halving import PointError
from npubench.engine.protocol import AdapterRef, Trying, TuneJob
from npubench.engine.tuning import Bench, Pool, closed_loop
from npubench.engine.worker import classify
from npubench.errors import UnsupportedError
from npubench.spi import Artifact, Availability, Bound, Feeds, Outputs, Request, RequestError, Session, TensorSpec
from npubench.tuning import Point, Reason, Search, Tried

SPEC = TensorSpec(name="y", dtype="float32", shape=("n", 2))
FILES = (Artifact(role="model", path="model.onnx", sha256="0"),)
DEFAULT = Point(batch=2, threads=2)
MS = 1_000_000


class Made:
    """A session that says when it is closed. `Sharing` can be used by several threads, through views."""

    inputs: Sequence[TensorSpec] = ()
    outputs: Sequence[TensorSpec] = (SPEC,)

    def __init__(self, adapter: Recording, options: Mapping[str, Any]) -> None:
        self.options = dict(options)
        self._adapter = adapter
        adapter.open_now.append(self)

    def infer(self, feeds: Feeds) -> Outputs:
        return {"y": np.zeros((2, 2), np.float32)}

    def close(self) -> None:
        self._adapter.open_now.remove(self)


class Sharing(Made):
    def fork(self) -> Session:
        return Sharing(self._adapter, self.options)


class Recording:
    """An adapter that remembers what it opened."""

    def __init__(self, session: type[Made] = Made) -> None:
        self.opened: list[dict[str, Any]] = []
        self.open_now: list[Made] = []
        self.session = session

    def probe(self) -> Availability:
        return Availability(available=True)

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Session:
        self.opened.append(dict(options))
        return self.session(self, options)

    def describe(self) -> Mapping[str, str]:
        return {"recording": "1"}


class Task:
    """A workload. `refuses` are batches that it does not take, `fails` what binding a batch raises, once each."""

    scopes: Sequence[str] = ("device",)
    unit = "frame"

    def __init__(self) -> None:
        self.bound: list[_Bound] = []
        self.refuses: tuple[int, ...] = ()
        self.fails: dict[int, list[Exception]] = {}

    def bind(self, sessions: Mapping[str, Session], request: Request, clock: Any) -> Bound:
        if request.batch in self.refuses:
            raise UnsupportedError(f"no batch {request.batch}")
        if self.fails.get(request.batch):
            raise self.fails[request.batch].pop()
        self.bound.append(_Bound(sessions, request.batch))
        return self.bound[-1]


class _Bound:
    unit, count = "frame", 4

    def __init__(self, sessions: Mapping[str, Session], batch: int) -> None:
        self.sessions, self.batch, self.closed = sessions, batch, False

    def step(self, index: int) -> int:
        assert not self.closed
        return self.batch

    def inspect(self, index: int) -> Outputs:
        return {"y": np.zeros((self.batch, 2), np.float32)}

    def close(self) -> None:
        self.closed = True


def job(*points: Point, **more: Any) -> TuneJob:
    made = TuneJob(
        adapter=AdapterRef(code="x:y", options={"intra_op_num_threads": 2, "mode": "m"}),
        workload="x:y",
        artifacts=dict.fromkeys((1, 2, 4), FILES),
        request=Request(scope="device"),
        points=points or (DEFAULT,),
        default=DEFAULT,
        threads_option="intra_op_num_threads",
        box_ns=200 * MS,
        seed=1,
    )
    return msgspec.structs.replace(made, **more)


def bench_of(adapter: Recording, task: Task, held: int = 0, **more: Any) -> tuple[Bench, Pool]:
    pool = Pool(job(**more), adapter, task, lambda: held)
    return Bench(pool, lambda phase: None, lambda event: None, classify, more.get("excluded", ())), pool


def test_points_share_sessions_and_inputs_and_threads_go_to_the_declared_option() -> None:
    adapter, task = Recording(Sharing), Task()
    bench, pool = bench_of(adapter, task)
    for point in (
        DEFAULT,
        Point(batch=4, threads=2),
        Point(batch=2, threads=2, inflight=2),
        Point(batch=2, instances=2, threads=1),
        DEFAULT,
    ):
        assert bench.measure(point, MS).rate > 0
    # One of two threads for three points and a view of it, two of one thread.
    assert [options["intra_op_num_threads"] for options in adapter.opened] == [2, 1, 1]
    assert all(options["mode"] == "m" for options in adapter.opened)
    assert len(task.bound) == 5
    assert len({id(bound.sessions["model"]) for bound in task.bound}) == 4
    pool.close()
    assert adapter.open_now == []
    assert all(bound.closed for bound in task.bound)


def test_a_session_that_serves_one_at_a_time_is_opened_for_each_request_in_flight_unless_that_is_another_point() -> (
    None
):
    two, views = Point(batch=2, instances=2, threads=1), Point(batch=2, threads=1, inflight=2)
    adapter = Recording()
    bench, _ = bench_of(adapter, Task(), points=(DEFAULT, two, views))
    with pytest.raises(PointError) as caught:
        bench.measure(views, MS)
    assert caught.value.reason.kind == "same"
    alone = Recording()
    bench, _ = bench_of(alone, Task(), points=(DEFAULT, views))
    bench.measure(views, MS)
    assert len(alone.open_now) == 2


def test_where_threads_are_the_process_s_nothing_stays_open_with_another_number() -> None:
    class Global(Recording):
        shares_threads = True

    adapter = Global()
    bench, _ = bench_of(adapter, Task())
    for threads in (2, 1, 2):
        bench.measure(Point(batch=2, threads=threads), MS)
        assert {session.options["intra_op_num_threads"] for session in adapter.open_now} == {threads}


def test_what_waits_is_closed_where_memory_is_short() -> None:
    adapter, task = Recording(), Task()
    bench, _ = bench_of(adapter, task, held=100, keep_bytes=50)
    bench.measure(DEFAULT, MS)
    bench.measure(Point(batch=4, threads=1), MS)
    assert [bound.closed for bound in task.bound] == [True, False]
    assert len(adapter.open_now) == 1


def test_what_lacks_memory_is_tried_again_with_nothing_else_open() -> None:
    adapter, task = Recording(), Task()
    task.fails = {4: [MemoryError()]}
    bench, _ = bench_of(adapter, task)
    bench.measure(DEFAULT, MS)
    assert bench.measure(Point(batch=4, threads=2), MS).rate > 0
    assert task.bound[0].closed
    task.fails = {1: [MemoryError("a"), MemoryError("b")]}
    with pytest.raises(PointError) as caught:
        bench.measure(Point(batch=1, threads=2), MS)
    assert caught.value.reason.kind == "out_of_memory"
    assert bench.measure(DEFAULT, MS).rate > 0


def test_a_point_that_is_refused_leaves_the_others_open() -> None:
    adapter, task = Recording(), Task()
    task.refuses = (4,)
    bench, _ = bench_of(adapter, task)
    bench.measure(DEFAULT, MS)
    with pytest.raises(PointError) as caught:
        bench.measure(Point(batch=4, threads=2), MS)
    assert caught.value.reason == Reason(kind="unsupported", message="no batch 4")
    bench.measure(DEFAULT, MS)
    assert len(adapter.opened) == 1


def test_wrong_outputs_are_no_rate_and_a_lost_device_ends_the_search() -> None:
    adapter, task = Recording(), Task()
    bench, _ = bench_of(adapter, task)
    original = _Bound.inspect
    try:
        _Bound.inspect = lambda self, index: {"y": np.full((2, 2), np.nan, np.float32)}  # type: ignore[method-assign]
        with pytest.raises(PointError) as caught:
            bench.measure(DEFAULT, MS)
    finally:
        _Bound.inspect = original  # type: ignore[method-assign]
    assert caught.value.reason.kind == "non_finite"
    task.fails = {4: [OSError(19, "No such device")]}
    with pytest.raises(OSError):
        bench.measure(Point(batch=4, threads=2), MS)


def test_what_is_excluded_is_not_opened() -> None:
    adapter = Recording()
    why = Reason(kind="crashed", message="ended by SIGSEGV")
    bench, _ = bench_of(adapter, Task(), excluded=(Tried(point=DEFAULT, reason=why),))
    with pytest.raises(PointError) as caught:
        bench.measure(DEFAULT, MS)
    assert caught.value.reason == why
    assert adapter.opened == []


def test_lanes_count_what_they_do_and_refusals_count_nothing() -> None:
    seen: list[int] = []

    def refused(index: int) -> int:
        raise RequestError("busy")

    def counted(index: int) -> int:
        seen.append(index)
        return 3

    first, second = closed_loop([counted, refused], [5, 0], 0)
    # What found the device idle is not counted, and nobody stops before the other has what it needs.
    assert first.units == 3
    assert first.next >= 7
    assert seen == list(range(5, first.next))
    assert second.units == 0
    assert second.next >= 2
    seen.clear()
    (alone,) = closed_loop([counted], [0], 10_000 * MS, most=4)
    assert alone.units == 12
    assert seen == [0, 1, 2, 3]


def test_what_a_lane_raises_ends_the_others() -> None:
    def broken(index: int) -> int:
        raise RuntimeError("the device said no")

    with pytest.raises(RuntimeError, match="said no"):
        closed_loop([lambda index: 1, broken], [0, 0], 60_000 * MS)


def test_a_whole_search_in_this_process() -> None:
    points = (DEFAULT, Point(batch=4, threads=2), Point(batch=1, threads=1))
    adapter, task = Recording(), Task()
    task.refuses = (1,)
    phases: list[str] = []
    tried: list[Trying] = []
    found, unit = tuning.tune(job(*points), adapter, task, phases.append, tried.append, classify)
    assert isinstance(found, Search)
    assert unit == "frame"
    assert found.chosen in points[:2]
    assert {tried.point for tried in found.surface} == set(points)
    assert phases[-1] == "close"
    assert tried[0].point == DEFAULT
    assert adapter.open_now == []
    everything, _ = tuning.tune(
        job(*points, repetitions=5, slice_ns=MS), adapter, task, phases.append, tried.append, classify
    )
    assert [len(tried.rates) for tried in everything.surface] == [5, 5, 0]
    assert len(everything.pairs) == 5
