"""The small graphs that a backend's contract is checked with, and the right answers to them.

Each is written as `<name>.onnx` with `<name>.npz` beside it: `input:<name>` and `output:<name>` hold several requests
along a first axis. Two forms: `fp32`, and `int8` in QDQ (uint8, scale 1/64) for backends that take no floats. Opset 17
and IR version 8, which every runtime of the last years reads. Right answers come from numpy in double precision.
Runs in a child, as a verb; not aware of: what is asked of the backend (`engine.contract`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from npubench.spi import Array

OPSET, IR_VERSION = 17, 8
REQUESTS = 8
# Values of all graphs lie well within ±2; a step of 1/64 is exact in binary.
SCALE, ZERO = 1 / 64, 128

DTYPES = tuple("float32 float16 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split())  # noqa: SIM905

Shape = Sequence[int | str]


class _Graph:
    """Collects nodes and initializers; `quantised` puts QuantizeLinear and DequantizeLinear behind every float."""

    def __init__(self, quantised: bool) -> None:
        self._quantised = quantised
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        if quantised:
            self._constant("scale", np.array(SCALE, np.float32))
            self._constant("zero", np.array(ZERO, np.uint8))

    def _constant(self, name: str, value: Array) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def _add(self, kind: str, inputs: Sequence[str], output: str) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=f"{kind}_{output}"))
        return output

    def rounded(self, name: str, output: str | None = None) -> str:
        """`name` after quantisation and back; `name` itself in floats."""
        if not self._quantised:
            return name
        self._add("QuantizeLinear", (name, "scale", "zero"), f"{name}_q")
        return self._add("DequantizeLinear", (f"{name}_q", "scale", "zero"), output or f"{name}_dq")

    def weights(self, name: str, value: Array) -> str:
        """A constant, quantised where the graph is."""
        if not self._quantised:
            return self._constant(name, value.astype(np.float32))
        stored = np.clip(np.rint(value / SCALE) + ZERO, 0, 255).astype(np.uint8)
        self._constant(f"{name}_q", stored)
        return self._add("DequantizeLinear", (f"{name}_q", "scale", "zero"), name)

    def step(self, kind: str, inputs: Sequence[str], output: str, last: bool = False) -> str:
        """One operator; the `last` writes the graph's output."""
        if not self._quantised:
            return self._add(kind, inputs, output)
        made = self._add(kind, inputs, f"{output}_raw")
        return self.rounded(made, output if last else None)


def write(folder: Path, form: str) -> None:
    """Every graph of one form, `fp32` or `int8`, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    quantised = form == "int8"
    random = np.random.Generator(np.random.PCG64(20261125))
    # On the grid of the quantised form, which then rounds inputs and results only.
    weights, bias = random.integers(-16, 17, (16, 8)) * SCALE, random.integers(-16, 17, 8) * SCALE
    x = random.uniform(-1, 1, (REQUESTS, 1, 16)).astype(np.float32)
    for name, batch in (("dense", 1), ("dense-batch", "n")):
        graph = _Graph(quantised)
        product = graph.step("MatMul", (graph.rounded("x"), graph.weights("w", weights)), "product")
        total = graph.step("Add", (product, graph.weights("b", bias)), "total")
        graph.step("Relu", (total,), "y", last=True)
        answer = np.maximum(x.astype(np.float64) @ weights + bias, 0)
        _save(folder, name, graph, {"x": (batch, 16)}, {"y": (batch, 8)}, {"x": x}, {"y": answer})
    a, b = (random.uniform(-0.9, 0.9, (REQUESTS, 2, 3)).astype(np.float32) for _ in range(2))
    graph = _Graph(quantised)
    left, right = graph.rounded("a"), graph.rounded("b")
    graph.step("Add", (left, right), "total", last=True)
    graph.step("Sub", (left, right), "difference", last=True)
    shapes: dict[str, Shape] = {"total": (2, 3), "difference": (2, 3)}
    sums = {"total": a.astype(np.float64) + b, "difference": a.astype(np.float64) - b}
    _save(folder, "pair", graph, {"a": (2, 3), "b": (2, 3)}, shapes, {"a": a, "b": b}, sums)
    for rank in range(6):
        shape = (2, 3, 4, 2, 3)[:rank]
        values = random.uniform(-0.9, 0.9, (2, *shape)).astype(np.float32)
        graph = _Graph(quantised)
        fed = graph.rounded("x")
        graph.step("Add", (fed, fed), "y", last=True)
        _save(folder, f"rank-{rank}", graph, {"x": shape}, {"y": shape}, {"x": values}, {"y": 2.0 * values})
    values = random.uniform(-0.9, 0.9, (2, 1, 4, 64, 64)).astype(np.float32)
    graph = _Graph(quantised)
    graph.step("Relu", (graph.rounded("x"),), "y", last=True)
    wide: Shape = (1, 4, 64, 64)
    _save(folder, "wide", graph, {"x": wide}, {"y": wide}, {"x": values}, {"y": np.maximum(values, 0)})
    for dtype in DTYPES:
        _save_concat(folder, dtype)


def _save_concat(folder: Path, dtype: str) -> None:
    """y = x after x, which has a kernel for every type and changes no value."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    x = (np.arange(12).reshape(2, 2, 3) % (2 if dtype == "bool" else 12)).astype(dtype)
    node = helper.make_node("Concat", ["x", "x"], ["y"], axis=0, name="Concat_y")
    inputs = [helper.make_tensor_value_info("x", kind, (2, 3))]
    outputs = [helper.make_tensor_value_info("y", kind, (4, 3))]
    _write(folder, f"type-{dtype}", helper.make_graph([node], dtype, inputs, outputs))
    arrays: dict[str, Any] = {"input:x": x, "output:y": np.concatenate((x, x), axis=1)}
    np.savez(folder / f"type-{dtype}.npz", **arrays)


def _save(
    folder: Path,
    name: str,
    graph: _Graph,
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    fed: Mapping[str, Array],
    answers: Mapping[str, Array],
) -> None:
    def infos(shapes: Mapping[str, Shape]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in shapes.items()]

    made = helper.make_graph(graph.nodes, name, infos(inputs), infos(outputs), graph.constants)
    _write(folder, name, made)
    arrays: dict[str, Any] = {f"input:{key}": value for key, value in fed.items()}
    arrays |= {f"output:{key}": value.astype(np.float32) for key, value in answers.items()}
    np.savez(folder / f"{name}.npz", **arrays)


def _write(folder: Path, name: str, graph: onnx.GraphProto) -> None:
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, producer_name="npubench", ir_version=IR_VERSION, opset_imports=[opset])
    onnx.checker.check_model(model, full_check=True)
    (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
