"""Who holds a device file: real processes on a real character device, and made trees for vendors' files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from npubench.engine.holders import nodes, scan
from npubench.spi import Device

HOLD = "import sys, time; held = open(sys.argv[1]); print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def holder() -> Iterator[subprocess.Popen[str]]:
    """A process that keeps /dev/zero open: for the kernel a character device like an accelerator's."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, "/dev/zero"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_process_that_holds_the_device_is_found(holder: subprocess.Popen[str]) -> None:
    wanted = {"card-a": ("/dev/zero",), "card-b": ("/dev/full",)}
    found = scan(wanted, own=set()).found
    assert holder.pid in {process.pid for process in found["card-a"]}
    assert holder.pid not in {process.pid for process in found["card-b"]}
    name = next(process.name for process in found["card-a"] if process.pid == holder.pid)
    assert name.startswith("python")
    assert holder.pid not in {process.pid for process in scan(wanted, own={holder.pid}).found["card-a"]}


def hide(folder: Path) -> None:
    """Makes a folder unreadable; skips the test for those who read it all the same."""
    folder.chmod(0)
    if os.access(folder, os.R_OK):
        folder.chmod(0o755)
        pytest.skip("root may look at every process")


def process(root: Path, pid: int, name: str, *links: str, parent: int = 1) -> None:
    folder = root / f"proc/{pid}"
    (folder / "fd").mkdir(parents=True)
    fields = ["S", str(parent), *["0"] * 17, "5", "0"]
    (folder / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n", encoding="utf-8")
    for number, target in enumerate(links):
        (folder / f"fd/{number}").symlink_to(target)


def test_daemons_that_watch_are_no_users_and_a_name_is_made_printable(tmp_path: Path) -> None:
    process(tmp_path, 10, "nvidia-persiste", "/dev/nvidia0")
    process(tmp_path, 11, "evil\x1b[2Jname", "/dev/null", "/dev/nvidia0")
    process(tmp_path, 12, "kworker/0:1", "/dev/nvidia0", parent=2)
    found = scan({"gpu": ("/dev/nvidia0",)}, own=set(), root=tmp_path)
    assert [(item.pid, item.name) for item in found.found["gpu"]] == [(11, "evil?[2Jname")]
    assert found.unseen == 0


def test_processes_of_others_are_counted_as_unseen(tmp_path: Path) -> None:
    process(tmp_path, 10, "python", "/dev/nvidia0")
    hide(tmp_path / "proc/10/fd")
    found = scan({"gpu": ("/dev/nvidia0",)}, own=set(), root=tmp_path)
    (tmp_path / "proc/10/fd").chmod(0o755)
    assert (found.found["gpu"], found.unseen) == ((), 1)


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("", encoding="utf-8")


def device(address: str, vendor: str, **detail: str) -> Device:
    return Device(id=address, type="npu", vendor=vendor, name=vendor, detail=detail)


def test_device_files_by_vendor(tmp_path: Path) -> None:
    bus = "sys/bus/pci/devices"
    write(tmp_path, f"{bus}/0000:01:00.0/drm/renderD128/x", f"{bus}/0000:01:00.0/drm/card0/x")
    write(tmp_path, f"{bus}/0000:02:00.0/accel/accel0/x", "dev/rbln0", "dev/rbln1")
    gpu = tmp_path / "proc/driver/nvidia/gpus/0000:03:00.0/information"
    gpu.parent.mkdir(parents=True)
    gpu.write_text("Model: \t\t NVIDIA H100\nDevice Minor: \t 2\n", encoding="utf-8")
    assert nodes(device("0000:01:00.0", "Intel"), 1, tmp_path) == ("/dev/dri/renderD128",)
    assert nodes(device("0000:02:00.0", "Qualcomm"), 1, tmp_path) == ("/dev/accel/accel0",)
    assert nodes(device("0000:03:00.0", "NVIDIA"), 2, tmp_path) == ("/dev/nvidia2",)
    assert nodes(device("0000:04:00.0", "Rebellions"), 1, tmp_path) == ("/dev/rbln0", "/dev/rbln1")
    # With two cards and nothing that ties a file to an address, no file is taken for either.
    assert nodes(device("0000:04:00.0", "Rebellions"), 2, tmp_path) == ()
    assert nodes(device("accel3", "", node="accel/accel3"), 1, tmp_path) == ("/dev/accel/accel3",)


def test_an_rngd_card_is_known_by_the_bus_name_of_its_virtual_entry(tmp_path: Path) -> None:
    for number, address in ((0, "0000:41:00.0"), (1, "0000:61:00.0")):
        name = f"sys/class/rngd_mgmt/rngd!npu{number}mgmt/busname"
        write(tmp_path, name, f"dev/rngd/npu{number}pe0", f"dev/rngd/npu{number}pe0-3", f"dev/rngd/npu{number}mgmt")
        (tmp_path / name).write_text(f"{address}\n", encoding="utf-8")
    found = nodes(device("0000:61:00.0", "FuriosaAI"), 2, tmp_path)
    assert found == ("/dev/rngd/npu1pe0", "/dev/rngd/npu1pe0-3")
