"""Multiply-accumulates of a node from the shapes that a profile saw (METRICS.md: static inference miscounts).

Pure. Operators that multiply little (element by element, conversions) count as 0; a heavy one without a formula here is
None, so that a share is never computed as if it cost nothing. Shapes are those of the node's present inputs in order.

Source of the shapes' meaning: the ONNX operator specification, opset 23, and ONNX Runtime's contrib operators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

from npubench.spi import NodeTime

Shape = Sequence[int]
Shapes = Sequence[Shape]

UNCOUNTED = frozenset(
    {
        "DFT", "DecoderMaskedMultiHeadAttention", "DeformConv", "Einsum", "GroupQueryAttention", "MoE",
        "MultiHeadAttention", "PackedAttention", "PackedMultiHeadAttention", "QAttention", "QMoE", "SparseAttention",
    }
)  # fmt: skip
"""Heavy operators without a formula."""


def _convolution(weight: int) -> Callable[[Shapes, Shapes], int]:
    # Every output element is a sum over one filter: [out channels, in channels / groups, kernel …].
    return lambda inputs, outputs: prod(outputs[0]) * prod(inputs[weight][1:])


def _transposed(inputs: Shapes, outputs: Shapes) -> int:
    # Every input element is multiplied with one filter: [in channels, out channels / groups, kernel …].
    return prod(inputs[0]) * prod(inputs[1][1:])


def _product(inputs: Shapes, outputs: Shapes) -> int:
    return prod(outputs[0]) * inputs[0][-1]


def _gemm(inputs: Shapes, outputs: Shapes) -> int:
    # A may be transposed; its size and the output's rows say how long the sum is either way.
    rows, columns = outputs[0]
    return prod(inputs[0]) * columns if rows else 0


def _recurrent(inputs: Shapes, outputs: Shapes) -> int:
    length, batch = inputs[0][:2]
    return length * batch * (prod(inputs[1]) + prod(inputs[2]))


def _attention(inputs: Shapes, outputs: Shapes) -> int:
    # Scores: every query row with every key; then the same number of weights with the values. Keys are [batch, heads,
    # length, size], or [batch, length, heads × size]; with a cache the present keys are the second output.
    keys = outputs[1][2] if len(outputs) >= 3 else inputs[1][-2]
    return (prod(inputs[0]) + prod(outputs[0])) * keys


FORMULAS: Mapping[str, Callable[[Shapes, Shapes], int]] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "FusedConv": _convolution(1),
    "NhwcFusedConv": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed,
    "MatMul": _product,
    "MatMulInteger": _product,
    "MatMulIntegerToFloat": _product,
    "DynamicQuantizeMatMul": _product,
    "QLinearMatMul": _product,
    "MatMulNBits": _product,
    "Gemm": _gemm,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
    "Attention": _attention,
}


def macs_of(row: NodeTime) -> int | None:
    """Multiply-accumulates of all `calls` of a row together; None for a heavy operator whose count is not known."""
    formula = FORMULAS.get(row.op_type)
    if formula is None:
        return None if row.op_type in UNCOUNTED else 0
    try:
        return formula(row.input_shapes, row.output_shapes) * row.calls
    except (IndexError, ValueError):
        return None
