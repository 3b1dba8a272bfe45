"""`llm-chat-*`: Llama-like decoders (RMSNorm, RoPE, grouped-query attention, SwiGLU, tied head), explicit KV cache.

The weights' gains make random weights behave like a language model where it matters for finding faults: queries × 4, so
that attention is not near-uniform and a missing causal mask shows; residual branches × 1/√(2·layers); a random `mix`
matrix before the tied head, without which tied embeddings repeat the last token for ever; logits of deviation 4. Tested
by mutation: plain initialisation lets broken backends look better than an honest int4 one.
"""

from __future__ import annotations

import math

import msgspec

from npubench.build.nets.vocabulary import Decoder, V

THETA = 10_000.0
QUERY_GAIN = 4.0
LOGIT_DEVIATION = 4.0


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes of a decoder. `width` is the hidden size, `inner` that of the feed-forward network."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    vocab: int


TINY = Shape(layers=8, width=256, heads=4, kv_heads=2, head_dim=64, inner=768, vocab=8192)
# The shape of SmolLM-135M (Hugging Face, 2024).
SMALL = Shape(layers=30, width=576, heads=9, kv_heads=3, head_dim=64, inner=1536, vocab=49152)


def decoder(b: Decoder[V], shape: Shape) -> None:
    """`input_ids` int64 [batch,tokens] and past keys/values → `logits` [batch,vocab] of the last position, present."""
    residual = 1 / math.sqrt(2 * shape.layers)
    ids = b.tokens("input_ids", shape.layers, shape.kv_heads, shape.head_dim)
    x = b.embed(ids, "embed", shape.vocab, shape.width, deviation=1.0)
    for layer in range(shape.layers):
        name = f"layers.{layer}"
        h = b.rms_norm(x, f"{name}.attention.norm")
        query = b.linear(h, f"{name}.attention.query", shape.heads * shape.head_dim, QUERY_GAIN)
        key = b.linear(h, f"{name}.attention.key", shape.kv_heads * shape.head_dim)
        value = b.linear(h, f"{name}.attention.value", shape.kv_heads * shape.head_dim)
        query = b.rotary(b.heads(query, shape.heads), THETA)
        key = b.cached(b.rotary(b.heads(key, shape.kv_heads), THETA), layer, "key")
        value = b.cached(b.heads(value, shape.kv_heads), layer, "value")
        h = b.attend(query, key, value)
        x = b.add(x, b.linear(h, f"{name}.attention.out", shape.width, residual))
        h = b.rms_norm(x, f"{name}.feed.norm")
        gate = b.silu(b.linear(h, f"{name}.feed.gate", shape.inner))
        h = b.multiply(gate, b.linear(h, f"{name}.feed.up", shape.inner))
        x = b.add(x, b.linear(h, f"{name}.feed.down", shape.width, residual))
    h = b.rms_norm(b.last(x), "norm")
    # The head multiplies by the embedding table (deviation 1), which adds a factor √width: divided away here.
    h = b.linear(h, "mix", shape.width, LOGIT_DEVIATION / math.sqrt(shape.width))
    b.output("logits", b.tied_logits(h, "embed"))
