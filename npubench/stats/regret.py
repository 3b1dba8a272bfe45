"""How far a tuner's choice is from the best of an exhaustive search, beside what noise alone would show. Pure.

Both are figures of the same kind from the same blocks: the median, over blocks, of the log of one rate over another's.
Not aware of: how a search is made.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import exp, log
from statistics import median

from npubench.tuning import Point, Tuning

# Of all ways to say which of two equal slices was which, this share gives a smaller ratio than the spread.
SHARE = 0.95
# More pairs than this have too many ways: the first ones then stand for all (2^12 = 4 096).
_MOST_PAIRS = 12


def best_of(searched: Tuning) -> Point | None:
    """The point with the highest median rate, each rate taken over its block's median; None where none ran."""
    rows = _rows(searched)
    if not rows:
        return None
    blocks = len(next(iter(rows.values())))
    middle = [median(rates[block] for rates in rows.values()) for block in range(blocks)]
    return max(rows, key=lambda point: median(r / m for r, m in zip(rows[point], middle, strict=True)))


def regret(searched: Tuning, chosen: Point) -> float | None:
    """What is lost by `chosen` against the best point of an exhaustive search, as a share of the best's rate.

    Never negative, and above zero by luck alone where points are equal: the best of many is the luckiest as well. None
    where `chosen` has no figure there.
    """
    best = best_of(searched)
    return None if best is None else loss(searched, best, chosen)


def loss(measured: Tuning, best: Point, chosen: Point) -> float | None:
    """What `chosen` loses against `best` where both were measured again, as a share of the best's rate; never negative.

    The best of an exhaustive search is the luckiest of many as well (the winner's curse), which a second look at both
    takes away. None where one of them has no figure.
    """
    rows = _rows(measured)
    if best not in rows or chosen not in rows:
        return None
    pairs = zip(rows[best], rows[chosen], strict=True)
    return 1 - exp(-max(0.0, median(log(one / other) for one, other in pairs)))


def spread(pairs: Sequence[tuple[float, float]]) -> float | None:
    """What noise alone makes of such a figure: pairs are rates of one and the same point, side by side.

    Exact permutation: of every way to name the two, the share SHARE loses less than this. None for less than 5 pairs,
    of which every way is more likely than 1 − SHARE.
    """
    logs = [log(one / other) for one, other in pairs][:_MOST_PAIRS]
    if len(logs) < 5:
        return None
    found = sorted(
        abs(median(sign * size for sign, size in zip(signs, logs, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(logs))
    )
    return 1 - exp(-found[int(SHARE * (len(found) - 1))])


def _rows(searched: Tuning) -> dict[Point, tuple[float, ...]]:
    """The points that ran in every block."""
    blocks = max((len(tried.rates) for tried in searched.surface), default=0)
    return {
        tried.point: tried.rates
        for tried in searched.surface
        if blocks and len(tried.rates) == blocks and tried.reason is None
    }
