"""Whether this system is a container or a virtual machine, from files below one root: those seldom see power meters.

Not aware of: what follows from it for a measurement (`engine.preflight`, `meters`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

# What DMI (or Xen's own file) calls hypervisors (systemd-detect-virt documents the same strings).
_HYPERVISORS = {
    "qemu": "QEMU/KVM",
    "kvm": "KVM",
    "vmware": "VMware",
    "virtualbox": "VirtualBox",
    "innotek": "VirtualBox",
    "xen": "Xen",
    "virtual machine": "Hyper-V",
    "google compute engine": "Google Compute Engine",
    "openstack": "OpenStack",
    "amazon ec2": "Amazon EC2",
    "alibaba cloud ecs": "Alibaba Cloud",
    "parallels": "Parallels",
    "bhyve": "bhyve",
    "firecracker": "Firecracker",
}
_CONTAINER_MARKS = (
    ("kubepods", "kubernetes"),
    ("libpod", "podman"),
    ("docker", "docker"),
    ("containerd", "containerd"),
    ("lxc", "lxc"),
)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n\t")
    except OSError:
        return ""


def cpu_flags(root: Path) -> str | None:
    """The flags of the first processor in /proc/cpuinfo; None where it lists none, as on Arm."""
    found = re.search(r"^flags\s*:(.*)$", _read(root / "proc/cpuinfo"), re.MULTILINE)
    return found[1].strip() if found else None


def container(root: Path, environ: Mapping[str, str]) -> str | None:
    """What kind of container this is, by its manager's name; None: none that can be told."""
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if (root / "run/.containerenv").exists():
        return "podman"
    if (root / ".dockerenv").exists():
        return "docker"
    # systemd's container interface: the manager says its name here, or in PID 1's environment.
    if named := _read(root / "run/systemd/container") or environ.get("container", ""):
        return named
    marks = _read(root / "proc/1/cgroup") + _read(root / "proc/self/cgroup")
    return next((name for mark, name in _CONTAINER_MARKS if f"/{mark}" in marks), None)


def virtual_machine(root: Path, flags: str | None) -> str | None:
    """Whose virtual machine this is; None: none that can be told. `flags`: the processor's, None: it lists none."""
    flagged = "hypervisor" in (flags or "").split()
    if kind := _read(root / "sys/hypervisor/type"):
        return kind.capitalize()
    words = " ".join(_read(root / "sys/class/dmi/id" / name) for name in ("sys_vendor", "product_name", "bios_vendor"))
    # Clouds sell bare machines under the same vendor string; x86 processors tell the two apart by the flag.
    if not flagged and (".metal" in words or flags is not None):
        return None
    for mark, name in _HYPERVISORS.items():
        if mark in words.lower():
            return name
    if flagged or _read(root / "proc/device-tree/hypervisor/compatible"):
        return "unnamed hypervisor"
    return None


def described(root: Path) -> str | None:
    """`this is a virtual machine (KVM)`, `this is a container (docker)`; None where neither can be told."""
    machine = virtual_machine(root, cpu_flags(root))
    if machine is not None:
        return f"this is a virtual machine ({machine})"
    # The variables of this process are no part of a copy of another system's files.
    kind = container(root, os.environ if root == Path("/") else {})
    return None if kind is None else f"this is a container ({kind})"
