"""The comparison document (`npubench.compare/1`) and its exit code.

Not aware of: how a verdict is reached (`compare`), its one sentence (`headline`), how it is laid out (`cli`, `report`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from npubench.errors import MeasurementError, NotComparableError, RegressionError, combine_exit_codes
from npubench.lang import Text
from npubench.scenarios import written
from npubench.schema import VALIDITY_TEXT, ExecutionKind, Run, Scenario
from npubench.spi import MeterScope

Verdict = Literal["regressed", "improved", "equivalent", "inconclusive"]
Status = Literal["compared", "untimed", "not_comparable", "invalid", "missing", "new", "unsupported"]
"""`untimed`: sound on both sides, but of a kind whose times mean nothing (simulated, virtual): no speed is judged."""
ToleranceFrom = Literal["minimum", "history", "class"]
"""The metric's minimum effect; three times the noise of earlier nights; the spread within a pool of equal machines."""
Label = Literal[
    "cpu_assisted",
    "simulated",
    "virtual",
    "cpu_fallback",
    "endpoint",
    "overhead_bound",
    "base_degraded",
    "new_degraded",
]

_CAUTION = VALIDITY_TEXT["degraded"]
LABELS: dict[Label, Text] = {
    "cpu_assisted": Text(en="placement: CPU-assisted", ko="실행 위치: CPU 보조"),
    "simulated": Text(en="simulated: times mean nothing", ko="시뮬레이션: 시간은 의미 없음"),
    "virtual": Text(en="virtual device: times mean nothing", ko="가상 장치: 시간은 의미 없음"),
    "cpu_fallback": Text(en="ran on the CPU", ko="CPU에서 실행됨"),
    "endpoint": Text(en="endpoint", ko="엔드포인트"),
    "overhead_bound": Text(en="overhead-bound", ko="하네스 비용 지배"),
    "base_degraded": Text(en=f"BASE counts {_CAUTION.en}", ko=f"BASE {_CAUTION.ko}"),
    "new_degraded": Text(en=f"NEW counts {_CAUTION.en}", ko=f"NEW {_CAUTION.ko}"),
}


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable."""


class Rule(_Document, frozen=True, kw_only=True):
    """What the verdicts were reached by (METRICS.md, Comparing)."""

    confidence: float = 0.99
    power: float = 0.95
    least_launches: int = 4


class RunRef(_Document, frozen=True, kw_only=True):
    """One of the two runs."""

    id: str
    machine: str
    created: str
    profile: str
    comparable: bool
    npubench: str

    @classmethod
    def of(cls, run: Run) -> RunRef:
        return cls(
            id=run.id,
            machine=run.machine.name,
            created=run.created,
            profile=run.profile,
            comparable=run.comparable,
            npubench=run.npubench,
        )


class Difference(_Document, frozen=True, kw_only=True):
    """A field of the identity that differs, as a dotted path; a value that a side does not state is null."""

    field: str
    base: Any
    new: Any


def differences(base: Any, new: Any, path: str = "") -> Iterator[Difference]:
    """Every leaf that differs, sorted by path. A list is a leaf; a key that one side lacks counts as null."""
    if not path and msgspec.json.encode(base) == msgspec.json.encode(new):
        return
    maps = isinstance(base, Mapping), isinstance(new, Mapping)
    if all(maps) or (any(maps) and None in (base, new)):
        base, new = base or {}, new or {}
        for name in sorted({*base, *new}):
            yield from differences(base.get(name), new.get(name), f"{path}.{name}" if path else name)
    # In Python True == 1; in a card's options they are two things.
    elif base != new or isinstance(base, bool) != isinstance(new, bool):
        yield Difference(field=path, base=base, new=new)


class Version(_Document, frozen=True, kw_only=True):
    """A varying version on both sides; null where a side does not state it. Never a reason to refuse."""

    name: str
    base: str | None
    new: str | None


class Side(_Document, frozen=True, kw_only=True):
    """One side of a metric: the geometric mean of its launch values, in the metric's stored unit.

    `launches` counts the values used, `unusable` the launches without a positive, finite value.
    """

    mean: float | None
    launches: int
    unusable: int = 0


class Paired(_Document, frozen=True, kw_only=True):
    """The rounds that a verdict on two builds of one run came from (`paired`): cost of NEW over cost of BASE, each."""

    rounds: int
    cost_ratios: tuple[float, ...]


class MetricComparison(_Document, frozen=True, kw_only=True):
    """One metric of one cell. Changes are of the metric itself, as a share: 0.123 is 12.3 % more than base.

    `scope`: of an energy metric, where its joules were read. `low` and `high` bound `change`; a bound that is not known
    is null. `tolerance` is a share of cost, `tolerance_from` why it is what it is; `noise` is the robust standard
    deviation of the means of `nights` earlier nights, as a share of cost, null where there were too few.
    `minimum_detectable_change` has the sign of the bad direction (see `compare`). `more_launches`, on each side, is
    given for inconclusive verdicts; null where it cannot be estimated. `withheld`: the verdict that launches would have
    given, had other work on the machine not disturbed them. `confirmed`: whether measuring again agreed with a
    regressed verdict; null where it was not measured again with a result. `paired`: of two builds measured in turns.
    `reason` says why something is null or withheld.
    """

    metric: str
    unit: str
    scope: MeterScope | None = None
    verdict: Verdict
    base: Side
    new: Side
    tolerance: float
    tolerance_from: ToleranceFrom = "minimum"
    noise: float | None = None
    nights: int = 0
    change: float | None = None
    low: float | None = None
    high: float | None = None
    minimum_detectable_change: float | None = None
    more_launches: int | None = None
    withheld: Verdict | None = None
    confirmed: bool | None = None
    paired: Paired | None = None
    reason: Text | None = None

    @property
    def red(self) -> bool:
        """Whether it counts as a regression: measured again, both must agree."""
        return self.verdict == "regressed" and self.confirmed is not False

    @property
    def doubtful(self) -> bool:
        """Whether measuring again may make or confirm a regression of it."""
        return self.red or self.withheld == "regressed"


class CellComparison(_Document, frozen=True, kw_only=True):
    """One cell. `metrics` is empty unless `status` is compared.

    `allowed` are differences that `--allow` took, `waived` those that do not count within a machine class. `lacks`:
    what either side lacks to be a result by its ruleset. `confirmed`: whether measuring it again agreed with any of its
    red verdicts (null: not red, or not measured again), `confirmation` what that found.
    """

    id: str
    key: dict[str, str]
    model: str
    backend: str
    precision: str
    scenario: Scenario
    scope: str
    status: Status
    execution_kind: ExecutionKind | None = None
    differences: tuple[Difference, ...] = ()
    allowed: tuple[Difference, ...] = ()
    waived: tuple[Difference, ...] = ()
    labels: tuple[Label, ...] = ()
    reasons: tuple[Text, ...] = ()
    lacks: tuple[Text, ...] = ()
    metrics: tuple[MetricComparison, ...] = ()
    confirmed: bool | None = None
    confirmation: tuple[MetricComparison, ...] = ()

    @property
    def red(self) -> bool:
        """Whether a metric of it regressed, and measuring it again did not disagree."""
        return any(metric.red for metric in self.metrics)

    @property
    def doubtful(self) -> bool:
        """Whether it is worth measuring again: red, or red but for other work on the machine."""
        return any(metric.doubtful for metric in self.metrics)

    @property
    def name(self) -> str:
        """What the cell is called in a sentence."""
        return f"{self.model} {self.precision} {self.backend} {written(self.scenario)} {self.scope}"


class Comparison(_Document, frozen=True, kw_only=True):
    """BASE against NEW. `sentence` says it all in one; `exit_code` is 0, or 5, 4, 3 in that order (`errors`).

    `only`: the part that was asked for ("model=cctv-detect"), empty for all. `machine_class`: of a pool of equal
    machines that shares BASE. `confirmed_by`: the run in which red cells were measured again.
    """

    schema: Literal["npubench.compare/1"] = "npubench.compare/1"
    base: RunRef
    new: RunRef
    rule: Rule
    allow: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    machine_class: str | None = None
    confirmed_by: RunRef | None = None
    exit_code: int
    sentence: Text
    cells: tuple[CellComparison, ...]
    varying: tuple[Version, ...] = ()
    notes: tuple[Text, ...] = ()


def exit_code(cells: Iterable[CellComparison]) -> int:
    """0, or the first of: 5 not comparable, 4 invalid or missing, 3 regressed (and not refuted by a second look)."""
    codes = {0}
    for cell in cells:
        if cell.status == "not_comparable":
            codes.add(NotComparableError.exit_code)
        elif cell.status in ("invalid", "missing"):
            codes.add(MeasurementError.exit_code)
        elif cell.red:
            codes.add(RegressionError.exit_code)
    return combine_exit_codes(codes)


def percent(share: float, signed: bool = True) -> str:
    """A relative change with one decimal and no unit: +12.3, −0.4, 0.0; unsigned where growth needs no sign."""
    if not math.isfinite(share):
        return "∞"
    if share >= 100:
        return ">9,999"
    text = f"{abs(share) * 100:,.1f}" if abs(share) < 10 else f"{abs(share) * 100:,.0f}"
    if float(text.replace(",", "")) == 0:
        return text
    return f"−{text}" if share < 0 else f"+{text}" if signed else text
