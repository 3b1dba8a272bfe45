"""Which part of a camera's path limits how many there can be: the host's decoder, or everything behind it.

Both are asked alone: the decoder with as many threads as there are lanes and no model, the rest with pixels that were
decoded before (`decode=outside`). Pure. Not aware of: how either is measured.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

Part = Literal["decoder", "device"]


def by_turns(rates: Collection[float]) -> float | None:
    """Frames per second where clips that are decoded at these rates take turns: the harmonic mean; None without any."""
    if not rates or min(rates) <= 0:
        return None
    return len(rates) / sum(1 / rate for rate in rates)


def limiting(decoder_fps: float | None, behind_fps: float | None) -> Part | None:
    """The slower part, by frames per second of each alone; None where one of them is not known."""
    if decoder_fps is None or behind_fps is None:
        return None
    return "decoder" if decoder_fps < behind_fps else "device"
