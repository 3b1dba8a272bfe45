"""How load arrives: an `Issue` function per scenario, which waits for a request's moment and returns it.

Latency counts from that scheduled moment, so a late generator counts against the result (no coordinated omission).
"""

from __future__ import annotations

from npubench.engine.measure import Issue

ARRIVALS = {"single-stream": "completion", "offline": "at-once"}
"""Scenario → how requests become due. Scenarios that are not here cannot be measured yet."""


def issuer(scenario: str, start_ns: int) -> Issue | None:
    """The scenario's issue function. None: closed loop, the next request is due on completion.

    `at-once` (offline): every request has been due since `start_ns`.
    """
    if ARRIVALS[scenario] == "completion":
        return None
    return lambda _row: start_ns
