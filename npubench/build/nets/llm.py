"""Decoder-only language models (RMSNorm, RoPE, grouped-query attention, SwiGLU) with an explicit key/value cache.

One definition for the rooms `llm-chat-*` and for the user's own checkpoints of the Llama, Qwen2, Qwen3 and EXAONE 4
families, which differ in what `Shape` says.

The rooms' gains make random weights behave like a language model where it matters for finding faults: queries × 4, so
that attention is not near-uniform and a missing causal mask shows; residual branches × 1/√(2·layers); a random `mix`
matrix before the tied head, without which tied embeddings repeat the last token for ever; logits of deviation 4. Tested
by mutation: plain initialisation lets broken backends look better than an honest int4 one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import msgspec

from npubench.build.nets.rope import Rope
from npubench.build.nets.vocabulary import EPSILON, Decoder, V

THETA = 10_000.0
QUERY_GAIN = 4.0
LOGIT_DEVIATION = 4.0


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes and the family's choices of a decoder.

    `width` is the hidden size, `inner` that of the feed-forward network. `biased`: the projections that add a bias, of
    query, key, value, out, gate, up, down. `tied`: the head is the embedding table; `mixed`: behind a square matrix.
    `head_norms`: queries and keys are normalised per head (Qwen3, EXAONE 4); `post_norms`: a branch is normalised where
    it ends and not where it begins (EXAONE 4). `windows`: how many positions each layer sees (None: all; empty: all
    layers all); `unrotated`: the layers without rotary positions.
    """

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    vocab: int
    rope: Rope = Rope(theta=THETA)
    epsilon: float = EPSILON
    biased: tuple[str, ...] = ()
    tied: bool = True
    mixed: bool = False
    head_norms: bool = False
    post_norms: bool = False
    windows: tuple[int | None, ...] = ()
    unrotated: tuple[int, ...] = ()


# The frequencies of the first two are rounded to twelve bits; their graphs are pinned, so that stays.
_FIRST = Rope(theta=THETA, coarse=True)

TINY = Shape(layers=8, width=256, heads=4, kv_heads=2, head_dim=64, inner=768, vocab=8192, rope=_FIRST, mixed=True)
# The shape of SmolLM-135M (Hugging Face, 2024).
SMALL = Shape(layers=30, width=576, heads=9, kv_heads=3, head_dim=64, inner=1536, vocab=49152, rope=_FIRST, mixed=True)
# The shape of Qwen2-0.5B (Alibaba, 2024): biases on queries, keys and values.
MEDIUM = Shape(
    layers=24,
    width=896,
    heads=14,
    kv_heads=2,
    head_dim=64,
    inner=4864,
    vocab=151_936,
    rope=Rope(theta=1_000_000.0),
    epsilon=1e-6,
    biased=("query", "key", "value"),
    mixed=True,
)
# The shape of Llama-3.1-8B (Meta, 2024), the smallest model of Korea's K-Perf: a head of its own, stretched positions.
LARGE = Shape(
    layers=32,
    width=4096,
    heads=32,
    kv_heads=8,
    head_dim=128,
    inner=14_336,
    vocab=128_256,
    rope=Rope(theta=500_000.0, kind="llama3", factor=8.0, low=1.0, high=4.0, original=8192),
    tied=False,
)


def decoder(b: Decoder[V], shape: Shape) -> None:
    """`input_ids` int64 [batch,tokens] and past keys/values → `logits` [batch,vocab] of the last position, present."""
    ids = b.tokens("input_ids", shape.layers, shape.kv_heads, shape.head_dim)
    x = b.embed(ids, "embed", shape.vocab, shape.width, deviation=1.0)
    for layer in range(shape.layers):
        x = _branch(b, x, f"layers.{layer}.attention", shape, partial(_attention, b, layer, shape))
        x = _branch(b, x, f"layers.{layer}.feed", shape, partial(_feed, b, layer, shape))
    h = b.rms_norm(b.last(x), "norm", shape.epsilon)
    if not shape.tied:
        b.output("logits", b.logits(h, "head", shape.vocab, LOGIT_DEVIATION))
        return
    if shape.mixed:
        # The head multiplies by the embedding table (deviation 1), which adds a factor √width: divided away here.
        h = b.linear(h, "mix", shape.width, LOGIT_DEVIATION / math.sqrt(shape.width))
    b.output("logits", b.tied_logits(h, "embed"))


def _branch(b: Decoder[V], x: V, name: str, shape: Shape, inside: Callable[[V], V]) -> V:
    """x + inside(x), normalised at one end."""
    if shape.post_norms:
        return b.add(x, b.rms_norm(inside(x), f"{name}.norm", shape.epsilon))
    return b.add(x, inside(b.rms_norm(x, f"{name}.norm", shape.epsilon)))


def _attention(b: Decoder[V], layer: int, shape: Shape, h: V) -> V:
    name = f"layers.{layer}.attention"

    def project(part: str, heads: int, gain: float = 1.0) -> V:
        return b.linear(h, f"{name}.{part}", heads * shape.head_dim, gain, part in shape.biased)

    def placed(x: V, part: str, heads: int) -> V:
        x = b.heads(x, heads)
        if shape.head_norms:
            x = b.rms_norm(x, f"{name}.{part}_norm", shape.epsilon)
        return x if layer in shape.unrotated else b.rotary(x, shape.rope)

    query = project("query", shape.heads, QUERY_GAIN)
    key, value = project("key", shape.kv_heads), project("value", shape.kv_heads)
    query = placed(query, "query", shape.heads)
    key = b.cached(placed(key, "key", shape.kv_heads), layer, "key")
    value = b.cached(b.heads(value, shape.kv_heads), layer, "value")
    h = b.attend(query, key, value, shape.windows[layer] if shape.windows else None)
    return b.linear(h, f"{name}.out", shape.width, 1 / math.sqrt(2 * shape.layers), "out" in shape.biased)


def _feed(b: Decoder[V], layer: int, shape: Shape, h: V) -> V:
    name = f"layers.{layer}.feed"
    gate = b.silu(b.linear(h, f"{name}.gate", shape.inner, 1.0, "gate" in shape.biased))
    h = b.multiply(gate, b.linear(h, f"{name}.up", shape.inner, 1.0, "up" in shape.biased))
    return b.linear(h, f"{name}.down", shape.width, 1 / math.sqrt(2 * shape.layers), "down" in shape.biased)
