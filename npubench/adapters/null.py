"""The contract's fake: answers at once with declared shapes. Serves tests and measures the harness's own ceiling.

It reads no file. Options (all for tests): `signature` describes inputs and outputs per graph (default: one of four
floats each, as in the overhead floor); `work_ns` spins for that long; `fault` is crash, kill, hang, oom, raise, nan or
shape, and happens at inference number `fault_at`.
"""

from __future__ import annotations

import copy
import ctypes
import itertools
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from npubench.spi import Artifact, Availability, Device, Feeds, Outputs, Placement, TensorSpec

FAULTS = ("crash", "hang", "kill", "nan", "oom", "raise", "shape")

_DEFAULT: dict[str, list[dict[str, Any]]] = {
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 4]}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": [1, 4]}],
}


class NullSession:
    """Returns the same zero-filled outputs for every request."""

    def __init__(self, artifact: Artifact, options: Mapping[str, Any]) -> None:
        signature = options.get("signature", {}).get(artifact.role, _DEFAULT)
        self.inputs: Sequence[TensorSpec] = msgspec.convert(signature["inputs"], tuple[TensorSpec, ...])
        self.outputs: Sequence[TensorSpec] = msgspec.convert(signature["outputs"], tuple[TensorSpec, ...])
        self.options = dict(options)
        self._answer = {
            spec.name: np.zeros([d if isinstance(d, int) else 1 for d in spec.shape], dtype=spec.dtype)
            for spec in self.outputs
        }
        self._work_ns = int(options.get("work_ns", 0))
        self._fault = options.get("fault")
        self._fault_at = int(options.get("fault_at", 0))
        # Taken by every view: which one meets the fault does not matter.
        self._numbers = itertools.count()

    def fork(self) -> NullSession:
        """A view with outputs of its own."""
        view = copy.copy(self)
        view._answer = {name: value.copy() for name, value in self._answer.items()}
        return view

    def infer(self, feeds: Feeds) -> Outputs:
        """The declared outputs, all zero."""
        if self._fault is not None and next(self._numbers) >= self._fault_at:
            return self._fail()
        if self._work_ns:
            end = time.perf_counter_ns() + self._work_ns
            while time.perf_counter_ns() < end:
                pass
        return self._answer

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        """Nothing to bind; without work or faults the call costs what a call costs."""
        if self._fault is None and not self._work_ns:
            answer = self._answer
            return lambda: answer
        return lambda: self.infer(feeds)

    def _fail(self) -> Outputs:
        """The fault that was asked for."""
        first = next(iter(self._answer))
        if self._fault == "crash":
            ctypes.string_at(0)
        elif self._fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self._fault == "hang":
            time.sleep(86_400)
        elif self._fault == "oom":
            raise MemoryError("cannot allocate 1 PiB")
        elif self._fault == "nan":
            return {**self._answer, first: np.full_like(self._answer[first], np.nan)}
        elif self._fault == "shape":
            return {**self._answer, first: np.zeros((7, 7, 7), dtype=np.float32)}
        raise RuntimeError("the fault that was asked for")

    def placement(self) -> Placement:
        """Nowhere: there is no device."""
        return Placement(requested="null", device_type="virtual", sources=("null",))

    def close(self) -> None:
        """Nothing to free."""


class NullAdapter:
    """Always available."""

    def __init__(self, provider: str | None = None, device: Mapping[str, Any] | None = None) -> None:
        self._provider = provider

    def probe(self) -> Availability:
        return Availability(available=True, devices=(Device(id="null", type="none", name="no device"),))

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> NullSession:
        return NullSession(artifact, options)

    def describe(self) -> Mapping[str, str]:
        return {}
