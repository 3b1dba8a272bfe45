"""One model in ONNX Runtime on one provider, and what it can tell of itself.

Guarantees: threads are explicit and recorded; `enable_fallback=0`, so that Python never retries on the CPU behind our
back; the provider that was asked for must be among the session's providers, else opening fails; placement evidence
comes from the graph assignment that ONNX Runtime records while partitioning (it costs nothing at run time).

Source: the Python API of onnxruntime 1.32.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from npubench.adapters import ort_profile
from npubench.adapters.ort_devices import CPU, Reach, describe, device_type, devices_of
from npubench.adapters.ort_options import check_taken, level_of, provider_options
from npubench.adapters.ort_running import Running
from npubench.spi import Array, AssignedNode, Feeds, Outputs, Placement, Profile, TensorSpec

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


def threads_of(options: Mapping[str, Any]) -> int:
    """How many threads a session with these options computes with."""
    return int(options.get("intra_op_num_threads", 0)) or usable_threads()


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


class NotSelectedError(RuntimeError):
    """ONNX Runtime made a session without the provider that was asked for, and said nothing."""


class Configured(msgspec.Struct, frozen=True):
    """Session options of ONNX Runtime, what else the session is made with, and the options as they are in effect."""

    settings: Any
    providers: list[Any] | None
    own: dict[str, str]
    in_effect: dict[str, Any]


def configured(
    runtime: Any,
    way: Reach,
    options: Mapping[str, Any],
    entries: Mapping[str, str] = {},
) -> Configured:
    """Session options for a card's options; `entries` are ONNX Runtime's own configuration keys. Raises ValueError."""
    level = level_of(options)
    intra = threads_of(options)
    inter = int(options.get("inter_op_num_threads", 1)) or 1
    own = provider_options(options)
    settings = runtime.SessionOptions()
    settings.graph_optimization_level = optimisation(runtime, level)
    settings.intra_op_num_threads = intra
    settings.inter_op_num_threads = inter
    settings.log_severity_level = 3
    for key, value in {"session.record_ep_graph_assignment_info": "1", **entries}.items():
        settings.add_session_config_entry(key, value)
    if way.devices:
        settings.add_provider_for_devices(list(way.devices), own)
    return Configured(
        settings=settings,
        providers=None if way.devices else [(way.provider, own)],
        own=own,
        in_effect={
            "provider": way.provider,
            "intra_op_num_threads": intra,
            "inter_op_num_threads": inter,
            "graph_optimization_level": level,
            **own,
        },
    )


def optimisation(runtime: Any, level: str) -> Any:
    """ONNX Runtime's own name of a graph optimisation level."""
    found = runtime.GraphOptimizationLevel
    return {
        "disable": found.ORT_DISABLE_ALL,
        "basic": found.ORT_ENABLE_BASIC,
        "extended": found.ORT_ENABLE_EXTENDED,
        "all": found.ORT_ENABLE_ALL,
    }[level]


def _memory(session: Any, names: Sequence[str]) -> dict[str, str]:
    """Where the provider wants each input (`Cpu`, `Cuda`); empty where ONNX Runtime does not say."""
    try:
        found = session.get_input_memory_infos()
    except Exception:  # before 1.23 there is no such call
        return {}
    return {name: str(info.name) for name, info in zip(names, found, strict=False)}


class OrtSession:
    """One `InferenceSession` on one provider, or a view of it (`fork`): one thread at a time, views side by side.

    `profile_into`: a folder, to record node times while it runs. `loading` is told the session options before the model
    is loaded, so that somebody else can cancel that.
    """

    def __init__(
        self,
        runtime: Any,
        model: str | bytes,
        way: Reach,
        options: Mapping[str, Any],
        entries: Mapping[str, str] = {},
        profile_into: str | None = None,
        loading: Callable[[Any], None] = lambda settings: None,
    ) -> None:
        made = configured(runtime, way, options, entries)
        loading(made.settings)
        self._profile_folder = None
        if profile_into is not None:
            # A folder of its own: ONNX Runtime names the file after the second in which the session began.
            self._profile_folder = tempfile.mkdtemp(prefix="profile-", dir=profile_into)
            made.settings.enable_profiling = True
            made.settings.profile_file_prefix = str(Path(self._profile_folder) / "ort")
        self._session = runtime.InferenceSession(
            model, sess_options=made.settings, providers=made.providers, enable_fallback=0
        )
        self._way = way
        selected = self._session.get_providers()
        if way.provider not in selected:
            raise NotSelectedError(f"{way.provider} was asked for, but the session has only {', '.join(selected)}")
        taken = self._session.get_provider_options().get(way.provider, {})
        self._notes = check_taken(way.provider, bool(way.devices), made.own, taken)
        self._devices = devices_of(runtime, way, made.own)
        self.options: dict[str, Any] = dict(made.in_effect)
        if self._devices:
            self.options["device"] = "; ".join(describe(device) for device in self._devices)
        self.inputs: Sequence[TensorSpec] = tuple(tensor_spec(node) for node in self._session.get_inputs())
        self.outputs: Sequence[TensorSpec] = tuple(tensor_spec(node) for node in self._session.get_outputs())
        self._buffers: dict[tuple[str, tuple[int, ...]], Array] = {}
        self._output_names = [spec.name for spec in self.outputs]
        memory = _memory(self._session, [spec.name for spec in self.inputs])
        if memory:
            self.options["input_memory"] = ", ".join(dict.fromkeys(memory.values()))
        unsaid = "Cpu" if way.provider == CPU else ""
        self._copied = frozenset(spec.name for spec in self.inputs if memory.get(spec.name, unsaid) != "Cpu")
        self.running = Running(runtime)
        self._run_options = self.running.enter()

    def fork(self) -> OrtSession:
        """A view of the same loaded model, with buffers and run options of its own.

        The model is freed when the last of its views is closed. What was bound with `prepare` belongs to one view.
        """
        view = copy.copy(self)
        view._buffers = {}
        view._run_options = self.running.enter()
        # The recording is the opened session's.
        view._profile_folder = None
        return view

    def infer(self, feeds: Feeds) -> Outputs:
        """Runs the model on host arrays; the outputs are fresh host arrays."""
        found = self._session.run(self._output_names, dict(feeds), self._run_options)
        return dict(zip(self._output_names, found, strict=True))

    def interrupt(self) -> None:
        """Ends the requests in flight, of every view, which then raise; from any thread. No other can follow them."""
        self.running.end()

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        """Binds `feeds` and outputs once (IOBinding); each call runs the model into the same output buffers.

        Nothing runs here: symbolic output shapes are learned by the first call, which runs the model once like any
        other. Calls of one view with equal output shapes share their buffers: a page of text has forty batches of
        lines, and one buffer serves them all.

        Binding an input that the provider wants in a memory of its own copies it there, and a run does not: such inputs
        are bound in each call, else every run would read what the buffer held at the start, and pay for no transfer.
        """
        binding = self._session.io_binding()
        kept = {name: np.ascontiguousarray(value) for name, value in feeds.items()}
        bound = [(name, "cpu", 0, value.dtype.type, value.shape, value.ctypes.data) for name, value in kept.items()]
        anew = [each for each in bound if each[0] in self._copied]
        for each in bound:
            if each not in anew:
                binding.bind_input(*each)
        outputs: dict[str, Array] = {}
        run, run_options = self._session.run_with_iobinding, self._run_options

        def bind_outputs(found: Outputs) -> None:
            for name, value in found.items():
                buffer = self._buffers.setdefault((name, value.shape), np.empty_like(value))
                outputs[name] = buffer
                np.copyto(buffer, value)
                binding.bind_output(name, "cpu", 0, buffer.dtype.type, buffer.shape, buffer.ctypes.data)

        # `kept` is used here also to live as long as the raw pointers above are bound.
        def call() -> Outputs:
            if outputs:
                for each in anew:
                    binding.bind_input(*each)
                run(binding, run_options)
            else:
                bind_outputs(self.infer(kept))
            return outputs

        return call

    def assignment(self) -> tuple[AssignedNode, ...] | None:
        """Each node and its provider, as the graph was partitioned (before fusion). None without a record."""
        try:
            subgraphs = self._session.get_provider_graph_assignment_info()
        except Exception:  # an older onnxruntime, or a provider that keeps none
            return None
        return (
            tuple(
                AssignedNode(
                    name=ort_profile.model_name(node.name),
                    op_type=node.op_type,
                    domain=node.domain,
                    provider=subgraph.ep_name,
                    subgraph=index,
                )
                for index, subgraph in enumerate(subgraphs)
                for node in subgraph.get_nodes()
            )
            or None
        )

    def placement(self) -> Placement:
        """Nodes per provider, from the recorded graph assignment. No record means unknown."""
        nodes = self.assignment() or ()
        providers = Counter(node.provider for node in nodes)
        fallback = Counter(node.op_type for node in nodes if node.provider != self._way.provider)
        return Placement(
            requested=self._way.provider,
            registered=tuple(self._session.get_providers()),
            selected=tuple(sorted(providers)),
            providers=dict(providers) if nodes else None,
            fallback_ops=dict(fallback) if nodes else None,
            device_type=device_type(self._devices, self._way.provider, self.options),
            sources=("assignment",) if nodes else (),
            devices=self._devices,
            notes=self._notes,
        )

    def profile(self) -> Profile:
        """What was recorded since the session was opened. The files are removed. Raises RuntimeError."""
        if self._profile_folder is None:
            raise RuntimeError("this session records no profile; it was not opened to do so")
        path = Path(self._session.end_profiling())
        try:
            return ort_profile.read(path)
        finally:
            self._drop_profile()

    def _drop_profile(self) -> None:
        if self._profile_folder is not None:
            folder, self._profile_folder = Path(self._profile_folder), None
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()

    def close(self) -> None:
        """Ends this view, and a profile that nobody asked for; the last view frees the model."""
        if self._profile_folder is not None:
            with suppress(Exception):
                self._session.end_profiling()
        self.running.leave(self._run_options)
        del self._session
        self._drop_profile()
