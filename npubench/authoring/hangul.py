"""A recogniser's last layer that knows how Hangul syllables are built: classes with a common letter share weights.

A syllable is a leading consonant, a vowel and a trailing consonant (Unicode 15.0, chapter 3.12). During training the
weight of a class is the sum of the weights of its parts and a remainder of its own, so that a rare syllable is learned
from all those that look like it. The sum is what is folded and shipped: the graph stays one 1×1 convolution.

Not aware of: data, losses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from npubench.authoring.builder import Network

FIRST, LAST = "가", "힣"
LEADS, VOWELS, TRAILS = 19, 21, 28
PARTS = LEADS + VOWELS + TRAILS
# The remainder moves more slowly than the shared parts: it is for what they do not explain.
REMAINDER = 0.3


def parts_of(charset: Sequence[str]) -> npt.NDArray[np.float32]:
    """Float32 [1 + characters, PARTS]: 1 where the class has the part. The blank and other signs have none."""
    parts = np.zeros((1 + len(charset), PARTS), np.float32)
    for row, char in zip(parts[1:], charset, strict=True):
        if FIRST <= char <= LAST:
            lead, rest = divmod(ord(char) - ord(FIRST), VOWELS * TRAILS)
            vowel, trail = divmod(rest, TRAILS)
            row[[lead, LEADS + vowel, LEADS + VOWELS + trail]] = 1
    return parts


class SharedParts(nn.Module):
    """Parametrisation of a weight [classes, width, 1, 1]: parts · shared + REMAINDER · own."""

    def __init__(self, parts: npt.NDArray[np.float32], width: int) -> None:
        super().__init__()
        self.register_buffer("parts", torch.from_numpy(parts), persistent=False)
        self.shared = nn.Parameter(torch.empty(parts.shape[1], width).normal_(std=0.01))

    def forward(self, own: Tensor) -> Tensor:
        """The weight that the convolution uses."""
        parts: Tensor = self.get_buffer("parts")
        return REMAINDER * own + (parts @ self.shared)[:, :, None, None]


def share_parts(network: Network, unit: str, charset: Sequence[str]) -> Network:
    """The network, its head `unit` over `charset` with shared parts."""
    conv = network.units[unit.replace(".", "/")].get_submodule("0")
    assert isinstance(conv, nn.Conv2d)
    parametrize.register_parametrization(conv, "weight", SharedParts(parts_of(charset), conv.in_channels))
    return network
