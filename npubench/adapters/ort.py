"""ONNX Runtime: any provider that it has, named by the backend card.

Guarantees: threads are explicit and recorded; `enable_fallback=0`, so that Python never retries on the CPU behind our
back; the provider that was asked for must be among the session's providers, else opening fails; placement evidence
comes from the graph assignment that ONNX Runtime records while partitioning (it costs nothing at run time).

Source: the Python API of onnxruntime 1.32.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npubench.adapters import ort_install
from npubench.spi import Array, Artifact, Availability, Device, Feeds, Outputs, Placement, TensorSpec

_CPU = "CPUExecutionProvider"

# Keys of the card's [options] that belong to the session; everything else goes to the provider.
_SESSION_KEYS = ("graph_optimization_level", "inter_op_num_threads", "intra_op_num_threads")

# A graph of one Add, as bytes: this environment may have no onnx to make one with (models/overhead-floor is the same).
_ONE_NODE = bytes.fromhex(
    "080a12086e707562656e63683a4f0a130a01780a01781201791a036164642203416464120e6f766572686561642d666c6f6f"
    "725a130a0178120e0a0c080112080a0208010a02080462130a0179120e0a0c080112080a0208010a02080442040a001012"
)

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
}


def usable_threads() -> int:
    """How many CPUs this process may run on; for cards that do not say how many threads they want."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def tensor_spec(node: Any) -> TensorSpec:
    """A TensorSpec from an ONNX Runtime NodeArg. Raises ValueError for a type that is no tensor of numbers."""
    if node.type not in _DTYPES:
        known = ", ".join(sorted(_DTYPES))
        raise ValueError(f"{node.name}: type {node.type} cannot be fed; expected one of {known}")
    shape = tuple(d if isinstance(d, int) else str(d or f"{node.name}_{i}") for i, d in enumerate(node.shape))
    return TensorSpec(name=node.name, dtype=_DTYPES[node.type], shape=shape)


def provider_devices(provider: str) -> tuple[Device, ...]:
    """The devices that ONNX Runtime itself names for a provider; none where it names none."""
    import onnxruntime

    try:
        found = [item for item in onnxruntime.get_ep_devices() if item.ep_name == provider]
    except Exception:  # before 1.22 there is no such call
        return ()
    return tuple(
        Device(
            id=str(item.device.device_id),
            type=str(item.device.type).rpartition(".")[2].lower(),
            vendor=str(item.device.vendor),
            name=str(item.device.metadata.get("Description", "") or item.device.vendor),
        )
        for item in found
    )


def device_type(provider: str) -> str:
    """cpu, gpu or npu as ONNX Runtime reports the provider's device; empty where it says nothing."""
    if provider == _CPU:
        return "cpu"
    types = {device.type for device in provider_devices(provider)}
    return types.pop() if len(types) == 1 else ""


class OrtSession:
    """One `InferenceSession` on one provider."""

    def __init__(self, runtime: Any, path: str | bytes, provider: str, options: Mapping[str, Any]) -> None:
        level = str(options.get("graph_optimization_level", "all"))
        levels = {
            "disable": runtime.GraphOptimizationLevel.ORT_DISABLE_ALL,
            "basic": runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
            "extended": runtime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
            "all": runtime.GraphOptimizationLevel.ORT_ENABLE_ALL,
        }
        if level not in levels:
            raise ValueError(f'options.graph_optimization_level: "{level}"; expected one of {", ".join(levels)}')
        intra = int(options.get("intra_op_num_threads", 0)) or usable_threads()
        inter = int(options.get("inter_op_num_threads", 1)) or 1
        own = {key: str(value) for key, value in options.items() if key not in _SESSION_KEYS}
        settings = runtime.SessionOptions()
        settings.graph_optimization_level = levels[level]
        settings.intra_op_num_threads = intra
        settings.inter_op_num_threads = inter
        settings.log_severity_level = 3
        settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        self._session = runtime.InferenceSession(
            path, sess_options=settings, providers=[(provider, own)], enable_fallback=0
        )
        self._provider = provider
        selected = self._session.get_providers()
        if provider not in selected:
            raise RuntimeError(f"{provider} was asked for, but the session has only {', '.join(selected)}")
        taken = self._session.get_provider_options().get(provider, {})
        if ignored := sorted(key for key in own if key not in taken):
            known = ", ".join((*_SESSION_KEYS, *sorted(taken)))
            raise ValueError(f"options that {provider} does not know: {', '.join(ignored)}; it takes {known}")
        self.options: dict[str, Any] = {
            "provider": provider,
            "intra_op_num_threads": intra,
            "inter_op_num_threads": inter,
            "graph_optimization_level": level,
            **own,
        }
        self.inputs: Sequence[TensorSpec] = tuple(tensor_spec(node) for node in self._session.get_inputs())
        self.outputs: Sequence[TensorSpec] = tuple(tensor_spec(node) for node in self._session.get_outputs())
        self._buffers: dict[tuple[str, tuple[int, ...]], Array] = {}
        self._output_names = [spec.name for spec in self.outputs]

    def infer(self, feeds: Feeds) -> Outputs:
        """Runs the model on host arrays; the outputs are fresh host arrays."""
        return dict(zip(self._output_names, self._session.run(self._output_names, dict(feeds)), strict=True))

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        """Binds `feeds` and outputs once (IOBinding); each call runs the model into the same output buffers.

        Nothing runs here: symbolic output shapes are learned by the first call, which runs the model once like any
        other. Calls with equal output shapes share their buffers: a page of text has forty batches of lines, and one
        buffer serves them all.
        """
        binding = self._session.io_binding()
        kept = {name: np.ascontiguousarray(value) for name, value in feeds.items()}
        for name, value in kept.items():
            binding.bind_input(name, "cpu", 0, value.dtype.type, value.shape, value.ctypes.data)
        outputs: dict[str, Array] = {}
        run = self._session.run_with_iobinding

        def bind_outputs(found: Outputs) -> None:
            for name, value in found.items():
                buffer = self._buffers.setdefault((name, value.shape), np.empty_like(value))
                outputs[name] = buffer
                np.copyto(buffer, value)
                binding.bind_output(name, "cpu", 0, buffer.dtype.type, buffer.shape, buffer.ctypes.data)

        # `kept` is used here also to live as long as the raw pointers above are bound.
        def call() -> Outputs:
            if outputs:
                run(binding)
            else:
                bind_outputs(self.infer(kept))
            return outputs

        return call

    def placement(self) -> Placement:
        """Nodes per provider, from the recorded graph assignment. No record means unknown."""
        providers: Counter[str] = Counter()
        fallback: Counter[str] = Counter()
        try:
            subgraphs = self._session.get_provider_graph_assignment_info()
        except Exception:
            subgraphs = []
        for subgraph in subgraphs:
            for node in subgraph.get_nodes():
                providers[subgraph.ep_name] += 1
                if subgraph.ep_name != self._provider:
                    fallback[node.op_type] += 1
        return Placement(
            requested=self._provider,
            registered=tuple(self._session.get_providers()),
            selected=tuple(sorted(providers)),
            providers=dict(providers) if providers else None,
            fallback_ops=dict(fallback) if providers else None,
            device_type=device_type(self._provider),
            sources=("assignment",) if providers else (),
        )

    def close(self) -> None:
        """Frees the session."""
        del self._session


class OrtAdapter:
    """ONNX Runtime with one provider."""

    def __init__(self, provider: str | None = None, device: Mapping[str, Any] | None = None) -> None:
        self._provider = provider or _CPU
        self._device = dict(device or {})

    def probe(self) -> Availability:
        """Is the provider in the onnxruntime of this environment?"""
        if (conflict := ort_install.conflicting()) is not None:
            return conflict
        try:
            import onnxruntime
        except Exception as error:  # a broken install raises more than ImportError
            return Availability(available=False, reason=f"onnxruntime cannot be imported: {error}")
        versions = {"onnxruntime": str(onnxruntime.__version__)}
        available = onnxruntime.get_available_providers()
        if self._provider not in available:
            return Availability(
                available=False,
                reason=f"{self._provider} is not in this onnxruntime ({onnxruntime.__version__}); "
                f"it has {', '.join(available)}",
                versions=versions,
            )
        if self._provider != _CPU:
            # Listed only means compiled in. A session on one node says whether the device and its driver answer.
            try:
                OrtSession(onnxruntime, _ONE_NODE, self._provider, {})
            except Exception as error:
                said = str(error).strip().splitlines() or [type(error).__name__]
                return Availability(available=False, reason=f"{self._provider}: {said[0][:300]}", versions=versions)
        return Availability(available=True, devices=provider_devices(self._provider), versions=versions)

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> OrtSession:
        """A session on the artefact. Raises what ONNX Runtime raises."""
        import onnxruntime

        return OrtSession(onnxruntime, artifact.path, self._provider, options)

    def describe(self) -> Mapping[str, str]:
        """The runtime's version and build."""
        import onnxruntime

        return {"onnxruntime": str(onnxruntime.__version__)}
