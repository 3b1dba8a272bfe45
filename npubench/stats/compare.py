"""Two runs, cell by cell: may they be compared, are both sound, and only then which is slower, and by how much.

Guarantees, in this order (METRICS.md, Comparing):
    contract  the same cell key and the same identity; every field that differs is named. `allow` is recorded.
    health    an invalid cell is invalid, not slow; a cell that only the base has is missing.
    speed     launch values → cost (a throughput is inverted) → log → 99 % Welch interval of the difference of means.
A verdict comes from launches alone, never from pooled samples, and never from fewer than four launches a side.

Minimum detectable change: the smallest true slowdown that launches like these (this many, this spread) would call
regressed in 95 % of repeats. With two or three launches a side it says what their interval could show; the rule of
four withholds the verdict all the same.

Not aware of: files, the baseline (`store`, `cli`), the noise of earlier nights (pass a `tolerance`), how it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from npubench.errors import NotComparableError, UsageError
from npubench.lang import Text
from npubench.metrics import CAPACITY, METRICS, THROUGHPUT
from npubench.schema import Cell, Run, Spread
from npubench.stats.compared import (
    CellComparison,
    Comparison,
    Difference,
    MetricComparison,
    Rule,
    RunRef,
    Side,
    Status,
    Verdict,
    Version,
    differences,
    exit_code,
)
from npubench.stats.headline import headline
from npubench.stats.student import Sample, detectable, half_width, more_launches, place, standing

PROFILE = "profile"
"""The field that differs when a run's profile is too short to be compared (`--allow profile`)."""
KIND = "execution_kind"
"""Kinds are never compared with each other; this field cannot be allowed."""

# METRICS.md, Comparing: minimum effects. Latency percentiles and the first and later tokens; throughputs, what is held
# among them, for which the p99's effect counts: its bound decides.
MINIMUM_EFFECT: dict[str, float] = {
    "latency_p50_ns": 0.02,
    "latency_p99_ns": 0.05,
    **{key: 0.02 for key, _ in THROUGHPUT.values()},
    "ttft_p50_ns": 0.02,
    "tpot_p50_ns": 0.02,
    **dict.fromkeys(CAPACITY, 0.05),
    **{key: 0.02 for key in METRICS if key.startswith("sustained_")},
}

Tolerance = Callable[[str, str], float]
"""(cell id, metric key) → the relative change of cost that does not matter."""


def minimum_effect(_cell: str, metric: str) -> float:
    """The tolerance of a metric when nothing is known of a cell's history."""
    return MINIMUM_EFFECT[metric]


def _costs(spread: Spread | None, key: str) -> tuple[list[float], int]:
    """(log cost of each launch that has one, launches that have none)."""
    values = spread.launches if spread is not None else ()
    sign = -1.0 if METRICS[key].worse == "lower" else 1.0
    good = [sign * math.log(value) for value in values if value is not None and math.isfinite(value) and value > 0]
    return good, len(values) - len(good)


def _share(log_cost: float, key: str) -> float:
    """A difference of log costs as a relative change of the metric."""
    try:
        return math.expm1(-log_cost if METRICS[key].worse == "lower" else log_cost)
    except OverflowError:
        return math.inf


def _side(costs: Sequence[float], unusable: int, key: str) -> Side:
    if not costs:
        return Side(mean=None, launches=0, unusable=unusable)
    mean = math.fsum(costs) / len(costs)
    return Side(mean=math.exp(-mean if METRICS[key].worse == "lower" else mean), launches=len(costs), unusable=unusable)


def _no_value(side: str, spread: Spread | None) -> Text:
    why = spread.reason if spread is not None and spread.reason else "not measured"
    return Text(en=f"{side} has no value: {why}", ko=f"{side}에 값이 없음: {why}")


_VERDICTS: dict[str, Verdict] = {"above": "regressed", "below": "improved", "inside": "equivalent"}


def compare_metric(
    key: str, base: Spread | None, new: Spread | None, tolerance: float, rule: Rule
) -> MetricComparison | None:
    """One metric from the launch values of both sides. None where neither side has any value of it."""
    (a, a_lost), (b, b_lost) = _costs(base, key), _costs(new, key)
    if not a and not b:
        return None
    found = MetricComparison(
        metric=key,
        unit=METRICS[key].unit,
        verdict="inconclusive",
        base=_side(a, a_lost, key),
        new=_side(b, b_lost, key),
        tolerance=tolerance,
    )
    if not a or not b:
        return msgspec.structs.replace(found, reason=_no_value("BASE", base) if not a else _no_value("NEW", new))
    before, after = Sample.of(a), Sample.of(b)
    difference, band = after.mean - before.mean, math.log1p(tolerance)
    found = msgspec.structs.replace(found, change=_share(difference, key))
    fewest, counts = min(len(a), len(b)), f"{len(a)} and {len(b)}"
    reason: Text | None = None
    at = standing(before, after)
    if at is None:
        reason = Text(
            en=f"one launch has no spread (launches: {counts}); measure at least {rule.least_launches} a side",
            ko=f"실행 1회로는 산포를 알 수 없음(실행 {counts}회). 양쪽 모두 {rule.least_launches}회 이상 측정하세요",
        )
        return msgspec.structs.replace(found, reason=reason)
    half = half_width(at, rule.confidence)
    seen = detectable(before, after, rule.confidence, rule.power, band)
    bounds = sorted((_share(difference - half, key), _share(difference + half, key)))
    found = msgspec.structs.replace(
        found,
        low=bounds[0],
        high=bounds[1],
        minimum_detectable_change=None if seen is None else _share(seen, key),
    )
    where = place(difference, half, band)
    if where is not None and fewest >= rule.least_launches:
        return msgspec.structs.replace(found, verdict=_VERDICTS[where])
    more = more_launches(before, after, rule.confidence, band, rule.least_launches)
    if fewest < rule.least_launches:
        reason = Text(
            en=f"fewer than {rule.least_launches} launches a side ({counts})",
            ko=f"한쪽 실행이 {rule.least_launches}회 미만({counts})",
        )
    elif more is None:
        reason = Text(
            en="the change is too close to the tolerance: no number of launches can be named",
            ko="변화가 허용 폭에 너무 가까워 필요한 실행 횟수를 추정할 수 없음",
        )
    return msgspec.structs.replace(found, more_launches=more, reason=reason)


def _metrics(base: Cell, new: Cell, tolerance: Tolerance, rule: Rule) -> tuple[MetricComparison, ...]:
    rates = {THROUGHPUT.get(cell.unit, THROUGHPUT["sample"])[0] for cell in (base, new)}
    every = {key for key, _ in THROUGHPUT.values()}
    found = (
        compare_metric(key, base.summary.get(key), new.summary.get(key), tolerance(base.id, key), rule)
        for key in MINIMUM_EFFECT
        if key not in every or key in rates
    )
    return tuple(item for item in found if item is not None)


def _sound(cell: Cell) -> bool:
    return cell.verdict in ("valid", "degraded")


def _told(side: str, cell: Cell) -> Iterator[Text]:
    if cell.verdict == "valid":
        return
    why = cell.reasons or tuple(Text(en=item.message, ko=item.message) for item in cell.failures)
    for reason in why or (Text(en="no reason was recorded", ko="기록된 이유 없음"),):
        yield Text(en=f"{side} is {cell.verdict}: {reason.en}", ko=f"{side} {_KO[cell.verdict]}: {reason.ko}")


_KO = {"degraded": "저하", "invalid": "무효", "unsupported": "미지원"}


def _outcome(cell: Cell, status: Status, **more: Any) -> CellComparison:
    return CellComparison(
        id=cell.id,
        key=cell.key,
        model=cell.model,
        backend=cell.backend,
        precision=cell.precision,
        scenario=cell.scenario,
        scope=cell.scope,
        status=status,
        execution_kind=cell.execution_kind,
        **more,
    )


def _pair(
    base: Cell, new: Cell, profile: Sequence[Difference], allow: Sequence[str], tolerance: Tolerance, rule: Rule
) -> CellComparison:
    told = (*_told("BASE", base), *_told("NEW", new))
    if "unsupported" in (base.verdict, new.verdict):
        status: Status = "unsupported" if base.verdict == new.verdict else "missing"
        if base.verdict == "unsupported" and new.verdict != "unsupported":
            status = "new" if _sound(new) else "invalid"
        return _outcome(new, status, reasons=told)
    differing = [*profile, *differences(base.identity, new.identity)]
    if _sound(base) and _sound(new) and (base.execution_kind != new.execution_kind or base.execution_kind == "unknown"):
        differing.append(Difference(field=KIND, base=base.execution_kind, new=new.execution_kind))
    allowed = tuple(item for item in differing if any(_covers(name, item.field) for name in allow))
    refused = tuple(item for item in differing if item not in allowed)
    if refused:
        return _outcome(new, "not_comparable", differences=refused, allowed=allowed, reasons=told)
    if not (_sound(base) and _sound(new)):
        return _outcome(new, "invalid", allowed=allowed, reasons=told)
    metrics = _metrics(base, new, tolerance, rule)
    if not metrics:
        none = Text(en="no metric has a value on either side", ko="양쪽 모두 값이 있는 지표가 없음")
        return _outcome(new, "invalid", allowed=allowed, reasons=(*told, none))
    return _outcome(new, "compared", allowed=allowed, reasons=told, metrics=metrics)


def _covers(name: str, field: str) -> bool:
    return field == name or field.startswith(f"{name}.")


def _missing(cell: Cell, new: Run) -> CellComparison:
    """A cell that only the base has, with what the new run says of it."""
    if cell.verdict == "unsupported":
        return _outcome(cell, "unsupported", reasons=tuple(_told("BASE", cell)))
    reasons = [
        Text(en=f"{item.backend} is not there: {item.reason}", ko=f"{item.backend} 없음: {item.reason}")
        for item in new.absent
        if item.backend == cell.backend
    ]
    reasons += [
        Text(en=f"NEW is unsupported: {item.reason.en}", ko=f"NEW 미지원: {item.reason.ko}")
        for item in new.unsupported
        if (item.model, item.backend, item.precision) == (cell.model, cell.backend, cell.precision)
    ]
    return _outcome(cell, "missing", reasons=tuple(reasons))


def _added(cell: Cell) -> CellComparison:
    """A cell that only the new run has."""
    status: Status = "new" if _sound(cell) else "unsupported" if cell.verdict == "unsupported" else "invalid"
    return _outcome(cell, status, reasons=tuple(_told("NEW", cell)))


def _by_key(run: Run) -> dict[tuple[tuple[str, str], ...], Cell]:
    return {tuple(sorted(cell.key.items())): cell for cell in run.cells if cell.purpose != "floor"}


def compare(
    base: Run,
    new: Run,
    *,
    allow: Sequence[str] = (),
    tolerance: Tolerance = minimum_effect,
    rule: Rule | None = None,
    notes: Sequence[Text] = (),
) -> Comparison:
    """`new` against `base`. `allow` are identity fields (dotted, or their beginnings) that may differ.

    Raises UsageError for a field that can never be allowed, NotComparableError for a base without any cell.
    """
    rule = rule or Rule()
    if KIND in allow:
        raise UsageError(f"--allow {KIND}: execution kinds are never compared with each other")
    known, found = _by_key(base), _by_key(new)
    if not known:
        raise NotComparableError(
            f"{base.id}: this run has no cell to compare with", hint="name a run that measured the same cells"
        )
    profile: list[Difference] = []
    if not (base.comparable and new.comparable):
        profile.append(Difference(field=PROFILE, base=base.profile, new=new.profile))
    cells = [
        _pair(known[key], cell, profile, allow, tolerance, rule) if key in known else _added(cell)
        for key, cell in found.items()
    ]
    cells += [_missing(cell, new) for key, cell in known.items() if key not in found]
    said = list(notes)
    if base.id == new.id:
        said.append(Text(en="BASE and NEW are the same run", ko="BASE와 NEW가 같은 실행입니다"))
    taken = [item.field for cell in cells for item in cell.allowed]
    said += [
        Text(en=f"--allow {name}: nothing differs there", ko=f"--allow {name}: 다른 점이 없습니다")
        for name in dict.fromkeys(allow)
        if not any(_covers(name, field) for field in taken)
    ]
    names = sorted({*base.varying, *new.varying})
    return Comparison(
        base=RunRef.of(base),
        new=RunRef.of(new),
        rule=rule,
        allow=tuple(dict.fromkeys(allow)),
        exit_code=exit_code(cells),
        sentence=headline(cells, rule),
        cells=tuple(cells),
        varying=tuple(Version(name=name, base=base.varying.get(name), new=new.varying.get(name)) for name in names),
        notes=tuple(said),
    )
