"""Fixes a graph's symbolic dimensions, for compilers that take none: each batch size is then an artefact of its own.

Guarantees: nothing but the shapes of inputs and outputs changes, so the weights stay those of the portable graph; every
size is used and every dimension is fixed, or it is a CardError. Not aware of: language models with a cache, whose
static graphs have other inputs and are rooms' own builds.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from npubench.errors import CardError


def fixed(model: onnx.ModelProto, sizes: Mapping[str, int], where: str) -> onnx.ModelProto:
    """`model` with each symbolic dimension at its size. Raises CardError; `where` names the card's key."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    used: set[str] = set()
    for item in (*made.graph.input, *made.graph.output):
        for dimension in item.type.tensor_type.shape.dim:
            name = dimension.dim_param
            if not name:
                continue
            if name not in sizes:
                known = ", ".join(sizes) or "none"
                raise CardError([f'{where}: dimension "{name}" of {item.name} has no size; found sizes for {known}'])
            used.add(name)
            dimension.dim_value = sizes[name]
    if surplus := sorted(set(sizes) - used):
        raise CardError([f"{where}.{surplus[0]}: the graph has no such dimension; it has {', '.join(sorted(used))}"])
    return made
