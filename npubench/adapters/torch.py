"""torch: the graphs of ONNX files on the CPU or on a CUDA device, so that a GPU machine without a GPU build of ONNX
Runtime has a baseline. The card's `provider` is torch's name of the device type: cpu or cuda.

Reading ONNX needs the package onnx in the worker's environment, besides torch, numpy and msgspec.

Guarantees: what a card asks for is used or opening fails; torch has no fallback to another device. `mode` is how the
graph runs (`torch_runs`) and belongs to the identity of a result, as every option does; TF32 is off unless the card
says otherwise. This module can be imported without torch.

Source: the Python API of torch 2.13.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench.errors import CardError
from npubench.spi import Artifact, Availability, Device

if TYPE_CHECKING:
    from npubench.adapters.torch_session import TorchSession

_PROVIDERS = ("cpu", "cuda")


class TorchAdapter:
    """torch on one device."""

    # torch.set_num_threads is for the process.
    shares_threads = True

    def __init__(self, provider: str | None = None, device: Mapping[str, Any] | None = None) -> None:
        self._provider = provider or "cpu"
        self._wanted = dict(device or {})
        if self._provider not in _PROVIDERS:
            known = ", ".join(_PROVIDERS)
            raise CardError([f'provider: "{self._provider}"; the torch adapter takes {known}'])

    def probe(self) -> Availability:
        """Do torch and onnx import, and does the device add two numbers?"""
        sync = f"npubench env sync torch-{self._provider}"
        try:
            import onnx
            import torch
        except Exception as error:  # a broken install raises more than ImportError
            return Availability(available=False, reason=f"torch or onnx cannot be imported: {error}", fix=sync)
        versions = {"torch": str(torch.__version__), "onnx": str(onnx.__version__)}
        try:
            if self._provider == "cuda":
                if torch.version.cuda is None and torch.version.hip is None:
                    reason = f"this torch ({torch.__version__}) is built without CUDA"
                    return Availability(available=False, reason=reason, fix=sync, versions=versions)
                if not torch.cuda.is_available():
                    reason = f"torch {torch.__version__} (CUDA {torch.version.cuda}) finds no CUDA device or driver"
                    return Availability(available=False, reason=reason, fix="nvidia-smi", versions=versions)
            index, device = self._chosen()
            # A build may know the device's driver but have no kernels for its generation.
            torch.ones(2, device=f"{self._provider}:{index}").sum().item()
        except Exception as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            return Availability(
                available=False, reason=f"torch on {self._provider}: {said[0][:300]}", versions=versions
            )
        return Availability(available=True, devices=(device,), versions=versions)

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> TorchSession:
        """A session on the artefact. Raises CardError for options, UnsupportedError for operators."""
        return self._session(artifact, options, profiled=False)

    def open_profiled(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> TorchSession:
        """A session that times each node. Raises NotImplementedError in every mode but eager: there are no nodes."""
        from npubench.adapters.torch_options import checked

        mode = checked(options).mode
        if mode != "eager":
            raise NotImplementedError(f'in mode "{mode}" nodes are fused or replayed together; their times are unknown')
        return self._session(artifact, options, profiled=True)

    def open_strict(self, artifact: Artifact, options: Mapping[str, Any]) -> TorchSession:
        """A session all of whose nodes are on the device; raises RuntimeError where sizes are computed on the host."""
        if self._provider == "cpu":
            raise NotImplementedError("on the CPU there is nobody to share a graph with")
        session = self._session(artifact, options, profiled=False)
        if kept := session.host_nodes():
            session.close()
            listed = ", ".join(f"{name} × {count}" for name, count in sorted(kept.items()))
            raise RuntimeError(f"arithmetic on shapes stays on the host: {listed}")
        return session

    def _session(self, artifact: Artifact, options: Mapping[str, Any], profiled: bool) -> TorchSession:
        import torch

        from npubench.adapters import torch_import, torch_options, torch_runs, torch_session, torch_watch

        chosen = torch_options.checked(options)
        torch_options.apply(chosen)
        index, facts = self._chosen()
        device = torch.device(self._provider) if self._provider == "cpu" else torch.device(self._provider, index)
        try:
            imported = torch_import.read(artifact.path, str(device), chosen.channels_last)
        except RuntimeError as error:
            if (memory := torch_session.exhausted(error)) is not None:
                raise memory from error
            raise
        if chosen.mode == "compile":
            run = torch_runs.run_compiled(imported.module, device, chosen.compile_mode)
        elif chosen.mode == "cudagraphs":
            run = torch_runs.run_captured(imported.module, device)
        else:
            run = torch_runs.run_eagerly(imported.module.forward, device)
        watch = None
        if profiled:
            watch = torch_watch.Stopwatch(lambda: None if device.type == "cpu" else torch.cuda.synchronize(device))
        effect = {"provider": self._provider, **torch_options.in_effect(chosen, self._provider)}
        return torch_session.TorchSession(imported, run, device, facts, effect, watch)

    def _chosen(self) -> tuple[int, Device]:
        """The device that the card means, by `index` among those that `match`. Raises CardError where there is none."""
        found = self._devices()
        match = self._wanted.get("match") or {}
        fitting = [device for device in found if all(_fact(device, key) == value for key, value in match.items())]
        index = int(self._wanted.get("index", 0))
        if index >= len(fitting):
            names = ", ".join(device.name or device.id for device in found) or "none"
            raise CardError([f"device: index {index}, match {match}; torch finds {names}"])
        return int(fitting[index].id), fitting[index]

    def _devices(self) -> list[Device]:
        import torch

        if self._provider == "cpu":
            level = torch.backends.cpu.get_cpu_capability()
            return [Device(id="0", type="cpu", name=platform.machine(), detail={"kernels": level})]
        vendor = "NVIDIA" if torch.version.hip is None else "AMD"
        return [
            Device(
                id=str(index),
                type="gpu",
                vendor=vendor,
                name=str(torch.cuda.get_device_name(index)),
                detail={
                    "capability": ".".join(str(part) for part in torch.cuda.get_device_capability(index)),
                    "memory_bytes": str(torch.cuda.get_device_properties(index).total_memory),
                },
            )
            for index in range(torch.cuda.device_count())
        ]

    def libraries(self) -> Sequence[str]:
        """The files of torch that hold its kernels."""
        import torch

        folder = Path(torch.__file__).parent / "lib"
        return sorted(str(path) for name in ("cpu", "cuda", "hip") for path in folder.glob(f"libtorch_{name}.so"))

    def describe(self) -> Mapping[str, str]:
        """Versions of torch, onnx, CUDA and cuDNN."""
        import onnx
        import torch

        versions = {"torch": str(torch.__version__), "onnx": str(onnx.__version__)}
        if self._provider == "cuda":
            versions["cuda"] = str(torch.version.cuda or torch.version.hip)
            versions["cudnn"] = str(torch.backends.cudnn.version())
        return versions


def _fact(device: Device, key: str) -> str | None:
    own = {"id": device.id, "type": device.type, "vendor": device.vendor, "name": device.name}
    return own.get(key, device.detail.get(key))
