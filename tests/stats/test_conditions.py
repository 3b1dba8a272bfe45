"""What conditions do to a verdict: each disturbance alone, at and above its threshold, in two languages."""

from __future__ import annotations

from typing import Any

import pytest

from npubench.conditions import Conditions, DeviceCondition, DeviceProcess, DeviceState, Slowed
from npubench.rules import load
from npubench.schema import Validity
from npubench.stats.conditions import disturbed, gone, judge_conditions, worse

RULES = load().disturbance
SECOND = 1_000_000_000
QUIET: dict[str, Any] = {"start_ns": 0, "end_ns": 10 * SECOND, "processors": 2}
STATE = DeviceState(id="0000:41:00.0", name="RBLN-CA22", processes=())


def device(**changes: Any) -> DeviceCondition:
    return DeviceCondition(**{"before": STATE, "after": STATE, **changes})


def hot(**changes: Any) -> Slowed:
    facts = {"cause": "thermal", "slowed_ns": SECOND, "observed_ns": 10 * SECOND, "source": "counter"}
    return Slowed(**{**facts, **changes})


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({}, "valid"),
        ({"throttled_ns": SECOND // 10, "throttle_events": 3}, "valid"),
        ({"throttled_ns": SECOND // 5}, "degraded"),
        ({"throttle_events": 1}, "degraded"),
        ({"cooling": ()}, "valid"),
        ({"cooling": ("Processor",)}, "degraded"),
        ({"quota_periods": 100, "quota_paused_periods": 1}, "valid"),
        ({"quota_periods": 100, "quota_paused_periods": 2, "quota_paused_ns": SECOND}, "degraded"),
        ({"quota_periods": 0, "quota_paused_periods": 0}, "valid"),
        ({"stolen_ns": SECOND}, "valid"),
        ({"stolen_ns": 11 * SECOND // 10}, "degraded"),
        # A few ticks within a short window are no share.
        ({"stolen_ns": 40_000_000, "end_ns": SECOND // 5}, "valid"),
        ({"memory_stalled_ns": SECOND // 10}, "valid"),
        ({"memory_stalled_ns": SECOND // 5}, "degraded"),
        ({"start_ns": None, "end_ns": None, "throttle_events": 9}, "valid"),
        ({"devices": (device(),)}, "valid"),
        ({"devices": (device(slowed=(hot(),)),)}, "degraded"),
        ({"devices": (device(slowed=(hot(slowed_ns=SECOND // 10),)),)}, "valid"),
        ({"devices": (device(slowed=(hot(slowed_ns=None, observed_ns=None, source="state"),)),)}, "degraded"),
        ({"devices": (device(slowed=(hot(cause="power-cap"),)),)}, "valid"),
        ({"devices": (device(slowed=(hot(cause="power-brake", source="samples"),)),)}, "degraded"),
        ({"devices": (device(slowed=(hot(),), used=None),)}, "valid"),
        ({"devices": (device(after=None),)}, "invalid"),
        ({"devices": (device(after=None, used=None),)}, "invalid"),
        ({"devices": (device(after=None, used=False),)}, "valid"),
    ],
)
def test_each_alone(facts: dict[str, Any], verdict: Validity) -> None:
    found, reasons = judge_conditions(Conditions(**{**QUIET, **facts}), RULES)
    assert found == verdict
    assert (found == "valid") == (not reasons)
    for reason in reasons:
        assert any("가" <= char <= "힣" for char in reason.ko)


def test_a_process_seen_before_or_after_is_named_once() -> None:
    train = DeviceProcess(pid=4242, name="train", memory_bytes=5)
    screen = DeviceProcess(pid=1, name="Xorg", computes=False)
    shared = DeviceState(id=STATE.id, name=STATE.name, processes=(train, screen))
    for before, after in ((shared, STATE), (STATE, shared), (shared, shared)):
        found = Conditions(**QUIET, devices=(device(before=before, after=after),))
        verdict, (reason,) = judge_conditions(found, RULES)
        assert verdict == "degraded"
        assert reason.en.count("train (pid 4242)") == 1
        assert "Xorg" not in reason.en
        assert "train (pid 4242)" in reason.ko


def test_unknown_users_are_no_reason() -> None:
    unknown = DeviceState(id="a", processes=None, processes_reason="root can")
    assert judge_conditions(Conditions(**QUIET, devices=(device(before=unknown, after=unknown),)), RULES)[0] == "valid"


def test_the_reason_says_which_device_and_how_long() -> None:
    _, (counted,) = judge_conditions(Conditions(**QUIET, devices=(device(slowed=(hot(),)),)), RULES)
    assert counted.en.startswith("RBLN-CA22 (0000:41:00.0) was slowed by heat for 1.00 s of 10.0 s")
    _, (sampled,) = judge_conditions(Conditions(**QUIET, devices=(device(slowed=(hot(source="samples"),)),)), RULES)
    assert "for about 1.00 s of 10.0 s" in sampled.en
    (missing,) = gone(Conditions(devices=(device(after=None),)))
    assert "RBLN-CA22 (0000:41:00.0) is gone" in missing.en


def test_the_worse_of_two_verdicts() -> None:
    assert worse("valid", "degraded") == "degraded"
    assert worse("invalid", "degraded") == "invalid"
    assert worse("valid", "valid") == "valid"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, False),
        # Others ran, and we waited for a processor.
        ({"others_ns": 3 * SECOND, "ran_ns": 9 * SECOND, "waited_ns": SECOND}, True),
        # We slept most of the time, and what we waited slows nothing.
        ({"others_ns": 9 * SECOND, "ran_ns": SECOND // 100, "waited_ns": SECOND // 100}, False),
        # Others ran on processors that we did not want.
        ({"others_ns": 9 * SECOND, "ran_ns": 10 * SECOND, "waited_ns": SECOND // 10}, False),
        # Our own threads were more than the processors.
        ({"others_ns": SECOND, "ran_ns": 18 * SECOND, "waited_ns": 18 * SECOND}, False),
        ({"stolen_ns": 3 * SECOND}, True),
        ({"stolen_ns": 40_000_000, "end_ns": SECOND // 5}, False),
        ({"others_ns": None, "ran_ns": None, "waited_ns": SECOND}, False),
        ({"start_ns": None, "end_ns": None, "others_ns": 9 * SECOND, "ran_ns": 1, "waited_ns": 9}, False),
    ],
)
def test_a_launch_is_disturbed_where_others_ran_and_we_waited(facts: dict[str, Any], expected: bool) -> None:
    assert disturbed(Conditions(**{**QUIET, **facts}), RULES) is expected
