"""ONNX Runtime: any provider that it has, or that a plug-in library brings, named by the backend card.

Guarantees: what a card asks for is used or opening fails, with the reason; see `ort_session` for how a session is made,
`ort_devices` for how a provider is reached.

Source: the Python API of onnxruntime 1.32.
"""

from __future__ import annotations

import importlib
import os
import re
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from npubench.adapters import ort_install
from npubench.adapters.ort_compile import compile_model
from npubench.adapters.ort_devices import CPU, Reach, chosen, devices_of, offered, reach, runtime_for
from npubench.adapters.ort_running import Running
from npubench.adapters.ort_session import NotSelectedError, OrtSession, usable_threads
from npubench.adapters.ort_submit import session_for
from npubench.spi import Artifact, Availability

__all__ = ["OrtAdapter", "OrtSession", "usable_threads"]

# A graph of one Add, as bytes: this environment may have no onnx to make one with (models/overhead-floor is the same).
_ONE_NODE = bytes.fromhex(
    "080a12086e707562656e63683a4f0a130a01780a01781201791a036164642203416464120e6f766572686561642d666c6f6f"
    "725a130a0178120e0a0c080112080a0208010a02080462130a0179120e0a0c080112080a0208010a02080442040a001012"
)


class OrtAdapter:
    """ONNX Runtime with one provider."""

    def __init__(
        self,
        provider: str | None = None,
        device: Mapping[str, Any] | None = None,
        plugin: Mapping[str, Any] | None = None,
    ) -> None:
        self._provider = provider or CPU
        self._device = dict(device or {})
        self._plugin = dict(plugin) if plugin is not None else None
        # A session's own end is not that of its views.
        self._running: weakref.WeakSet[Running] = weakref.WeakSet()
        self._loading: Any = None

    def probe(self) -> Availability:
        """Is the provider in the onnxruntime of this environment, and does it answer without options?"""
        return self.probe_with({})

    def probe_with(self, options: Mapping[str, Any]) -> Availability:
        """Is the provider here, on the device that the card's options name? Listed only means compiled in: a session
        on one node says whether the device and its driver answer."""
        if (conflict := ort_install.conflicting()) is not None:
            return conflict
        try:
            runtime = runtime_for(self._provider)
        except Exception as error:
            return Availability(available=False, reason=f"onnxruntime cannot be imported: {error}")
        versions = dict(self.describe())
        if self._plugin is None and self._provider not in (available := runtime.get_available_providers()):
            return Availability(
                available=False,
                reason=f"{self._provider} is not in this onnxruntime ({runtime.__version__}); "
                f"it has {', '.join(available)}",
                versions=versions,
            )
        if self._provider == CPU:
            return Availability(available=True, devices=devices_of(runtime, Reach(CPU)), versions=versions)
        with overheard() as heard:
            try:
                session = self._session(runtime, _ONE_NODE, options)
            except Exception as error:
                reason = one_line(str(error) or type(error).__name__)
                if isinstance(error, NotSelectedError) and (said := heard()):
                    reason += f"; it says: {said}"
                return Availability(available=False, reason=reason, versions=versions)
            found = session.placement()
            session.close()
            # It need not want an Add. But with an error in the log it is listed and does nothing.
            if found.providers is not None and self._provider not in found.providers and (said := heard()):
                return Availability(available=False, reason=f"{self._provider}: {said}", versions=versions)
        return Availability(available=True, devices=found.devices, versions=versions)

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> OrtSession:
        """A session on the artefact. Raises what ONNX Runtime raises."""
        return self._session(runtime_for(self._provider), artifact.path, options)

    def open_profiled(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> OrtSession:
        """A session that records node times into `folder`. Raises what ONNX Runtime raises."""
        return self._session(runtime_for(self._provider), artifact.path, options, profile_into=folder)

    def open_strict(self, artifact: Artifact, options: Mapping[str, Any]) -> OrtSession:
        """A session that no node may leave for the CPU. Raises NotImplementedError for the CPU itself.

        A provider may take more when it is not allowed to share (Qualcomm's then quantises inputs itself), so a pass
        says nothing about the placement of the session as timed.
        """
        if self._provider == CPU:
            raise NotImplementedError("the CPU provider shares a graph with nobody")
        return self._session(
            runtime_for(self._provider), artifact.path, options, entries={"session.disable_cpu_ep_fallback": "1"}
        )

    def compile(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> Artifact:
        """The artefact compiled ahead of time into `folder`. Raises UnsupportedError, and what the compiler raises."""
        runtime = runtime_for(self._provider)
        way = reach(runtime, self._provider, self._device, self._plugin)
        return compile_model(runtime, artifact, way, options, Path(folder))

    def interrupt(self) -> None:
        """Ends what its sessions run and cancels what it loads; may be called from another thread."""
        if self._loading is not None and hasattr(self._loading, "set_load_cancellation_flag"):
            self._loading.set_load_cancellation_flag(True)
        for running in list(self._running):
            running.end()

    def libraries(self) -> Sequence[str]:
        """The files that a result depends on: the provider's library and what lies beside it, else ONNX Runtime's."""
        import onnxruntime

        if self._plugin is not None:
            library = Path(reach(onnxruntime, self._provider, self._device, self._plugin).library or "")
            # A bare library may lie in a folder full of others; a package's folder is its own.
            found = library.parent.glob("*.so*") if self._plugin.get("package") else [library]
        else:
            found = (Path(onnxruntime.__file__).parent / "capi").glob("*.so*")
        return sorted(str(path) for path in found if path.is_file())

    def describe(self) -> Mapping[str, str]:
        """Versions of the runtime and of the plug-in's package."""
        import onnxruntime

        versions = {"onnxruntime": str(onnxruntime.__version__)}
        if self._plugin is not None and (package := self._plugin.get("package")):
            with suppress(Exception):
                versions[package] = str(importlib.import_module(package).__version__)
        return versions

    def _session(self, runtime: Any, model: str | bytes, options: Mapping[str, Any], **more: Any) -> OrtSession:
        """Opens by name or by devices. A provider that this onnxruntime registered itself as a plug-in (CUDA in some
        builds of 1.32) is silently left out when it is named, so then it is tried through its devices."""
        way, kind = reach(runtime, self._provider, self._device, self._plugin), session_for(options)
        try:
            try:
                session = kind(runtime, model, way, options, loading=self._load, **more)
            except NotSelectedError:
                if way.devices or not offered(runtime, self._provider):
                    raise
                way = Reach(self._provider, chosen(runtime, self._provider, self._device))
                session = kind(runtime, model, way, options, loading=self._load, **more)
        finally:
            self._loading = None
        self._running.add(session.running)
        return session

    def _load(self, settings: Any) -> None:
        self._loading = settings


@contextmanager
def overheard() -> Iterator[Callable[[], str]]:
    """What ONNX Runtime says on standard error meanwhile: some reasons are in its log and nowhere else.

    Yields a function that gives the last error in it, in one line. Everything is passed on afterwards.
    """
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)

        def said() -> str:
            log.seek(0)
            lines = log.read().decode("utf-8", "replace").splitlines()
            errors = [line.partition("]")[2] for line in lines if "[E:onnxruntime" in line]
            return one_line(errors[-1]) if errors else ""

        try:
            yield said
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            log.seek(0)
            os.write(2, log.read())


# Of a message: colours; where in the source it was said, with the signature there; ONNX Runtime's own prefixes.
_NOISE = re.compile(
    r"\x1b\[[0-9;]*m|\S+\.(?:cc|h|cpp):\d+ .*?\)(?: const)? (?=[A-Z\[])"
    r"|\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : |\[ERROR\] "
)


def one_line(message: str) -> str:
    """The last line that says something, without where in the source it was said; at most 300 characters."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return _NOISE.sub("", lines[-1]).strip()[:300] if lines else ""
