"""What a vendor's adapter must know of an ONNX file before its compiler sees it: what all vendors' adapters share.

Guarantees: a graph with open shapes is *unsupported*, with the names of what is open, before any compiler is started; a
file that is no model is an error. Needs the package onnx in the backend's environment; reads no weights.

Not aware of: vendors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from npubench.errors import DataError, UnsupportedError
from npubench.spi import TensorSpec


class Signature(NamedTuple):
    """Inputs and outputs of a graph, all of whose shapes are fixed. `operators`: type → how many nodes."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: dict[str, int]
    opset: int


def signature(path: str, who: str) -> Signature:
    """Of the graph in a file. Raises DataError, UnsupportedError that names `who` takes fixed shapes only."""
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except FileNotFoundError:
        raise
    except Exception as error:  # protobuf raises DecodeError, and others for a file that is something else
        raise DataError(f"{Path(path).name}: not an ONNX model: {error}") from error
    # protobuf reads an empty file, and many that are something else, as a message without content.
    if not model.graph.output:
        raise DataError(f"{Path(path).name}: not an ONNX model: it has no outputs")
    constants = {item.name for item in model.graph.initializer}
    inputs = tuple(_spec(item, who) for item in model.graph.input if item.name not in constants)
    try:
        ends = onnx.shape_inference.infer_shapes(model).graph.output
    except Exception:  # the file's own word is enough
        ends = model.graph.output
    outputs = tuple(_spec(item, who) for item in ends)
    operators: dict[str, int] = {}
    for node in model.graph.node:
        operators[node.op_type] = operators.get(node.op_type, 0) + 1
    opset = max((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), default=0)
    return Signature(inputs, outputs, operators, opset)


def _spec(item: Any, who: str) -> TensorSpec:
    from onnx import helper

    if not item.type.HasField("tensor_type") or not item.type.tensor_type.HasField("shape"):
        raise UnsupportedError(f"{item.name}: its shape is not declared; {who} takes fixed shapes only")
    tensor = item.type.tensor_type
    sizes = [size.dim_value if size.HasField("dim_value") else None for size in tensor.shape.dim]
    if None in sizes:
        names = ", ".join(size.dim_param or "?" for size in tensor.shape.dim if not size.HasField("dim_value"))
        raise UnsupportedError(
            f"{item.name} has open dimensions ({names}); {who} takes fixed shapes only",
            hint="measure the model's static variant; of your own graph, fix its shapes",
        )
    dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    return TensorSpec(name=item.name, dtype=dtype.name, shape=tuple(int(size or 0) for size in sizes))


# What these do has not changed between opsets 13 and 18, for nodes that use nothing newer (onnx, docs/Changelog.md:
# types were added; Resize-18 added antialias, axes and keep_aspect_ratio_policy, Reshape-14 allowzero).
_UNCHANGED = frozenset(
    {
        "Add", "AveragePool", "Cast", "Clip", "Concat", "Conv", "DequantizeLinear", "Flatten", "Gemm",
        "GlobalAveragePool", "Identity", "MatMul", "MaxPool", "Mul", "QuantizeLinear", "Relu", "Reshape", "Resize",
        "Sigmoid", "Softmax", "Squeeze", "Sub", "Transpose", "Unsqueeze",
    }
)  # fmt: skip
_OLDEST_IR = 7


def restamped(model: Any, opset: int, who: str) -> Any:
    """`model` in an older opset of ai.onnx (13 to 18) that means the same, for compilers that know no newer one.

    Raises UnsupportedError that names the first operator that would not mean the same.
    """
    import onnx

    stamped = max((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), default=0)
    if stamped <= opset:
        return model
    for node in model.graph.node:
        if (newer := _newer(node, opset)) is not None:
            raise UnsupportedError(f"{who} takes opset {opset} at most, and {node.op_type} {newer}")
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for item in made.opset_import:
        if item.domain in ("", "ai.onnx"):
            item.version = opset
    made.ir_version = max(_OLDEST_IR, onnx.helper.find_min_ir_version_for(made.opset_import, ignore_unknown=True))
    try:
        onnx.checker.check_model(made)
    except onnx.checker.ValidationError as error:
        raise UnsupportedError(
            f"{who} takes opset {opset} at most, in which this graph is not valid: {error}"
        ) from error
    return made


def _newer(node: Any, opset: int) -> str | None:
    """What of a node an older opset does not have; None where it means the same there."""
    import onnx

    if node.domain not in ("", "ai.onnx") or node.op_type not in _UNCHANGED:
        return "is not known to mean the same there"
    schema = onnx.defs.get_schema(node.op_type, opset, "")
    extra = sorted(item.name for item in node.attribute if item.name not in schema.attributes)
    if extra:
        return f"has {', '.join(extra)}, which is newer"
    return "has more inputs than there" if len(node.input) > schema.max_input else None
