"""Lanes: as many independent ways into a model as requests may be in flight, each with a Bound for one thread alone.

On each device so many instances of the model (sessions of their own), and of each instance so many views: `Forks` gives
them without loading the model again; where a session cannot, the model is opened once more. Every lane binds the same
inputs in the same order, so that request `i` is input `i % count` whichever lane runs it.

Not aware of: when requests are due (`generator`), what they are judged by.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from npubench.engine.protocol import Load
from npubench.errors import UnsupportedError
from npubench.spi import Adapter, Answers, Artifact, Bound, Forks, Request, Session, Submits, TokenClock, Workload


class Clock:
    """The clock that a workload is bound to; it ticks into the sample table once that exists."""

    def __init__(self) -> None:
        self.target: TokenClock | None = None

    def tick(self) -> None:
        if self.target is not None:
            self.target.tick()


class Lane:
    """One way into the model."""

    __slots__ = ("bound", "clock", "sessions")

    def __init__(self, sessions: Mapping[str, Session], bound: Bound, clock: Clock) -> None:
        self.sessions = sessions
        self.bound = bound
        self.clock = clock


class Lanes:
    """The sessions of a launch and their lanes. `make` gives the adapter of the n-th device of the backend."""

    def __init__(
        self,
        make: Callable[[int], Adapter],
        artifacts: Sequence[Artifact],
        options: Mapping[str, Any],
        load: Load,
    ) -> None:
        self._artifacts = artifacts
        self._options = options
        self.adapters = [make(index) for index in range(load.devices)]
        self._opened: list[Mapping[str, Session]] = []
        self.lanes: list[Lane] = []
        start = time.perf_counter_ns()
        first = self._open(self.adapters[0])
        self.load_ns = time.perf_counter_ns() - start
        # Views in turn over devices and instances: the first requests in flight go to different devices.
        instances = [
            first if (device, instance) == (0, 0) else self._open(adapter)
            for instance in range(load.instances)
            for device, adapter in enumerate(self.adapters)
        ]
        # Requests in flight without a thread each, where views of a loaded model are not to be had.
        self.overlaps = (
            load.inflight > 1
            and len(instances) == 1
            and all(isinstance(session, Submits) and not isinstance(session, Forks) for session in first.values())
        )
        # A server's client has any number of requests under way, and needs no lane for each.
        remote = all(isinstance(session, Answers) for session in first.values())
        self._views = [
            (sessions if view == 0 else self._view(sessions, self.adapters[index % load.devices]))
            for view in range(1 if self.overlaps or remote else load.inflight)
            for index, sessions in enumerate(instances)
        ]

    def bind(self, workload: Workload, request: Request) -> None:
        """Binds every lane. Raises what the workload raises."""
        for sessions in self._views:
            clock = Clock()
            self.lanes.append(Lane(sessions, workload.bind(sessions, request, clock), clock))

    def _open(self, adapter: Adapter) -> Mapping[str, Session]:
        opened = {artifact.role: adapter.open(artifact, self._options) for artifact in self._artifacts}
        self._opened.append(opened)
        return opened

    def _view(self, sessions: Mapping[str, Session], adapter: Adapter) -> Mapping[str, Session]:
        forks = [session for session in sessions.values() if isinstance(session, Forks)]
        if len(forks) < len(sessions):
            return self._open(adapter)
        try:
            views = {role: session.fork() for role, session in sessions.items() if isinstance(session, Forks)}
        except UnsupportedError:
            return self._open(adapter)
        self._opened.append(views)
        return views

    @property
    def first(self) -> Lane:
        """The lane that is warmed up, checked and asked what it is."""
        return self.lanes[0]

    def close(self) -> None:
        """Frees every bound, then every session, views before what they are views of."""
        for lane in self.lanes:
            lane.bound.close()
        for sessions in reversed(self._opened):
            for session in sessions.values():
                session.close()
