"""Word boxes of a page → batches of upright grey line pictures of few widths, for a line recogniser.

A quad (top-left, top-right, bottom-right, bottom-left, in page pixels) is straightened by the bilinear map of its four
corners, which for a parallelogram, such as a word of a tilted scan, is the affine one. Its height becomes the line
height and its width follows its shape; a word wider than the widest bucket is squeezed into it. Words go to the
narrowest bucket that holds them, padded on the right with white.

Guarantees: the same page and quads give the same bytes in every scope; buffers are allocated once.
Not aware of: how words were found, what they say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.errors import CardError
from npubench.spi import Array, Outputs, Session, TensorSpec, prepared
from npubench.workloads.images import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

Quads = npt.NDArray[np.float32]


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How lines are batched: `height` and bucket `widths` in pixels, `batch` lines at most.

    `static`: every batch is full, the last one of a bucket padded with white lines, for graphs of a fixed batch.
    """

    height: int
    widths: tuple[int, ...]
    batch: int
    static: bool


def shape_for(spec: TensorSpec, height: int, widths: Sequence[int], batch: int, static: bool) -> Shape:
    """The shape that a card's params ask for, narrowed to what the graph's input [batch, 1, height, width] declares.

    A fixed batch or width in the graph replaces the params'. Raises CardError for another type, height or rank.
    """
    found = f"graphs.line_recogniser: input {spec.name} {spec.dtype} {list(spec.shape)}"
    dimensions = f"[batch, {height}, width, 1]" if _interleaved(spec) else f"[batch, 1, {height}, width]"
    wrong = CardError((f"{found}; expected float32, float16 or uint8 {dimensions}",))
    if len(spec.shape) != 4 or spec.dtype not in ("float32", "float16", "uint8"):
        raise wrong
    lines, channels, rows, columns = spec.shape
    if _interleaved(spec):
        rows, columns, channels = spec.shape[1:]
    if (isinstance(channels, int) and channels != 1) or (isinstance(rows, int) and rows != height):
        raise wrong
    return Shape(
        height=height,
        widths=(columns,) if isinstance(columns, int) else tuple(sorted(set(widths))),
        batch=lines if isinstance(lines, int) else batch,
        static=static or isinstance(lines, int),
    )


def _interleaved(spec: TensorSpec) -> bool:
    return spec.layout == "NHWC" or "hwc" in spec.fused


def straighten(page: Image, quad: Sequence[Sequence[float]] | Quads, height: int, widest: int) -> Pixels:
    """One word of a grey page (Pillow mode L), upright, uint8 [height, width], width ≤ `widest`."""
    from PIL import Image

    corners = np.asarray(quad, np.float64)
    top_left, top_right, bottom_right, bottom_left = corners
    across = (math.dist(top_left, top_right) + math.dist(bottom_left, bottom_right)) / 2
    down = (math.dist(top_left, bottom_left) + math.dist(top_right, bottom_right)) / 2
    width = min(widest, max(4, round(across * height / max(down, 1.0))))
    # Sampling takes the four nearest pixels only, so a large word is sampled finer and then averaged.
    finer = max(1, min(8, round(down / height)))
    word = page.transform(
        (width * finer, height * finer),
        Image.Transform.QUAD,
        (*top_left, *bottom_left, *bottom_right, *top_right),
        Image.Resampling.BILINEAR,
        fillcolor=255,
    )
    return np.asarray(word if finer == 1 else word.reduce(finer))


class Batch(NamedTuple):
    """One call of the recogniser: `rows` are the indexes of its words; `run` gives its outputs."""

    rows: list[int]
    run: Callable[[], Outputs]


class LineBuffers:
    """The bound buffers of a recogniser: one per bucket, with a prepared call for each number of lines in it."""

    def __init__(self, session: Session, spec: TensorSpec, shape: Shape) -> None:
        self.shape = shape
        self._session, self._spec = session, spec
        top = 1 if spec.dtype == "uint8" or "scale" in spec.fused else 255
        self._levels = (np.arange(256, dtype=np.float32) / np.float32(top)).astype(spec.dtype)
        self.white = self._levels[255]
        self._widths = np.array(shape.widths)
        counts = (shape.batch,) if shape.static else range(1, shape.batch + 1)
        self._buffers: list[Array] = []
        self._calls: list[dict[int, Callable[[], Outputs]]] = []
        for width in shape.widths:
            buffer = np.full((shape.batch, 1, shape.height, width), self.white, spec.dtype)
            self._buffers.append(buffer)
            self._calls.append({count: self._prepared(buffer[:count]) for count in counts})

    def groups(self, words: Sequence[Pixels]) -> Iterator[tuple[int, list[int]]]:
        """(bucket, indexes of at most `batch` words), bucket by bucket, words in their order."""
        buckets = np.searchsorted(self._widths, [word.shape[1] for word in words])
        for bucket in range(len(self._widths)):
            rows = np.flatnonzero(buckets == bucket).tolist()
            for start in range(0, len(rows), self.shape.batch):
                yield bucket, rows[start : start + self.shape.batch]

    def batches(self, words: Sequence[Pixels]) -> Iterator[Batch]:
        """Fills a buffer and yields its call, group by group. Each must be run before the next is asked for."""
        for bucket, rows in self.groups(words):
            buffer = self._buffers[bucket]
            self._fill(buffer, [words[row] for row in rows])
            yield Batch(rows, self._calls[bucket][len(buffer) if self.shape.static else len(rows)])

    def keep(self, words: Sequence[Pixels]) -> list[Batch]:
        """The same batches, each with a buffer of its own that stays filled."""
        kept = []
        for bucket, rows in self.groups(words):
            lines = self.shape.batch if self.shape.static else len(rows)
            buffer = np.empty_like(self._buffers[bucket][:lines])
            self._fill(buffer, [words[row] for row in rows])
            kept.append(Batch(rows, self._prepared(buffer)))
        return kept

    def _prepared(self, buffer: Array) -> Callable[[], Outputs]:
        lines, _, height, width = buffer.shape
        # With one channel both layouts are the same bytes.
        fed = buffer.reshape(lines, height, width, 1) if _interleaved(self._spec) else buffer
        return prepared(self._session, {self._spec.name: fed})

    def _fill(self, buffer: Array, words: Sequence[Pixels]) -> None:
        for row, word in enumerate(words):
            width = word.shape[1]
            buffer[row, 0, :, :width] = self._levels[word]
            buffer[row, 0, :, width:] = self.white
        buffer[len(words) :] = self.white
