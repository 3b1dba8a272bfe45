"""nvidia-smi's answers, as drivers write them, and a script in the tool's place. No device was at hand."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest

from npubench.conditions import DeviceProcess
from npubench.engine import nvidia
from npubench.engine.nvidia import Seen, Watch, ask, lost, parse, parse_line, shares
from npubench.tools import address, program, quantity
from tests.engine.made_tools import gpu_xml, install, process_info, smi_xml


def test_one_device_in_full() -> None:
    users = process_info(77, "/opt/app/bin/python --token=secret serve.py") + process_info(9, "/usr/bin/Xorg", "G")
    (state,) = parse(smi_xml(gpu_xml(counters={"sw_power_cap": 5}, processes=users)))
    assert state.id == "0000:01:00.0"
    assert (state.name, state.driver_version) == ("NVIDIA H100 PCIe", "575.51.02")
    assert state.firmware_version == "VBIOS 96.00.89.00.01, GSP 575.51.02"
    assert (state.temperature_c, state.clock_mhz, state.clock_most_mhz) == (41.0, 345.0, 1755.0)
    assert (state.power_cap_w, state.power_cap_default_w) == (300.0, 350.0)
    assert (state.memory_bytes, state.memory_free_bytes) == (81559 << 20, 80000 << 20)
    assert state.power_mode == "persistence enabled, MIG disabled"
    assert state.processes == (
        DeviceProcess(pid=77, name="python", computes=True, memory_bytes=1448 << 20),
        DeviceProcess(pid=9, name="Xorg", computes=False, memory_bytes=1448 << 20),
    )
    assert state.slowed == ()
    assert state.slowed_ns == {"power-cap": 5000, "thermal": 0, "power-brake": 0, "sync-boost": 0}


def test_our_own_processes_are_left_out() -> None:
    users = process_info(77, "python") + process_info(78, "python")
    (state,) = parse(smi_xml(gpu_xml(processes=users)), own={77})
    assert [process.pid for process in state.processes or ()] == [78]


@pytest.mark.parametrize("kind", ["clocks_event_reason", "clocks_throttle_reason"])
def test_reasons_by_their_new_and_their_old_name(kind: str) -> None:
    hot = ("hw_slowdown", "hw_thermal_slowdown", "sw_power_cap")
    (state,) = parse(smi_xml(gpu_xml(kind=kind, active=hot)))
    assert state.slowed == ("power-cap", "thermal")
    assert state.slowed_ns is None
    (state,) = parse(smi_xml(gpu_xml(kind=kind, active=("hw_slowdown",))))
    assert state.slowed == ("hardware",)


def test_power_limit_counted_twice_is_not_heat() -> None:
    (state,) = parse(smi_xml(gpu_xml(counters={"sw_power_cap": 91403239, "sw_therm_slowdown": 91403239})))
    assert state.slowed_ns is not None
    assert state.slowed_ns["thermal"] == 0
    assert state.slowed_ns["power-cap"] == 91403239000


def test_a_driver_that_says_little_leaves_facts_unknown() -> None:
    document = '<nvidia_smi_log><gpu id="00000000:0A:00.0"><processes>N/A</processes></gpu></nvidia_smi_log>'
    (state,) = parse(document)
    assert state.id == "0000:0a:00.0"
    for name in ("driver_version", "temperature_c", "memory_bytes", "power_cap_w", "slowed", "slowed_ns", "processes"):
        assert getattr(state, name) is None, name


def test_what_is_no_answer_is_an_error() -> None:
    with pytest.raises(ValueError, match="no XML"):
        parse("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.")


def test_quantities_addresses_and_programs() -> None:
    assert quantity("95.00 W") == 95.0
    assert quantity("18810987uW") == pytest.approx(18.810987)
    assert [quantity(text) for text in ("N/A", "", None, 38, "7", "3 bananas")] == [None] * 6
    assert address("00000000:0A:00.0") == "0000:0a:00.0"
    assert address("0A:00.0") == "0000:0a:00.0"
    assert program("/usr/bin/app --password=hunter2") == "app"
    assert program("") == "?"


def test_a_lost_device_is_told_from_other_complaints() -> None:
    said = "Unable to determine the device handle for GPU0000:41:00.0: GPU is lost.  Reboot the system to recover it"
    assert lost(said, "0000:41:00.0")
    assert not lost(said, "0000:42:00.0")
    assert lost("GPU is lost", "0000:42:00.0")
    assert not lost("nvidia-smi gave no answer within 30 s", "0000:41:00.0")


def test_the_tool_is_asked_and_its_faults_are_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "answer.xml").write_text(smi_xml(gpu_xml()), encoding="utf-8")
    install(tmp_path / "good", "nvidia-smi", f'cat "{tmp_path}/answer.xml"', monkeypatch)
    found = ask(set())
    assert isinstance(found, tuple)
    assert found[0].sources == ("nvidia-smi",)
    install(tmp_path / "bad", "nvidia-smi", "echo No devices were found; exit 6", monkeypatch)
    assert ask(set()) == "nvidia-smi ended with code 6: No devices were found"
    monkeypatch.setattr(nvidia, "TIMEOUT_S", 0.2)
    install(tmp_path / "hung", "nvidia-smi", "exec sleep 60", monkeypatch)
    assert ask(set()) == "nvidia-smi gave no answer within 0.2 s"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask(set()) == "nvidia-smi is not installed"


def test_a_line_of_the_watch() -> None:
    wall = datetime(2026, 11, 25, 10, 0, 1, 500000).timestamp()
    seen = parse_line("2026/11/25 10:00:01.500, 00000000:01:00.0, 0x000000000000006C", 7)
    assert seen == Seen(int(wall * 1e9) + 7, "0000:01:00.0", ("power-cap", "thermal"))
    for line in ("", 'Field "x" is not a valid field to query.', "a, b, 0x1", "2026/11/25 10:00:01.500, x, [N/A]"):
        assert parse_line(line, 0) is None


def test_shares_count_only_what_lies_within_the_window() -> None:
    seen = [Seen(at, "a", ("thermal",) if at > 2 else ()) for at in range(6)]
    assert shares(seen, 1, 4) == {"a": (4, {"thermal": 2})}


OLD = """case "$*" in
*clocks_event_reasons*) echo 'Field "clocks_event_reasons.active" is not a valid field to query.'; exit 2;;
esac
while :; do echo "$(date '+%Y/%m/%d %H:%M:%S').000, 00000000:01:00.0, 0x0000000000000020"; sleep 0.05; done"""


def test_the_watch_finds_the_old_name_and_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "nvidia-smi", OLD, monkeypatch)
    watch = Watch(["0000:01:00.0"])
    deadline = time.monotonic() + 20
    while not watch._seen and time.monotonic() < deadline:
        time.sleep(0.02)
    seen = watch.stop()
    assert seen
    assert seen[0].causes == ("thermal",)
    # Whole seconds in the script's stamps; the mapping to this clock is right to that.
    assert abs(seen[0].at_ns - time.perf_counter_ns()) < 30e9
    assert watch._process is not None
    assert watch._process.returncode is not None


def test_a_watch_of_a_tool_that_is_not_there_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Watch(["0000:01:00.0"]).stop() == ()
