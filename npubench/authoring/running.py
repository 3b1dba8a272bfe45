"""What every trainer needs: a budget of active seconds, checkpoints to go on from, averaged weights, a curve as CSV.

The learning rate follows the share of the budget that is spent, so that a run is whole at any budget. Guarantees: a
checkpoint or curve is whole or absent (written aside, then renamed); while the pause file exists nothing is computed,
and the time does not count; one thread unless asked otherwise.

Not aware of: networks, data, scores.
"""

from __future__ import annotations

import argparse
import csv
import functools
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from npubench.authoring.builder import Network
from npubench.authoring.muon import Muon
from npubench.authoring.pausing import wait_while

WARM_UP_STEPS = 100
CHECKPOINT_S = 60.0


def options(name: str, description: str | None) -> argparse.ArgumentParser:
    """The options that all trainers have."""
    parser = argparse.ArgumentParser(prog=f"python -m npubench.authoring.{name}", description=description)
    parser.add_argument("--seconds", type=float, required=True, help="active training time, all runs together")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint, the curve and the weights")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pause-file", type=Path, help="training sleeps while this file exists")
    parser.add_argument("--evaluate-every", type=float, default=240.0, metavar="SECONDS")
    return parser


@functools.cache
def _has_bf16() -> bool:
    """Whether the processor multiplies bf16 itself; where it does not, emulating it costs ten times fp32."""
    try:
        return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(Path("/proc/cpuinfo").read_text().split()))
    except OSError:
        return False


def fast_arithmetic() -> torch.autocast:
    """bf16 products where the processor has them, else fp32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=_has_bf16())


class Average:
    """An exponential moving average of a network's parameters and statistics."""

    def __init__(self, network: Network, copy: Network, decay: float = 0.998) -> None:
        self.network = copy
        self.network.units.load_state_dict(network.units.state_dict())
        self.network.units.eval()
        self._decay = decay

    def update(self, network: Network, step: int) -> None:
        """Moves towards `network`; faster in the first thousand steps."""
        decay = min(self._decay, (1 + step) / (10 + step))
        new = network.units.state_dict()
        with torch.no_grad():
            for name, value in self.network.units.state_dict().items():
                if value.dtype.is_floating_point:
                    value.lerp_(new[name], 1 - decay)
                else:
                    value.copy_(new[name])


class Run:
    """One training run: network, average, optimiser, time. Lives until the budget is spent."""

    def __init__(
        self, chosen: argparse.Namespace, make: Callable[[], Network], rate: float, decay: float, muon: float = 0.0
    ) -> None:
        """Goes on from `checkpoint.pt` in the folder if there is one.

        `muon`: the learning rate of Muon for the weights inside the network; 0: AdamW for all.
        """
        torch.set_num_threads(chosen.threads)
        torch.manual_seed(chosen.seed)
        self._chosen = chosen
        self.folder: Path = chosen.out
        self.folder.mkdir(parents=True, exist_ok=True)
        self.network = make()
        self.average = Average(self.network, make())
        plain: list[torch.Tensor] = []
        decayed: list[torch.Tensor] = []
        hidden: list[torch.Tensor] = []
        for name, parameter in self.network.units.named_parameters():
            inside = muon > 0 and parameter.ndim > 1 and not name.partition(".")[0].endswith("/logits")
            (hidden if inside else decayed if parameter.ndim > 1 else plain).append(parameter)
        groups = [{"params": decayed, "weight_decay": decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimisers: list[tuple[torch.optim.Optimizer, float]] = [(torch.optim.AdamW(groups, lr=rate), rate)]
        if hidden:
            self.optimisers.append((Muon(hidden, lr=muon, weight_decay=decay), muon))
        self.step = 0
        self.spent_s = 0.0
        self.evaluated_s = 0.0
        self._rows: list[dict[str, Any]] = []
        path = self.folder / "checkpoint.pt"
        if path.exists():
            kept = torch.load(path, weights_only=True)
            self.network.units.load_state_dict(kept["network"])
            self.average.network.units.load_state_dict(kept["average"])
            for (optimiser, _), state in zip(self.optimisers, kept["optimisers"], strict=True):
                optimiser.load_state_dict(state)
            self.step, self.spent_s, self.evaluated_s = kept["step"], kept["spent_s"], kept["evaluated_s"]
            self._rows = kept["rows"]
        self._saved_s = self.spent_s
        self._tick = time.perf_counter()

    @property
    def share(self) -> float:
        """The share of the budget that is spent."""
        return float(self.spent_s / self._chosen.seconds)

    def going(self) -> bool:
        """Whether to take another step. Sleeps while paused; saves now and then; sets the learning rate."""
        now = time.perf_counter()
        self.spent_s += now - self._tick
        wait_while(self._chosen.pause_file)
        self._tick = time.perf_counter()
        if self.spent_s - self._saved_s > CHECKPOINT_S:
            self.save()
        share = min(1.0, self.share)
        part = (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2) * min(1.0, self.step / WARM_UP_STEPS)
        for optimiser, rate in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate * part
        return share < 1

    def learn(self, loss: torch.Tensor, clip: float = 10.0) -> None:
        """One step of the optimiser. Raises FloatingPointError when the loss is not a number."""
        if not torch.isfinite(loss):
            raise FloatingPointError(f"step {self.step}: the loss is {loss.item()}")
        self.network.units.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.units.parameters(), clip)
        for optimiser, _ in self.optimisers:
            optimiser.step()
        self.step += 1
        self.average.update(self.network, self.step)

    def due(self) -> bool:
        """Whether it is time to evaluate."""
        return bool(self.spent_s - self.evaluated_s >= self._chosen.evaluate_every)

    def record(self, values: Mapping[str, float]) -> None:
        """Adds a row to `curve.csv`. The time since the last step (evaluation) does not count as training."""
        self.evaluated_s = self.spent_s
        self._rows.append(
            {"seconds": round(self.spent_s), "step": self.step, **{k: round(v, 5) for k, v in values.items()}}
        )
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        aside = self.folder / ".curve.csv"
        with aside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows)
        aside.rename(self.folder / "curve.csv")
        self._tick = time.perf_counter()

    def save(self) -> None:
        """Writes the checkpoint."""
        self._saved_s = self.spent_s
        aside = self.folder / ".checkpoint.pt"
        torch.save(
            {
                "network": self.network.units.state_dict(),
                "average": self.average.network.units.state_dict(),
                "optimisers": [optimiser.state_dict() for optimiser, _ in self.optimisers],
                "step": self.step,
                "spent_s": self.spent_s,
                "evaluated_s": self.evaluated_s,
                "rows": self._rows,
            },
            aside,
        )
        aside.rename(self.folder / "checkpoint.pt")


def generator(seed: int, step: int) -> np.random.Generator:
    """The stream of one step: a run that goes on draws what it would have drawn."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, step))))
