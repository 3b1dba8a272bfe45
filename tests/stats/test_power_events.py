"""Throttle, clock, temperature and limit on the time line, and what they do to a verdict."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.energy import EnergyLedger, PowerEvent
from npubench.spi import THROTTLE_BITS, Channel
from npubench.stats.power_events import events, judge_power
from tests.stats.made_power import POWER, WINDOW, Floats, S, book, moments, noisy, table


def state(quantity: Any, name: str = "", device: str = "gpu", unit: str = "") -> Channel:
    return Channel(
        name=name or quantity, unit=unit, scope="card", kind="state", quantity=quantity, source="test", device=device
    )


THROTTLE = state("throttle")
AT_S = moments()


def found_in(channel: Channel, values: Floats, at_s: Floats = AT_S) -> tuple[PowerEvent, ...]:
    return events(table((channel,), {channel.name: (at_s, values)}), WINDOW)


def bits(*spans: tuple[float, float, int]) -> Floats:
    values = np.zeros(len(AT_S))
    for start_s, end_s, mask in spans:
        values[(start_s <= AT_S) & (end_s > AT_S)] = mask
    return values


def test_consecutive_readings_of_the_same_causes_are_one_event() -> None:
    both = THROTTLE_BITS["thermal"] | THROTTLE_BITS["power-cap"]
    first, second, third = found_in(THROTTLE, bits((95, 98, 1), (105, 110, 8), (110, 111, both), (120, 120.2, 2)))
    assert [event.causes for event in (first, second, third)] == [
        ("power-cap",),
        ("thermal", "power-cap"),
        ("power-brake",),
    ]
    assert first.what == "throttle"
    assert first.device == "gpu"
    assert (first.window.start_ns / S, first.window.end_ns / S) == pytest.approx((105.03, 109.93), abs=0.02)
    assert (second.window.end_ns - second.window.start_ns) / S == pytest.approx(0.9, abs=0.02)


def test_a_hole_in_the_readings_ends_an_event_and_unknown_bits_are_none() -> None:
    there = (AT_S < 107) | (AT_S > 112)
    assert len(found_in(THROTTLE, bits((105, 115, 1))[there], AT_S[there])) == 2
    assert found_in(THROTTLE, bits((105, 115, 1 << 12))) == ()
    assert found_in(THROTTLE, bits()) == ()


def test_a_clock_drop_takes_two_readings() -> None:
    clock = state("clock", unit="MHz")
    values = np.full(len(AT_S), 1980.0)
    place = np.flatnonzero(AT_S > 110)[0]
    values[place], values[place + 50], values[place + 51] = 1000, 1700, 1500
    (drop,) = found_in(clock, values)
    assert (drop.what, drop.low, drop.high) == ("clock", 1500, 1980)
    assert found_in(clock, np.full(len(AT_S), 1980.0) - np.arange(len(AT_S)) % 100) == ()


def test_temperature_is_one_event_per_device_and_a_limit_one_per_change() -> None:
    core, memory, limit = (
        state("temperature", "core", unit="C"),
        state("temperature", "memory", unit="C"),
        state("limit", unit="mW"),
    )
    readings = table(
        (core, memory, limit),
        {
            "core": (AT_S, np.linspace(30, 80, len(AT_S))),
            "memory": (AT_S, np.full(len(AT_S), 85.0)),
            "limit": (AT_S, np.where(AT_S < 110, 700e3, 350e3)),
        },
    )
    heat, change = events(readings, WINDOW)
    assert (heat.what, heat.high) == ("temperature", 85.0)
    assert heat.low == pytest.approx(30 + 50 * 40 / 110, abs=0.5)
    assert (change.what, change.low, change.high) == ("limit", 350.0, 700.0)
    assert (change.window.end_ns - change.window.start_ns) / S == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(("cause", "verdict"), [(name, None) for name in THROTTLE_BITS])
def test_only_what_slows_against_the_devices_will_degrades(cause: str, verdict: None) -> None:
    readings = table(
        (POWER, THROTTLE), {"p": (AT_S, noisy(AT_S)), "throttle": (AT_S, bits((110, 113, THROTTLE_BITS[cause])))}
    )
    ledger = book(readings)
    assert [event.causes for event in ledger.events] == [(cause,)]
    found, reasons = judge_power(ledger)
    if cause in ("power-cap", "sync-boost"):
        assert (found, reasons) == ("valid", ())
    else:
        assert found == "degraded"
        assert "gpu was slowed by" in reasons[0].en
        assert "for about 2.9 s of the 30.0 s" in reasons[0].en
        assert "gpu" in reasons[0].ko


def test_a_single_look_at_heat_is_a_moment() -> None:
    readings = table((POWER, THROTTLE), {"p": (AT_S, noisy(AT_S)), "throttle": (AT_S, bits((110, 110.1, 1)))})
    assert "for a moment in the 30.0 s" in judge_power(book(readings))[1][0].en


def test_devices_that_were_not_used_or_may_not_have_been_are_not_held_against_it() -> None:
    readings = table((POWER, THROTTLE), {"p": (AT_S, noisy(AT_S)), "throttle": (AT_S, bits((110, 113, 1)))})
    other = book(readings, ours=lambda channel: False)
    assert (other.events, judge_power(other)[0]) == ((), "valid")
    unknown = book(readings, ours=lambda channel: None)
    assert len(unknown.events) == 1
    assert judge_power(unknown)[0] == "valid"
    assert judge_power(EnergyLedger()) == ("valid", ())


@given(
    st.lists(st.tuples(st.floats(100, 130), st.floats(allow_nan=True)), max_size=40),
    st.sampled_from([THROTTLE, state("clock", unit="MHz"), state("limit", unit="W"), state("temperature", unit="C")]),
)
def test_any_readings_are_survived(rows: list[tuple[float, float]], channel: Channel) -> None:
    at_s, values = np.array([at for at, _ in rows]), np.array([value for _, value in rows])
    for event in events(table((channel,), {channel.name: (at_s, values)}), WINDOW):
        assert event.window.start_ns <= event.window.end_ns
        if event.low is not None and event.high is not None:
            assert event.low <= event.high
        assert msgspec.json.decode(msgspec.json.encode(event), type=PowerEvent) == event
