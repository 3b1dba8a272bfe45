"""The AMD SMI meter against a package with the binding's functions: channels, values, errors, throttling.

Not verified on hardware: how a real driver behaves is told by its documentation.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from typing import Any

import pytest

from npubench.meters.amdsmi import AmdSmiMeter
from npubench.spi import THROTTLE_BITS, Meter

from .looking import Look, Looker

GPU = "amdsmi.0000:c1:00.0"


@pytest.fixture(scope="module")
def looker() -> Iterator[Looker]:
    found = Looker("npubench.meters.amdsmi:AmdSmiMeter", "FAKE_AMDSMI")
    yield found
    found.close()


def look(looker: Looker, script: dict[str, Any] | None = None, times: int = 1, pause_s: float = 0.0) -> Look:
    return looker.look(json.dumps(script or {}), times, pause_s)


@pytest.mark.skipif(importlib.util.find_spec("amdsmi") is not None, reason="AMD's binding is installed here")
def test_without_the_binding_it_says_so() -> None:
    meter: Meter = AmdSmiMeter()
    answer = meter.probe()
    assert answer.reason == "AMD's binding amdsmi is not installed"
    assert "amd-smi-lib" in answer.fix
    assert (list(meter.channels()), list(meter.read())) == ([], [])


@pytest.mark.parametrize(
    ("script", "word", "fix"),
    [
        ({"import": True}, "libamd_smi.so is missing", "amd-smi-lib"),
        ({"init": 34}, "kernel driver is not loaded", "modprobe amdgpu"),
        ({"init": 10}, "may not open the devices", "render"),
        ({"init": 18}, "Initialization error", "amd-smi list"),
        ({"bdf": []}, "shows no GPU", "/dev/kfd"),
        ({"fails": {"amdsmi_get_processor_handles": 31}}, "Device Not found", "amd-smi list"),
        ({"fails": {"amdsmi_get_gpu_device_bdf": 10}}, "Permission Denied", "amd-smi metric"),
        (
            {"fails": {"amdsmi_get_energy_count": 2, "amdsmi_get_power_info": 2}},
            "neither power nor energy of any GPU: 0000:c1:00.0: Error code: 2 | AMDSMI_STATUS_NOT_SUPPORTED",
            "virtual machine",
        ),
    ],
)
def test_why_it_is_not_there_and_what_to_do(looker: Looker, script: dict[str, Any], word: str, fix: str) -> None:
    found = look(looker, script)
    assert not found.availability.available
    assert word in found.availability.reason
    assert "\n" not in found.availability.reason
    assert fix in found.availability.fix
    assert (found.channels, found.looks) == ((), ((),))


def test_channels_of_a_recent_gpu(looker: Looker) -> None:
    found = look(looker, times=2, pause_s=0.05)
    assert found.availability.available
    assert found.availability.versions == {"amdsmi": "7.0.2"}
    shown = {
        name.removeprefix(f"{GPU}."): (channel.quantity, channel.unit, channel.kind)
        for name, channel in found.named().items()
    }
    # Average socket power says "N/A" here, so it is not offered.
    assert shown == {
        "energy": ("energy", "uJ", "counter"),
        "power": ("power", "W", "instant"),
        "limit": ("limit", "W", "state"),
        "temperature": ("temperature", "C", "state"),
        "gfx-clock": ("clock", "MHz", "state"),
        "memory-clock": ("clock", "MHz", "state"),
        "throttle": ("throttle", "", "state"),
    }
    assert {channel.scope for channel in found.channels} == {"chip"}
    assert {channel.device for channel in found.channels} == {"0000:c1:00.0"}
    assert found.named()[f"{GPU}.power"].most_w == 1500
    assert set(found.statuses().values()) == {"ok"}
    values = found.values()
    expected = (200, 700, 61, 2100, 1300, 0)
    assert tuple(values[f"{GPU}.{what}"] for what in list(shown)[1:]) == expected
    assert [reading.channel for reading in found.looks[0]] == [channel.name for channel in found.channels]


def test_the_accumulator_is_in_microjoules(looker: Looker) -> None:
    found = look(looker, {"watts": 300}, times=2, pause_s=0.2)
    first, last = (next(item for item in taken if item.channel == f"{GPU}.energy") for taken in found.looks)
    assert first.value is not None
    assert last.value is not None
    # 300 µJ each µs, between the outer and the inner times of the two readings.
    inner = (last.before_ns - first.after_ns) / 1e3
    outer = (last.after_ns - first.before_ns) / 1e3
    assert 300 * inner - 40 <= last.value - first.value <= 300 * outer + 40


def test_answers_of_older_releases(looker: Looker) -> None:
    script = {"old": True, "values": {"average_socket_power": 180, "current_socket_power": 0xFFFF}}
    found = look(looker, script)
    assert found.named()[f"{GPU}.power-average"].kind == "average"
    assert found.values()[f"{GPU}.power-average"] == 180
    assert f"{GPU}.power" not in found.named()
    assert (found.values()[f"{GPU}.energy"] or 0) >= 1e12


def test_the_edge_where_there_is_no_hotspot(looker: Looker) -> None:
    assert look(looker, {"fails": {"amdsmi_get_temp_metric HOTSPOT": 2}}).values()[f"{GPU}.temperature"] == 54


def residencies(*steps: tuple[int, int, int]) -> dict[str, Any]:
    """Metrics queries: the accumulation counter, and the times of power cap and heat."""
    keys = ("accumulation_counter", "ppt_residency_acc", "socket_thm_residency_acc")
    return {"residencies": [dict(zip(keys, step, strict=True)) for step in steps]}


def test_throttling_is_time_that_grew_since_the_reading_before(looker: Looker) -> None:
    # The first query is the probe's.
    script = residencies((100, 7, 0), (200, 7, 0), (300, 9, 0), (300, 9, 0), (400, 11, 3), (500, 11, 3), (10, 0, 0))
    found = look(looker, script, times=6)
    heat, cap = THROTTLE_BITS["thermal"], THROTTLE_BITS["power-cap"]
    # A look at which the driver had nothing new repeats the answer; counters that start anew are no throttling.
    assert [found.values(index)[f"{GPU}.throttle"] for index in range(6)] == [0, cap, cap, heat + cap, 0, 0]


def test_no_throttle_channel_without_residencies(looker: Looker) -> None:
    step = dict.fromkeys(("accumulation_counter", "ppt_residency_acc"), "N/A")
    assert f"{GPU}.throttle" not in look(looker, {"residencies": [step]}).named()


def test_a_gpu_that_goes_becomes_a_status(looker: Looker) -> None:
    failing = dict.fromkeys(("amdsmi_get_energy_count", "amdsmi_get_power_info", "amdsmi_get_gpu_metrics_info"), 31)
    found = look(looker, {"fails": failing, "from": 2}, times=2)
    assert set(found.statuses(0).values()) == {"ok"}
    assert found.values()[f"{GPU}.energy"] is None
    assert found.statuses()[f"{GPU}.power"] == "Error code: 31 | AMDSMI_STATUS_NOT_FOUND - Device Not found"
    # What still answers is still read.
    assert found.values()[f"{GPU}.temperature"] == 61


@pytest.mark.parametrize(("value", "status"), [(-3, "amdsmi gave -3"), ("N/A", "amdsmi gave 'N/A'")])
def test_a_limit_that_is_no_limit_is_not_offered(looker: Looker, value: object, status: str) -> None:
    found = look(looker, {"values": {"power_cap": value}})
    assert f"{GPU}.limit" not in found.named()
    assert f"{GPU}.power" in found.named()


def test_a_partition_is_read_with_its_gpu(looker: Looker) -> None:
    found = look(looker, {"bdf": ["0000:C1:00.0", "0000:C1:00.1", "0001:05:00.0"]})
    assert {channel.device for channel in found.channels} == {"0000:c1:00.0", "0001:05:00.0"}
