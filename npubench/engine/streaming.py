"""Load on a server: any number of requests under way in one event loop and one thread, a coroutine each.

Guarantees: latency counts from the moment a request was due; arrivals are awaited by absolute deadlines, the last 2 ms
of them with the loop turning, so that others' answers go on being read; a request is sent when it is due, whatever is
still unanswered (unless the scenario limits that); times of tokens and completions are those of the session, taken at
the socket; token times are kept in the request's own list meanwhile, so that an event costs no call of ours; the
garbage collector stands still. The same sample columns as every other load (`table`).

What is not answered when the time for it is over is given up, its connection closed, and counted in `Driven.left`, so
that no figure is of the survivors alone. Where the load was given up as hopeless that time is a few seconds: servers
work off what they have accepted, and the next load should not meet it.

Not aware of: sessions, prompts, tokens, what a load means (`making`).
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import numpy as np

from npubench.engine.course import Course, Limit
from npubench.engine.generator import Driven, Enter, driven
from npubench.engine.measure import THREAD, Rows, quiet_collector
from npubench.engine.schedule import Arrivals
from npubench.engine.table import SampleTable
from npubench.spi import Awaits, RequestError

# The event loop's sleeps end up to a millisecond late: epoll counts in milliseconds, and asyncio rounds up.
_NEAR_NS = 2_000_000
# A longer sleep is taken in pieces, so that a load that was given up ends soon.
_SLICE_NS = 50_000_000
# So long before a user's next request its connection is made ready: a handshake of TLS takes two or three round trips.
_LEAD_NS = 200_000_000
# How long an answer may take: 512 tokens at 100 ms, the slowest pace that any ruleset here allows, are 51 s.
_ANSWER_NS = 60_000_000_000
# How long what a hopeless load has left under way is waited for.
_PATIENCE_NS = 10_000_000_000


class _Desk(Rows):
    """Where the requests of one run are sent from and noted."""

    def __init__(self, bound: Awaits, table: SampleTable, first_row: int, course: Course) -> None:
        super().__init__(table)
        self.course = course
        self.taken, self.top = 0, -1
        self.under_way: set[asyncio.Task[None]] = set()
        self._ask = bound.ask
        self._first_row = first_row
        self._tokens = table.tokens
        self._quiet = asyncio.Event()
        self._hurried = False
        self._coming = 0

    def take(self) -> int | None:
        """The position of the next request; None where the table is full."""
        if self._first_row + self.taken >= self.capacity:
            self.course.stop("full")
            return None
        self.taken += 1
        return self.taken - 1

    async def one(self, position: int, stream: int, scheduled: int) -> int:
        """Sends one request and notes how it went. Returns when it was complete (ns)."""
        now = time.perf_counter_ns
        switches = resource.getrusage(THREAD).ru_nivcsw
        times: list[int] = []
        status = 0
        issued = now()
        try:
            units, completed = await self._ask(position, times.append)
        except RequestError as error:
            units, completed, status = 0, now(), error.status
        preempted = resource.getrusage(THREAD).ru_nivcsw - switches
        row = self._first_row + position
        self._tokens.extend(row, times)
        first = times[0] if times else 0
        self.keep(row, stream, scheduled, issued, first, completed, units, status, preempted)
        self.top = max(self.top, row)
        self.course.judge(scheduled, first, completed, units, status)
        return completed

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Something of this run that goes on by itself; what it raises ends the run."""
        task = asyncio.get_running_loop().create_task(work)
        self.under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.course.fail(error)
        if not self.under_way:
            self._quiet.set()

    async def until(self, due: int) -> bool:
        """Returns when it is `due`; False, and sooner, where the run has ended."""
        now = time.perf_counter_ns
        while (ahead := due - now()) > _NEAR_NS:
            await asyncio.sleep(min(ahead - _NEAR_NS, _SLICE_NS) * 1e-9)
            if self.course.stopped is not None:
                return False
        while now() < due:
            await asyncio.sleep(0)
        return self.course.stopped is None

    async def warm_until(self, bound: Awaits, due: int) -> bool:
        """As `until`; after a longer wait on a connection that is ready: who thinks lets theirs go cold.

        Each of those who wake at about the same time needs one.
        """
        if due - time.perf_counter_ns() <= _LEAD_NS:
            return await self.until(due)
        if not await self.until(due - _LEAD_NS):
            return False
        self._coming += 1
        # Beside: a request is sent when it is due, also where connecting takes longer.
        self.start(_ready(bound, self._coming))
        goes_on = await self.until(due)
        self._coming -= 1
        return goes_on

    async def settle(self, last_ns: int) -> None:
        """Waits for what is under way, until `last_ns`; gives up the rest."""
        quiet = asyncio.get_running_loop().create_task(self._quiet.wait())
        while self.under_way and (left_ns := last_ns - time.perf_counter_ns()) > 0:
            await asyncio.wait((quiet,), timeout=min(left_ns, _SLICE_NS) / 1e9)
            if self.course.stopped is not None and not self._hurried:
                self._hurried = True
                last_ns = min(last_ns, time.perf_counter_ns() + _PATIENCE_NS)
        given_up = tuple(self.under_way)
        for task in (quiet, *given_up):
            task.cancel()
        await asyncio.gather(quiet, *given_up, return_exceptions=True)


def arriving(
    bound: Awaits,
    table: SampleTable,
    arrivals: Arrivals,
    first_row: int,
    *,
    in_flight: int = 0,
    connections: int = 1,
    limit: Limit | None = None,
    grace_ns: int | None = None,
    enter: Enter | None = None,
) -> Driven:
    """Sends every arrival when it is due, as `generator.open_loop` does. `in_flight`: at most so many at once; 0: all.

    `connections` are made ready before the start; where more are needed, making one is part of a request's time. What
    is unanswered `grace_ns` after the plan's end is given up (None: after as long again as the plan, or a minute).
    """
    course = Course(limit)
    desk = _Desk(bound, table, first_row, course)
    due = arrivals.due_ns.tolist()
    grace = max(arrivals.duration_ns, _ANSWER_NS) if grace_ns is None else grace_ns

    async def send(position: int, scheduled: int, room: asyncio.Semaphore | None) -> None:
        try:
            await desk.one(position, 0, scheduled)
        finally:
            if room is not None:
                room.release()

    async def issue(start_ns: int) -> None:
        room = asyncio.Semaphore(in_flight) if in_flight else None
        for moment in due:
            if not await desk.until(start_ns + moment):
                return
            if room is not None:
                await room.acquire()
            if course.stopped is not None or (position := desk.take()) is None:
                return
            desk.start(send(position, start_ns + moment, room))

    async def run() -> tuple[int, int]:
        await _ready(bound, connections)
        start_ns = time.perf_counter_ns()
        desk.start(issue(start_ns))
        await desk.settle(start_ns + arrivals.duration_ns + grace)
        return start_ns, time.perf_counter_ns()

    start_ns, end_ns = _run(bound, desk, run, enter)
    waited = int(np.searchsorted(arrivals.due_ns, end_ns - start_ns, side="right"))
    return driven(start_ns, end_ns, course, first_row, desk.top, max(0, waited - desk.kept))


def conversing(
    bound: Awaits,
    table: SampleTable,
    first_row: int,
    *,
    users: int,
    window_ns: int,
    least: int,
    last_ns: int,
    at_once: bool = False,
    think_ns: int = 0,
    stagger_ns: int = 0,
    limit: Limit | None = None,
    enter: Enter | None = None,
    after: Callable[[int], None] | None = None,
) -> Driven:
    """Each of `users` sends the next request `think_ns` after its last one was answered, as `generator.closed_loop`.

    Their first ones are spread evenly over `stagger_ns`. `at_once`: every request has been due since the start. What is
    unanswered as long after `last_ns` as the window is, or a minute, is given up. A user's connection is ready when a
    request is due (METRICS.md, users: warm connections), however long they think.
    """
    course = Course(limit)
    desk = _Desk(bound, table, first_row, course)

    async def user(number: int, start_ns: int) -> None:
        stop, last = start_ns + window_ns, start_ns + last_ns
        due = start_ns + stagger_ns * number // users
        while due < last and await desk.warm_until(bound, due):
            issued = time.perf_counter_ns()
            if issued >= stop and (desk.taken >= least or issued >= last):
                return
            if (position := desk.take()) is None:
                return
            completed = await desk.one(position, number, start_ns if at_once else due)
            if after is not None:
                after(position)
            due = completed + think_ns

    async def run() -> tuple[int, int]:
        await _ready(bound, users)
        start_ns = time.perf_counter_ns()
        for number in range(users):
            desk.start(user(number, start_ns))
        # What is under way when the time is over is still answered.
        await desk.settle(start_ns + last_ns + max(window_ns, _ANSWER_NS))
        return start_ns, time.perf_counter_ns()

    start_ns, end_ns = _run(bound, desk, run, enter)
    return driven(start_ns, end_ns, course, first_row, desk.top, desk.taken - desk.kept)


def warmed(bound: Awaits, requests: int) -> None:
    """So many requests at once, on connections that are then ready, before anything is timed. A request may fail."""

    async def one(index: int) -> None:
        with suppress(RequestError):
            await bound.ask(index, _unnoted)

    async def run() -> None:
        await _ready(bound, requests)
        await asyncio.gather(*(one(index) for index in range(requests)))

    bound.loop.run_until_complete(run())


async def _ready(bound: Awaits, connections: int) -> None:
    """A server that does not take so many connections fails the requests that need them."""
    with suppress(RequestError):
        await bound.connect(connections)


def _unnoted(now: int) -> None:
    """For requests that are not timed."""


def _run(
    bound: Awaits, desk: _Desk, run: Callable[[], Coroutine[Any, Any, tuple[int, int]]], enter: Enter | None
) -> tuple[int, int]:
    """Start and end of the run. Raises what one of its tasks raised."""
    if enter is not None:
        enter(0)
    with quiet_collector():
        start_ns, end_ns = bound.loop.run_until_complete(run())
    if desk.course.error is not None:
        raise desk.course.error
    return start_ns, end_ns
