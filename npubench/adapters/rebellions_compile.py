"""One compilation by `rebel`, in the compiler's own process. Not verified on hardware.

Two ways: `compile_from_onnx`, which no official document shows and which others were seen to use, where this SDK has
it; else the graph is read by our own importer and goes through the documented `compile_from_torch`. Which way ran, and
the signatures that were found, are among the facts; how tensor parallelism is called depends on the version and is
looked up there (`num_devices`, formerly `tensor_parallel_size`).

Sources: docs.rbln.ai (Python API of 0.12), rbln-model-zoo, optimum-rbln 0.12.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from npubench.adapters import rebellions
from npubench.errors import UnsupportedError

Ends = Sequence[Sequence[Any]]


def compile_model(path: str, chip: str, devices: int, inputs: Ends, outputs: Ends, folder: Path) -> dict[str, str]:
    """Writes the compiled file into `folder` and returns the facts. Raises what the compiler raises."""
    sdk = rebellions.sdk()
    rebel = sdk.module
    facts = {"rebel": sdk.label, "inputs": json.dumps(inputs), "outputs": json.dumps(outputs)}
    from_onnx = getattr(rebel, "compile_from_onnx", None)
    if callable(from_onnx):
        import onnx

        arguments = _accepted(from_onnx, {"shape": {name: list(shape) for name, shape, _ in inputs}}, chip, devices)
        facts |= {"route": "compile_from_onnx", "signature": _signature(from_onnx)}
        compiled = from_onnx(onnx.load(path), **arguments)
    else:
        compiled = _from_torch(rebel, path, chip, devices, inputs)
        facts |= {"route": "compile_from_torch", "signature": _signature(rebel.compile_from_torch)}
    target = folder / rebellions.FILE
    compiled.save(str(target))
    return facts | {"npu": str(told(rebel.RBLNCompiledModel.inspect(str(target)), "npu") or "")}


def _from_torch(rebel: Any, path: str, chip: str, devices: int, inputs: Ends) -> Any:
    try:
        import torch

        from npubench.adapters import torch_import
    except ImportError as error:
        raise UnsupportedError(
            f"this rebel has no compile_from_onnx, and compile_from_torch needs torch and onnx beside it: {error}"
        ) from error
    module = torch_import.read(path, "cpu").module
    info = [(name, list(shape), getattr(torch, dtype)) for name, shape, dtype in inputs]
    return rebel.compile_from_torch(module, info, **_accepted(rebel.compile_from_torch, {}, chip, devices))


def _accepted(function: Callable[..., Any], own: Mapping[str, Any], chip: str, devices: int) -> dict[str, Any]:
    """The keyword arguments that this version knows. Raises UnsupportedError where it cannot be told the devices."""
    names, open_ended = _parameters(function)
    # Some versions take anything and pass it on: then the newest names are the documented ones.
    found = {name: value for name, value in own.items() if name in names or open_ended}
    if "npu" in names or open_ended:
        found["npu"] = chip
    if devices > 1:
        name = next((item for item in ("num_devices", "tensor_parallel_size") if item in names), None)
        if name is None and open_ended:
            name = "num_devices"
        if name is None:
            raise UnsupportedError(
                f"this rebel cannot be told to compile for {devices} devices: {_signature(function)}"
            )
        found[name] = devices
    return found


def _parameters(function: Callable[..., Any]) -> tuple[frozenset[str], bool]:
    """The names that a function takes, and whether it takes any others."""
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a C function without a signature
        return frozenset(), True
    return frozenset(found), any(item.kind is item.VAR_KEYWORD for item in found.values())


def _signature(function: Callable[..., Any]) -> str:
    try:
        return f"{getattr(function, '__name__', '?')}{inspect.signature(function)}"[:300]
    except (TypeError, ValueError):
        return f"{getattr(function, '__name__', '?')}(?)"


def told(meta: Any, key: str) -> Any:
    """`key` of what `RBLNCompiledModel.inspect` returned: a mapping in some versions, an object in others."""
    return meta.get(key) if isinstance(meta, Mapping) else getattr(meta, key, None)
