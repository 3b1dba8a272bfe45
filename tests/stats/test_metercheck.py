"""How good a channel is, from made-up readings of a machine at rest."""

from __future__ import annotations

import numpy as np
import pytest

from npubench.energy import Window
from npubench.rules import load
from npubench.spi import Channel
from npubench.stats.metercheck import ChannelCheck, judged
from npubench.stats.readings import OK, RECORD, Readings

S = 1_000_000_000
RULE = load().energy
WINDOW = Window(start_ns=5 * S, end_ns=25 * S)
POWER = Channel(name="p", unit="W", scope="card", kind="average", source="made up")


def read(values: list[float] | np.ndarray, channel: Channel = POWER, **columns: object) -> ChannelCheck:
    """30 s at 10 Hz from second 0."""
    table = np.zeros(len(values), RECORD)
    table["before_ns"] = table["after_ns"] = np.arange(len(values)) * S // 10
    table["value"] = values
    for name, column in columns.items():
        table[name] = column
    (found,) = judged(Readings((channel,), (OK, "N/A"), table), WINDOW, RULE)
    return found


def stepped(every_s: float, size: float = 1.0, level: float = 40.0, seed: int = 1) -> np.ndarray:
    """A value that is new every so many seconds."""
    draw = np.random.default_rng(seed)
    steps = (np.arange(300) / 10 // every_s).astype(int)
    return level + size * draw.normal(0, 1, steps.max() + 1)[steps]


def test_a_sensor_that_is_new_each_second_has_enough_in_the_window() -> None:
    found = read(stepped(1.0))
    assert found.answer == "enough"
    assert found.idle.refresh_ns == pytest.approx(S, rel=0.01)
    assert found.refreshes == pytest.approx(30, rel=0.01)
    assert found.idle.mean_w == pytest.approx(40, abs=1)
    assert found.uncertainty is not None
    assert 0 < found.uncertainty < 0.05


def test_a_slow_sensor_says_how_long_a_window_it_needs() -> None:
    found = read(stepped(8.0))
    assert found.answer == "longer"
    assert found.needed_s == 40


def test_a_value_that_stands_still_has_no_refresh_at_rest() -> None:
    found = read(np.full(300, 12.0))
    assert found.answer == "unknown"
    assert found.needed_s is None


def test_the_documented_refresh_stands_in_for_one_that_cannot_be_seen() -> None:
    slow = Channel(name="p", unit="W", scope="node", kind="average", source="made up", refresh_ns=10 * S)
    found = read(np.full(300, 12.0), slow)
    assert (found.answer, found.needed_s) == ("longer", 50)


def test_a_rising_idle_power_is_drift() -> None:
    found = read(20 + np.arange(300) / 100)
    assert found.drift_w == pytest.approx(2 / 3 * 20 / 10, abs=0.1)


def test_a_counter_has_its_drift_in_watts() -> None:
    counter = Channel(name="e", unit="J", scope="package", kind="counter", quantity="energy", source="made up")
    times = np.arange(300) / 10
    found = read(20 * times + times**2 / 20, counter)
    assert found.answer == "enough"
    assert found.drift_w == pytest.approx(2 / 3 * 20 / 10, abs=0.1)


def test_a_counter_that_hardly_moves_has_no_drift() -> None:
    counter = Channel(name="e", unit="J", scope="package", kind="counter", quantity="energy", source="made up")
    found = read(1600 * (np.arange(300) // 80), counter)
    assert found.drift_w is None
    assert found.answer == "longer"


def test_what_is_never_read_is_broken() -> None:
    found = read(np.full(300, np.nan), status=1)
    assert found.answer == "broken"
    assert found.idle.mean_w is None
    assert found.drift_w is None


def test_heat_and_clocks_are_not_judged() -> None:
    heat = Channel(name="t", unit="C", scope="chip", kind="instant", quantity="temperature", source="made up")
    table = np.zeros(3, RECORD)
    assert judged(Readings((heat,), (OK,), table), WINDOW, RULE) == ()
