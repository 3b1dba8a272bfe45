"""Resize: nearest in all of its forms, linear and cubic where torch means the same. See `torch_op`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch.nn import functional

from npubench.adapters.torch_host import to_tensor
from npubench.adapters.torch_op import Call, Op, rule

_ROUNDED: dict[str, Callable[[float], float]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round_prefer_floor": lambda x: math.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: math.floor(x + 0.5),
}

_LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}


@rule("Resize")
def _resize(op: Op) -> Call:
    if op.attribute("antialias", 0) or op.attribute("exclude_outside", 0):
        raise op.refuse("antialias or exclude_outside")
    if op.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise op.refuse("keep_aspect_ratio_policy")
    scales = op.constant(2) if op.has(2) else None
    scales = scales if scales is not None and scales.numel() else None
    sizes = op.host(3) if op.has(3) else None
    if scales is None and sizes is None:
        raise op.refuse("scales are computed by the graph; expected a constant or sizes")
    factors = None if scales is None else tuple(scales.tolist())
    axes = op.attribute("axes")
    mode, place = op.attribute("mode", "nearest"), op.attribute("coordinate_transformation_mode", "half_pixel")
    if mode == "nearest":
        rounding = op.attribute("nearest_mode", "round_prefer_floor")
        if place not in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners", "half_pixel_symmetric"):
            raise op.refuse(f"coordinate_transformation_mode {place}")
        if factors is not None and axes is None and (place, rounding) == ("asymmetric", "floor") and _repeats(factors):
            return Call(functional.interpolate, (op.tensor(0), None, list(factors[2:])), {"mode": "nearest"})
        return Call(nearest, (op.tensor(0), factors, sizes, axes, place, rounding))
    corners = place == "align_corners"
    if place not in ("half_pixel", "align_corners"):
        raise op.refuse(f"coordinate_transformation_mode {place} in mode {mode}")
    if mode == "cubic" and op.attribute("cubic_coeff_a", -0.75) != -0.75:
        raise op.refuse("cubic_coeff_a other than -0.75")
    if mode not in ("linear", "cubic") or axes is not None:
        raise op.refuse(f"mode {mode}" if axes is None else "axes in a mode other than nearest")
    return Call(interpolated, (op.tensor(0), factors, sizes, mode, corners))


def _repeats(factors: tuple[float, ...]) -> bool:
    """Upsampling by whole numbers, for which torch has a kernel."""
    whole = all(factor >= 1 and factor == int(factor) for factor in factors)
    return whole and len(factors) in _LINEAR and factors[0] == factors[1] == 1


def _wanted(x: torch.Tensor, factors: Any, sizes: Any, axes: Any) -> list[tuple[int, Any, Any]]:
    """Dimension, output size and scale of all that change."""
    places = tuple(range(x.dim())) if axes is None else tuple(axis % x.dim() for axis in axes)
    found = []
    for i, axis in enumerate(places):
        size = x.shape[axis]
        out = math.floor(size * factors[i]) if sizes is None else sizes[i]
        scale = factors[i] if sizes is None else out / size
        if out != size or scale != 1:
            found.append((axis, out, scale))
    return found


def nearest(x: torch.Tensor, factors: Any, sizes: Any, axes: Any, place: str, rounding: str) -> torch.Tensor:
    """Each dimension for itself, as a selection of elements."""
    for axis, out, scale in _wanted(x, factors, sizes, axes):
        index = _selected(x.shape[axis], out, scale, place, rounding)
        x = torch.index_select(x, axis, to_tensor(index, torch.int64, str(x.device)))
    return x


@lru_cache(maxsize=256)
def _selected(size: int, out: int, scale: float, place: str, rounding: str) -> tuple[int, ...]:
    """The element that each output takes (ONNX, Resize, "coordinate_transformation_mode")."""
    index = []
    for i in range(out):
        if place == "asymmetric":
            at = i / scale
        elif place == "align_corners":
            at = i * (size - 1) / (out - 1) if out > 1 else 0.0
        elif place == "half_pixel_symmetric":
            at = size / 2 * (1 - out / (size * scale)) + (i + 0.5) / scale - 0.5
        elif place == "pytorch_half_pixel" and out == 1:
            at = 0.0
        else:
            at = (i + 0.5) / scale - 0.5
        index.append(min(max(int(_ROUNDED[rounding](at)), 0), size - 1))
    return tuple(index)


def interpolated(x: torch.Tensor, factors: Any, sizes: Any, mode: str, corners: bool) -> torch.Tensor:
    if x.dim() not in _LINEAR or (mode == "cubic" and x.dim() != 4):
        raise RuntimeError(f"Resize in mode {mode} of a tensor of rank {x.dim()}")
    how = "bicubic" if mode == "cubic" else _LINEAR[x.dim()]
    if sizes is not None:
        if tuple(sizes[:2]) != tuple(x.shape[:2]):
            raise RuntimeError("Resize in a mode other than nearest changes batch or channels")
        return functional.interpolate(x, tuple(sizes[2:]), mode=how, align_corners=corners)
    if tuple(factors[:2]) != (1, 1):
        raise RuntimeError("Resize in a mode other than nearest changes batch or channels")
    # The scale that the file states counts, not output size / input size (ONNX, Resize, "scales").
    return functional.interpolate(x, None, list(factors[2:]), mode=how, align_corners=corners)
