"""Each preflight note: when it comes, when it does not, and that it says what to do in two languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from npubench.cards import BackendCard, DeviceSpec, VerifiedSpec
from npubench.conditions import DeviceProcess, DeviceState
from npubench.engine.preflight import Code, Surroundings, check, judge, observe, serves, unserved
from npubench.lang import Text
from npubench.schema import Machine
from npubench.spi import Availability, Device

NPU = Device(id="0000:41:00.0", type="npu", vendor="Rebellions", name="Rebellions 1eff:1220")


def machine(**changes: Any) -> Machine:
    base: dict[str, Any] = {"name": "m", "cpu": "c", "cores": 8, "threads": 8, "load_average": (0.1, 0.1, 0.1)}
    return Machine(**{**base, **changes})


def card(name: str, kind: str, vendor: str | None = None) -> BackendCard:
    text = Text(en="t", ko="t")
    return BackendCard(
        schema="npubench.backend/1",
        id=name,
        title=text,
        summary=text,
        adapter="null",
        device=DeviceSpec(type=kind, vendor=vendor),  # type: ignore[arg-type]
        precisions=("fp32",),
        install=text,
        verified=VerifiedSpec(how="not verified"),
    )


QUIET = Surroundings(
    quota=None,
    processors=8,
    memory_available_bytes=64 << 30,
    swap_used_bytes=0,
    disk_free_bytes=64 << 30,
    throttle_events=0,
)


def codes(found: Machine, conditions: Surroundings = QUIET, needed_bytes: int = 1 << 30, **more: Any) -> list[str]:
    return [note.code for note in judge(found, conditions, needed_bytes, **more)]


def test_a_quiet_machine_gives_no_note() -> None:
    assert codes(machine(governor="performance", clock_source="tsc")) == []


def test_unknown_facts_give_no_note() -> None:
    assert codes(Machine(name="m", cpu=None), Surroundings()) == []


@pytest.mark.parametrize(
    ("code", "facts", "conditions"),
    [
        (Code.LOAD_HIGH, {"load_average": (2.1, 0, 0)}, {}),
        (Code.BUSY_PROCESS, {"busy_processes": ("stress (pid 7, 99% of a core)",)}, {}),
        (Code.GOVERNOR, {"governor": "performance, powersave"}, {}),
        (Code.CONTAINER_QUOTA, {}, {"quota": 1.5}),
        (Code.VIRTUAL_MACHINE, {"virtual_machine": "QEMU/KVM"}, {}),
        (Code.SMT, {"cores": 4}, {}),
        (Code.CLOCK_SLOW, {"clock_source": "hpet"}, {}),
        (Code.MEMORY_LOW, {}, {"memory_available_bytes": 1 << 30}),
        (Code.SWAP_IN_USE, {}, {"swap_used_bytes": 1 << 30}),
        (Code.DISK_LOW, {}, {"disk_free_bytes": (1 << 30) - 1}),
        (Code.THERMAL_THROTTLE, {}, {"throttle_events": 3}),
    ],
)
def test_each_code_alone(code: Code, facts: dict[str, Any], conditions: dict[str, Any]) -> None:
    before = {name: getattr(QUIET, name) for name in QUIET.__struct_fields__}
    notes = judge(machine(**facts), Surroundings(**{**before, **conditions}), 1 << 30)
    assert [note.code for note in notes] == [code.value]
    for language in ("en", "ko"):
        assert len(notes[0].text[language]) > 40  # type: ignore[index]
    assert any("가" <= char <= "힣" for char in notes[0].text.ko)


def test_an_idle_accelerator_is_named() -> None:
    (note,) = judge(machine(), QUIET, idle=(NPU,))
    assert note.code == Code.ACCELERATOR_UNUSED.value
    assert "Rebellions 1eff:1220 (0000:41:00.0)" in note.text.en
    assert "npubench doctor" in note.text.ko


def test_thresholds_are_not_reached() -> None:
    assert codes(machine(load_average=(1.9, 9, 9))) == []
    assert codes(machine(threads=1, cores=1, load_average=(0.6, 0, 0))) == []
    full = Surroundings(quota=8.0, processors=8, swap_used_bytes=1 << 20)
    assert codes(machine(), full) == []


def test_warnings_come_first() -> None:
    notes = judge(machine(virtual_machine="KVM", load_average=(9, 9, 9), cores=4), QUIET)
    assert [note.severity for note in notes] == ["warning", "info", "info"]


def test_every_code_has_a_test() -> None:
    rows = test_each_code_alone.pytestmark[0].args[1]  # type: ignore[attr-defined]
    devices = {row[0] for row in test_each_note_about_a_device.pytestmark[0].args[1]}  # type: ignore[attr-defined]
    assert {row[0] for row in rows} | devices | {Code.ACCELERATOR_UNUSED, Code.NAME_NOT_GIVEN} == set(Code)


@pytest.mark.parametrize(
    ("code", "facts"),
    [
        (Code.DEVICE_SHARED, {"processes": (DeviceProcess(pid=7, name="train"),)}),
        (Code.DEVICE_USERS_UNKNOWN, {"processes": None, "processes_reason": "the tool is not installed"}),
        (Code.DEVICE_SLOWED, {"processes": (), "slowed": ("power-cap", "thermal")}),
        (Code.POWER_LIMIT, {"processes": (), "power_cap_w": 200.0, "power_cap_default_w": 350.0}),
    ],
)
def test_each_note_about_a_device(code: Code, facts: dict[str, Any]) -> None:
    state = DeviceState(id="0000:01:00.0", name="H100", **facts)
    (note,) = judge(machine(), QUIET, devices=(state,))
    assert note.code == code.value
    for language in ("en", "ko"):
        assert "H100 (0000:01:00.0)" in note.text[language]  # type: ignore[index]
    assert any("가" <= char <= "힣" for char in note.text.ko)


def test_a_device_in_order_gives_no_note_and_a_display_is_no_user() -> None:
    screen = DeviceProcess(pid=7, name="Xorg", computes=False)
    state = DeviceState(
        id="a", processes=(screen,), slowed=("power-cap",), power_cap_w=350.0, power_cap_default_w=350.0
    )
    assert judge(machine(), QUIET, devices=(state,)) == ()
    (note,) = judge(machine(container="docker"), QUIET, devices=(state,))
    assert "other containers" in note.text.en


def test_a_backend_serves_devices_of_its_type_and_vendor() -> None:
    assert serves(card("rbln", "npu", "rebellions"), NPU)
    assert serves(card("any", "npu"), NPU)
    assert not serves(card("warboy", "npu", "FuriosaAI"), NPU)
    assert not serves(card("cuda", "gpu", "NVIDIA"), NPU)
    cards = {"rbln": card("rbln", "npu", "Rebellions"), "cpu": card("cpu", "cpu")}
    cpu_only = {"cpu": Availability(available=True), "rbln": Availability(available=False, reason="no SDK")}
    assert unserved([NPU], cpu_only, cards) == (NPU,)
    assert unserved([NPU], {"rbln": Availability(available=True)}, cards) == ()


def files(root: Path, content: dict[str, str]) -> Path:
    for name, text in content.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_observe_reads_a_tree(tmp_path: Path) -> None:
    root = files(
        tmp_path,
        {
            "proc/meminfo": "MemTotal: 4096 kB\nMemAvailable: 2048 kB\nSwapTotal: 100 kB\nSwapFree: 40 kB\nOdd:\n",
            "proc/self/cgroup": "0::/a\n",
            "sys/fs/cgroup/cgroup.controllers": "cpu memory",
            "sys/fs/cgroup/a/cpu.max": "50000 100000",
            "sys/fs/cgroup/a/memory.max": "1000000",
            "sys/fs/cgroup/a/memory.current": "900000",
            "sys/fs/cgroup/a/memory.stat": "anon 1\ninactive_file 400000\n",
            "sys/devices/system/cpu/online": "0-3,6\n",
            "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "2\n",
            "sys/devices/system/cpu/cpu1/thermal_throttle/package_throttle_count": "5\n",
        },
    )
    found = observe(tmp_path / "not/yet/there", root=root)
    assert found.quota == 0.5
    assert found.processors == 5
    assert found.memory_available_bytes == 500000
    assert found.swap_used_bytes == 60 * 1024
    assert found.throttle_events == 5
    assert found.disk_free_bytes is not None
    assert found.disk_free_bytes > 0


def test_observe_of_nothing_is_null(tmp_path: Path) -> None:
    found = observe(tmp_path, root=tmp_path)
    assert (found.quota, found.processors, found.memory_available_bytes, found.swap_used_bytes) == (None,) * 4


def test_check_names_idle_accelerators_only_once_backends_were_probed(tmp_path: Path) -> None:
    found = machine(accelerators=(NPU,))
    assert check(found, tmp_path, 0, root=tmp_path) == ()
    notes = check(found, tmp_path, 0, availability={}, cards={}, root=tmp_path)
    assert [note.code for note in notes] == ["accelerator-without-backend"]


def test_check_says_that_the_disk_is_low(tmp_path: Path) -> None:
    assert [note.code for note in check(machine(), tmp_path, 1 << 60, root=tmp_path)] == ["disk-low"]


def test_a_container_without_a_given_name_is_told_to_name_its_machine(tmp_path: Path) -> None:
    inside = machine(container="docker")
    (note,) = check(inside, tmp_path, 0, named=False, root=tmp_path)
    assert note.code == Code.NAME_NOT_GIVEN.value
    assert "NPUBENCH_MACHINE" in note.text.en
    assert "NPUBENCH_MACHINE" in note.text.ko
    assert check(inside, tmp_path, 0, named=True, root=tmp_path) == ()
    assert check(machine(), tmp_path, 0, named=False, root=tmp_path) == ()
