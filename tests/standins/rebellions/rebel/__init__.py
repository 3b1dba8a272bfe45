"""A stand-in of Rebellions' `rebel` 0.12, from its public documentation; computes through ONNX Runtime on the CPU.

Facts: docs.rbln.ai (Python API), rbln-model-zoo, and what optimum-rbln and vllm-rbln call. Words in
NPUBENCH_STANDIN_REBELLIONS: missing, half, major, raises, prints, nothing (no device), busy, gone, hung, compile-fails,
compile-hour, compile-crash, no-onnx, old-names (tensor_parallel_size), object-meta, null-names; `chip=NAME` is the
device's chip, `made-for=NAME` the one that compiled files say, `gone=N` and `hung=N` begin at the N-th run.
"""

import asyncio
import io
import json
import os
import sys
import threading
import time
import types
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np

_FAULTS = dict((word.partition("=")[::2]) for word in os.environ.get("NPUBENCH_STANDIN_REBELLIONS", "").split())

if "missing" in _FAULTS:
    raise ModuleNotFoundError("No module named 'rebel'", name="rebel")
if "prints" in _FAULTS:
    print("[RBLN] WARNING: driver version mismatch")  # noqa: T201
    os.write(1, b"[rbln-c] banner\n")
if "raises" in _FAULTS:
    raise RuntimeError("librbln.so: cannot open shared object file: No such file or directory")

__npubench_standin__ = "a stand-in of rebel 0.12 on ONNX Runtime's CPU"
__version__ = "2.0.0" if "major" in _FAULTS else "0.12.0"

_CHIP = _FAULTS.get("chip") or "RBLN-CA25"
_DEVICES = 0 if "nothing" in _FAULTS else 4
_INFO, _MODEL, _TORCH = "info.json", "model.onnx", "module.pt"


def device_count():
    return _DEVICES


def npu_is_available(device=0):
    return 0 <= device < _DEVICES


def get_npu_name(device=0):
    return _CHIP if npu_is_available(device) else None


class RBLNCompiledModel:
    """What a compilation gives, and what a file holds."""

    def __init__(self, path):
        try:
            with zipfile.ZipFile(path) as archive:
                self._parts = {name: archive.read(name) for name in archive.namelist()}
            self._info = json.loads(self._parts[_INFO])
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise RuntimeError(f"[RBLN] invalid compiled model: {path}") from error
        self._mode = None

    @classmethod
    def _made(cls, parts, info):
        made = cls.__new__(cls)
        made._info, made._mode = info, None
        made._parts = {**parts, _INFO: json.dumps(info).encode()}
        return made

    def save(self, path):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in self._parts.items():
                archive.writestr(zipfile.ZipInfo(name), data)

    @staticmethod
    def inspect(path):
        info = RBLNCompiledModel(path)._info
        if "object-meta" not in _FAULTS:
            return info
        ends = {side: [types.SimpleNamespace(**item) for item in info[side]] for side in ("inputs", "outputs")}
        return types.SimpleNamespace(**{**info, **ends})

    def _claim(self, mode):
        if self._mode not in (None, mode):
            raise RuntimeError("[RBLN] a compiled model cannot have a synchronous and an asynchronous runtime")
        self._mode = mode


def _compiled(parts, inputs, outputs, npu, devices):
    if "compile-hour" in _FAULTS:
        time.sleep(3600)
    if "compile-crash" in _FAULTS:
        os.abort()
    if "compile-fails" in _FAULTS:
        raise RuntimeError("[RBLN] Resize (resize_3) is not supported for RBLN-CA25")
    named = [] if "null-names" in _FAULTS else [item["name"] for item in outputs]
    info = {
        "npu": _FAULTS.get("made-for") or npu or _CHIP,
        "compiler_version": __version__,
        "inputs": inputs,
        "outputs": [{**item, "name": name} for item, name in zip(outputs, named or [None] * len(outputs), strict=True)],
        "tensor_parallel_size": devices,
        "uuid": "00000000-0000-0000-0000-000000000000",
        "alloc_per_node": [0],
    }
    return RBLNCompiledModel._made(parts, info)


def _ends(values):
    from onnx import helper

    return [
        {
            "name": item.name,
            "shape": [size.dim_value for size in item.type.tensor_type.shape.dim],
            "dtype": helper.tensor_dtype_to_np_dtype(item.type.tensor_type.elem_type).name,
        }
        for item in values
    ]


def _compile_from_onnx(model, shape, npu, devices):
    import onnx

    onnx.checker.check_model(model)
    constants = {item.name for item in model.graph.initializer}
    inputs = _ends([item for item in model.graph.input if item.name not in constants])
    if wrong := [
        item["name"] for item in inputs if list((shape or {}).get(item["name"], item["shape"])) != item["shape"]
    ]:
        raise ValueError(f"[RBLN] shape of {wrong[0]} is not static")
    outputs = _ends(onnx.shape_inference.infer_shapes(model).graph.output)
    return _compiled({_MODEL: model.SerializeToString()}, inputs, outputs, npu, devices)


def _compile_from_torch(mod, input_info, npu, devices):
    import torch

    inputs = [
        {"name": name, "shape": list(shape), "dtype": str(dtype).removeprefix("torch.")}
        for name, shape, dtype in input_info
    ]
    with torch.no_grad():
        results = mod(*(torch.zeros(item["shape"], dtype=getattr(torch, item["dtype"])) for item in inputs))
    results = results if isinstance(results, (tuple, list)) else [results]
    outputs = [
        {"name": None, "shape": list(item.shape), "dtype": str(item.dtype).removeprefix("torch.")} for item in results
    ]
    kept = io.BytesIO()
    torch.save(mod, kept)
    return _compiled({_TORCH: kept.getvalue()}, inputs, outputs, npu, devices)


# The same calls under the names of two generations, as their signatures are what callers look at.
if "old-names" in _FAULTS:

    def compile_from_torch(mod, input_info=None, npu=None, tensor_parallel_size=None):
        return _compile_from_torch(mod, input_info, npu, tensor_parallel_size or 1)

    def compile_from_onnx(model, shape=None, npu=None, tensor_parallel_size=None):
        return _compile_from_onnx(model, shape, npu, tensor_parallel_size or 1)
else:

    def compile_from_torch(mod, input_info=None, npu=None, num_devices=None):
        return _compile_from_torch(mod, input_info, npu, num_devices or 1)

    def compile_from_onnx(model, shape=None, npu=None, num_devices=None):
        return _compile_from_onnx(model, shape, npu, num_devices or 1)


if "no-onnx" in _FAULTS:
    del compile_from_onnx


class _Executor:
    """The graph on the host, and the faults of a device."""

    def __init__(self, model, device, tensor_type, timeout, mode):
        if timeout is not None and not isinstance(timeout, int):
            raise TypeError("timeout must be int")
        if tensor_type not in ("np", "pt"):
            raise ValueError(f"tensor_type {tensor_type!r}")
        if not npu_is_available(device):
            raise RuntimeError(f"[RBLN] no such device: {device}")
        if "busy" in _FAULTS:
            raise RuntimeError(f"[RBLN] device {device} is busy: a context of another process holds its memory")
        compiled = model if isinstance(model, RBLNCompiledModel) else RBLNCompiledModel(model)
        compiled._claim(mode)
        self._timeout, self._runs, self._lock = timeout, 0, threading.Lock()
        self._inputs = compiled._info["inputs"]
        if _MODEL in compiled._parts:
            import onnxruntime

            session = onnxruntime.InferenceSession(compiled._parts[_MODEL], providers=["CPUExecutionProvider"])
            names = [item.name for item in session.get_inputs()]
            self._compute = lambda arrays: session.run(None, dict(zip(names, arrays, strict=True)))
        else:
            import torch

            module = torch.load(io.BytesIO(compiled._parts[_TORCH]), weights_only=False)

            def compute(arrays):
                with torch.no_grad():
                    found = module(*(torch.from_numpy(np.array(array)) for array in arrays))
                return [item.numpy() for item in (found if isinstance(found, (tuple, list)) else [found])]

            self._compute = compute

    def __call__(self, arrays):
        with self._lock:
            self._runs += 1
            number = self._runs
        if len(arrays) != len(self._inputs):
            raise ValueError(f"[RBLN] {len(arrays)} inputs; the model has {len(self._inputs)}")
        for array, item in zip(arrays, self._inputs, strict=True):
            if list(array.shape) != item["shape"] or array.dtype.name != item["dtype"]:
                raise ValueError(f"[RBLN] input {item['name']}: {array.dtype}{list(array.shape)}")
        if "hung" in _FAULTS and number >= int(_FAULTS["hung"] or 1):
            time.sleep(self._timeout or 86_400)
            raise RuntimeError("[RBLN] timeout: the device did not answer")
        if "gone" in _FAULTS and number >= int(_FAULTS["gone"] or 1):
            raise RuntimeError("[RBLN] device lost: no such device: rbln0")
        found = self._compute(arrays)
        return found[0] if len(found) == 1 else list(found)


class Runtime:
    def __init__(self, compiled_model, device=0, tensor_type="pt", timeout=None):
        self._run = _Executor(compiled_model, device, tensor_type, timeout, "sync")

    def run(self, *inputs):
        return self._run(inputs)

    __call__ = run


class AsyncRuntime:
    def __init__(self, compiled_model, device=0, tensor_type="pt", parallel=None, timeout=None):
        if parallel not in (None, 1, 2):
            raise ValueError("parallel is 1 or 2")
        self._run = _Executor(compiled_model, device, tensor_type, timeout, "async")
        self._pool = ThreadPoolExecutor(parallel or 2)

    async def async_run(self, *inputs):
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, inputs)


if "half" in _FAULTS:
    for _name in ("Runtime", "AsyncRuntime"):
        delattr(sys.modules[__name__], _name)
