"""How a model is best run offline on a backend: the points that were tried, what each reached, the one chosen.

A point is batch × instances × threads × in-flight. `Search` is what a worker found (`engine.halving`), `Tuning` the
document that a run keeps for a cell. Rates are service units per second of a closed loop, one per block; in a block
every point that was still in the running was measured once, so that figures of one block may be compared.

Not aware of: how points are measured (`engine.tuning`), which are candidates (`engine.candidates`).
"""

from __future__ import annotations

from typing import Literal

import msgspec


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable; unknown keys are ignored when reading."""


class Point(_Facts, frozen=True, kw_only=True, order=True):
    """One way to run a model offline. `threads` per session; None: the backend takes no such number."""

    batch: int
    instances: int = 1
    threads: int | None = None
    inflight: int = 1

    @property
    def lanes(self) -> int:
        """How many requests are in flight together."""
        return self.instances * self.inflight


class Reason(_Facts, frozen=True, kw_only=True):
    """Why something has no figure. `kind`: a `schema.FailureKind` by its value, or one of these.

    `time`: the time was over before; `memory`: one that needs less ran out of memory; `same`: as another point.
    """

    kind: str
    message: str


class Tried(_Facts, frozen=True, kw_only=True):
    """What became of a point: its rate in each block in which it was measured, the blocks counted from the first.

    `rounds`: how many halvings it survived. `reason`: why it could not be run, or not to the end.
    """

    point: Point
    rates: tuple[float, ...] = ()
    rounds: int = 0
    reason: Reason | None = None


class Ratio(_Facts, frozen=True, kw_only=True):
    """A ratio from `count` pairs measured side by side: their median, and an interval that holds the true one.

    The interval is between two order statistics, so that nothing is assumed of the noise; `confidence` is what it
    reaches (David & Nagaraja, Order Statistics, 3rd ed., 7.1): 1 − 2^(1−n) from the least to the greatest of n.
    """

    median: float
    low: float
    high: float
    count: int
    confidence: float


class Search(_Facts, frozen=True, kw_only=True):
    """What a search found. `default` and `chosen` are among `surface`.

    `gain`: chosen over default, in blocks measured after the choice (`confirmed`), else in those that led to it; None
    where the default is chosen or nothing ran. `same`: the default over itself, measured twice in the same blocks
    (A/A): what this session's noise alone makes of a ratio; None where there was no time.
    """

    default: Point
    chosen: Point | None
    surface: tuple[Tried, ...]
    gain: Ratio | None = None
    confirmed: bool = False
    same: Ratio | None = None
    pairs: tuple[tuple[float, float], ...] = ()
    slices: int = 0
    duration_ns: int = 0


class Tuning(_Facts, frozen=True, kw_only=True):
    """The search for one cell. `failure`: why there is none; the cell is then measured at its default.

    `unit` is per second (frames, pages, tokens, samples). `lost`: workers that a point took down with it.
    """

    schema: Literal["npubench.tuning/1"] = "npubench.tuning/1"
    cell: str
    model: str
    precision: str
    variant: str
    backend: str
    scope: str
    unit: str = ""
    default: Point
    chosen: Point | None = None
    surface: tuple[Tried, ...] = ()
    gain: Ratio | None = None
    confirmed: bool = False
    same: Ratio | None = None
    pairs: tuple[tuple[float, float], ...] = ()
    slices: int = 0
    lost: int = 0
    seed: int = 0
    budget_ns: int = 0
    duration_ns: int = 0
    versions: dict[str, str] = {}
    failure: Reason | None = None

    @property
    def best(self) -> Point:
        """The point that the cell is measured at."""
        return self.chosen or self.default
