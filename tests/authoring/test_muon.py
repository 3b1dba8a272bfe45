"""Muon's update is orthogonal, and it finds a minimum."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from npubench.authoring.muon import Muon, orthogonal  # noqa: E402


@pytest.mark.parametrize("shape", [(8, 32), (32, 8), (16, 16)])
def test_singular_values_come_near_to_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
    assert values.min() > 0.4
    assert values.max() < 1.4


def test_it_descends() -> None:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(4, 3, 3, 3))
    goal = torch.randn(4, 3, 3, 3)
    optimiser = Muon([weight], lr=0.05, weight_decay=0.0)
    first = float((weight.detach() - goal).square().mean())
    for _ in range(100):
        optimiser.zero_grad()
        (weight - goal).square().mean().backward()
        optimiser.step()
    assert float((weight.detach() - goal).square().mean()) < first / 4
