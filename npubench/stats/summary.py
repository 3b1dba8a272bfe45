"""The summary of one launch: every published number of it, derived from its samples and nothing else.

A percentile without enough samples is null, with how many are missing. Percentile: `sorted[floor(n·p)]`, as MLPerf
LoadGen and onnxruntime_perf_test compute it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from npubench.metrics import METRICS, MINIMUM_N, THROUGHPUT
from npubench.schema import Value, Window
from npubench.stats.samples import Samples

Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]


def percentile(values: Numbers, percent: float) -> float:
    """`sorted[floor(n·p)]` of a non-empty array."""
    n = len(values)
    # Integer arithmetic: 0.999 has no exact binary form, and floor(n·p) must not depend on that.
    index = min(n - 1, n * round(percent * 10) // 1000)
    return float(np.partition(values, index)[index])


def percentile_or_null(values: Numbers, percent: float, least: int) -> Value:
    """The percentile, or null with the number of samples that are missing."""
    n = len(values)
    if n < least:
        return Value(value=None, reason=f"{n} samples; p{percent:g} needs at least {least}, {least - n} more")
    return Value(value=percentile(values, percent))


def _percentiles(stem: str, values: Numbers) -> dict[str, Value]:
    found = {}
    for percent, least in MINIMUM_N.items():
        key = f"{stem}_p{percent:g}".replace(".", "") + "_ns"
        if key in METRICS:
            found[key] = percentile_or_null(values, percent, least)
    return found


def summarise(
    samples: Samples, window: Window, unit: str, arrival: str, samples_per_row: int = 1, lanes: int = 1
) -> dict[str, Value]:
    """Metric key → value. `unit` is the service unit, `samples_per_row` the batch of one request.

    `arrival` is how requests became due: `completion` (closed loop) or `at-once` (offline, where a single request has
    no latency of its own: every one was due from the start).
    """
    good = Samples(samples.table[samples.column("status") == 0], samples.tokens)
    latency = good.latency_ns
    found = {"sample_count": Value(value=float(len(latency) * samples_per_row))}
    if arrival == "at-once":
        found.update(_null("latency_", "offline: every request is due from the start, see the throughput"))
    else:
        found.update(_percentiles("latency", latency))
        kept = latency[~good.preempted]
        found["latency_p99_unpreempted_ns"] = percentile_or_null(kept, 99, MINIMUM_N[99])
    found["preempted_count"] = Value(value=float(good.preempted.sum()))
    if arrival in ("completion", "at-once"):
        found["lag_p99_ns"] = Value(value=None, reason="nothing is scheduled ahead in this scenario")
    else:
        found["lag_p99_ns"] = percentile_or_null(samples.lag_ns(lanes), 99, METRICS["lag_p99_ns"].minimum_n)
    found.update(_throughput(samples, good, window, unit, samples_per_row))
    if unit == "token":
        if arrival == "at-once":
            for stem in ("ttft_", "tpot_", "itl_"):
                found.update(_null(stem, "offline: see the throughput"))
        else:
            found.update(_token_times(samples))
    return found


def _null(stem: str, reason: str) -> dict[str, Value]:
    return {key: Value(value=None, reason=reason) for key in METRICS if key.startswith(stem)}


def _throughput(samples: Samples, good: Samples, window: Window, unit: str, samples_per_row: int) -> dict[str, Value]:
    """Rates of what succeeded, over the window from its start to the last completion of all: failures cost time, too.

    A unit of somebody else's workload has no metric of its own; its requests are counted as samples.
    """
    completed = samples.column("completed_ns")
    duration_s = (int(completed.max()) - window.start_ns) / 1e9 if len(good.table) else 0.0
    keys = {"samples_per_s": (float(len(good.table) * samples_per_row), 1.0)}
    if unit in THROUGHPUT and unit != "sample":
        key, factor = THROUGHPUT[unit]
        keys[key] = (float(good.column("units").sum()), factor)
    if duration_s <= 0:
        return {name: Value(value=None, reason="no request was completed") for name in keys}
    return {name: Value(value=count / duration_s * factor) for name, (count, factor) in keys.items()}


def _token_times(samples: Samples) -> dict[str, Value]:
    """TTFT, TPOT and ITL over the successful requests (METRICS.md, Service units)."""
    good = np.flatnonzero(samples.column("status") == 0)
    scheduled = samples.column("scheduled_ns")
    if not len(samples.tokens):
        reason = "no token times were observed"
        return _null("ttft_", reason) | _null("tpot_", reason) | _null("itl_", reason)
    order = np.lexsort((samples.tokens[:, 1], samples.tokens[:, 0]))
    rows, times = samples.tokens[order, 0], samples.tokens[order, 1]
    keep = np.isin(rows, good)
    rows, times = rows[keep], times[keep]
    requests, first, count = np.unique(rows, return_index=True, return_counts=True)
    first_ns = times[first]
    last_ns = times[first + count - 1]
    several = count > 1
    gaps = np.diff(times)[np.diff(rows) == 0]
    return {
        **_percentiles("ttft", first_ns - scheduled[requests]),
        **_percentiles("tpot", (last_ns - first_ns)[several] / (count[several] - 1)),
        **_percentiles("itl", gaps),
    }
