"""Rules for operators that move, select or make data. See `torch_op`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from npubench.adapters.torch_op import Call, Op, rule
from npubench.adapters.torch_types import TYPES, stored, type_name

# Tensors in attributes are stored in the file itself (ONNX IR).
_NOWHERE = Path()


@rule("Reshape", view=True)
def _reshape(op: Op) -> Call:
    shape = op.host(1)
    if isinstance(shape, tuple) and (0 not in shape):
        return Call(torch.reshape, (op.tensor(0), shape))
    return Call(reshaped, (op.tensor(0), shape, bool(op.attribute("allowzero", 0))))


def reshaped(x: torch.Tensor, shape: Any, allow_zero: bool) -> torch.Tensor:
    """A 0 stands for the size that is there already."""
    if not allow_zero:
        shape = tuple(x.shape[i] if isinstance(n, int) and n == 0 else n for i, n in enumerate(shape))
    elif -1 not in shape and 0 in shape:
        return torch.empty(shape, dtype=x.dtype, device=x.device)
    return torch.reshape(x, shape)


@rule("Flatten", view=True)
def _flatten(op: Op) -> Call:
    return Call(flattened, (op.tensor(0), op.attribute("axis", 1)))


def flattened(x: torch.Tensor, axis: int) -> torch.Tensor:
    start = axis + x.dim() if axis < 0 else axis
    rows = 1
    for size in x.shape[:start]:
        rows = rows * size
    columns = 1
    for size in x.shape[start:]:
        columns = columns * size
    return x.reshape(rows, columns)


@rule("Transpose", view=True)
def _transpose(op: Op) -> Call:
    perm = op.attribute("perm")
    return Call(torch.permute, (op.tensor(0), perm)) if perm is not None else Call(turned, (op.tensor(0),))


def turned(x: torch.Tensor) -> torch.Tensor:
    return x.permute(tuple(range(x.dim()))[::-1])


@rule("Squeeze", view=True)
def _squeeze(op: Op) -> Call:
    axes = op.numbers("axes", 1)
    return Call(torch.squeeze, (op.tensor(0),) if axes is None else (op.tensor(0), axes))


@rule("Unsqueeze", view=True)
def _unsqueeze(op: Op) -> Call:
    axes = op.numbers("axes", 1)
    if isinstance(axes, tuple) and len(axes) == 1:
        return Call(torch.unsqueeze, (op.tensor(0), axes[0]))
    return Call(widened, (op.tensor(0), axes))


def widened(x: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


@rule("Concat")
def _concat(op: Op) -> Call:
    return Call(torch.cat, ([op.tensor(index) for index in range(len(op.inputs))], op.attribute("axis")))


@rule("Split", view=True)
def _split(op: Op) -> Call:
    sizes = op.numbers("split", 1)
    axis = op.attribute("axis", 0)
    if sizes is not None:
        return Call(torch.split, (op.tensor(0), sizes, axis))
    return Call(parted, (op.tensor(0), op.attribute("num_outputs", len(op.node.output)), axis))


def parted(x: torch.Tensor, count: int, axis: int) -> Any:
    """Equal parts, the last one smaller where they do not come out even (opset 18)."""
    return torch.split(x, (x.shape[axis] + count - 1) // count, axis)


@rule("Slice", view=True)
def _slice(op: Op) -> Call:
    axes = op.host(3) if op.has(3) else None
    steps = op.host(4) if op.has(4) else None
    return Call(sliced, (op.tensor(0), op.host(1), op.host(2), axes, steps))


def sliced(x: torch.Tensor, starts: Any, ends: Any, axes: Any, steps: Any) -> torch.Tensor:
    """ONNX clamps starts and ends as Python does; torch takes no negative steps, so these are flipped first."""
    for i, start in enumerate(starts):
        axis = i if axes is None else axes[i]
        step = 1 if steps is None else steps[i]
        size = x.shape[axis]
        end = ends[i]
        first = start + size if start < 0 else start
        last = end + size if end < 0 else end
        if step > 0:
            first, last = min(max(first, 0), size), min(max(last, 0), size)
            x = _stepped(x, axis, first, max(first, last), step)
        else:
            first, last = min(max(first, 0), size - 1), min(max(last, -1), size - 1)
            x = _stepped(torch.flip(x, (axis,)), axis, size - 1 - first, max(size - 1 - last, size - 1 - first), -step)
    return x


def _stepped(x: torch.Tensor, axis: int, first: Any, last: Any, step: int) -> torch.Tensor:
    index = (slice(None),) * (axis % x.dim()) + (slice(first, last, step),)
    return x[index]


@rule("Expand", view=True)
def _expand(op: Op) -> Call:
    return Call(expanded, (op.tensor(0), op.host(1)))


def expanded(x: torch.Tensor, shape: Any) -> torch.Tensor:
    """Both ways: a 1 in `shape` keeps the tensor's own size."""
    missing = len(shape) - x.dim()
    own = (1,) * max(missing, 0) + tuple(x.shape)
    asked = (1,) * max(-missing, 0) + tuple(shape)
    return x.expand(tuple(have if want == 1 else want for have, want in zip(own, asked, strict=True)))


@rule("Tile")
def _tile(op: Op) -> Call:
    return Call(torch.tile, (op.tensor(0), op.host(1)))


@rule("Pad")
def _pad(op: Op) -> Call:
    mode = op.attribute("mode", "constant")
    modes = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    if mode not in modes:
        raise op.refuse(f"mode {mode}")
    fill = op.constant(2) if op.has(2) else torch.tensor(0.0)
    if fill is None:
        raise op.refuse("constant_value is computed by the graph; expected a constant")
    axes = op.host(3) if op.has(3) else None
    return Call(padded, (op.tensor(0), op.host(1), axes, modes[mode], fill.item()))


def padded(x: torch.Tensor, pads: Any, axes: Any, mode: str, fill: float) -> torch.Tensor:
    """`pads` are all starts, then all ends; torch wants pairs from the last dimension on."""
    places = tuple(range(x.dim())) if axes is None else tuple(axis % x.dim() for axis in axes)
    both = {axis: (pads[i], pads[i + len(places)]) for i, axis in enumerate(places)}
    if mode == "constant":
        flat: list[Any] = []
        for axis in range(x.dim() - 1, -1, -1):
            flat += both.get(axis, (0, 0))
        return functional.pad(x, flat, "constant", fill)
    # torch mirrors at most the last three dimensions, and only with batch and channels before them.
    for axis, (before, after) in both.items():
        if before or after:
            moved = x.movedim(axis, -1)
            lines = functional.pad(moved.reshape(1, -1, moved.shape[-1]), (before, after), mode)
            x = lines.reshape(*moved.shape[:-1], lines.shape[-1]).movedim(-1, axis)
    return x


@rule("Constant", "ConstantOfShape")
def _constant(op: Op) -> Call:
    value = op.attribute("value")
    if op.node.op_type == "ConstantOfShape":
        fill = torch.zeros(1) if value is None else stored(value, _NOWHERE)
        return Call(torch.full, (op.host(0), fill.item()), {"dtype": fill.dtype, "device": op.device})
    if value is not None:
        return Call(same_constant, (stored(value, _NOWHERE),))
    for name, dtype in (("value_float", torch.float32), ("value_int", torch.int64)):
        for key in (name, f"{name}s"):
            if op.attribute(key) is not None:
                return Call(torch.tensor, (op.attribute(key),), {"dtype": dtype})
    raise op.refuse("a constant that is no tensor of numbers")


def same_constant(x: torch.Tensor) -> torch.Tensor:
    return x


@rule("Range")
def _range(op: Op) -> Call:
    kind = op.kind(0)
    if kind not in TYPES:
        raise op.refuse(f"type {type_name(kind)}")
    bounds = tuple(op.host(index) for index in range(3))
    return Call(torch.arange, bounds, {"dtype": TYPES[kind].tensor, "device": op.device})


@rule("Trilu")
def _trilu(op: Op) -> Call:
    k = op.host(1) if op.has(1) else 0
    return Call(torch.triu if op.attribute("upper", 1) else torch.tril, (op.tensor(0), k))


@rule("DepthToSpace", "SpaceToDepth")
def _blocks(op: Op) -> Call:
    size = op.attribute("blocksize")
    if op.node.op_type == "SpaceToDepth":
        return Call(to_depth, (op.tensor(0), size))
    if op.attribute("mode", "DCR") == "CRD":
        return Call(functional.pixel_shuffle, (op.tensor(0), size))
    return Call(to_space, (op.tensor(0), size))


def to_depth(x: torch.Tensor, size: int) -> torch.Tensor:
    n, c, h, w = x.shape
    parts = x.reshape(n, c, h // size, size, w // size, size).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(n, c * size * size, h // size, w // size)


def to_space(x: torch.Tensor, size: int) -> torch.Tensor:
    n, c, h, w = x.shape
    parts = x.reshape(n, size, size, c // (size * size), h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, c // (size * size), h * size, w * size)
