"""Logs of other clocks brought to this machine's: by pulses and by a stated offset."""

from __future__ import annotations

import numpy as np
import pytest

from npubench.energy import Alignment, ClockPair, Window
from npubench.engine.pulse import PATTERN
from npubench.errors import DataError
from npubench.metering_log import parse
from npubench.stats.alignment import Floats, Ints, Tie, by_clock, by_pulse, tie
from npubench.stats.logged import channels, readings

S = 10**9
WALL, BOOT = 1_795_600_000 * S, 1_000 * S
CLOCKS = tie(
    [
        ClockPair(monotonic_ns=BOOT, wall_ns=WALL, gap_ns=500),
        ClockPair(monotonic_ns=BOOT + 600 * S, wall_ns=WALL + 600 * S, gap_ns=400),
    ]
)
# As `npubench run --power-pulse` makes them.
ON = tuple((30 + sum(map(sum, PATTERN[:i])), 30 + sum(map(sum, PATTERN[:i])) + PATTERN[i][0]) for i in range(3))
PULSES = tuple(Window(start_ns=BOOT + round(on * S), end_ns=BOOT + round(off * S)) for on, off in ON)


def busy(seconds: Floats) -> Floats:
    """1 while a pulse is on, in seconds after BOOT."""
    return sum(((seconds >= on) & (seconds < off) for on, off in ON), np.zeros_like(seconds))


def made_log(
    hertz: float, offset_s: float, seed: int, *, noise_w: float = 10.0, pulse_w: float = 100.0, mean: bool = False
) -> tuple[Ints, Floats]:
    """A log whose clock is `offset_s` behind, with a load of its own half a minute after the pulses."""
    rng = np.random.default_rng(seed)
    times = np.arange(0, 120, 1 / hertz) + rng.uniform(0, 1 / hertz)
    on = busy(times[:, None] + np.linspace(-1 / hertz, 0, 50)).mean(axis=1) if mean else busy(times)
    later = np.where((times > 75) & (rng.uniform(size=len(times)) > 0.3), 60.0, 0.0)
    power = 200 + pulse_w * on + later + rng.normal(0, noise_w, len(times))
    return (WALL + np.round((times - offset_s) * 1e9)).astype(np.int64), power


@pytest.mark.parametrize("hertz", [1.0, 10.0])
@pytest.mark.parametrize("offset_s", [3.0, -3.0, 0.0, 47.3])
@pytest.mark.parametrize("mean", [False, True])
def test_clocks_apart_come_out_within_the_stated_uncertainty(hertz: float, offset_s: float, mean: bool) -> None:
    """Whether a row is an instant or the mean of the interval before it, which a log does not say."""
    for seed in range(15):
        found = by_pulse(*made_log(hertz, offset_s, seed, mean=mean), 1, PULSES, CLOCKS)
        assert abs(found.offset_s - offset_s) <= found.uncertainty_s
        assert found.uncertainty_s < 1.6 / hertz
        assert found.how == "pulse"
        assert (found.correlation or 0) > 0.9


@pytest.mark.parametrize("before", [0.0, 100.0])
@pytest.mark.parametrize("after", [0.0, 100.0])
def test_a_machine_that_is_busy_before_or_after_confuses_nothing(before: float, after: float) -> None:
    """Starting up looks like a pulse, and so does the first launch."""
    for seed in range(10):
        times, power = made_log(5.0, 3.0, seed, noise_w=25.0)
        seconds = (times - WALL) / 1e9 + 3.0
        power = power + np.where(seconds < 29, before, 0.0) + np.where(seconds > 54, after, 0.0)
        found = by_pulse(times, power, 1, PULSES, CLOCKS)
        assert abs(found.offset_s - 3.0) <= found.uncertainty_s


def test_rounded_stamps_are_in_the_uncertainty() -> None:
    times, power = made_log(10.0, 3.0, 0)
    exact = by_pulse(times, power, 1, PULSES, CLOCKS)
    rounded = by_pulse(times // (S // 10) * (S // 10), power, S // 10, PULSES, CLOCKS)
    assert rounded.uncertainty_s > exact.uncertainty_s + 0.05
    assert abs(rounded.offset_s - 3.0) <= rounded.uncertainty_s


@pytest.mark.parametrize("seed", range(5))
def test_pulses_that_are_not_to_be_seen(seed: int) -> None:
    """Another machine's meter, or a device that the pulses did not move."""
    with pytest.raises(DataError, match="not to be seen in the log"):
        by_pulse(*made_log(10.0, 3.0, seed, pulse_w=2.0), 1, PULSES, CLOCKS)


def test_pulses_that_fit_twice() -> None:
    """Another run with pulses half a minute later, in the same log."""
    times, noise = made_log(10.0, 0.0, 0, noise_w=1.0, pulse_w=0.0)
    seconds = (times - WALL) / 1e9
    power = np.where(seconds < 75, noise, 200.0) + 100 * busy(seconds) + 100 * busy(seconds - 31.0)
    with pytest.raises(DataError, match="fit the log at two places"):
        by_pulse(times, power, 1, PULSES, CLOCKS)


def test_what_no_pulse_can_align() -> None:
    times, power = made_log(10.0, 0.0, 0)
    with pytest.raises(DataError, match="no pulses were recorded"):
        by_pulse(times, power, 1, (), CLOCKS)
    with pytest.raises(DataError, match="too coarse to see them"):
        by_pulse(times[::20], power[::20], 1, PULSES, CLOCKS)
    with pytest.raises(DataError, match=r"does not cover the pulses: by its clock they are 32,3\d\d s outside"):
        by_pulse(times + 9 * 3600 * S, power, 1, PULSES, CLOCKS)
    with pytest.raises(DataError, match="0 good readings"):
        by_pulse(times[:0], power[:0], 1, PULSES, CLOCKS)
    with pytest.raises(DataError, match="recorded no clock"):
        tie(())


def test_an_offset_has_an_uncertainty() -> None:
    with pytest.raises(DataError, match="none was given") as error:
        by_clock(3.0, None)
    assert "--uncertainty" in (error.value.hint or "")
    for offset, uncertainty in ((3.0, 0.0), (3.0, -1.0), (float("nan"), 0.1), (3.0, float("inf"))):
        with pytest.raises(DataError, match="expected a number"):
            by_clock(offset, uncertainty)
    assert by_clock(3.0, 0.1) == Alignment(how="clock", offset_s=3.0, uncertainty_s=0.1)


def test_wall_time_becomes_monotonic_exactly() -> None:
    """To the nanosecond, also between two pairs of a clock that was slewed."""
    times = np.array([WALL + 1, WALL + 300 * S + 7], dtype=np.int64)
    assert CLOCKS.monotonic_ns(times).tolist() == [BOOT + 1, BOOT + 300 * S + 7]
    slewed = tie(
        [CLOCKS.pairs[0], ClockPair(monotonic_ns=BOOT + 600 * S, wall_ns=WALL + 600 * S + S // 50, gap_ns=400)]
    )
    middle = slewed.monotonic_ns(np.array([WALL + 300 * S], dtype=np.int64))[0]
    assert abs(int(middle) - (BOOT + 300 * S - S // 100)) < 1_000_000
    assert slewed.wall_ns(BOOT + 600 * S) == WALL + 600 * S + S // 50
    assert slewed.uncertainty_ns == S // 100 + 500


def test_rows_as_readings() -> None:
    text = "Time,Power (W),E (Wh)\n1795600001,100,5\n1795600002,N/A,6\n"
    log = parse(text.encode(), "meter.csv")
    named = channels(log.sources, "meter-csv", "meter.csv", "wall", log.interval_ns)
    assert [(channel.name, channel.kind, channel.unit) for channel in named] == [
        ("meter-csv.Power", "average", "W"),
        ("meter-csv.E", "counter", "Wh"),
    ]
    found = readings(log, named, by_clock(-3.0, 0.25), Tie(pairs=CLOCKS.pairs))
    power, energy = found.of("meter-csv.Power"), found.of("meter-csv.E")
    assert power["before_ns"].tolist() == [BOOT + (second - 3) * S - S // 4 for second in (1, 2)]
    assert power["after_ns"].tolist() == [BOOT + (second - 3) * S + S // 4 for second in (1, 2)]
    assert power["value"][0] == 100
    assert [found.statuses[code] for code in power["status"]] == ["ok", 'the cell says "N/A"']
    assert energy["value"].tolist() == [5, 6]
