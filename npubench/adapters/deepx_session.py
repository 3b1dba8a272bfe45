"""One `.dxnn` file on an NPU of DEEPX.

Guarantees: the tasks that the file is cut into, and where each runs, are the runtime's own word (`get_task_order`); a
file with a task on the processor needs ONNX Runtime inside the runtime (`use_ort`), because without it such tasks are
skipped and the rest answers as if it were the model; several requests in flight answer through the runtime's callback.
Not verified on hardware. Source: DEEPX's DX-RT 3.x manual, "Python API reference".

Not aware of: how the file was made (`deepx_compile`).
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npubench.adapters import vendor_cache
from npubench.adapters.vendor_feeds import ordered
from npubench.adapters.vendor_outputs import matched, told
from npubench.adapters.vendor_sdk import Sdk
from npubench.errors import UnsupportedError
from npubench.spi import Array, Artifact, Device, Feeds, Outputs, Placement, TensorSpec

# A task is named after what runs it: npu_0, cpu_0.
_NPU = "npu"


class DeepxSession:
    """A loaded model: `infer` for one thread at a time, `submit` for several requests in flight."""

    def __init__(self, sdk: Sdk, artifact: Artifact, number: int, options: Mapping[str, Any], provider: str) -> None:
        runtime, self._sdk, self._provider, self._number = sdk.module, sdk, provider, number
        use_ort = bool(options.get("use_ort", True))
        option = runtime.InferenceOption()
        option.devices = [number]
        option.use_ort = use_ort
        self._engine = runtime.InferenceEngine(artifact.path, option)
        self._tasks = tuple(str(task) for task in self._engine.get_task_order())
        beside = [task for task in self._tasks if not task.lower().startswith(_NPU)]
        if beside and not use_ort:
            self.close()
            raise UnsupportedError(
                f"{Path(artifact.path).name} has tasks on the processor ({', '.join(beside)}), which `use_ort = false` "
                "would leave out: the answer would be that of a part of the model",
                hint="set use_ort = true under [options]: the result then says that the processor takes part",
            )
        self.inputs = tuple(_spec(info) for info in self._engine.get_input_tensors_info())
        self.outputs = self._declared(artifact.path)
        self.options: dict[str, Any] = {"use_ort": use_ort, "tasks": " → ".join(self._tasks)}
        self._waiting: dict[int, Callable[[Outputs], None]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._listening = False

    def _declared(self, path: str) -> tuple[TensorSpec, ...]:
        """The outputs of the graph that was compiled; of a file from elsewhere what the runtime says."""
        record = vendor_cache.beside(path)
        if record is not None and "outputs" in record.facts:
            return told(record.facts["outputs"])
        return tuple(_spec(info) for info in self._engine.get_output_tensors_info())

    def infer(self, feeds: Feeds) -> Outputs:
        """Runs the model on host arrays; the outputs are fresh host arrays."""
        return matched(self.outputs, self._engine.run(ordered(self.inputs, feeds)))

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        """A call that runs the model on what `feeds` hold then."""
        arrays = ordered(self.inputs, feeds)
        return lambda: matched(self.outputs, self._engine.run(arrays))

    def submit(self, feeds: Feeds, done: Callable[[Outputs], None]) -> None:
        """Queues a request; `done` is called on a thread of the runtime's."""
        arrays = ordered(self.inputs, feeds)
        with self._lock:
            if not self._listening:
                self._engine.register_callback(self._completed)
                self._listening = True
            number = next(self._numbers)
            self._waiting[number] = done
        try:
            self._engine.run_async(arrays, user_arg=number)
        except BaseException:
            with self._lock:
                self._waiting.pop(number, None)
            raise

    def _completed(self, outputs: Sequence[Array], user_arg: Any) -> int:
        with self._lock:
            done = self._waiting.pop(user_arg, None)
        # A callback hears of `run` as well, which has no number.
        if done is not None:
            try:
                done(matched(self.outputs, outputs))
            except RuntimeError:
                # No outputs: the request failed.
                done({})
        return 0

    def placement(self) -> Placement:
        """By the runtime's own word: its tasks in order."""
        tasks = {self._provider: 0, "CPU": 0}
        for task in self._tasks:
            tasks[self._provider if task.lower().startswith(_NPU) else "CPU"] += 1
        beside = tasks["CPU"]
        notes = [f"tasks in order: {' → '.join(self._tasks)}"] if beside else []
        if self._sdk.stand_in:
            notes.append(self._sdk.note("DEEPX"))
        device = Device(id=f"dxrt{self._number}", type="npu", vendor="DEEPX", name="DX-M1")
        return Placement(
            requested=self._provider,
            registered=(self._provider,),
            selected=tuple(name for name, count in tasks.items() if count),
            providers={name: count for name, count in tasks.items() if count} if self._tasks else None,
            fallback_ops={"task": beside} if beside else {},
            device_type="cpu" if self._sdk.stand_in else "npu",
            sources=("vendor",),
            devices=(device,),
            notes=tuple(notes),
        )

    def close(self) -> None:
        """Frees the NPU's memory."""
        engine, self._engine = self._engine, None
        if engine is not None and hasattr(engine, "dispose"):
            engine.dispose()


def _spec(info: Mapping[str, Any]) -> TensorSpec:
    """The runtime's word on one tensor. Bytes in height, width, channels are pixels: pre-processing is in the file."""
    dtype = np.dtype(info["dtype"]).name
    shape = tuple(int(size) for size in info["shape"])
    pixels = dtype == "uint8" and len(shape) == 4 and shape[-1] in (1, 3) and shape[1] not in (1, 3)
    return TensorSpec(name=str(info["name"]), dtype=dtype, shape=shape, layout="NHWC" if pixels else None)
