"""Everything that is derived from a finished launch of scheduled load: summary, verdict, what it lacks."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from npubench import rules as rulesets
from npubench.lang import Text
from npubench.rules import load
from npubench.scenarios import KINDS, Scenario
from npubench.schema import DROPPED, SAMPLE_COLUMNS, Audit, Capacity, Trial, Warmup, Window
from npubench.stats.conclude import Concluded, conclude, lanes_of
from npubench.stats.conforming import Measure, lacks
from npubench.stats.samples import Samples
from npubench.stats.trials import Limits

MS, S = 1_000_000, 1_000_000_000
RULES = load()
WARM = Warmup(steps=10, duration_ns=1, steady=True)
SCHEDULED, ISSUED, FIRST, COMPLETED, UNITS, STREAM, STATUS, _ = range(len(SAMPLE_COLUMNS))
CAMERAS = Scenario(name="cameras", params={"fps": 15, "instances": 1, "inflight": 1})


def frames(count: int, gap_ns: int = 20 * MS, took_ns: int = 10 * MS, start_ns: int = 0) -> Samples:
    table = np.zeros((count, len(SAMPLE_COLUMNS)), dtype=np.int64)
    table[:, SCHEDULED] = table[:, ISSUED] = start_ns + np.arange(count) * gap_ns
    table[:, COMPLETED] = table[:, ISSUED] + took_ns
    table[:, UNITS] = 1
    return Samples(table, np.zeros((0, 2), dtype=np.int64))


def window_of(samples: Samples) -> Window:
    due = samples.column("scheduled_ns")
    return Window(start_ns=int(due.min()), end_ns=int(due.max()) + 1)


def concluded(samples: Samples, scenario: Scenario = CAMERAS, unit: str = "frame", **given: Any) -> Concluded:
    settings = {"rules": RULES, "warmup": WARM, **given}
    settings.setdefault("window", window_of(samples) if len(samples.table) else None)
    return conclude(samples, scenario=scenario, unit=unit, **settings)


def confirming(window: Window, load: float = 3.0) -> Trial:
    return Trial(
        purpose="confirm", load=load, window=window, queries=700, over=0, dropped=0, failed=0, passed=True, percent=99
    )


def test_a_searched_load_is_summarised_in_its_confirming_window_alone() -> None:
    samples = frames(1700)
    samples.table[:1000, COMPLETED] += 500 * MS
    window = Window(start_ns=1000 * 20 * MS, end_ns=1700 * 20 * MS)
    found = concluded(
        samples,
        window=window,
        capacity=Capacity(
            searched="cameras",
            confirmed=3.0,
            percent=99,
            failed=4.0,
            failed_by="drops",
            sustained_per_s=61.5,
            trials=(confirming(window),),
        ),
    )
    assert found.summary["sample_count"].value == 700
    assert found.summary["latency_p99_ns"].value == 10 * MS
    assert found.summary["latency_p99_estimate_ns"].value == 10 * MS
    assert found.summary["capacity_cameras"].value == 3
    assert found.summary["sustained_frames_per_s"].value == 61.5
    assert found.summary["dropped_share"].value == 0
    assert (found.verdict, found.lacks) == ("valid", ())


@pytest.mark.parametrize(
    ("unit", "key", "value", "sustained"),
    [
        ("frame", "capacity_frames_per_s", 2.0, "sustained_frames_per_s"),
        ("page", "capacity_pages_per_min", 120.0, "sustained_pages_per_min"),
        ("token", "capacity_requests_per_s", 2.0, "sustained_requests_per_s"),
        ("sample", "capacity_requests_per_s", 2.0, "sustained_requests_per_s"),
    ],
)
def test_a_rate_is_told_in_the_service_unit(unit: str, key: str, value: float, sustained: str) -> None:
    samples = frames(700)
    server = Scenario(name="server", params={"instances": 1, "inflight": 1})
    answer = Capacity(searched="rate", confirmed=2.0, percent=99, sustained_per_s=4.0)
    found = concluded(samples, server, unit, capacity=answer)
    assert found.summary[key].value == value
    assert found.summary[sustained].value == value * 2
    unknown = msgspec.structs.replace(answer, confirmed=None, reason=Text(en="no time", ko="시간 부족"))
    assert concluded(samples, server, unit, capacity=unknown).summary[key].reason == "no time"


def test_a_dropped_frame_is_infinitely_late() -> None:
    samples = frames(700)
    samples.table[::5, STATUS] = DROPPED
    samples.table[::5, COMPLETED] = samples.table[::5, SCHEDULED]
    found = concluded(samples)
    assert found.summary["dropped_share"].value == pytest.approx(0.2)
    assert found.summary["sample_count"].value == 560
    assert found.summary["latency_p50_ns"].value == 10 * MS
    for key in ("latency_p90_ns", "latency_p99_ns", "latency_p90_estimate_ns", "latency_p99_unpreempted_ns"):
        assert found.summary[key].value is None
        assert "infinitely late" in str(found.summary[key].reason)
    assert found.verdict == "valid"


def test_a_failed_request_of_a_scheduled_load_is_late_for_ever_and_degrades() -> None:
    samples = frames(700)
    samples.table[:100, STATUS] = 5
    found = concluded(samples)
    assert found.verdict == "degraded"
    assert found.summary["latency_p90_ns"].value is None


def late(samples: Samples, lag_ns: int) -> Samples:
    table = samples.table.copy()
    table[:, ISSUED] += lag_ns
    table[:, COMPLETED] += lag_ns
    return Samples(table, samples.tokens)


@pytest.mark.parametrize(("lag_ns", "verdict"), [(190_000, "valid"), (300_000, "degraded")])
def test_lag_is_allowed_two_percent_of_the_median(lag_ns: int, verdict: str) -> None:
    assert concluded(late(frames(700), lag_ns)).verdict == verdict


def test_a_generator_that_turned_the_answer_makes_it_invalid() -> None:
    given = Scenario(name="cameras", params={"fps": 15, "cameras": 3, "instances": 1, "inflight": 1})
    slow = frames(700, gap_ns=80 * MS, took_ns=60 * MS)
    assert concluded(slow, given, limits=Limits(latency_ns=66 * MS)).verdict == "valid"
    assert concluded(late(slow, 10 * MS), given, limits=Limits(latency_ns=66 * MS)).verdict == "invalid"
    assert concluded(late(slow, 3 * MS), given, limits=Limits(latency_ns=66 * MS)).verdict == "degraded"
    found = Capacity(searched="cameras", confirmed=3.0, percent=99, failed=4.0, failed_by="generator")
    assert concluded(frames(700), capacity=found).verdict == "invalid"


def test_waiting_for_a_lane_is_no_lag() -> None:
    """One lane at 90 %: bursts of two, of which the second waits 10 ms."""
    samples = frames(700)
    samples.table[1::2, SCHEDULED] -= 20 * MS
    samples.table[1::2, ISSUED] = samples.table[::2, COMPLETED]
    samples.table[1::2, COMPLETED] = samples.table[1::2, ISSUED] + 10 * MS
    assert concluded(samples).verdict == "valid"
    assert concluded(samples).summary["lag_p99_ns"].value == 0


def test_a_given_load_that_misses_its_bound_is_measured_and_does_not_conform() -> None:
    given = Scenario(name="cameras", params={"fps": 15, "cameras": 9, "instances": 1, "inflight": 1})
    found = concluded(frames(700, gap_ns=80 * MS, took_ns=70 * MS), given, limits=Limits(latency_ns=66 * MS))
    assert found.verdict == "valid"
    assert found.given is not None
    assert (found.given.passed, found.given.failed_by, found.given.load) == (False, "latency", 9)
    assert [text.en for text in found.lacks] == ["did not hold its bound: 700 of 700 requests were over it (p99)"]


def test_what_is_missing_is_said_in_both_languages() -> None:
    assert [text.en for text in concluded(frames(450)).lacks] == ["needs 212 more queries for p99"]
    assert [text.ko for text in concluded(frames(450)).lacks] == ["p99에 질의 212건 더 필요"]
    strict = load("mlperf-v6.1")
    measured = Measure(queries=700, samples=700, duration_s=30.0)
    assert [text.en for text in lacks(strict, "server", measured)] == ["ran 30.0 s of the 600 s"]
    assert [text.en for text in lacks(strict, "offline", measured)] == [
        "needs 23,876 more samples",
        "ran 30.0 s of the 600 s",
    ]
    assert lacks(strict, "server", Measure(queries=661, samples=661, duration_s=600)) == (
        Text(en="needs 1 more query for p99", ko="p99에 질의 1건 더 필요"),
    )
    short = Capacity(searched="cameras", confirmed=3.0, percent=90, short=300)
    assert lacks(RULES, "cameras", measured, short)[0].en == "needs 300 more queries for p99"
    nothing = Capacity(searched="cameras", confirmed=0.0, failed=1.0, failed_by="latency")
    assert lacks(RULES, "cameras", measured, nothing)[0].en == "no load was confirmed"


def test_a_failed_audit_makes_a_launch_invalid() -> None:
    said = Text(en="repeated inputs were answered 40 % faster", ko="같은 입력이 40 % 빠름")
    audits = (Audit(name="no-cache", passed=False, said=said), Audit(name="same-outputs", passed=None, said=said))
    found = concluded(frames(700), audits=audits)
    assert found.verdict == "invalid"
    assert found.reasons == (said,)


def generating(count: int = 100) -> Samples:
    """Requests of 11 tokens: the first after 50 ms, then one every 10 ms; every tenth waits a second for its first."""
    samples = frames(count, gap_ns=1500 * MS, took_ns=150 * MS)
    samples.table[::10, COMPLETED] += 3000 * MS
    samples.table[:, UNITS] = 11
    due = samples.column("scheduled_ns")
    events = [
        (row, int(due[row]) + (3000 * MS if row % 10 == 0 else 0) + 50 * MS + token * 10 * MS)
        for row in range(count)
        for token in range(11)
    ]
    samples.table[:, FIRST] = [at for _, at in events[::11]]
    return Samples(samples.table, np.array(events, dtype=np.int64))


def test_a_generating_models_figures() -> None:
    found = concluded(generating(), Scenario(name="single-stream"), "token").summary
    assert found["ttft_p50_ns"].value == 50 * MS
    assert found["ttft_p90_ns"].value == 3050 * MS
    assert found["tpot_p50_ns"].value == 10 * MS
    assert found["itl_p99_ns"].value == 10 * MS
    assert found["tokens_per_s_user_p50"].value == pytest.approx(100)
    assert found["output_tokens_p50"].value == 11
    assert found["samples_per_s"].value is not None
    goodput = found["goodput_requests_per_s"].value
    assert goodput == pytest.approx(found["samples_per_s"].value * 0.9)


def test_tokens_offline_have_no_pace() -> None:
    found = concluded(generating(), Scenario(name="offline"), "token").summary
    assert found["tokens_per_s_user_p50"].reason == "offline: see the throughput"
    assert found["output_tokens_p50"].value == 11
    assert "goodput_requests_per_s" not in found


def test_what_was_lost_is_late_by_every_measure() -> None:
    """A figure of the requests that got an answer would be the better the more are refused."""
    users = Scenario(name="users", params={"users": 4})
    refused = generating()
    refused.table[::5, [FIRST, UNITS]] = 0
    refused.table[::5, STATUS] = 429
    window = window_of(refused)
    trial = msgspec.structs.replace(confirming(window, 4.0), left=25)
    searched = Capacity(searched="users", confirmed=4.0, percent=99, trials=(trial,))
    for found in (
        concluded(refused, users, "token").summary,
        concluded(generating(), users, "token", left=25).summary,
        concluded(generating(), Scenario(name="users"), "token", capacity=searched).summary,
    ):
        assert found["ttft_p50_ns"].value == 50 * MS
        assert found["tpot_p50_ns"].value == 10 * MS
        for key in ("latency_p90_ns", "ttft_p90_ns", "tpot_p90_ns"):
            assert found[key].value is None
            assert "infinitely late" in str(found[key].reason)
    # Alone in a closed loop nobody waits for a request that was refused.
    assert concluded(refused, Scenario(name="single-stream"), "token").summary["ttft_p50_ns"].value == 50 * MS


def test_requests_without_an_answer_are_named() -> None:
    alone = Scenario(name="single-stream")
    found = concluded(frames(30), alone, left=2)
    assert found.verdict == "degraded"
    assert found.reasons[0].en == "2 of 32 requests that were due were given up without an answer"
    nothing = concluded(frames(0), alone, window=Window(start_ns=0, end_ns=S), left=1)
    assert nothing.verdict == "invalid"


def test_a_query_of_several_samples_is_one_latency() -> None:
    found = concluded(frames(100), Scenario(name="multi-stream", params={"batch": 8}), "frame", samples_per_row=8)
    assert found.summary["sample_count"].value == 800
    assert found.summary["latency_p50_ns"].value == 10 * MS
    assert [text.en for text in found.lacks] == ["needs 562 more queries for p99"]


@pytest.mark.parametrize("name", rulesets.known())
def test_every_ruleset_rules_every_scenario_and_unit(name: str) -> None:
    rules = load(name)
    assert rules.id == name
    assert set(rules.scenarios) == set(KINDS)
    assert set(rules.bounds) == {"frame", "page", "token", "sample"}
    assert all(kind.load is None or rules.scenarios[key].percentiles for key, kind in KINDS.items())
    assert rules.title.ko != rules.title.en
    assert set(rules.profiles) == set(RULES.profiles)
    if name != rulesets.DEFAULT:
        assert rules.note is not None


def test_lanes_are_devices_times_instances_times_in_flight() -> None:
    assert lanes_of(Scenario(name="server", params={"devices": 2, "instances": 3, "inflight": 4})) == 24
    assert lanes_of(Scenario(name="single-stream")) == 1
