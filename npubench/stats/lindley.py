"""What the latencies of a queue must be, Lindley's recursion for one server and for several; a generator's own lag.

For one server the wait of a request is max(0, the wait of the one before + its service − the gap between them); for
several, first come first served, a request is served by the server that is free first, once it is due. Exact, from
arrivals and service times alone: a measurement of load whose latencies differ is wrong by that much.

Sources: Lindley, *The theory of queues with a single server* (1952); Kiefer & Wolfowitz, *On the theory of queues with
many servers* (1955). Not aware of: where the times come from.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]


def latencies(due_ns: Iterable[int], service_ns: Iterable[int], servers: int = 1) -> Times:
    """Due-to-completed time of each request, in the order in which they are due. Raises ValueError.

    `due_ns` must not fall; there are as many service times as requests.
    """
    if servers < 1:
        raise ValueError(f"{servers} servers; expected 1 or more")
    free = [-(2**62)] * servers
    found = []
    last = None
    for due, service in zip(due_ns, service_ns, strict=True):
        if last is not None and due < last:
            raise ValueError("requests must be in the order in which they are due")
        last = due
        done = max(int(due), free[0]) + int(service)
        heapq.heapreplace(free, done)
        found.append(done - int(due))
    return np.array(found, dtype=np.int64)


def own_lag(due_ns: Times, issued_ns: Times, completed_ns: Times, servers: int = 1) -> Times:
    """How much later each request was issued than it could have been: it was due, and a server was free.

    That is the generator's own doing, where `issued - due` also holds the wait for a device that is busy. Requests in
    the order in which they are due, without those that were never run. Raises ValueError.
    """
    if servers < 1:
        raise ValueError(f"{servers} servers; expected 1 or more")
    free = np.full(len(due_ns), -(2**62), dtype=np.int64)
    if servers == 1:
        free[1:] = completed_ns[:-1]
    else:
        ends = [-(2**62)] * servers
        for position, done in enumerate(completed_ns.tolist()):
            free[position] = heapq.heapreplace(ends, done)
    lag: Times = issued_ns - np.maximum(due_ns, free)
    return lag
