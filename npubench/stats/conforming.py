"""What a launch lacks to be a result by its ruleset: counts, durations, the percentile, the bound.

A launch that lacks something is still a measurement of what it measured; it just does not conform, and says in what.

Not aware of: whether the measurement is sound (`judge`).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from npubench.lang import Text
from npubench.rules import Ruleset, ScenarioRule
from npubench.schema import Capacity, Trial
from npubench.stats.early_stopping import needed
from npubench.stats.trials import Needed, missing
from npubench.units import significant

# Over-limit requests up to which the least number of queries is known; a launch has far fewer.
MOST_OVER = 2_000


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """How much a launch measured: requests (dropped and failed ones included), samples completed, seconds."""

    queries: int
    samples: int
    duration_s: float


def needed_by(rules: Ruleset, scenario: str) -> Needed:
    """The least numbers of queries that this ruleset's statistic asks for, its own percentile first."""
    rule = rules.scenarios.get(scenario, ScenarioRule())
    statistic = rules.early_stopping
    return tuple(
        (percent, needed(percent, MOST_OVER, confidence=statistic.confidence, tolerance=statistic.tolerance))
        for percent in rule.percentiles
    )


def lacks(
    rules: Ruleset, scenario: str, measured: Measure, capacity: Capacity | None = None, given: Trial | None = None
) -> tuple[Text, ...]:
    """What the ruleset asks of a result of this scenario and `measured` does not have; none: it conforms.

    `capacity` where a load was searched; `given` is the trial that a given load with a bound makes.
    """
    rule = rules.scenarios.get(scenario)
    if rule is None:
        return (
            Text(
                en=f"{rules.id} has no rule for the scenario {scenario}",
                ko=f"{rules.id}에는 {scenario} 시나리오의 규칙이 없음",
            ),
        )
    return tuple(_lacks(rules, rule, scenario, measured, capacity, given))


def _lacks(
    rules: Ruleset,
    rule: ScenarioRule,
    scenario: str,
    measured: Measure,
    capacity: Capacity | None,
    given: Trial | None,
) -> Iterator[Text]:
    if capacity is not None and not capacity.confirmed:
        yield Text(en="no load was confirmed", ko="확정된 부하가 없음")
        return
    more = rule.min_queries - measured.queries
    if capacity is not None:
        more = max(more, capacity.short or 0)
    if given is not None:
        table = needed_by(rules, scenario)
        if given.failed_by is not None:
            yield _missed(given, rule)
        elif given.percent is None or given.percent < rule.percentiles[0]:
            more = max(more, missing(given.queries, given.over, table) or 0)
    if more > 0:
        yield _more_queries(more, rule)
    if (short := rule.min_samples - measured.samples) > 0:
        yield Text(
            en=f"needs {short:,} more sample{'s' if short > 1 else ''}",
            ko=f"샘플 {short:,}개 더 필요",
        )
    # A window ends with its last request, which may be a hair before its time.
    if measured.duration_s < rule.min_duration_s * 0.999:
        ran, asked = significant(measured.duration_s), significant(rule.min_duration_s)
        yield Text(en=f"ran {ran} s of the {asked} s", ko=f"{asked}초 중 {ran}초만 측정")


def _more_queries(more: int, rule: ScenarioRule) -> Text:
    label = f"p{rule.percentiles[0]:g}" if rule.percentiles else ""
    return Text(
        en=f"needs {more:,} more quer{'ies' if more > 1 else 'y'}{' for ' + label if label else ''}",
        ko=f"{label + '에 ' if label else ''}질의 {more:,}건 더 필요",
    )


def _missed(given: Trial, rule: ScenarioRule) -> Text:
    label = f"p{rule.percentiles[0]:g}" if rule.percentiles else "max"
    return Text(
        en=f"did not hold its bound: {given.over:,} of {given.queries:,} requests were over it ({label})",
        ko=f"한계를 지키지 못함: 요청 {given.queries:,}건 중 {given.over:,}건 초과({label})",
    )
