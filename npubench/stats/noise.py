"""How much a cell's figures move from night to night by themselves, and the tolerance that follows from it.

Launches of one night share that night: its temperature, its neighbours, where memory came to lie. What they share does
not show in their spread, so two nights can differ by more than their launches say. The tolerance is therefore at least
three robust standard deviations of the means of earlier nights (METRICS.md, Comparing).

Guarantees: only sound cells of one identity and execution kind, of nights before the one under test and since the last
accepted baseline, at most 14 and at least 5 of them. A lasting change of level among them (a regression that nobody has
repaired, say) does not count as noise: where the spread about the median (1.4826 × MAD) is more than twice that from
one night to the next (`changepoint.robust_scale`), the latter counts.

Not aware of: files (`history`), what the tolerance is for (`speed`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean, median

import msgspec

from npubench.schema import Cell
from npubench.spi import MeterScope
from npubench.stats.changepoint import robust_scale
from npubench.stats.history import Night, NightCell, log_costs, stamp
from npubench.stats.speed import MINIMUM_EFFECT, Tolerated

MOST_NIGHTS, LEAST_NIGHTS = 14, 5
MOST_LOOKED_AT = 60
"""So many nights are read at most: a cell that was not measured in any of them has no history here."""
_TIMES = 3.0
_CLASS_FACTOR = 2.0
# The standard deviation of normal values over their median absolute deviation: 1 / Φ⁻¹(3/4).
_MAD_TO_SD = 1.4826
# By how much that is too small, in the middle, for so many values (Croux and Rousseeuw 1992, "Time-efficient algorithms
# for two highly robust estimators of scale", section 4); from ten on n / (n − 0.8).
_FEW = (1.0, 1.0, 1.196, 1.495, 1.363, 1.206, 1.200, 1.140, 1.129, 1.107)
# Of equal nights the first estimate is more than this much larger in one case of fifty; a step makes it so at once.
_STEPPED = 2.0


class Noise(msgspec.Struct, frozen=True):
    """`sd`: the robust standard deviation of the log cost of `nights` earlier nights."""

    sd: float
    nights: int


def robust_sd(means: Sequence[float]) -> float:
    """Of night means in the order of time; at least two. See the module for why there are two estimates of it."""
    middle, count = median(means), len(means)
    few = _FEW[count] if count < len(_FEW) else count / (count - 0.8)
    about = _MAD_TO_SD * few * median(abs(value - middle) for value in means)
    steps = robust_scale(means)
    return about if about <= _STEPPED * steps else steps


def floor(nights: Sequence[NightCell], metric: str, scope: MeterScope | None = None) -> Noise | None:
    """The noise of a metric over earlier nights of one cell, newest first; None where too few of them have a value."""
    means = []
    for cell in nights:
        if costs := log_costs(cell.spread(metric, scope), metric):
            means.append(fmean(costs))
        if len(means) == MOST_NIGHTS:
            break
    return Noise(robust_sd(means), len(means)) if len(means) >= LEAST_NIGHTS else None


class History(msgspec.Struct, frozen=True):
    """The earlier nights of a machine by cell (identity and execution kind), newest first."""

    cells: dict[tuple[str, str | None], list[NightCell]]

    @classmethod
    def of(cls, nights: Iterable[Night], since: str | None = None) -> History:
        """From nights before the one under test, newest first. `since`: the id or time of the accepted baseline."""
        found: dict[tuple[str, str | None], list[NightCell]] = {}
        limit = stamp(since) if since is not None else ""
        for count, night in enumerate(nights):
            if count == MOST_LOOKED_AT or stamp(night.created) < limit:
                break
            for cell in night.cells if night.comparable else ():
                if cell.sound and cell.purpose != "floor":
                    kept = found.setdefault((cell.identity_sha256, cell.execution_kind), [])
                    if len(kept) < MOST_NIGHTS:
                        kept.append(cell)
        return cls(found)

    def noise(self, cell: Cell, metric: str, scope: MeterScope | None = None) -> Noise | None:
        """The noise of one of its metrics; None without history enough."""
        return floor(self.cells.get((cell.identity_sha256, cell.execution_kind), ()), metric, scope)


class Learned(msgspec.Struct, frozen=True):
    """Tolerances from history: `speed.Tolerances`. Between machines of a class the minimum effect counts twice: equal
    machines differ by a few percent (silicon, cooling, memory slots), which no night of one of them shows.
    """

    history: History
    of_class: bool = False

    def __call__(self, cell: Cell, metric: str, scope: MeterScope | None = None) -> Tolerated:
        least = MINIMUM_EFFECT[metric] * (_CLASS_FACTOR if self.of_class else 1.0)
        found = self.history.noise(cell, metric, scope)
        if found is None:
            return Tolerated(least, "class" if self.of_class else "minimum")
        noise = math.expm1(found.sd)
        learned = math.expm1(_TIMES * found.sd)
        if learned > least:
            return Tolerated(learned, "history", noise, found.nights)
        return Tolerated(least, "class" if self.of_class else "minimum", noise, found.nights)
