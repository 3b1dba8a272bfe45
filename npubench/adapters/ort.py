"""ONNX Runtime: any provider that it has, or that a plug-in library brings, named by the backend card.

Guarantees: what a card asks for is used or opening fails, with the reason; see `ort_session` for how a session is made,
`ort_devices` for how a provider is reached.

Source: the Python API of onnxruntime 1.32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npubench.adapters.ort_devices import CPU, devices_of, offered, reach
from npubench.adapters.ort_session import NotSelectedError, OrtSession, usable_threads
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

    def probe(self) -> Availability:
        """Is the provider in the onnxruntime of this environment?"""
        try:
            import onnxruntime
        except Exception as error:  # a broken install raises more than ImportError
            return Availability(available=False, reason=f"onnxruntime cannot be imported: {error}")
        versions = {"onnxruntime": str(onnxruntime.__version__)}
        available = onnxruntime.get_available_providers()
        if self._plugin is None and self._provider not in available:
            return Availability(
                available=False,
                reason=f"{self._provider} is not in this onnxruntime ({onnxruntime.__version__}); "
                f"it has {', '.join(available)}",
                versions=versions,
            )
        if self._provider != CPU:
            # Listed only means compiled in. A session on one node says whether the device and its driver answer.
            try:
                self._session(onnxruntime, _ONE_NODE, {}).close()
            except Exception as error:
                said = str(error).strip().splitlines() or [type(error).__name__]
                return Availability(available=False, reason=f"{self._provider}: {said[0][:300]}", versions=versions)
        way = reach(onnxruntime, self._provider, self._device, self._plugin)
        return Availability(available=True, devices=devices_of(onnxruntime, way), versions=versions)

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> OrtSession:
        """A session on the artefact. Raises what ONNX Runtime raises."""
        import onnxruntime

        return self._session(onnxruntime, artifact.path, options)

    def open_profiled(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> OrtSession:
        """A session that records node times into `folder`. Raises what ONNX Runtime raises."""
        import onnxruntime

        return self._session(onnxruntime, artifact.path, options, profile_into=folder)

    def open_strict(self, artifact: Artifact, options: Mapping[str, Any]) -> OrtSession:
        """A session that no node may leave for the CPU. Raises NotImplementedError for the CPU itself.

        A provider may take more when it is not allowed to share (Qualcomm's then quantises inputs itself), so a pass
        says nothing about the placement of the session as timed.
        """
        if self._provider == CPU:
            raise NotImplementedError("the CPU provider shares a graph with nobody")
        import onnxruntime

        return self._session(onnxruntime, artifact.path, options, entries={"session.disable_cpu_ep_fallback": "1"})

    def _session(self, runtime: Any, model: str | bytes, options: Mapping[str, Any], **more: Any) -> OrtSession:
        """Opens by name or by devices. A provider that this onnxruntime registered itself as a plug-in (CUDA in some
        builds of 1.32) is silently left out when it is named, so then it is tried through its devices."""
        way = reach(runtime, self._provider, self._device, self._plugin)
        try:
            return OrtSession(runtime, model, way, options, **more)
        except NotSelectedError:
            if way.devices or self._provider == CPU or not offered(runtime, self._provider):
                raise
        through = reach(runtime, self._provider, self._device, None)
        return OrtSession(runtime, model, through, options, **more)

    def describe(self) -> Mapping[str, str]:
        """The runtime's version and build."""
        import onnxruntime

        return {"onnxruntime": str(onnxruntime.__version__)}
