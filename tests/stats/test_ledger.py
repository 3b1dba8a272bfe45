"""Joules from readings: known energies, the stated uncertainty, and null with a reason where it would be a guess."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.energy import ChannelEnergy, IdlePower, Window
from npubench.rules import EnergyRule
from npubench.spi import Channel
from npubench.stats.readings import Readings
from tests.stats.made_power import (
    COUNTER,
    POWER,
    RULE,
    WINDOW,
    Floats,
    S,
    Source,
    book,
    constant,
    moments,
    noisy,
    one,
    ramp,
    refreshed,
    square,
    steps,
    table,
)

START_S, END_S = WINDOW.start_ns / S, WINDOW.end_ns / S
ANY = EnergyRule(window_s=0, coverage=0.9, refreshes=0, idle_s=10, drift=0.05)


def exact(source: Source, window: Window = WINDOW) -> float:
    return float(source.j(window.end_ns / S) - source.j(window.start_ns / S))


def read(source: Source, channel: Channel, at_s: Floats, every_s: float = 0.0, phase_s: float = 0.0) -> Floats:
    """What a sensor of the channel's kind shows at these times."""
    seen = np.maximum(refreshed(at_s, every_s, phase_s), 0.0)
    return np.asarray(source.j(seen) if channel.kind == "counter" else source.w(seen))


def null(found: ChannelEnergy, *words: str) -> None:
    """It must be null with a reason in two languages, never 0."""
    assert found.energy_j is None
    assert found.net_j is None
    assert found.uncertainty_j is None
    assert found.reason is not None
    assert found.reason.ko
    assert found.reason.ko != found.reason.en
    for word in words:
        assert word in found.reason.en, found.reason.en


@pytest.mark.parametrize("channel", [POWER, COUNTER], ids=["power", "counter"])
@pytest.mark.parametrize("source", [constant(), ramp(), square()], ids=["constant", "ramp", "square"])
@pytest.mark.parametrize("interval_s", [0.02, 0.1])
@pytest.mark.parametrize("shift_s", [0.0, 0.234567891])
def test_known_energy_within_half_a_percent(
    channel: Channel, source: Source, interval_s: float, shift_s: float
) -> None:
    window = Window(start_ns=WINDOW.start_ns + round(shift_s * S), end_ns=WINDOW.end_ns + round(3.1 * shift_s * S))
    at_s = moments(interval_s)
    found = one(channel, at_s, read(source, channel, at_s), window=window)
    true = exact(source, window)
    assert found.reason is None
    assert found.energy_j == pytest.approx(true, rel=0.005)
    if found.uncertainty_j is None:
        assert found.refresh_ns is None
    else:
        assert abs(found.energy_j - true) <= found.uncertainty_j + 1e-6 * true
    assert found.mean_w == pytest.approx(true / ((window.end_ns - window.start_ns) / S), rel=0.005)
    assert found.coverage == pytest.approx(1.0)
    assert found.min_w is not None
    assert found.max_w is not None
    assert found.min_w <= found.mean_w <= found.max_w


SOURCES: dict[str, Callable[[np.random.Generator], Source]] = {
    "ramp": lambda random: ramp(10, random.uniform(1, 10)),
    "square": lambda random: square(20, 200, random.uniform(5, 15)),
    "fast-square": lambda random: square(20, 200, random.uniform(0.3, 3)),
    "slow-steps": lambda random: steps(random, 4.0),
    "fast-steps": lambda random: steps(random, 0.3),
}


@pytest.mark.parametrize("channel", [POWER, COUNTER], ids=["power", "counter"])
@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("every_s", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("around_s", [(60.0, 170.0), (98.0, 130.15)], ids=["whole-record", "cut-to-the-window"])
def test_with_a_slow_refresh_the_truth_lies_within_the_stated_uncertainty(
    channel: Channel, name: str, every_s: float, around_s: tuple[float, float]
) -> None:
    held = said = 0
    for seed in range(60):
        random = np.random.default_rng([seed, len(name), int(every_s * 10)])
        source = SOURCES[name](random)
        at_s = moments(0.1, *around_s, phase=random.uniform())
        values = read(source, channel, at_s, every_s, random.uniform(0, every_s))
        found = one(channel, at_s, values)
        # A sensor in step with its load reads one value for ever: then no uncertainty is stated.
        if found.energy_j is None or found.uncertainty_j is None:
            assert found.energy_j is None or found.refresh_ns is None
            continue
        said += 1
        held += abs(found.energy_j - exact(source)) <= found.uncertainty_j
    assert said >= 30
    assert held >= 0.95 * said


def test_a_late_sensor_states_what_its_lag_may_have_moved() -> None:
    source, at_s = ramp(10, 5), moments()
    late = msgspec.structs.replace(POWER, kind="average", lag_bound_ns=2 * S)
    found = one(late, at_s, source.w(at_s - 2.0))
    assert found.energy_j is not None
    assert found.uncertainty_j is not None
    assert found.uncertainty_j >= abs(found.energy_j - exact(source)) > 0.02 * exact(source)


@pytest.mark.parametrize("channel", [POWER, COUNTER], ids=["power", "counter"])
def test_too_slow_is_null_and_says_what_window_it_needs(channel: Channel) -> None:
    at_s = moments()
    found = one(channel, at_s, read(ramp(), channel, at_s, 10.0, 5.0))
    null(found, "refreshed 3 times in 30.0 s, 5 are needed", "window of 50 s")
    assert found.mean_w is not None
    assert found.refresh_ns == pytest.approx(10 * S, rel=0.02)


def test_a_slow_sensor_that_never_changed_in_the_window() -> None:
    at_s = moments()
    null(one(POWER, at_s, read(ramp(), POWER, at_s, 35.0, 99.0)), "refreshed 0 times")
    documented = msgspec.structs.replace(POWER, refresh_ns=60 * S)
    null(one(documented, at_s, read(constant(), POWER, at_s)), "window of 300 s")
    fast = msgspec.structs.replace(POWER, refresh_ns=S)
    assert one(fast, at_s, read(constant(), POWER, at_s)).energy_j == pytest.approx(750)


@pytest.mark.parametrize("channel", [POWER, COUNTER], ids=["power", "counter"])
def test_a_short_window_has_no_energy_but_the_power_that_was_read(channel: Channel) -> None:
    at_s = moments()
    window = Window(start_ns=WINDOW.start_ns, end_ns=WINDOW.start_ns + 8 * S)
    found = one(channel, at_s, read(ramp(), channel, at_s), window=window)
    null(found, "the window took 8.0 s; a published energy needs 30 s")
    assert found.mean_w == pytest.approx(exact(ramp(), window) / 8, rel=0.01)
    assert found.min_w == pytest.approx(50, abs=2)
    assert found.max_w == pytest.approx(66, abs=2)


@pytest.mark.parametrize(
    ("unit", "scale"), [("mJ", 1e3), ("uJ", 1e6), ("µJ", 1e6), ("Wh", 1 / 3600), ("kWh", 1 / 3.6e6)]
)
def test_counter_units(unit: str, scale: float) -> None:
    at_s = moments()
    found = one(msgspec.structs.replace(COUNTER, unit=unit), at_s, read(ramp(), COUNTER, at_s) * scale)
    assert found.energy_j == pytest.approx(exact(ramp()), rel=0.005)


def test_a_unit_that_is_none_of_power() -> None:
    at_s = moments()
    null(one(msgspec.structs.replace(POWER, unit="V"), at_s, noisy(at_s)), "'V'", "mW")
    null(one(msgspec.structs.replace(COUNTER, unit="W"), at_s, noisy(at_s)), "'W'", "mJ")


def test_an_older_meters_counter_leaves_the_quantity_at_its_default() -> None:
    at_s = moments()
    older = msgspec.structs.replace(COUNTER, quantity="power")
    assert one(older, at_s, read(constant(), COUNTER, at_s)).energy_j == pytest.approx(750)


def test_idle_and_net() -> None:
    at_s = moments()
    found = one(POWER, at_s, noisy(at_s), idle={"p": IdlePower(mean_w=40.0, changed=9)})
    assert found.idle_w == 40.0
    assert found.energy_j is not None
    assert found.net_j == pytest.approx(found.energy_j - 1200)
    assert one(POWER, at_s, noisy(at_s), idle={"p": IdlePower(mean_w=None)}).net_j is None


# Faults of sensors.


@pytest.mark.parametrize("status", ["N/A", "raised OSError: gone", "ok"])
@pytest.mark.parametrize("value", [np.nan, -1.0, np.inf])
def test_bad_readings_are_faults_and_no_data(status: str, value: float) -> None:
    at_s = moments()
    readings = table((POWER,), {"p": (at_s, noisy(at_s))})
    rows = np.flatnonzero((at_s > START_S) & (at_s < END_S))[::30]
    readings.table["value"][rows] = value
    readings.table["status"][rows] = 1 if status != "ok" else 0
    found = book(msgspec.structs.replace(readings, statuses=("ok", status))).channels["p"]
    assert found.energy_j == pytest.approx(3000, rel=0.005)
    assert found.faults == 10
    assert found.readings == 290
    readings.table["value"] = value
    readings.table["status"] = 1 if status != "ok" else 0
    found = book(msgspec.structs.replace(readings, statuses=("ok", status))).channels["p"]
    null(found, "0 readings in the window", "300 failed", status if status != "ok" else "the value is")


def test_more_than_the_source_can_draw_and_lone_spikes_are_faults() -> None:
    at_s, bounded = moments(), msgspec.structs.replace(POWER, most_w=400.0)
    values = noisy(at_s)
    inside = np.flatnonzero((at_s > START_S) & (at_s < END_S))
    values[inside[40:42]] = 500.0
    assert one(bounded, at_s, values).faults == 2
    assert one(bounded, at_s, values).energy_j == pytest.approx(3000, rel=0.005)
    values = noisy(at_s)
    values[inside[50]], values[inside[150]] = 65535.0, 0.0
    found = one(POWER, at_s, values)
    assert (found.faults, found.energy_j) == (2, pytest.approx(3000, rel=0.005))
    assert found.max_w is not None
    assert found.max_w < 110


def test_a_real_burst_stays_data() -> None:
    at_s = moments()
    source = Source(np.array([0.0, 110.0, 110.5]), np.array([20.0, 300.0, 20.0]))
    found = one(POWER, at_s, read(source, POWER, at_s) + 1e-3 * np.arange(len(at_s)) % 0.1)
    assert found.faults == 0
    assert found.energy_j == pytest.approx(exact(source), rel=0.02)


@pytest.mark.parametrize("channel", [POWER, COUNTER], ids=["power", "counter"])
def test_bursts_from_idle_that_are_shorter_than_two_looks_stay_data(channel: Channel) -> None:
    source = Source(np.arange(0, 200, 0.1), np.where(np.arange(2000) % 20, 0.5, 8.0))
    at_s = moments(phase=0.5)
    found = one(channel, at_s, read(source, channel, at_s))
    assert found.faults == 0
    assert found.energy_j == pytest.approx(exact(source), rel=0.01)


def test_garbage_that_comes_often_is_still_a_fault() -> None:
    at_s = moments()
    values = noisy(at_s)
    values[::25] = 65535.0
    found = one(POWER, at_s, values)
    assert found.faults == 12
    assert found.energy_j == pytest.approx(3000, rel=0.005)


def test_a_power_of_zero_is_null_and_not_zero() -> None:
    at_s = moments()
    null(one(POWER, at_s, np.zeros(len(at_s))), "0 W throughout")


@pytest.mark.parametrize("from_s", [0.0, 110.0, 126.0])
def test_a_power_that_freezes_is_null(from_s: float) -> None:
    at_s = moments()
    values = noisy(at_s)
    values[at_s >= from_s] = 107.0 if from_s else 100.0
    idle = {"p": IdlePower(mean_w=100.0, changed=0)}
    null(one(POWER, at_s, values, idle=None if from_s else idle), "froze" if from_s else "frozen, or an estimate")


def test_a_freeze_before_the_window_is_seen_by_what_the_sensor_used_to_do() -> None:
    at_s = moments()
    null(one(POWER, at_s, np.where(at_s < 95, noisy(at_s), 107.0)), "stood still for 30.0 s")


def test_a_sensor_that_changed_idle_and_never_under_load_froze() -> None:
    at_s = moments(start_s=99)
    baseline = {"p": IdlePower(mean_w=20.0, changed=100, refresh_ns=S // 10)}
    null(one(POWER, at_s, np.full(len(at_s), 100.0), idle=baseline), "idle it changed every 100 ms: the sensor froze")


def test_a_constant_source_of_which_no_idle_is_known_is_fine() -> None:
    at_s = moments()
    found = one(POWER, at_s, np.full(len(at_s), 25.0))
    assert (found.energy_j, found.reason, found.uncertainty_j) == (pytest.approx(750), None, None)
    steady = msgspec.structs.replace(POWER, refresh_ns=S)
    assert one(steady, at_s, np.full(len(at_s), 25.0)).uncertainty_j == 0
    other = one(POWER, at_s, np.full(len(at_s), 25.0), idle={"p": IdlePower(mean_w=5.0, changed=0)})
    assert (other.energy_j, other.net_j) == (pytest.approx(750), pytest.approx(600))


def test_a_short_freeze_is_a_hole_that_the_uncertainty_bounds() -> None:
    at_s = moments()
    values = noisy(at_s)
    values[(at_s >= 110) & (at_s < 112)] = 101.0
    found, free = one(POWER, at_s, values), one(POWER, at_s, noisy(at_s))
    assert found.energy_j == pytest.approx(3000, rel=0.005)
    assert found.coverage == pytest.approx(28 / 30, abs=0.01)
    assert found.uncertainty_j is not None
    assert free.uncertainty_j is not None
    assert found.uncertainty_j > free.uncertainty_j + 4


def test_a_coarse_sensor_under_a_steady_load_is_not_frozen() -> None:
    at_s = moments()
    for seed in range(20):
        values = np.round(noisy(refreshed(at_s, 1.0), sd_w=0.0) + np.repeat(noisy(at_s[::10], 0, 0.5, seed), 10))
        assert one(POWER, at_s, values).energy_j == pytest.approx(3000, rel=0.01)


def test_a_meter_that_disappears_is_null() -> None:
    at_s = moments()
    gone = at_s < 115
    found = one(POWER, at_s[gone], noisy(at_s)[gone])
    null(found, "readings end 15.1 s before the window does")
    assert found.coverage == pytest.approx(0.5, abs=0.01)
    null(one(COUNTER, at_s[gone], read(constant(), COUNTER, at_s)[gone]), "missing at the window's end")
    late = at_s > 105
    null(one(POWER, at_s[late], noisy(at_s)[late]), "after the window does")
    null(one(COUNTER, at_s[late], read(constant(), COUNTER, at_s)[late]), "missing at the window's start")
    null(one(POWER, at_s[:0], at_s[:0]), "0 readings")


def test_a_hole_in_a_power_is_null_and_a_counter_bridges_it() -> None:
    at_s = moments()
    there = (at_s < 110) | (at_s > 116)
    null(one(POWER, at_s[there], noisy(at_s)[there]), "cover only 80%", "90%")
    found = one(COUNTER, at_s[there], read(constant(), COUNTER, at_s)[there])
    assert found.energy_j == pytest.approx(750)
    assert found.coverage == pytest.approx(0.8, abs=0.01)


def test_a_small_hole_is_bridged_and_bounded() -> None:
    source, at_s = square(), moments()
    there = (at_s < 110.05) | (at_s > 111)
    found = one(POWER, at_s[there], read(source, POWER, at_s)[there])
    assert found.energy_j is not None
    assert found.uncertainty_j is not None
    assert abs(found.energy_j - exact(source)) <= found.uncertainty_j


def test_a_counter_that_wraps() -> None:
    at_s = moments()
    half = exact(ramp()) / 2
    for wraps_at, most_w in ((500.0, None), (500.0, 150.0), (262_143.0, None), (262_143.0, 150.0)):
        channel = msgspec.structs.replace(COUNTER, wraps_at=wraps_at, most_w=most_w)
        values = (read(ramp(), COUNTER, at_s) - ramp().j(START_S) + wraps_at - half) % wraps_at
        assert (np.diff(values[(at_s > START_S) & (at_s < END_S)]) < 0).any()
        assert one(channel, at_s, values).energy_j == pytest.approx(exact(ramp()), rel=0.005)
    weak = msgspec.structs.replace(COUNTER, wraps_at=500.0, most_w=20.0)
    found = one(weak, at_s, read(ramp(), COUNTER, at_s) % 500)
    null(found, "went backwards")
    assert found.mean_w is None
    null(one(weak, at_s, read(ramp(), COUNTER, at_s)), "jumped", "over the 20 W")


def test_a_counter_that_is_reset_is_null() -> None:
    at_s = moments()
    joules = read(constant(), COUNTER, at_s)
    reset = np.where(at_s < 115, joules, joules - joules[at_s >= 115][0])
    null(one(COUNTER, at_s, reset), "went backwards")
    null(one(msgspec.structs.replace(COUNTER, wraps_at=1e6), at_s, reset), "not because it wrapped")
    null(one(msgspec.structs.replace(COUNTER, wraps_at=1e6, most_w=300.0), at_s, reset), "not because it wrapped")


def test_a_counter_whose_readings_are_too_far_apart_to_see_a_wrap_is_null() -> None:
    at_s = moments()
    there = (at_s < 103) | (at_s > 127)
    channel = msgspec.structs.replace(COUNTER, wraps_at=400.0)
    null(one(channel, at_s[there], (read(constant(), COUNTER, at_s) % 400)[there]), "wrapped unseen")


def test_a_counter_that_jumps_is_null_and_a_lone_odd_reading_is_a_fault() -> None:
    at_s = moments()
    joules = read(constant(), COUNTER, at_s)
    jumped = np.where(at_s < 115, joules, joules + 5000)
    null(one(COUNTER, at_s, jumped), "jumped", "ten times")
    null(one(msgspec.structs.replace(COUNTER, most_w=300.0), at_s, jumped), "jumped", "the 300 W")
    place = np.flatnonzero(at_s > 115)[0]
    for odd in (0.0, 1e9):
        joules[place] = odd
        found = one(COUNTER, at_s, joules)
        assert (found.energy_j, found.faults) == (pytest.approx(750), 1)


@pytest.mark.parametrize("from_s", [0.0, 95.0, 110.0])
def test_a_counter_that_freezes_is_null(from_s: float) -> None:
    at_s = moments()
    joules = np.minimum(read(constant(), COUNTER, at_s), float(constant().j(from_s)))
    null(one(COUNTER, at_s, joules), "frozen" if from_s < START_S else "froze")


def test_a_counter_that_stops_and_loses_what_was_drawn_is_null_and_one_that_catches_up_is_not() -> None:
    at_s = moments()
    joules = read(constant(), COUNTER, at_s)
    held = np.where((at_s > 110) & (at_s < 115), joules[at_s > 110][0], joules)
    assert one(COUNTER, at_s, held).energy_j == pytest.approx(750)
    lost = np.where(at_s < 115, held, joules - 5 * 25)
    null(one(COUNTER, at_s, lost), "stood still for 5")


@pytest.mark.parametrize("channel", [POWER, COUNTER], ids=["power", "counter"])
def test_windows_that_are_none(channel: Channel) -> None:
    at_s = moments()
    null(one(channel, at_s, noisy(at_s), window=Window(start_ns=5, end_ns=5)), "empty")
    null(one(channel, at_s, noisy(at_s), window=Window(start_ns=500 * S, end_ns=540 * S)), "0 readings")


def test_without_a_channel_or_one_of_power() -> None:
    assert book(Readings()).reason is not None
    heat = Channel(name="t", unit="C", scope="card", kind="state", quantity="temperature", source="test")
    at_s = moments()
    found = book(table((heat,), {"t": (at_s, noisy(at_s))}))
    assert found.reason is not None
    assert "no channel reads power" in found.reason.en
    assert found.channels == {}


# Properties.

ROWS = st.lists(
    st.tuples(
        st.integers(95 * S, 135 * S),
        st.one_of(st.floats(0, 1000), st.floats(allow_nan=True), st.sampled_from([0.0, 1.0, 2.0])),
        st.booleans(),
    ),
    max_size=80,
)


def loose(rows: list[tuple[int, float, bool]], channel: Channel) -> Readings:
    made = table(
        (channel,), {channel.name: (np.array([at / S for at, _, _ in rows]), np.array([v for _, v, _ in rows]))}
    )
    order = np.argsort([at for at, _, _ in rows], kind="stable")
    made.table["status"] = np.array([0 if good else 1 for _, _, good in rows])[order] if rows else 0
    return msgspec.structs.replace(made, statuses=("ok", "bad"))


@pytest.mark.parametrize("channel", [POWER, COUNTER, msgspec.structs.replace(COUNTER, wraps_at=700.0)])
@given(rows=ROWS)
def test_never_zero_or_negative_joules_from_nothing(channel: Channel, rows: list[tuple[int, float, bool]]) -> None:
    for rule in (RULE, ANY):
        found = book(loose(rows, channel), rule=rule).channels[channel.name]
        if found.energy_j is None:
            assert found.reason is not None
        else:
            assert found.reason is None
            assert found.energy_j > 0
            assert found.uncertainty_j is None or found.uncertainty_j >= 0
            good = [value for _, value, fine in rows if fine and value >= 0]
            if channel.kind != "counter":
                assert found.mean_w is not None
                assert min(good) * (1 - 1e-9) <= found.mean_w <= max(good) * (1 + 1e-9)


@pytest.mark.parametrize("channel", [POWER, COUNTER], ids=["power", "counter"])
@given(rows=ROWS, seed=st.integers(0, 1000))
def test_shuffled_rows_give_the_same(channel: Channel, rows: list[tuple[int, float, bool]], seed: int) -> None:
    readings = loose(rows, channel)
    shuffled = np.random.default_rng(seed).permutation(readings.table)
    for rule in (RULE, ANY):
        assert book(readings, rule=rule) == book(msgspec.structs.replace(readings, table=shuffled), rule=rule)


@pytest.mark.parametrize(
    ("channel", "unit", "scale"),
    [(POWER, "mW", 1e3), (POWER, "kW", 1e-3), (COUNTER, "uJ", 1e6), (COUNTER, "Wh", 1 / 3600)],
)
@given(rows=ROWS)
def test_the_unit_does_not_matter(
    channel: Channel, unit: str, scale: float, rows: list[tuple[int, float, bool]]
) -> None:
    tame = [(at, round(value) if abs(value) < 1e6 else value, good) for at, value, good in rows]
    scaled = [(at, value * scale, good) for at, value, good in tame]
    one_, other = (
        book(loose(some, kind), rule=ANY).channels[channel.name]
        for some, kind in ((tame, channel), (scaled, msgspec.structs.replace(channel, unit=unit)))
    )
    assert (one_.energy_j is None) == (other.energy_j is None)
    if one_.energy_j is not None:
        assert other.energy_j == pytest.approx(one_.energy_j, rel=1e-6)
        assert (one_.uncertainty_j is None) == (other.uncertainty_j is None)
        if one_.uncertainty_j is not None:
            assert other.uncertainty_j == pytest.approx(one_.uncertainty_j, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("channel", [POWER, COUNTER], ids=["power", "counter"])
@settings(deadline=None)
@given(seed=st.integers(0, 10_000), cut_s=st.floats(105, 125), every_s=st.sampled_from([0.0, 0.5, 1.0]))
def test_the_parts_of_a_window_add_up(channel: Channel, seed: int, cut_s: float, every_s: float) -> None:
    source, at_s = steps(np.random.default_rng(seed), 2.0), moments()
    # A sensor that never shows the same value twice is never taken for frozen.
    values = read(source, channel, at_s, every_s)
    if channel is POWER:
        values = values + 1e-3 * np.arange(len(at_s))
    cut = round(cut_s * S)
    whole, first, last = (
        one(channel, at_s, values, window=Window(start_ns=start, end_ns=end), rule=ANY).energy_j
        for start, end in ((WINDOW.start_ns, WINDOW.end_ns), (WINDOW.start_ns, cut), (cut, WINDOW.end_ns))
    )
    assert whole is not None
    assert first is not None
    assert last is not None
    assert first + last == pytest.approx(whole, rel=1e-6)
