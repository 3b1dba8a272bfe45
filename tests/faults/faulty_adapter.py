"""ONNX Runtime on the CPU that misbehaves as the card's options say. Runs in the worker, found by its entry point.

Options: `fault` (below), `at` (the inference of the session at which it happens, from 1 on), `in_window` (count only
those of the timed window), `library` (the compiled faulty.c), `work_ms` (how long each inference takes besides),
`leak_bytes`, and `resource`: a file that stands for the device's node in /dev; without it the device is not here.

load, compile, infer, close, exit: a segmentation fault there, the first in ONNX Runtime while it loads a provider
hang-load, hang: never returns and holds Python's lock; hang-deaf: ignores SIGTERM as well
late: the output of the request before · leak: memory at each inference · lost: the device goes away
"""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from npubench.adapters.ort import OrtAdapter
from npubench.adapters.stale import StaleSession
from npubench.spi import Artifact, Availability, Feeds, Outputs

OPTIONS = ("fault", "at", "in_window", "library", "work_ms", "leak_bytes", "resource")


class FaultySession:
    """A real session and its fault."""

    def __init__(self, session: Any, options: Mapping[str, Any]) -> None:
        self._session = session
        self._fault = options.get("fault")
        self._at = int(options.get("at", 1))
        self._in_window = bool(options.get("in_window", False))
        self._work_s = float(options.get("work_ms", 0)) / 1e3
        self._leak_bytes = int(options.get("leak_bytes", 0))
        self._resource = options.get("resource")
        self._library = ctypes.PyDLL(options["library"]) if "library" in options else None
        self._count = 0
        self.inputs, self.outputs, self.options = session.inputs, session.outputs, dict(options)

    def infer(self, feeds: Feeds) -> Outputs:
        # The collector is off in the timed window and nowhere else.
        self._count += not (self._in_window and gc.isenabled())
        if self._work_s:
            time.sleep(self._work_s)
        if self._fault and self._count >= self._at:
            self._fail()
        return self._session.infer(feeds)

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        return lambda: self.infer(feeds)

    def placement(self) -> Any:
        return self._session.placement()

    def close(self) -> None:
        if self._fault == "close":
            self._library.faulty_crash()
        if self._fault == "exit":
            self._library.faulty_arm()
        self._session.close()

    def _fail(self) -> None:
        if self._fault == "infer":
            self._library.faulty_crash()
        elif self._fault in ("hang", "hang-deaf"):
            self._library.faulty_hang(int(self._fault == "hang"))
        elif self._fault == "leak":
            self._library.faulty_leak(ctypes.c_size_t(self._leak_bytes))
        elif self._fault == "lost":
            if self._resource:
                Path(self._resource).unlink(missing_ok=True)
            raise RuntimeError("device lost")


class FaultyAdapter(OrtAdapter):
    """Opens real sessions, unless it was told not to."""

    def probe(self) -> Availability:
        """The card's device names the file that stands for the device's node."""
        node = self._device.get("match", {}).get("node")
        if node is not None and not Path(node).exists():
            return Availability(available=False, reason=f"{node} is not there")
        return super().probe()

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Any:
        fault = options.get("fault")
        if (resource := options.get("resource")) is not None and not Path(resource).exists():
            raise FileNotFoundError(f"{resource}: the driver has no device")
        if fault == "load":
            import onnxruntime

            onnxruntime.register_execution_provider_library("Faulty", options["library"])
        if fault == "compile":
            ctypes.PyDLL(options["library"]).faulty_crash()
        if fault == "hang-load":
            ctypes.PyDLL(options["library"]).faulty_hang(1)
        real = super().open(artifact, {key: value for key, value in options.items() if key not in OPTIONS})
        return StaleSession(real) if fault == "late" else FaultySession(real, options)

    def compile(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> Artifact:
        ctypes.PyDLL(options["library"]).faulty_crash()
        return artifact
