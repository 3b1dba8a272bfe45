"""What the latencies of a queue must be: Lindley's recursion, for one server and for several.

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
