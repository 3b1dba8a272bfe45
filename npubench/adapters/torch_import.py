"""An ONNX file → a torch.fx graph module that computes the same, on one device.

Why our own: onnx2torch, the one library that is still installed for this, has had no release since August 2024 and
knows neither the forms that ReduceMean, Split and Pad have since opset 18 nor QuantizeLinear, DequantizeLinear,
RMSNormalization, RotaryEmbedding and Attention (read from 1.5.15); it keeps sizes in tensors, which a GPU would have to
wait for. Its rivals are older still. An operator here is a rule of a few lines (`torch_op`).

Guarantees: one torch call for each ONNX node, in the file's order, so that evidence can name the file's nodes; what
depends on constants alone is computed here, once; sizes stay on the host (`torch_host`); outputs never share memory
with inputs or weights. What has no rule is refused with operator, domain, opset and node: nothing is skipped.

Not aware of: how the module is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import onnx
import onnx.inliner
import torch

# The rules enter themselves into the table of `torch_op`.
from npubench.adapters import (
    torch_host,
    torch_ops_attention,  # noqa: F401
    torch_ops_host,  # noqa: F401
    torch_ops_index,  # noqa: F401
    torch_ops_math,  # noqa: F401
    torch_ops_nn,  # noqa: F401
    torch_ops_quantised,  # noqa: F401
    torch_ops_reduce,  # noqa: F401
    torch_ops_resize,  # noqa: F401
    torch_ops_shape,  # noqa: F401
)
from npubench.adapters.torch_op import (
    HOST_RULES,
    NEWEST_OPSET,
    OLDEST_OPSET,
    RULES,
    VIEWS,
    Call,
    Constant,
    HostCall,
    Op,
    Traced,
    Value,
    described,
)
from npubench.adapters.torch_types import TYPES, WIDENED, host_dtype, stored, type_name
from npubench.errors import DataError, UnsupportedError
from npubench.spi import TensorSpec

# What takes widened types (`torch_types`) without computing in them.
_KEEPING = VIEWS | {
    "Clip", "Concat", "DequantizeLinear", "Equal", "GatherElements", "GatherND", "Greater", "GreaterOrEqual", "Less",
    "LessOrEqual", "Max", "Min", "QuantizeLinear", "ScatterElements", "ScatterND", "Shape", "Size", "Tile", "Where",
}  # fmt: skip

ONNX_NODE = "onnx"
"""Key in an fx node's `meta`: its `Source`."""


class Source(NamedTuple):
    """The ONNX node that an fx node stands for. `inputs`: the fx nodes of its present inputs, or a constant's shape."""

    name: str
    op_type: str
    domain: str
    host: bool
    inputs: tuple[torch.fx.Node | tuple[int, ...], ...]


class Imported(NamedTuple):
    """`module(*inputs)` gives a tuple, both in the order of the specs."""

    module: torch.fx.GraphModule
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def read(path: str, device: str, channels_last: bool = False) -> Imported:
    """The graph in a file, its weights on `device`.

    Raises DataError for a file that is no ONNX model, UnsupportedError for what torch cannot run.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises DecodeError, and others for a file that is something else
        raise DataError(f"{Path(path).name}: not an ONNX model: {error}") from error
    # protobuf reads an empty file, and many that are something else, as a message without content.
    if not model.graph.output:
        raise DataError(f"{Path(path).name}: not an ONNX model: it has no outputs")
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    with torch.no_grad():
        return _Reader(model, Path(path).parent, device, channels_last).read()


class _Reader:
    """One reading; lives for one call of `read`."""

    def __init__(self, model: onnx.ModelProto, folder: Path, device: str, channels_last: bool) -> None:
        self._model = model
        self._folder = folder
        self._device = device
        self._channels_last = channels_last
        self._opsets: dict[str, int] = {item.domain or "": item.version for item in model.opset_import}
        inferred = onnx.shape_inference.infer_shapes(model).graph
        self._kinds = _kinds(inferred)
        self._ends = inferred.output
        self._graph = torch.fx.Graph()
        self._values: dict[str, Value] = {}
        self._weights: dict[str, torch.Tensor] = {}
        self._weight_nodes: dict[int, torch.fx.Node] = {}
        self._moves: dict[Any, torch.fx.Node] = {}
        self._borrowed: set[torch.fx.Node] = set()
        """Nodes whose tensor may be the memory of an input or a weight."""

    def read(self) -> Imported:
        graph = self._model.graph
        if graph.sparse_initializer:
            raise UnsupportedError(f"tensor {graph.sparse_initializer[0].values.name}: sparse")
        for proto in graph.initializer:
            self._values[proto.name] = Constant(proto.data_type, stored(proto, self._folder))
        fed = [item for item in graph.input if item.name not in self._values]
        for item in fed:
            node = self._graph.placeholder(f"in_{len(self._borrowed)}")
            self._borrowed.add(node)
            self._values[item.name] = Traced(item.type.tensor_type.elem_type, node)
        inputs = tuple(_spec(item, "input") for item in fed)
        for number, proto in enumerate(graph.node):
            self._take(proto, proto.name or f"{proto.op_type}#{number}")
        outputs = tuple(_spec(item, "output") for item in self._ends)
        self._graph.output(tuple(self._result(item.name) for item in graph.output))
        self._graph.eliminate_dead_code()
        weights = {name: self._moved(tensor) for name, tensor in self._weights.items()}
        module = torch.fx.GraphModule(weights, self._graph, "OnnxGraph")
        for parameter in module.buffers():
            parameter.requires_grad_(False)
        return Imported(module.eval(), inputs, outputs)

    def _moved(self, tensor: torch.Tensor) -> torch.Tensor:
        """On the device, in memory of its own: a mapped file may be thrown out and read again while it is timed."""
        return tensor.to(self._device) if self._device != "cpu" else tensor.clone()

    def _take(self, proto: onnx.NodeProto, name: str) -> None:
        inputs = tuple(self._values[item] if item else None for item in proto.input)
        opset = self._check(proto, inputs)
        constant = all(item is None or isinstance(item, Constant) for item in inputs)
        op = Op(proto, opset, inputs, "cpu" if constant else self._device, self._emit, self._channels_last)
        kind = 0
        host = self._host_call(op, constant)
        if host is not None:
            call, kind = host.call, host.kind
        else:
            call = RULES[proto.op_type](op)
        if not _traced(call):
            results = call.function(*call.args, **call.kwargs)
            for output, tensor in zip(
                proto.output, results if isinstance(results, tuple) else (results,), strict=False
            ):
                if output:
                    self._values[output] = Constant(self._kind(output, tensor), tensor)
            return
        node = self._emit(call)
        present = (item for item in inputs if item is not None)
        shapes = tuple(tuple(item.tensor.shape) if isinstance(item, Constant) else item.node for item in present)
        node.meta[ONNX_NODE] = Source(name, proto.op_type, proto.domain or "ai.onnx", host is not None, shapes)
        several = len([item for item in proto.output if item]) > 1 or proto.op_type == "Split"
        for index, output in enumerate(proto.output):
            if not output:
                continue
            value = self._graph.call_function(_item, (node, index)) if several else node
            if self._is_borrowed(op, index):
                self._borrowed.add(value)
            self._values[output] = (
                Traced(kind, value, True, host.rank) if host is not None else Traced(self._kinds.get(output, 0), value)
            )

    def _check(self, proto: onnx.NodeProto, inputs: Sequence[Value | None]) -> int:
        """The operator's opset, if it is one that is known here. Raises UnsupportedError."""
        domain = "" if proto.domain == "ai.onnx" else proto.domain
        opset = self._opsets.get(domain, 0)
        if domain or proto.op_type not in RULES.keys() | HOST_RULES.keys():
            raise UnsupportedError(f"{described(proto, opset)}: the torch adapter has no rule for this operator")
        if opset < OLDEST_OPSET:
            raise UnsupportedError(f"{described(proto, opset)}: older than opset {OLDEST_OPSET}")
        if opset > NEWEST_OPSET and _since(proto.op_type, opset) > NEWEST_OPSET:
            raise UnsupportedError(f"{described(proto, opset)}: defined anew after opset {NEWEST_OPSET}")
        kinds = {item.kind for item in inputs if item is not None}
        if proto.op_type not in _KEEPING and (wide := kinds.intersection(WIDENED)):
            names = ", ".join(sorted(type_name(kind) for kind in wide))
            raise UnsupportedError(f"{described(proto, opset)}: torch does not compute in {names}")
        return opset

    def _host_call(self, op: Op, constant: bool) -> HostCall | None:
        rule = HOST_RULES.get(op.node.op_type)
        if rule is None:
            return None
        if op.node.op_type in ("Shape", "Size"):
            return None if constant and op.node.op_type in RULES else rule(op)
        indices = range(len(op.inputs))
        some, every = any(map(op.is_host, indices)), all(op.may_be_host(i) for i in indices if op.has(i))
        return rule(op) if some and every else None

    def _emit(self, call: Call) -> torch.fx.Node:
        """The call as an fx node; its constant tensors become attributes of the module."""
        moves = call.function in (torch_host.to_tensor, torch_host.to_host)
        if moves and (found := self._moves.get(call[:2])) is not None:
            return found
        args, kwargs = torch.fx.node.map_aggregate((call.args, call.kwargs), self._as_argument)
        node = self._graph.call_function(call.function, args, kwargs)
        if moves:
            self._moves[call[:2]] = node
        return node

    def _as_argument(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        found = self._weight_nodes.get(id(value))
        if found is None:
            name = f"w_{len(self._weights)}"
            self._weights[name] = value
            found = self._weight_nodes[id(value)] = self._graph.get_attr(name)
            self._borrowed.add(found)
        return found

    def _is_borrowed(self, op: Op, index: int) -> bool:
        """Whether an output may be the memory of an input or a weight of the graph."""
        if op.node.op_type == "Attention":
            # Without a cache, the present keys and values are those that came in.
            source = index if index and not op.has(4) else None
        else:
            source = 0 if op.node.op_type in VIEWS else None
        value = op.inputs[source] if source is not None and op.has(source) else None
        return isinstance(value, Constant) or (isinstance(value, Traced) and value.node in self._borrowed)

    def _kind(self, name: str, tensor: torch.Tensor) -> int:
        found = self._kinds.get(name, 0)
        return found or next((kind for kind, item in TYPES.items() if item.tensor == tensor.dtype), 0)

    def _result(self, name: str) -> torch.fx.Node:
        """The fx node of a graph output, a tensor of its own."""
        value = self._values.get(name)
        if value is None:
            raise DataError(f"output {name}: no node computes it")
        if isinstance(value, Constant):
            return self._emit(Call(torch.clone, (value.tensor,)))
        if value.host:
            dtype = TYPES[value.kind].tensor if value.kind in TYPES else torch.int64
            made = self._emit(Call(torch_host.to_tensor, (value.node, dtype, self._device)))
            return self._graph.call_function(torch.clone, (made,))
        return self._graph.call_function(torch.clone, (value.node,)) if value.node in self._borrowed else value.node


def _item(values: Sequence[Any], index: int) -> Any:
    return values[index]


def _traced(call: Call) -> bool:
    """Whether a call depends on something that only a run knows."""
    found = False

    def look(value: Any) -> Any:
        nonlocal found
        found = found or isinstance(value, torch.fx.Node)
        return value

    torch.fx.node.map_aggregate((call.args, call.kwargs), look)
    return found


def _since(op_type: str, opset: int) -> int:
    """In which opset the operator got its present definition; 0 where this onnx does not know it."""
    try:
        schema: Any = onnx.defs.get_schema(op_type, opset, "")
    except onnx.defs.SchemaError:
        return 0
    return int(schema.since_version)


def _kinds(graph: onnx.GraphProto) -> dict[str, int]:
    """The element type of every tensor that inference knows."""
    typed = (*graph.input, *graph.output, *graph.value_info)
    return {item.name: item.type.tensor_type.elem_type for item in typed if item.type.HasField("tensor_type")}


def _spec(item: onnx.ValueInfoProto, side: str) -> TensorSpec:
    what = f"{side} {item.name}"
    if not item.type.HasField("tensor_type"):
        raise UnsupportedError(f"{what}: no tensor")
    kind = item.type.tensor_type
    if not kind.HasField("shape"):
        raise UnsupportedError(f"{what}: its number of dimensions is neither declared nor follows from the graph")
    shape = tuple(
        size.dim_value if size.HasField("dim_value") else size.dim_param or f"{item.name}_{i}"
        for i, size in enumerate(kind.shape.dim)
    )
    return TensorSpec(name=item.name, dtype=host_dtype(kind.elem_type, what), shape=shape)
