"""The metrics of a cell on two sides, each with a verdict from its launches: change, interval, what could be detected.

Launch values → cost (a throughput is inverted) → log → 99 % Welch interval of the difference of means → where it lies
against the tolerance (METRICS.md, Comparing). Energy is compared within one scope only. What a searched load leaves
open between two of its steps widens the interval (`searched`); latencies at different loads are left out, and said.

Not aware of: whether the two may be compared at all (`compare`), the noise of earlier nights (`noise`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import msgspec

from npubench.lang import Text
from npubench.metrics import CAPACITY, ENERGY, METRICS, THROUGHPUT
from npubench.schema import Cell, Spread
from npubench.spi import MeterScope
from npubench.stats import searched
from npubench.stats.compared import MetricComparison, Rule, Side, ToleranceFrom, Verdict
from npubench.stats.percentiles import INFINITE
from npubench.stats.student import Sample, detectable, half_width, more_launches, place, standing

# METRICS.md, Comparing: minimum effects. Latency percentiles and the first and later tokens; throughputs, what is held
# among them, for which the p99's effect counts: its bound decides. Energy: gross, for net energy takes the drift of
# the idle power with it.
MINIMUM_EFFECT: dict[str, float] = {
    "latency_p50_ns": 0.02,
    "latency_p99_ns": 0.05,
    **{key: 0.02 for key, _ in THROUGHPUT.values()},
    "ttft_p50_ns": 0.02,
    "tpot_p50_ns": 0.02,
    **dict.fromkeys(CAPACITY, 0.05),
    **{key: 0.02 for key in METRICS if key.startswith("sustained_")},
    **{key: 0.03 for key in ENERGY if METRICS[key].worse != "neither" and not key.startswith("net_")},
}
_RATES = {key for key, _ in THROUGHPUT.values()}
_AT_A_LOAD = _RATES | {"latency_p50_ns", "latency_p99_ns", "ttft_p50_ns", "tpot_p50_ns"}


class Tolerated(msgspec.Struct, frozen=True):
    """The relative change of cost that does not matter, and why that much; `noise` and `nights` as in the document."""

    share: float
    source: ToleranceFrom = "minimum"
    noise: float | None = None
    nights: int = 0


Tolerances = Callable[[Cell, str, MeterScope | None], Tolerated]
"""(the new cell, metric key, scope of an energy metric) → what is tolerated."""


def minimum(_cell: Cell, metric: str, _scope: MeterScope | None = None) -> Tolerated:
    """The tolerance of a metric when nothing is known of a cell's history."""
    return Tolerated(MINIMUM_EFFECT[metric])


def costs(spread: Spread | None, key: str) -> tuple[list[float], int]:
    """(log cost of each launch that has one, launches that have none)."""
    values = spread.launches if spread is not None else ()
    sign = -1.0 if METRICS[key].worse == "lower" else 1.0
    good = [sign * math.log(value) for value in values if value is not None and 0 < value < math.inf]
    return good, len(values) - len(good)


def endless(spread: Spread | None, key: str) -> int:
    """How many launches cost infinitely much: a percentile among requests that were never answered, a load or rate of
    nothing at all.
    """
    if spread is None:
        return 0
    if METRICS[key].worse == "lower":
        return sum(value == 0 for value in spread.launches)
    return sum(value is None for value in spread.launches) if spread.reason == INFINITE else 0


def share(log_cost: float, key: str) -> float:
    """A difference of log costs as a relative change of the metric."""
    try:
        return math.expm1(-log_cost if METRICS[key].worse == "lower" else log_cost)
    except OverflowError:
        return math.inf


def side(log_costs: Sequence[float], unusable: int, key: str) -> Side:
    """One side of a comparison from the log costs of its launches."""
    if not log_costs:
        return Side(mean=None, launches=0, unusable=unusable)
    mean = math.fsum(log_costs) / len(log_costs)
    value = math.exp(-mean if METRICS[key].worse == "lower" else mean)
    return Side(mean=value, launches=len(log_costs), unusable=unusable)


def _no_value(name: str, spread: Spread | None) -> Text:
    why = spread.reason if spread is not None and spread.reason else "not measured"
    return Text(en=f"{name} has no value: {why}", ko=f"{name}에 값이 없음: {why}")


VERDICTS: dict[str, Verdict] = {"above": "regressed", "below": "improved", "inside": "equivalent"}


def compare_metric(
    key: str,
    base: Spread | None,
    new: Spread | None,
    tolerated: Tolerated,
    rule: Rule,
    *,
    scope: MeterScope | None = None,
    steps: searched.Steps = searched.NONE,
) -> MetricComparison | None:
    """One metric from the launch values of both sides. None where neither side has any value of it.

    `steps`: how far above its confirmed value a searched load may lie on each side.
    """
    (a, a_lost), (b, b_lost) = costs(base, key), costs(new, key)
    if not a and not b:
        return None
    never = endless(base, key), endless(new, key)
    found = MetricComparison(
        metric=key,
        unit=METRICS[key].unit,
        scope=scope,
        verdict="inconclusive",
        base=side(a, a_lost, key),
        new=side(b, b_lost, key),
        tolerance=tolerated.share,
        tolerance_from=tolerated.source,
        noise=tolerated.noise,
        nights=tolerated.nights,
    )
    if not a or not b:
        return _one_sided(found, base, new, never, rule)
    before, after = Sample.of(a), Sample.of(b)
    difference, band = after.mean - before.mean, math.log1p(tolerated.share)
    found = msgspec.structs.replace(found, change=share(difference, key))
    at = standing(before, after)
    if at is None:
        return msgspec.structs.replace(found, reason=_one_launch(len(a), len(b), rule))
    half = half_width(at, rule.confidence)
    # A capacity is a rate: its cost may be lower than confirmed, on the new side by `steps.new`.
    low, high = difference - half - steps.new, difference + half + steps.base
    seen = detectable(before, after, rule.confidence, rule.power, band + steps.new)
    bounds = sorted((share(low, key), share(high, key)))
    found = msgspec.structs.replace(
        found,
        low=_known(bounds[0]),
        high=_known(bounds[1]),
        minimum_detectable_change=None if seen is None or math.isinf(steps.new) else share(seen, key),
    )
    where = place(low, high, band)
    if where is not None and min(len(a), len(b)) >= rule.least_launches:
        return supported(msgspec.structs.replace(found, verdict=VERDICTS[where]), *never)
    more = more_launches(before, after, rule.confidence, band, rule.least_launches, steps.new, steps.base)
    reason = _withheld(len(a), len(b), more, steps, rule)
    return msgspec.structs.replace(found, more_launches=more, reason=reason)


def _one_sided(
    found: MetricComparison, base: Spread | None, new: Spread | None, never: tuple[int, int], rule: Rule
) -> MetricComparison:
    """A metric of which one side has no value in any launch: decided where each of them cost infinitely much."""
    name, spread, lost, there = "NEW", new, never[1], found.base
    if not there.launches:
        name, spread, lost, there = "BASE", base, never[0], found.new
    every = spread is not None and lost == len(spread.launches)
    if not every or min(lost, there.launches) < rule.least_launches:
        return msgspec.structs.replace(found, reason=_no_value(name, spread))
    verdict: Verdict = "regressed" if name == "NEW" else "improved"
    # Of nothing all is lost; how much larger infinity is, no number says.
    fell = (METRICS[found.metric].worse == "lower") == (name == "NEW")
    change = -1.0 if fell else None
    return msgspec.structs.replace(found, verdict=verdict, change=change, reason=_never(name, lost, lost))


def supported(found: MetricComparison, base: int, new: int) -> MetricComparison:
    """`found`, judged on launches that have a value, without a verdict that launches of infinite cost (`endless`, on
    each side) speak against: what is left of NEW looks better than NEW is, what is left of BASE better than BASE.
    """
    against = (*(("equivalent", "improved") if new else ()), *(("regressed", "equivalent") if base else ()))
    if found.verdict not in against:
        return found
    name, lost, side_ = ("NEW", new, found.new) if new else ("BASE", base, found.base)
    return msgspec.structs.replace(
        found, verdict="inconclusive", reason=_never(name, lost, max(lost, side_.launches + side_.unusable))
    )


def _never(name: str, lost: int, launches: int) -> Text:
    return Text(
        en=f"{name}: in {lost} of {launches} launches nothing was held, or so many requests were dropped or failed "
        "that this is infinite",
        ko=f"{name}: 실행 {launches}회 중 {lost}회에서 감당한 것이 없거나, 누락·실패한 요청이 많아 값이 무한대임",
    )


def _known(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None


def _one_launch(base: int, new: int, rule: Rule) -> Text:
    return Text(
        en=f"one launch has no spread (launches: {base} and {new}); measure at least {rule.least_launches} a side",
        ko=f"실행 1회로는 산포를 알 수 없음(실행 {base}회, {new}회). 양쪽 모두 {rule.least_launches}회 이상 측정하세요",
    )


def _withheld(base: int, new: int, more: int | None, steps: searched.Steps, rule: Rule) -> Text | None:
    if min(base, new) < rule.least_launches:
        return Text(
            en=f"fewer than {rule.least_launches} launches a side ({base} and {new})",
            ko=f"한쪽 실행이 {rule.least_launches}회 미만({base}회, {new}회)",
        )
    if more is not None:
        return None
    if steps != searched.NONE:
        return Text(
            en="the search found this load only to within its steps; launches do not refine it, a longer search does",
            ko="부하를 탐색 간격까지만 찾았음. 실행을 늘려도 좁혀지지 않으며 더 긴 탐색이 필요함",
        )
    return Text(
        en="the change is too close to the tolerance: no number of launches can be named",
        ko="변화가 허용 폭에 너무 가까워 필요한 실행 횟수를 추정할 수 없음",
    )


def metrics(
    base: Cell, new: Cell, tolerances: Tolerances, rule: Rule
) -> tuple[tuple[MetricComparison, ...], tuple[Text, ...]]:
    """Every metric that has a value on either side, and what was left out and why."""
    left_out = list(_left_out(base, new))
    differ = searched.loads_differ(base, new)
    rates = {THROUGHPUT.get(cell.unit, THROUGHPUT["sample"])[0] for cell in (base, new)}
    found = []
    for key in MINIMUM_EFFECT:
        if key in ENERGY or (key in _RATES and key not in rates) or (differ and key in _AT_A_LOAD):
            continue
        if key not in base.summary and key not in new.summary:
            continue
        given = base.summary.get(key), new.summary.get(key), tolerances(new, key, None), rule
        one = _nothing_held(key, base, new, *given[2:]) if key in CAPACITY else None
        found.append(one or compare_metric(key, *given, steps=searched.steps(key, base, new)))
    for scope in base.efficiency:
        if scope in new.efficiency:
            found += _energy(scope, base, new, tolerances, rule)
    return tuple(item for item in found if item is not None), tuple(left_out)


def _energy(
    scope: MeterScope, base: Cell, new: Cell, tolerances: Tolerances, rule: Rule
) -> Iterator[MetricComparison | None]:
    """A request that is one frame or one page costs what that costs: then only the latter is compared."""
    before, after = base.efficiency[scope], new.efficiency[scope]
    request = "energy_per_request_j"
    same = {
        request
        for key in ("energy_per_frame_j", "energy_per_page_j")
        if all(key in kept and kept.get(request) == kept[key] for kept in (before, after))
    }
    for key in MINIMUM_EFFECT:
        if key in ENERGY and key not in same and (key in before or key in after):
            tolerated, steps = tolerances(new, key, scope), searched.steps(key, base, new)
            yield compare_metric(key, before.get(key), after.get(key), tolerated, rule, scope=scope, steps=steps)


def _nothing_held(key: str, base: Cell, new: Cell, tolerated: Tolerated, rule: Rule) -> MetricComparison | None:
    """A capacity of which one side held not even the least load; None where both held some, or neither did."""
    lost_base, lost_new = searched.held_nothing(base, key), searched.held_nothing(new, key)
    if (lost_base is None) == (lost_new is None):
        return None
    some, least = (base, lost_new) if lost_new is not None else (new, lost_base)
    held = some.capacity.confirmed if some.capacity is not None else None
    if not held or not least or key not in base.summary or key not in new.summary:
        return None
    counts = len(base.summary[key].launches), len(new.summary[key].launches)
    # In loads as they were searched; a metric's own unit is a multiple of them.
    ratio = least / held
    clear = ratio * (1 + tolerated.share) < 1 and min(counts) >= rule.least_launches
    (a, a_lost), (b, b_lost) = costs(base.summary[key], key), costs(new.summary[key], key)
    nothing = Text(en="not even the least load was held", ko="가장 작은 부하도 감당하지 못함")
    found = MetricComparison(
        metric=key,
        unit=METRICS[key].unit,
        verdict="inconclusive",
        base=side(a, a_lost, key) if lost_base is None else Side(mean=0.0, launches=counts[0]),
        new=side(b, b_lost, key) if lost_new is None else Side(mean=0.0, launches=counts[1]),
        tolerance=tolerated.share,
        tolerance_from=tolerated.source,
        noise=tolerated.noise,
        nights=tolerated.nights,
        reason=Text(en=f"NEW: {nothing.en}", ko=f"NEW: {nothing.ko}")
        if lost_new is not None
        else Text(en=f"BASE: {nothing.en}", ko=f"BASE: {nothing.ko}"),
    )
    if lost_new is not None:
        verdict: Verdict = "regressed" if clear else "inconclusive"
        return msgspec.structs.replace(found, verdict=verdict, change=-1.0, low=-1.0, high=ratio - 1)
    return msgspec.structs.replace(found, verdict="improved" if clear else "inconclusive", low=1 / ratio - 1)


def _left_out(base: Cell, new: Cell) -> Iterator[Text]:
    if searched.loads_differ(base, new):
        yield Text(
            en="latency and throughput were measured at different loads, each at its own capacity: not compared",
            ko="지연 시간과 처리량은 각자의 감당 부하에서 측정되어 부하가 다름: 비교하지 않음",
        )
    for name, there, here in (("BASE", base, new), ("NEW", new, base)):
        if only := [scope for scope in there.efficiency if scope not in here.efficiency]:
            scopes = ", ".join(only)
            yield Text(
                en=f"energy was read in scope {scopes} on {name} only: not compared",
                ko=f"{scopes} 범위의 에너지는 {name}에만 있음: 비교하지 않음",
            )
