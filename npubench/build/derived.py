"""Numbers of the other precisions, computed from fp32 weights: quantised, rounded to half, packed to four bits.

Guarantees: the same bytes on every machine. Only comparisons, integer arithmetic, rounding to nearest even and single
IEEE float32 operations are used: no sum, no BLAS, no libm, whose results differ between CPUs. Memory is bounded by
`CHUNK_VALUES` and by one row of blocks, whatever the size of the tensor. A value that the wanted type cannot hold is a
ValueError that names the tensor, never an infinity.

Not aware of: ONNX, files, where fp32 values come from (`Origin`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, Protocol, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Dtype = Literal["float32", "float16", "bfloat16", "int8", "int32", "int4"]

BITS: dict[str, int] = {"float32": 32, "float16": 16, "bfloat16": 16, "int8": 8, "int32": 32, "int4": 4}

# A bias in steps of (input scale · weight scale) must fit into int32; half of its range is left to the accumulator.
BIAS_LIMIT = 1 << 30

# The four-bit grid, two's complement.
INT4_LEAST, INT4_MOST = -8, 7


class Origin(Protocol):
    """The fp32 tensors that others are derived from. Both raise KeyError for a name that is none."""

    def shape(self, name: str) -> tuple[int, ...]: ...
    def values(self, name: str) -> Iterator[Floats]:
        """The flat values in chunks of any size."""
        ...


class _Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Common base: immutable, unknown keys refused."""


class Rounded(_Rule, frozen=True, kw_only=True, tag_field="rule", tag="rounded"):
    """The values of `source` rounded to the tensor's own type, to nearest, ties to even."""

    source: str


class _Grid(_Rule, frozen=True, kw_only=True):
    """The symmetric grid of a weight, one step size per output channel: max|w| / `limit`.

    `axis` is the channel's: 0 for a convolution [out, in, …], 1 for a matrix [in, out]. Where the layer has a `bias`,
    the step is at least |b| / (`input_scale` · 2³⁰), so that the bias fits into int32 (a channel whose weights are
    nearly zero, as training leaves some, would overflow it). A channel of zeros has step 1.
    """

    weight: str
    axis: int
    limit: int
    bias: str | None = None
    input_scale: float | None = None


class Quantised(_Grid, frozen=True, kw_only=True, tag_field="rule", tag="quantised"):
    """int8: the weight in steps of its grid, within ±limit."""


class Scale(_Grid, frozen=True, kw_only=True, tag_field="rule", tag="scale"):
    """float32 [channels]: the step sizes."""


class Bias(_Grid, frozen=True, kw_only=True, tag_field="rule", tag="bias"):
    """int32 [channels]: the bias in steps of input scale · weight scale, the unit of an integer accumulator."""


class BiasScale(_Grid, frozen=True, kw_only=True, tag_field="rule", tag="bias-scale"):
    """float32 [channels]: input scale · weight scale."""


class Blocked(_Rule, frozen=True, kw_only=True, tag_field="rule", tag="blocked"):
    """int4, two to a byte, of a matrix [in, out]: steps of its own for every `block` inputs of an output.

    The step puts the value farthest from zero on −8, sign included, as ONNX Runtime's symmetric block quantiser does
    (onnxruntime/core/mlas/lib/q4_dq.cpp): the grid then has its spare level where it is used.
    """

    weight: str
    block: int


class BlockScale(_Rule, frozen=True, kw_only=True, tag_field="rule", tag="block-scale"):
    """float32 [⌈in/block⌉, out]: the step sizes of `Blocked`; negative where the farthest value is positive."""

    weight: str
    block: int


Rule: TypeAlias = Rounded | Quantised | Scale | Bias | BiasScale | Blocked | BlockScale
RULES = (Rounded, Quantised, Scale, Bias, BiasScale, Blocked, BlockScale)


def byte_count(dtype: str, values: int) -> int:
    """Bytes of so many values; the last byte of an odd number of int4 has four unused bits."""
    return (values * BITS[dtype] + 7) // 8


def bfloat16(values: Floats) -> npt.NDArray[np.uint16]:
    """float32 → the bits of bfloat16, to nearest, ties to even. Not for NaN."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    return ((bits + np.uint32(0x7FFF) + odd) >> np.uint32(16)).astype(np.uint16)


def pack_int4(values: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
    """Values −8…7 → bytes, the first of each pair in the low half (ONNX, TensorProto.INT4)."""
    flat = values.reshape(-1)
    if flat.size % 2:
        flat = np.append(flat, np.int8(0))
    halves = flat.view(np.uint8) & np.uint8(15)
    return halves[0::2] | (halves[1::2] << np.uint8(4))


def grid_step(most: Floats, limit: int) -> Floats:
    """max|w| → step size. A step too small for a normal float32 becomes 1, and its values 0."""
    step = most / np.float32(limit)
    return np.where(step < np.finfo(np.float32).tiny, np.float32(1), step).astype(np.float32)


def block_step(blocks: Floats) -> Floats:
    """[n, block, out] → step sizes [n, out] of the four-bit grid."""
    most, least = blocks.max(axis=1), blocks.min(axis=1)
    farthest = np.where(np.abs(most) > np.abs(least), most, least)
    step = (farthest / np.float32(INT4_LEAST)).astype(np.float32)
    return np.where(np.abs(step) < np.finfo(np.float32).tiny, np.float32(1), step).astype(np.float32)


def on_grid(values: Floats, step: Floats, least: int, most: int) -> npt.NDArray[np.int8]:
    """The nearest grid points, ties to even, clipped to [least, most]."""
    return np.asarray(np.clip(np.rint(values / step), least, most), np.int8)


def grouped(chunks: Iterable[Floats], unit: int) -> Iterator[Floats]:
    """The same values in pieces whose lengths are multiples of `unit`, but perhaps the last."""
    left = np.zeros(0, np.float32)
    for chunk in chunks:
        joined = np.concatenate([left, chunk]) if left.size else chunk
        whole = joined.size - joined.size % unit
        if whole:
            yield joined[:whole]
        left = joined[whole:]
    if left.size:
        yield left


class Derivation:
    """Computes derived tensors from one origin. Lives while one weights file is written; keeps step sizes it made."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._steps: dict[tuple[str, int, int, str | None, float | None], Floats] = {}

    def pieces(self, name: str, rule: Rule, dtype: str, shape: tuple[int, ...]) -> Iterator[bytes]:
        """The tensor's bytes, little-endian. Raises KeyError for a source that is not there, ValueError for values or
        shapes that do not fit."""
        made: Callable[[], Iterator[npt.NDArray[Any]]]
        match rule:
            case Rounded(source=source):
                expected = self._origin.shape(source)
                made = lambda: self._rounded(source, dtype)  # noqa: E731
            case Quantised():
                expected = self._origin.shape(rule.weight)
                made = lambda: self._quantised(rule)  # noqa: E731
            case Blocked():
                expected = self._origin.shape(rule.weight)
                made = lambda: self._blocked(rule.weight, rule.block)  # noqa: E731
            case BlockScale():
                rows, columns = self._matrix(rule.weight)
                expected = (-(-rows // rule.block), columns)
                made = lambda: (step for _, step in self._blocks(rule.weight, rule.block))  # noqa: E731
            case Scale() | Bias() | BiasScale():
                expected = (self._origin.shape(rule.weight)[rule.axis],)
                made = lambda: iter([self._of_channels(rule)])  # noqa: E731
        if shape != expected:
            raise ValueError(f"{name}: found shape {list(shape)}; its source gives {list(expected)}")
        for array in made():
            yield array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()

    def _values(self, name: str) -> Iterator[Floats]:
        for chunk in self._origin.values(name):
            if not np.isfinite(chunk).all():
                raise ValueError(f"{name}: holds NaN or infinite values")
            yield chunk

    def _matrix(self, name: str) -> tuple[int, int]:
        shape = self._origin.shape(name)
        if len(shape) != 2:
            raise ValueError(f"{name}: found shape {list(shape)}; expected a matrix [in, out]")
        return shape[0], shape[1]

    def _rounded(self, source: str, dtype: str) -> Iterator[npt.NDArray[Any]]:
        for chunk in self._values(source):
            if dtype == "float32":
                yield chunk
            elif dtype == "float16":
                with np.errstate(over="ignore"):
                    half = chunk.astype(np.float16)
                if not np.isfinite(half).all():
                    raise ValueError(f"{source}: {float(np.abs(chunk).max()):g} is beyond fp16 (65504)")
                yield half
            elif dtype == "bfloat16":
                bits = bfloat16(chunk)
                # All exponent bits set: rounded up to infinity.
                if ((bits & np.uint16(0x7F80)) == np.uint16(0x7F80)).any():
                    raise ValueError(f"{source}: {float(np.abs(chunk).max()):g} is beyond bf16")
                yield bits
            else:
                raise ValueError(f"{source}: cannot be rounded to {dtype}")

    def _step(self, rule: _Grid) -> Floats:
        key = (rule.weight, rule.axis, rule.limit, rule.bias, rule.input_scale)
        if key not in self._steps:
            step = grid_step(self._largest(rule.weight, rule.axis), rule.limit)
            if rule.bias is not None and rule.input_scale is not None:
                bias = np.concatenate(list(self._values(rule.bias)))
                least = (np.abs(bias) / np.float32(rule.input_scale)).astype(np.float32) / np.float32(BIAS_LIMIT)
                step = np.maximum(step, least.astype(np.float32))
            self._steps[key] = step
        return self._steps[key]

    def _rows(self, weight: str, axis: int) -> Iterator[Floats]:
        """Pieces [rows, row length]: one channel a row for axis 0, one input a row for axis 1."""
        shape = self._origin.shape(weight)
        unit = self._matrix(weight)[1] if axis == 1 else max(1, math.prod(shape[1:]))
        for piece in grouped(self._values(weight), unit):
            yield piece.reshape(-1, unit)

    def _largest(self, weight: str, axis: int) -> Floats:
        """max|w| of each channel."""
        if axis == 0:
            return np.concatenate([np.abs(rows).max(axis=1) for rows in self._rows(weight, 0)])
        most = np.zeros(self._matrix(weight)[1], np.float32)
        for rows in self._rows(weight, 1):
            most = np.maximum(most, np.abs(rows).max(axis=0))
        return most

    def _quantised(self, rule: Quantised) -> Iterator[npt.NDArray[Any]]:
        step = self._step(rule)
        start = 0
        for rows in self._rows(rule.weight, rule.axis):
            own = step[start : start + len(rows), None] if rule.axis == 0 else step[None]
            yield on_grid(rows, own, -rule.limit, rule.limit)
            start += len(rows)

    def _of_channels(self, rule: Scale | Bias | BiasScale) -> npt.NDArray[Any]:
        step = self._step(rule)
        if isinstance(rule, Scale):
            return step
        unit = (np.float32(rule.input_scale or 0) * step).astype(np.float32)
        if isinstance(rule, BiasScale):
            return unit
        bias = np.concatenate(list(self._values(rule.bias or "")))
        return np.rint(bias / unit).astype(np.int64).clip(-(2**31), 2**31 - 1).astype(np.int32)

    def _blocks(self, weight: str, block: int) -> Iterator[tuple[Floats, Floats]]:
        """(values [n, block, out], steps [n, out]); a last, shorter block comes alone."""
        columns = self._matrix(weight)[1]
        for piece in grouped(self._values(weight), block * columns):
            whole = piece.size - piece.size % (block * columns)
            for part, rows in ((piece[:whole], block), (piece[whole:], max(1, piece[whole:].size // columns))):
                if part.size:
                    blocks = part.reshape(-1, rows, columns)
                    yield blocks, block_step(blocks)

    def _blocked(self, weight: str, block: int) -> Iterator[npt.NDArray[Any]]:
        for blocks, step in self._blocks(weight, block):
            # Every piece but the last has an even number of values when block is even.
            yield pack_int4(on_grid(blocks, step[:, None], INT4_LEAST, INT4_MOST))
