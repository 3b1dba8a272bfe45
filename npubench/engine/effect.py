"""What reading the meters does to the work beside them: fixed work in a child, in blocks with and without sampling.

Blocks come in pairs whose order is drawn with a seed, so that drifts hit both alike; the ratio of their times is the
effect, with its interval. Where sampling costs nothing this is an A/A test, and the interval says how small an effect
it could have seen. `python -m npubench.engine.effect` is the child.

Not aware of: what is measured otherwise.
"""

from __future__ import annotations

import hashlib
import math
import os
import random
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import fmean, stdev

from npubench.energy import Effect
from npubench.stats.student import quantile

PAIRS = 11
BLOCK_S = 0.2
_CONFIDENCE = 0.95
# Of the child: starting, and a block on a machine that is ten times as slow as it was when it was calibrated.
_START_S, _PATIENCE = 10.0, 10.0
_PIECE = bytes(1 << 18)


def interval(pairs: Sequence[tuple[float, float]]) -> Effect | None:
    """The ratio (with / without) of paired times, geometric, and its 95 % interval by Student's t over the logarithms.

    None for fewer than two pairs.
    """
    logs = [math.log(on / off) for on, off in pairs]
    if len(logs) < 2:
        return None
    middle = fmean(logs)
    half = quantile(len(logs) - 1, (1 + _CONFIDENCE) / 2) * stdev(logs) / math.sqrt(len(logs))
    return Effect(
        ratio=math.exp(middle), low=math.exp(middle - half), high=math.exp(middle + half), blocks=2 * len(logs)
    )


def effect(
    sample: Callable[[bool], None],
    stop: Callable[[], bool] = lambda: False,
    pairs: int = PAIRS,
    block_s: float = BLOCK_S,
    seed: int = 0,
) -> Effect | None:
    """The effect of `sample(True)` against `sample(False)`; sampling is on when this returns.

    None where the child does not answer, or `stop()` turns true before it is known.
    """
    drawn = random.Random(seed)
    found: list[tuple[float, float]] = []
    with _Child(block_s) as child:
        try:
            for _ in range(pairs):
                times: dict[bool, float] = {}
                for on in drawn.sample((True, False), 2):
                    sample(on)
                    taken = None if stop() else child.block()
                    if taken is None:
                        return None
                    times[on] = taken
                found.append((times[True], times[False]))
        finally:
            sample(True)
    return interval(found)


class _Child:
    """The process that does the work. Lives as long as the `with` block."""

    def __init__(self, block_s: float) -> None:
        self._block_s = block_s

    def __enter__(self) -> _Child:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "npubench.engine.effect", str(self._block_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._line(_START_S)
        return self

    def block(self) -> float | None:
        """Seconds that one block of work took; None where the child is gone or hangs."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"go\n")
            self._process.stdin.flush()
            return float(self._line(_PATIENCE * self._block_s + 1.0)) / 1e9
        except (OSError, ValueError):
            return None

    def _line(self, seconds: float) -> bytes:
        assert self._process.stdout is not None
        descriptor, line = self._process.stdout.fileno(), b""
        deadline = time.monotonic() + seconds
        while not line.endswith(b"\n"):
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return b""
            piece = os.read(descriptor, 4096)
            if not piece:
                return b""
            line += piece
        return line

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _work(pieces: int) -> int:
    """The same work in as many threads as there are cores: a runtime is as late as the last of its threads. In ns."""

    def part() -> None:
        for _ in range(pieces):
            hashlib.sha256(_PIECE).digest()

    threads = [threading.Thread(target=part) for _ in range(len(os.sched_getaffinity(0)))]
    started = time.perf_counter_ns()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter_ns() - started


def main(block_s: float) -> int:
    """The child: calibrates its work to `block_s` once, then does it for each line and says how long it took."""
    _work(4)
    pieces = max(1, round(32 * block_s * 1e9 / _work(32)))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        sys.stdout.write(f"{_work(pieces)}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(float(sys.argv[1])))
