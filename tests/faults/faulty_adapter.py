"""ONNX Runtime on the CPU that misbehaves as the card's options say. Runs in the worker, found by its entry point.

Options: `fault` (below), `at` (the inference of the session at which it happens, from 1 on), `in_window` (count only
those of the timed window), `library` (the compiled faulty.c), `work_ms` (how long each inference takes besides) and
`leak_bytes`. The card's environment may name a file in FAULTY_NODE, which stands for the device's node in /dev.

load, compile, infer, close, exit: a segmentation fault there, the first in ONNX Runtime while it loads a provider
hang-load, hang: never returns and holds Python's lock; hang-deaf: ignores SIGTERM as well
late: the output of the request before · leak: memory at each inference · lost: the device goes away
"""

from __future__ import annotations

import ctypes
import gc
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from npubench.adapters.ort import OrtAdapter
from npubench.adapters.stale import StaleSession
from npubench.spi import Artifact, Availability, Feeds, Outputs

OPTIONS = ("fault", "at", "in_window", "library", "work_ms", "leak_bytes")


def real(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are ONNX Runtime's."""
    return {key: value for key, value in options.items() if key not in OPTIONS}


def node() -> Path | None:
    """The file that stands for the device's node."""
    return Path(os.environ["FAULTY_NODE"]) if "FAULTY_NODE" in os.environ else None


class FaultySession:
    """A real session and its fault."""

    def __init__(self, session: Any, options: Mapping[str, Any]) -> None:
        self._session = session
        self._fault = options.get("fault")
        self._at = int(options.get("at", 1))
        self._in_window = bool(options.get("in_window", False))
        self._work_s = float(options.get("work_ms", 0)) / 1e3
        self._leak_bytes = int(options.get("leak_bytes", 0))
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
            if (mine := node()) is not None:
                mine.unlink(missing_ok=True)
            raise RuntimeError("the runtime says VK_ERROR_DEVICE_LOST")


class FaultyAdapter(OrtAdapter):
    """Opens real sessions, unless it was told not to."""

    def probe_with(self, options: Mapping[str, Any]) -> Availability:
        """Available while the device's node is there."""
        if (mine := node()) is not None and not mine.exists():
            return Availability(available=False, reason=f"{mine.name} is not there")
        return super().probe_with(real(options))

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Any:
        fault = options.get("fault")
        if (mine := node()) is not None and not mine.exists():
            raise RuntimeError(f"cannot open {mine.name}")
        if fault == "load":
            import onnxruntime

            onnxruntime.register_execution_provider_library("Faulty", options["library"])
        if fault == "compile":
            ctypes.PyDLL(options["library"]).faulty_crash()
        if fault == "hang-load":
            ctypes.PyDLL(options["library"]).faulty_hang(1)
        session = super().open(artifact, real(options))
        return StaleSession(session) if fault == "late" else FaultySession(session, options)

    def compile(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> Artifact:
        ctypes.PyDLL(options["library"]).faulty_crash()
        return artifact
