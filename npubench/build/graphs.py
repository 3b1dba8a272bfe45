"""Small steps that every rewriting of a graph shares: external tensors, fresh names, the finished model.

Guarantees: names stay unique; the finished model carries no value_info, no metadata and the fixed producer of `emit`,
so that the same rewriting gives the same bytes. Not aware of: what is rewritten and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from npubench.build import weights
from npubench.build.derived import Dtype, Rule
from npubench.build.emit import IR_VERSION, WEIGHTS_FILE

TYPES: dict[str, int] = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "int8": TensorProto.INT8,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "int32": TensorProto.INT32,
    "int4": TensorProto.INT4,
}


def external(tensor: weights.Tensor) -> TensorProto:
    """The reference to a tensor of the weights file."""
    proto = TensorProto(name=tensor.name, data_type=TYPES[tensor.dtype], dims=tensor.shape)
    proto.data_location = TensorProto.EXTERNAL
    for key, value in (("location", WEIGHTS_FILE), ("offset", tensor.offset), ("length", tensor.size)):
        proto.external_data.add(key=key, value=str(value))
    return proto


class Rewriting:
    """A graph that is being rewritten from another: its nodes so far, its constants and its derived weights."""

    def __init__(self, model: onnx.ModelProto, table: weights.Table) -> None:
        self.model = model
        self.shapes = {tensor.name: tensor.shape for tensor in table.tensors}
        """The fp32 weights of the original, by name."""
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name not in self.shapes}
        self.nodes: list[onnx.NodeProto] = []
        self._kept: dict[str, TensorProto] = {}
        self._weights: dict[str, tuple[tuple[int, ...], Dtype, Rule]] = {}

    def node(self, op: str, inputs: Sequence[str], name: str, output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=name, **attributes))
        return output

    def copy(self, node: onnx.NodeProto, inputs: Sequence[str], outputs: Sequence[str] | None = None) -> None:
        """`node` reading `inputs`; constants of the original that it reads are kept."""
        made = onnx.NodeProto()
        made.CopyFrom(node)
        del made.input[:]
        made.input.extend(inputs)
        if outputs is not None:
            del made.output[:]
            made.output.extend(outputs)
        self.nodes.append(made)
        for name in inputs:
            if name in self.constants:
                self._kept[name] = self.constants[name]

    def constant(self, name: str, array: Any) -> str:
        self._kept[name] = numpy_helper.from_array(np.asarray(array), name)
        return name

    def tensor(self, proto: TensorProto) -> str:
        """A constant that numpy has no type for."""
        self._kept[proto.name] = proto
        return str(proto.name)

    def weight(self, name: str, shape: tuple[int, ...], dtype: Dtype, rule: Rule) -> str:
        self._weights.setdefault(name, (shape, dtype, rule))
        return name

    def finish(self, opset: int) -> tuple[onnx.ModelProto, weights.Table]:
        """The rewritten model and the table of its weights."""
        table = weights.lay_out_derived([(name, *rest) for name, rest in self._weights.items()])
        graph = helper.make_graph(
            self.nodes,
            self.model.graph.name,
            self.model.graph.input,
            self.model.graph.output,
            initializer=[*map(external, table.tensors), *self._kept.values()],
        )
        made = helper.make_model(
            graph,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", opset)],
            producer_name="npubench",
            producer_version="1",
        )
        return made, table


def consumers(nodes: Iterable[onnx.NodeProto]) -> dict[str, list[onnx.NodeProto]]:
    """Tensor → the nodes that read it."""
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def producers(nodes: Iterable[onnx.NodeProto]) -> Mapping[str, onnx.NodeProto]:
    """Tensor → the node that makes it."""
    return {name: node for node in nodes for name in node.output}
