"""One graph on RNGD: host arrays in, host arrays out, through torch.compile with the vendor's backend. Not verified on
hardware.

Guarantees: the graph is compiled when the session is opened, on inputs of zeros, and its outputs are looked at there:
one that is not on the device is an error; `.cpu()` is where a request is complete. Threads take turns: nothing says
that a compiled graph is for several.
"""

from __future__ import annotations

import gc
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from npubench.adapters import torch_import, vendor_feeds
from npubench.adapters.torch_import import ONNX_NODE
from npubench.adapters.torch_types import WIDE_ON_HOST, shared
from npubench.adapters.vendor_sdk import Sdk, one_line, overheard
from npubench.errors import AbsentBackendError, UnsupportedError
from npubench.spi import Array, Artifact, AssignedNode, Device, Feeds, Outputs, Placement, TensorSpec

UNKNOWN = "furiosa.torch does not say whether its CPU fallback is off: where this graph ran is not known"
HOST = "cpu"
# What a compiler says of the machine rather than of the model.
_ENVIRONMENT = ("no such device", "device is busy", "devicebusy", "out of memory", "permission denied")


class RngdSession:
    """A compiled graph. `fallback_off`: the vendor itself says that nothing may fall back to the CPU."""

    def __init__(
        self, sdk: Sdk, artifact: Artifact, where: str, device: Device, provider: str, fallback_off: bool
    ) -> None:
        imported = torch_import.read(artifact.path, HOST)
        self.inputs: Sequence[TensorSpec] = imported.inputs
        self.outputs: Sequence[TensorSpec] = imported.outputs
        self._sdk, self._device, self._provider, self._fallback_off = sdk, device, provider, fallback_off
        self._where = torch.device(where)
        self._sources = [
            node.meta[ONNX_NODE] for node in imported.module.graph.nodes if node.meta.get(ONNX_NODE) is not None
        ]
        self._turn = threading.Lock()
        self.options: dict[str, Any] = {"fullgraph": True, "eager_fallback": False, "cpu_fallback": not fallback_off}
        self._net: Any = self._compiled(imported.module)

    def _compiled(self, module: Any) -> Any:
        """Compiled and run once. Raises UnsupportedError with the vendor's words."""
        furiosa = self._sdk.module
        fed = [np.zeros([int(size) for size in spec.shape], spec.dtype) for spec in self.inputs]
        with overheard() as said:
            try:
                backend = furiosa.backend.with_config(furiosa.config.CompilerConfig(), eager_fallback=False)
                # Its `forward`: torch traces a module's own call while an error passes through, and loses its words.
                forward = module.to(self._where).forward
                net = torch.compile(forward, backend=backend, fullgraph=True, dynamic=False)
                zeros = [_tensor(array, spec) for spec, array in zip(self.inputs, fed, strict=True)]
                with torch.inference_mode():
                    results = self._run(net, zeros)
            except MemoryError:
                raise
            except Exception as error:
                raise self._refusal(error, said()) from error
            except BaseException as error:
                # A panic of a compiler in Rust is no Exception.
                if isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise
                raise self._refusal(error, said()) from error
        for spec, result in zip(self.outputs, results, strict=True):
            if result.device.type != self._where.type:
                raise RuntimeError(f"output {spec.name} is on {result.device}, not on {self._where}")
        return net

    def _refusal(self, error: BaseException, said: str) -> Exception:
        words = one_line(f"{type(error).__name__}: {error}", 600)
        lines = [line for line in said.splitlines() if line.strip()]
        more = f"; it says: {one_line(lines[-1])}" if lines else ""
        if any(phrase in words.lower() for phrase in _ENVIRONMENT):
            return AbsentBackendError(f"RNGD does not answer: {words}{more}")
        return UnsupportedError(
            f"compile_failed: furiosa-torch {self._sdk.label} does not compile this model: {words}{more}"
        )

    def _run(self, net: Any, tensors: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        moved = [tensor.to(self._where) for tensor in tensors]
        results = net(*moved)
        return results if isinstance(results, (tuple, list)) else (results,)

    def infer(self, feeds: Feeds) -> Outputs:
        """Host arrays in, host arrays out. Raises ValueError for feeds that are not as declared."""
        tensors = [
            _tensor(array, spec)
            for array, spec in zip(vendor_feeds.ordered(self.inputs, feeds), self.inputs, strict=True)
        ]
        with self._turn, torch.inference_mode():
            results = [result.cpu() for result in self._run(self._net, tensors)]
        return {spec.name: _array(result, spec) for spec, result in zip(self.outputs, results, strict=True)}

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        """As `infer` on what the arrays hold then."""
        vendor_feeds.ordered(self.inputs, feeds)
        return lambda: self.infer(feeds)

    def assignment(self) -> Sequence[AssignedNode] | None:
        """Every node: with all fallbacks off, what is not on the device raises. None where that is not certain."""
        if not self._fallback_off:
            return None
        return tuple(
            AssignedNode(
                name=source.name,
                op_type=source.op_type,
                domain=source.domain,
                provider=HOST if source.host else self._provider,
                subgraph=0,
            )
            for source in self._sources
        )

    def placement(self) -> Placement:
        """From the strict compilation; nothing where the vendor does not say that it was strict."""
        nodes = self.assignment()
        counts = None if nodes is None else dict(Counter(node.provider for node in nodes))
        fallen = None if nodes is None else dict(Counter(node.op_type for node in nodes if node.provider == HOST))
        notes = [self._sdk.note("FuriosaAI")] if self._sdk.stand_in else []
        return Placement(
            requested=self._provider,
            registered=(self._provider,),
            selected=tuple(sorted(counts or ())),
            providers=counts,
            fallback_ops=fallen,
            device_type="cpu" if self._sdk.stand_in else "npu",
            sources=("vendor",),
            devices=(self._device,),
            notes=tuple(notes if self._fallback_off else [*notes, UNKNOWN]),
        )

    def close(self) -> None:
        """Frees the compiled graph."""
        self._net = None
        gc.collect()


def _tensor(array: Array, spec: TensorSpec) -> torch.Tensor:
    tensor = shared(np.ascontiguousarray(array)).reshape(array.shape)
    wide = WIDE_ON_HOST.get(spec.dtype)
    return tensor if wide is None else tensor.to(wide)


def _array(tensor: torch.Tensor, spec: TensorSpec) -> Array:
    array: Array = tensor.contiguous().numpy()
    return array.astype(spec.dtype)
