"""fp32 graph + activation ranges → QDQ graph: integers on both sides of every convolution, in standard operators.

Each tensor that a convolution, addition, concatenation, pooling or resizing reads becomes QuantizeLinear →
DequantizeLinear, after its ReLU where it has one, so that a compiler sees conv + ReLU + quantise as one operation.
MaxPool and nearest Resize give back values they were given, and so the scale of their input. Weights are int8 per
output channel, biases int32 in units of input scale · weight scale. A head (a graph output, through layout operators
or not) is quantised with a scale of its own, so that an NPU needs no float convolution at the end; raw heads of one
network never share one.

Guarantees: scales depend on the ranges by single float32 operations, so the same ranges give the same graph and the
same table of weights everywhere; graph inputs and outputs keep names, types and order.

Weights of `int8` and `s8s8` use seven bits, ±64. On x86 without VNNI, products are added in pairs with saturation to
int16 (`vpmaddubsw`): 2·255·127 overflows, silently, and 2·255·64 = 32640 does not. Measured with ONNX Runtime 1.32 on
such a CPU (AVX2): with eight bits a convolution of large values is wrong by its own magnitude, and the logits of the
s8s8 networks, whose activations it shifts to unsigned, fall from 13–22 dB to 5 dB; with seven bits both are right. It
is what `reduce_range` of ONNX Runtime's quantiser does. An int8 that is honest must be right on every machine.

Not aware of: where ranges come from (`ranges`), files, language models (`blocks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import onnx

from npubench.build import derived, weights
from npubench.build.graphs import Rewriting, consumers, producers
from npubench.build.ranges import Range
from npubench.errors import DataError
from npubench.lang import here

# Operators that read quantised tensors. What else there is (layout operators at the heads) stays in float.
_READERS = ("Conv", "Add", "Concat", "MaxPool", "Resize")
# Their outputs are values of their input.
_SELECTING = ("MaxPool", "Resize")


class Scheme(msgspec.Struct, frozen=True, kw_only=True):
    """How activations and weights are quantised. `symmetric`: zero point 0; `limit`: of the weights' integers."""

    activations: Literal["uint8", "int8", "uint16"]
    symmetric: bool
    limit: int
    opset: int


SCHEMES: dict[str, Scheme] = {
    "int8": Scheme(activations="uint8", symmetric=False, limit=64, opset=18),
    # Zero points of 0: TensorRT takes no others (TensorRT developer guide, "Explicit quantization").
    "s8s8": Scheme(activations="int8", symmetric=True, limit=64, opset=18),
    # QuantizeLinear has uint16 since opset 21. No kernel multiplies u16 by s8 in pairs of int16: eight bits are safe.
    "a16w8": Scheme(activations="uint16", symmetric=False, limit=127, opset=21),
}


class Step(msgspec.Struct, frozen=True):
    """Scale and zero point of one activation."""

    scale: float
    zero_point: int


def step_of(found: Range, scheme: Scheme) -> Step:
    """The grid that covers a range and has 0 on it. Single float32 operations."""
    low, high = np.float32(min(found.low, 0.0)), np.float32(max(found.high, 0.0))
    levels = np.iinfo(scheme.activations)
    if scheme.symmetric:
        span, steps = max(-low, high), levels.max
    else:
        span, steps = high - low, levels.max - levels.min
    scale = np.float32(span) / np.float32(steps)
    if scale < np.finfo(np.float32).tiny:
        scale = np.float32(1)
    zero = 0 if scheme.symmetric else int(np.clip(levels.min - np.rint(low / scale), levels.min, levels.max))
    return Step(float(scale), zero)


def observed(model: onnx.ModelProto) -> list[str]:
    """The activations whose ranges `quantise` needs, in the order of the graph."""
    makers = producers(model.graph.node)
    return [name for name in _points(model) if name not in makers or makers[name].op_type not in _SELECTING]


def quantise(
    model: onnx.ModelProto, table: weights.Table, ranges: Mapping[str, Range], scheme: Scheme
) -> tuple[onnx.ModelProto, weights.Table]:
    """The QDQ graph and its weight table, whose sources are the tensors of `table`.

    Raises DataError when a range is missing.
    """
    if missing := [name for name in observed(model) if name not in ranges]:
        listed = ", ".join(missing[:3]) + (f" (+{len(missing) - 3})" if len(missing) > 3 else "")
        raise DataError(
            here(
                f"{model.graph.name}: no activation range for {listed}",
                f"{model.graph.name}: 활성값 범위 없음: {listed}",
            ),
            hint=here("collect the ranges again with this graph", "이 그래프로 범위를 다시 수집하십시오"),
        )
    return _Quantising(model, table, ranges, scheme).run()


def _points(model: onnx.ModelProto) -> list[str]:
    """The activations that are quantised: graph inputs first, then in the order of the nodes.

    What a ReLU alone reads is not among them: it is quantised after the ReLU.
    """
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    readers = consumers(graph.node)
    heads = _heads(model)

    def wanted(name: str) -> bool:
        if name in heads:
            return True
        read = [node for node in readers.get(name, ()) if node.op_type in _READERS]
        return bool(read) and name not in constants

    made = [name for node in graph.node for name in node.output]
    return [name for name in (*(item.name for item in graph.input), *made) if wanted(name)]


def _heads(model: onnx.ModelProto) -> set[str]:
    """The outputs of the last convolutions: graph outputs, looked at through layout operators."""
    makers = producers(model.graph.node)
    found = set()
    for output in model.graph.output:
        name = output.name
        while name in makers and makers[name].op_type in ("Squeeze", "Transpose", "Reshape"):
            name = makers[name].input[0]
        if name in makers and makers[name].op_type in (*_READERS, "Relu"):
            found.add(name)
    return found


class _Quantising:
    """One rewriting; lives for one call of `quantise`."""

    def __init__(
        self, model: onnx.ModelProto, table: weights.Table, ranges: Mapping[str, Range], scheme: Scheme
    ) -> None:
        self._out = Rewriting(model, table)
        self._model = model
        self._scheme = scheme
        self._ranges = ranges
        self._points = set(_points(model))
        self._steps: dict[str, Step] = {}
        self._grids: dict[str, tuple[str, str]] = {}
        self._reads: dict[str, str] = {}
        self._outputs = {output.name for output in model.graph.output}

    def run(self) -> tuple[onnx.ModelProto, weights.Table]:
        for item in self._model.graph.input:
            self._after(item.name, item.name)
        for node in self._model.graph.node:
            inputs = [self._reads.get(name, name) for name in node.input]
            if node.op_type == "Conv":
                inputs[1:] = self._parameters(node)
            # A quantised graph output keeps its name on the dequantised side.
            outputs = [
                f"{name}.float" if name in self._points and name in self._outputs else name for name in node.output
            ]
            self._out.copy(node, inputs, outputs)
            for name, raw in zip(node.output, outputs, strict=True):
                if name in self._points and node.op_type in _SELECTING:
                    self._steps[name] = self._steps[node.input[0]]
                    self._grids[name] = self._grids[node.input[0]]
                self._after(name, raw)
        return self._out.finish(self._scheme.opset)

    def _after(self, name: str, raw: str) -> None:
        """Q and DQ behind a tensor, if it is to be quantised; from then on the dequantised one is read."""
        if name not in self._points:
            return
        if name not in self._grids:
            step = step_of(self._ranges[name], self._scheme)
            zero = np.array(step.zero_point, self._scheme.activations)
            self._steps[name] = step
            self._grids[name] = (
                self._out.constant(f"{name}.scale", np.float32(step.scale)),
                self._out.constant(f"{name}.zero_point", zero),
            )
        grid = self._grids[name]
        q = self._out.node("QuantizeLinear", [raw, *grid], f"{name}.quantise", f"{name}.q")
        back = name if raw != name else f"{name}.dq"
        self._reads[name] = self._out.node("DequantizeLinear", [q, *grid], f"{name}.dequantise", back)

    def _parameters(self, node: onnx.NodeProto) -> list[str]:
        """The dequantised weight and bias of a convolution."""
        weight, *rest = node.input[1:]
        shape = self._out.shapes[weight]
        grid: dict[str, Any] = {"weight": weight, "axis": 0, "limit": self._scheme.limit}
        if rest:
            grid |= {"bias": rest[0], "input_scale": self._steps[node.input[0]].scale}
        channels = shape[:1]
        made = [
            self._dequantised(
                weight,
                self._out.weight(f"{weight}.q", shape, "int8", derived.Quantised(**grid)),
                self._out.weight(f"{weight}.scale", channels, "float32", derived.Scale(**grid)),
                np.zeros(channels, np.int8),
            )
        ]
        if rest:
            made.append(
                self._dequantised(
                    rest[0],
                    self._out.weight(f"{rest[0]}.q", channels, "int32", derived.Bias(**grid)),
                    self._out.weight(f"{rest[0]}.scale", channels, "float32", derived.BiasScale(**grid)),
                    np.zeros(channels, np.int32),
                )
            )
        return made

    def _dequantised(self, name: str, q: str, scale: str, zeros: npt.NDArray[Any]) -> str:
        # Explicit zeros: ONNX Runtime's fusion into integer convolutions asks for a zero point.
        zero = self._out.constant(f"zeros.{zeros.dtype}.{zeros.size}", zeros)
        return self._out.node("DequantizeLinear", [q, scale, zero], f"{name}.dequantise", f"{name}.dq", axis=0)
