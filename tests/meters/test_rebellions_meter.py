"""The Rebellions meter over programs in rbln-smi's place. No device was at hand."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.meters.rebellions import RebellionsMeter
from npubench.rbln import parse
from npubench.spi import Channel, Paced
from tests.engine.made_tools import RBLN, install

WARNING = "[WARN] rbln-smi: driver and tool are of different versions\n{not json}\n"


def said(*devices: dict[str, Any]) -> str:
    return json.dumps({"KMD_version": "3.2.2", "devices": devices, "contexts": []}, indent=1)


def logical(
    npu: int, power: object = "18810987uW", sid: str | None = "0000000025002501", **more: Any
) -> dict[str, Any]:
    found = {
        "npu": npu,
        "name": "RBLN-CA25",
        "sid": sid,
        "pci": {"bus_id": f"0000:{0x83 + npu:02x}:00.0"},
        "temperature": "38C",
        "card_power": power,
        **more,
    }
    return {key: value for key, value in found.items() if value is not None}


class Tool:
    """rbln-smi, which prints what a file holds; `script` goes before that."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch
        self.says(RBLN)

    def says(self, text: str, script: str = "") -> None:
        (self._folder / "answer").write_text(text, encoding="utf-8")
        install(self._folder / "bin", "rbln-smi", f"{script}\ncat {self._folder}/answer", self._monkeypatch)


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    return Tool(tmp_path, monkeypatch)


def ready() -> tuple[RebellionsMeter, dict[str, Channel]]:
    meter = RebellionsMeter()
    answer = meter.probe()
    assert answer.available, answer.reason
    return meter, {channel.name: channel for channel in meter.channels()}


def test_a_card_of_one_device(tool: Tool) -> None:
    meter, channels = ready()
    assert isinstance(meter, Paced)
    assert meter.interval_ns == 500_000_000
    power = channels["rbln-smi.0000:83:00.0.power"]
    assert (power.unit, power.scope, power.kind, power.device) == ("W", "card", "instant", "0000:83:00.0")
    assert {reading.channel: reading.value for reading in meter.read()} == {
        "rbln-smi.0000:83:00.0.power": pytest.approx(18.810987),
        "rbln-smi.0000:83:00.0.temperature": 38.0,
    }


def test_warnings_around_the_json_are_no_harm(tool: Tool) -> None:
    tool.says(WARNING + RBLN + "\nbye\n")
    meter, _ = ready()
    assert meter.read()[0].value == pytest.approx(18.810987)


def test_a_card_of_four_devices_has_its_power_once(tool: Tool) -> None:
    tool.says(said(*(logical(npu) for npu in range(4)), logical(4, "7W", sid="0000000025002502")))
    meter, channels = ready()
    powers = {name: channel for name, channel in channels.items() if channel.quantity == "power"}
    assert list(powers) == ["rbln-smi.0000:83:00.0.power", "rbln-smi.0000:87:00.0.power"]
    assert "0000:84:00.0, 0000:85:00.0, 0000:86:00.0" in powers["rbln-smi.0000:83:00.0.power"].source
    assert len(channels) == 2 + 5
    values = {reading.channel: reading.value for reading in meter.read()}
    assert [values[name] for name in powers] == [pytest.approx(18.810987), 7.0]


def test_devices_without_serial_numbers_are_not_put_together_and_their_source_warns(tool: Tool) -> None:
    tool.says(said(logical(0, sid=None), logical(1, sid=None)))
    _, channels = ready()
    powers = [channel for channel in channels.values() if channel.quantity == "power"]
    assert len(powers) == 2
    assert all("may be here more than once" in channel.source for channel in powers)


def test_a_card_of_several_devices_with_numbers_of_their_own_is_warned_of(tool: Tool) -> None:
    tool.says(said(logical(0, sid="1"), logical(1, sid="2")))
    _, channels = ready()
    powers = [channel for channel in channels.values() if channel.quantity == "power"]
    assert ["may be here more than once" in channel.source for channel in powers] == [True, True]


def test_devices_that_nothing_tells_apart_are_no_meter(tool: Tool) -> None:
    tool.says(said(logical(0), logical(0)))
    assert "nothing tells apart" in RebellionsMeter().probe().reason


@pytest.mark.parametrize(
    ("power", "value"),
    [("18810987uW", 18.810987), ("18810 mW", 18.81), ("18.8W", 18.8), ("18810987 µW", 18.810987)],
)
def test_units_of_power(tool: Tool, power: str, value: float) -> None:
    tool.says(said(logical(0, power)))
    meter, _ = ready()
    assert meter.read()[0].value == pytest.approx(value)


@pytest.mark.parametrize(
    ("power", "status"),
    [
        ("N/A", "card_power says N/A"),
        (None, "card_power says nothing"),
        (18.8, "card_power says a number without a unit that is known"),
        ("18.8", "card_power says a number without a unit that is known"),
        ("18.8 kg", "card_power says a number without a unit that is known"),
        ("38C", "card_power says a number without a unit that is known"),
        ("-5W", "the source gave a negative power"),
    ],
)
def test_a_power_that_cannot_be_read_is_a_status_and_no_zero(tool: Tool, power: object, status: str) -> None:
    meter, _ = ready()
    tool.says(said(logical(0, power)))
    reading = meter.read()[0]
    assert (reading.value, reading.status) == (None, status)


def test_a_tool_that_never_gives_a_power_is_no_meter(tool: Tool) -> None:
    tool.says(said(logical(0, "N/A")))
    answer = RebellionsMeter().probe()
    assert not answer.available
    assert answer.reason == "rbln-smi gives no power with a unit (0000:83:00.0: N/A)"
    assert answer.versions == {"rbln": "3.2.2"}


def test_a_card_that_is_not_known_now_keeps_its_channel(tool: Tool) -> None:
    tool.says(said(logical(0), logical(1, "N/A", sid="2", temperature="N/A")))
    meter, channels = ready()
    assert "rbln-smi.0000:84:00.0.power" in channels
    assert "rbln-smi.0000:84:00.0.temperature" not in channels
    assert {reading.channel: reading.status for reading in meter.read()}["rbln-smi.0000:84:00.0.power"] != "ok"


def test_a_device_that_is_no_longer_listed_is_a_status(tool: Tool) -> None:
    meter, _ = ready()
    tool.says(said())
    assert {reading.status for reading in meter.read()} == {"rbln-smi no longer lists this device"}


def test_a_slow_tool_is_given_up(tool: Tool) -> None:
    meter = RebellionsMeter(timeout_s=0.3)
    tool.says(RBLN, "exec sleep 30")
    answer = meter.probe()
    assert (answer.available, answer.reason) == (False, "rbln-smi gave no answer within 0.3 s")
    tool.says(RBLN)
    meter, _ = ready()
    tool.says("", "echo no device >&2; exit 3")
    assert {reading.status for reading in meter.read()} == {"rbln-smi ended with code 3: no device"}


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{", '{"devices": 3}', '{"devices"'])
def test_nonsense_is_unavailable_with_a_reason(tool: Tool, text: str) -> None:
    tool.says(text)
    answer = RebellionsMeter().probe()
    assert not answer.available
    assert answer.reason.startswith("rbln-smi -b -j")


def test_no_tool_and_no_device(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    tool.says(said())
    assert RebellionsMeter().probe().reason == "rbln-smi lists no device"
    monkeypatch.setenv("PATH", "/nowhere")
    answer = RebellionsMeter().probe()
    assert answer.reason == "rbln-smi is not installed"
    assert "driver" in answer.fix


@given(st.text(max_size=200))
def test_any_output_is_parsed_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert parse(text).devices is not None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("npu", "name", "sid", "pci", "temperature", "card_power", "memory", "status")


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), json_values), max_size=3), st.text("\n x", max_size=5))
def test_any_device_is_read_without_a_guess(devices: list[dict[str, Any]], before: str) -> None:
    found = parse(before + "\n" + json.dumps({"devices": devices, "contexts": None}))
    assert len(found.devices) == len(devices)
    for device, made in zip(found.devices, devices, strict=True):
        power = made.get("card_power")
        assert device.power_w is None or (isinstance(power, str) and power.strip().endswith("W"))


@given(st.integers(0, 10**12), st.sampled_from([("uW", 1e-6), ("mW", 1e-3), ("W", 1.0)]), st.sampled_from(["", " "]))
def test_a_number_and_a_unit_is_that_many_watts(number: int, unit: tuple[str, float], space: str) -> None:
    found = parse(said(logical(0, f"{number}{space}{unit[0]}")))
    assert found.devices[0].power_w == pytest.approx(number * unit[1])
