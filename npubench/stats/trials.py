"""One load that was tried, judged: from its samples to a `schema.Trial`.

A request is *over* when it was dropped, failed, or took longer than one of its bounds. A trial holds its bound at
percentile p when so few of its n requests are over that the true share is below 1 − p with the ruleset's confidence
(LoadGen's statistic: n ≥ needed[over]).

A short trial cannot show the ruleset's own percentile however well it goes: 70 frames, none of them late, show p90 and
no more. So the next lower percentile stands in, and is named; but only for the want of queries, never for the want of
speed: a trial in which more than a share of 1 − p of the requests were over, p the ruleset's own, has failed (one may
always be: a single request says nothing about a share). What is neither held nor failed is *undecided*: `passed` is
false, `percent` and `failed_by` are None, more queries would tell.

A hold does not ask whether its load is held: a trial has said so. It fails where more of its requests were over than
chance explains, and is undecided where chance may do. (Simulated, Poisson arrivals at what searches of 60 and 120 s
confirmed: of 240 holds of 30 s 63 had more than 1 % over, 25 of them by chance.)

Guarantees: numpy and the standard library only, for the worker; the same samples always give the same trial, so that
`verify` can make it again. Not aware of: which load to try next (`engine.capacity`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.schema import DROPPED, FailedBy, Trial, TrialEnd, TrialPurpose, Window
from npubench.stats.percentiles import percentile
from npubench.stats.samples import Int64, Samples
from npubench.stats.tokens import token_times

Needed = Sequence[tuple[float, Sequence[int]]]
"""Percentile → least number of queries for 0, 1, 2 … of them over the bound; the ruleset's own percentile first."""

Times = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Waiting has grown when its median in the last third of a trial exceeds the first third's by this share of the bound
# (our judgement: a tenth is far above what a queue that is stable does over thirds of a window, and at the pace of a
# trial the rest of the bound is used up within a few windows).
GROWTH = 0.1


# What is confirmed with confidence 99 % (LoadGen's) is taken back with no less.
CHANCE = 0.01


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a request must not exceed; None: not bound. The plain values of `engine.protocol.Held`."""

    latency_ns: int | None = None
    ttft_ns: int | None = None
    tpot_ns: int | None = None


class Requests(msgspec.Struct, frozen=True):
    """The requests of a trial: what each took (inf: never came), and which were dropped or failed."""

    latency_ns: Times
    ttft_ns: Times
    tpot_ns: Times
    dropped: Flags
    failed: Flags

    def over(self, limits: Limits, spared_ns: Times | float = 0.0) -> Flags:
        """Which were dropped, failed, or exceed a limit when `spared_ns` of their waiting is not counted."""
        found: Flags = self.dropped | self.failed
        for limit, times in ((limits.latency_ns, self.latency_ns), (limits.ttft_ns, self.ttft_ns)):
            if limit is not None:
                found = found | (times - spared_ns > limit)
        if limits.tpot_ns is not None:
            # NaN, a single token, exceeds nothing.
            found = found | (self.tpot_ns > limits.tpot_ns)
        return found


def requests_of(samples: Samples, limits: Limits) -> Requests:
    """Times per request. A time to first token that was not observed is the latency: it is no longer than that."""
    dropped = samples.column("status") == DROPPED
    failed = samples.column("status") > 0
    latency = samples.latency_ns.astype(np.float64)
    latency[dropped | (samples.column("completed_ns") < samples.column("issued_ns"))] = np.inf
    ttft, tpot = latency, np.full(len(latency), np.nan)
    if limits.ttft_ns is not None or limits.tpot_ns is not None:
        times = token_times(samples)
        ttft = np.where(np.isnan(times.ttft_ns), latency, times.ttft_ns)
        tpot = times.tpot_ns
    return Requests(latency, ttft, tpot, dropped, failed)


def decide(queries: int, over: int, needed: Needed) -> tuple[bool | None, float | None]:
    """(held, at which percentile), (failed, None) or (undecided, None); see the module."""
    if queries and needed and over > most_over(queries, needed):
        return False, None
    for percent, counts in needed:
        if over < len(counts) and queries >= counts[over]:
            return True, percent
    return None, None


def most_over(queries: int, needed: Needed) -> int:
    """How many of so many planned queries may be over: with one more the trial has failed whatever comes after it."""
    return max(1, int(queries * (1 - needed[0][0] / 100) + 1e-9)) if needed else queries


def chance(queries: int, over: int, share: float) -> float:
    """How likely so many or more of so many are over where each is with probability `share` (binomial)."""
    if over <= queries * share:
        return 1.0
    ratio = share / (1 - share)
    ways = math.lgamma(queries + 1) - math.lgamma(over + 1) - math.lgamma(queries - over + 1)
    term = found = math.exp(ways + over * math.log(share) + (queries - over) * math.log1p(-share))
    # Above the mean each further term is the smaller one; when they add nothing, the rest does not either.
    for number in range(over, queries):
        term *= (queries - number) / (number + 1) * ratio
        if term <= found * 1e-15:
            break
        found += term
    return min(found, 1.0)


def missing(queries: int, over: int, needed: Needed) -> int | None:
    """How many more queries the ruleset's own percentile needs when so many are over; None beyond its table."""
    counts = needed[0][1] if needed else (0,)
    return max(0, counts[over] - queries) if over < len(counts) else None


def trial(
    samples: Samples,
    window: Window,
    *,
    load: float | None,
    purpose: TrialPurpose,
    limits: Limits,
    needed: Needed,
    ended: TrialEnd = "planned",
    lanes: int = 1,
    left: int = 0,
    lag_ns: Int64 | None = None,
) -> Trial:
    """The trial whose requests are those of `samples` scheduled in `window`. `lanes`: how many can be in flight.

    `left`: requests that were due and never run or answered, of which there are no samples; they are over.
    `lag_ns`: the generator's lag, where it is known already.
    """
    here = samples.within(window.start_ns, window.end_ns)
    requests = requests_of(here, limits)
    queries, over = len(here.table) + left, int(requests.over(limits).sum()) + left
    held, percent = decide(queries, over, needed)
    if purpose == "hold" and held is False and chance(queries, over, 1 - needed[0][0] / 100) > CHANCE:
        held = None
    if ended == "hopeless" and queries:
        held, percent = False, None
    if lag_ns is None:
        lag_ns = here.lag_ns(lanes)
    shown = requests.ttft_ns if limits.latency_ns is None and limits.ttft_ns is not None else requests.latency_ns
    shown = np.concatenate([np.where(requests.failed, np.inf, shown), np.full(left, np.inf)])
    return Trial(
        purpose=purpose,
        load=load,
        window=window,
        queries=queries,
        left=left,
        over=over,
        dropped=int(requests.dropped.sum()),
        failed=int(requests.failed.sum()),
        passed=held is True,
        percent=percent,
        failed_by=_why(here, requests, limits, needed, lag_ns) if held is False else None,
        ended=ended,
        completed_per_s=_rate(here, window),
        p50_ns=_finite(shown, 50),
        p90_ns=_finite(shown, 90),
        p99_ns=_finite(shown, 99),
        lag_p99_ns=percentile(lag_ns, 99) if purpose != "saturate" and len(lag_ns) else None,
    )


def _finite(times: Times, percent: float) -> float | None:
    found = percentile(times, percent) if len(times) else np.inf
    return found if np.isfinite(found) else None


def _rate(samples: Samples, window: Window) -> float:
    """Requests completed per second, until the last of them was."""
    good = samples.column("completed_ns")[samples.column("status") == 0]
    if not len(good):
        return 0.0
    return len(good) / max(1, max(int(good.max()), window.end_ns) - window.start_ns) * 1e9


def _why(samples: Samples, requests: Requests, limits: Limits, needed: Needed, lag_ns: Int64) -> FailedBy:
    """Why a trial failed: what alone would have failed it, errors first; else what made the late ones late."""
    count = len(requests.dropped)
    if not count:
        return "queue"
    for cause, flags in (("errors", requests.failed), ("drops", requests.dropped)):
        if decide(count, int(flags.sum()), needed)[0] is False:
            return "errors" if cause == "errors" else "drops"
    late = decide(count, int(requests.over(limits).sum()), needed)[0] is False
    if late and decide(count, int(requests.over(limits, spared(samples, lag_ns)).sum()), needed)[0] is not False:
        return "generator"
    # What was given up while few were late had a queue that would never have been worked off.
    return "queue" if growing(samples, limits) or not late else "latency"


def spared(samples: Samples, lag_ns: Int64) -> Times:
    """The generator's own lag of each request, in the order of the table; 0 for the dropped."""
    found = np.zeros(len(samples.table))
    run = np.flatnonzero(samples.column("status") != DROPPED)
    # `lag_ns` is in the order of issue.
    found[run[np.argsort(samples.column("issued_ns")[run], kind="stable")]] = lag_ns
    return found


def growing(samples: Samples, limits: Limits) -> bool:
    """Do requests wait longer and longer? By the medians of the first and last third of those that were run."""
    bound = limits.latency_ns if limits.latency_ns is not None else limits.ttft_ns
    waiting = samples.waiting_ns[samples.column("status") != DROPPED]
    third = len(waiting) // 3
    if bound is None or third < 3:
        return False
    early, late = float(np.median(waiting[:third])), float(np.median(waiting[-third:]))
    return late - early > GROWTH * bound
