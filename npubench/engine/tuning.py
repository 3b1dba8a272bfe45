"""The worker's part of a search: opens points one after the other in one process and measures slices of them.

A point's lanes are `instances × inflight` requests in flight, each with a Bound of its own on a session or, where a
session is `spi.Forks`, on a view of it. Sessions and inputs that several points have in common are opened once and kept
for the next turn, as long as memory allows; what lacks memory is tried once more with everything else closed.

Guarantees: a point that raises is reported (`PointError`) and leaves the others as they were; its outputs have been
checked before it is timed. Not aware of: which points there are and how one is chosen (`halving`), the parent.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from npubench.engine import halving
from npubench.engine.checking import check_outputs
from npubench.engine.halving import PointError, Slice
from npubench.engine.measure import quiet_collector
from npubench.engine.protocol import Trying, TuneJob
from npubench.schema import FailureKind
from npubench.spi import Adapter, Artifact, Bound, Forks, RequestError, Session, SharesThreads, Step, Workload
from npubench.tuning import Point, Reason, Search, Tried

Sessions = Mapping[str, Session]

# These say that a point is not taken; after anything else the device is given a fresh start.
_HARMLESS = (FailureKind.UNSUPPORTED, FailureKind.BAD_DATA, FailureKind.BAD_CARD)


class Model(NamedTuple):
    """One opened copy of the model."""

    files: tuple[Artifact, ...]
    threads: int | None
    instance: int


class Lane(NamedTuple):
    """One request in flight: a copy of the model, which view of it, and the batch."""

    model: Model
    view: int
    batch: int


class _Silence:
    """The clock of workloads that generate: nobody reads token times here."""

    def tick(self) -> None:
        """Nothing."""


class Pool:
    """What is open. Lives as long as the job; `held_bytes` is the private memory of this process."""

    def __init__(self, job: TuneJob, adapter: Adapter, workload: Workload, held_bytes: Callable[[], int]) -> None:
        self._job = job
        self._adapter = adapter
        self._workload = workload
        self._held_bytes = held_bytes
        self._shares_threads = isinstance(adapter, SharesThreads) and adapter.shares_threads
        self._models: dict[Model, Sessions] = {}
        self._views: dict[tuple[Model, int], Sessions] = {}
        # In the order of their last use.
        self._bounds: dict[Lane, Bound] = {}
        self.unit = ""

    def bounds(self, point: Point) -> tuple[list[tuple[Lane, Bound]], bool]:
        """The lanes of a point, and whether any of them is new. Raises what opening raises."""
        files = self._job.artifacts[point.batch]
        if self._shares_threads and any(model.threads != point.threads for model in self._models):
            self.close()
        first = Model(files, point.threads, 0)
        forks = all(isinstance(session, Forks) for session in self._opened(first).values())
        if not forks and point.inflight > 1:
            alike = msgspec.structs.replace(point, instances=point.lanes, inflight=1)
            if alike in self._job.points:
                said = f"a session here serves one request at a time, so this is {point.lanes} instances"
                raise PointError(Reason(kind="same", message=said))
        lanes = [
            Lane(Model(files, point.threads, index // point.inflight), index % point.inflight, point.batch)
            if forks
            else Lane(Model(files, point.threads, index), 0, point.batch)
            for index in range(point.lanes)
        ]
        self._make_room(lanes)
        new = [lane for lane in lanes if lane not in self._bounds]
        for lane in lanes:
            # Last in the order of use.
            self._bounds[lane] = self._bounds.pop(lane) if lane in self._bounds else self._bound(lane)
        return [(lane, self._bounds[lane]) for lane in lanes], bool(new)

    def _opened(self, model: Model) -> Sessions:
        if model not in self._models:
            options = dict(self._job.adapter.options)
            if self._job.threads_option is not None and model.threads is not None:
                options[self._job.threads_option] = model.threads
            self._models[model] = {item.role: self._adapter.open(item, options) for item in model.files}
        return self._models[model]

    def _bound(self, lane: Lane) -> Bound:
        sessions = self._opened(lane.model)
        if lane.view:
            at = lane.model, lane.view
            if at not in self._views:
                self._views[at] = {
                    role: session.fork() for role, session in sessions.items() if isinstance(session, Forks)
                }
            sessions = self._views[at]
        request = msgspec.structs.replace(self._job.request, batch=lane.batch)
        bound = self._workload.bind(sessions, request, _Silence())
        self.unit = bound.unit
        try:
            check_outputs(bound, sessions, 0)
        except BaseException:
            bound.close()
            raise
        return bound

    def _make_room(self, lanes: Sequence[Lane]) -> None:
        """Closes what waits longest while more is held than may be kept."""
        most = self._job.keep_bytes
        needed = {lane.model for lane in lanes}
        while most is not None and self._held_bytes() > most:
            waiting = next((lane for lane in self._bounds if lane not in lanes), None)
            if waiting is not None:
                self._bounds.pop(waiting).close()
                continue
            unused = next((model for model in self._models if model not in needed), None)
            if unused is None:
                return
            self._close_model(unused)

    def others_than(self, point: Point) -> bool:
        """Whether anything is held besides what this point needs."""
        return any(lane.batch != point.batch or lane.model.threads != point.threads for lane in self._bounds) or any(
            model.threads != point.threads or model.instance for model in self._models
        )

    def drop(self, point: Point) -> None:
        """Closes the inputs of a point's batch and threads."""
        for lane in [it for it in self._bounds if (it.batch, it.model.threads) == (point.batch, point.threads)]:
            self._bounds.pop(lane).close()

    def _close_model(self, model: Model) -> None:
        for lane in [lane for lane in self._bounds if lane.model == model]:
            self._bounds.pop(lane).close()
        for at in [at for at in self._views if at[0] == model]:
            for view in self._views.pop(at).values():
                view.close()
        for session in self._models.pop(model).values():
            session.close()
        gc.collect()

    def close(self) -> None:
        """Closes everything."""
        for model in list(self._models):
            self._close_model(model)


class Bench:
    """Measures points: what `halving` calls. `classify` names the class of an exception."""

    def __init__(
        self,
        pool: Pool,
        enter: Callable[[str], None],
        send: Callable[[Trying], None],
        classify: Callable[[BaseException], FailureKind],
        excluded: Sequence[Tried] = (),
    ) -> None:
        self._pool = pool
        self._enter = enter
        self._send = send
        self._classify = classify
        self._excluded = {tried.point: tried.reason for tried in excluded if tried.reason is not None}
        # Where each lane goes on in the cycle of its inputs.
        self._next: dict[Lane, int] = {}

    def measure(self, point: Point, slice_ns: int) -> Slice:
        """One slice of a point, opened first where it is not open. Raises PointError."""
        if (why := self._excluded.get(point)) is not None:
            raise PointError(why)
        self._enter("open")
        self._send(Trying(point=point))
        try:
            return self._measured(point, slice_ns)
        except PointError:
            raise
        except Exception as error:
            kind = self._classify(error)
            if kind is FailureKind.DEVICE_LOST:
                # No point is to blame, and none can follow.
                raise
            if kind is FailureKind.OUT_OF_MEMORY and self._pool.others_than(point):
                # Perhaps only because of what waits for its next turn.
                self._pool.close()
                with suppress(Exception):
                    return self._measured(point, slice_ns)
            if kind in _HARMLESS:
                self._pool.drop(point)
            else:
                self._pool.close()
            message = str(error) or type(error).__name__
            raise PointError(Reason(kind=kind.value, message=message[:1000])) from error

    def _measured(self, point: Point, slice_ns: int) -> Slice:
        lanes, new = self._pool.bounds(point)
        if new:
            # Each input once, for what runtimes only do the first time; in half the time of a slice.
            self._run(lanes, slice_ns // 2, max(bound.count for _, bound in lanes))
        self._enter("tune")
        with quiet_collector():
            return self._run(lanes, slice_ns)

    def _run(self, lanes: Sequence[tuple[Lane, Bound]], slice_ns: int, most: int | None = None) -> Slice:
        begun = time.perf_counter_ns()
        found = closed_loop(
            [bound.step for _, bound in lanes],
            # Lanes on the same inputs begin at different ones.
            [self._next.get(lane, index * bound.count // len(lanes)) for index, (lane, bound) in enumerate(lanes)],
            slice_ns,
            most,
        )
        for (lane, _), lap in zip(lanes, found, strict=True):
            self._next[lane] = lap.next
        return Slice(
            sum(lap.units * 1e9 / max(1, lap.end_ns - lap.start_ns) for lap in found),
            time.perf_counter_ns() - begun,
        )


class Lap(NamedTuple):
    """What one lane did in a slice, between two completions; `next` is the input that it would take next."""

    units: int
    start_ns: int
    end_ns: int
    next: int


def closed_loop(steps: Sequence[Step], firsts: Sequence[int], slice_ns: int, most: int | None = None) -> list[Lap]:
    """Each step again and again in a thread of its own, the next on completion of the last, for `slice_ns` or longer.

    At most `most` times each. Of several lanes the first step of each is not counted, which found the device idle, and
    none stops before all have what they need: their rates are those of the device fully loaded. A refused request
    (RequestError) counts nothing. Raises what a step raises, after the others have ended.
    """
    now = time.perf_counter_ns
    alone = len(steps) == 1
    gate = threading.Barrier(len(steps))
    laps: dict[int, Lap] = {}
    errors: list[BaseException] = []

    def lane(number: int, step: Step, index: int) -> None:
        units, count = 0, 0
        try:
            gate.wait()
            start = begun = now()
            while True:
                got = 0
                with suppress(RequestError):
                    got = step(index)
                end = now()
                index += 1
                count += 1
                if count == 1 and not alone:
                    start = end
                elif number not in laps:
                    units += got
                enough = end - begun >= slice_ns and (alone or count > 1)
                if number not in laps and (enough or count == most):
                    laps[number] = Lap(units, start, end, index)
                if errors or count == most or len(laps) == len(steps):
                    break
            laps[number] = laps[number]._replace(next=index) if number in laps else Lap(units, start, end, index)
        except BaseException as error:
            errors.append(error)

    # The first lane in this thread: one alone then needs no other.
    threads = [
        threading.Thread(target=lane, args=(number, step, first), daemon=True)
        for number, (step, first) in enumerate(zip(steps, firsts, strict=True))
    ][1:]
    for thread in threads:
        thread.start()
    lane(0, steps[0], firsts[0])
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [laps[number] for number in range(len(steps))]


def private_bytes() -> int:
    """Resident less shared memory of this process; 0 where /proc does not say."""
    try:
        pages = Path("/proc/self/statm").read_bytes().split()
    except OSError:
        return 0
    return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE")


def tune(
    job: TuneJob,
    adapter: Adapter,
    workload: Workload,
    enter: Callable[[str], None],
    send: Callable[[Trying], None],
    classify: Callable[[BaseException], FailureKind],
) -> tuple[Search, str]:
    """What was found, and the unit of its rates ("" where nothing ran)."""
    pool = Pool(job, adapter, workload, private_bytes)
    bench = Bench(pool, enter, send, classify, job.excluded)
    now = time.perf_counter_ns
    if job.repetitions:
        found = halving.exhaust(
            job.points,
            job.default,
            bench.measure,
            now=now,
            slice_ns=job.slice_ns,
            repetitions=job.repetitions,
            seed=job.seed,
        )
    else:
        found = halving.search(job.points, job.default, bench.measure, now=now, box_ns=job.box_ns, seed=job.seed)
    enter("close")
    pool.close()
    return found, pool.unit
