"""Is a launch's measurement sound? Valid, degraded or invalid, with reasons that say what to do."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from npubench import statuses
from npubench.lang import Text
from npubench.rules import Ruleset
from npubench.schema import CAVEATS, DROPPED, Audit, Capacity, Trial, Validity, Warmup, Window
from npubench.stats.held import not_held
from npubench.stats.percentiles import percentile
from npubench.stats.samples import Int64, Samples
from npubench.stats.summary import SCHEDULED

# The first quarter of the window against the rest: beyond this the warm-up was not over.
DRIFT = 0.10
# One half of the window against the other, after a warm-up that had become steady (our judgement: throttling starts
# with clocks a third lower; neighbours on a shared host move a median by less).
CHANGED = 0.25
# Fewer samples than this say nothing about a drift.
DRIFT_SAMPLES = 12

_RANK: dict[Validity, int] = {"valid": 0, "degraded": 1, "invalid": 2, "unsupported": 3}
_LATE = Text(
    en="the load generator itself was late: free the machine's cores",
    ko="부하 생성기가 늦었습니다: 장비의 코어를 비우세요",
)
_TURNED = Text(
    en="the load generator itself was so late that it decided the result: free the machine's cores and measure again",
    ko="부하 생성기가 늦어 결과가 달라졌습니다: 장비의 코어를 비우고 다시 측정하세요",
)


def judge(
    samples: Samples,
    warmup: Warmup,
    arrival: str,
    rules: Ruleset,
    *,
    lanes: int = 1,
    window: Window | None = None,
    capacity: Capacity | None = None,
    given: Trial | None = None,
    audits: Iterable[Audit] = (),
    lag_ns: Int64 | None = None,
    left: int = 0,
) -> tuple[Validity, tuple[Text, ...]]:
    """The verdict on one launch that finished, and why.

    With a `capacity` that was searched it is on the requests scheduled in `window`; `given` is the trial that a load
    which was given makes. A late generator degrades a launch, and makes it invalid when it turned the answer: when
    what failed would have held without its lag. `lag_ns`: that lag, where it is known already. Of a hold that failed
    the launch is degraded: it makes doubtful what was confirmed, and proves nothing else. `left`: how many requests
    were due and have no sample, where the load was not searched (a search has them in its trials).
    """
    if capacity is not None and window is not None:
        samples = samples.within(window.start_ns, window.end_ns)
    found: list[tuple[Validity, Text]] = [
        *_failures(samples),
        *_unanswered(samples, left),
        *_drift(samples, warmup),
        *(
            _lag(samples, rules, lag_ns if lag_ns is not None else samples.lag_ns(lanes), capacity, given)
            if arrival in SCHEDULED
            else ()
        ),
        *_hold(capacity),
        *_audited(audits),
    ]
    verdict: Validity = max((item for item, _ in found), key=_RANK.__getitem__, default="valid")
    return verdict, tuple(reason for _, reason in found)


Found = Iterable[tuple[Validity, Text]]


def _failures(samples: Samples) -> Found:
    # A dropped frame is a result, not a failure.
    status = samples.column("status")
    failed, total = int((status > 0).sum()), len(samples.table)
    if failed:
        kinds = statuses.counted(status[status > 0])
        named_en = "; ".join(f"{count} × {text.en}" for text, count in kinds)
        named_ko = ", ".join(f"{text.ko} {count}건" for text, count in kinds)
        text = Text(
            en=f"{failed} of {total} requests failed" + (f": {named_en}" if kinds else ""),
            ko=f"요청 {total}건 중 {failed}건 실패" + (f": {named_ko}" if kinds else ""),
        )
        yield "degraded" if failed < total else "invalid", text


def _unanswered(samples: Samples, left: int) -> Found:
    if left:
        due = len(samples.table) + left
        text = Text(
            en=f"{left} of {due} requests that were due were given up without an answer",
            ko=f"보낼 때가 된 요청 {due}건 중 {left}건은 응답 없이 중단됨",
        )
        yield "degraded" if (samples.column("status") == 0).any() else "invalid", text


def _drift(samples: Samples, warmup: Warmup) -> Found:
    run = samples.column("status") != DROPPED
    step_ns = (samples.column("completed_ns") - samples.column("issued_ns"))[run]
    if warmup.steady:
        yield from _changed(step_ns)
        return
    if len(step_ns) < DRIFT_SAMPLES:
        yield (
            "degraded",
            Text(
                en="not steady after warming up, and too few samples to see a drift: use a longer profile",
                ko="워밍업 뒤에도 안정되지 않았고 변화를 볼 표본이 부족합니다: 더 긴 프로파일을 사용하세요",
            ),
        )
        return
    quarter = len(step_ns) // 4
    early, late = float(np.median(step_ns[:quarter])), float(np.median(step_ns[quarter:]))
    if abs(early / late - 1) > DRIFT:
        change = f"{abs(early / late - 1):.0%}"
        yield (
            "degraded",
            Text(
                en=f"still changing when measured (first quarter differs by {change}): use a longer profile",
                ko=f"측정 중에도 변화(처음 1/4이 {change} 차이): 더 긴 프로파일을 사용하세요",
            ),
        )


def _changed(step_ns: Int64) -> Found:
    """What was steady when it began and was not when it ended: a figure of neither state."""
    half = len(step_ns) // 2
    if half < DRIFT_SAMPLES:
        return
    early, late = float(np.median(step_ns[:half])), float(np.median(step_ns[half:]))
    if max(early, late) > min(early, late) * (1 + CHANGED):
        longer, shorter = (late, early) if late > early else (early, late)
        change, which = f"{longer / shorter - 1:.0%}", late > early
        half_en, half_ko = ("second", "뒤 절반") if which else ("first", "앞 절반")
        yield (
            "degraded",
            Text(
                en=f"requests took {change} longer in the {half_en} half of the window: something changed while it was "
                "measured (heat, a shared device, other work)",
                ko=f"측정 구간의 {half_ko}에서 요청이 {change} 더 걸렸습니다: 측정 중에 상태가 바뀌었습니다"
                "(발열, 장치 공유, 다른 작업)",
            ),
        )


def _lag(samples: Samples, rules: Ruleset, lag_ns: Int64, capacity: Capacity | None, given: Trial | None) -> Found:
    turned = capacity is not None and capacity.failed_by == "generator"
    if turned or (given is not None and given.failed_by == "generator"):
        yield "invalid", _TURNED
        return
    good = samples.column("status") == 0
    if not len(lag_ns) or not good.any():
        return
    bound_ns = max(rules.lag_absolute_ns, rules.lag_share * float(np.median(samples.latency_ns[good])))
    if percentile(lag_ns, 99) > bound_ns:
        yield "degraded", _LATE


def _hold(capacity: Capacity | None) -> Found:
    if (doubt := not_held(capacity)) is not None:
        yield "degraded", doubt


def _audited(audits: Iterable[Audit]) -> Found:
    for audit in audits:
        if audit.passed is False:
            yield "degraded" if audit.name in CAVEATS else "invalid", audit.said
