"""Numbers from samples, against slow and obvious computations of the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.metrics import METRICS, MINIMUM_N
from npubench.rules import load
from npubench.schema import SAMPLE_COLUMNS, Value, Warmup, Window
from npubench.stats.judge import judge
from npubench.stats.percentiles import percentile, percentile_or_null
from npubench.stats.samples import Samples
from npubench.stats.summary import summarise

WARM = Warmup(steps=10, duration_ns=1, steady=True)


def samples_of(latency_ns: list[int], gap_ns: int = 0, **columns: list[int]) -> Samples:
    """A closed loop with these latencies."""
    table = np.zeros((len(latency_ns), len(SAMPLE_COLUMNS)), dtype=np.int64)
    at = 1_000
    for row, latency in enumerate(latency_ns):
        table[row, :4] = (at, at, 0, at + latency)
        at += latency + gap_ns
    table[:, SAMPLE_COLUMNS.index("units")] = 1
    for name, values in columns.items():
        table[:, SAMPLE_COLUMNS.index(name)] = values
    return Samples(table, np.zeros((0, 2), dtype=np.int64))


def window_of(samples: Samples) -> Window:
    return Window(start_ns=1_000, end_ns=int(samples.column("completed_ns").max()))


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=400), st.sampled_from([50, 90, 99, 99.9]))
def test_percentile_is_loadgens(values: list[int], percent: float) -> None:
    n = len(values)
    expected = sorted(values)[min(n - 1, math.floor(n * round(percent * 10) / 1000))]
    assert percentile(np.array(values), percent) == expected


@pytest.mark.parametrize(("percent", "least"), MINIMUM_N.items())
def test_a_percentile_without_enough_samples_is_null_and_says_how_many_are_missing(percent: float, least: int) -> None:
    short = percentile_or_null(np.arange(least - 1), percent, least)
    assert short.value is None
    assert short.reason is not None
    assert "1 more" in short.reason
    assert percentile_or_null(np.arange(least), percent, least).value is not None


def test_latency_counts_from_the_scheduled_time() -> None:
    samples = samples_of([10] * 70)
    late = samples.table.copy()
    late[:, SAMPLE_COLUMNS.index("issued_ns")] += 7
    late[:, SAMPLE_COLUMNS.index("completed_ns")] += 7
    found = summarise(Samples(late, samples.tokens), window_of(samples), "sample", "poisson")
    assert found["latency_p50_ns"].value == 17
    assert found["lag_p99_ns"].value == 7


def test_preempted_samples_are_counted_and_never_dropped() -> None:
    latency = [10] * 1300 + [1_000_000] * 20
    samples = samples_of(latency, preempted=[0] * 1300 + [1] * 20)
    found = summarise(samples, window_of(samples), "frame", "completion")
    assert found["preempted_count"].value == 20
    assert found["latency_p99_ns"].value == 1_000_000
    assert found["latency_p99_unpreempted_ns"].value == 10
    assert found["sample_count"].value == 1320


def test_throughput_ends_with_the_last_completion() -> None:
    samples = samples_of([500_000_000] * 4, units=[2] * 4)
    window = Window(start_ns=1_000, end_ns=10**12)
    assert summarise(samples, window, "frame", "completion")["frames_per_s"].value == pytest.approx(4.0)
    assert summarise(samples, window, "page", "completion")["pages_per_min"].value == pytest.approx(240.0)
    assert summarise(samples, window, "frame", "at-once", 8)["samples_per_s"].value == pytest.approx(16.0)


def test_offline_has_no_latency() -> None:
    samples = samples_of([10] * 100)
    found = summarise(samples, window_of(samples), "frame", "at-once")
    assert all(found[key].value is None for key in found if key.startswith("latency_"))
    assert "offline" in str(found["latency_p50_ns"].reason)


def test_token_times() -> None:
    """Two requests: TTFT 5 and 6; TPOT (9-5)/2 and null for the one with a single token."""
    samples = samples_of([9] * 12, units=[3] * 12)
    start = samples.column("scheduled_ns")
    tokens = [(row, int(start[row]) + at) for row in range(12) for at in ((5, 7, 9) if row else (6,))]
    found = summarise(
        Samples(samples.table, np.array(tokens, dtype=np.int64)), window_of(samples), "token", "completion"
    )
    assert found["ttft_p50_ns"].value == 5
    assert found["itl_p50_ns"].value == 2
    assert found["tpot_p50_ns"].value == 2
    assert found["ttft_p99_ns"].value is None


def test_failed_requests_are_not_fast_ones() -> None:
    samples = samples_of([10] * 100, status=[0] * 50 + [1] * 50)
    found = summarise(samples, window_of(samples), "sample", "completion")
    assert found["sample_count"].value == 50
    verdict, reasons = judge(samples, WARM, "completion", load())
    assert verdict == "degraded"
    assert "50 of 100 requests failed" in reasons[0].en


def test_a_launch_that_is_still_warming_up_is_degraded() -> None:
    samples = samples_of([200] * 10 + [100] * 30)
    unsteady = Warmup(steps=1, duration_ns=1, steady=False)
    assert "first quarter" in judge(samples, unsteady, "completion", load())[1][0].en
    assert judge(samples_of([110] * 10 + [100] * 30), WARM, "completion", load())[0] == "valid"


def test_a_late_generator_degrades_an_open_loop() -> None:
    samples = samples_of([1_000_000] * 700)
    late = samples.table.copy()
    late[:, SAMPLE_COLUMNS.index("issued_ns")] += 200_000
    assert judge(Samples(late, samples.tokens), WARM, "poisson", load())[0] == "degraded"


@given(
    st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=100),
    st.sampled_from(["frame", "page", "token", "sample"]),
    st.sampled_from(["completion", "at-once", "poisson", "frames", "users"]),
)
def test_every_value_is_declared_and_null_has_a_reason(rows: list[tuple[int, int, int]], unit: str, how: str) -> None:
    latency, preempted, status = (list(column) for column in zip(*rows, strict=True))
    samples = samples_of(latency, preempted=preempted, status=status)
    for key, value in summarise(samples, window_of(samples), unit, how).items():
        assert key in METRICS
        assert (value.value is None) == (value.reason is not None)
        assert value.value is None or math.isfinite(value.value)


def test_samples_survive_the_file(tmp_path: object) -> None:
    from pathlib import Path

    from npubench.stats.samples import read

    samples = samples_of([3, 1, 2], preempted=[0, 1, 0])
    samples = Samples(samples.table, np.array([[0, 5], [1, 6]], dtype=np.int64))
    path = Path(str(tmp_path)) / "s.npz"
    path.write_bytes(samples.encode())
    again = read(path)
    assert (again.table == samples.table).all()
    assert (again.tokens == samples.tokens).all()


def test_a_device_that_slows_down_half_way_is_degraded_and_says_so() -> None:
    """Steady while warming up, then twice as long: the median would be of neither state."""
    verdict, reasons = judge(samples_of([100] * 40 + [200] * 40), WARM, "completion", load())
    assert verdict == "degraded"
    assert "100% longer in the second half" in reasons[0].en
    assert "뒤 절반" in reasons[0].ko
    assert judge(samples_of([100, 105] * 40), WARM, "completion", load()) == ("valid", ())
    # One stall moves no median.
    assert judge(samples_of([100] * 40 + [2_000_000_000] + [100] * 40), WARM, "completion", load())[0] == "valid"


def test_gaps_are_told_only_where_events_are_tokens() -> None:
    """Of 20 answers of four tokens all come token by token, then one, then all of them in two events."""
    samples = samples_of([100] * 20, units=[4] * 20)
    start = samples.column("scheduled_ns")

    def found(merged: int) -> dict[str, Value]:
        tokens = [
            (row, int(start[row]) + at)
            for row in range(20)
            for at in ((10, 100) if row < merged else (10, 40, 70, 100))
        ]
        made = Samples(samples.table, np.array(tokens, dtype=np.int64))
        return summarise(made, window_of(samples), "token", "completion")

    assert found(0)["itl_p50_ns"].value == found(1)["itl_p50_ns"].value == 30
    assert found(20)["itl_p50_ns"].value is None
    assert "20 of 20 answers" in str(found(20)["itl_p50_ns"].reason)
    assert found(20)["tpot_p50_ns"].value == 30


def test_kinds_of_failures_are_told() -> None:
    samples = samples_of([10] * 10, status=[0] * 6 + [429] * 3 + [1])
    (reason,) = judge(samples, WARM, "completion", load())[1]
    assert reason.en == "4 of 10 requests failed: 3 × HTTP 429 (too many requests)"
    assert reason.ko == "요청 10건 중 4건 실패: HTTP 429(요청이 너무 많음) 3건"
