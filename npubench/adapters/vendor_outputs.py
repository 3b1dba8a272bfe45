"""Outputs of a runtime that has positions and layouts of its own, as the compiled graph declared them.

Guarantees: an array that cannot be told to be the declared output fails the request; it is never reshaped on the chance
that it fits. Not aware of: vendors.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from npubench.spi import Array, Outputs, TensorSpec


def as_text(specs: Sequence[TensorSpec]) -> str:
    """One side of a graph, for the record of its compilation."""
    return json.dumps([[spec.name, spec.dtype, list(spec.shape)] for spec in specs])


def told(text: str) -> tuple[TensorSpec, ...]:
    """What `as_text` wrote."""
    return tuple(TensorSpec(name=name, dtype=dtype, shape=tuple(shape)) for name, dtype, shape in json.loads(text))


def matched(specs: Sequence[TensorSpec], found: Sequence[Any]) -> Outputs:
    """The runtime's arrays by name, in the declared shape and order of axes. Raises RuntimeError where they cannot be
    told: two outputs of one shape keep the order in which they came.
    """
    if len(found) != len(specs):
        raise RuntimeError(f"the runtime gave {len(found)} outputs; the model has {len(specs)}")
    left = [np.asarray(array) for array in found]
    named: dict[str, Array] = {}
    for spec in specs:
        for place, array in enumerate(left):
            if (shaped := aligned(array, tuple(int(size) for size in spec.shape))) is not None:
                named[spec.name] = shaped.astype(spec.dtype, copy=True)
                del left[place]
                break
        else:
            shapes = ", ".join(str(list(array.shape)) for array in left)
            raise RuntimeError(f"no output has the shape of {spec.name}, {list(spec.shape)}; left are {shapes}")
    return named


def aligned(array: Array, shape: tuple[int, ...]) -> Array | None:
    """`array` in `shape`: axes of length one come and go; other axes are moved where only one order fits. None where
    none does.
    """
    wanted = [size for size in shape if size != 1]
    dense = array.reshape([size for size in array.shape if size != 1])
    if list(dense.shape) == wanted:
        return dense.reshape(shape)
    if sorted(dense.shape) != sorted(wanted):
        return None
    orders = [
        order for order in itertools.permutations(range(dense.ndim)) if [dense.shape[axis] for axis in order] == wanted
    ]
    return dense.transpose(orders[0]).reshape(shape) if len(orders) == 1 else None
