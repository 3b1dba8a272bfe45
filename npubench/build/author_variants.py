"""Writes the fused and static graphs of a language model's room and pins them in its card.

The card names each form in a section `[builds."fp32+static".decode]`; sections that are not there yet are added at its
end, with the weights of the portable graph, which all forms share. Not aware of: weights (the caller has hashed them).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from npubench import cards
from npubench.build.nets import SHAPES
from npubench.build.variants import Emitted, emit_all
from npubench.cards import ModelCard, WeightsSpec

PORTABLE = "fp32"


def author_variants(model: str, room: Path) -> None:
    """Writes the graphs of every form but the portable one. The card must pin the portable one already."""
    path = room / "model.toml"
    card = cards.load(path, ModelCard)
    shared = card.graphs["decoder"].weights
    assert shared is not None
    text = path.read_text(encoding="utf-8")
    for one in emit_all(SHAPES[model], card.params):
        if one.build == PORTABLE:
            continue
        (room / one.file).write_bytes(one.serialised)
        text = _with_section(text, one, shared)
    path.write_text(text, encoding="utf-8")


def _with_section(text: str, one: Emitted, shared: WeightsSpec) -> str:
    """The card's text with this graph's two sections as they should be; everything else stays byte for byte."""
    head = f'[builds."{one.build}".{one.role}'
    section = (
        f"{head}]\n"
        f'file = "{one.file}"\n'
        f'sha256 = "{hashlib.sha256(one.serialised).hexdigest()}"\n'
        f"\n{head}.weights]\n"
        f'kind = "{shared.kind}"\n'
        f'table = "{shared.table}"\n'
        f'seed = "{shared.seed}"\n'
        f'sha256 = "{shared.sha256}"\n'
        f"bytes = {shared.bytes}\n"
    )
    start = text.find(f"{head}]\n")
    if start < 0:
        return f"{text.rstrip()}\n\n{section}"
    weights_at = text.find(f"{head}.weights]\n", start)
    after = text.find("\n[", weights_at)
    return text[:start] + section + (text[after:] if after >= 0 else "")
