"""Requests of known service times: what a measurement of load is checked with, since here the right answer is known.

Guarantees: request `i` occupies its lane for `service_ns[i]`, the same for the same seed, and hardly the interpreter:
it sleeps, and then waits with its lock let go. Faults are asked for by parameter and depend on the request's number
alone. Not aware of: the session that it is given, but for `inspect`; arrivals.

Parameters (times in ns): `mean_ns` (1 ms); `distribution`: fixed, exponential, or two-point (nine of ten take half the
mean, one eleven times as long); `inputs`, how many different service times there are (1024). `servers`: so many
requests are served at once without a lane each (`spi.Begins`), and overtake each other where their times differ.
Faults: `doubles_at`, from this request on everything takes twice as long; `stall_at` with `stall_ns` (2 s), one that
takes that much longer; `fails_every`, each n-th request fails.
"""

from __future__ import annotations

import queue
import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from npubench.errors import CardError
from npubench.spi import Bound, Outputs, Request, RequestError, Session, Step, TokenClock, seeded_feeds
from npubench.workloads.asking import check_scope, whole

DISTRIBUTIONS = ("exponential", "fixed", "two-point")

# A sleep may end this much late with the usual timer slack (measured: 65–105 µs); the rest is waited for awake.
_AWAKE_NS = 150_000
STATUS = 503
"""Of a request that fails: as a server that is overloaded answers."""


class Synthetic:
    """The workload. One session, which is only asked for its outputs where somebody looks at them."""

    scopes: Sequence[str] = ("device",)
    unit = "sample"

    def bind(self, sessions: Mapping[str, Session], request: Request, clock: TokenClock) -> Bound:
        """Raises CardError for parameters that make no sense."""
        check_scope(request, self.scopes)
        if len(sessions) != 1:
            raise CardError((f"graphs: found roles {', '.join(sessions) or 'none'}; expected exactly one graph",))
        (session,) = sessions.values()
        servers = whole(request.params, "servers", 0, least=0)
        return _Overlapping(session, request, servers) if servers else _Bound(session, request)


class _Bound:
    unit = Synthetic.unit
    step: Step

    def __init__(self, session: Session, request: Request) -> None:
        params, batch = request.params, request.batch
        self._session, self._seed = session, request.seed
        self.service_ns = service_times(params, request.seed)
        self.count = len(self.service_ns)
        self._batch = batch
        self._doubles_at = _number(params, "doubles_at")
        self._stall_at = _number(params, "stall_at")
        self._stall_ns = whole(params, "stall_ns", 2_000_000_000)
        self._fails_every = whole(params, "fails_every", 0, least=0)

        def step(index: int) -> int:
            start = time.perf_counter_ns()
            self._refuse(index)
            _occupy(start + self.takes_ns(index))
            return batch

        self.step = step

    def takes_ns(self, index: int) -> int:
        """How long request `index` takes, faults included."""
        taken = int(self.service_ns[index % self.count])
        if self._doubles_at is not None and index >= self._doubles_at:
            taken *= 2
        return taken + self._stall_ns if index == self._stall_at else taken

    def _refuse(self, index: int) -> None:
        if self._fails_every and (index + 1) % self._fails_every == 0:
            raise RequestError("the failure that was asked for", status=STATUS)

    def inspect(self, index: int) -> Outputs:
        """What the session answers to seeded inputs: it has nothing to do with service times."""
        feeds = seeded_feeds(self._session.inputs, self._seed + index % self.count)
        return {name: np.array(value) for name, value in self._session.infer(feeds).items()}

    def close(self) -> None:
        """Nothing to release: sessions belong to the caller."""


class _Overlapping(_Bound):
    """As `_Bound`, and served by threads of its own, as an asynchronous runtime does it."""

    def __init__(self, session: Session, request: Request, servers: int) -> None:
        super().__init__(session, request)
        self._asked: queue.SimpleQueue[tuple[int, Callable[[int], None]] | None] = queue.SimpleQueue()
        self._servers = [
            threading.Thread(target=self._serve, name=f"synthetic-{number}", daemon=True) for number in range(servers)
        ]
        for server in self._servers:
            server.start()

    def begin(self, index: int, done: Callable[[int], None]) -> None:
        """Queues request `index`; a server of the device takes it and calls `done`."""
        self._refuse(index)
        self._asked.put((index, done))

    def _serve(self) -> None:
        while (asked := self._asked.get()) is not None:
            index, done = asked
            _occupy(time.perf_counter_ns() + self.takes_ns(index))
            done(self._batch)

    def close(self) -> None:
        """Ends the servers when what was begun is done."""
        for _ in self._servers:
            self._asked.put(None)
        for server in self._servers:
            server.join()
        self._servers = []


def service_times(params: Mapping[str, Any], seed: int) -> npt.NDArray[np.int64]:
    """The service times without faults. From raw PCG64 output (NEP 19). Raises CardError."""
    mean, count = whole(params, "mean_ns", 1_000_000), whole(params, "inputs", 1024)
    name = params.get("distribution", "fixed")
    if name not in DISTRIBUTIONS:
        raise CardError((f"params.distribution: found {name!r}; expected {', '.join(DISTRIBUTIONS)}",))
    raw = np.random.PCG64(seed).random_raw(count)
    uniform = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
    if name == "exponential":
        factor = -np.log1p(-uniform)
    elif name == "two-point":
        # 0.9 · 0.5 + 0.1 · 5.5 = 1.
        factor = np.where(uniform < 0.9, 0.5, 5.5)
    else:
        factor = np.ones(count)
    times: npt.NDArray[np.int64] = np.rint(factor * mean).astype(np.int64)
    return times


def _number(params: Mapping[str, Any], key: str) -> int | None:
    return whole(params, key, 0, least=0) if key in params else None


def _occupy(until_ns: int) -> None:
    """Returns at `until_ns`."""
    now = time.perf_counter_ns
    ahead = until_ns - now()
    if ahead > _AWAKE_NS:
        time.sleep((ahead - _AWAKE_NS) * 1e-9)
    # Each poll of nothing lets other threads have the interpreter.
    breathe = select.poll().poll
    while now() < until_ns:
        breathe(0)
