"""Machine facts from generated trees: CPU, cgroups, virtual machines, accelerators by PCI, names."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.engine import busy, machine, pci
from npubench.engine.machine import cpu_quota, cpu_set, facts, slug
from npubench.engine.pci import accelerators

X86 = """processor\t: 0
model name\t: AMD  EPYC 9654
flags\t\t: fpu sse2 avx avx2 avx512f avx512_vnni amx_tile smep fma{extra}

processor\t: 1
model name\t: other
"""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def pci_device(root: Path, address: str, vendor: int, device: int, class_code: int, driver: str = "") -> None:
    base = f"sys/bus/pci/devices/{address}"
    write(
        root,
        {
            f"{base}/vendor": f"0x{vendor:04x}\n",
            f"{base}/device": f"0x{device:04x}\n",
            f"{base}/class": f"0x{class_code:06x}\n",
        },
    )
    if driver:
        (root / base / "driver").symlink_to(f"../../../../bus/pci/drivers/{driver}")


def tree(root: Path) -> Path:
    """Four threads on two cores, with a governor, memory and a name."""
    files = {
        "proc/cpuinfo": X86.format(extra=""),
        "proc/meminfo": "MemTotal:       16384 kB\nMemFree: 1 kB\n",
        "proc/loadavg": "0.50 0.25 0.10 1/234 5678\n",
        "proc/sys/kernel/osrelease": "6.8.0-test\n",
        "proc/self/cgroup": "0::/user.slice\n",
        "etc/os-release": 'NAME="X"\nPRETTY_NAME="Test OS 1"\n',
        "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
    }
    for number in range(4):
        base = f"sys/devices/system/cpu/cpu{number}"
        files[f"{base}/topology/thread_siblings_list"] = "0,2\n" if number % 2 == 0 else "1,3\n"
        files[f"{base}/cpufreq/scaling_governor"] = "powersave\n" if number == 3 else "performance\n"
    return write(root, files)


def look(root: Path, affinity: set[int] | None = None, environ: dict[str, str] | None = None) -> machine.Machine:
    return facts("m", root=root, affinity=affinity or {0, 1, 2, 3}, environ=environ or {}, sample_s=0)


def test_facts_of_a_plain_machine(tmp_path: Path) -> None:
    found = look(tree(tmp_path))
    assert found.name == "m"
    assert found.cpu == "AMD EPYC 9654"
    assert found.cpu_flags == ("amx_tile", "avx", "avx2", "avx512_vnni", "avx512f", "fma")
    assert (found.cores, found.threads) == (2, 4)
    assert found.governor == "performance, powersave"
    assert found.memory_bytes == 16384 * 1024
    assert (found.os, found.kernel, found.clock_source) == ("Test OS 1", "6.8.0-test", "tsc")
    assert found.load_average == (0.5, 0.25, 0.1)
    assert found.container is None
    assert found.virtual_machine is None
    assert found.accelerators == ()
    assert set(found.versions) >= {"python", "npubench", "msgspec", "numpy"}


def test_facts_of_an_empty_tree_are_null(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert (found.cpu, found.cores, found.governor, found.memory_bytes) == (None, None, None, None)
    assert (found.load_average, found.clock_source, found.cpu_flags) == (None, None, ())
    assert found.threads == 4


def test_arm_features_are_known(tmp_path: Path) -> None:
    write(tmp_path, {"proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd asimddp sve sve2 i8mm bf16 sme crc32\n"})
    assert look(tmp_path).cpu_flags == ("asimd", "asimddp", "bf16", "i8mm", "sme", "sve", "sve2")


def test_affinity_limits_threads_cores_and_governors(tmp_path: Path) -> None:
    found = look(tree(tmp_path), {0, 1})
    assert (found.cores, found.threads, found.governor) == (2, 2, "performance")
    assert look(tmp_path, {0, 2}).cores == 1


@pytest.mark.parametrize(
    ("files", "quota", "memory"),
    [
        (
            {
                "proc/self/cgroup": "0::/pod/leaf\n",
                "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
                "sys/fs/cgroup/pod/cpu.max": "150000 100000\n",
                "sys/fs/cgroup/pod/memory.max": "4194304\n",
                "sys/fs/cgroup/pod/leaf/cpu.max": "max 100000\n",
                "sys/fs/cgroup/pod/leaf/memory.max": "max\n",
            },
            1.5,
            4194304,
        ),
        (
            {
                "proc/self/cgroup": "7:cpu,cpuacct:/a\n6:memory:/a\n1:cpuset:/a\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "8388608\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            3.0,
            8388608,
        ),
        # A container sees its own cgroup as the root while the path is one of the host's.
        (
            {
                "proc/self/cgroup": "0::/../../kubepods/pod1\n",
                "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
                "sys/fs/cgroup/cpu.max": "200000 100000\n",
            },
            2.0,
            16384 * 1024,
        ),
        ({"proc/self/cgroup": "0::/\n"}, None, 16384 * 1024),
        ({"proc/self/cgroup": "nonsense"}, None, 16384 * 1024),
    ],
)
def test_cgroup_limits(tmp_path: Path, files: dict[str, str], quota: float | None, memory: int) -> None:
    write(tree(tmp_path), files)
    assert cpu_quota(tmp_path) == quota
    found = look(tmp_path)
    assert found.memory_bytes == memory
    assert found.threads == (4 if quota is None else int(quota))


@pytest.mark.parametrize(
    ("files", "environ", "expected"),
    [
        ({".dockerenv": ""}, {}, "docker"),
        ({"run/.containerenv": ""}, {}, "podman"),
        ({"run/systemd/container": "systemd-nspawn\n"}, {}, "systemd-nspawn"),
        ({"proc/self/cgroup": "1:name=systemd:/lxc/box\n"}, {}, "lxc"),
        ({"proc/1/cgroup": "1:cpu:/kubepods/besteffort/pod\n"}, {}, "kubernetes"),
        ({".dockerenv": ""}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({}, {"container": "lxc"}, "lxc"),
        ({}, {}, None),
    ],
)
def test_container(tmp_path: Path, files: dict[str, str], environ: dict[str, str], expected: str | None) -> None:
    assert look(write(tree(tmp_path), files), environ=environ).container == expected


@pytest.mark.parametrize(
    ("flag", "vendor", "product", "expected"),
    [
        (" hypervisor", "QEMU", "Standard PC", "QEMU/KVM"),
        (" hypervisor", "Microsoft Corporation", "Virtual Machine", "Hyper-V"),
        (" hypervisor", "Amazon EC2", "c7i.large", "Amazon EC2"),
        (" hypervisor", "", "", "unnamed hypervisor"),
        ("", "Amazon EC2", "c7i.metal-24xl", None),
        ("", "Dell Inc.", "PowerEdge", None),
    ],
)
def test_virtual_machine(tmp_path: Path, flag: str, vendor: str, product: str, expected: str | None) -> None:
    write(
        tree(tmp_path),
        {
            "proc/cpuinfo": X86.format(extra=flag),
            "sys/class/dmi/id/sys_vendor": vendor,
            "sys/class/dmi/id/product_name": product,
        },
    )
    assert look(tmp_path).virtual_machine == expected


def test_an_arm_virtual_machine_is_known_without_a_flag(tmp_path: Path) -> None:
    write(tmp_path, {"proc/cpuinfo": "Features : asimd\n", "sys/class/dmi/id/sys_vendor": "QEMU"})
    assert look(tmp_path).virtual_machine == "QEMU/KVM"
    write(tmp_path, {"sys/class/dmi/id/sys_vendor": "Amazon EC2", "sys/class/dmi/id/product_name": "c7g.metal"})
    assert look(tmp_path).virtual_machine is None


@pytest.mark.parametrize(
    ("vendor", "device", "class_code", "kind", "maker"),
    [
        (0x10DE, 0x2330, 0x030200, "gpu", "NVIDIA"),
        (0x10DE, 0x22BA, 0x040300, None, ""),  # the audio function of a graphics card
        (0x10DE, 0x22A3, 0x068000, None, ""),  # NVSwitch, a bridge
        (0x1002, 0x74A1, 0x120000, "gpu", "AMD"),
        (0x1022, 0x17F0, 0x118000, "npu", "AMD"),
        (0x1022, 0x1480, 0x060000, None, ""),
        (0x8086, 0x7D1D, 0x120000, "npu", "Intel"),
        (0x8086, 0x56C0, 0x038000, "gpu", "Intel"),
        (0x8086, 0x1533, 0x020000, None, ""),
        (0x1EFF, 0x1220, 0x120000, "npu", "Rebellions"),
        (0x1ED2, 0x0001, 0x120000, "npu", "FuriosaAI"),
        (0x1FF4, 0x0000, 0x120000, "npu", "DEEPX"),
        (0x209F, 0x0000, 0x078000, "npu", "Mobilint"),
        (0x1E60, 0x2864, 0x0B4000, "npu", "Hailo"),
        (0x1DA3, 0x1020, 0x120000, "npu", "Habana"),
        (0x17CB, 0xA100, 0x120000, "npu", "Qualcomm"),
        (0x17CB, 0x1103, 0x028000, None, ""),  # a wireless network card
        (0x1A03, 0x2000, 0x030000, None, ""),  # the display of a management controller
        (0xABCD, 0x0001, 0x120000, "npu", "0xabcd"),
        (0xABCD, 0x0001, 0x030200, "gpu", "0xabcd"),
        (0xABCD, 0x0001, 0x120100, None, ""),  # a data mover
        (0xABCD, 0x0001, 0x010802, None, ""),
    ],
)
def test_accelerators_by_pci(
    tmp_path: Path, vendor: int, device: int, class_code: int, kind: str | None, maker: str
) -> None:
    pci_device(tmp_path, "0000:41:00.0", vendor, device, class_code, "some_driver")
    found = accelerators(tmp_path)
    if kind is None:
        assert found == ()
        return
    assert [(item.id, item.type, item.vendor) for item in found] == [("0000:41:00.0", kind, maker)]
    assert found[0].name.endswith(f"{vendor:04x}:{device:04x}")
    assert found[0].detail["driver"] == "some_driver"


def test_a_model_name_comes_from_the_systems_pci_ids_and_leaves_the_name_alone(tmp_path: Path) -> None:
    pci_device(tmp_path, "0000:01:00.0", 0x1EFF, 0x1220, 0x120000)
    before = accelerators(tmp_path)[0].name
    ids = "# comment\n1efe  Else\n\t1220  wrong\n1eff  Rebellions\n\t1220  RBLN-CA22\n\t\t1220 0001  sub\n"
    ids += "C 12  x\n\t1220  no\n"
    write(tmp_path, {pci.PCI_IDS[1]: ids})
    found = accelerators(tmp_path)[0]
    assert found.detail["model"] == "RBLN-CA22"
    assert found.name == before


def test_nvidia_model_from_the_kernel_module(tmp_path: Path) -> None:
    pci_device(tmp_path, "0000:01:00.0", 0x10DE, 0x2330, 0x030200)
    write(tmp_path, {"proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA H100\nIRQ: 1\n"})
    assert accelerators(tmp_path)[0].detail["model"] == "NVIDIA H100"


def test_accel_class_adds_what_is_not_on_pci(tmp_path: Path) -> None:
    pci_device(tmp_path, "0000:00:0b.0", 0x8086, 0x7D1D, 0x120000)
    write(tmp_path, {"sys/class/accel/accel0/dev": "261:0", "sys/class/accel/accel1/dev": "261:1"})
    (tmp_path / "sys/class/accel/accel0/device").symlink_to("../../../bus/pci/devices/0000:00:0b.0")
    write(tmp_path, {"sys/devices/platform/fdab0000.npu/uevent": "DRIVER=rocket\n"})
    (tmp_path / "sys/devices/platform/fdab0000.npu/driver").symlink_to("../../../bus/platform/drivers/rocket")
    (tmp_path / "sys/class/accel/accel1/device").symlink_to("../../../devices/platform/fdab0000.npu")
    found = accelerators(tmp_path)
    assert [(item.id, item.name) for item in found] == [("0000:00:0b.0", "Intel 8086:7d1d"), ("fdab0000.npu", "rocket")]


def test_machine_name_order() -> None:
    assert machine.machine_name("a", {"NPUBENCH_MACHINE": "b"}) == "a"
    assert machine.machine_name(None, {"NPUBENCH_MACHINE": "b"}) == "b"
    assert machine.machine_name(None, {})


@pytest.mark.parametrize(
    ("name", "folder"),
    [("GPU Node_01", "gpu-node-01"), ("a..b--c.", "a.b-c"), ("rack1.example.org", "rack1.example.org")],
)
def test_slug(name: str, folder: str) -> None:
    assert slug(name) == folder.replace("a.b-c", "a-b-c")


def test_slug_keeps_names_apart_that_lose_letters() -> None:
    assert slug("서울 1호기") != slug("부산 1호기")
    assert slug("..") != slug("//")
    assert slug("x" * 100) != slug("x" * 101)


@given(st.text())
def test_slug_is_always_a_safe_folder_name(name: str) -> None:
    found = slug(name)
    assert 0 < len(found) <= 64
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert found[0].isalnum()
    assert found[-1].isalnum()
    assert slug(name) == found


@given(st.sets(st.integers(min_value=0, max_value=300), min_size=1))
def test_cpu_set_reads_what_it_is_given(numbers: set[int]) -> None:
    assert cpu_set(",".join(map(str, numbers))) == numbers
    assert cpu_set(f"{min(numbers)}-{max(numbers)}\n") == set(range(min(numbers), max(numbers) + 1))


@given(st.text(max_size=200))
def test_any_cpuinfo_is_survived(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = tmp_path_factory.mktemp("root")
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text(text, encoding="utf-8", errors="replace")
    (root / "proc/loadavg").write_text(text, encoding="utf-8", errors="replace")
    assert look(root).name == "m"


def test_busy_processes_of_others_are_named_without_their_command_line() -> None:
    # A grandchild in a session of its own, whose parent is gone, is not of our tree.
    spin = "import time\nend = time.monotonic() + 20\nwhile time.monotonic() < end: pass"
    starter = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', sys.argv[1], 'secret-token'], start_new_session=True,"
        " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print(child.pid)"
    )
    done = subprocess.run([sys.executable, "-c", starter, spin], capture_output=True, text=True, check=True)
    pid = int(done.stdout)
    try:
        deadline = time.monotonic() + 15
        found: tuple[str, ...] = ()
        while not any(f"pid {pid}," in line for line in found) and time.monotonic() < deadline:
            found = machine.busy_processes(0.3)
    finally:
        os.kill(pid, 9)
    assert any(f"pid {pid}," in line for line in found)
    assert "secret" not in " ".join(found)


def test_own_tree_is_ancestors_and_descendants() -> None:
    parents = {1: 0, 10: 1, 20: 10, 30: 20, 40: 30, 50: 10, 60: 50}
    assert busy.own_tree(parents, 20) == {20, 10, 1, 30, 40}


def test_busiest_leaves_out_our_tree_reused_pids_and_control_characters() -> None:
    def table(factor: int) -> dict[int, busy.Process]:
        return {
            1: busy.Process("init", 0, 0, 1),
            5: busy.Process("ours", 1, 90 * factor, 2),
            6: busy.Process("child", 5, 90 * factor, 2),
            7: busy.Process("a\x1b[31mb", 1, 50 * factor, 2),
            8: busy.Process("reused", 1, 50 * factor, factor),
            9: busy.Process("idle", 1, 9 * factor, 2),
        }

    assert busy.busiest(table(0), table(1), 100.0, 5) == ("a?[31mb (pid 7, 50% of a core)",)


def test_stat_lines(tmp_path: Path) -> None:
    fields = " ".join(str(number) for number in range(4, 53))
    write(tmp_path, {"proc/42/stat": f"42 (odd) (name) S {fields}\n", "proc/43/stat": "43 gone", "proc/x/stat": ""})
    assert busy.process_table(tmp_path) == {42: busy.Process("odd) (name", 4, 14 + 15, 22)}
    assert busy.process_table(tmp_path / "none") == {}


@given(st.binary(max_size=200))
def test_any_stat_line_is_survived(data: bytes) -> None:
    try:
        busy.parse_stat(data)
    except ValueError:
        return


def test_real_facts_are_complete() -> None:
    found = facts("here", sample_s=0)
    assert found.threads is not None
    assert found.threads >= 1
    assert found.kernel
