"""The summary of one launch: every published number of it, derived from its samples and nothing else.

A percentile without enough samples is null, with how many are missing. Where load is scheduled, a request that was
dropped, failed or given up is infinitely late, by every measure of lateness: it was due, and nobody got an answer. A
percentile that lies among those is null. In a closed loop nothing was due but what was run, so failed requests are left
out there, and counted in the verdict. Gaps between tokens are those of answers that came.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from npubench.metrics import METRICS, MINIMUM_N, THROUGHPUT, capacity_metric, sustained_metric
from npubench.rules import Bound
from npubench.schema import DROPPED, Capacity, Value, Window
from npubench.stats.early_stopping import estimate
from npubench.stats.percentiles import Numbers, of_sorted, percentile, percentile_or_null
from npubench.stats.samples import Int64, Samples
from npubench.stats.tokens import TokenTimes, token_times

SCHEDULED = ("poisson", "frames", "users")
"""Arrivals of requests that are due at a moment, whatever became of the one before."""

MERGED = 0.10
"""Where more answers than this share came in other pieces than tokens, the others are not what a user sees."""

OFFLINE = "offline: see the throughput"
NOTHING = "no request was completed"


def _percentiles(stem: str, values: Numbers) -> dict[str, Value]:
    found, ordered = {}, np.sort(values)
    for percent, least in MINIMUM_N.items():
        key = f"{stem}_p{percent:g}".replace(".", "") + "_ns"
        if key in METRICS:
            found[key] = of_sorted(ordered, percent, least)
    return found


def summarise(
    samples: Samples,
    window: Window,
    unit: str,
    arrival: str,
    samples_per_row: int = 1,
    *,
    lanes: int = 1,
    capacity: Capacity | None = None,
    bound: Bound | None = None,
    lag_ns: Int64 | None = None,
    left: int = 0,
) -> dict[str, Value]:
    """Metric key → value. `unit` is the service unit, `samples_per_row` the batch of one request.

    `arrival` is how requests became due (`scenarios.Arrival`). With a `capacity` that was searched the figures are of
    the requests scheduled in `window` alone, the confirming trial's. `lanes`: how many requests can be in flight.
    `bound`: what the ruleset binds a request of this unit to, for the goodput of a generating model. `lag_ns`: the
    generator's lag, where it is known already. `left`: requests that were due and have no sample.
    """
    if capacity is not None:
        samples = samples.within(window.start_ns, window.end_ns)
    good = samples.column("status") == 0
    found = {"sample_count": Value(value=float(good.sum() * samples_per_row))}
    if arrival == "at-once":
        found.update(_null("latency_", "offline: every request is due from the start, see the throughput"))
    else:
        found.update(_latencies(samples, good, arrival, left))
    found["preempted_count"] = Value(value=float((samples.preempted & good).sum()))
    if arrival in SCHEDULED:
        lag_ns = samples.lag_ns(lanes) if lag_ns is None else lag_ns
        found["lag_p99_ns"] = percentile_or_null(lag_ns, 99, METRICS["lag_p99_ns"].minimum_n)
    else:
        found["lag_p99_ns"] = Value(value=None, reason="nothing is scheduled ahead in this scenario")
    if arrival == "frames":
        found["dropped_share"] = _share(samples)
    duration_s = _duration_s(samples, window) if good.any() else 0.0
    found.update(_throughput(samples, good, duration_s, unit, samples_per_row))
    if capacity is not None:
        found.update(_capacity(capacity, unit, samples_per_row))
    if unit == "token":
        found.update(_tokens(samples, good, arrival, duration_s, bound, samples_per_row, left))
    return {key: found[key] for key in METRICS if key in found}


def _null(stem: str, reason: str) -> dict[str, Value]:
    return {key: Value(value=None, reason=reason) for key in METRICS if key.startswith(stem)}


def _share(samples: Samples) -> Value:
    if not len(samples.table):
        return Value(value=None, reason=NOTHING)
    return Value(value=float((samples.column("status") == DROPPED).mean()))


def _lost(good: npt.NDArray[np.bool_], arrival: str, left: int) -> int:
    """How many requests were due and got no answer."""
    return int((~good).sum()) + left if arrival in SCHEDULED else 0


def _latencies(samples: Samples, good: npt.NDArray[np.bool_], arrival: str, left: int) -> dict[str, Value]:
    """Percentiles and early-stopping estimates; sorted once, whatever their number."""
    latency = samples.latency_ns[good]
    missing = _lost(good, arrival, left)
    ordered: Numbers = np.sort(latency)
    if missing:
        ordered = np.concatenate([ordered.astype(np.float64), np.full(missing, np.inf)])
    found = {}
    for percent, least in MINIMUM_N.items():
        stem = f"latency_p{percent:g}".replace(".", "")
        found[f"{stem}_ns"] = of_sorted(ordered, percent, least)
        found[f"{stem}_estimate_ns"] = estimate(ordered, len(ordered), percent)
    kept = ~samples.preempted[good]
    if kept.all():
        found["latency_p99_unpreempted_ns"] = found["latency_p99_ns"]
    else:
        undisturbed: Numbers = latency[kept]
        if missing:
            undisturbed = np.concatenate([undisturbed.astype(np.float64), np.full(missing, np.inf)])
        found["latency_p99_unpreempted_ns"] = percentile_or_null(undisturbed, 99, MINIMUM_N[99])
    return found


def _duration_s(samples: Samples, window: Window) -> float:
    """From the window's start to the last completion of all: failures cost time, too."""
    return (int(samples.column("completed_ns").max()) - window.start_ns) / 1e9


def _throughput(
    samples: Samples, good: npt.NDArray[np.bool_], duration_s: float, unit: str, samples_per_row: int
) -> dict[str, Value]:
    """Rates of what succeeded. A unit of somebody else's workload has no metric; its requests are samples."""
    keys = {"samples_per_s": (float(good.sum() * samples_per_row), 1.0)}
    if unit in THROUGHPUT and unit != "sample":
        key, factor = THROUGHPUT[unit]
        keys[key] = (float(samples.column("units")[good].sum()), factor)
    if duration_s <= 0:
        return {name: Value(value=None, reason=NOTHING) for name in keys}
    return {name: Value(value=count / duration_s * factor) for name, (count, factor) in keys.items()}


def _capacity(capacity: Capacity, unit: str, samples_per_row: int) -> dict[str, Value]:
    """What was confirmed and what is sustained, in the service unit."""
    key, factor = capacity_metric(capacity.searched, unit)
    if capacity.searched == "rate":
        factor *= samples_per_row
    confirmed, reason = capacity.confirmed, capacity.reason.en if capacity.reason is not None else "not found"
    found = {key: Value(value=confirmed * factor) if confirmed is not None else Value(value=None, reason=reason)}
    key, factor = sustained_metric(unit)
    sustained = capacity.sustained_per_s
    found[key] = (
        Value(value=sustained * factor * samples_per_row)
        if sustained is not None
        else Value(value=None, reason="no closed loop was run")
    )
    return found


def _tokens(
    samples: Samples,
    good: npt.NDArray[np.bool_],
    arrival: str,
    duration_s: float,
    bound: Bound | None,
    samples_per_row: int,
    left: int,
) -> dict[str, Value]:
    """What a generating model is asked besides: token times, pace, length, and requests within the bounds."""
    units = samples.column("units")[good]
    length = Value(value=percentile(units, 50)) if len(units) else Value(value=None, reason=NOTHING)
    found = {"output_tokens_p50": length}
    if arrival == "at-once":
        return found | _unseen(OFFLINE)
    if not len(samples.tokens) and not (samples.column("first_ns")[good] > 0).any():
        return found | _unseen("no token times were observed")
    times = token_times(samples, samples_per_row)
    lost = _lost(good, arrival, left)
    found |= _percentiles("ttft", _with_lost(times.ttft_ns, lost))
    found |= _percentiles("tpot", _with_lost(times.tpot_ns, lost))
    if times.merged > MERGED * good.sum():
        reason = f"{times.merged} of {good.sum()} answers came in another number of events than they have tokens"
        found |= _null("itl_", reason)
    else:
        found |= _percentiles("itl", times.gaps_ns)
    median = found["tpot_p50_ns"]
    found["tokens_per_s_user_p50"] = (
        Value(value=1e9 / median.value)
        if median.value
        else Value(value=None, reason=median.reason or "the answers came all at once")
    )
    if bound is not None:
        found["goodput_requests_per_s"] = _goodput(samples, good, times, duration_s, bound)
    return found


def _with_lost(times: Numbers, lost: int) -> Numbers:
    """What is known of `times`, and infinity for each request that was lost; nothing where nothing is known."""
    known: Numbers = times[~np.isnan(times)]
    return np.concatenate([known, np.full(lost, np.inf)]) if len(known) else known


def _unseen(reason: str) -> dict[str, Value]:
    stems = ("ttft_", "tpot_", "itl_", "tokens_per_s_user_")
    return {key: value for stem in stems for key, value in _null(stem, reason).items()}


def _goodput(
    samples: Samples, good: npt.NDArray[np.bool_], times: TokenTimes, duration_s: float, bound: Bound
) -> Value:
    """Requests per second that met every bound; an answer of one token has no pace to miss."""
    if duration_s <= 0:
        return Value(value=None, reason=NOTHING)
    within = good.copy()
    if bound.latency_s is not None:
        within &= samples.latency_ns <= bound.latency_s * 1e9
    if bound.ttft_s is not None:
        within &= times.ttft_ns <= bound.ttft_s * 1e9
    if bound.tpot_s is not None:
        within &= ~(times.tpot_ns > bound.tpot_s * 1e9)
    return Value(value=float(within.sum()) / duration_s)
