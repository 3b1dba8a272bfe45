"""An accelerator that sleeps while it works, so that a busy host hardly disturbs it: `tests.engine.sleeping:Sleeping`.

Two engines for all sessions of a process; a request costs time on the host and on an engine. Larger batches cost less
per row, up to a point; requests in flight keep both engines busy.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from npubench.spi import Artifact, Availability, Device, Feeds, Outputs, Session, TensorSpec

_ENGINES = threading.Semaphore(2)
_OPENING_S = 0.2


def host_s(batch: int) -> float:
    """What a request costs outside the device."""
    return 0.006 * (1 + batch / 8)


def device_s(batch: int) -> float:
    """… and on one of its engines."""
    return 0.004 + 0.003 * batch + 0.00004 * batch**2


class SleepingSession:
    """Zeros, after the time that they take."""

    inputs: Sequence[TensorSpec] = (TensorSpec(name="x", dtype="float32", shape=("batch", 4)),)
    outputs: Sequence[TensorSpec] = (TensorSpec(name="y", dtype="float32", shape=("batch", 4)),)

    def infer(self, feeds: Feeds) -> Outputs:
        batch = len(feeds["x"])
        time.sleep(host_s(batch))
        with _ENGINES:
            time.sleep(device_s(batch))
        return {"y": np.zeros((batch, 4), np.float32)}

    def fork(self) -> Session:
        return SleepingSession()

    def close(self) -> None:
        """Nothing is held."""


class Sleeping:
    """The adapter."""

    def __init__(self, provider: str | None = None, device: Mapping[str, Any] | None = None) -> None:
        """Takes any card."""

    def probe(self) -> Availability:
        return Availability(available=True, devices=(Device(id="sleeping", type="npu"),))

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Session:
        time.sleep(_OPENING_S)
        return SleepingSession()

    def describe(self) -> Mapping[str, str]:
        return {}
