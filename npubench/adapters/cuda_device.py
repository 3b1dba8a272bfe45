"""Which GPU a CUDA device number means, as NVIDIA's driver says it.

ONNX Runtime's own CUDA and TensorRT providers name no device: they take a number. The driver's library is there
wherever they run, and reads CUDA_VISIBLE_DEVICES as they do.

Guarantees: never raises, loads nothing but the driver's library, makes no context (no memory of the device is taken).

Source: docs.nvidia.com, "CUDA Driver API": cuInit, cuDeviceGet, cuDeviceGetName, cuDeviceTotalMem_v2,
cuDeviceGetAttribute (compute capability: 75, 76), cuDeviceGetPCIBusId. Tried on an H200 (driver 580.159.04).
"""

from __future__ import annotations

import ctypes
from typing import Any

from npubench.spi import Device

LIBRARY = "libcuda.so.1"

_MAJOR, _MINOR = 75, 76
_TEXT_BYTES = 256


def cuda_device(index: int) -> Device | None:
    """The device of this number; None where the driver is not there or does not know it."""
    try:
        driver = ctypes.CDLL(LIBRARY)
        handle = ctypes.c_int()
        if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(handle), index):
            return None
        name = _text(driver.cuDeviceGetName, handle)
        if not name:
            return None
        return Device(id=str(index), type="gpu", vendor="NVIDIA", name=name, detail=_detail(driver, handle))
    except (OSError, AttributeError):
        return None


def _detail(driver: Any, handle: ctypes.c_int) -> dict[str, str]:
    found = {}
    parts = [ctypes.c_int(), ctypes.c_int()]
    kinds = (_MAJOR, _MINOR)
    if not any(
        driver.cuDeviceGetAttribute(ctypes.byref(x), kind, handle) for x, kind in zip(parts, kinds, strict=True)
    ):
        found["capability"] = f"{parts[0].value}.{parts[1].value}"
    size = ctypes.c_size_t()
    if not driver.cuDeviceTotalMem_v2(ctypes.byref(size), handle):
        found["memory_bytes"] = str(size.value)
    if bus := _text(driver.cuDeviceGetPCIBusId, handle):
        found["pci"] = bus.lower()
    return found


def _text(ask: Any, handle: ctypes.c_int) -> str:
    buffer = ctypes.create_string_buffer(_TEXT_BYTES)
    return "" if ask(buffer, _TEXT_BYTES, handle) else buffer.value.decode("utf-8", "replace").strip()
