"""The same node test in an older version of the standard, for runtimes that do not know the newest.

A test of onnx is stamped with the version in which its operator last changed, and most changes only add types: a
vendor's runtime of last year refuses such a Conv, and a table that called it unsupported would be right and worthless.
A stamp may be lowered as long as the definitions of all operators in the graph stay the same but for the types they
take (attributes with their defaults, inputs and outputs), and onnx's own checker accepts the graph with its types.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
from onnx import checker, defs, helper

# Runtimes and vendor compilers of the last years take models from here on; the oldest possible stamp would be as odd to
# some of them as the newest.
OLDEST = 13
# With opset 13; from IR version 4 on a graph's constants need not be inputs.
OLDEST_IR = 7


def older(model: onnx.ModelProto) -> tuple[onnx.ModelProto, int] | None:
    """A copy stamped with the oldest version of ai.onnx that means the same, and that version; None where none does."""
    stamped = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 0)
    names = {node.op_type for node in _nodes(model.graph) if node.domain in ("", "ai.onnx")}
    same = []
    for version in range(stamped - 1, OLDEST - 1, -1):
        if not all(_same(name, version, stamped) for name in names):
            break
        same.append(version)
    for version in reversed(same):
        copy = _stamped(model, version)
        try:
            checker.check_model(copy, full_check=True)
        except (checker.ValidationError, onnx.shape_inference.InferenceError):
            continue
        return copy, version
    return None


def _stamped(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for item in copy.opset_import:
        if item.domain in ("", "ai.onnx"):
            item.version = version
    copy.ir_version = max(OLDEST_IR, helper.find_min_ir_version_for(copy.opset_import, ignore_unknown=True))
    return copy


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node, those in the bodies of others too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                yield from _nodes(body)


def _same(name: str, version: int, stamped: int) -> bool:
    """Whether an operator's definition differs between two versions in nothing but types and words."""
    try:
        return _definition(name, version) == _definition(name, stamped)
    except defs.SchemaError:  # it did not exist yet
        return False


def _definition(name: str, version: int) -> tuple[Any, ...]:
    schema = defs.get_schema(name, version, "")
    attributes = {
        key: (item.type, item.required, item.default_value.SerializeToString())
        for key, item in schema.attributes.items()
    }
    formal = [[(item.option, item.is_homogeneous) for item in part] for part in (schema.inputs, schema.outputs)]
    return attributes, formal, schema.min_input, schema.max_input, schema.min_output, schema.max_output
