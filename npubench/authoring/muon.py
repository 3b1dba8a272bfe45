"""Muon: momentum made orthogonal, for the weights of convolutions.

Jordan et al., Muon: an optimizer for hidden layers (2024); the scale for updates of the size of AdamW's is that of
Liu et al., Muon is Scalable for LLM Training (arXiv 2502.16982). `torch.optim.Muon` takes matrices only; the weight of
a convolution is taken here as the matrix [outputs, inputs·height·width].

Not aware of: which parameters are hidden weights (`running` decides).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

# The quintic iteration's coefficients (Jordan et al.): fast at small singular values, all end in 0.7 to 1.2.
QUINTIC = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
MOMENTUM = 0.95
SIZE_OF_ADAMW = 0.2


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix [rows, columns] with its singular values brought near to 1 (Newton-Schulz)."""
    a, b, c = QUINTIC
    turned = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if turned else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if turned else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, decoupled weight decay."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    def step(self, closure: Any = None) -> None:
        """One step over all parameters that have a gradient."""
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._move(parameter, group["lr"], group["weight_decay"])

    def _move(self, parameter: Tensor, rate: float, decay: float) -> None:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"]
        momentum.mul_(MOMENTUM).add_(parameter.grad)
        matrix = (parameter.grad + MOMENTUM * momentum).flatten(1)
        update = orthogonal(matrix) * (SIZE_OF_ADAMW * max(matrix.shape) ** 0.5)
        parameter.mul_(1 - rate * decay).add_(update.view_as(parameter), alpha=-rate)
