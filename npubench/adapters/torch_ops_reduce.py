"""Rules for operators that reduce, rank or accumulate along dimensions. See `torch_op`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from npubench.adapters.torch_op import Call, Op, rule

_REDUCTIONS: dict[str, Callable[..., Any]] = {}


def _reduction(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        _REDUCTIONS[name] = function
        return function

    return enter


@_reduction("ReduceMean")
def mean(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    return (
        torch.mean(x, axes, keep)
        if x.is_floating_point()
        else torch.div(torch.sum(x, axes, keep), math.prod(x.shape[axis] for axis in axes), rounding_mode="trunc").to(
            x.dtype
        )
    )


@_reduction("ReduceSum")
def summed(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    return torch.sum(x, axes, keep, dtype=x.dtype)


def _not_empty(x: torch.Tensor, axes: tuple[int, ...], highest: bool) -> torch.Tensor:
    """Nothing has the type's lowest value as its maximum, the highest as its minimum (opset 20)."""
    if all(x.shape[axis] != 0 for axis in axes):
        return x
    if x.is_floating_point():
        extreme: Any = math.inf if highest else -math.inf
    elif x.dtype == torch.bool:
        extreme = highest
    else:
        extreme = torch.iinfo(x.dtype).max if highest else torch.iinfo(x.dtype).min
    shape = list(x.shape)
    for axis in axes:
        shape[axis] = 1
    return torch.full(shape, extreme, dtype=x.dtype, device=x.device)


@_reduction("ReduceMax")
def most(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    return torch.amax(_not_empty(x, axes, False), axes, keep)


@_reduction("ReduceMin")
def least(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    return torch.amin(_not_empty(x, axes, True), axes, keep)


@_reduction("ReduceProd")
def multiplied(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    for axis in sorted((axis % x.dim() for axis in axes), reverse=True):
        x = torch.prod(x, axis, keep, dtype=x.dtype)
    return x


@_reduction("ReduceL1")
def l1(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    return torch.sum(torch.abs(x), axes, keep, dtype=x.dtype)


@_reduction("ReduceL2")
def l2(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    return torch.sqrt(torch.sum(x * x, axes, keep)).to(x.dtype)


@_reduction("ReduceSumSquare")
def squares(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    return torch.sum(x * x, axes, keep, dtype=x.dtype)


@_reduction("ReduceLogSum")
def log_sum(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    return torch.log(torch.sum(x, axes, keep))


@_reduction("ReduceLogSumExp")
def log_sum_exp(x: torch.Tensor, axes: tuple[int, ...], keep: bool) -> torch.Tensor:
    return torch.logsumexp(x, axes, keep)


@rule(*_REDUCTIONS)
def _reduce(op: Op) -> Call:
    flags = bool(op.attribute("keepdims", 1)), bool(op.attribute("noop_with_empty_axes", 0))
    return Call(reduced, (op.tensor(0), op.node.op_type, op.numbers("axes", 1), *flags))


def reduced(x: torch.Tensor, name: str, axes: tuple[int, ...] | None, keep: bool, none_if_empty: bool) -> torch.Tensor:
    reduction = _REDUCTIONS[name]
    if axes or not (none_if_empty or x.dim() == 0):
        result: torch.Tensor = reduction(x, axes or tuple(range(x.dim())), keep)
        return result
    # Each element is a group of its own: no axis goes, but the square, root or logarithm stays.
    alone: torch.Tensor = reduction(x.unsqueeze(-1), (-1,), False)
    return alone


@rule("ArgMax", "ArgMin")
def _arg(op: Op) -> Call:
    largest_wanted = op.node.op_type == "ArgMax"
    last = bool(op.attribute("select_last_index", 0))
    return Call(
        position, (op.tensor(0), op.attribute("axis", 0), bool(op.attribute("keepdims", 1)), largest_wanted, last)
    )


def position(x: torch.Tensor, axis: int, keep: bool, largest_wanted: bool, last: bool) -> torch.Tensor:
    find = torch.argmax if largest_wanted else torch.argmin
    if last:
        return x.shape[axis] - 1 - find(torch.flip(x, (axis,)), axis, keep)
    return find(x, axis, keep)


@rule("CumSum")
def _cumsum(op: Op) -> Call:
    flags = bool(op.attribute("exclusive", 0)), bool(op.attribute("reverse", 0))
    return Call(running, (op.tensor(0), op.host(1), *flags))


def running(x: torch.Tensor, at: Any, exclusive: bool, reverse: bool) -> torch.Tensor:
    axis = at[0] if isinstance(at, tuple) else at
    ordered = torch.flip(x, (axis,)) if reverse else x
    result = torch.cumsum(ordered, axis, dtype=x.dtype)
    result = result - ordered if exclusive else result
    return torch.flip(result, (axis,)) if reverse else result


@rule("TopK")
def _top(op: Op) -> Call:
    flags = bool(op.attribute("largest", 1)), bool(op.attribute("sorted", 1))
    return Call(top, (op.tensor(0), op.host(1), op.attribute("axis", -1), *flags))


def top(x: torch.Tensor, k: Any, axis: int, biggest: bool, ordered: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Of equal values the one with the lower index comes first, which torch.topk leaves open."""
    values, indices = torch.sort(x, dim=axis, descending=biggest, stable=True)
    count = k[0] if isinstance(k, tuple) else k
    return values.narrow(axis, 0, count), indices.narrow(axis, 0, count)
