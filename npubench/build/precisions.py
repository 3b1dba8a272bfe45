"""Which precisions a graph can be built in, and the files of one such build in a model's room.

`<role>.<build>.onnx` and `<role>.<build>.json` stand beside the fp32 files; the weights are derived from the fp32 ones
when the model is built (`materialise`). Guarantees: the same graph, table and ranges give the same files and pins.

Not aware of: where ranges come from, the text of cards (`author_precisions`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import onnx

from npubench.build import blocks, half, quantise, weights
from npubench.build.derived import Origin
from npubench.build.ranges import Range
from npubench.cards import GraphSpec, WeightsSpec

VISION = ("fp16", "bf16", "int8", "s8s8", "a16w8")
LANGUAGE = ("fp16", "bf16", "int8", "int4")


def offered(model: onnx.ModelProto) -> tuple[str, ...]:
    """The precisions that a graph can be built in, beside fp32."""
    return VISION if any(node.op_type == "Conv" for node in model.graph.node) else LANGUAGE


def needs_ranges(model: onnx.ModelProto, precision: str) -> bool:
    """Whether this build quantises activations."""
    return precision in quantise.SCHEMES and offered(model) is VISION


def rewritten(
    model: onnx.ModelProto, table: weights.Table, precision: str, ranges: Mapping[str, Range]
) -> tuple[onnx.ModelProto, weights.Table]:
    """The graph and the weight table of one precision. Raises DataError for ranges that do not fit, ValueError for a
    precision that is not `offered`."""
    if precision not in offered(model):
        raise ValueError(f"{model.graph.name} is not offered in {precision}")
    if precision in half.HALVES:
        return half.halve(model, table, half.HALVES[precision])
    if needs_ranges(model, precision):
        return quantise.quantise(model, table, ranges, quantise.SCHEMES[precision])
    return blocks.weights_only(model, table, precision)


def write_build(
    room: Path,
    role: str,
    precision: str,
    model: onnx.ModelProto,
    table: weights.Table,
    origin: Origin,
    ranges: Mapping[str, Range],
) -> GraphSpec:
    """Writes the files of one build of one role and returns what the card pins. `origin` has the fp32 values."""
    made, derived_table = rewritten(model, table, precision, ranges)
    serialised: bytes = made.SerializeToString(deterministic=True)
    digest = hashlib.sha256()
    for piece in weights.stream(derived_table, "", {}, origin):
        digest.update(piece)
    graph_file, table_file = f"{role}.{precision}.onnx", f"{role}.{precision}.json"
    (room / graph_file).write_bytes(serialised)
    (room / table_file).write_bytes(weights.dump_table(derived_table))
    return GraphSpec(
        file=graph_file,
        sha256=hashlib.sha256(serialised).hexdigest(),
        weights=WeightsSpec(
            kind="derived",
            source=role,
            table=table_file,
            sha256=digest.hexdigest(),
            bytes=derived_table.bytes,
        ),
    )
