"""Where the time of one input goes, told by the functions that a step is made of.

Not aware of: which stages there are (`spi.Staged` names them), how often they are asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

Stages = Callable[[int], Mapping[str, int]]
"""`spi.Staged.stages`."""


class Laps:
    """Time since the last end of a stage, summed by stage. `spent` is ns by stage, in the order of first ends."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = {}
        self._since = time.perf_counter_ns()

    def end(self, stage: str) -> None:
        """What has passed since the last end belongs to `stage`."""
        now = time.perf_counter_ns()
        self.spent[stage] = self.spent.get(stage, 0) + now - self._since
        self._since = now
