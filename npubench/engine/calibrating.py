"""Typical inputs for a vendor's compiler that quantises by itself: what the graphs of a model really get to see.

The workload prepares our calibration set exactly as it prepares what is measured (scope `device`), and a session that
computes nothing keeps the feeds of every graph. Guarantees: at most `most` feeds a graph, evenly over the set; none of
them is an evaluation input (the set is drawn from a seed of its own).

Not aware of: compilers, where the set comes from (`build.verbs`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from npubench.engine.lanes import Clock
from npubench.spi import Feeds, Outputs, Request, Session, TensorSpec, Workload

Ends = tuple[Sequence[TensorSpec], Sequence[TensorSpec]]


class Recording:
    """A session that keeps what it is fed and answers with zeros."""

    def __init__(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.kept: list[Feeds] = []

    def infer(self, feeds: Feeds) -> Outputs:
        self.kept.append({name: np.array(value) for name, value in feeds.items()})
        return {
            spec.name: np.zeros([size if isinstance(size, int) else 1 for size in spec.shape], spec.dtype)
            for spec in self.outputs
        }

    def close(self) -> None:
        """Nothing to free."""


def feeds(workload: Workload, request: Request, ends: Mapping[str, Ends], most: int) -> dict[str, tuple[Feeds, ...]]:
    """Role → its feeds. `ends`: the inputs and outputs of each graph. Raises what the workload raises."""
    recording = {role: Recording(*both) for role, both in ends.items()}
    sessions: dict[str, Session] = dict(recording)
    bound = workload.bind(sessions, request, Clock())
    # What binding itself runs is no input of the data.
    for session in recording.values():
        session.kept.clear()
    for index in range(bound.count):
        bound.inspect(index)
    bound.close()
    return {role: _spread(session.kept, most) for role, session in recording.items()}


def _spread(found: Sequence[Feeds], most: int) -> tuple[Feeds, ...]:
    if len(found) <= most:
        return tuple(found)
    return tuple(found[index * len(found) // most] for index in range(most))
