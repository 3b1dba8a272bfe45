"""The kernel's counters: from made trees for machines that are not here, and from this machine itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from npubench.engine.counters import (
    Counted,
    Counters,
    Level,
    between,
    parse_cpu_stat,
    parse_pressure,
    parse_stolen,
    processor_state,
)

V2 = (
    "usage_usec 91\nuser_usec 60\nsystem_usec 31\nnr_periods 400\nnr_throttled 12\nthrottled_usec 345678\nnr_bursts 0\n"
)
V1 = "nr_periods 10\nnr_throttled 3\nthrottled_time 123456789\n"
PSI = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_a_quota_is_read_in_both_versions_of_cgroups() -> None:
    assert parse_cpu_stat(V2) == Level(400, 12, 345_678_000)
    assert parse_cpu_stat(V1) == Level(10, 3, 123_456_789)
    assert parse_cpu_stat("usage_usec 91\nuser_usec 60\n") is None
    assert parse_cpu_stat("") is None
    assert parse_cpu_stat("nr_periods x\nnr_throttled 3 4\n") is None


def test_pressure_and_stolen_time() -> None:
    assert parse_pressure(PSI) == 1_500_000
    assert parse_pressure("") is None
    stat = "cpu 1 2 3 4 5 6 7 600 0 0\ncpu0 1 2 3 4 5 6 7 100 0 0\ncpu1 1 2 3 4 5 6 7 500 0 0\nintr 5\n"
    assert parse_stolen(stat, frozenset({0}), 100) == 1_000_000_000
    assert parse_stolen(stat, frozenset({0, 1}), 100) == 6_000_000_000
    assert parse_stolen(stat, frozenset({7}), 100) is None
    assert parse_stolen("cpu0 1 2 3\n", frozenset({0}), 100) is None


def machine(root: Path, *, events: int, ms: int, stat: str, cooling: int, mhz: int, celsius: int) -> Path:
    cpu = "sys/devices/system/cpu"
    files = {
        f"{cpu}/online": "0-1\n",
        "proc/self/cgroup": "0::/job\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu memory",
        "sys/fs/cgroup/job/cpu.stat": stat,
        "sys/fs/cgroup/job/memory.pressure": PSI,
        "proc/pressure/memory": "some avg10=0 avg60=0 avg300=0 total=999999\n",
        "proc/vmstat": "pgpgin 1\npswpin 3\n",
        "sys/class/thermal/cooling_device0/type": "Processor\n",
        "sys/class/thermal/cooling_device0/cur_state": f"{cooling}\n",
        "sys/class/thermal/cooling_device1/type": "Fan\n",
        "sys/class/thermal/cooling_device1/cur_state": "4\n",
        "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp\n",
        "sys/class/thermal/thermal_zone0/temp": f"{celsius * 1000}\n",
        "sys/class/thermal/thermal_zone1/type": "acpitz\n",
        "sys/class/thermal/thermal_zone1/temp": "119000\n",
        "sys/class/hwmon/hwmon3/name": "nvme\n",
        "sys/class/hwmon/hwmon3/temp1_input": "90000\n",
    }
    for number in (0, 1):
        files[f"{cpu}/cpu{number}/thermal_throttle/core_throttle_count"] = f"{events + number}\n"
        files[f"{cpu}/cpu{number}/thermal_throttle/package_throttle_count"] = "100\n"
        files[f"{cpu}/cpu{number}/thermal_throttle/core_throttle_total_time_ms"] = f"{ms}\n"
        files[f"{cpu}/cpu{number}/cpufreq/scaling_cur_freq"] = f"{mhz * 1000}\n"
    return write(root, files)


def test_what_happened_between_two_readings_of_a_made_machine(tmp_path: Path) -> None:
    first = "nr_periods 400\nnr_throttled 12\nthrottled_usec 1000\n"
    root = machine(tmp_path, events=2, ms=50, stat=first, cooling=0, mhz=3000, celsius=54)
    counted = Counted(root)
    before = counted.take()
    second = "nr_periods 440\nnr_throttled 20\nthrottled_usec 801000\n"
    machine(tmp_path, events=7, ms=1050, stat=second, cooling=3, mhz=2000, celsius=96)
    after = counted.take()
    found = between(before, after)
    assert (found.throttle_events, found.throttled_ns) == (5, 1_000_000_000)
    assert (found.quota_periods, found.quota_paused_periods, found.quota_paused_ns) == (40, 8, 800_000_000)
    assert found.memory_stalled_ns == 0
    assert found.swapped_in_bytes == 0
    assert found.stolen_ns is None
    assert found.cooling == ("Processor",)
    assert found.clock_mhz == (3000.0, 2000.0)
    assert found.temperature_c == (54.0, 96.0)
    assert found.processors == 2
    assert found.start_ns is not None
    assert found.end_ns is not None
    assert found.start_ns < found.end_ns


def test_the_jobs_own_pressure_goes_before_the_machines(tmp_path: Path) -> None:
    root = machine(tmp_path, events=0, ms=0, stat=V2, cooling=0, mhz=1, celsius=1)
    assert Counted(root).take().memory_stalled_ns == 1_500_000


def test_nested_quotas_report_the_one_that_paused_most() -> None:
    blank = Counters(at_ns=0, processors=1, quota=(Level(10, 0, 0), Level(10, 0, 0)))
    later = Counters(at_ns=1, processors=1, quota=(Level(20, 1, 5), Level(15, 4, 9)))
    found = between(blank, later)
    assert (found.quota_periods, found.quota_paused_periods, found.quota_paused_ns) == (5, 4, 9)


def test_nothing_is_known_of_an_empty_tree(tmp_path: Path) -> None:
    counted = Counted(tmp_path)
    found = between(counted.take(), counted.take())
    for name in ("throttle_events", "throttled_ns", "quota_periods", "stolen_ns", "memory_stalled_ns", "cooling"):
        assert getattr(found, name) is None, name
    assert processor_state(tmp_path) == processor_state(tmp_path / "none")


def test_this_machine_counts_time_forward() -> None:
    counted = Counted()
    before = counted.take()
    time.sleep(0.01)
    found = between(before, counted.take())
    assert found.end_ns is not None
    assert found.start_ns is not None
    assert found.end_ns - found.start_ns >= 10_000_000
    for name in ("quota_paused_periods", "stolen_ns", "memory_stalled_ns", "swapped_in_bytes", "throttle_events"):
        assert (getattr(found, name) or 0) >= 0


@pytest.mark.parametrize(
    ("files", "boost"),
    [({"cpufreq/boost": "1\n"}, True), ({"intel_pstate/no_turbo": "1\n"}, False), ({}, None)],
)
def test_the_processors_state(tmp_path: Path, files: dict[str, str], boost: bool | None) -> None:
    root = machine(tmp_path, events=3, ms=0, stat=V2, cooling=0, mhz=2500, celsius=61)
    cpu = "sys/devices/system/cpu"
    write(root, {f"{cpu}/{name}": text for name, text in files.items()})
    for number in (0, 1):
        folder = f"{cpu}/cpu{number}/cpufreq"
        write(
            root,
            {
                f"{folder}/scaling_governor": "powersave\n",
                f"{folder}/scaling_driver": "intel_pstate\n",
                f"{folder}/energy_performance_preference": "balance_power\n",
                f"{folder}/cpuinfo_max_freq": "3800000\n",
            },
        )
    write(root, {"sys/firmware/acpi/platform_profile": "balanced\n"})
    state = processor_state(root)
    assert (state.governor, state.frequency_driver, state.preference) == ("powersave", "intel_pstate", "balance_power")
    assert (state.clock_mhz, state.clock_most_mhz, state.temperature_c) == (2500.0, 3800.0, 61.0)
    assert (state.platform_profile, state.boost, state.throttle_events) == ("balanced", boost, 100)
