"""fp32 graph → the same graph in fp16 or bf16: weights and activations half as wide, inputs and outputs still float32.

Guarantees: casts stand at the edges only, and around what half precision would destroy: rotary angles (a position of
600 has a spacing of 0.5 in fp16) and the mean of squares in a normalisation (its square overflows fp16 at 256), which
runtimes, too, compute in float32 when they fuse it. Names, order and types of graph inputs and outputs stay.

Not aware of: the values of weights (`derived` rounds them), runtimes. bf16 convolutions exist from opset 22 on.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from npubench.build import derived, weights
from npubench.build.emit import OPSET
from npubench.build.graphs import TYPES, Rewriting, consumers, producers

Half = Literal["float16", "bfloat16"]
HALVES: dict[str, Half] = {"fp16": "float16", "bf16": "bfloat16"}

# Computed in float32 (see above), and what lies between two of them.
_KEPT = ("Pow", "ReduceMean", "Sqrt", "Div", "Cos", "Sin")
# Conv and MaxPool take bfloat16 since opset 22, everything else used here since 14 or 18.
_LATE = ("Conv", "MaxPool")
_LATE_OPSET = 22
# Inputs that stay float32 by the operator's definition: a Resize's scales.
_FLOAT_INPUTS = {"Resize": (2,)}


def halve(model: onnx.ModelProto, table: weights.Table, half: Half) -> tuple[onnx.ModelProto, weights.Table]:
    """The graph in half precision and its weight table, whose sources are the tensors of `table`."""
    late = half == "bfloat16" and any(node.op_type in _LATE for node in model.graph.node)
    return _Halving(model, table, half).run(_LATE_OPSET if late else OPSET)


class _Halving:
    """One rewriting; lives for one call of `halve`."""

    def __init__(self, model: onnx.ModelProto, table: weights.Table, half: Half) -> None:
        self._model = model
        self._half = half
        self._out = Rewriting(model, table)
        self._float = _float_tensors(model)
        self._kept = _kept_nodes(model)
        self._stored: dict[str, bool] = {item.name: False for item in model.graph.input}
        """Float tensors made so far: whether they are half."""
        self._cast: dict[tuple[str, bool], str] = {}

    def run(self, opset: int) -> tuple[onnx.ModelProto, weights.Table]:
        results = {item.name for item in self._model.graph.output}
        for node in self._model.graph.node:
            half = node.name not in self._kept
            exempt = _FLOAT_INPUTS.get(node.op_type, ())
            inputs = [
                self._read(name, half and i not in exempt) if name in self._float else name
                for i, name in enumerate(node.input)
            ]
            outputs = []
            for name in node.output:
                if name in self._float:
                    self._stored[name] = half
                outputs.append(f"{name}.half" if half and name in results and name in self._float else name)
            self._out.copy(node, inputs, outputs)
            for name, made in zip(node.output, outputs, strict=True):
                if made != name:
                    self._cast[name, True] = made
                    self._out.node("Cast", [made], f"{name}.cast", name, to=TensorProto.FLOAT)
        return self._out.finish(opset)

    def _read(self, name: str, half: bool) -> str:
        """The name under which `name` is there in the wanted width; a cast is made where it is not."""
        if (name, half) in self._cast:
            return self._cast[name, half]
        if name in self._out.shapes:
            dtype: derived.Dtype = self._half if half else "float32"
            rule = derived.Rounded(source=name)
            made = self._out.weight(f"{name}.{dtype}" if half else name, self._out.shapes[name], dtype, rule)
        elif name in self._out.constants:
            made = self._constant(name) if half else name
        elif self._stored[name] == half:
            made = name
        else:
            kind = TYPES[self._half] if half else TensorProto.FLOAT
            made = self._out.node("Cast", [name], f"{name}.to_{kind}", f"{name}.as_{kind}", to=kind)
        self._cast[name, half] = made
        return made

    def _constant(self, name: str) -> str:
        array = numpy_helper.to_array(self._out.constants[name])
        target = f"{name}.{self._half}"
        if self._half == "float16":
            return self._out.constant(target, array.astype(np.float16))
        raw = derived.bfloat16(array.astype(np.float32)).astype("<u2").tobytes()
        proto = helper.make_tensor(target, TensorProto.BFLOAT16, array.shape, raw, raw=True)
        return self._out.tensor(proto)


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    """The names of every float32 tensor."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    typed = (*inferred.input, *inferred.output, *inferred.value_info)
    found = {item.name for item in typed if item.type.tensor_type.elem_type == TensorProto.FLOAT}
    return found | {item.name for item in inferred.initializer if item.data_type == TensorProto.FLOAT}


def _kept_nodes(model: onnx.ModelProto) -> set[str]:
    """The nodes that stay in float32: `_KEPT`, casts, and what stands between such nodes only."""
    nodes = model.graph.node
    kept = {node.name for node in nodes if node.op_type in (*_KEPT, "Cast")}
    makers, readers = producers(nodes), consumers(nodes)
    results = {item.name for item in model.graph.output}
    for node in nodes:
        sources = [makers[name] for name in node.input if name in makers]
        targets = [reader for name in node.output for reader in readers.get(name, ())]
        between = bool(sources) and bool(targets) and not results.intersection(node.output)
        if between and all(other.name in kept for other in (*sources, *targets)):
            kept.add(node.name)
    return kept
