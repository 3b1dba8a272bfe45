"""The comparison document (`npubench.compare/1`), its one sentence and its exit code.

Not aware of: how a verdict is reached (`compare`), how the document is laid out (`cli`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from npubench.errors import MeasurementError, NotComparableError, RegressionError, combine_exit_codes
from npubench.lang import Text
from npubench.metrics import METRICS
from npubench.scenarios import written
from npubench.schema import ExecutionKind, Run, Scenario

Verdict = Literal["regressed", "improved", "equivalent", "inconclusive"]
Status = Literal["compared", "not_comparable", "invalid", "missing", "new", "unsupported"]


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


class MetricComparison(_Document, frozen=True, kw_only=True):
    """One metric of one cell. Changes are of the metric itself, as a share: 0.123 is 12.3 % more than base.

    `low` and `high` bound `change`. `tolerance` is a share of cost. `minimum_detectable_change` has the sign of the
    bad direction (see the module). `more_launches`, on each side, is given for inconclusive verdicts; null where it
    cannot be estimated. `reason` says why something is null or withheld.
    """

    metric: str
    unit: str
    verdict: Verdict
    base: Side
    new: Side
    tolerance: float
    change: float | None = None
    low: float | None = None
    high: float | None = None
    minimum_detectable_change: float | None = None
    more_launches: int | None = None
    reason: Text | None = None


class CellComparison(_Document, frozen=True, kw_only=True):
    """One cell. `metrics` is empty unless `status` is compared; `allowed` are differences that `--allow` took."""

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
    reasons: tuple[Text, ...] = ()
    metrics: tuple[MetricComparison, ...] = ()

    @property
    def name(self) -> str:
        """What the cell is called in a sentence."""
        return f"{self.model} {self.precision} {self.backend} {written(self.scenario)} {self.scope}"


class Comparison(_Document, frozen=True, kw_only=True):
    """BASE against NEW. `sentence` says it all in one; `exit_code` is 0, or 5, 4, 3 in that order (`errors`)."""

    schema: Literal["npubench.compare/1"] = "npubench.compare/1"
    base: RunRef
    new: RunRef
    rule: Rule
    allow: tuple[str, ...] = ()
    exit_code: int
    sentence: Text
    cells: tuple[CellComparison, ...]
    varying: tuple[Version, ...] = ()
    notes: tuple[Text, ...] = ()


def exit_code(cells: Iterable[CellComparison]) -> int:
    """0, or the first of: 5 not comparable, 4 invalid or missing, 3 regressed."""
    codes = {0}
    for cell in cells:
        if cell.status == "not_comparable":
            codes.add(NotComparableError.exit_code)
        elif cell.status in ("invalid", "missing"):
            codes.add(MeasurementError.exit_code)
        elif any(metric.verdict == "regressed" for metric in cell.metrics):
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


def _worst(cells: Iterable[CellComparison]) -> tuple[CellComparison, MetricComparison]:
    """The regressed metric whose cost grew most."""
    found = [(cell, item) for cell in cells for item in cell.metrics if item.verdict == "regressed"]
    # Rounded, so that among equals the first metric of the first cell is named.
    return max(found, key=lambda pair: round(abs(math.log1p(pair[1].change or 0.0)), 4))


_STATUSES: tuple[tuple[Status, str, str], ...] = (
    ("not_comparable", "not comparable", "비교 불가"),
    ("invalid", "invalid", "무효"),
    ("missing", "missing", "누락"),
    ("unsupported", "unsupported", "미지원"),
    ("new", "new", "신규"),
)
_VERDICTS: tuple[tuple[Verdict, str, str], ...] = (
    ("improved", "improved", "개선"),
    ("equivalent", "equivalent", "동등"),
    ("inconclusive", "inconclusive", "판단 불가"),
)


def headline(cells: Sequence[CellComparison], rule: Rule) -> Text:
    """What was found, in one sentence: the worst regression by name, then what could not be compared."""
    verdicts = [item.verdict for cell in cells for item in cell.metrics]
    total, bad = len(verdicts), verdicts.count("regressed")
    if bad:
        cell, item = _worst(cells)
        change, low, high = item.change or 0.0, item.low or 0.0, item.high or 0.0
        bounds = f"{percent(low, signed=False)}", f"{percent(high, signed=False)}"
        title, sure = METRICS[item.metric].title, f"{rule.confidence * 100:g} %"
        which = Text(en=":" if bad == 1 else ", the worst:", ko=":" if bad == 1 else ", 가장 큰 것:")
        english = (
            f"{bad} of {total} metric{'s' if total > 1 else ''} regressed{which.en} {cell.name} {title.en} "
            f"{percent(change)} % ({sure} interval {bounds[0]} to {bounds[1]} %)"
        )
        korean = (
            f"지표 {total}개 중 {bad}개 악화{which.ko} {cell.name} {title.ko} "
            f"{percent(change)} % ({sure} 구간 {bounds[0]}~{bounds[1]} %)"
        )
    elif total:
        counted = [(verdicts.count(verdict), en, ko) for verdict, en, ko in _VERDICTS]
        english = f"none of {total} metric{'s' if total > 1 else ''} regressed: "
        english += ", ".join(f"{count} {en}" for count, en, _ in counted if count)
        korean = f"지표 {total}개 중 악화 없음: " + ", ".join(f"{ko} {count}개" for count, _, ko in counted if count)
    else:
        english, korean = "nothing was compared", "비교한 것이 없음"
    statuses = [cell.status for cell in cells]
    others = [(statuses.count(status), en, ko) for status, en, ko in _STATUSES if status in statuses]
    if others:
        first, *rest = others
        plural = "s" if first[0] > 1 else ""
        english += f"; {first[0]} cell{plural} {first[1]}" + "".join(f", {count} {en}" for count, en, _ in rest)
        korean += "; 셀 " + ", ".join(f"{ko} {count}개" for count, _, ko in others)
    return Text(en=english, ko=korean)
