"""Small ONNX files that tests of the ONNX Runtime adapter make, with names on every node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from npubench.spi import Artifact

value = helper.make_tensor_value_info
node = helper.make_node


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    weights: dict[str, np.ndarray] | None = None,
) -> Artifact:
    """The graph as an artefact."""
    kept = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, kept)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return Artifact(role="model", path=str(path), sha256="")


def perceptron(path: Path, *, foreign: bool = False, second: int = TensorProto.FLOAT) -> Artifact:
    """x [1, 64] → MatMul → Relu → MatMul → y, 8192 MACs.

    `foreign`: with `com.microsoft.SampleOp` (the identity, on the CPU only) between. `second`: the type of the second
    product, between Casts: 4096 MACs go where this type is computed.
    """
    random = np.random.default_rng(1)
    w = random.standard_normal((64, 64)).astype("float32") / 8
    kind = helper.tensor_dtype_to_np_dtype(second)
    nodes = [node("MatMul", ["x", "w0"], ["a"], "first"), node("Relu", ["a"], ["b"], "relu")]
    last = "b"
    if foreign:
        nodes.append(node("SampleOp", [last], ["s"], "sample", domain="com.microsoft"))
        last = "s"
    if second == TensorProto.FLOAT:
        nodes.append(node("MatMul", [last, "w1"], ["y"], "second"))
    else:
        nodes += [
            node("Cast", [last], ["cast"], "there", to=second),
            node("MatMul", ["cast", "w1"], ["product"], "second"),
            node("Cast", ["product"], ["y"], "back", to=TensorProto.FLOAT),
        ]
    ends = [value("x", TensorProto.FLOAT, [1, 64])], [value("y", TensorProto.FLOAT, [1, 64])]
    return save(path, nodes, *ends, {"w0": w, "w1": (w.T * 8).astype(kind)})


def branches(path: Path) -> Artifact:
    """x [n, 256] → If (always the first branch: product, Relu) → Loop of three products → y."""
    w = np.full((256, 256), 1 / 256, dtype="float32")
    out = value("t", TensorProto.FLOAT, ["n", 256])
    then = helper.make_graph(
        [node("MatMul", ["x", "w"], ["t0"], "then_product"), node("Relu", ["t0"], ["t"], "then_relu")],
        "then",
        [],
        [out],
    )
    otherwise = helper.make_graph(
        [node("Neg", ["x"], ["e"], "else_neg")], "else", [], [value("e", TensorProto.FLOAT, ["n", 256])]
    )
    body = helper.make_graph(
        [node("MatMul", ["s", "w"], ["s2"], "body_product"), node("Identity", ["c"], ["c2"], "body_condition")],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("c", TensorProto.BOOL, []),
            value("s", TensorProto.FLOAT, ["n", 256]),
        ],
        [value("c2", TensorProto.BOOL, []), value("s2", TensorProto.FLOAT, ["n", 256])],
    )
    nodes = [
        node("ReduceSum", ["x"], ["sum"], "sum", keepdims=0),
        node("GreaterOrEqual", ["sum", "zero"], ["condition"], "compare"),
        node("If", ["condition"], ["q"], "branch", then_branch=then, else_branch=otherwise),
        node("Loop", ["trips", "", "q"], ["y"], "loop", body=body),
    ]
    weights = {"w": w, "zero": np.array(0, dtype="float32"), "trips": np.array(3, dtype="int64")}
    ends = [value("x", TensorProto.FLOAT, ["n", 256])], [value("y", TensorProto.FLOAT, ["n", 256])]
    return save(path, nodes, *ends, weights)


def endless(path: Path) -> Artifact:
    """x [64, 64] → a product, again and again for hours → y."""
    body = helper.make_graph(
        [node("MatMul", ["s", "w"], ["s2"], "body_product"), node("Identity", ["c"], ["c2"], "body_condition")],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("c", TensorProto.BOOL, []),
            value("s", TensorProto.FLOAT, [64, 64]),
        ],
        [value("c2", TensorProto.BOOL, []), value("s2", TensorProto.FLOAT, [64, 64])],
    )
    weights = {"w": np.full((64, 64), 1 / 64, dtype="float32"), "trips": np.array(1 << 40, dtype="int64")}
    ends = [value("x", TensorProto.FLOAT, [64, 64])], [value("y", TensorProto.FLOAT, [64, 64])]
    return save(path, [node("Loop", ["trips", "", "x"], ["y"], "loop", body=body)], *ends, weights)
