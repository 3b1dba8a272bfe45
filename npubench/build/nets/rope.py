"""Rotary position frequencies: one number for each pair of a head's dimensions, as model families define them.

Guarantees float32 values from one float64 computation, so that every builder of a network rotates alike. Sources:
RoFormer (arXiv 2104.09864); `linear`, `llama3` and `longrope` as in transformers' modeling_rope_utils.

Not aware of: graphs, positions, attention.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

Kind = Literal["default", "linear", "llama3", "longrope"]


class Rope(msgspec.Struct, frozen=True, kw_only=True):
    """How angles fall with the dimension: θ^(−2i/d), scaled as `kind` says.

    `linear` divides by `factor`; `llama3` does so for low frequencies only, with a ramp where a wave fits `low` to
    `high` times into `original` positions; `longrope` divides by `factors`, one each. `coarse` rounds to twelve bits,
    as the first rooms' graphs have it.
    """

    theta: float = 10_000.0
    kind: Kind = "default"
    factor: float = 1.0
    low: float = 1.0
    high: float = 4.0
    original: int = 8192
    factors: tuple[float, ...] = ()
    coarse: bool = False


def frequencies(rope: Rope, half: int) -> npt.NDArray[np.float32]:
    """The angle by which one position turns each of the `half` pairs, float32 [half]."""
    plain = rope.theta ** (-np.arange(half, dtype=np.float64) / half)
    if rope.coarse:
        mantissa, exponent = np.frexp(plain)
        plain = np.ldexp(np.round(mantissa * 4096) / 4096, exponent)
    elif rope.kind == "linear":
        plain = plain / rope.factor
    elif rope.kind == "longrope":
        plain = plain / np.asarray(rope.factors, np.float64)
    elif rope.kind == "llama3":
        waves = rope.original * plain / (2 * np.pi)
        share = np.clip((waves - rope.low) / (rope.high - rope.low), 0, 1)
        plain = (1 - share) * plain / rope.factor + share * plain
    return plain.astype(np.float32)
