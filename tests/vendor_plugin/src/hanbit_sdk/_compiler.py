"""Cuts an ONNX graph into pieces for the NPU and pieces for the host, and writes them into one `.hbm` file.

The HB-1 takes fixed shapes only, and has no engine for `Resize` nor for anything else that is not listed here: that is
left to the host, and the file says so node by node.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from typing import Any

import onnx
from onnx import helper

_OPS = """
Add AveragePool BatchNormalization Clip Concat Constant Conv ConvTranspose DequantizeLinear Div Erf Flatten
Gather Gelu Gemm GlobalAveragePool HardSigmoid HardSwish LayerNormalization LeakyRelu MatMul Max MaxPool Min Mul
Neg Pad Pow QuantizeLinear ReduceMean Relu Reshape Sigmoid Slice Softmax Split Sqrt Squeeze Sub Tanh Transpose
Unsqueeze
"""
_NPU_OPS = frozenset(_OPS.split())
BAD_ARGUMENT, NO_DEVICE, BAD_FILE, BUSY, NOT_COMPILABLE = 1, 2, 3, 11, 20
_FORMAT = 1
_MANIFEST = "manifest.json"


class HanbitError(RuntimeError):
    """What every call of the SDK raises, with the number of the error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"HB-{code:02d}: {message}")
        self.code = code


class NotCompilableError(HanbitError):
    """The compiler does not take this graph."""

    def __init__(self, message: str) -> None:
        super().__init__(NOT_COMPILABLE, message)


def compile_model(source: str, target: str) -> None:
    """Compiles the ONNX file `source` into the `.hbm` file `target`. Raises NotCompilableError."""
    model = onnx.shape_inference.infer_shapes(onnx.load(source), data_prop=True)
    graph = model.graph
    if not graph.output:
        raise HanbitError(BAD_FILE, f"{source}: no graph in it")
    if any(attribute.type == onnx.AttributeProto.GRAPH for node in graph.node for attribute in node.attribute):
        raise NotCompilableError("control flow (If, Loop, Scan)")
    constants = {item.name for item in graph.initializer}
    inputs = [item for item in graph.input if item.name not in constants]
    types = {item.name: item for item in (*graph.value_info, *graph.input, *graph.output)}
    manifest: dict[str, Any] = {
        "format": _FORMAT,
        "inputs": [_tensor(item) for item in inputs],
        "outputs": [_tensor(item, computed=True) for item in graph.output],
        "segments": [],
    }
    groups = _groups(graph.node)
    with zipfile.ZipFile(target, "w") as archive:
        for index, (placed, nodes) in enumerate(groups):
            later = [name for _, others in groups[index + 1 :] for node in others for name in node.input]
            piece = _piece(model, nodes, constants, types, {*later, *(item.name for item in graph.output)})
            manifest["segments"].append(
                {
                    "target": placed,
                    "inputs": [item.name for item in piece.graph.input],
                    "outputs": [item.name for item in piece.graph.output],
                    "nodes": [[node.name or node.output[0], node.op_type, node.domain] for node in nodes],
                }
            )
            archive.writestr(f"segment-{index}.onnx", piece.SerializeToString())
        archive.writestr(_MANIFEST, json.dumps(manifest))


def read_model(path: str) -> tuple[dict[str, Any], list[bytes]]:
    """The manifest and the segments' graphs of a compiled file."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(_MANIFEST))
            graphs = [archive.read(f"segment-{index}.onnx") for index in range(len(manifest["segments"]))]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise HanbitError(BAD_FILE, f"{path}: not a compiled model: {error}") from error
    if manifest.get("format") != _FORMAT:
        raise HanbitError(BAD_FILE, f"{path}: format {manifest.get('format')}; this SDK reads {_FORMAT}")
    return manifest, graphs


def _tensor(value: Any, *, computed: bool = False) -> dict[str, Any]:
    """Name, dtype and shape. A dimension of an output that inference leaves open is named after it."""
    tensor = value.type.tensor_type
    shape: list[int | str] = [
        dimension.dim_value if dimension.HasField("dim_value") else dimension.dim_param or f"{value.name}_{index}"
        for index, dimension in enumerate(tensor.shape.dim)
    ]
    if not computed and (free := [str(size) for size in shape if isinstance(size, str)]):
        raise NotCompilableError(
            f"input {value.name} has open dimensions ({', '.join(free)}); the HB-1 takes fixed shapes"
        )
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    return {"name": value.name, "dtype": dtype.name, "shape": shape}


def _groups(nodes: Sequence[Any]) -> list[tuple[str, list[Any]]]:
    """Runs of nodes, in the graph's own (topological) order, that go to the same place."""
    groups: list[tuple[str, list[Any]]] = []
    for node in nodes:
        target = "npu" if node.op_type in _NPU_OPS and node.domain in ("", "ai.onnx") else "host"
        if not groups or groups[-1][0] != target:
            groups.append((target, []))
        groups[-1][1].append(node)
    return groups


def _piece(model: Any, nodes: Sequence[Any], constants: set[str], types: dict[str, Any], wanted: set[str]) -> Any:
    """The nodes as a model of their own; its outputs are those of its values that are `wanted` elsewhere."""
    made = {name for node in nodes for name in node.output if name}
    used = dict.fromkeys(name for node in nodes for name in node.input if name)
    try:
        inputs = [types[name] for name in used if name not in made and name not in constants]
        outputs = [types[name] for name in sorted(made & wanted)]
    except KeyError as error:
        raise NotCompilableError(f"the type of {error.args[0]!r} cannot be inferred") from error
    kept = [item for item in model.graph.initializer if item.name in used]
    graph = helper.make_graph(nodes, "segment", inputs, outputs, kept)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
