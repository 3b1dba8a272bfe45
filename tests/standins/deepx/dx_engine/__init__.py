"""A stand-in for DEEPX's `dx_engine` 3.4, for tests: names, signatures and errors of the public manual of DX-RT 3.x,
computing through ONNX Runtime on the CPU. Nothing of DEEPX's own package is in it.

Faults, by NPUBENCH_STANDIN_DEEPX: raises, prints, major, half, no-device, service (an engine cannot
be made), gone (the device goes while it runs), hung (a request never ends), split (the file has a task on the
processor).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

__npubench_standin__ = "tests/standins: dx_engine 3.4 as documented, on the CPU through ONNX Runtime"

_FAULTS = set(os.environ.get("NPUBENCH_STANDIN_DEEPX", "").split())

if "prints" in _FAULTS:
    print('[dxrt] {"event": "ready"} service v3.4.0')  # noqa: T201
    sys.stdout.flush()
if "raises" in _FAULTS:
    raise ImportError("Failed to import the C++ extension `_pydxrt`. Ensure it's compiled and in the Python path.")


class Configuration:
    """Versions of what is installed."""

    def get_version(self) -> str:
        return "4.0.1" if "major" in _FAULTS else "3.4.0"

    def get_driver_version(self) -> str:
        return "" if "no-device" in _FAULTS else "2.1.0"


class DeviceStatus:
    """What a device says of itself. There is no power reading."""

    @staticmethod
    def get_device_count() -> int:
        return 0 if "no-device" in _FAULTS else 1

    @classmethod
    def get_current_status(cls, device_id: int) -> DeviceStatus:
        return cls()

    def get_temperature(self, ch: int) -> int:
        return 45

    def get_npu_clock(self, ch: int) -> int:
        return 1000

    def is_valid(self) -> bool:
        return True


class InferenceOption:
    """How an engine is made."""

    def __init__(self) -> None:
        self.devices: list[int] = []
        self.use_ort = True


if "half" not in _FAULTS:

    class InferenceEngine:
        """A `.dxnn` file: here a .zip with the graph and its tasks."""

        def __init__(self, model_path: str, inference_option: InferenceOption | None = None) -> None:
            import onnxruntime

            if "service" in _FAULTS or "no-device" in _FAULTS:
                raise RuntimeError("dxrt service is not running")
            self._option = inference_option or InferenceOption()
            try:
                with zipfile.ZipFile(model_path) as archive:
                    self._facts = json.loads(archive.read("facts.json"))
                    graph = archive.read("model.onnx")
            except (OSError, KeyError, zipfile.BadZipFile) as error:
                raise RuntimeError(f"invalid model file: {model_path}") from error
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads, options.log_severity_level = 1, 3
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            self._pool = ThreadPoolExecutor(2)
            self._jobs: dict[int, Future[list[np.ndarray]]] = {}
            self._callback: Callable[[list[np.ndarray], Any], int] | None = None
            self._lock = threading.Lock()
            self._requests = 0

        def __enter__(self) -> InferenceEngine:
            return self

        def __exit__(self, *_: Any) -> None:
            self.dispose()

        def get_input_tensors_info(self) -> list[dict[str, Any]]:
            return [_info(item) for item in self._session.get_inputs()]

        def get_output_tensors_info(self) -> list[dict[str, Any]]:
            return [_info(item) for item in self._session.get_outputs()]

        def get_input_tensor_names(self) -> list[str]:
            return [item.name for item in self._session.get_inputs()]

        def get_output_tensor_names(self) -> list[str]:
            return [item.name for item in self._session.get_outputs()]

        def get_task_order(self) -> list[str]:
            return list(self._facts["tasks"])

        def get_npu_inference_time(self) -> int:
            return 1000

        def get_latency(self) -> int:
            return 1200

        def run(
            self, input_data: Any, output_buffers: Any | None = None, user_args: Any | None = None
        ) -> list[np.ndarray]:
            made = self._run(input_data)
            if self._callback is not None:
                self._callback(made, None)
            return made

        def run_async(self, input_data: Any, user_arg: Any = None, output_buffer: Any | None = None) -> int:
            with self._lock:
                job = len(self._jobs) + 1
                self._jobs[job] = self._pool.submit(self._answered, input_data, user_arg)
            return job

        def wait(self, job_id: int) -> list[np.ndarray]:
            return self._jobs[job_id].result()

        def register_callback(self, callback: Callable[[list[np.ndarray], Any], int] | None) -> None:
            self._callback = callback

        def dispose(self) -> None:
            self._pool.shutdown(wait=False, cancel_futures=True)

        def _answered(self, input_data: Any, user_arg: Any) -> list[np.ndarray]:
            made = self._run(input_data)
            if self._callback is not None:
                self._callback(made, user_arg)
            return made

        def _run(self, input_data: Any) -> list[np.ndarray]:
            arrays = input_data if isinstance(input_data, list) else [input_data]
            with self._lock:
                self._requests += 1
                count = self._requests
            if "gone" in _FAULTS and count > 3:
                raise RuntimeError("device 0: fail to write to the device")
            while "hung" in _FAULTS and count > 3:
                time.sleep(0.05)
            for array in arrays:
                if array.dtype != np.dtype("float32"):
                    raise ValueError(f"input dtype mismatch: expected float32, got {array.dtype}")
            names = [item.name for item in self._session.get_inputs()]
            return [np.asarray(item) for item in self._session.run(None, dict(zip(names, arrays, strict=True)))]


def _info(item: Any) -> dict[str, Any]:
    return {"name": item.name, "shape": list(item.shape), "dtype": np.dtype("float32"), "elem_size": 4}
