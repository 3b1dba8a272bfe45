"""Pictures → the tensor of a detector that is not ours, as the card's table `[params.input]` declares it.

A value of the tensor is (pixel ÷ `divisor` − `mean`) ÷ `deviation`, per channel in the order of `colour`; a graph that
takes uint8 gets the pixels as they are. `resize`: "letterbox" keeps the shape and centres, "top-left" keeps the shape
and begins in the corner, "stretch" fills the whole input. Scaling itself is that of `images` (antialiased; a side that
shrinks by a whole factor is the mean of its pixels), which differs slightly from OpenCV's; scores move with it.

Guarantees: the same bytes give the same tensor in every scope; only what a picture changes is written. Not aware of:
heads, files. Our own detector's input is `images.Canvas`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.errors import CardError
from npubench.spi import Array, Session, TensorSpec
from npubench.workloads.images import Fit, check_shape, fit, scaled

if TYPE_CHECKING:
    from PIL.Image import Image

# Letterbox grey of the YOLO family (Ultralytics: 114 of 255).
PAD = 114


class InputSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[params.input]`. `mean`, `deviation` and `pad`: one number for all channels, or three.

    `pad` is a colour 0..255 in the order R, G, B. `fixed` gives further inputs of the graph their values: a number that
    fills the declared shape, or nested lists.
    """

    name: str = "images"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    colour: Literal["RGB", "BGR"] = "RGB"
    divisor: float = 255.0
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    resize: Literal["letterbox", "top-left", "stretch"] = "letterbox"
    pad: tuple[int, ...] = (PAD,)
    fixed: dict[str, Any] = {}


class Stretched(Fit, frozen=True):
    """A picture that fills its canvas; across and down are scaled apart, `scale` is the one across."""

    def to_source(self, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Boxes [n, 4] (x0, y0, x1, y1) in canvas pixels → picture pixels, clipped to the picture."""
        limit = np.array([self.source_width, self.source_height] * 2, np.float32)
        canvas = np.array([self.width, self.height] * 2, np.float32)
        moved: npt.NDArray[np.float32] = boxes * (limit / canvas)
        np.clip(moved, 0, limit, out=moved)
        return moved


class Feeding:
    """The bound input of one graph. `tensor` is allocated once."""

    def __init__(self, declared: InputSpec, spec: TensorSpec, batch: int, width: int, height: int, role: str) -> None:
        """Raises CardError for values that make no sense and for a type or size that does not fit."""
        self.width, self.height, self._rule = width, height, declared.resize
        if spec.dtype not in ("float32", "float16", "uint8"):
            expected = "float32, float16 or uint8"
            raise CardError((f"graphs.{role}: input {spec.name} has type {spec.dtype}; expected {expected}",))
        self._interleaved = declared.layout == "NHWC" or spec.layout == "NHWC" or "hwc" in spec.fused
        check_shape(spec, (batch, height, width, 3) if self._interleaved else (batch, 3, height, width), role)
        mean, deviation = _three(declared.mean, "mean"), _three(declared.deviation, "deviation")
        if declared.divisor <= 0 or (deviation <= 0).any():
            raise CardError(("params.input: divisor and deviation: expected numbers > 0",))
        pad = _three(declared.pad, "pad")
        if ((pad < 0) | (pad > 255)).any():
            raise CardError((f"params.input.pad: found {list(declared.pad)}; expected 0 to 255",))
        self._reversed = declared.colour == "BGR"
        self._raw = spec.dtype == "uint8"
        divisor = 1.0 if "scale" in spec.fused else declared.divisor
        normalised = "normalise" in spec.fused
        self._factor = (1 / (divisor * (1.0 if normalised else deviation)) * np.ones(3)).astype(np.float32)
        self._offset = np.zeros(3, np.float32) if normalised else (-mean / deviation).astype(np.float32)
        ordered = pad[::-1] if self._reversed else pad
        level = ordered if self._raw else ordered * self._factor + self._offset
        self._pad = level.reshape((3,) if self._interleaved else (3, 1, 1)).astype(spec.dtype)
        shape = (batch, height, width, 3) if self._interleaved else (batch, 3, height, width)
        self.tensor: Array = np.empty(shape, spec.dtype)
        self.tensor[:] = self._pad
        self._last: list[Fit | None] = [None] * batch

    def draw(self, image: Image, row: int) -> Fit:
        """Places `image` on row `row` of the batch by the card's rule; returns where it lies."""
        if self._rule == "stretch":
            across = self.width / image.width
            place: Fit = Stretched(across, 0, 0, self.width, self.height, image.width, image.height)
        else:
            centred = self._rule == "letterbox"
            place = fit(image.width, image.height, self.width, self.height, centred=centred)
        if self._last[row] is not None and place != self._last[row]:
            self.tensor[row] = self._pad
        self._last[row] = place
        small = _scaled(image, place.width, place.height)
        rows = slice(place.top, place.top + place.height)
        columns = slice(place.left, place.left + place.width)
        if self._interleaved:
            pixels = np.asarray(small)
            out = self.tensor[row, rows, columns]
            # Rows of width·3 numbers: a loop over three channels at a time would be several times slower.
            flat = (pixels[:, :, ::-1] if self._reversed else pixels).reshape(place.height, -1)
            self._write(flat, out.reshape(place.height, -1), np.tile(self._factor, place.width), self._offset)
        else:
            planes = small.split()[::-1] if self._reversed else small.split()
            for channel, plane in enumerate(planes):
                out = self.tensor[row, channel, rows, columns]
                self._write(np.asarray(plane), out, self._factor[channel], self._offset[channel : channel + 1])
        return place

    def _write(self, pixels: Array, out: Array, factor: Any, offset: Array) -> None:
        if self._raw:
            np.copyto(out, pixels)
            return
        # Always computed in float32, also where numpy before 2.0 would take float16 for a byte times a scalar.
        values = out if out.dtype == np.float32 else np.empty(out.shape, np.float32)
        np.multiply(pixels, factor, out=values, dtype=np.float32)
        if offset.any():
            values += np.tile(offset, out.shape[1] // 3) if len(offset) == 3 else offset
        if values is not out:
            np.copyto(out, values, casting="same_kind")


def _scaled(image: Image, width: int, height: int) -> Image:
    """`image` at exactly this size; a side that shrinks by a whole factor is averaged first, which is cheaper."""
    across = image.width // width if image.width % width == 0 else 1
    down = image.height // height if image.height % height == 0 else 1
    if (across > 1 or down > 1) and across != down:
        image = image.reduce((max(1, across), max(1, down)))
    return scaled(image, width, height)


def _three(values: tuple[float, ...], key: str) -> npt.NDArray[np.float64]:
    if len(values) not in (1, 3):
        raise CardError((f"params.input.{key}: found {list(values)}; expected one number or three",))
    return np.resize(np.array(values, np.float64), 3)


def fixed_feeds(declared: InputSpec, session: Session, batch: int, role: str) -> dict[str, Array]:
    """The graph's inputs beside the picture, from `fixed`. Raises CardError for one that is missing or does not fit."""
    feeds: dict[str, Array] = {}
    for spec in session.inputs:
        if spec.name == declared.name:
            continue
        key = f"params.input.fixed.{spec.name}"
        if spec.name not in declared.fixed:
            raise CardError((f"{key}: missing; graphs.{role} has the input {spec.name} {list(spec.shape)}",))
        try:
            value = np.array(declared.fixed[spec.name], spec.dtype)
        except (TypeError, ValueError) as error:
            raise CardError((f"{key}: found {declared.fixed[spec.name]!r}; expected {spec.dtype} ({error})",)) from None
        shape = list(value.shape) if value.ndim == len(spec.shape) else [1] * len(spec.shape)
        wanted = [
            batch if index == 0 and not isinstance(size, int) else size if isinstance(size, int) else shape[index]
            for index, size in enumerate(spec.shape)
        ]
        try:
            feeds[spec.name] = np.ascontiguousarray(np.broadcast_to(value, wanted))
        except ValueError:
            raise CardError((f"{key}: found shape {list(value.shape)}; expected {list(spec.shape)}",)) from None
    if unknown := sorted(set(declared.fixed) - {spec.name for spec in session.inputs}):
        raise CardError((f"params.input.fixed.{unknown[0]}: graphs.{role} has no such input",))
    return feeds
