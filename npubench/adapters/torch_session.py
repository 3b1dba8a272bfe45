"""One imported graph on one device: host arrays in, host arrays out, nothing left running when `infer` returns.

On a GPU inputs go through pinned memory, so that copies need no wait of their own, and one wait at the end covers
copies and kernels. Guarantees: outputs that are not on the wanted device are an error; torch's words for exhausted
memory become MemoryError; gradients are off.

Not aware of: files (`torch_import`), options (`torch_options`). Threads that share a session on a GPU take turns, and
so do its views (`fork`), for they share a stream and captured graphs; on a CPU they run side by side.
"""

from __future__ import annotations

import copy
import gc
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from typing import Any

import numpy as np
import torch

from npubench.adapters import torch_watch
from npubench.adapters.torch_import import ONNX_NODE, Imported
from npubench.adapters.torch_runs import Run
from npubench.adapters.torch_types import WIDE_ON_HOST, shared
from npubench.spi import Array, AssignedNode, Device, Feeds, Outputs, Placement, Profile, TensorSpec, seeded_feeds

# torch's other ways to say that memory is exhausted (c10/core/impl/alloc_cpu.cpp, cuBLAS).
_EXHAUSTED = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


def exhausted(error: RuntimeError) -> MemoryError | None:
    """torch's error for exhausted memory as Python's; None for any other."""
    if isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _EXHAUSTED):
        return MemoryError(f"out of memory: {error}")
    return None


class TorchSession:
    """A graph that is ready to run. `options` says what is in effect."""

    def __init__(
        self,
        imported: Imported,
        run: Run,
        device: torch.device,
        facts: Device,
        options: Mapping[str, Any],
        watch: torch_watch.Stopwatch | None = None,
    ) -> None:
        self.inputs: Sequence[TensorSpec] = imported.inputs
        self.outputs: Sequence[TensorSpec] = imported.outputs
        self.options: dict[str, Any] = dict(options)
        self._module: Any = imported.module
        self._run: Run | None = run
        self._device = device
        self._facts = facts
        self._watch = watch
        self._pinned: dict[tuple[str, tuple[int, ...], torch.dtype], torch.Tensor] = {}
        self._sizes: dict[str, int] | None = None
        self._checked = False
        self._turn: AbstractContextManager[Any] = nullcontext() if device.type == "cpu" else Lock()

    def fork(self) -> TorchSession:
        """A view of the same module with buffers of its own. Raises RuntimeError where node times are recorded."""
        if self._watch is not None:
            raise RuntimeError("a session that records node times has no views: it times one node at a time")
        view = copy.copy(self)
        view._pinned = {}
        return view

    def infer(self, feeds: Feeds) -> Outputs:
        """Runs the graph on host arrays; the outputs are fresh host arrays."""
        with self._turn, torch.inference_mode():
            results = self._results([self._host(spec, feeds[spec.name]) for spec in self.inputs])
            return {spec.name: _array(result.cpu(), spec) for spec, result in zip(self.outputs, results, strict=True)}

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        """As `infer` on these arrays, whose content is read at each call.

        On a GPU the outputs are pinned buffers of the session, one for each name and shape; on a CPU torch allocates
        its outputs itself.
        """
        kept = {name: np.ascontiguousarray(value) for name, value in feeds.items()}
        if self._device.type == "cpu":
            with torch.inference_mode():
                bound = [self._host(spec, kept[spec.name]) for spec in self.inputs]

            def call() -> Outputs:
                with torch.inference_mode():
                    results = self._results(bound)
                    return {spec.name: _array(found, spec) for spec, found in zip(self.outputs, results, strict=True)}

            return call

        def call_on_device() -> Outputs:
            with self._turn, torch.inference_mode():
                results = self._results([self._host(spec, kept[spec.name]) for spec in self.inputs])
                buffers = []
                for spec, result in zip(self.outputs, results, strict=True):
                    buffer = self._buffer(f"out {spec.name}", tuple(result.shape), result.dtype)
                    buffers.append(buffer.copy_(result, non_blocking=True))
                self._finish()
                return {spec.name: _array(found, spec) for spec, found in zip(self.outputs, buffers, strict=True)}

        return call_on_device

    def _results(self, tensors: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        """The outputs, still on the device. The first time, where they are is checked."""
        if self._watch is not None:
            return self._watch.run(self._module, tensors, self._device)
        assert self._run is not None, "the session is closed"
        try:
            results = self._run(tensors)
        except RuntimeError as error:
            if (memory := exhausted(error)) is not None:
                raise memory from error
            raise
        if not self._checked:
            self._sizes = _symbols(self.inputs, tensors)
            for spec, result in zip(self.outputs, results, strict=True):
                if result.device.type != self._device.type:
                    raise RuntimeError(f"output {spec.name} is on {result.device}, not on {self._device}")
            self._checked = True
        return results

    def _host(self, spec: TensorSpec, value: Array) -> torch.Tensor:
        """A fed array as a tensor on the host; for a GPU, in pinned memory."""
        if value.dtype != np.dtype(spec.dtype):
            raise ValueError(f"input {spec.name}: type {value.dtype}; expected {spec.dtype}")
        if value.ndim != len(spec.shape):
            raise ValueError(f"input {spec.name}: shape {value.shape}; expected {spec.shape}")
        tensor = shared(np.ascontiguousarray(value)).reshape(value.shape)
        if wide := WIDE_ON_HOST.get(spec.dtype):
            tensor = tensor.to(wide)
        if self._device.type == "cpu":
            return tensor
        return self._buffer(spec.name, tuple(tensor.shape), tensor.dtype).copy_(tensor)

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Pinned memory of the session: free again once `infer` has waited."""
        found = self._pinned.get((name, shape, dtype))
        if found is None:
            found = self._pinned[name, shape, dtype] = torch.empty(shape, dtype=dtype, pin_memory=True)
        return found

    def _finish(self) -> None:
        """Waits for everything that was given to the GPU."""
        if self._device.type == "cuda":
            torch.cuda.current_stream(self._device).synchronize()

    def assignment(self) -> Sequence[AssignedNode] | None:
        """Each node with the device on which its result came out, in a run node by node of the same module.

        torch moves nothing by itself, in no mode: a node runs where its inputs are, or raises. None where the seeded
        inputs of that run are refused by the graph.
        """
        sizes = self._sizes or {}
        try:
            with torch.inference_mode():
                feeds = seeded_feeds(self.inputs, 0, sizes)
                tensors = [self._host(spec, feeds[spec.name]).to(self._device) for spec in self.inputs]
                return torch_watch.assigned(self._module, tensors)
        except Exception:
            return None

    def placement(self) -> Placement:
        """Nodes by device, sizes and indices that stay on the host included."""
        nodes = self.assignment()
        wanted = self._device.type
        counts = None if nodes is None else dict(Counter(node.provider for node in nodes))
        fallen = None if nodes is None else dict(Counter(node.op_type for node in nodes if node.provider != wanted))
        return Placement(
            requested=wanted,
            registered=(wanted,),
            selected=tuple(sorted(counts or ())),
            providers=counts,
            fallback_ops=fallen,
            device_type=self._facts.type,
            sources=("torch",) if counts is not None else (),
            devices=(self._facts,),
        )

    def host_nodes(self) -> Mapping[str, int]:
        """Operators that stay on the host, by type."""
        sources = (node.meta.get(ONNX_NODE) for node in self._module.graph.nodes)
        return Counter(source.op_type for source in sources if source is not None and source.host)

    def profile(self) -> Profile:
        """What was timed since the session was opened for it."""
        if self._watch is None:
            raise RuntimeError("this session records no profile")
        return self._watch.profile()

    def close(self) -> None:
        """Frees weights and buffers."""
        self._module = self._run = None
        self._pinned.clear()
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _array(tensor: torch.Tensor, spec: TensorSpec) -> Array:
    array: Array = tensor.contiguous().numpy()
    return array.astype(spec.dtype) if spec.dtype in WIDE_ON_HOST else array


def _symbols(specs: Sequence[TensorSpec], tensors: Sequence[torch.Tensor]) -> dict[str, int]:
    """The size that each symbolic dimension had."""
    return {
        name: size
        for spec, tensor in zip(specs, tensors, strict=True)
        for name, size in zip(spec.shape, tensor.shape, strict=True)
        if isinstance(name, str)
    }
