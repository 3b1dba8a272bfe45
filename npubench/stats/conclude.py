"""Everything that is derived from one finished launch, in one call: summary, verdict, what it lacks.

The launcher calls it when a worker is done, `verify` to see whether the same samples still give the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from npubench.lang import Text
from npubench.rules import Ruleset
from npubench.scenarios import KINDS, NO_LIMIT, Scenario
from npubench.schema import Audit, Capacity, Trial, Validity, Value, Warmup, Window
from npubench.stats.conforming import Measure, lacks, needed_by
from npubench.stats.judge import judge
from npubench.stats.samples import Samples
from npubench.stats.summary import SCHEDULED, summarise
from npubench.stats.trials import Limits, trial


class Concluded(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into a launch document. `given`: a load that was given and has a bound, judged like a searched one."""

    summary: dict[str, Value]
    verdict: Validity
    reasons: tuple[Text, ...]
    lacks: tuple[Text, ...]
    given: Trial | None = None


def lanes_of(scenario: Scenario) -> int:
    """How many requests of this scenario can be in flight; NO_LIMIT where none waits for room, as no user does."""
    if KINDS[scenario.name].arrival == "users" or scenario.params.get("inflight") == 0:
        return NO_LIMIT
    lanes = 1
    for name in ("devices", "instances", "inflight", "users"):
        lanes *= int(scenario.params.get(name, 1))
    return lanes


def conclude(
    samples: Samples,
    *,
    scenario: Scenario,
    window: Window,
    unit: str,
    rules: Ruleset,
    warmup: Warmup,
    samples_per_row: int = 1,
    limits: Limits | None = None,
    capacity: Capacity | None = None,
    audits: Iterable[Audit] = (),
    left: int = 0,
) -> Concluded:
    """What the samples of a launch say. `limits`: what a request of this cell must not exceed, where load is bound.

    `left`: requests of a given load that were due and have no sample; of a searched one its trials say how many.
    """
    kind, lanes = KINDS[scenario.name], lanes_of(scenario)
    planned = kind.arrival in SCHEDULED
    counted = samples.within(window.start_ns, window.end_ns) if planned else samples
    lag_ns = counted.lag_ns(lanes) if planned else None
    given: Trial | None = None
    if capacity is None and kind.load is not None and kind.load in scenario.params and limits is not None:
        given = trial(
            counted,
            window,
            load=float(scenario.params[kind.load]),
            purpose="confirm",
            limits=limits,
            needed=needed_by(rules, scenario.name),
            lanes=lanes,
            lag_ns=lag_ns,
            left=left,
        )
    summary = summarise(
        counted,
        window,
        unit,
        kind.arrival,
        samples_per_row,
        lanes=lanes,
        capacity=capacity,
        bound=rules.bounds.get(unit),
        lag_ns=lag_ns,
        left=left if capacity is None else _left(capacity, window),
    )
    verdict, reasons = judge(
        counted,
        warmup,
        kind.arrival,
        rules,
        lanes=lanes,
        window=window,
        capacity=capacity,
        given=given,
        audits=audits,
        lag_ns=lag_ns,
        left=left,
    )
    measured = Measure(
        queries=len(counted.table),
        samples=int((counted.column("status") == 0).sum()) * samples_per_row,
        duration_s=(window.end_ns - window.start_ns) / 1e9,
    )
    return Concluded(
        summary=summary,
        verdict=verdict,
        reasons=reasons,
        lacks=lacks(rules, scenario.name, measured, capacity, given),
        given=given,
    )


def _left(capacity: Capacity, window: Window) -> int:
    """How many requests of the trial in this window were due and have no sample."""
    return next((item.left for item in capacity.trials if item.window == window), 0)
