"""What a search of the largest load found, as a `schema.Capacity`: what was confirmed, what failed above it, and why.

Guarantees: unknown has a reason; zero only where the least load was refuted. A hold comes after the search, beyond its
time, and changes nothing but the list of trials. Not aware of: which load to try, which is `capacity`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from npubench.engine.protocol import Search
from npubench.lang import Text
from npubench.schema import Capacity, Trial, TrialPurpose
from npubench.stats.trials import Limits, Needed, missing
from npubench.units import show_duration_s


def answered(
    search: Search,
    tried: Sequence[Trial],
    best: Trial | None,
    held: Limits,
    *,
    needed: Needed,
    sustained: float,
    least: float,
    likely: float,
) -> Capacity:
    """The answer of a search that tried these loads and confirmed `best` (None: none).

    `sustained` and `likely` are requests per second: in a closed loop, and of a load that is probably held. `least` is
    the smallest load there is.
    """
    trials = tuple(tried)
    confirmed: float | None = best.load if best is not None else None
    reason: Text | None = None
    if best is None:
        least_failed = any(
            trial.purpose == "confirm" and trial.failed_by is not None and (trial.load or 0.0) <= least
            for trial in trials
        )
        if least_failed:
            confirmed = 0.0
        elif sustained <= 0 and not search.whole:
            confirmed, reason = 0.0, Text(en="no request succeeded", ko="성공한 요청이 없음")
        else:
            reason = _no_time(needed, likely)
    failing = [
        trial
        for trial in trials
        if trial.load is not None and trial.failed_by is not None and trial.load > (confirmed or 0.0)
    ]
    # Of one load what was found at full length says more.
    failing.sort(key=lambda trial: (trial.load or 0.0, trial.purpose != "confirm"))
    first = failing[0] if failing else None
    own = needed[0][0] if needed else None
    short = None
    if best is not None and best.percent != own:
        short = missing(best.queries, best.over, needed)
    failed_by = first.failed_by if first is not None else "errors" if reason and confirmed == 0.0 else None
    return Capacity(
        searched=search.searched,
        confirmed=confirmed,
        reason=reason,
        percent=best.percent if best is not None else None,
        short=short,
        failed=first.load if first is not None else None,
        failed_by=failed_by,
        sustained_per_s=sustained,
        bound=bound_of(held, own),
        trials=trials,
    )


def _no_time(needed: Needed, likely: float) -> Text:
    """Why nothing was confirmed: how many requests that takes, and how long."""
    if not needed or likely <= 0:
        return Text(
            en="the time was over before any load was confirmed: use a longer profile",
            ko="부하를 확정하기 전에 시간이 끝났습니다: 더 긴 프로파일을 사용하세요",
        )
    percent, counts = needed[-1]
    takes = show_duration_s(counts[0] / likely)
    return Text(
        en=f"the time was over before any load was confirmed: p{percent:g} alone needs {counts[0]} requests, about "
        f"{takes} of a load that is held; use a longer profile or --budget",
        ko=f"부하를 확정하기 전에 시간이 끝났습니다: p{percent:g}에만 요청 {counts[0]}건(감당하는 부하로 약 {takes})이 "
        "필요합니다. 더 긴 프로파일이나 --budget을 사용하세요",
    )


def bound_of(held: Limits, percent: float | None) -> dict[str, float]:
    """Metric → ns that was to be held, at the ruleset's own percentile."""
    label = f"p{percent:g}".replace(".", "") if percent is not None else "max"
    limits = {"latency": held.latency_ns, "ttft": held.ttft_ns, "tpot": held.tpot_ns}
    return {f"{stem}_{label}_ns": float(limit) for stem, limit in limits.items() if limit is not None}


def shown(capacity: Capacity) -> Trial:
    """The trial whose window is the launch's: the one that confirmed; else the longest that failed; else saturating."""
    confirming = [t for t in capacity.trials if t.passed and t.purpose == "confirm" and t.load == capacity.confirmed]
    if confirming:
        return confirming[-1]
    failing = [t for t in capacity.trials if t.purpose == "confirm"]
    return max(failing, key=lambda t: t.queries) if failing else capacity.trials[0]


def with_hold(found: Capacity, hold_ns: int, attempt: Callable[[float, int, TrialPurpose], Trial]) -> Capacity:
    """What was found, with one more trial of what was confirmed where none lasted for `hold_ns`; else as it is."""
    if hold_ns <= 0 or not found.confirmed:
        return found
    window = shown(found).window
    if window.end_ns - window.start_ns >= hold_ns:
        return found
    return msgspec.structs.replace(found, trials=(*found.trials, attempt(found.confirmed, hold_ns, "hold")))
