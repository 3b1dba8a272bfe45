"""Facts about the machine that is measured: what this process may use of it, and what else is going on.

Everything is read from below one `root` (`proc/`, `sys/`, `etc/`), so that any machine can be described from a copy of
its files; unknown is None. CPU counts respect affinity and cgroup quota, memory respects the cgroup limit. Other
processes appear by name and pid only: command lines hold secrets. Takes well under half a second, most of which is the
pause between two looks at the process table.

Not aware of: whether any of this is a problem (`preflight`), backends, results.
"""

from __future__ import annotations

import math
import os
import platform
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from npubench import __version__
from npubench.engine.busy import busy_processes
from npubench.engine.pci import accelerators
from npubench.schema import Machine
from npubench.store import slug as slug
from npubench.virtual import container, virtual_machine

# Instruction sets that decide which inference kernels a runtime picks (x86, then Arm); all others are noise here.
_FLAGS = re.compile(
    r"sse4_2|f16c|fma|avx|avx2|avx_vnni\w*|avx512\w*|amx_\w+|avx_ifma"
    r"|asimd\w*|fphp|i8mm|bf16|sve\w*|sme(?!p$)\w*"
)
_VERSIONED = ("msgspec", "numpy", "onnx")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n\t")
    except OSError:
        return ""


def machine_name(name: str | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """`name`, else NPUBENCH_MACHINE, else the host name."""
    return name or environ.get("NPUBENCH_MACHINE") or socket.gethostname()


def _cpuinfo(root: Path) -> dict[str, str]:
    """Key → value of the first processor in /proc/cpuinfo."""
    found: dict[str, str] = {}
    for line in _read(root / "proc/cpuinfo").splitlines():
        key, colon, value = line.partition(":")
        if colon and value.strip():
            found.setdefault(key.strip().lower(), value.strip())
    return found


def _cpu_model(info: Mapping[str, str], root: Path) -> str | None:
    for key in ("model name", "cpu model"):
        if info.get(key):
            return " ".join(info[key].split())
    if root != Path("/"):
        return None
    # Arm's /proc/cpuinfo has no name; py-cpuinfo asks other places, and takes about a second.
    import cpuinfo

    try:
        return cpuinfo.get_cpu_info().get("brand_raw") or None
    except Exception:
        return None


def cpu_set(text: str) -> set[int]:
    """The processors of a kernel list such as `0-3,8`. Raises ValueError."""
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def cgroup_folders(root: Path, controller: str) -> list[Path]:
    """This process's folder in the cgroup tree (v1, v2) that has `controller`, then its ancestors."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        bases = [controllers, controller] if controllers else ["", "unified"]
        for base in bases:
            mount = root / "sys/fs/cgroup" / base
            if not mount.is_dir() or (not controllers and not (mount / "cgroup.controllers").exists()):
                continue
            # Inside a container the path may be one of the host's, which is not visible here: then only the root is.
            inner = mount.joinpath(*[part for part in path.split("/") if part and part != ".."])
            folders = [inner, *[parent for parent in inner.parents if parent.is_relative_to(mount)]]
            return [folder for folder in folders if folder.is_dir()]
    return []


def cpu_quota(root: Path = Path("/")) -> float | None:
    """CPUs that the cgroup's bandwidth limit allows (1.5 = one and a half), None where there is no limit."""
    limits = []
    for folder in cgroup_folders(root, "cpu"):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if not quota:
            quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period) > 0 and int(quota) > 0:
            limits.append(int(quota) / int(period))
    return min(limits, default=None)


def _cores(root: Path, processors: set[int]) -> int | None:
    """Physical cores behind `processors`."""
    base = root / "sys/devices/system/cpu"
    siblings = {_read(base / f"cpu{number}/topology/thread_siblings_list") for number in processors}
    return len(siblings) if siblings and "" not in siblings else None


def _usable(root: Path, affinity: set[int] | None) -> tuple[int | None, int | None, set[int]]:
    """(physical cores, threads, processors) that this process may use."""
    processors = affinity
    if processors is None and hasattr(os, "sched_getaffinity"):
        processors = os.sched_getaffinity(0)
    if not processors:
        return None, os.cpu_count(), set()
    threads, quota = len(processors), cpu_quota(root)
    if quota is not None:
        threads = max(1, min(threads, math.floor(quota)))
    cores = _cores(root, processors)
    return (None if cores is None else min(cores, threads)), threads, processors


def _governor(root: Path, processors: set[int]) -> str | None:
    base = root / "sys/devices/system/cpu"
    found = {_read(base / f"cpu{number}/cpufreq/scaling_governor") for number in processors} - {""}
    return ", ".join(sorted(found)) or None


def _memory(root: Path) -> int | None:
    lines = _read(root / "proc/meminfo").splitlines()
    limits = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:")]
    for folder in cgroup_folders(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(folder / name)
            if text.isdigit():
                limits.append(int(text))
    return min(limits, default=None)


def _os_name(root: Path) -> str:
    found: dict[str, str] = {}
    for line in _read(root / "etc/os-release").splitlines():
        key, _, value = line.partition("=")
        found[key] = value.strip().strip("\"'")
    return found.get("PRETTY_NAME") or found.get("NAME") or platform.system()


def _load(root: Path) -> tuple[float, float, float] | None:
    try:
        one, five, fifteen = (float(part) for part in _read(root / "proc/loadavg").split()[:3])
    except ValueError:
        return None
    return one, five, fifteen


def versions() -> dict[str, str]:
    """Versions of Python, npubench and the libraries that shape a result, without importing them."""
    found = {"python": platform.python_version(), "npubench": __version__}
    for name in _VERSIONED:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def facts(
    name: str | None = None,
    *,
    root: Path = Path("/"),
    affinity: set[int] | None = None,
    environ: Mapping[str, str] = os.environ,
    sample_s: float = 0.2,
) -> Machine:
    """What is known about this machine. `root` is where proc/, sys/ and etc/ lie; `affinity` None asks the kernel.

    `sample_s` is how long other processes are watched; 0 leaves them out. Raises nothing: unknown is None.
    """
    info = _cpuinfo(root)
    cores, threads, processors = _usable(root, affinity)
    listed = (info.get("flags") or info.get("features") or "").split()
    return Machine(
        name=machine_name(name, environ),
        cpu=_cpu_model(info, root),
        cpu_flags=tuple(sorted({flag for flag in listed if _FLAGS.fullmatch(flag)})),
        cores=cores,
        threads=threads,
        governor=_governor(root, processors),
        memory_bytes=_memory(root),
        os=_os_name(root),
        kernel=_read(root / "proc/sys/kernel/osrelease") or platform.release(),
        container=container(root, environ),
        virtual_machine=virtual_machine(root, info.get("flags")),
        clock_source=_read(root / "sys/devices/system/clocksource/clocksource0/current_clocksource") or None,
        accelerators=accelerators(root),
        versions=versions(),
        load_average=_load(root),
        busy_processes=busy_processes(sample_s, root) if sample_s > 0 else (),
    )
