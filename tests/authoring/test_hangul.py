"""Syllables share the weights of their letters while training, and fold to one plain convolution."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from npubench.authoring.builder import Network, fold  # noqa: E402
from npubench.authoring.hangul import LEADS, PARTS, VOWELS, parts_of, share_parts  # noqa: E402
from npubench.build.charset import CHARSET  # noqa: E402
from npubench.build.nets.ocr import line_recogniser  # noqa: E402


def test_a_syllable_has_its_three_letters_and_nothing_else_has_any() -> None:
    parts = parts_of("A각한-")
    assert parts.shape == (5, PARTS)
    assert parts[0].sum() == parts[1].sum() == parts[4].sum() == 0
    # 각 is ㄱ ㅏ ㄱ, the first lead, the first vowel and the first trailing consonant after none.
    assert np.flatnonzero(parts[2]).tolist() == [0, LEADS, LEADS + VOWELS + 1]
    assert parts[3].sum() == 3


def test_folding_gives_what_the_network_computes() -> None:
    torch.manual_seed(1)
    network = share_parts(Network(line_recogniser), "head.logits", CHARSET)
    network.units.eval()
    picture = torch.rand(2, 1, 32, 64)
    with torch.inference_mode():
        expected = network(picture)["chars"]
        folded = Network(line_recogniser, fold(network))(picture)["chars"]
    assert torch.allclose(expected, folded, atol=1e-4)


def test_a_gradient_of_one_syllable_moves_those_that_look_like_it() -> None:
    network = share_parts(Network(line_recogniser), "head.logits", CHARSET)
    conv = network.units["head/logits"].get_submodule("0")
    before = conv.weight.detach().clone()
    loss = conv.weight[1 + CHARSET.index("각")].sum()
    loss.backward()
    with torch.no_grad():
        for parameter in network.units["head/logits"].parameters():
            if parameter.grad is not None:
                parameter -= parameter.grad
    moved = (conv.weight.detach() - before).abs().sum(dim=(1, 2, 3))
    assert moved[1 + CHARSET.index("갈")] > 0
    assert moved[1 + CHARSET.index("A")] == 0
