"""The synthetic meter: each form and clause of its text, each fault, and what is refused."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.meters.synthetic import SOURCE, VARIABLE, SyntheticMeter, energy_j, parse, power_w, script, shown
from npubench.meters.synthetic_script import FAULTS, looked_s
from npubench.spi import Channel, Configurable


def values(text: str, seconds: float) -> dict[str, float | None]:
    return {name: value for name, (value, _) in shown(script(text), seconds).items()}


def channels(text: str) -> dict[str, Channel]:
    meter = SyntheticMeter()
    meter.configure({"form": text})
    return {channel.name: channel for channel in meter.channels()}


def test_a_slow_sensor_holds_its_value() -> None:
    text = "ramp:10:2~0.5"
    assert values(text, 1.2)["power"] == power_w(parse(text), 1.0)
    assert values(text, 1.2)["energy"] == energy_j(parse(text), 1.0)
    assert values(text, 1.5) == {"power": 13.0, "energy": 17.25}
    power = channels(text)["synthetic.power"]
    assert (power.kind, power.refresh_ns, power.lag_bound_ns) == ("instant", 500_000_000, 500_000_000)


def test_an_average_shows_the_mean_of_its_window() -> None:
    text = "square:10:30:2;average=1"
    assert [values(text, at)["power"] for at in (1.0, 1.5, 2.0)] == [30.0, 20.0, 10.0]
    power = channels("square:10:30:2~0.1;average=1")["synthetic.power"]
    assert (power.kind, power.lag_bound_ns) == ("average", 1_100_000_000)


@given(seconds=st.floats(0.0, 1000.0), refresh=st.floats(0.01, 5.0))
def test_a_look_is_never_later_than_now_nor_older_than_the_refresh(seconds: float, refresh: float) -> None:
    moment = looked_s(parse(f"constant:1~{refresh!r}"), seconds)
    assert seconds - refresh - 1e-9 <= moment <= seconds + 1e-9


def test_state_channels_are_on_the_same_time_line() -> None:
    text = "constant:25;temperature=ramp:40:1;clock=square:900:1800:4~1;limit=constant:300"
    text += ";throttle=thermal:5:2;throttle=power-cap:6:4"
    assert values(text, 4.5)["throttle"] == 0
    assert values(text, 5.0)["throttle"] == 1
    assert values(text, 6.5)["throttle"] == 1 + 8
    assert values(text, 7.0)["throttle"] == 8
    assert values(text, 6.5)["temperature"] == 46.5
    assert [values(text, at)["clock"] for at in (1.9, 2.1)] == [1800, 900]
    found = channels(text)
    assert {name: (item.quantity, item.unit, item.kind) for name, item in found.items()} == {
        "synthetic.power": ("power", "W", "instant"),
        "synthetic.energy": ("energy", "J", "counter"),
        "synthetic.temperature": ("temperature", "C", "state"),
        "synthetic.clock": ("clock", "MHz", "state"),
        "synthetic.limit": ("limit", "W", "state"),
        "synthetic.throttle": ("throttle", "", "state"),
    }
    assert {item.source for item in found.values()} == {SOURCE}


def test_a_counter_that_wraps_and_the_documented_bounds() -> None:
    text = "constant:100;wraps=250;most=400;accuracy=0.05;scope=node"
    assert [values(text, at)["energy"] for at in (2.0, 3.0, 5.0)] == [200.0, 50.0, 0.0]
    energy = channels(text)["synthetic.energy"]
    assert (energy.wraps_at, energy.most_w, energy.accuracy, energy.scope) == (250.0, 400.0, 0.05, "node")


def test_one_channel_only() -> None:
    assert list(channels("constant:1;only=power")) == ["synthetic.power"]
    assert list(values("constant:1;only=energy", 2.0)) == ["energy"]


def test_several_devices_have_channels_of_their_own() -> None:
    meter = SyntheticMeter()
    meter.configure({"form": "constant:5;device=0000:01:00.0, 0000:02:00.0;throttle=hardware:0:9", "name": "second"})
    found = list(meter.channels())
    assert [channel.name for channel in found] == [reading.channel for reading in meter.read()]
    assert [channel.name for channel in found][:3] == [
        "second.0000:01:00.0.power",
        "second.0000:01:00.0.energy",
        "second.0000:01:00.0.throttle",
    ]
    assert [channel.device for channel in found] == ["0000:01:00.0"] * 3 + ["0000:02:00.0"] * 3


@pytest.mark.parametrize(
    ("fault", "at", "expected"),
    [
        ("freeze:5:2", 6.0, {"power": 20.0, "energy": 75.0}),
        ("freeze:5:2", 7.0, {"power": 24.0, "energy": 119.0}),
        ("negative:5:2", 6.0, {"power": -23.0, "energy": -97.0}),
        ("jump:5:2", 6.0, {"power": 22_000.0, "energy": 96_000.0}),
        ("gone:5:2", 6.0, {"power": None, "energy": None}),
        ("reset:5:0", 6.0, {"power": 22.0, "energy": 21.0}),
        ("reset:5:0", 4.0, {"power": 18.0, "energy": 56.0}),
        ("block:5:2", 6.0, {"power": 22.0, "energy": 96.0}),
    ],
)
def test_faults(fault: str, at: float, expected: dict[str, float | None]) -> None:
    assert values(f"ramp:10:2;fault={fault}", at) == pytest.approx(expected)


def test_a_value_that_is_no_number_and_one_that_cannot_be_read() -> None:
    assert all(math.isnan(value) for value in values("constant:5;fault=nan:0:1", 0.5).values() if value is not None)
    assert shown(script("constant:5;fault=gone:0:1"), 0.5)["power"][1] == "the device is gone (synthetic fault)"
    with pytest.raises(RuntimeError, match="synthetic fault"):
        shown(script("constant:5;fault=raise:0:1"), 0.5)


def test_a_reading_that_blocks_says_how_long_it_took() -> None:
    meter = SyntheticMeter()
    meter.configure({"form": f"constant:5@{time.perf_counter_ns()};fault=block:0:0.2"})
    (power, _) = meter.read()
    assert power.after_ns - power.before_ns > 0
    assert power.value == 5.0


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("constant:1~0", "REFRESH_S"),
        ("constant:1~x", "REFRESH_S"),
        ("constant:1;", "KEY=VALUE"),
        ("constant:1;unknown=1", "one of average"),
        ("constant:1;average", "KEY=VALUE"),
        ("constant:1;average=-1", "average=SECONDS"),
        ("constant:1;wraps=inf", "wraps=JOULES"),
        ("constant:1;only=both", "power or energy"),
        ("constant:1;scope=planet", "rail or chip"),
        ("constant:1;device=a,a", "each once"),
        ("constant:1;temperature=warm", "constant:W"),
        ("constant:1;throttle=tired:1:1", "thermal"),
        ("constant:1;throttle=thermal:1", "FROM_S"),
        ("constant:1;fault=freeze:1:-1", "FROM_S"),
        ("constant:1;fault=odd:1:1", ", ".join(FAULTS)),
    ],
)
def test_what_is_refused_is_named(text: str, word: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        script(text)
    assert word in str(caught.value)


@pytest.mark.parametrize("options", [{"form": "sine:1"}, {"form": 3}, {"other": "x"}, {"name": ""}])
def test_options_that_are_refused(options: dict[str, object]) -> None:
    meter = SyntheticMeter()
    with pytest.raises(ValueError, match="expected"):
        meter.configure(options)


def test_an_option_takes_the_place_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    meter = SyntheticMeter()
    assert isinstance(meter, Configurable)
    meter.configure({})
    assert not meter.probe().available
    meter.configure({"form": "constant:7"})
    assert meter.probe().available
    found: Sequence[float | None] = [reading.value for reading in meter.read()]
    assert found[0] == 7.0
    meter.close()
