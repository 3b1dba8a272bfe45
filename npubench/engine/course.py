"""What the lanes of one run share: whether it goes on, how many requests missed their bound, which frames are dropped.

Guarantees: everything here may be called between two requests: it allocates nothing but integers, takes no lock and
reads no clock. Not aware of: lanes, steps, tables, when requests are issued (`measure`).
"""

from __future__ import annotations

import itertools
from collections.abc import MutableSequence, Sequence
from typing import Literal

from npubench.engine.schedule import Arrivals, previous

_NEVER_NS = 2**63 - 1


class Limit:
    """When a load is hopeless: as soon as more than `most_over` requests, failed and dropped ones included, missed a
    bound (ns from the moment they were due; `tpot_ns` per output token after the first). None: not bound."""

    __slots__ = ("latency_ns", "most_over", "tpot_ns", "ttft_ns")

    def __init__(self, latency_ns: int | None, ttft_ns: int | None, tpot_ns: int | None, most_over: int) -> None:
        self.latency_ns = _NEVER_NS if latency_ns is None else latency_ns
        self.ttft_ns = _NEVER_NS if ttft_ns is None else ttft_ns
        self.tpot_ns = _NEVER_NS if tpot_ns is None else tpot_ns
        self.most_over = most_over


class Course:
    """What the lanes of one run share: whether it goes on, and how many requests missed the limit so far."""

    __slots__ = ("_count", "error", "limit", "over", "stopped")

    def __init__(self, limit: Limit | None) -> None:
        self.limit = limit
        self.over = 0
        self.stopped: Literal["hopeless", "full", "error"] | None = None
        self.error: BaseException | None = None
        # A step of it cannot be interrupted by another thread, where `over += 1` can.
        self._count = itertools.count(1).__next__

    def hopeless(self, position: int, waited_ns: int, due: Sequence[int]) -> bool:
        """Whether the limit is certain to be broken: `position` is not issued yet, `waited_ns` since the start.

        True as soon as the request whose miss would be one too many has waited too long, since then all before it
        have: who has not even been issued has neither a first token nor an answer.
        """
        limit = self.limit
        if limit is None:
            return False
        ahead = position + limit.most_over - self.over
        if ahead >= len(due) or waited_ns - due[ahead] <= min(limit.latency_ns, limit.ttft_ns):
            return False
        self.stop("hopeless")
        return True

    def stop(self, why: Literal["hopeless", "full"]) -> None:
        """Ends the run early, unless it has been ended before."""
        if self.stopped is None:
            self.stopped = why

    def fail(self, error: BaseException) -> None:
        """Ends the run with an error; the first one counts."""
        if self.error is None:
            self.error = error
        self.stopped = "error"

    def missed(self) -> None:
        """One more request missed the limit."""
        self.over = over = self._count()
        if self.limit is not None and over > self.limit.most_over:
            self.stop("hopeless")

    def judge(self, scheduled: int, first: int, completed: int, units: int, status: int) -> None:
        """Counts a finished request that missed the limit. `first` 0: no first result was seen."""
        limit = self.limit
        if limit is None:
            return
        if (
            status != 0
            or completed - scheduled > limit.latency_ns
            or first - scheduled > limit.ttft_ns
            or (units > 1 and first and completed - first > limit.tpot_ns * (units - 1))
        ):
            self.missed()


class Frames:
    """Which frames are dropped: those that at their scheduled moment found their camera's previous one not issued yet.

    Only scheduled and issued times decide that, not when a lane comes to look: frames that were all due while every
    lane was busy are dropped alike, however late they are looked at. Preallocated, a cell per arrival and per camera.
    """

    __slots__ = ("_begun", "_decided", "_previous")

    def __init__(self, arrivals: Arrivals) -> None:
        self._previous = previous(arrivals).data
        self._decided = bytearray(len(arrivals.due_ns))
        self._begun: MutableSequence[int] = [0] * (int(arrivals.stream.max(initial=-1)) + 1)

    def drops(self, position: int, stream: int, scheduled: int, issued: int) -> bool:
        """Whether this frame is dropped; where it is not, it is issued at `issued`. Asked once, from `scheduled` on."""
        before = self._previous[position]
        # Not decided yet: the frame before is waiting, even now.
        dropped = before >= 0 and (not self._decided[before] or self._begun[stream] > scheduled)
        if not dropped:
            self._begun[stream] = issued
        # In this order: another lane that sees that it is decided must find when.
        self._decided[position] = 1
        return dropped
