"""What our tensors are called in a Hugging Face checkpoint of the Llama, Qwen2, Qwen3 and EXAONE 4 families.

Not aware of: files, values.
"""

from __future__ import annotations

import msgspec

from npubench.build.nets.llm import Shape

_PROJECTIONS = {
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.out": "self_attn.o_proj",
    "feed.gate": "mlp.gate_proj",
    "feed.up": "mlp.up_proj",
    "feed.down": "mlp.down_proj",
}


class Origin(msgspec.Struct, frozen=True):
    """A checkpoint's tensor. `transposed`: it is stored [outputs,inputs], ours is [inputs,outputs]."""

    name: str
    transposed: bool = False

    def shape(self, ours: tuple[int, ...]) -> tuple[int, ...]:
        """The shape there of a tensor that has the shape `ours` here; the same the other way round."""
        return tuple(reversed(ours)) if self.transposed else ours


def origins(shape: Shape) -> dict[str, Origin]:
    """Our tensor's name → the checkpoint's. A `mix` matrix, which no family has, is left out."""
    found = {"embed.weight": Origin("model.embed_tokens.weight"), "norm.weight": Origin("model.norm.weight")}
    if not shape.tied:
        found["head.weight"] = Origin("lm_head.weight")
    first, second = (
        ("post_attention_layernorm", "post_feedforward_layernorm")
        if shape.post_norms
        else ("input_layernorm", "post_attention_layernorm")
    )
    for layer in range(shape.layers):
        ours, theirs = f"layers.{layer}", f"model.layers.{layer}"
        found[f"{ours}.attention.norm.weight"] = Origin(f"{theirs}.{first}.weight")
        found[f"{ours}.feed.norm.weight"] = Origin(f"{theirs}.{second}.weight")
        for part, name in _PROJECTIONS.items():
            found[f"{ours}.{part}.weight"] = Origin(f"{theirs}.{name}.weight", transposed=True)
            if part.partition(".")[2] in shape.biased:
                found[f"{ours}.{part}.bias"] = Origin(f"{theirs}.{name}.bias")
        if shape.head_norms:
            for part, letter in (("query", "q"), ("key", "k")):
                found[f"{ours}.attention.{part}_norm.weight"] = Origin(f"{theirs}.self_attn.{letter}_norm.weight")
    return found
