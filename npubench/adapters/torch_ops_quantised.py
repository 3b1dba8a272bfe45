"""Rules for QuantizeLinear and DequantizeLinear, computed exactly and in float. See `torch_op`.

torch has no kernels for graphs in this form: every product between the two runs in float. So they give a model's
quantised answers, for a check of quality, and not an integer device's speed; our cards refuse to time them.
"""

from __future__ import annotations

import torch
from onnx import TensorProto

from npubench.adapters.torch_op import Call, Op, rule
from npubench.adapters.torch_types import TYPES, type_name

_LIMITS: dict[int, tuple[int, int]] = {
    TensorProto.INT8: (-128, 127),
    TensorProto.UINT8: (0, 255),
    TensorProto.INT16: (-32768, 32767),
    TensorProto.UINT16: (0, 65535),
    TensorProto.INT4: (-8, 7),
    TensorProto.UINT4: (0, 15),
}


def _block(op: Op) -> int:
    return int(op.attribute("block_size", 0))


@rule("QuantizeLinear")
def _quantize(op: Op) -> Call:
    named = op.attribute("output_dtype", 0)
    kind = named or (op.kind(2) if op.has(2) else int(TensorProto.UINT8))
    if kind not in _LIMITS:
        raise op.refuse(f"to {type_name(kind)}")
    if op.attribute("precision", 0):
        raise op.refuse("precision")
    low, high = _LIMITS[kind]
    args = (op.tensor(0), op.tensor(1), op.optional(2), op.attribute("axis", 1), _block(op))
    return Call(quantised, (*args, low, high, TYPES[kind].tensor))


def quantised(
    x: torch.Tensor,
    scale: torch.Tensor,
    zero: torch.Tensor | None,
    axis: int,
    block: int,
    low: int,
    high: int,
    dtype: torch.dtype,
) -> torch.Tensor:
    """saturate(round(x / scale) + zero point), halves to even."""
    steps = torch.round(x / _spread(scale, x, axis, block).to(x.dtype)).to(torch.float32)
    if zero is not None:
        steps = steps + _spread(zero, x, axis, block).to(torch.float32)
    return torch.clamp(steps, low, high).to(dtype)


@rule("DequantizeLinear")
def _dequantize(op: Op) -> Call:
    if op.dtype(0) is None or op.kind(0) in (TensorProto.FLOAT, TensorProto.FLOAT16):
        raise op.refuse(f"from {type_name(op.kind(0))}")
    named = op.attribute("output_dtype", 0)
    dtype = TYPES[named].tensor if named in TYPES else None
    return Call(dequantised, (op.tensor(0), op.tensor(1), op.optional(2), op.attribute("axis", 1), _block(op), dtype))


def dequantised(
    x: torch.Tensor,
    scale: torch.Tensor,
    zero: torch.Tensor | None,
    axis: int,
    block: int,
    dtype: torch.dtype | None,
) -> torch.Tensor:
    """(x − zero point) · scale, in float32."""
    steps = x.to(torch.float32)
    if zero is not None:
        steps = steps - _spread(zero, x, axis, block).to(torch.float32)
    return (steps * _spread(scale, x, axis, block).to(torch.float32)).to(dtype or scale.dtype)


def _spread(values: torch.Tensor, x: torch.Tensor, axis: int, block: int) -> torch.Tensor:
    """One value for all, one for each index of `axis`, or one for each `block` elements along it: to be broadcast."""
    if values.numel() == 1 and values.dim() <= 1:
        return values.reshape(())
    at = axis % x.dim()
    if block:
        return torch.repeat_interleave(values, block, at).narrow(at, 0, x.shape[at])
    shape = [1] * x.dim()
    shape[at] = values.shape[0]
    return values.reshape(shape)
