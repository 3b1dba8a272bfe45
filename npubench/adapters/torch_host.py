"""Arithmetic on shapes: what a graph computes from the sizes of its inputs stays in Python, on the host.

A host value is a number (rank 0) or a tuple of numbers (rank 1). On a GPU a size that lay on the device would have to
be fetched back before each Reshape, which stops the device, and could not be captured into a CUDA graph at all; under
torch.compile the numbers may be symbols, so that one compiled graph serves every length.

Not aware of: ONNX nodes; which values are worth keeping on the host (`torch_ops_host`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

Number = Any
"""int, bool, or torch's symbol of one while compiling."""
Host = Any
"""A Number or a tuple of them."""

# Device copies of host values: a graph's masks and starts repeat, and a copy to a GPU costs more than the operator.
# Never evicted, because a captured CUDA graph reads them; full, it takes no more.
_KEPT: dict[tuple[Any, ...], torch.Tensor] = {}
_MOST_KEPT = 16_384


def shape(x: torch.Tensor, start: int = 0, end: int | None = None) -> Host:
    return tuple(x.shape)[start:end]


def size(x: torch.Tensor) -> Number:
    return x.numel()


def to_host(x: torch.Tensor) -> Host:
    """Fetches a tensor of rank 0 or 1; a GPU must finish first."""
    values = x.tolist()
    return tuple(values) if isinstance(values, list) else values


def to_tensor(value: Host, dtype: torch.dtype, device: str) -> torch.Tensor:
    """The tensor of a host value on the device."""
    values = list(value) if isinstance(value, tuple) else value
    if torch.compiler.is_compiling():
        return torch.tensor(values, dtype=dtype, device=device)
    key = (value, isinstance(value, tuple), dtype, device)
    found = _KEPT.get(key)
    if found is None:
        found = torch.tensor(values, dtype=dtype, device=device)
        if len(_KEPT) < _MOST_KEPT:
            _KEPT[key] = found
    return found


def same(value: Host) -> Host:
    return value


def each(function: Callable[[Number], Number], value: Host) -> Host:
    return tuple(function(item) for item in value) if isinstance(value, tuple) else function(value)


def _aligned(*values: Host) -> list[tuple[Number, ...]]:
    """The values as rows of one length: ONNX's broadcasting."""
    rows = [value if isinstance(value, tuple) else (value,) for value in values]
    count = next((len(item) for item in rows if len(item) != 1), 1)
    return [item * count if len(item) == 1 else item for item in rows]


def pairs(function: Callable[[Number, Number], Number], a: Host, b: Host) -> Host:
    """`function` over both."""
    if not isinstance(a, tuple) and not isinstance(b, tuple):
        return function(a, b)
    return tuple(function(one, other) for one, other in zip(*_aligned(a, b), strict=True))


def add(a: Host, b: Host) -> Host:
    return pairs(lambda one, other: one + other, a, b)


def sub(a: Host, b: Host) -> Host:
    return pairs(lambda one, other: one - other, a, b)


def mul(a: Host, b: Host) -> Host:
    return pairs(lambda one, other: one * other, a, b)


def _quotient(a: Number, b: Number) -> Number:
    """ONNX divides integers towards zero."""
    return a // b if (a >= 0) == (b > 0) else -(-a // b)


def div(a: Host, b: Host) -> Host:
    return pairs(_quotient, a, b)


def mod(a: Host, b: Host) -> Host:
    return pairs(lambda one, other: one % other, a, b)


def minimum(a: Host, b: Host) -> Host:
    return pairs(min, a, b)


def maximum(a: Host, b: Host) -> Host:
    return pairs(max, a, b)


def equal(a: Host, b: Host) -> Host:
    return pairs(lambda one, other: one == other, a, b)


def neg(a: Host) -> Host:
    return each(lambda one: -one, a)


def where(condition: Host, a: Host, b: Host) -> Host:
    chosen = tuple(one if flag else other for flag, one, other in zip(*_aligned(condition, a, b), strict=True))
    return chosen if any(isinstance(value, tuple) for value in (condition, a, b)) else chosen[0]


def to_int(a: Host) -> Host:
    return each(int, a)


def gather(value: Host, index: Host) -> Host:
    return tuple(value[i] for i in index) if isinstance(index, tuple) else value[index]


def concat(*parts: Host) -> Host:
    return sum(parts, ())


def piece(value: Host, start: int, end: int, step: int) -> Host:
    # ONNX writes "to the beginning" as a very small end; Python's is None.
    last = None if step < 0 and end < -len(value) else end
    return value[start:last:step]


def row(value: Host) -> Host:
    return (value,)


def only(value: Host) -> Number:
    (number,) = value
    return number


def product(value: Host) -> Number:
    return math.prod(value)
