"""The hwmon meter over made trees of the drivers that it knows, and of one that it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.meters.hwmon import HwmonMeter
from npubench.spi import Channel, Reading
from tests.meters.trees import hwmon, link, pci, write

AMD = {
    "power1_average": 83000000,
    "power1_input": 91000000,
    "power1_label": "PPT",
    "power1_cap": 220000000,
    "power1_cap_max": 250000000,
    "temp1_input": 61000,
    "temp1_label": "edge",
    "freq1_input": 1800000000,
    "freq1_label": "sclk",
    "in0_input": 900,
    "fan1_input": 1200,
}


def channels(meter: HwmonMeter) -> dict[str, Channel]:
    said = meter.probe()
    assert said.available, said.reason
    return {channel.name: channel for channel in meter.channels()}


def readings(meter: HwmonMeter) -> dict[str, Reading]:
    return {reading.channel: reading for reading in meter.read()}


def values(meter: HwmonMeter) -> dict[str, float | None]:
    return {name: reading.value for name, reading in readings(meter).items()}


def test_amdgpu(tmp_path: Path) -> None:
    hwmon(tmp_path, 4, pci(tmp_path, "0000:03:00.0", 0x1002, 0x73BF, 0x030000, "amdgpu"), "amdgpu", AMD)
    meter = HwmonMeter(tmp_path)
    found = channels(meter)
    assert values(meter) == {
        "hwmon.0000:03:00.0.freq1": 1800.0,
        "hwmon.0000:03:00.0.power1": 83000000.0,
        "hwmon.0000:03:00.0.power1-cap": 220.0,
        "hwmon.0000:03:00.0.power1-input": 91000000.0,
        "hwmon.0000:03:00.0.temp1": 61.0,
    }
    assert {(channel.scope, channel.device) for channel in found.values()} == {("chip", "0000:03:00.0")}
    power = found["hwmon.0000:03:00.0.power1"]
    assert (power.kind, power.quantity, power.unit, power.most_w) == ("average", "power", "uW", 750.0)
    assert "(PPT)" in power.source
    assert found["hwmon.0000:03:00.0.power1-input"].kind == "instant"
    limit = found["hwmon.0000:03:00.0.power1-cap"]
    assert (limit.quantity, limit.kind, limit.unit) == ("limit", "state", "W")
    assert found["hwmon.0000:03:00.0.freq1"].quantity == "clock"


def test_xe_has_counters_whose_labels_are_their_scopes(tmp_path: Path) -> None:
    files = {
        "energy1_input": 5000,
        "energy1_label": "card",
        "energy2_input": 4000,
        "energy2_label": "pkg",
        "power1_max": 190000000,
        "power1_label": "card",
        "power1_crit": 300000000,
        "power2_max": 0,
        "power2_label": "pkg",
        "power1_rated_max": 190000000,
    }
    hwmon(tmp_path, 1, pci(tmp_path, "0000:03:00.0", 0x8086, 0xE20B, 0x030000, "xe"), "xe", files)
    meter = HwmonMeter(tmp_path)
    found = channels(meter)
    assert {name: channel.scope for name, channel in found.items()} == {
        "hwmon.0000:03:00.0.energy1": "card",
        "hwmon.0000:03:00.0.energy2": "chip",
        "hwmon.0000:03:00.0.power1-max": "card",
        "hwmon.0000:03:00.0.power2-max": "chip",
    }
    energy = found["hwmon.0000:03:00.0.energy1"]
    assert (energy.kind, energy.quantity, energy.unit, energy.most_w) == ("counter", "energy", "uJ", 570.0)
    off = readings(meter)["hwmon.0000:03:00.0.power2-max"]
    assert (off.value, off.status) == (None, "no limit is in effect")


def test_i915_and_its_parts_are_told_apart(tmp_path: Path) -> None:
    card = pci(tmp_path, "0000:03:00.0", 0x8086, 0x56C0, 0x038000, "i915")
    hwmon(tmp_path, 1, card, "i915_gt0", {"energy1_input": 7})
    hwmon(tmp_path, 2, card, "i915", {"energy1_input": 9, "power1_max": 150000000})
    found = channels(HwmonMeter(tmp_path))
    assert {name: channel.scope for name, channel in found.items()} == {
        "hwmon.0000:03:00.0.i915.energy1": "device",
        "hwmon.0000:03:00.0.i915.power1-max": "device",
        "hwmon.0000:03:00.0.i915_gt0.energy1": "rail",
    }


def test_furiosa_total_is_the_card_and_its_other_sensors_are_rails(tmp_path: Path) -> None:
    files = {
        "power1_average": 42500000,
        "power1_label": "RMS_TOTAL",
        "power2_average": 20000000,
        "power2_label": "RMS_NPU",
        "power1_max": 180000000,
        "temp1_input": 31500,
        "temp1_label": "AMBIENT",
        "temp2_input": 47250,
        "temp2_label": "PEAK",
    }
    hwmon(tmp_path, 3, pci(tmp_path, "0000:41:00.0", 0x1ED2, 0x0001, 0x120000, "rngd"), "rngd", files)
    meter = HwmonMeter(tmp_path)
    found = channels(meter)
    assert found["hwmon.0000:41:00.0.power1"].scope == "card"
    assert found["hwmon.0000:41:00.0.power2"].scope == "rail"
    assert found["hwmon.0000:41:00.0.power1"].device == "0000:41:00.0"
    assert values(meter)["hwmon.0000:41:00.0.power1"] == 42500000.0
    assert values(meter)["hwmon.0000:41:00.0.power1-max"] == 180.0
    assert values(meter)["hwmon.0000:41:00.0.temp2"] == 47.25


def test_habanalabs_is_known_by_its_driver_because_its_chip_has_the_cards_name(tmp_path: Path) -> None:
    card = pci(tmp_path, "0000:19:00.0", 0x1DA3, 0x1020, 0x120000, "habanalabs")
    hwmon(tmp_path, 2, card, "HL_225", {"power1_input": 91000000, "power1_max": 1})
    found = channels(HwmonMeter(tmp_path))
    assert list(found) == ["hwmon.0000:19:00.0.power1"]
    assert found["hwmon.0000:19:00.0.power1"].scope == "device"
    assert found["hwmon.0000:19:00.0.power1"].kind == "instant"


def test_an_unknown_driver_of_an_accelerator_is_read_and_its_source_says_so(tmp_path: Path) -> None:
    hwmon(tmp_path, 0, pci(tmp_path, "0000:05:00.0", 0x4242, 1, 0x120000, "acme"), "acme", {"power1_input": 5})
    (channel,) = channels(HwmonMeter(tmp_path)).values()
    assert (channel.scope, channel.device) == ("device", "0000:05:00.0")
    assert "acme does not say what it covers" in channel.source


def test_disks_network_cards_and_processors_are_not_read(tmp_path: Path) -> None:
    hwmon(tmp_path, 0, pci(tmp_path, "0000:05:00.0", 0x144D, 0xA808, 0x010802, "nvme"), "nvme", {"power1_input": 5})
    hwmon(tmp_path, 1, pci(tmp_path, "0000:00:18.3", 0x1022, 0x1463, 0x060000), "k10temp", {"temp1_input": 5})
    write(tmp_path / "sys/devices/platform/coretemp.0", {"uevent": ""})
    hwmon(tmp_path, 2, tmp_path / "sys/devices/platform/coretemp.0", "coretemp", {"temp1_input": 5})
    said = HwmonMeter(tmp_path).probe()
    assert not said.available
    assert "3 other chips" in said.reason


def test_a_number_of_hwmon_is_never_a_name(tmp_path: Path) -> None:
    names = []
    for number in (1, 7):
        root = tmp_path / str(number)
        hwmon(root, number, pci(root, "0000:03:00.0", 0x1002, 0x73BF, 0x030000, "amdgpu"), "amdgpu", AMD)
        names.append(sorted(channels(HwmonMeter(root))))
    assert names[0] == names[1]


def test_two_cards_of_one_driver_are_told_apart(tmp_path: Path) -> None:
    for number, address in enumerate(("0000:03:00.0", "0000:83:00.0")):
        card = pci(tmp_path, address, 0x1002, 0x73BF, 0x030000, "amdgpu")
        hwmon(tmp_path, number, card, "amdgpu", {"power1_average": number})
    assert values(ready(tmp_path)) == {
        "hwmon.0000:03:00.0.power1": 0.0,
        "hwmon.0000:83:00.0.power1": 1.0,
    }


def ready(root: Path) -> HwmonMeter:
    meter = HwmonMeter(root)
    channels(meter)
    return meter


def acpi(root: Path, measures: tuple[str, ...] = (), **files: object) -> Path:
    """An ACPI power meter, which keeps its attributes in the device's folder."""
    parent = write(root / "sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI000D:00", {"power1_average": 312000000, **files})
    for name in measures:
        write(parent / "measures", {name: ""})
    chip = hwmon(root, 0, parent, "power_meter", {})
    (chip / "name").unlink()
    write(parent, {"name": "power_meter"})
    return parent


def test_an_acpi_power_meter_is_the_node(tmp_path: Path) -> None:
    acpi(tmp_path, power1_average_interval=1000)
    (channel,) = channels(HwmonMeter(tmp_path)).values()
    assert (channel.name, channel.scope, channel.device) == ("hwmon.ACPI000D:00.power1", "node", "")
    assert (channel.kind, channel.lag_bound_ns) == ("average", 1_000_000_000)
    assert "firmware names no part" in channel.source


def test_an_acpi_power_meter_that_names_parts_is_a_rail(tmp_path: Path) -> None:
    acpi(tmp_path, ("LNXCPU:00", "LNXCPU:01"))
    (channel,) = channels(HwmonMeter(tmp_path)).values()
    assert channel.scope == "rail"
    assert "LNXCPU:00, LNXCPU:01 only" in channel.source


def test_an_acpi_power_meter_that_names_the_system_bus_is_the_node(tmp_path: Path) -> None:
    acpi(tmp_path, ("LNXSYBUS:00",))
    (channel,) = channels(HwmonMeter(tmp_path)).values()
    assert channel.scope == "node"
    assert "firmware says" in channel.source


def test_a_battery_is_no_meter_of_the_machine(tmp_path: Path) -> None:
    acpi(tmp_path, power1_is_battery=1)
    assert not HwmonMeter(tmp_path).probe().available


def test_powernv_has_one_sensor_that_is_the_node(tmp_path: Path) -> None:
    parent = write(tmp_path / "sys/devices/platform/opal-sensor", {"uevent": ""})
    files = {"power1_input": 5, "power1_label": "Chip 0", "power2_input": 900000000, "power2_label": "System"}
    hwmon(tmp_path, 0, parent, "ibmpowernv", files)
    (channel,) = channels(HwmonMeter(tmp_path)).values()
    assert (channel.name, channel.scope) == ("hwmon.opal-sensor.power2", "node")


def test_a_shunt_on_a_board_is_a_rail_of_nobody(tmp_path: Path) -> None:
    parent = write(tmp_path / "sys/devices/platform/soc/i2c-1/1-0040", {"uevent": ""})
    hwmon(tmp_path, 0, parent, "ina226", {"power1_input": 5, "in1_input": 1})
    (channel,) = channels(HwmonMeter(tmp_path)).values()
    assert (channel.name, channel.scope, channel.device) == ("hwmon.1-0040.power1", "rail", "")


def test_a_shunt_on_a_cards_own_bus_is_that_cards(tmp_path: Path) -> None:
    card = pci(tmp_path, "0000:05:00.0", 0x1E52, 0x401E, 0x120000, "tenstorrent")
    parent = write(card / "i2c-5/5-0040", {"uevent": ""})
    hwmon(tmp_path, 0, parent, "ina226", {"power1_input": 5})
    (channel,) = channels(HwmonMeter(tmp_path)).values()
    assert (channel.scope, channel.device) == ("rail", "0000:05:00.0")


def test_a_sensor_that_is_switched_off_is_no_channel(tmp_path: Path) -> None:
    card = pci(tmp_path, "0000:03:00.0", 0x1002, 0x73BF, 0x030000, "amdgpu")
    hwmon(tmp_path, 0, card, "amdgpu", {"power1_average": 1, "power2_average": 2, "power2_enable": 0})
    assert list(channels(HwmonMeter(tmp_path))) == ["hwmon.0000:03:00.0.power1"]


def test_a_sensor_that_disappears_mid_run_is_a_status(tmp_path: Path) -> None:
    card = pci(tmp_path, "0000:03:00.0", 0x1002, 0x73BF, 0x030000, "amdgpu")
    folder = hwmon(tmp_path, 0, card, "amdgpu", AMD)
    meter = ready(tmp_path)
    (folder / "power1_average").unlink()
    found = readings(meter)["hwmon.0000:03:00.0.power1"]
    assert (found.value, found.status) == (None, "power1_average: No such file or directory")
    assert readings(meter)["hwmon.0000:03:00.0.power1-input"].value == 91000000.0


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ("-5", "the source gave a negative power"),
        ("N/A", "power1_average holds no number"),
        ("nan", "power1_average holds no number"),
    ],
)
def test_values_that_cannot_be_are_a_status(tmp_path: Path, content: str, status: str) -> None:
    card = pci(tmp_path, "0000:03:00.0", 0x1002, 0x73BF, 0x030000, "amdgpu")
    folder = hwmon(tmp_path, 0, card, "amdgpu", AMD)
    meter = ready(tmp_path)
    write(folder, {"power1_average": content, "temp1_input": -4000})
    found = readings(meter)["hwmon.0000:03:00.0.power1"]
    assert (found.value, found.status) == (None, status)
    assert readings(meter)["hwmon.0000:03:00.0.temp1"].value == -4.0


def test_a_card_none_of_whose_powers_answers_is_unavailable_with_the_reason(tmp_path: Path) -> None:
    card = pci(tmp_path, "0000:03:00.0", 0x1002, 0x73BF, 0x030000, "amdgpu")
    hwmon(tmp_path, 0, card, "amdgpu", {"power1_average": "N/A"})
    said = HwmonMeter(tmp_path).probe()
    assert not said.available
    assert said.reason == "hwmon.0000:03:00.0.power1: power1_average holds no number"


def test_an_accelerator_with_temperatures_only_is_named(tmp_path: Path) -> None:
    hwmon(tmp_path, 0, pci(tmp_path, "0000:05:00.0", 0x1E60, 1, 0x0B4000, "hailo"), "hailo", {"temp1_input": 5})
    said = HwmonMeter(tmp_path).probe()
    assert not said.available
    assert "of accelerators: hailo" in said.reason


def test_chips_of_one_name_on_one_device_stay_apart(tmp_path: Path) -> None:
    card = pci(tmp_path, "0000:05:00.0", 0x4242, 1, 0x120000, "acme")
    hwmon(tmp_path, 0, card, "acme", {"power1_input": 5})
    hwmon(tmp_path, 1, card, "acme", {"power1_input": 6})
    assert values(ready(tmp_path)) == {
        "hwmon.0000:05:00.0.acme-1.power1": 5.0,
        "hwmon.0000:05:00.0.acme-2.power1": 6.0,
    }


def test_a_chip_without_a_device_or_with_a_broken_link_is_survived(tmp_path: Path) -> None:
    write(tmp_path / "sys/class/hwmon/hwmon0", {"name": "virtual", "power1_input": 4})
    write(tmp_path / "sys/class/hwmon/hwmon1", {"name": "amdgpu", "power1_input": 4})
    link(tmp_path / "sys/class/hwmon/hwmon1/device", tmp_path / "sys/gone/0000:03:00.0")
    assert not HwmonMeter(tmp_path).probe().available


def test_this_machine_is_survived() -> None:
    meter = HwmonMeter()
    said = meter.probe()
    assert said.available == bool(meter.channels())
    assert said.available or said.reason
    meter.close()


NAMES = st.from_regex(r"\A(power|energy|temp|freq|in)[0-9]{1,2}_(input|average|cap|max|label|enable)\Z")


@given(st.dictionaries(NAMES, st.one_of(st.integers(-5, 10**12), st.text("abc_019-. ", max_size=9)), max_size=8))
def test_any_chip_gives_one_reading_for_each_channel_of_its_own_name(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, object]
) -> None:
    root = tmp_path_factory.mktemp("chip")
    hwmon(root, 0, pci(root, "0000:03:00.0", 0x1002, 0x73BF, 0x030000, "amdgpu"), "amdgpu", files)
    meter = HwmonMeter(root)
    said = meter.probe()
    names = [channel.name for channel in meter.channels()]
    assert len(names) == len(set(names))
    assert [reading.channel for reading in meter.read()] == names
    assert said.available == bool(names)
    for reading in meter.read():
        assert (reading.value is None) == (reading.status != "ok")
