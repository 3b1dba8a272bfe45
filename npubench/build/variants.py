"""A language model in each of its forms: which graphs there are, and how a model card names them.

Guarantees that all forms of one model read the same weights file. Not aware of: where graphs are written, weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import onnx

from npubench.build import weights
from npubench.build.emit_decoder import DecoderGraph
from npubench.build.emit_variants import FusedGraph, StaticGraph
from npubench.build.nets.llm import Shape, decoder
from npubench.cards import build_name

PREFILL, DECODE = "prefill", "decode"


class Emitted(msgspec.Struct, frozen=True, kw_only=True):
    """One graph of a model. `build`: its name in `ModelCard.builds` ("fp32": the portable one); `file`: in the room."""

    build: str
    role: str
    file: str
    proto: onnx.ModelProto
    table: weights.Table

    @property
    def serialised(self) -> bytes:
        return bytes(self.proto.SerializeToString(deterministic=True))


def static_sizes(params: Mapping[str, Any]) -> tuple[int, int]:
    """Of a card's parameters: the prompt's length, and how many positions a generation has in all."""
    prompt = int(params.get("prompt_tokens", 128))
    return prompt, prompt + int(params.get("new_tokens", 32))


def has_static(shape: Shape, length: int) -> bool:
    """Whether the static form, which has one mask for all layers, can say what `shape` sees over `length` positions."""
    return all(window is None or window >= length for window in shape.windows)


def emit_all(shape: Shape, params: Mapping[str, Any]) -> tuple[Emitted, ...]:
    """Every form of the decoder that can be said exactly; the portable one first."""
    prompt, length = static_sizes(params)
    forms: list[tuple[str, str, str, DecoderGraph]] = [
        ("portable", "decoder", "decoder.onnx", DecoderGraph("decoder")),
        ("fused", "decoder", "decoder.fused.onnx", FusedGraph("decoder")),
    ]
    if has_static(shape, length):
        forms += [
            ("static", PREFILL, "prefill.static.onnx", StaticGraph(PREFILL, prompt, 0, length)),
            ("static", DECODE, "decode.static.onnx", StaticGraph(DECODE, 1, length, length)),
        ]
    # A window that is never full sees what no window sees.
    wide = msgspec.structs.replace(shape, windows=())
    found = []
    for variant, role, file, graph in forms:
        decoder(graph, wide if variant == "static" else shape)
        proto, table = graph.finish()
        build = build_name("fp32", variant)
        found.append(Emitted(build=build, role=role, file=file, proto=proto, table=table))
    if any(one.table != found[0].table for one in found):
        raise ValueError("the forms of one model must share their weights file")
    return tuple(found)
