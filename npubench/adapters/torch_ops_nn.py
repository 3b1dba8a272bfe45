"""Rules for convolutions, products, pooling, normalisation and resizing. See `torch_op`."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional

from npubench.adapters.torch_op import Call, Op, rule

_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
_MAX_POOLS = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_AVERAGE_POOLS = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


def _kernel(op: Op) -> tuple[int, ...]:
    """The sizes of a convolution's window: of its weights, which the graph may also compute."""
    weight = op.constant(1)
    shape = op.attribute("kernel_shape") or (tuple(weight.shape[2:]) if weight is not None else None)
    if shape is None or not 1 <= len(shape) <= 3:
        raise op.refuse(f"kernel_shape {shape}; expected one to three sizes")
    return tuple(shape)


def _pads(op: Op, count: int) -> tuple[tuple[int, int], ...]:
    """Zeros before and after each dimension. Raises UnsupportedError for SAME, whose zeros depend on the input."""
    auto = op.attribute("auto_pad", "NOTSET")
    if auto == "VALID":
        return ((0, 0),) * count
    if auto != "NOTSET":
        raise op.refuse(f"auto_pad {auto}; expected explicit pads")
    pads = op.attribute("pads", (0,) * (2 * count))
    return tuple((pads[i], pads[i + count]) for i in range(count))


def _flat(pads: tuple[tuple[int, int], ...]) -> list[int]:
    """As functional.pad wants them: from the last dimension on."""
    return [size for pair in reversed(pads) for size in pair]


@rule("Conv")
def _conv(op: Op) -> Call:
    kernel = _kernel(op)
    count = len(kernel)
    ones = (1,) * count
    weight = op.tensor(1)
    if op.channels_last and count == 2 and isinstance(weight, torch.Tensor):
        weight = weight.contiguous(memory_format=torch.channels_last)
    strides, dilations = op.attribute("strides", ones), op.attribute("dilations", ones)
    auto = op.attribute("auto_pad", "NOTSET")
    group = op.attribute("group", 1)
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        upper = auto == "SAME_UPPER"
        return Call(same_convolution, (op.tensor(0), weight, op.optional(2), kernel, strides, dilations, group, upper))
    pads = _pads(op, count)
    if all(before == after for before, after in pads):
        padding = tuple(before for before, _ in pads)
        return Call(_CONVOLUTIONS[count], (op.tensor(0), weight, op.optional(2), strides, padding, dilations, group))
    return Call(
        padded_convolution, (op.tensor(0), weight, op.optional(2), _flat(pads), strides, dilations, group, count)
    )


def padded_convolution(
    x: torch.Tensor, weight: torch.Tensor, bias: Any, pads: Any, strides: Any, dilations: Any, group: int, count: int
) -> Any:
    return _CONVOLUTIONS[count](functional.pad(x, pads), weight, bias, strides, (0,) * count, dilations, group)


def same_convolution(
    x: torch.Tensor, weight: torch.Tensor, bias: Any, kernel: Any, strides: Any, dilations: Any, group: int, upper: bool
) -> Any:
    """Zeros so that the output has ⌈size / stride⌉ elements; an odd one goes to the end (UPPER) or start (LOWER)."""
    pads: list[Any] = []
    for i in range(len(kernel) - 1, -1, -1):
        size = x.shape[2 + i]
        reach = dilations[i] * (kernel[i] - 1) + 1
        missing = max(((size + strides[i] - 1) // strides[i] - 1) * strides[i] + reach - size, 0)
        less = missing // 2
        pads += (less, missing - less) if upper else (missing - less, less)
    return padded_convolution(x, weight, bias, pads, strides, dilations, group, len(kernel))


@rule("ConvTranspose")
def _conv_transpose(op: Op) -> Call:
    kernel = _kernel(op)
    count = len(kernel)
    ones = (1,) * count
    if op.attribute("output_shape") is not None:
        raise op.refuse("output_shape; expected explicit pads")
    pads = _pads(op, count)
    strides, dilations = op.attribute("strides", ones), op.attribute("dilations", ones)
    extra = op.attribute("output_padding", (0,) * count)
    group = op.attribute("group", 1)
    if any(more >= max(stride, dilation) for more, stride, dilation in zip(extra, strides, dilations, strict=True)):
        raise op.refuse(f"output_padding {extra} of at least the stride")
    if any(before != after for before, after in pads):
        args = (op.tensor(0), op.tensor(1), op.optional(2), strides, pads, extra, group, dilations)
        return Call(cropped_transposed, args)
    padding = tuple(before for before, _ in pads)
    return Call(
        _TRANSPOSED[count], (op.tensor(0), op.tensor(1), op.optional(2), strides, padding, extra, group, dilations)
    )


def cropped_transposed(
    x: torch.Tensor, weight: torch.Tensor, bias: Any, strides: Any, pads: Any, extra: Any, group: int, dilations: Any
) -> Any:
    """Unequal pads: the whole result, then what they take away."""
    count = len(pads)
    y = _TRANSPOSED[count](x, weight, bias, strides, (0,) * count, extra, group, dilations)
    for i, (before, after) in enumerate(pads):
        y = y.narrow(2 + i, before, y.shape[2 + i] - before - after)
    return y


@rule("MatMul")
def _matmul(op: Op) -> Call:
    return Call(torch.matmul, (op.tensor(0), op.tensor(1)))


@rule("Einsum")
def _einsum(op: Op) -> Call:
    equation = op.attribute("equation").replace(" ", "")
    return Call(torch.einsum, (equation, *(op.tensor(index) for index in range(len(op.inputs)))))


@rule("Gemm")
def _gemm(op: Op) -> Call:
    alpha, beta = op.attribute("alpha", 1.0), op.attribute("beta", 1.0)
    left, right = bool(op.attribute("transA", 0)), bool(op.attribute("transB", 0))
    b = op.tensor(1)
    if isinstance(b, torch.Tensor) and not right:
        b, right = b.t().contiguous(), True
    bias = op.constant(2)
    plain = alpha == 1.0 and (not op.has(2) or (beta == 1.0 and bias is not None and bias.ndim == 1))
    fits = bias is None or (bias.ndim == 1 and isinstance(b, torch.Tensor) and bias.numel() == b.shape[0])
    if plain and fits and right and not left:
        return Call(functional.linear, (op.tensor(0), b, op.optional(2)))
    return Call(product, (op.tensor(0), b, op.optional(2), alpha, beta, left, right))


def product(
    a: torch.Tensor, b: torch.Tensor, c: torch.Tensor | None, alpha: float, beta: float, left: bool, right: bool
) -> torch.Tensor:
    y = torch.matmul(a.t() if left else a, b.t() if right else b)
    y = y if alpha == 1.0 else y * alpha
    return y if c is None or beta == 0.0 else y + (c if beta == 1.0 else c * beta)


@rule("MaxPool")
def _max_pool(op: Op) -> Call:
    if len(op.node.output) > 1 and op.node.output[1]:
        raise op.refuse("its output Indices")
    kernel = _kernel(op)
    count = len(kernel)
    ones = (1,) * count
    pads = _pads(op, count)
    strides, dilations = op.attribute("strides", ones), op.attribute("dilations", ones)
    dtype = op.dtype(0)
    if dtype is not None and not dtype.is_floating_point:
        raise op.refuse(f"on {dtype}")
    ceil = bool(op.attribute("ceil_mode", 0))
    if all(before == after and 2 * before <= size for (before, after), size in zip(pads, kernel, strict=True)):
        padding = tuple(before for before, _ in pads)
        return Call(_MAX_POOLS[count], (op.tensor(0), kernel, strides, padding, dilations, ceil))
    return Call(padded_max_pool, (op.tensor(0), kernel, strides, _flat(pads), dilations, ceil))


def padded_max_pool(x: torch.Tensor, kernel: Any, strides: Any, pads: Any, dilations: Any, ceil: bool) -> Any:
    count = len(kernel)
    return _MAX_POOLS[count](
        functional.pad(x, pads, "constant", -math.inf), kernel, strides, (0,) * count, dilations, ceil
    )


@rule("AveragePool")
def _average_pool(op: Op) -> Call:
    kernel = _kernel(op)
    count = len(kernel)
    pads = _pads(op, count)
    strides = op.attribute("strides", (1,) * count)
    if any(size != 1 for size in op.attribute("dilations", (1,))):
        raise op.refuse("dilations")
    counted = bool(op.attribute("count_include_pad", 0))
    ceil = bool(op.attribute("ceil_mode", 0))
    if any(before != after or 2 * before > size for (before, after), size in zip(pads, kernel, strict=True)):
        raise op.refuse(f"pads {pads}; expected the same on both sides, at most half of the kernel")
    padding = tuple(before for before, _ in pads)
    return Call(_AVERAGE_POOLS[count], (op.tensor(0), kernel, strides, padding, ceil, counted))


@rule("GlobalAveragePool")
def _global_average(op: Op) -> Call:
    return Call(global_average, (op.tensor(0),))


def global_average(x: torch.Tensor) -> torch.Tensor:
    return x.mean(tuple(range(2, x.dim())), keepdim=True)


@rule("GlobalMaxPool")
def _global_max(op: Op) -> Call:
    return Call(global_max, (op.tensor(0),))


def global_max(x: torch.Tensor) -> torch.Tensor:
    return torch.amax(x, tuple(range(2, x.dim())), keepdim=True)


@rule("BatchNormalization")
def _batch_norm(op: Op) -> Call:
    if op.attribute("training_mode", 0):
        raise op.refuse("training_mode")
    x, scale, bias, mean, variance = (op.tensor(index) for index in range(5))
    return Call(functional.batch_norm, (x, mean, variance, scale, bias, False, 0.0, op.attribute("epsilon", 1e-5)))


@rule("InstanceNormalization")
def _instance_norm(op: Op) -> Call:
    x, scale, bias = (op.tensor(index) for index in range(3))
    return Call(instance_norm, (x, scale, bias, op.attribute("epsilon", 1e-5)))


def instance_norm(x: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor, epsilon: float) -> Any:
    return functional.group_norm(x, x.shape[1], scale, bias, epsilon)


@rule("GroupNormalization")
def _group_norm(op: Op) -> Call:
    if op.opset < 21:
        raise op.refuse("its scale per group (before opset 21)")
    args = (op.tensor(0), op.attribute("num_groups"), op.tensor(1), op.tensor(2), op.attribute("epsilon", 1e-5))
    return Call(functional.group_norm, args)


@rule("LayerNormalization")
def _layer_norm(op: Op) -> Call:
    if any(op.node.output[1:]):
        raise op.refuse("its outputs Mean and InvStdDev")
    args = (op.tensor(0), op.tensor(1), op.optional(2), op.attribute("axis", -1), op.attribute("epsilon", 1e-5))
    return Call(layer_norm, args)


def layer_norm(x: torch.Tensor, scale: torch.Tensor, bias: Any, axis: int, epsilon: float) -> Any:
    shape = tuple(x.shape)[axis % x.dim() :]
    if tuple(scale.shape) == shape and (bias is None or tuple(bias.shape) == shape):
        return functional.layer_norm(x, shape, scale, bias, epsilon)
    y = functional.layer_norm(x, shape, None, None, epsilon) * scale
    return y if bias is None else y + bias


@rule("RMSNormalization")
def _rms_norm(op: Op) -> Call:
    return Call(rms_norm, (op.tensor(0), op.tensor(1), op.attribute("axis", -1), op.attribute("epsilon", 1e-5)))


def rms_norm(x: torch.Tensor, scale: torch.Tensor, axis: int, epsilon: float) -> Any:
    shape = tuple(x.shape)[axis % x.dim() :]
    if tuple(scale.shape) == shape:
        return functional.rms_norm(x, shape, scale, epsilon)
    return functional.rms_norm(x, shape, None, epsilon) * scale


@rule("LpNormalization")
def _lp_norm(op: Op) -> Call:
    return Call(lp_norm, (op.tensor(0), op.attribute("p", 2), op.attribute("axis", -1)))


def lp_norm(x: torch.Tensor, p: int, axis: int) -> torch.Tensor:
    norm = torch.linalg.vector_norm(x, p, axis, keepdim=True)
    # A row of zeros stays one (opset 22).
    return torch.where(norm == 0, torch.zeros_like(x), x / norm)
