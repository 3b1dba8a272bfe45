"""Which points are worth trying for a cell: around its default, within what the machine has. Pure.

On a processor instances × threads never exceed the machine's threads; on an accelerator two instances and four requests
in flight hide the host's part of a request, and more only queue up (ONNX Runtime and TensorRT guides, "multiple
streams"). Batches are a quarter of the card's to four times it.

Guarantees: the default comes first, then the others in the order in which they are wanted; at most MOST in all.
"""

from __future__ import annotations

import itertools
from math import log2

from npubench.cards import BackendCard
from npubench.scenarios import Scenario
from npubench.tuning import Point

MOST = 48
BATCH_FACTORS = (0.25, 0.5, 1, 2, 4)
# Devices with processors of their own, beside which the host only feeds them.
_ACCELERATORS = ("gpu", "npu", "endpoint", "none")
_ACCELERATOR_INSTANCES, _ACCELERATOR_INFLIGHT = (1, 2), (1, 2, 3, 4)


def default_point(scenario: Scenario, backend: BackendCard, threads: int) -> Point:
    """How an offline cell runs where nothing is tuned. `threads`: how many this machine may use."""
    return Point(
        batch=int(scenario.params.get("batch", 1)),
        instances=int(scenario.params.get("instances", 1)),
        threads=scenario.params.get("threads", _own_threads(backend, threads)),
        inflight=int(scenario.params.get("inflight", 1)),
    )


def _own_threads(backend: BackendCard, threads: int) -> int | None:
    """The card's number of threads where it is to be varied; what says "the runtime's choice" is all of them."""
    if backend.threads_option is None or backend.device.type in _ACCELERATORS:
        return None
    given = str(backend.options.get(backend.threads_option, 0))
    return (int(given) if given.isdecimal() else 0) or threads


def points(default: Point, backend: BackendCard, threads: int) -> tuple[Point, ...]:
    """The candidates for a default. `threads`: how many this machine may use."""
    batches = {max(1, round(default.batch * factor)) for factor in BATCH_FACTORS}
    ways: set[tuple[int, int | None, int]]
    if backend.device.type in _ACCELERATORS:
        ways = {
            (instances, default.threads, inflight)
            for instances, inflight in itertools.product(_ACCELERATOR_INSTANCES, _ACCELERATOR_INFLIGHT)
        }
    else:
        steps = _powers(threads)
        ways = {
            (instances, own, inflight)
            for instances, own, inflight in itertools.product(steps, steps, steps)
            if instances * own <= threads and instances * inflight <= threads
        }
        if default.threads is None:
            ways = {(instances, None, inflight) for instances, own, inflight in ways}
    found = {
        Point(batch=batch, instances=instances, threads=own, inflight=inflight)
        for batch in batches
        for instances, own, inflight in ways
    }
    ordered = sorted(found - {default}, key=lambda point: (_far(point, default, threads), point))
    return (default, *ordered)[:MOST]


def _powers(most: int) -> list[int]:
    """1, 2, 4 … and `most` itself."""
    return sorted({1 << power for power in range(most.bit_length())} | {most})


def _far(point: Point, default: Point, threads: int) -> float:
    """How far a point is from the default, in doublings; and what it leaves of a processor unused."""
    own, theirs = point.threads or 1, default.threads or 1
    unused = threads / (point.instances * own) if point.threads is not None else 1.0
    return (
        abs(log2(point.batch / default.batch))
        + abs(log2(point.instances / default.instances))
        + abs(log2(own / theirs))
        + abs(log2(point.inflight / default.inflight))
        + abs(log2(unused))
    )
