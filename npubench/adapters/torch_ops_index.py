"""Rules for operators that select, scatter or sample by indices. See `torch_op`."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from npubench.adapters.torch_host import to_tensor
from npubench.adapters.torch_op import Call, Op, rule


@rule("Gather", view=True)  # a constant index selects, and does not copy
def _gather(op: Op) -> Call:
    axis = op.attribute("axis", 0)
    index = op.constant(1)
    if index is not None and index.ndim == 0:
        return Call(torch.select, (op.tensor(0), axis, int(index.item())))
    if op.is_host(1):
        return Call(selected, (op.tensor(0), axis, op.host(1), op.device))
    table = op.constant(0)
    if axis == 0 and table is not None and table.ndim == 2:
        return Call(rows, (table, op.tensor(1)))
    return Call(gathered, (op.tensor(0), axis, op.tensor(1)))


def selected(x: torch.Tensor, axis: int, index: Any, device: str) -> torch.Tensor:
    if isinstance(index, tuple):
        return torch.index_select(x, axis, to_tensor(index, torch.int64, device))
    return torch.select(x, axis, index)


def rows(table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    return functional.embedding(torch.where(index < 0, index + table.shape[0], index), table)


def gathered(x: torch.Tensor, axis: int, index: torch.Tensor) -> torch.Tensor:
    at = axis % x.dim()
    wrapped = torch.where(index < 0, index + x.shape[at], index)
    found = torch.index_select(x, at, wrapped.reshape(-1))
    return found.reshape(tuple(x.shape[:at]) + tuple(index.shape) + tuple(x.shape[at + 1 :]))


@rule("GridSample")
def _grid_sample(op: Op) -> Call:
    modes = {
        "linear": "bilinear",
        "bilinear": "bilinear",
        "nearest": "nearest",
        "cubic": "bicubic",
        "bicubic": "bicubic",
    }
    how = modes[op.attribute("mode", "linear")]
    args = (
        op.tensor(0),
        op.tensor(1),
        how,
        op.attribute("padding_mode", "zeros"),
        bool(op.attribute("align_corners", 0)),
    )
    return Call(functional.grid_sample, args)


@rule("GatherElements")
def _gather_elements(op: Op) -> Call:
    return Call(picked, (op.tensor(0), op.attribute("axis", 0), op.tensor(1)))


def picked(x: torch.Tensor, axis: int, index: torch.Tensor) -> torch.Tensor:
    whole = index.to(torch.int64)
    return torch.gather(x, axis, torch.where(whole < 0, whole + x.shape[axis], whole))


@rule("GatherND")
def _gather_nd(op: Op) -> Call:
    if op.attribute("batch_dims", 0):
        raise op.refuse("batch_dims")
    return Call(points, (op.tensor(0), op.tensor(1)))


def points(x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    return x[tuple(index[..., i] for i in range(index.shape[-1]))]


@rule("ScatterND")
def _scatter_nd(op: Op) -> Call:
    reduction = op.attribute("reduction", "none")
    if reduction not in ("none", "add"):
        raise op.refuse(f"reduction {reduction}")
    return Call(placed, (op.tensor(0), op.tensor(1), op.tensor(2), reduction == "add"))


def placed(x: torch.Tensor, index: torch.Tensor, updates: torch.Tensor, accumulate: bool) -> torch.Tensor:
    return x.index_put(tuple(index[..., i] for i in range(index.shape[-1])), updates, accumulate)


@rule("ScatterElements")
def _scatter_elements(op: Op) -> Call:
    reductions = {"none": None, "add": "sum", "mul": "prod", "max": "amax", "min": "amin"}
    how = reductions[op.attribute("reduction", "none")]
    return Call(scattered, (op.tensor(0), op.attribute("axis", 0), op.tensor(1), op.tensor(2), how))


def scattered(
    x: torch.Tensor, axis: int, index: torch.Tensor, updates: torch.Tensor, reduction: str | None
) -> torch.Tensor:
    whole = index.to(torch.int64)
    at = torch.where(whole < 0, whole + x.shape[axis], whole)
    if reduction is None:
        return torch.scatter(x, axis, at, updates)
    return torch.scatter_reduce(x, axis, at, updates, reduction)


@rule("NonZero")
def _non_zero(op: Op) -> Call:
    return Call(non_zero, (op.tensor(0),))


def non_zero(x: torch.Tensor) -> torch.Tensor:
    return torch.nonzero(x).t()


@rule("OneHot")
def _one_hot(op: Op) -> Call:
    return Call(one_hot, (op.tensor(0), op.host(1), op.tensor(2), op.attribute("axis", -1)))


def one_hot(index: torch.Tensor, depth: Any, values: torch.Tensor, axis: int) -> torch.Tensor:
    count = depth[0] if isinstance(depth, tuple) else depth
    whole = index.to(torch.int64)
    at = torch.where(whole < 0, whole + int(count), whole).unsqueeze(axis)
    classes = torch.arange(int(count), device=index.device)
    shape = [1] * at.dim()
    shape[axis] = int(count)
    return torch.where(at == classes.reshape(shape), values[1], values[0])
