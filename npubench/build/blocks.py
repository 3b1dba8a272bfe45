"""Language models with integer weights: fp32 decoder → the same decoder reading int8 or int4 weights.

Only weights are integers; activations stay float32. Each matrix of a MatMul becomes DequantizeLinear in front of it, as
the standard has it: `int8` with one step per output (opset 18), `int4` two values to a byte with a step for every 32
inputs of an output (blocked, opset 21), the common choice of block for four-bit weights (llama.cpp's Q4_0, ONNX
Runtime's MatMulNBits). The embedding, which is the head as well, stays float32: rounding it harms most and every
runtime that ties them would have to dequantise it twice.

Guarantees: what `graphs` guarantees. Not aware of: the values of weights (`derived`), convolutions (`quantise`).
"""

from __future__ import annotations

import onnx

from npubench.build import derived, weights
from npubench.build.emit import OPSET
from npubench.build.graphs import Rewriting

BLOCK = 32
_BLOCKED_OPSET = 21
# Eight bits: no product of integers is formed, so nothing saturates (see `quantise`).
_LIMIT = 127

WIDTHS = ("int8", "int4")


def weights_only(model: onnx.ModelProto, table: weights.Table, width: str) -> tuple[onnx.ModelProto, weights.Table]:
    """The decoder with `int8` or `int4` weights and its weight table, whose sources are the tensors of `table`."""
    out = Rewriting(model, table)
    four = width == "int4"
    for node in model.graph.node:
        inputs = list(node.input)
        for i, name in enumerate(inputs):
            if name not in out.shapes:
                continue
            if node.op_type == "MatMul" and i == 1 and len(out.shapes[name]) == 2:
                inputs[i] = _blocked(out, name) if four else _by_channel(out, name)
            else:
                out.weight(name, out.shapes[name], "float32", derived.Rounded(source=name))
        out.copy(node, inputs)
    return out.finish(_BLOCKED_OPSET if four else OPSET)


def _blocked(out: Rewriting, name: str) -> str:
    rows, columns = out.shapes[name]
    values = out.weight(f"{name}.q", (rows, columns), "int4", derived.Blocked(weight=name, block=BLOCK))
    steps = (-(-rows // BLOCK), columns)
    scale = out.weight(f"{name}.scale", steps, "float32", derived.BlockScale(weight=name, block=BLOCK))
    dequantised = f"{name}.dq"
    return out.node("DequantizeLinear", [values, scale], f"{name}.dequantise", dequantised, axis=0, block_size=BLOCK)


def _by_channel(out: Rewriting, name: str) -> str:
    shape = out.shapes[name]
    values = out.weight(f"{name}.q", shape, "int8", derived.Quantised(weight=name, axis=1, limit=_LIMIT))
    scale = out.weight(f"{name}.scale", shape[1:], "float32", derived.Scale(weight=name, axis=1, limit=_LIMIT))
    return out.node("DequantizeLinear", [values, scale], f"{name}.dequantise", f"{name}.dq", axis=1)
