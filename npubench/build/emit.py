"""Builds ONNX graphs from the vision definitions in `nets`: opset 18, standard operators only, weights outside.

Guarantees: the same definition gives the same bytes (no time, no path, fixed producer fields); every weight is an
external-data reference into `weights.bin`, on a page of its own; every node has a unique name; small integer and float
constants stay inside the graph. `Graph` also counts multiply-accumulates where the shapes are known.

Language models: `emit_decoder`. Not aware of: the values of weights (only which rule makes them), files, cards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from npubench.build import weights
from npubench.build.nets.vocabulary import Head, Pair

# The oldest pair that has everything used here; vendor compilers lag years behind the newest.
OPSET = 18
IR_VERSION = 10
WEIGHTS_FILE = "weights.bin"

# Symbolic sizes at which MACs are counted: one line of 320 pixels; one token (see `macs`).
NOMINAL_SIZES = {"batch": 1, "width": 320, "width/2": 160, "width/4": 80, "tokens": 1}

Dim = int | str


class Value(msgspec.Struct, frozen=True):
    """A tensor of the graph."""

    name: str
    shape: tuple[Dim, ...]


def _strided(size: Dim, kernel: int, stride: int, pad: int) -> Dim:
    if isinstance(size, int):
        return (size + 2 * pad - kernel) // stride + 1
    if stride == 1:
        return size
    base, _, divisor = size.partition("/")
    return f"{base}/{int(divisor or 1) * stride}"


class Graph:
    """Collects one graph; lives until `finish`. A `Vision[Value]` of `nets.vocabulary`; base of `emit_decoder`."""

    opset, ir_version = OPSET, IR_VERSION

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._weights: dict[str, tuple[tuple[int, ...], weights.Init]] = {}
        self._counter = 0
        self.macs = 0
        """Multiply-accumulates of convolutions and linear layers at NOMINAL_SIZES; attention scores not included."""

    def _node(self, op: str, inputs: Sequence[str], shape: tuple[Dim, ...], name: str = "", **attributes: Any) -> Value:
        if not name:
            name = f"{op.lower()}_{self._counter}"
            self._counter += 1
        self._nodes.append(helper.make_node(op, list(inputs), [f"{name}.out"], name=name, **attributes))
        return Value(f"{name}.out", shape)

    def _constant(self, values: Any, dtype: Any = np.int64) -> str:
        array = np.asarray(values, dtype)
        shape = "x".join(map(str, array.shape)) or "scalar"
        name = f"const.{array.dtype}.{shape}." + "_".join(map(str, array.reshape(-1)[:4].tolist()))
        self._constants.setdefault(name, numpy_helper.from_array(array, name))
        return name

    def _weight(self, name: str, shape: tuple[int, ...], init: weights.Init) -> str:
        if name in self._weights:
            raise ValueError(f"{self._name}: two tensors are called {name}")
        self._weights[name] = (shape, init)
        return name

    def _input(self, name: str, dtype: int, shape: tuple[Dim, ...]) -> Value:
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return Value(name, shape)

    def _count(self, shape: tuple[Dim, ...], each: int) -> None:
        self.macs += each * math.prod(d if isinstance(d, int) else NOMINAL_SIZES[d] for d in shape)

    def output(self, name: str, x: Value) -> None:
        self._rename(x, name)
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape))

    def _rename(self, x: Value, name: str) -> None:
        """Gives the tensor `x` its public name at its producer and at every consumer so far."""
        for node in self._nodes:
            for names in (node.input, node.output):
                for i, old in enumerate(names):
                    if old == x.name:
                        names[i] = name

    def add(self, a: Value, b: Value) -> Value:
        return self._node("Add", [a.name, b.name], a.shape)

    def finish(self) -> tuple[onnx.ModelProto, weights.Table]:
        """The model, checked, and the table of its weights file."""
        table = weights.lay_out([(name, shape, init) for name, (shape, init) in self._weights.items()])
        external: list[onnx.TensorProto] = []
        for tensor in table.tensors:
            proto = TensorProto(name=tensor.name, data_type=TensorProto.FLOAT, dims=tensor.shape)
            proto.data_location = TensorProto.EXTERNAL
            for key, value in (("location", WEIGHTS_FILE), ("offset", tensor.offset), ("length", 4 * tensor.count)):
                proto.external_data.add(key=key, value=str(value))
            external.append(proto)
        graph = helper.make_graph(
            self._nodes,
            self._name,
            self._inputs,
            self._outputs,
            initializer=[*external, *self._constants.values()],
        )
        model = helper.make_model(
            graph,
            ir_version=self.ir_version,
            opset_imports=[helper.make_opsetid("", self.opset)],
            producer_name="npubench",
            producer_version="1",
        )
        return model, table

    def image(self, name: str, channels: int, height: int, width: int | None) -> Value:
        return self._input(name, TensorProto.FLOAT, ("batch", channels, height, "width" if width is None else width))

    def channels(self, x: Value) -> int:
        size = x.shape[1]
        assert isinstance(size, int)
        return size

    def conv(
        self,
        x: Value,
        name: str,
        channels: int,
        kernel: Pair = (3, 3),
        stride: Pair = (1, 1),
        *,
        depthwise: bool = False,
        same: bool = True,
        relu: bool = True,
        head: Head | None = None,
    ) -> Value:
        pad = (kernel[0] // 2, kernel[1] // 2) if same else (0, 0)
        fan = 1 if depthwise else self.channels(x)
        weight = self._weight(f"{name}.weight", (channels, fan, *kernel), weights.Channels(scale=f"{name}.scale"))
        bias = self._weight(f"{name}.bias", (channels,), weights.Stored(array=f"{name}.bias"))
        height, width = (_strided(x.shape[2 + i], kernel[i], stride[i], pad[i]) for i in (0, 1))
        shape = ("batch", channels, height, width)
        self._count(shape, fan * kernel[0] * kernel[1])
        y = self._node(
            "Conv",
            [x.name, weight, bias],
            shape,
            name,
            kernel_shape=kernel,
            strides=stride,
            pads=(*pad, *pad),
            group=channels if depthwise else 1,
        )
        return self.relu(y) if relu and head is None else y

    def relu(self, x: Value) -> Value:
        return self._node("Relu", [x.name], x.shape)

    def concat(self, parts: Sequence[Value]) -> Value:
        first = parts[0].shape
        shape = (first[0], sum(self.channels(part) for part in parts), *first[2:])
        return self._node("Concat", [part.name for part in parts], shape, axis=1)

    def max_pool(self, x: Value, kernel: int) -> Value:
        pads = (kernel // 2,) * 4
        return self._node("MaxPool", [x.name], x.shape, kernel_shape=(kernel, kernel), strides=(1, 1), pads=pads)

    def upsample(self, x: Value, factor: int) -> Value:
        height, width = x.shape[2:]
        assert isinstance(height, int)
        assert isinstance(width, int)
        return self._node(
            "Resize",
            [x.name, "", self._constant([1, 1, factor, factor], np.float32)],
            (*x.shape[:2], height * factor, width * factor),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def sequence(self, x: Value, length: str) -> Value:
        squeezed = self._node("Squeeze", [x.name, self._constant([2])], x.shape)
        return self._node("Transpose", [squeezed.name], ("batch", length, self.channels(x)), perm=(0, 2, 1))
