"""Computes a vision network in numpy, layer by layer, and finds the constants that keep seeded weights useful.

Each channel is normalised over a few drawn images and shifted by +2 (BETA): ReLU then works in its linear region, noise
is not amplified from layer to layer, and yet different images give different outputs. Without the shift a good int8
backend looks as bad as a broken one; without normalisation every image gives the same answer.

A developer's step: floating-point sums differ between CPUs, so the result is rounded to fp16 once and committed;
nothing here runs when models are built. Not aware of: ONNX, files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npubench.build import weights
from npubench.build.nets.vocabulary import Head, Pair

Images: TypeAlias = npt.NDArray[np.float32]

BETA = 2.0


class Calibrator:
    """Runs a definition on `inputs` and collects `arrays`. Implements `Vision[Images]` of `nets.vocabulary`.

    With `arrays` given, calibrated or trained ones, it uses those instead: a slow, plain reference for the graph.
    """

    def __init__(
        self, seed: str, inputs: Mapping[str, Images], arrays: Mapping[str, npt.NDArray[Any]] | None = None
    ) -> None:
        self._seed = seed
        self._inputs = inputs
        self._given = arrays
        self.arrays: dict[str, npt.NDArray[Any]] = {}
        self.outputs: dict[str, Images] = {}

    def image(self, name: str, channels: int, height: int, width: int | None) -> Images:
        found = self._inputs[name]
        assert found.shape[1:3] == (channels, height)
        assert width is None or found.shape[3] == width
        return found

    def channels(self, x: Images) -> int:
        return int(x.shape[1])

    def conv(
        self,
        x: Images,
        name: str,
        channels: int,
        kernel: Pair = (3, 3),
        stride: Pair = (1, 1),
        *,
        depthwise: bool = False,
        same: bool = True,
        relu: bool = True,
        head: Head | None = None,
    ) -> Images:
        pad = (kernel[0] // 2, kernel[1] // 2) if same else (0, 0)
        trained = None if self._given is None else self._given.get(f"{name}.weight")
        if self._given is not None and trained is not None:
            raw = _convolve(x, trained.astype(np.float32), stride, pad, depthwise)
            y = raw + self._given[f"{name}.bias"].astype(np.float32)[:, None, None]
            return self.relu(y) if relu and head is None else y
        shape = (channels, 1 if depthwise else x.shape[1], *kernel)
        init = weights.Uniform(gain=1.0)
        drawn = weights.whole(weights.Tensor(name=f"{name}.weight", shape=shape, offset=0, init=init), self._seed, {})
        raw = _convolve(x, drawn, stride, pad, depthwise)
        if self._given is None:
            self._normalise(name, raw, head)
        source = self.arrays if self._given is None else self._given
        scale, bias = (source[f"{name}.{kind}"].astype(np.float32)[:, None, None] for kind in ("scale", "bias"))
        y = raw * scale + bias
        return self.relu(y) if relu and head is None else y

    def _normalise(self, name: str, raw: Images, head: Head | None) -> None:
        mean = raw.mean(axis=(0, 2, 3), dtype=np.float64)
        deviation = raw.std(axis=(0, 2, 3), dtype=np.float64) + 1e-6
        wanted_mean = np.full(len(mean), BETA if head is None else head.mean)
        if head is not None and head.first_mean is not None:
            wanted_mean[0] = head.first_mean
        scale = ((1.0 if head is None else head.deviation) / deviation).astype(np.float16)
        # The bias belongs to the scale as rounded, else the rounding error times the mean would shift the channel.
        bias = wanted_mean - mean * scale.astype(np.float64)
        self.arrays[f"{name}.scale"] = scale
        self.arrays[f"{name}.bias"] = bias.astype(np.float16)

    def relu(self, x: Images) -> Images:
        return np.maximum(x, np.float32(0))

    def add(self, a: Images, b: Images) -> Images:
        return a + b

    def concat(self, parts: Sequence[Images]) -> Images:
        return np.concatenate(parts, axis=1)

    def max_pool(self, x: Images, kernel: int) -> Images:
        half = kernel // 2
        padded = np.pad(x, ((0, 0), (0, 0), (half, half), (half, half)), constant_values=-np.inf)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(2, 3))
        return np.asarray(windows.max(axis=(4, 5)), np.float32)

    def upsample(self, x: Images, factor: int) -> Images:
        return x.repeat(factor, axis=2).repeat(factor, axis=3)

    def sequence(self, x: Images, length: str) -> Images:
        return x[:, :, 0].transpose(0, 2, 1)

    def output(self, name: str, x: Images) -> None:
        self.outputs[name] = x


def _convolve(x: Images, weight: Images, stride: Pair, pad: Pair, depthwise: bool) -> Images:
    """One image at a time and one kernel position at a time: k² matrix products, little memory."""
    padded = np.pad(x, ((0, 0), (0, 0), (pad[0], pad[0]), (pad[1], pad[1])))
    channels, _, rows, columns = weight.shape
    height = (padded.shape[2] - rows) // stride[0] + 1
    width = (padded.shape[3] - columns) // stride[1] + 1
    result = np.zeros((len(x), channels, height, width), np.float32)
    for i in range(rows):
        for j in range(columns):
            part = padded[:, :, i :: stride[0], j :: stride[1]][:, :, :height, :width]
            if depthwise:
                result += part * weight[:, 0, i, j][:, None, None]
                continue
            for image, source in zip(result, part, strict=True):
                image += (weight[:, :, i, j] @ source.reshape(source.shape[0], -1)).reshape(image.shape)
    return result


def _rectangles(bits: np.random.PCG64, canvas: Images, count: int, largest: Pair, levels: Pair) -> None:
    """Draws `count` filled rectangles of random place, size and colour (per cent of white) on a [c,h,w] canvas."""
    channels, height, width = canvas.shape
    for _ in range(count):
        top, left, tall, wide, *colour = (int(value >> np.uint64(40)) for value in bits.random_raw(4 + channels))
        y, x = top % height, left % width
        tall, wide = 2 + tall % largest[0], 2 + wide % largest[1]
        for channel, value in zip(canvas, colour, strict=True):
            channel[y : y + tall, x : x + wide] = (levels[0] + value % (levels[1] - levels[0])) / 100


def _noise(bits: np.random.PCG64, canvas: Images, strength: float) -> None:
    raw = bits.random_raw(canvas.size).astype(np.uint64) >> np.uint64(40)
    canvas += (raw.astype(np.float32) / np.float32(1 << 24) - np.float32(0.5)).reshape(canvas.shape) * strength
    np.clip(canvas, 0, 1, out=canvas)


def drawn_inputs(name: str, count: int, seed: int = 1) -> Images:
    """Images of the kind that the graph input `name` expects: `images` (streets), `page` or `lines`.

    Only their statistics matter: broad gradients and edges for streets, rows of dark strokes on white for paper.
    """
    bits = np.random.PCG64(seed)
    if name == "images":
        batch = np.zeros((count, 3, 640, 640), np.float32)
        for canvas in batch:
            tint = bits.random_raw(6).astype(np.uint64) % np.uint64(100) / 100
            ramp = np.linspace(0, 1, 640, dtype=np.float32)[None, :, None]
            canvas[:] = tint[:3, None, None] * ramp + tint[3:, None, None] * (1 - ramp)
            _rectangles(bits, canvas, 60, (160, 160), (0, 100))
            _noise(bits, canvas, 0.15)
            # Letterboxing a 16:9 frame leaves grey bars of 140 rows above and below.
            canvas[:, :140] = canvas[:, 500:] = 114 / 255
        return batch
    shape = (3, 1024, 736) if name == "page" else (1, 32, 320)
    batch = np.ones((count, *shape), np.float32)
    for canvas in batch:
        height = shape[1]
        if name == "page":
            for top in range(60, height - 60, 40):
                strip = canvas[:, top : top + 16, 60:676]
                _rectangles(bits, strip, 150, (8, 8), (5, 40))
        else:
            end = 100 + int(bits.random_raw() % 220)
            _rectangles(bits, canvas[:, 4:28, 4:end], end // 3, (14, 8), (0, 45))
        # Strokes are dark in all colours: a page is nearly grey.
        canvas[:] = canvas.mean(axis=0)
        _noise(bits, canvas, 0.06)
    return batch
