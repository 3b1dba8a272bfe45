"""The SDK of the Hanbit HB-1, an NPU that does not exist, in the style of those that do.

A model is compiled to a file (`.hbm`), loaded for an integer handle, run on positional arrays, and closed. Errors
carry numbers; importing raises RuntimeError where the compute library is missing. No HB-1 is in any machine, so
devices are there only with HANBIT_VIRTUAL=1: then the NPU's part of a model really runs, on the host, and the device
says that it is virtual. HANBIT_INJECT=busy:N refuses every Nth request, as a full queue does.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

try:
    import onnxruntime as _library
except ImportError as _error:
    # What real SDKs do where their shared library or driver is missing.
    raise RuntimeError(f"hanbit_sdk: the compute library cannot be loaded: {_error}") from _error

from hanbit_sdk import _device
from hanbit_sdk._compiler import (
    BAD_ARGUMENT,
    BUSY,
    NO_DEVICE,
    HanbitError,
    NotCompilableError,
    compile_model,
    read_model,
)

__version__ = "1.4.2"
__all__ = [
    "BUSY",
    "HanbitError",
    "NotCompilableError",
    "close",
    "compile_model",
    "device_count",
    "device_info",
    "load",
    "run",
    "segments",
    "snapshot",
    "tensors",
    "timers",
]

_models: dict[int, _Model] = {}
_handles = itertools.count(1)
_lock = threading.Lock()


def device_count() -> int:
    """Devices in this machine."""
    return 1 if os.environ.get("HANBIT_VIRTUAL") == "1" else 0


def device_info(device: int) -> dict[str, Any]:
    """Name, serial number, firmware, number of cores, and whether the device is virtual."""
    _there(device)
    return {"name": "HB-1", "serial": "HB1-VIRT-0000", "firmware": "0.9.1", "cores": 4, "virtual": True}


def snapshot(device: int) -> dict[str, str]:
    """Counters and state as the vendor's tool prints them: text with units."""
    _there(device)
    return _device.Registers().snapshot()


def load(path: str, device: int = 0, cores: int = 1) -> int:
    """Loads a compiled model; returns its handle."""
    _there(device)
    if not 1 <= cores <= device_info(device)["cores"]:
        raise HanbitError(BAD_ARGUMENT, f"cores={cores}; the HB-1 has 1 to 4")
    model = _Model(path, cores)
    with _lock:
        handle = next(_handles)
        _models[handle] = model
    return handle


def tensors(handle: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Inputs and outputs: name, dtype, shape."""
    model = _of(handle)
    return model.manifest["inputs"], model.manifest["outputs"]


def run(handle: int, arrays: Sequence[Any]) -> list[Any]:
    """Runs a model on host arrays in the order of its inputs; blocks until the outputs are on the host."""
    return _of(handle).run(arrays)


def segments(handle: int) -> list[dict[str, Any]]:
    """What the compiler cut the graph into: target (npu or host) and the nodes (name, op, domain) of each."""
    return list(_of(handle).manifest["segments"])


def timers(handle: int) -> list[dict[str, Any]]:
    """Calls, time and shapes of each segment since the model was loaded."""
    return [dict(timer) for timer in _of(handle).timers]


def close(handle: int) -> None:
    """Unloads a model."""
    with _lock:
        if _models.pop(handle, None) is None:
            raise HanbitError(BAD_ARGUMENT, f"no model has the handle {handle}")


def _there(device: int) -> None:
    if not 0 <= device < device_count():
        raise HanbitError(NO_DEVICE, f"no device {device}: {device_count()} HB-1 found")


def _of(handle: int) -> _Model:
    try:
        return _models[handle]
    except KeyError:
        raise HanbitError(BAD_ARGUMENT, f"no model has the handle {handle}") from None


class _Model:
    """A loaded model: its segments, each a session of the compute library that stands for the silicon."""

    def __init__(self, path: str, cores: int) -> None:
        self.manifest, graphs = read_model(path)
        self._sessions = []
        for segment, graph in zip(self.manifest["segments"], graphs, strict=True):
            settings = _library.SessionOptions()
            settings.intra_op_num_threads = cores if segment["target"] == "npu" else 1
            settings.inter_op_num_threads = 1
            settings.log_severity_level = 3
            self._sessions.append(_library.InferenceSession(graph, settings, providers=["CPUExecutionProvider"]))
        self.timers: list[dict[str, Any]] = [{"calls": 0, "ns": 0, "inputs": [], "outputs": []} for _ in self._sessions]
        self._registers = _device.Registers()
        self._refuse = int(os.environ.get("HANBIT_INJECT", "").partition("busy:")[2] or 0)
        self._requests = itertools.count(1)

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        wanted = self.manifest["inputs"]
        if len(arrays) != len(wanted):
            raise HanbitError(BAD_ARGUMENT, f"{len(arrays)} inputs; this model takes {len(wanted)}")
        for array, tensor in zip(arrays, wanted, strict=True):
            if list(array.shape) != tensor["shape"] or array.dtype != np.dtype(tensor["dtype"]):
                found = f"{array.dtype} {list(array.shape)}"
                raise HanbitError(
                    BAD_ARGUMENT, f"{tensor['name']}: {found}; expected {tensor['dtype']} {tensor['shape']}"
                )
        if self._refuse and next(self._requests) % self._refuse == 0:
            raise HanbitError(BUSY, "the queue is full")
        values = {tensor["name"]: array for tensor, array in zip(wanted, arrays, strict=True)}
        for segment, session, timer in zip(self.manifest["segments"], self._sessions, self.timers, strict=True):
            feeds = {name: values[name] for name in segment["inputs"]}
            start = time.perf_counter_ns()
            found = session.run(segment["outputs"], feeds)
            spent = time.perf_counter_ns() - start
            if segment["target"] == "npu":
                self._registers.worked(spent)
            timer["calls"] += 1
            timer["ns"] += spent
            timer["inputs"] = [tuple(value.shape) for value in feeds.values()]
            timer["outputs"] = [tuple(value.shape) for value in found]
            values.update(zip(segment["outputs"], found, strict=True))
        return [values[tensor["name"]] for tensor in self.manifest["outputs"]]
