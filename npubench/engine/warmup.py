"""Warm-up until steady: the step time stops changing, or the time for it is over and the result says so.

Steps are grouped into blocks (a step longer than a block is one by itself); the step is steady when the medians of
three consecutive blocks lie within 5 % of each other. A first run may take a thousand times longer than the next
(compilation, caches, clocks), so no fixed count does.
"""

from __future__ import annotations

import time
from contextlib import suppress
from statistics import median

from npubench.schema import Warmup
from npubench.spi import RequestError, Step

BLOCKS = 3
TOLERANCE = 0.05
# A block lasts at least this long, so that a microsecond step is judged over many of them.
BLOCK_NS = 30_000_000
# … and this many steps, so that a block's median means something.
BLOCK_STEPS = 3
# Slow steps get the three that a judgement needs even beyond the limit, up to this many times the limit.
PATIENCE = 4


def warm_up(step: Step, limit_ns: int) -> tuple[Warmup, int]:
    """Runs `step` until steady or until `limit_ns` is over (see PATIENCE). Returns also the median step in ns."""
    now = time.perf_counter_ns
    start = block_start = now()
    medians: list[float] = []
    block: list[int] = []
    steps = 0
    while True:
        before = now()
        step(steps)
        after = now()
        steps += 1
        block.append(after - before)
        long_enough = after - block_start >= BLOCK_NS
        if long_enough and (len(block) >= BLOCK_STEPS or after - before >= BLOCK_NS):
            medians.append(median(block))
            block, block_start = [], after
            recent = medians[-BLOCKS:]
            if len(recent) == BLOCKS and max(recent) <= min(recent) * (1 + TOLERANCE):
                return Warmup(steps=steps, duration_ns=after - start, steady=True), int(recent[-1])
        if after - start >= limit_ns * (1 if steps >= BLOCKS else PATIENCE):
            typical = medians[-1] if medians else median(block)
            return Warmup(steps=steps, duration_ns=after - start, steady=False), int(typical)


def tolerant(step: Step) -> Step:
    """`step` for warming up: a request that failed alone (RequestError) is one without units there too."""

    def tolerated(index: int) -> int:
        with suppress(RequestError):
            return step(index)
        return 0

    return tolerated
