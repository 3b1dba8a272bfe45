"""How a device is: from made sysfs trees, and merged with what a vendor's tool says."""

from __future__ import annotations

from pathlib import Path

import pytest

from npubench.conditions import DeviceProcess, DeviceState
from npubench.engine import devices
from npubench.engine.devices import SYSFS, from_sysfs, look, merged
from npubench.engine.nvidia import parse
from npubench.engine.pci import accelerators
from npubench.spi import Device
from tests.engine.made_tools import gpu_xml, smi_xml
from tests.engine.test_holders import hide

GPU = Device(id="0000:01:00.0", type="gpu", vendor="NVIDIA", name="NVIDIA 10de:2331", detail={"driver": "nvidia"})
OTHER = Device(id="0000:02:00.0", type="gpu", vendor="NVIDIA", name="NVIDIA 10de:2331", detail={"driver": "nvidia"})
BUS = "sys/bus/pci/devices"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def tree(root: Path, *found: Device) -> Path:
    for device in found:
        write(root, {f"{BUS}/{device.id}/vendor": "0x10de\n"})
    return root


def test_an_amd_card_in_sysfs(tmp_path: Path) -> None:
    base = f"{BUS}/0000:03:00.0"
    write(
        tmp_path,
        {
            f"{base}/vendor": "0x1002\n",
            f"{base}/vbios_version": "113-D41902-100\n",
            f"{base}/mem_info_vram_total": "17163091968\n",
            f"{base}/mem_info_vram_used": "163091968\n",
            f"{base}/power_dpm_force_performance_level": "auto\n",
            f"{base}/hwmon/hwmon7/temp1_input": "45000\n",
            f"{base}/hwmon/hwmon7/temp2_input": "61000\n",
            f"{base}/hwmon/hwmon7/power1_cap": "203000000\n",
            f"{base}/hwmon/hwmon7/power1_cap_default": "263000000\n",
            "sys/module/amdgpu/version": "6.7.0\n",
        },
    )
    driver = tmp_path / "sys/bus/pci/drivers/amdgpu"
    driver.mkdir(parents=True)
    (driver / "module").symlink_to("../../../../module/amdgpu")
    (tmp_path / base / "driver").symlink_to("../../drivers/amdgpu")
    card = Device(id="0000:03:00.0", type="gpu", vendor="AMD", name="AMD 1002:73bf", detail={"driver": "amdgpu"})
    state = from_sysfs(card, tmp_path)
    assert state is not None
    assert (state.driver, state.driver_version, state.firmware_version) == ("amdgpu", "6.7.0", "113-D41902-100")
    assert (state.temperature_c, state.power_cap_w, state.power_cap_default_w) == (61.0, 203.0, 263.0)
    assert (state.memory_bytes, state.memory_free_bytes) == (17163091968, 17000000000)
    assert state.power_mode == "performance level auto"
    assert state.slowed is None
    assert state.sources == (SYSFS,)
    write(tmp_path, {f"{base}/device": "0x73bf\n", f"{base}/class": "0x030000\n"})
    (listed,) = accelerators(tmp_path)
    assert listed.detail["driver_version"] == "6.7.0"


def test_an_intel_card_states_its_reasons(tmp_path: Path) -> None:
    base = f"{BUS}/0000:00:02.0"
    folder = f"{base}/tile0/gt0/freq0/throttle"
    files = {f"{folder}/status": "1\n", f"{folder}/reason_pl1": "1\n", f"{folder}/reason_thermal": "0\n"}
    write(tmp_path, {f"{base}/vendor": "0x8086\n", **files})
    card = Device(id="0000:00:02.0", type="gpu", vendor="Intel", name="Intel")
    state = from_sysfs(card, tmp_path)
    assert state is not None
    assert state.slowed == ("power-cap",)
    write(tmp_path, {f"{base}/drm/card0/gt/gt0/throttle_reason_thermal": "1\n"})
    state = from_sysfs(card, tmp_path)
    assert state is not None
    assert state.slowed == ("power-cap", "thermal")


def test_an_rngd_card_has_its_facts_in_a_virtual_entry(tmp_path: Path) -> None:
    folder = "sys/class/rngd_mgmt/rngd!npu0mgmt"
    write(
        tmp_path,
        {
            f"{BUS}/0000:41:00.0/vendor": "0x1ed2\n",
            f"{folder}/busname": "0000:41:00.0\n",
            f"{folder}/fw_version": "2026.3.0, 2d3f72a\n",
            f"{folder}/version": "2026.3.1, c1bebfd\n",
            f"{folder}/npu_governor": "performance\n",
        },
    )
    state = from_sysfs(Device(id="0000:41:00.0", type="npu", vendor="FuriosaAI", name="RNGD"), tmp_path)
    assert state is not None
    assert (state.driver_version, state.firmware_version) == ("2026.3.1, c1bebfd", "2026.3.0, 2d3f72a")
    assert state.power_mode == "governor performance"


def test_a_device_that_is_gone_has_no_state(tmp_path: Path) -> None:
    assert from_sysfs(GPU, tmp_path) is None
    write(tmp_path, {f"{BUS}/{GPU.id}/vendor": "0xffff\n"})
    assert from_sysfs(GPU, tmp_path) is None
    assert look([GPU], root=tmp_path) == {}
    assert look([], root=tmp_path) == {}


def test_an_accelerator_outside_pci(tmp_path: Path) -> None:
    card = Device(id="accel0", type="npu", name="rocket", detail={"node": "accel/accel0", "driver": "rocket"})
    assert from_sysfs(card, tmp_path) is None
    write(tmp_path, {"sys/class/accel/accel0/dev": "261:0\n"})
    state = from_sysfs(card, tmp_path)
    assert state is not None
    assert state.driver == "rocket"


def test_the_tool_goes_before_sysfs_and_leaves_what_it_does_not_know() -> None:
    first = DeviceState(id="a", type="gpu", driver="nvidia", driver_version="1", temperature_c=40.0, sources=(SYSFS,))
    said = DeviceState(id="a", driver_version="2", processes=(), sources=("nvidia-smi",))
    both = merged(first, said)
    assert (both.driver, both.driver_version, both.temperature_c, both.processes) == ("nvidia", "2", 40.0, ())
    assert both.sources == (SYSFS, "nvidia-smi")


def with_tool(monkeypatch: pytest.MonkeyPatch, said: tuple[DeviceState, ...] | str) -> None:
    monkeypatch.setattr(devices, "_tools", lambda wanted, own: {"NVIDIA": (said, "nvidia-smi")})
    monkeypatch.setattr(devices, "_asks_tools", lambda root: True)


def test_a_device_that_the_tool_no_longer_lists_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path, GPU, OTHER)
    with_tool(monkeypatch, parse(smi_xml(gpu_xml())))
    # sysfs shows a container the host's other cards too: one that the tool never knew is not gone.
    found = look([GPU, OTHER], root=root)
    assert set(found[GPU.id].sources) == {SYSFS, "nvidia-smi"}
    assert found[OTHER.id].sources == (SYSFS,)
    assert set(look([GPU, OTHER], listed={GPU.id, OTHER.id}, root=root)) == {GPU.id}
    with_tool(monkeypatch, "Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.")
    assert set(look([GPU, OTHER], root=root)) == {OTHER.id}


def test_who_is_on_it_comes_from_open_files_where_no_tool_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path, GPU)
    information = f"proc/driver/nvidia/gpus/{GPU.id}/information"
    write(root, {information: "Device Minor: 0\n", "proc/321/stat": f"321 (train) S {' '.join(['1', *['0'] * 19])}\n"})
    (root / "proc/321/fd").mkdir()
    (root / "proc/321/fd/5").symlink_to("/dev/nvidia0")
    found = look([GPU], root=root)[GPU.id]
    assert found.processes == (DeviceProcess(pid=321, name="train"),)
    with_tool(monkeypatch, "nvidia-smi gave no answer within 30 s")
    assert look([GPU], root=root)[GPU.id].processes == found.processes


def test_not_being_allowed_to_look_is_not_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path, GPU)
    write(root, {"proc/321/stat": f"321 (train) S {' '.join(['1', *['0'] * 19])}\n"})
    (root / "proc/321/fd").mkdir()
    hide(root / "proc/321/fd")
    with_tool(monkeypatch, "nvidia-smi is not installed")
    state = look([GPU], root=root)[GPU.id]
    (root / "proc/321/fd").chmod(0o755)
    assert state.processes is None
    assert (
        state.processes_reason
        == "nvidia-smi is not installed; processes of other users (1) can be looked at by root only"
    )
