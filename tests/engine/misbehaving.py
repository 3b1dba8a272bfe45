"""ONNX Runtime with one fault each, for the conformance kit to find. Named by tests as `tests.engine.misbehaving:…`."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from npubench.adapters.ort import OrtAdapter
from npubench.spi import Artifact, Availability, Feeds, Outputs, Placement, Session


class Wrapped:
    """A session that passes everything on."""

    def __init__(self, session: Any, path: str) -> None:
        self.session = session
        self.path = Path(path)
        self.inputs = session.inputs
        self.outputs = session.outputs

    def infer(self, feeds: Feeds) -> Outputs:
        return self.session.infer(feeds)

    def close(self) -> None:
        self.session.close()


class Wrapping(OrtAdapter):
    """An adapter whose sessions are of the class `kind`."""

    kind: type[Wrapped] = Wrapped

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Any:
        return self.kind(super().open(artifact, options), artifact.path)


class Leaking(Wrapping):
    class kind(Wrapped):
        kept: list[Outputs]

        def infer(self, feeds: Feeds) -> Outputs:
            self.kept = [*getattr(self, "kept", []), {name: value + 0 for name, value in feeds.items()}]
            return super().infer(feeds)


class Mixing(Wrapping):
    """Returns another request's output when two threads are inside."""

    class kind(Wrapped):
        def infer(self, feeds: Feeds) -> Outputs:
            self.feeds = feeds
            time.sleep(0.001)
            return super().infer(self.feeds)


class CrashingOnType(Wrapping):
    class kind(Wrapped):
        def infer(self, feeds: Feeds) -> Outputs:
            if any(value.dtype == np.float64 for value in feeds.values()):
                ctypes.string_at(0)
            return super().infer(feeds)


class Lenient(Wrapping):
    class kind(Wrapped):
        def infer(self, feeds: Feeds) -> Outputs:
            return super().infer({name: value.astype(np.float32) for name, value in feeds.items()})


class Lying(Wrapping):
    class kind(Wrapped):
        def __init__(self, session: Any, path: str) -> None:
            super().__init__(session, path)
            self.outputs = tuple(msgspec.structs.replace(spec, shape=(1, 9)) for spec in session.outputs)


class Aliasing(Wrapping):
    """Hands out the same output buffers for every request."""

    class kind(Wrapped):
        def infer(self, feeds: Feeds) -> Outputs:
            found = super().infer(feeds)
            self.kept = getattr(self, "kept", found)
            for name, value in found.items():
                self.kept[name][...] = value
            return self.kept


class Scribbling(Wrapping):
    """Uses the caller's input as scratch memory."""

    class kind(Wrapped):
        def infer(self, feeds: Feeds) -> Outputs:
            found = super().infer(feeds)
            for value in feeds.values():
                value += 1
            return found


class Freezing(Wrapping):
    """Copies the buffers of a prepared call once and for all."""

    class kind(Wrapped):
        def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
            kept = {name: value.copy() for name, value in feeds.items()}
            return lambda: self.infer(kept)


class HangingOnNothing(Wrapping):
    class kind(Wrapped):
        def infer(self, feeds: Feeds) -> Outputs:
            if any(value.size == 0 for value in feeds.values()):
                time.sleep(3600)
            return super().infer(feeds)


class DyingOfErrors(Wrapping):
    """After one refused request every other is refused."""

    class kind(Wrapped):
        dead = False

        def infer(self, feeds: Feeds) -> Outputs:
            try:
                if not self.dead:
                    return super().infer(feeds)
            except Exception:
                self.dead = True
            raise RuntimeError("the session is gone")


class Noisy(Wrapping):
    """Right within a small tolerance, never twice the same."""

    class kind(Wrapped):
        count = 0

        def infer(self, feeds: Feeds) -> Outputs:
            self.count += 1
            return {name: value * np.float32(1 + self.count * 1e-6) for name, value in super().infer(feeds).items()}


class OpeningTen(Wrapping):
    """Gives no session after the tenth: what was closed was not freed."""

    opened = 0

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Any:
        self.opened += 1
        if self.opened > 10:
            raise RuntimeError("no device memory left")
        return super().open(artifact, options)


class Unasked(OrtAdapter):
    def probe(self) -> Availability:
        raise RuntimeError("libvendor.so: cannot open shared object file")


class CrashingAtExit(OrtAdapter):
    """Answers everything and takes the process with it at the end."""

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Any:
        atexit.register(os.kill, os.getpid(), signal.SIGSEGV)
        return super().open(artifact, options)


class Placed(Wrapping):
    """Claims an accelerator; the graph ran on the CPU."""

    class kind(Wrapped):
        def placement(self) -> Placement:
            return Placement(requested="Npu", providers={"CPUExecutionProvider": 3}, fallback_ops={"MatMul": 3})


class ByOperator(Wrapping):
    """Node tests: a fault for each of some operators."""

    class kind(Wrapped):
        def infer(self, feeds: Feeds) -> Outputs:
            name = self.path.stem
            if name.startswith("test_abs"):
                ctypes.string_at(0)
            if name.startswith("test_atan"):
                raise RuntimeError("/opt/vendor/lib/kernels.cc:12 not today")
            found = super().infer(feeds)
            if name.startswith("test_ceil"):
                return {key: value + 1 for key, value in found.items()}
            if name.startswith("test_exp"):
                return {key: value * np.float32(1.004) for key, value in found.items()}
            return found

        def placement(self) -> Placement:
            if self.path.stem.startswith("test_floor"):
                return Placement(requested="Npu", providers={"Npu": 1, "Host": 2}, fallback_ops={"Floor": 2})
            return Placement(requested="Npu", providers={"Npu": 1})

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Session:
        if "test_cos" in artifact.path:
            raise NotImplementedError(f"{artifact.path}: no kernel for it")
        return super().open(artifact, options)


class HangingOnAcosh(Wrapping):
    class kind(Wrapped):
        def infer(self, feeds: Feeds) -> Outputs:
            if self.path.stem == "test_acosh":
                time.sleep(3600)
            return super().infer(feeds)


class OnlyOld(OrtAdapter):
    """Knows no version of the standard later than 19."""

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Any:
        if not artifact.path.endswith(".older.onnx"):
            raise NotImplementedError("opset 20 is not supported")
        return super().open(artifact, options)


class Broken(OrtAdapter):
    """Every session crashes the process."""

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Any:
        ctypes.string_at(0)


class Unmakeable(OrtAdapter):
    def __init__(self, **facts: Any) -> None:
        raise RuntimeError("no licence")
