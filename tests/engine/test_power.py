"""Joules from readings: known energies within 0.5 %, and null with a reason whenever it would be a guess."""

from __future__ import annotations

import json
import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.engine.power import SamplerLog, ledger, read_log
from npubench.meters.synthetic import energy_j, parse, power_w
from npubench.spi import Channel, Reading

S = 1_000_000_000
POWER = Channel(name="p", unit="W", scope="card", kind="instant", source="test", lag_bound_ns=5)
COUNTER = Channel(name="e", unit="J", scope="card", kind="counter", source="test")


def reading(channel: str, at_ns: int, value: float | None, status: str = "ok") -> Reading:
    return Reading(channel=channel, value=value, before_ns=at_ns - 1000, after_ns=at_ns + 1000, status=status)


def sampled(text: str, interval_ns: int, until_ns: int, scale: float = 1.0) -> list[Reading]:
    """Readings of both channels from 0 to `until_ns`; the first falls at a third of the interval."""
    form = parse(text)
    moments = range(interval_ns // 3, until_ns, interval_ns)
    powers = [reading("p", at, power_w(form, at / S) * scale) for at in moments]
    return powers + [reading("e", at, energy_j(form, at / S) * scale) for at in moments]


@pytest.mark.parametrize("text", ["constant:25", "ramp:10:2", "square:10:30:2"])
@pytest.mark.parametrize("interval_ns", [S // 100, S // 50])
@pytest.mark.parametrize("window", [(1 * S, 31 * S), (1_234_567_890, 35_987_654_321)])
def test_known_energy_within_half_a_percent(text: str, interval_ns: int, window: tuple[int, int]) -> None:
    start, end = window
    found = ledger(sampled(text, interval_ns, 40 * S), (POWER, COUNTER), start, end)
    exact = energy_j(parse(text), end / S) - energy_j(parse(text), start / S)
    assert found.reason is None
    for name in ("p", "e"):
        assert found.channels[name]["energy_j"] == pytest.approx(exact, rel=0.005)
        assert found.channels[name]["mean_w"] == pytest.approx(exact / ((end - start) / S), rel=0.005)
        assert found.channels[name]["coverage"] == 1.0
        assert found.channels[name]["reason"] is None
    assert found.channels["p"]["scope"] == "card"
    assert found.channels["p"]["lag_bound_ns"] == 5


@pytest.mark.parametrize(("unit", "scale"), [("mJ", 1e3), ("uJ", 1e6), ("Wh", 1 / 3600), ("kWh", 1 / 3.6e6)])
def test_counter_units(unit: str, scale: float) -> None:
    channel = msgspec.structs.replace(COUNTER, unit=unit)
    found = ledger(sampled("ramp:10:2", S // 10, 10 * S, scale), (channel,), 2 * S, 8 * S).channels["e"]
    assert found["energy_j"] == pytest.approx(120.0)


def test_power_units_and_an_unknown_unit() -> None:
    milliwatt = msgspec.structs.replace(POWER, unit="mW")
    found = ledger(sampled("constant:25", S // 10, 10 * S, 1e3), (milliwatt,), 2 * S, 8 * S)
    assert found.channels["p"]["energy_j"] == pytest.approx(150.0)
    odd = ledger(sampled("constant:25", S // 10, 10 * S), (msgspec.structs.replace(POWER, unit="V"),), 2 * S, 8 * S)
    assert odd.channels["p"]["energy_j"] is None
    assert "'V'" in str(odd.reason)


def null(readings: list[Reading], channel: Channel, start: int = 2 * S, end: int = 8 * S) -> str:
    """The reason why there is no energy; it must be null, never 0."""
    found = ledger(readings, (channel,), start, end)
    assert found.channels[channel.name]["energy_j"] is None
    assert found.channels[channel.name]["mean_w"] is None
    assert found.reason is not None
    return str(found.channels[channel.name]["reason"])


@pytest.mark.parametrize("channel", [POWER, COUNTER])
def test_too_few_readings_are_null(channel: Channel) -> None:
    moments = [reading(channel.name, at, at / S) for at in (S, 5 * S, 9 * S)]
    assert "1 readings" in null(moments, channel)
    assert "0 readings" in null([], channel)
    assert ledger([], (), 0, S).reason == "no power meter answered"


def test_readings_that_failed_are_counted_and_named() -> None:
    readings = sampled("constant:25", S, 10 * S)
    broken = [reading("p", item.before_ns, None, "raised OSError: gone") for item in readings if item.channel == "p"]
    assert "raised OSError: gone" in null(broken, POWER)
    found = ledger([*readings, reading("p", 5 * S, None, "odd"), reading("p", 5 * S, math.nan)], (POWER,), 2 * S, 8 * S)
    assert found.channels["p"]["faults"] == 2
    assert found.channels["p"]["energy_j"] == pytest.approx(150)


@pytest.mark.parametrize("channel", [POWER, COUNTER])
def test_edges_without_a_reading_beyond_them_are_null(channel: Channel) -> None:
    readings = sampled("constant:25", S // 10, 10 * S)
    assert "before the window's start" in null(readings, channel, 0, 8 * S)
    assert "after the window's end" in null(readings, channel, 2 * S, 11 * S)
    assert "empty" in null(readings, channel, 3 * S, 3 * S)


def test_a_counter_that_goes_backwards_is_null() -> None:
    readings = [reading("e", at * S // 10, float(at if at < 50 else at - 50)) for at in range(100)]
    assert "backwards" in null(readings, COUNTER)


def test_a_counter_that_stands_still_is_null_and_not_zero() -> None:
    assert "changed 0 times" in null([reading("e", at * S // 10, 7.0) for at in range(100)], COUNTER)


def test_a_power_of_zero_is_null_and_not_zero() -> None:
    assert "0 W" in null([reading("p", at * S // 10, 0.0) for at in range(100)], POWER)


def test_holes_in_a_power_are_null_but_a_counter_bridges_them() -> None:
    readings = [item for item in sampled("constant:25", S // 10, 10 * S) if not 4 * S < item.before_ns < 6 * S]
    assert "cover only" in null(readings, POWER)
    found = ledger(readings, (COUNTER,), 2 * S, 8 * S).channels["e"]
    assert found["energy_j"] == pytest.approx(150)
    assert found["coverage"] == pytest.approx(2 / 3, abs=0.05)


def test_a_counter_without_readings_at_an_edge_is_null() -> None:
    readings = [item for item in sampled("constant:25", S // 10, 10 * S) if not 1 * S < item.before_ns < 3 * S]
    assert "edge" in null(readings, COUNTER)


def test_the_observed_refresh_is_reported() -> None:
    # Read ten times a second, refreshed once a second.
    readings = [reading("e", at * S // 10, float(at // 10)) for at in range(400)]
    found = ledger(readings, (COUNTER,), 5 * S, 35 * S).channels["e"]
    assert found["refresh_ns"] == pytest.approx(S, rel=0.01)
    assert found["energy_j"] == pytest.approx(30, abs=1)


def test_channels_are_kept_apart_and_one_of_them_is_enough() -> None:
    found = ledger(
        sampled("constant:25", S // 10, 10 * S), (POWER, msgspec.structs.replace(COUNTER, name="x")), S, 9 * S
    )
    assert found.reason is None
    assert found.channels["x"]["energy_j"] is None
    assert json.loads(msgspec.json.encode(found))["channels"]["p"]["energy_j"] == pytest.approx(200)


@given(
    st.lists(st.tuples(st.integers(0, 20 * S), st.floats(0.1, 1000), st.booleans()), max_size=60),
    st.integers(0, 20 * S),
    st.integers(0, 20 * S),
)
def test_a_power_is_null_or_lies_between_its_readings(
    rows: list[tuple[int, float, bool]], start: int, end: int
) -> None:
    readings = [reading("p", at, value, "ok" if good else "bad") for at, value, good in rows]
    found = ledger(readings, (POWER,), start, end).channels["p"]
    good_values = [value for _, value, good in rows if good]
    if found["energy_j"] is None:
        assert found["reason"]
    else:
        assert found["energy_j"] > 0
        assert min(good_values) * (1 - 1e-6) <= found["mean_w"] <= max(good_values) * (1 + 1e-6)


@given(st.binary(max_size=400))
def test_any_bytes_in_the_file_are_survived(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("power") / "power.jsonl"
    file.write_bytes(data)
    assert read_log(file).readings == ()


def test_a_missing_file_is_an_empty_log(tmp_path: Path) -> None:
    assert read_log(tmp_path / "none") == SamplerLog()
