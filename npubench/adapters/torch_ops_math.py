"""Rules for elementwise operators, reductions and casts. See `torch_op`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from onnx import TensorProto
from torch.nn import functional

from npubench.adapters.torch_op import Call, Op, rule
from npubench.adapters.torch_types import TYPES, type_name

_UNARY: dict[str, Callable[..., Any]] = {
    "Abs": torch.abs,
    "Acos": torch.acos,
    "Acosh": torch.acosh,
    "Asin": torch.asin,
    "Asinh": torch.asinh,
    "Atan": torch.atan,
    "Atanh": torch.atanh,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "HardSwish": functional.hardswish,
    "IsNaN": torch.isnan,
    "Log": torch.log,
    "Mish": functional.mish,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Reciprocal": torch.reciprocal,
    "Relu": torch.relu,
    "Round": torch.round,  # both: halves to even
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Softsign": functional.softsign,
    "Sqrt": torch.sqrt,
    "Tan": torch.tan,
    "Tanh": torch.tanh,
}

_BINARY: dict[str, Callable[..., Any]] = {
    "Add": torch.add,
    "Mul": torch.mul,
    "Sub": torch.sub,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
}

_LOGICAL: dict[str, Callable[..., Any]] = {
    "And": torch.logical_and,
    "Or": torch.logical_or,
    "Xor": torch.logical_xor,
    "BitwiseAnd": torch.bitwise_and,
    "BitwiseOr": torch.bitwise_or,
    "BitwiseXor": torch.bitwise_xor,
}


@rule(*_UNARY)
def _unary(op: Op) -> Call:
    return Call(_UNARY[op.node.op_type], (op.tensor(0),))


@rule("Identity", view=True)
def _identity(op: Op) -> Call:
    return Call(same, (op.tensor(0),))


@rule("Dropout", view=True)
def _dropout(op: Op) -> Call:
    training = op.constant(2) if op.has(2) else torch.tensor(False)
    if training is None or bool(training):
        raise op.refuse("training_mode")
    if len(op.node.output) > 1 and op.node.output[1]:
        raise op.refuse("its mask output")
    return Call(same, (op.tensor(0),))


def same(x: torch.Tensor) -> torch.Tensor:
    return x


def _both(op: Op) -> tuple[Any, Any]:
    """Two operands, of which torch wants the first as a tensor."""
    return (op.tensor(0), op.operand(1)) if op.constant(1) is not None else (op.operand(0), op.tensor(1))


@rule(*_BINARY)
def _binary(op: Op) -> Call:
    first, second = _both(op)
    if not isinstance(first, (torch.Tensor, torch.fx.Node)):
        first = op.tensor(0)
    return Call(_BINARY[op.node.op_type], (first, second))


@rule(*_LOGICAL)
def _logical(op: Op) -> Call:
    return Call(_LOGICAL[op.node.op_type], (op.tensor(0), op.tensor(1)))


@rule("Div")
def _div(op: Op) -> Call:
    dtype = op.dtype(0)
    if dtype is None:
        return Call(divided, (op.tensor(0), op.tensor(1)))
    whole = {} if dtype.is_floating_point else {"rounding_mode": "trunc"}
    return Call(torch.div, (op.tensor(0), op.operand(1)), whole)


def divided(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


@rule("Mod")
def _mod(op: Op) -> Call:
    # fmod has the sign of the dividend, the integers' mod that of the divisor, as torch.remainder.
    return Call(torch.fmod if op.attribute("fmod", 0) else torch.remainder, (op.tensor(0), op.tensor(1)))


@rule("Pow")
def _pow(op: Op) -> Call:
    return Call(power, (op.tensor(0), op.operand(1)))


def power(base: torch.Tensor, exponent: Any) -> torch.Tensor:
    """The type is the base's."""
    if isinstance(exponent, (int, float)):
        return torch.pow(base, exponent).to(base.dtype)
    if base.is_floating_point() and base.dtype == exponent.dtype:
        return torch.pow(base, exponent)
    return torch.pow(base.to(torch.float64), exponent.to(torch.float64)).to(base.dtype)


@rule("Max", "Min", "Sum", "Mean")
def _several(op: Op) -> Call:
    tensors = [op.tensor(index) for index in range(len(op.inputs))]
    functions = {"Max": largest, "Min": smallest, "Sum": total, "Mean": average}
    return Call(functions[op.node.op_type], tuple(tensors))


def _folded(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], items: tuple[torch.Tensor, ...]) -> Any:
    result = items[0]
    for item in items[1:]:
        result = function(result, item)
    return result


def largest(*items: torch.Tensor) -> Any:
    return _folded(torch.maximum, items)


def smallest(*items: torch.Tensor) -> Any:
    return _folded(torch.minimum, items)


def total(*items: torch.Tensor) -> Any:
    return _folded(torch.add, items)


def average(*items: torch.Tensor) -> Any:
    return total(*items) / len(items)


@rule("Where")
def _where(op: Op) -> Call:
    return Call(torch.where, (op.tensor(0), op.tensor(1), op.tensor(2)))


@rule("Clip")
def _clip(op: Op) -> Call:
    low = op.operand(1) if op.has(1) else op.attribute("min")
    high = op.operand(2) if op.has(2) else op.attribute("max")
    if low is None and high is None:
        return Call(same, (op.tensor(0),))
    numbers = [item for item in (low, high) if item is not None and not isinstance(item, torch.fx.Node)]
    if len(numbers) == sum(item is not None for item in (low, high)):
        return Call(torch.clamp, (op.tensor(0), low, high))
    return Call(clipped, (op.tensor(0), op.optional(1), op.optional(2)))


def clipped(x: torch.Tensor, low: torch.Tensor | None, high: torch.Tensor | None) -> torch.Tensor:
    return torch.clamp(x, low, high)


@rule("LeakyRelu")
def _leaky(op: Op) -> Call:
    return Call(functional.leaky_relu, (op.tensor(0), op.attribute("alpha", 0.01)))


@rule("PRelu")
def _prelu(op: Op) -> Call:
    return Call(parametric, (op.tensor(0), op.tensor(1)))


def parametric(x: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    return torch.where(x < 0, x * slope, x)


@rule("Elu")
def _elu(op: Op) -> Call:
    return Call(functional.elu, (op.tensor(0), op.attribute("alpha", 1.0)))


@rule("Celu")
def _celu(op: Op) -> Call:
    return Call(functional.celu, (op.tensor(0), op.attribute("alpha", 1.0)))


@rule("Selu")
def _selu(op: Op) -> Call:
    alpha = op.attribute("alpha", 1.67326319217681884765625)
    gamma = op.attribute("gamma", 1.05070102214813232421875)
    return Call(scaled_elu, (op.tensor(0), alpha, gamma))


def scaled_elu(x: torch.Tensor, alpha: float, gamma: float) -> torch.Tensor:
    return gamma * torch.where(x > 0, x, alpha * torch.expm1(x))


@rule("HardSigmoid")
def _hard_sigmoid(op: Op) -> Call:
    return Call(hard_sigmoid, (op.tensor(0), op.attribute("alpha", 0.2), op.attribute("beta", 0.5)))


def hard_sigmoid(x: torch.Tensor, alpha: float, beta: float) -> torch.Tensor:
    return torch.clamp(alpha * x + beta, 0, 1)


@rule("ThresholdedRelu")
def _thresholded(op: Op) -> Call:
    return Call(functional.threshold, (op.tensor(0), op.attribute("alpha", 1.0), 0.0))


@rule("Softplus")
def _softplus(op: Op) -> Call:
    return Call(softplus, (op.tensor(0),))


def softplus(x: torch.Tensor) -> torch.Tensor:
    # torch's own goes over to x above a threshold.
    return torch.logaddexp(x, torch.zeros_like(x))


@rule("Gelu")
def _gelu(op: Op) -> Call:
    return Call(functional.gelu, (op.tensor(0),), {"approximate": op.attribute("approximate", "none")})


@rule("Swish")
def _swish(op: Op) -> Call:
    alpha = op.attribute("alpha", 1.0)
    return Call(functional.silu, (op.tensor(0),)) if alpha == 1.0 else Call(swish, (op.tensor(0), alpha))


def swish(x: torch.Tensor, alpha: float) -> torch.Tensor:
    return x * torch.sigmoid(alpha * x)


@rule("IsInf")
def _is_inf(op: Op) -> Call:
    both = (bool(op.attribute("detect_negative", 1)), bool(op.attribute("detect_positive", 1)))
    functions: dict[tuple[bool, bool], Callable[..., Any]] = {
        (True, True): torch.isinf,
        (True, False): torch.isneginf,
        (False, True): torch.isposinf,
        (False, False): never,
    }
    return Call(functions[both], (op.tensor(0),))


def never(x: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(x, dtype=torch.bool)


@rule("Softmax", "LogSoftmax")
def _softmax(op: Op) -> Call:
    function = torch.softmax if op.node.op_type == "Softmax" else torch.log_softmax
    if op.opset >= 13:
        return Call(function, (op.tensor(0), op.attribute("axis", -1)))
    return Call(flat_softmax, (op.tensor(0), op.attribute("axis", 1), op.node.op_type == "LogSoftmax"))


def flat_softmax(x: torch.Tensor, axis: int, log: bool) -> torch.Tensor:
    """Before opset 13 everything from `axis` on was one dimension."""
    start = axis % x.dim()
    flat = torch.flatten(x, start)
    result = torch.log_softmax(flat, -1) if log else torch.softmax(flat, -1)
    return result.reshape(x.shape)


@rule("Cast", "CastLike", view=True)
def _cast(op: Op) -> Call:
    to = int(op.attribute("to")) if op.node.op_type == "Cast" else op.kind(1)
    if to not in TYPES or to in (TensorProto.INT4, TensorProto.UINT4):
        raise op.refuse(f"to {type_name(to)}")
    if to in (TensorProto.UINT16, TensorProto.UINT32):
        return Call(wrapped, (op.tensor(0), TYPES[to].tensor, 0xFFFF if to == TensorProto.UINT16 else 0xFFFFFFFF))
    return Call(cast, (op.tensor(0), TYPES[to].tensor))


def cast(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return x.to(dtype)


def wrapped(x: torch.Tensor, dtype: torch.dtype, mask: int) -> torch.Tensor:
    return (x.to(torch.int64) & mask).to(dtype)
