"""The ranking document (`npubench.rank/1`): who is fast, who is frugal, and who could not be ranked and why.

A table never mixes execution kinds, scopes of measuring, or scopes of metering. `place` is one more than the number of
entries whose interval is certainly better, so that entries which cannot be told apart share a place.

Not aware of: how places are found (`ranking`), how tables are laid out (`report`, `cli`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from npubench.lang import Text
from npubench.schema import ExecutionKind, Scenario, Validity
from npubench.spi import MeterScope
from npubench.stats.compared import Difference, RunRef
from npubench.tuning import Point

Division = Literal["fixed", "open"]
"""`fixed`: everybody at one precision. `open`: each backend's best configuration whose quality passed."""
Why = Literal["invalid", "unsupported", "absent", "not_comparable", "unproven", "untimed", "quality"]
"""`untimed`: simulated or virtual, so that its times mean nothing. `quality`: not in the open division, because its
quality is not known or failed."""


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable."""


class Entry(_Document, frozen=True, kw_only=True):
    """One configuration: a cell of a run. `scenario` says how it was driven, `tuned` what a search for that chose."""

    cell: str
    run: str
    machine: str
    backend: str
    precision: str
    variant: str
    scenario: Scenario
    devices: str
    verdict: Validity
    quality: Literal["passed", "failed", "unknown"]
    tuned: Point | None = None
    labels: tuple[Text, ...] = ()


class Figure(_Document, frozen=True, kw_only=True):
    """A metric of an entry over its launches. `low` and `high` bound it; null where they are not known.

    `place` counts those that are certainly better; `shared`: others have the same place. Null with `reason`.
    """

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    launches: int = 0
    place: int | None = None
    shared: bool = False
    reason: Text | None = None


class Row(_Document, frozen=True, kw_only=True):
    """`figures` are those of the table's `metrics`. `front`: no other entry is at least as good in speed and energy and
    certainly better in one; null where that is not judged.
    """

    entry: Entry
    figures: tuple[Figure, ...]
    front: bool | None = None


class Table(_Document, frozen=True, kw_only=True):
    """Entries that may stand beside each other, best first by the first of `metrics`.

    `precision`: of the fixed division. `meter_scope`: of an energy table, whose first metric is of energy and whose
    second is speed. `notes`: what to know, such as why nobody has a place.
    """

    model: str
    scenario: Scenario
    scope: str
    kind: ExecutionKind
    division: Division
    precision: str | None
    meter_scope: MeterScope | None = None
    mix: str | None = None
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[Text, ...] = ()


class Unranked(_Document, frozen=True, kw_only=True):
    """What is in no table (of `division`, where only that), and why. `scenario` is null where none was planned."""

    run: str
    machine: str
    model: str
    backend: str
    precision: str
    scenario: Scenario | None = None
    scope: str | None = None
    division: Division | None = None
    why: Why
    reasons: tuple[Text, ...] = ()
    differences: tuple[Difference, ...] = ()


class Ranking(_Document, frozen=True, kw_only=True):
    """`allow`: fields that may differ within a table, as asked. `confidence`: of the intervals."""

    schema: Literal["npubench.rank/1"] = "npubench.rank/1"
    runs: tuple[RunRef, ...]
    confidence: float
    allow: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    unranked: tuple[Unranked, ...] = ()
    notes: tuple[Text, ...] = ()
