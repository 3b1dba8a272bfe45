"""FuriosaAI RNGD, everything but language models, through `furiosa.torch` (alpha). Not verified on hardware.

There is no ONNX loader for RNGD: the graph is read by our own importer (`torch_import`; the usual converter has had no
release since 2024 and knows fewer operators) and goes through torch.compile with the vendor's backend. Guarantees:
the whole graph or nothing (`fullgraph`, `eager_fallback=False`), the CPU fallback of `furiosa.torch.config` is switched
off and looked at again before anything is timed; what the compiler refuses, panics included, is *unsupported* with the
vendor's words, when the model is loaded and never in a timed request.

Not guaranteed: a limit on the compiler's time of its own. It runs in the worker, which the parent ends when it has been
silent for too long. Language models go through furiosa-llm's server, as an endpoint.

Source: the wheel furiosa-torch 2026.4.0, read and not run. Options of the card: none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.adapters import vendor_graph, vendor_sdk
from npubench.errors import AbsentBackendError, CardError
from npubench.spi import Artifact, Availability, Device

if TYPE_CHECKING:
    from npubench.adapters.rngd_session import RngdSession

WHO = "RNGD's compiler"
FIX = "npubench env sync furiosa-rngd, and FuriosaAI's driver; then: furiosa-smi info"
NEEDS = ("backend.with_config", "is_available", "get_available_devices", "config.CompilerConfig")
WITHIN: vendor_sdk.Series = ((2026, 3), (2027,))
DEVICE = "__npubench_standin_device__"
"""Where a stand-in keeps its tensors: torch itself must know the name of a device, and knows none of a stand-in's."""


def sdk() -> vendor_sdk.Sdk:
    """`furiosa.torch`. Raises AbsentBackendError."""
    return vendor_sdk.load("furiosa.torch", "FuriosaAI", version=_version, within=WITHIN, needs=NEEDS, fix=FIX)


def _version(module: Any) -> str:
    from importlib.metadata import version

    return str(getattr(module, "__version__", "") or version("furiosa-torch"))


def forbid_fallback(module: Any) -> bool:
    """Switches the vendor's CPU fallback off. Whether it says that it is; False where it cannot be asked.

    Raises RuntimeError where it is on all the same.
    """
    config = getattr(module, "config", None)
    if (switch := getattr(config, "set_cpu_fallback", None)) is None:
        return False
    switch(False)
    for name in ("get_cpu_fallback", "cpu_fallback", "is_cpu_fallback_enabled"):
        found = getattr(config, name, None)
        value = found() if callable(found) else found
        if isinstance(value, bool):
            if value:
                raise RuntimeError("furiosa.torch keeps its CPU fallback on, though it was switched off")
            return True
    return False


class RngdAdapter:
    """`furiosa.torch` on one card."""

    # torch.set_num_threads is for the process.
    shares_threads = True

    def __init__(self, provider: str | None = None, device: Mapping[str, Any] | None = None) -> None:
        self._provider = provider or "furiosa"
        self._wanted = dict(device or {})

    def probe(self) -> Availability:
        """Do torch, onnx and furiosa.torch import, and is there a card?"""
        versions: dict[str, str] = {}
        try:
            found = sdk()
            versions = _versions(found)
            device = self._chosen(found)[1]
        except Exception as error:
            return vendor_sdk.refused(error, versions)
        return Availability(available=True, devices=(device,), versions=versions)

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> RngdSession:
        """A session on a graph, compiled here. Raises UnsupportedError with the compiler's words."""
        if options:
            raise CardError([f"options: found {', '.join(sorted(options))}; the rngd adapter takes none"])
        found = sdk()
        vendor_graph.signature(artifact.path, WHO)
        index, device = self._chosen(found)
        where = getattr(found.module, DEVICE, "") if found.stand_in else f"{self._provider}:{index}"
        from npubench.adapters.rngd_session import RngdSession

        return RngdSession(found, artifact, where, device, self._provider, forbid_fallback(found.module))

    def describe(self) -> Mapping[str, str]:
        """Versions of furiosa-torch, torch and onnx."""
        return _versions(sdk())

    def libraries(self) -> Sequence[str]:
        """The shared objects in the vendor's package."""
        where = getattr(sdk().module, "__file__", None)
        return sorted(str(path) for path in Path(where).parent.rglob("*.so*") if path.is_file()) if where else []

    def _chosen(self, found: vendor_sdk.Sdk) -> tuple[int, Device]:
        """The card that is meant, by `index`. Raises AbsentBackendError where there is none."""
        with vendor_sdk.overheard():
            present = list(found.module.get_available_devices()) if found.module.is_available() else []
        index = int(self._wanted.get("index", 0))
        if index >= len(present):
            listed = ", ".join(map(str, present)) or "none"
            raise AbsentBackendError(f"furiosa.torch finds no device {index}; it finds {listed}", hint=FIX)
        name = vendor_sdk.one_line(str(present[index]), 64)
        return index, Device(id=str(index), type="npu", vendor="FuriosaAI", name="RNGD", detail={"torch": name})


def _versions(found: vendor_sdk.Sdk) -> dict[str, str]:
    import onnx
    import torch

    return {"furiosa-torch": found.label, "torch": str(torch.__version__), "onnx": str(onnx.__version__)}
