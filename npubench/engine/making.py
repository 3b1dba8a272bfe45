"""The load of one launch: a window of given load, or the trials of a search, one after the other in one sample table.

Guarantees: samples of a trial are those scheduled within its window, and windows do not overlap; a searched load meets
other arrivals in every trial; a load that is given, or held, lasts for as long as was asked, whenever its last request
came. Not aware of: opening, warming up, what else is learned of a launch (`measuring`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from npubench.engine import capacity
from npubench.engine.auditing import Sampler
from npubench.engine.capacity_answer import shown, with_hold
from npubench.engine.generator import Driven, Enter, Limit, closed_loop, open_loop
from npubench.engine.lanes import Lanes
from npubench.engine.overlapped import overlapped
from npubench.engine.protocol import SATURATING, Load, MeasureJob
from npubench.engine.schedule import Arrivals, frames, poisson
from npubench.engine.table import SampleTable
from npubench.scenarios import NO_LIMIT
from npubench.schema import Capacity, Trial, TrialPurpose, Window
from npubench.spi import Awaits, Begins, Feed, Step, Streams
from npubench.stats.samples import Samples
from npubench.stats.trials import Limits, most_over, trial

# A window that has too few samples when it ends is extended up to this many times its length.
EXTEND = 3


class Making:
    """The load of one launch, as long as its table is filled."""

    def __init__(
        self,
        job: MeasureJob,
        lanes: Lanes,
        table: SampleTable,
        enter: Enter,
        samplers: Sequence[Sampler],
        feed: Feed | None,
        step_ns: int = 0,
    ) -> None:
        """`step_ns`: about how long a request alone takes, over which the first ones of users are spread."""
        self._job = job
        self._step_ns = step_ns
        self._enter = enter
        self._after = [sampler.after for sampler in samplers] or None
        self._feed = feed
        self._lanes = lanes
        self._table = table
        self._steps: list[Step] = [lane.bound.step for lane in lanes.lanes]
        first = lanes.first.bound
        self._begins = first if lanes.overlaps and isinstance(first, Begins) else None
        self._awaits = first if isinstance(first, Awaits) else None
        self._unit = lanes.first.bound.unit
        self.next_row, self.left = 0, 0
        self._trials = 0

    def make(self) -> tuple[Window, Capacity | None]:
        """The window that counts, and what was found where a load was searched; `left` tells what never ran."""
        job = self._job
        if job.search is not None and job.target is not None:
            found = capacity.find(job.search, job.target, self._held(), self._attempt)
            return shown(found).window, with_hold(found, job.search.hold_ns, self._attempt)
        if job.load.value is None:
            driven = self._closed(job.window_ns, job.least_samples)
        elif job.load.arrival == "users":
            driven = _until(self._closed(job.window_ns, job.least_samples, users=job.load.value), job.window_ns)
        else:
            driven = _until(self._open(job.load.value, job.window_ns, None), job.window_ns)
        self.left = driven.left
        return Window(start_ns=driven.start_ns, end_ns=driven.end_ns), None

    def _held(self) -> Limits:
        """What a request must not exceed, by the unit that the workload counts."""
        assert self._job.target is not None
        bounds = self._job.target.held
        return bounds.get(self._unit, bounds.get("sample", Limits()))

    def _closed(self, window_ns: int, least: int, *, users: float | None = None, limit: Limit | None = None) -> Driven:
        """Every lane, or one per user, runs the next request when its last one is complete."""
        load = self._job.load
        at_once = load.arrival == "at-once"
        if self._awaits is not None:
            # Not above: no other launch should load an event loop.
            from npubench.engine.streaming import conversing

            count = abreast(load) if users is None else round(users)
            driven = conversing(
                self._awaits,
                self._table,
                self.next_row,
                users=count,
                window_ns=window_ns,
                least=least,
                last_ns=EXTEND * window_ns,
                at_once=at_once,
                think_ns=load.think_ns if users is not None else 0,
                stagger_ns=max(load.think_ns, min(self._step_ns, window_ns // 4)) if users is not None else 0,
                limit=limit,
                enter=self._enter,
                after=self._after[0] if self._after is not None else None,
            )
        elif self._begins is not None:
            driven = overlapped(
                self._begins.begin,
                self._table,
                None,
                self.next_row,
                in_flight=load.inflight,
                window_ns=window_ns,
                least=least,
                last_ns=EXTEND * window_ns,
                at_once=at_once,
                enter=self._enter,
            )
        else:
            count = len(self._steps) if users is None else round(users)
            driven = closed_loop(
                self._steps[:count],
                self._table,
                self.next_row,
                window_ns=window_ns,
                least=least,
                last_ns=EXTEND * window_ns,
                at_once=at_once,
                think_ns=load.think_ns if users is not None else 0,
                limit=limit,
                enter=self._enter,
                after=self._after,
            )
        self.next_row = driven.next_row
        return driven

    def _arrivals(self, value: float, duration_ns: int) -> Arrivals:
        load = self._job.load
        # Other moments in every trial: a search must not be answered by one lucky draw.
        seed = load.seed + self._trials
        if load.arrival == "frames":
            return frames(round(value), load.fps, duration_ns, seed)
        return poisson(value, duration_ns, seed)

    def _open(self, value: float, duration_ns: int, limit: Limit | None) -> Driven:
        arrivals = self._arrivals(value, duration_ns)
        drop = self._job.load.arrival == "frames"
        if self._awaits is not None:
            from npubench.engine.streaming import arriving

            in_flight = self._job.load.inflight
            driven = arriving(
                self._awaits,
                self._table,
                arrivals,
                self.next_row,
                in_flight=in_flight,
                connections=self._expected(value, in_flight),
                limit=limit,
                enter=self._enter,
            )
        elif self._begins is not None:
            driven = overlapped(
                self._begins.begin,
                self._table,
                arrivals,
                self.next_row,
                in_flight=self._job.load.inflight,
                drop=drop,
                limit=limit,
                enter=self._enter,
            )
        else:
            driven = open_loop(
                self._streaming(arrivals) or self._steps,
                self._table,
                arrivals,
                self.next_row,
                drop=drop,
                limit=limit,
                enter=self._enter,
                after=self._after,
            )
        self.next_row = driven.next_row
        return driven

    def _streaming(self, arrivals: Arrivals) -> list[Step] | None:
        """Steps that take a camera's own frames; None where every request is an input by itself."""
        if self._feed is None:
            return None
        self._feed.start(int(arrivals.stream.max(initial=0)) + 1)
        streams, numbers = arrivals.stream.tolist(), arrivals.number.tolist()

        def of(bound: Streams) -> Step:
            return lambda position: bound.stream_step(streams[position], numbers[position])

        return [of(lane.bound) for lane in self._lanes.lanes if isinstance(lane.bound, Streams)]

    def _attempt(self, value: float | None, duration_ns: int, purpose: TrialPurpose) -> Trial:
        """One trial of a search, judged."""
        job, first_row = self._job, self.next_row
        assert job.target is not None
        held = self._held()
        self._trials += 1
        if purpose == "hold":
            self._table.release()
        if value is None:
            driven = self._closed(duration_ns, job.least_samples)
        elif job.load.arrival == "users":
            # How many requests so many users make is only known afterwards: nothing is given up early.
            driven = self._closed(duration_ns, 1, users=value)
        else:
            # A hold has nothing to find out quickly: its energy is wanted, however it goes.
            limit = None if purpose == "hold" else _limit(held, job, value, duration_ns)
            driven = self._open(value, duration_ns, limit)
        if purpose == "hold":
            driven = _until(driven, duration_ns)
        return trial(
            Samples(*self._table.between(first_row, self.next_row)),
            Window(start_ns=driven.start_ns, end_ns=driven.end_ns),
            load=value,
            purpose=purpose,
            limits=held,
            needed=job.target.needed,
            ended=driven.ended,
            left=driven.left,
            lanes=self._room(),
        )

    def _expected(self, rate: float, in_flight: int) -> int:
        """How many connections a server is asked for beforehand: twice what Little's law says of a request alone.

        Not more: some servers (llama.cpp) keep a thread for each.
        """
        return min(in_flight or SATURATING, 1 + round(2 * rate * self._step_ns / 1e9))

    def _room(self) -> int:
        """How many requests can be in flight."""
        load = self._job.load
        if self._awaits is not None:
            return NO_LIMIT if load.arrival == "users" or not load.inflight else load.inflight
        return load.inflight if self._begins is not None else len(self._steps)


def abreast(load: Load) -> int:
    """How many requests to a server are under way at once in a closed loop without users: what it sustains shows."""
    if load.arrival == "users" or not load.inflight:
        return SATURATING
    return load.inflight


def _until(driven: Driven, duration_ns: int) -> Driven:
    """Waits for what is left of the time asked for: that no request came then is how this load is."""
    last_ns = driven.start_ns + duration_ns
    if driven.ended != "planned" or driven.end_ns >= last_ns:
        return driven
    while (left_ns := last_ns - time.perf_counter_ns()) > 0:
        time.sleep(left_ns / 1e9)
    return driven._replace(end_ns=last_ns)


def _limit(held: Limits, job: MeasureJob, load: float, duration_ns: int) -> Limit:
    """From when on a trial has failed whatever comes."""
    assert job.search is not None
    assert job.target is not None
    queries = load * (job.search.per_load or 1.0) * duration_ns / 1e9
    return Limit(held.latency_ns, held.ttft_ns, held.tpot_ns, most_over(int(queries), job.target.needed))
