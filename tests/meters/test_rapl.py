"""The RAPL meter over made powercap trees: zones, wrapping, faults, and why there are none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.meters import rapl
from npubench.meters.rapl import RaplMeter
from npubench.meters.taking import SensorError, whole
from npubench.spi import HOST, Channel
from tests.meters.trees import write, zone

NOBODY = 65534


def server(root: Path) -> Path:
    """Two sockets with memory, a platform domain, and the same package once more through memory-mapped registers."""
    limits = {
        "constraint_0_name": "long_term",
        "constraint_0_max_power_uw": 205000000,
        "constraint_1_name": "short_term",
        "constraint_1_max_power_uw": 405000000,
        "constraint_2_name": "peak_power",
        "constraint_2_max_power_uw": 0,
    }
    zone(root, "intel-rapl:0", "package-0", 1000, **limits)
    zone(root, "intel-rapl:0:0", "core", 2000)
    zone(root, "intel-rapl:0:1", "dram", 3000)
    zone(root, "intel-rapl:1", "package-1", 4000)
    zone(root, "intel-rapl:1:0", "dram", 5000)
    zone(root, "intel-rapl:2", "psys", 6000)
    zone(root, "intel-rapl-mmio:0", "package-0", 1001)
    write(root / "sys/class/powercap/intel-rapl", {"enabled": 1})
    return root


def channels(meter: RaplMeter) -> dict[str, Channel]:
    assert meter.probe().available
    return {channel.name: channel for channel in meter.channels()}


def test_every_zone_is_one_channel_with_its_scope(tmp_path: Path) -> None:
    meter = RaplMeter(server(tmp_path))
    found = channels(meter)
    assert {name: (channel.scope, channel.device) for name, channel in found.items()} == {
        "rapl.package-0": ("package", HOST),
        "rapl.package-0.core": ("rail", HOST),
        "rapl.package-0.dram": ("rail", HOST),
        "rapl.package-1": ("package", HOST),
        "rapl.package-1.dram": ("rail", HOST),
        "rapl.psys": ("rail", ""),
    }
    assert {(item.kind, item.quantity, item.unit) for item in found.values()} == {("counter", "energy", "uJ")}
    assert {item.wraps_at for item in found.values()} == {262143328850.0}
    assert "the machine's maker defines" in found["rapl.psys"].source
    readings = {reading.channel: reading for reading in meter.read()}
    assert [readings[name].value for name in found] == [1000.0, 2000.0, 3000.0, 4000.0, 5000.0, 6000.0]
    assert all(reading.status == "ok" and reading.before_ns <= reading.after_ns for reading in readings.values())


def test_the_bound_is_the_electrical_maximum_and_never_the_thermal_design_power(tmp_path: Path) -> None:
    found = channels(RaplMeter(server(tmp_path)))
    assert found["rapl.package-0"].most_w == 405.0
    assert found["rapl.package-1"].most_w is None


def test_a_zone_that_only_memory_mapped_registers_show_is_read(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 7)
    assert list(channels(RaplMeter(tmp_path))) == ["rapl.package-0"]


def test_dies_of_one_name_stay_two_channels(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 1)
    zone(tmp_path, "intel-rapl:1", "package-0", 2)
    assert list(channels(RaplMeter(tmp_path))) == ["rapl.package-0.0", "rapl.package-0.1"]


def test_a_counter_that_starts_anew_is_given_as_it_is(tmp_path: Path) -> None:
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 262143328000)
    meter = RaplMeter(tmp_path)
    channels(meter)
    values = [meter.read()[0].value]
    write(folder, {"energy_uj": 1200})
    values.append(meter.read()[0].value)
    assert values == [262143328000.0, 1200.0]


def test_a_zone_that_disappears_is_a_status_and_the_others_go_on(tmp_path: Path) -> None:
    server(tmp_path)
    meter = RaplMeter(tmp_path)
    channels(meter)
    (tmp_path / "sys/class/powercap/intel-rapl:1/energy_uj").unlink()
    readings = {reading.channel: reading for reading in meter.read()}
    assert readings["rapl.package-1"].value is None
    assert readings["rapl.package-1"].status == "energy_uj: No such file or directory"
    assert readings["rapl.package-0"].value == 1000.0


@pytest.mark.parametrize("content", ["", "N/A", "1 2", "1_000", "0x10", "nan", "１２"])
def test_what_is_no_number_is_a_status(tmp_path: Path, content: str) -> None:
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 5)
    meter = RaplMeter(tmp_path)
    channels(meter)
    write(folder, {"energy_uj": content})
    (reading,) = meter.read()
    assert (reading.value, reading.status) == (None, "energy_uj holds no number")


def test_a_negative_counter_is_a_status(tmp_path: Path) -> None:
    folder = zone(tmp_path, "intel-rapl:0", "package-0", 5)
    meter = RaplMeter(tmp_path)
    channels(meter)
    write(folder, {"energy_uj": -3})
    (reading,) = meter.read()
    assert (reading.value, reading.status) == (None, "the source gave a negative energy")


@contextmanager
def unprivileged() -> Iterator[None]:
    """Without root's right to read every file."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_user_who_may_not_read_is_told_why_and_what_to_do() -> None:
    # Not tmp_path, into which another user may not look.
    with tempfile.TemporaryDirectory() as folder:
        root = server(Path(folder))
        Path(folder).chmod(0o755)
        for path in (root / "sys/class/powercap").glob("*/energy_uj"):
            path.chmod(0o400 if os.geteuid() == 0 else 0)
        with unprivileged():
            denied(RaplMeter(root))


def denied(meter: RaplMeter) -> None:
    said = meter.probe()
    assert not said.available
    assert "Permission denied" in said.reason
    assert "CVE-2020-8694" in said.reason
    assert "chmod" in said.fix
    assert "udev" in said.fix
    assert list(meter.channels()) == list(meter.read()) == []


def test_one_readable_zone_is_enough_and_the_others_say_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(path: Path) -> int:
        if "intel-rapl:1" in str(path):
            raise SensorError(f"{path.name}: Input/output error")
        return whole(path)

    monkeypatch.setattr(rapl, "whole", failing)
    meter = RaplMeter(server(tmp_path))
    assert "rapl.package-1" in channels(meter)
    readings = {reading.channel: reading.status for reading in meter.read()}
    assert readings["rapl.package-1"] == "energy_uj: Input/output error"
    assert readings["rapl.package-0"] == "ok"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc/cpuinfo": "flags\t\t: fpu hypervisor", "sys/class/dmi/id/sys_vendor": "QEMU"}, "virtual machine"),
        ({".dockerenv": ""}, "container (docker)"),
        ({"sys/class/powercap/uevent": ""}, "no RAPL zones"),
        ({}, "no powercap support"),
    ],
)
def test_a_system_without_zones_says_what_it_is(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    said = RaplMeter(write(tmp_path, files)).probe()
    assert not said.available
    assert expected in said.reason


def test_this_machine_is_survived() -> None:
    meter = RaplMeter()
    said = meter.probe()
    assert said.available == bool(meter.channels())
    assert said.available or said.reason
    assert {reading.channel for reading in meter.read()} == {channel.name for channel in meter.channels()}
    meter.close()


@given(st.binary(max_size=80))
def test_any_content_of_a_zone_is_a_number_or_a_status(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    root = tmp_path_factory.mktemp("zone")
    folder = zone(root, "intel-rapl:0", "package-0", 5)
    meter = RaplMeter(root)
    channels(meter)
    (folder / "energy_uj").write_bytes(content)
    (reading,) = meter.read()
    assert (reading.value is None) == (reading.status != "ok")
    if reading.value is not None:
        assert reading.value == float(content.strip())
