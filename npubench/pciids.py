"""Which PCI functions are accelerators: by class, and by maker where the class says something else.

Not aware of: sysfs (`engine.pci`, `meters.hwmon`), whether a device works.
"""

from __future__ import annotations

import msgspec


class Vendor(msgspec.Struct, frozen=True):
    """A maker of accelerators. `devices` None: its every function that is not auxiliary is an accelerator."""

    name: str
    devices: tuple[int, ...] | None = ()


# Accelerators of vendors that also make other things are known by class (12h, 03h) or, where it says nothing, by id.
# Sources: pci.ids; Linux drivers qaic (17cb), habanalabs (1da3), amdxdna (1022), apex (1ac1); hailort-drivers (1e60);
# tt-kmd (1e52); FuriosaAI's Kubernetes guide, "pci-1ed2.present" (1ed2); RBLN feature discovery (1eff); DEEPX's lspci
# lines in board makers' manuals (1ff4); mblt-tracker (209f).
VENDORS: dict[int, Vendor] = {
    0x1002: Vendor("AMD"),
    0x1022: Vendor("AMD", (0x1502, 0x17F0)),
    0x10DE: Vendor("NVIDIA"),
    0x17CB: Vendor("Qualcomm", (0xA080, 0xA100, 0xA110)),
    0x19E5: Vendor("Huawei"),
    0x1AC1: Vendor("Google", (0x089A,)),
    0x1DA3: Vendor("Habana", None),
    0x1E52: Vendor("Tenstorrent", None),
    0x1E60: Vendor("Hailo", None),
    0x1ED2: Vendor("FuriosaAI", None),
    0x1EFF: Vendor("Rebellions", None),
    0x1FF4: Vendor("DEEPX", None),
    0x209F: Vendor("Mobilint", None),
    0x8086: Vendor("Intel"),
}

# Makers of display chips that compute nothing: board-management and emulated graphics (pci.ids: ASPEED, Matrox, Cirrus,
# QEMU, Red Hat virtio, Red Hat QXL, VMware, VirtualBox, Silicon Motion, Huawei Hi171x, Microsoft Hyper-V).
_PLAIN_DISPLAYS = frozenset({0x1A03, 0x102B, 0x1013, 0x1234, 0x1AF4, 0x1B36, 0x15AD, 0x80EE, 0x126F, 0x19E5, 0x1414})

_ACCELERATOR, _DISPLAY, _BRIDGE, _MULTIMEDIA = 0x12, 0x03, 0x06, 0x04


def kind_of(vendor: int, device: int, class_code: int) -> str | None:
    """`gpu`, `npu` or None (no accelerator) for a PCI function. `class_code` is the 24-bit code of sysfs."""
    base = class_code >> 16
    known = VENDORS.get(vendor)
    if base == _ACCELERATOR:
        # Subclass 01h is a data mover (SDXI), not a processor of anything (pci.ids, class list).
        if (class_code >> 8) & 0xFF == 0x01:
            return None
        return "gpu" if vendor in (0x10DE, 0x1002) else "npu"
    if base == _DISPLAY:
        return None if vendor in _PLAIN_DISPLAYS else "gpu"
    if known is None or base in (_BRIDGE, _MULTIMEDIA):
        return None
    return "npu" if known.devices is None or device in known.devices else None
