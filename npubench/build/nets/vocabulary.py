"""The words in which networks are written down, once, for whoever builds them.

A network is a function of a builder: `emit` builds ONNX, `calibrate` computes it in numpy, a torch builder can train
the very same definition. `V` is the builder's own value type. Parameters are named by the definition, so that every
builder agrees on them: `conv(x, "stem", …)` owns `stem.weight` and `stem.bias`.

Not aware of: any runtime, where weights come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec

from npubench.build.nets.rope import Rope

EPSILON = 1e-5
"""Of a root-mean-square normalisation, where a definition names no other."""

V = TypeVar("V")
Pair = tuple[int, int]


class Head(msgspec.Struct, frozen=True):
    """A convolution whose output is raw logits: a plain bias, no normalisation, no activation.

    Seeded weights are scaled so that each channel has this mean and standard deviation over images; `first_mean` is the
    mean of channel 0 where that channel is special (the CTC blank).
    """

    mean: float
    deviation: float
    first_mean: float | None = None


class Vision(Protocol[V]):
    """Convolutional networks on NCHW float32; the leading dimension is the symbolic batch."""

    def image(self, name: str, channels: int, height: int, width: int | None) -> V:
        """A graph input [batch,channels,height,width]; None: the width is symbolic and a multiple of 4."""
        ...

    def conv(
        self,
        x: V,
        name: str,
        channels: int,
        kernel: Pair = (3, 3),
        stride: Pair = (1, 1),
        *,
        depthwise: bool = False,
        same: bool = True,
        relu: bool = True,
        head: Head | None = None,
    ) -> V:
        """Convolution, then a per-channel affine (batch normalisation when training, folded when built), then ReLU.

        `same`: pad by half the kernel; else no padding. `head` replaces the affine and the ReLU by a plain bias.
        """
        ...

    def relu(self, x: V) -> V: ...
    def add(self, a: V, b: V) -> V: ...
    def concat(self, parts: Sequence[V]) -> V:
        """Along channels."""
        ...

    def max_pool(self, x: V, kernel: int) -> V:
        """Stride 1, padded to the same size."""
        ...

    def upsample(self, x: V, factor: int) -> V:
        """Nearest neighbour."""
        ...

    def sequence(self, x: V, length: str) -> V:
        """[batch,channels,1,width] → [batch,width,channels]; `length` names the new symbolic dimension."""
        ...

    def channels(self, x: V) -> int: ...
    def output(self, name: str, x: V) -> None: ...


class Decoder(Protocol[V]):
    """Decoder-only language models with an explicit key/value cache; hidden values are [batch,tokens,width]."""

    def tokens(self, name: str, layers: int, kv_heads: int, head_dim: int) -> V:
        """The graph inputs: ids int64 [batch,tokens] and `past.{l}.key`, `past.{l}.value` for each layer."""
        ...

    def embed(self, ids: V, name: str, vocab: int, width: int, deviation: float) -> V: ...
    def rms_norm(self, x: V, name: str, epsilon: float = EPSILON) -> V:
        """Over the last dimension, times a weight of its own."""
        ...

    def linear(self, x: V, name: str, width: int, gain: float = 1.0, bias: bool = False) -> V:
        """Seeded weights have standard deviation gain/√inputs."""
        ...

    def heads(self, x: V, count: int) -> V:
        """[batch,tokens,count·dim] → [batch,count,tokens,dim]."""
        ...

    def rotary(self, x: V, rope: Rope) -> V:
        """Rotates [batch,heads,tokens,dim] by position, halves paired (Llama's convention); one rope per network."""
        ...

    def cached(self, x: V, layer: int, kind: str) -> V:
        """Appends to `past.{layer}.{kind}`, gives it out as `present.{layer}.{kind}` and returns the whole."""
        ...

    def attend(self, query: V, key: V, value: V, window: int | None = None) -> V:
        """Causal grouped-query attention → [batch,tokens,heads·dim]; `window`: only over the last so many positions."""
        ...

    def silu(self, x: V) -> V: ...
    def multiply(self, a: V, b: V) -> V: ...
    def add(self, a: V, b: V) -> V: ...
    def last(self, x: V) -> V:
        """[batch,tokens,width] → [batch,width] of the last position."""
        ...

    def tied_logits(self, x: V, name: str) -> V:
        """[batch,width] → [batch,vocab] by the transposed table of `embed(…, name, …)`."""
        ...

    def logits(self, x: V, name: str, vocab: int, gain: float) -> V:
        """[batch,width] → [batch,vocab] by a table of its own, [vocab,width], of deviation gain/√width."""
        ...

    def output(self, name: str, x: V) -> None: ...
