"""Which of many ways to run a model is the fastest: successive halving with interleaved repetitions, in a time box.

All points are measured once, then again and again in blocks: one slice of each point that is left, in seeded order.
After every round of blocks the slower half goes (Jamieson & Talwalkar, Non-stochastic Best Arm Identification, AISTATS
2016), and whatever is surely slower than the leader; as time is shared out evenly between rounds, slices grow as points
get fewer. The default is never dropped. Last, when the choice is made, it is measured against the default anew, and the
default against itself: figures that the choice has not seen.

Points are compared by the log of their rates within blocks, so that what slows a machine down for a while hits all of
them alike. A score is the upper median over blocks: a disturbance makes a slice slower, never faster.

Guarantees: a point that raises is out with its reason, and the search goes on; nothing is begun that is expected to end
after the box, and the last slice may only be late by what it takes longer than the ones before; the default wins where
nothing is shown to be better. Not aware of: sessions, processes, clocks other than the one that it is given.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from math import ceil, comb, exp, log, log2, sqrt
from statistics import median
from typing import NamedTuple

from npubench.tuning import Point, Ratio, Reason, Search, Tried


class Slice(NamedTuple):
    """Units per second, and how long the slice became: steps are not broken off. Opening is not in it."""

    rate: float
    took_ns: int


Measure = Callable[[Point, int], Slice]
"""(point, ns) → a slice of about that length; opens the point where it is not open. May raise PointError."""

# So few points are left for the last round.
FINALISTS = 3
# Blocks of a round: two, so that one disturbance does not decide; more where slices would become longer than
# TYPICAL_NS, because what is averaged beyond is better spent on another block.
LEAST_BLOCKS, MOST_BLOCKS, CONFIRM_BLOCKS = 2, 9, 7
SHORTEST_NS, TYPICAL_NS, LONGEST_NS = 20_000_000, 400_000_000, 1_500_000_000
# The first look at every point may take this share of the box, opening included; the round that decides and the
# confirmation weigh as much as so many other rounds.
FIRST_SHARE, LAST_WEIGHT, CONFIRM_WEIGHT = 0.5, 2.0, 1.0
# A point is surely slower when it lies this many standard errors behind the leader (one in a thousand by chance).
SURE = 3.1
# From a median absolute deviation to the standard deviation of normal noise (Rousseeuw & Croux, JASA 1993).
_MAD = 1.4826
CONFIDENCE = 0.95


class PointError(Exception):
    """A point that cannot be run, with the reason that the result keeps."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.message)
        self.reason = reason


_NO_TIME = Reason(kind="time", message="the time was over before it was tried")


class _TimeOver(Exception):  # noqa: N818 - not an error
    """The box does not hold another slice."""


class _Row:
    """What is known of one point. `left`: in the running; `over_ns`: what its last slice took beyond what was asked."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.over_ns = 0
        self.rounds = 0
        self.left = True
        self.reason: Reason | None = None


class Halving:
    """One search on its way. `measure` runs a slice, `now` is the clock in ns, `box_ns` the time from here on."""

    def __init__(
        self, points: Sequence[Point], default: Point, measure: Measure, now: Callable[[], int], box_ns: int, seed: int
    ) -> None:
        # In the order in which they are wanted, should there be no time for all.
        self._rows = {point: _Row() for point in (default, *points)}
        self._default = default
        self._measure = measure
        self._now = now
        self._begun = now()
        self._end = self._begun + box_ns
        self._random = random.Random(seed)
        self._slices = 0
        # What opening has lately taken.
        self._opening_ns = 0
        self._confirmed: list[tuple[float, float]] = []
        self._same: list[tuple[float, float]] = []

    def search(self) -> Search:
        """Searches until the answer is confirmed or the box is full."""
        chosen: Point | None = None
        try:
            self._first()
            self._rounds()
            while (chosen := self._leader()) is not None and not self._confirm(chosen):
                self._confirmed, self._same = [], []
                self._bring_back()
        except _TimeOver:
            chosen = chosen or self._leader()
        return self._found(chosen)

    def _first(self) -> None:
        """The first look at every point: opened, warmed up and measured for a moment."""
        end = self._begun + round((self._end - self._begun) * FIRST_SHARE)
        # Leaves the greater part of it for opening.
        slice_ns = _within(round((end - self._begun) / (4 * len(self._rows))))
        waiting = list(self._rows)
        while waiting:
            point = self._most_promising(waiting)
            waiting.remove(point)
            row = self._rows[point]
            if row.reason is None and point != self._default and self._now() + slice_ns + self._opening_ns > end:
                row.reason = _NO_TIME
            self._slice(point, slice_ns)

    def _most_promising(self, waiting: Sequence[Point]) -> Point:
        """What to look at next, as there may be no time for all: in the order given while batches and ways are new,
        then by what a point's batch and its way have shown alone (the product of the two, as a first guess).
        """
        known = {point: log(row.rates[0]) for point, row in self._rows.items() if row.rates}
        batches = {point.batch: rate for point, rate in known.items() if _way(point) == _way(self._default)}
        ways = {_way(point): rate for point, rate in known.items() if point.batch == self._default.batch}
        for point in waiting:
            if point.batch == self._default.batch or _way(point) == _way(self._default):
                return point
        lowest = min(known.values(), default=0.0)
        return max(waiting, key=lambda point: batches.get(point.batch, lowest) + ways.get(_way(point), lowest))

    def _rounds(self) -> None:
        count = max(1, ceil(log2(max(1, len(self._left())) / (FINALISTS + 1))) + 1)
        for number in range(count):
            points = len(self._left())
            if points < 2:
                return
            # Where many were surely slower there are fewer rounds to come than planned.
            last = number == count - 1 or points <= FINALISTS + 1
            weight = LAST_WEIGHT if last else 1.0
            after = CONFIRM_WEIGHT + (0.0 if last else LAST_WEIGHT + count - number - 2)
            share = (self._end - self._now()) * weight / (weight + after)
            # The first look is the first block of the first round.
            for slice_ns in self._planned(share)[number == 0 :]:
                self._block(slice_ns)
            self._drop(halve=not last)
            if last:
                return

    def _planned(self, share: float) -> list[int]:
        """The lengths of a round's blocks, in ns, which together take about `share`; at least one."""
        points = len(self._left())
        over = sum(self._rows[point].over_ns for point in self._left())
        blocks = min(MOST_BLOCKS, max(LEAST_BLOCKS, int(share / (points * TYPICAL_NS + over))))
        if blocks * (points * SHORTEST_NS + over) > share:
            # Steps are slow: one block is all that fits, and in the first round that was the first look.
            blocks = 1
        return [_within(round((share / blocks - over) / points))] * blocks

    def _block(self, slice_ns: int) -> None:
        order = self._left()
        self._random.shuffle(order)
        for point in order:
            self._slice(point, slice_ns)

    def _slice(self, point: Point, slice_ns: int) -> None:
        rate = self._once(point, slice_ns)
        if rate is not None:
            self._rows[point].rates.append(rate)

    def _once(self, point: Point, slice_ns: int) -> float | None:
        """The rate of a slice; None where the point cannot be run, which is then out. Raises _TimeOver."""
        row = self._rows[point]
        if row.reason is not None:
            return None
        begun = self._now()
        # The very first goes ahead in any box: without it nothing is known.
        if self._slices and begun + slice_ns + row.over_ns > self._end:
            raise _TimeOver
        self._slices += 1
        try:
            rate, took_ns = self._measure(point, slice_ns)
        except PointError as error:
            self._out(point, error.reason)
            return None
        row.over_ns = max(0, took_ns - slice_ns)
        if self._slices > 1:
            # Not of the very first, which opens what others share.
            self._opening_ns = (self._opening_ns + max(0, self._now() - begun - slice_ns)) // 2
        if not rate > 0:
            self._out(point, Reason(kind="raised", message="no request was completed"))
            return None
        return rate

    def _out(self, point: Point, reason: Reason) -> None:
        self._rows[point].reason = reason
        if reason.kind != "out_of_memory":
            return
        for other, row in self._rows.items():
            if row.reason is None and not row.rates and other != self._default and needs_more(other, point):
                said = f"batch {point.batch} with {point.lanes} in flight ran out of memory, and this needs more"
                row.reason = Reason(kind="memory", message=said)

    def _left(self) -> list[Point]:
        return [point for point, row in self._rows.items() if row.left and row.rates and row.reason is None]

    def _centred(self, points: Sequence[Point]) -> dict[Point, list[float]]:
        """The logs of rates over their block's median, in the blocks that all have."""
        blocks = min((len(self._rows[point].rates) for point in points), default=0)
        logs = {point: [log(rate) for rate in self._rows[point].rates[:blocks]] for point in points}
        middle = [median(found[block] for found in logs.values()) for block in range(blocks)]
        return {
            point: [one - centre for one, centre in zip(found, middle, strict=True)] for point, found in logs.items()
        }

    def _scores(self, points: Sequence[Point]) -> dict[Point, float]:
        """The upper median, over the blocks that all have, of the log of a rate over the block's median."""
        return {point: sorted(found)[len(found) // 2] for point, found in self._centred(points).items()}

    def _leader(self) -> Point | None:
        """The best of those in the running, the default where it is as good; None where nothing ran."""
        scores = self._scores(self._left())
        return max(scores, key=lambda point: (scores[point], point == self._default), default=None)

    def _drop(self, halve: bool) -> None:
        """Keeps the better half and the default; of those, not what is surely slower than the leader."""
        points = self._left()
        scores = self._scores(points)
        ranked = sorted(points, key=lambda point: scores[point], reverse=True)
        kept = ranked[: ceil(len(ranked) / 2)] if halve else ranked
        behind = self._sure_gap(points)
        for point in points:
            row = self._rows[point]
            near = scores[ranked[0]] - scores[point] <= behind
            stays = point == self._default or (point in kept and near)
            row.left, row.rounds = stays, row.rounds + stays

    def _sure_gap(self, points: Sequence[Point]) -> float:
        """From which difference of scores on a point is surely slower, by the noise of all points together.

        Infinite after a single block, which shows no noise.
        """
        centred = self._centred(points)
        blocks = min((len(found) for found in centred.values()), default=0)
        if blocks < 2:
            return float("inf")
        apart = [abs(one - median(found)) for found in centred.values() for one in found]
        # Deviations from a middle that was taken from the same few blocks are too small.
        noise = _MAD * median(apart) * sqrt(blocks / (blocks - 1))
        return SURE * noise * sqrt(2 / blocks)

    def _bring_back(self) -> None:
        """The choice failed late: those that lasted longest but for it are in the running again."""
        alive = [row for point, row in self._rows.items() if point != self._default and row.reason is None]
        longest = max((len(row.rates) for row in alive), default=0)
        for row in alive:
            row.left = len(row.rates) == longest

    def _confirm(self, chosen: Point) -> bool:
        """The choice against the default, and the default against itself, block by block; false where it fails now."""
        if self._rows[self._default].reason is not None:
            return True
        turns = [self._default, self._default, *([chosen] if chosen != self._default else [])]
        over = sum(self._rows[point].over_ns for point in turns)
        slice_ns = _within(round(((self._end - self._now()) / CONFIRM_BLOCKS - over) / len(turns)))
        for _ in range(CONFIRM_BLOCKS):
            self._random.shuffle(turns)
            rates: dict[Point, list[float]] = {chosen: [], self._default: []}
            for point in turns:
                if (rate := self._once(point, slice_ns)) is None:
                    return False
                rates[point].append(rate)
            first, second = rates[self._default]
            self._same.append((first, second))
            if chosen != self._default:
                self._confirmed.append((rates[chosen][0], sqrt(first * second)))
        return True

    def _found(self, chosen: Point | None) -> Search:
        default = self._rows[self._default]
        gain = ratio(self._confirmed)
        if gain is None and chosen is not None and default.reason is None:
            gain = ratio(list(zip(self._rows[chosen].rates, default.rates, strict=False)))
        if gain is not None and gain.median < 1:
            # What won among many by luck does not win again.
            chosen = self._default
        return Search(
            default=self._default,
            chosen=chosen,
            surface=tuple(
                Tried(
                    point=point,
                    rates=tuple(row.rates),
                    rounds=row.rounds,
                    reason=row.reason or (None if row.rates else _NO_TIME),
                )
                for point, row in self._rows.items()
            ),
            gain=None if chosen == self._default else gain,
            confirmed=bool(self._confirmed),
            same=ratio(self._same),
            pairs=tuple(self._same),
            slices=self._slices,
            duration_ns=self._now() - self._begun,
        )


def search(
    points: Sequence[Point], default: Point, measure: Measure, *, now: Callable[[], int], box_ns: int, seed: int
) -> Search:
    """The fastest of `points` within `box_ns`; see the module."""
    return Halving(points, default, measure, now, box_ns, seed).search()


def exhaust(
    points: Sequence[Point],
    default: Point,
    measure: Measure,
    *,
    now: Callable[[], int],
    slice_ns: int,
    repetitions: int,
    seed: int,
) -> Search:
    """Every point `repetitions` times in interleaved blocks, the default twice in each; what a search is judged by."""
    begun = now()
    order = random.Random(seed)
    rows = {point: _Row() for point in (default, *points)}
    again: list[tuple[float, float]] = []
    slices = 0
    for _ in range(repetitions):
        turns = [*rows, default]
        order.shuffle(turns)
        twice: list[float] = []
        for point in turns:
            row = rows[point]
            if row.reason is not None:
                continue
            slices += 1
            try:
                rate = measure(point, slice_ns).rate
            except PointError as error:
                row.reason = error.reason
                continue
            if point == default:
                twice.append(rate)
            if point != default or len(twice) == 1:
                row.rates.append(rate)
        if len(twice) == 2:
            again.append((twice[0], twice[1]))
    ran = {point: median(row.rates) for point, row in rows.items() if row.rates and row.reason is None}
    return Search(
        default=default,
        chosen=max(ran, key=lambda point: ran[point], default=None),
        surface=tuple(Tried(point=point, rates=tuple(row.rates), reason=row.reason) for point, row in rows.items()),
        same=ratio(again),
        pairs=tuple(again),
        slices=slices,
        duration_ns=now() - begun,
    )


def ratio(pairs: Sequence[tuple[float, float]]) -> Ratio | None:
    """The first of each pair over the second: median, and the narrowest interval of at least CONFIDENCE there is.

    Too few pairs for that give the whole range, with the confidence that it has. None without pairs.
    """
    logs = sorted(log(one / other) for one, other in pairs)
    count = len(logs)
    if not count:
        return None
    cut = 0
    while 2 * (cut + 1) < count and _covers(count, cut + 1) >= CONFIDENCE:
        cut += 1
    return Ratio(
        median=exp(median(logs)),
        low=exp(logs[cut]),
        high=exp(logs[count - 1 - cut]),
        count=count,
        confidence=_covers(count, cut),
    )


def _covers(count: int, cut: int) -> float:
    """The confidence of the interval between the order statistics cut+1 and count−cut."""
    return max(0.0, 1 - 2 * sum(comb(count, k) for k in range(cut + 1)) / float(1 << count))


def _within(slice_ns: int) -> int:
    return min(LONGEST_NS, max(SHORTEST_NS, slice_ns))


def _way(point: Point) -> tuple[int, int | None, int]:
    """A point without its batch."""
    return point.instances, point.threads, point.inflight


def needs_more(point: Point, other: Point) -> bool:
    """Whether a point holds at least as much in memory as another."""
    return point.batch >= other.batch and point.lanes >= other.lanes and point.instances >= other.instances
