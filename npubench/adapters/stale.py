"""ONNX Runtime that gives the answer to the request before: a fault that `selftest quality` must catch.

A real one happens where a driver hands out a buffer before the device has written it. Not aware of: gates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npubench.adapters.ort import OrtAdapter
from npubench.spi import Artifact, Feeds, Outputs, Session, TensorSpec


class StaleSession:
    """A session whose answers are one request late; the first is right, there is no other yet."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._kept: Outputs | None = None
        self.inputs: Sequence[TensorSpec] = session.inputs
        self.outputs: Sequence[TensorSpec] = session.outputs

    def infer(self, feeds: Feeds) -> Outputs:
        """Each output of the call before, where it has this call's shape: a cache that grows is never late."""
        now = {name: np.array(value) for name, value in self._session.infer(feeds).items()}
        before, self._kept = self._kept or {}, now
        return {
            name: before[name] if name in before and before[name].shape == value.shape else value
            for name, value in now.items()
        }

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        """Calls `infer`: the lateness is between requests, whatever buffers they use."""
        return lambda: self.infer(feeds)

    def close(self) -> None:
        """Closes the real session."""
        self._session.close()


class StaleAdapter(OrtAdapter):
    """ONNX Runtime, one answer late."""

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Any:
        """A session that answers late."""
        return StaleSession(super().open(artifact, options))
