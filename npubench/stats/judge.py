"""Is a launch's measurement sound? Valid, degraded or invalid, with reasons that say what to do."""

from __future__ import annotations

import numpy as np

from npubench.lang import Text
from npubench.rules import Ruleset
from npubench.schema import Validity, Warmup
from npubench.stats.samples import Samples
from npubench.stats.summary import percentile

# The first quarter of the window against the rest: beyond this the warm-up was not over.
DRIFT = 0.10
# Fewer samples than this say nothing about a drift.
DRIFT_SAMPLES = 12


def judge(samples: Samples, warmup: Warmup, arrival: str, rules: Ruleset) -> tuple[Validity, tuple[Text, ...]]:
    """The verdict on one launch that finished, and why."""
    reasons: list[Text] = []
    verdict: Validity = "valid"
    failed = int((samples.column("status") != 0).sum())
    total = len(samples.table)
    if failed:
        verdict = "degraded" if failed < total else "invalid"
        reasons.append(Text(en=f"{failed} of {total} requests failed", ko=f"요청 {total}건 중 {failed}건 실패"))
    step_ns = samples.column("completed_ns") - samples.column("issued_ns")
    if not warmup.steady and len(step_ns) < DRIFT_SAMPLES:
        verdict = "degraded" if verdict == "valid" else verdict
        reasons.append(
            Text(
                en="not steady after warming up, and too few samples to see a drift: use a longer profile",
                ko="워밍업 뒤에도 안정되지 않았고 변화를 볼 표본이 부족합니다: 더 긴 프로파일을 사용하세요",
            )
        )
    elif not warmup.steady:
        quarter = len(step_ns) // 4
        early, late = float(np.median(step_ns[:quarter])), float(np.median(step_ns[quarter:]))
        if abs(early / late - 1) > DRIFT:
            verdict = "degraded" if verdict == "valid" else verdict
            change = f"{abs(early / late - 1):.0%}"
            reasons.append(
                Text(
                    en=f"still changing when measured (first quarter differs by {change}): use a longer profile",
                    ko=f"측정 중에도 변화(처음 1/4이 {change} 차이): 더 긴 프로파일을 사용하세요",
                )
            )
    if arrival == "schedule" and total:
        lag_ns = percentile(samples.lag_ns(1), 99)
        bound_ns = max(rules.lag_absolute_ns, rules.lag_share * float(np.median(samples.latency_ns)))
        if lag_ns > bound_ns:
            verdict = "degraded" if verdict == "valid" else verdict
            reasons.append(
                Text(
                    en="the load generator itself was late: free the machine's cores",
                    ko="부하 생성기가 늦었습니다: 장비의 코어를 비우세요",
                )
            )
    return verdict, tuple(reasons)
