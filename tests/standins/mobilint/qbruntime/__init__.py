"""A stand-in for Mobilint's `qbruntime` 1.5.0, for tests: the names, signatures, types and errors of its Python part,
computing through ONNX Runtime on the CPU. It proves that the adapter keeps to the documented API, and nothing else.

Faults, by NPUBENCH_STANDIN_MOBILINT: raises (RuntimeError on import), prints (text on standard output),
major (another series), half (no Accelerator), no-device, busy, gone (the device goes while it runs), hung (a request
never ends), offload (the file wants the processor).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import Any

import numpy as np

__npubench_standin__ = "tests/standins: qbruntime 1.5.0 as documented, on the CPU through ONNX Runtime"

_FAULTS = set(os.environ.get("NPUBENCH_STANDIN_MOBILINT", "").split())
_NAME = "aries-rb"

if "prints" in _FAULTS:
    print('{"event": "compiled"}\nqbruntime: license check passed')  # noqa: T201
    sys.stdout.flush()
if "raises" in _FAULTS:
    raise RuntimeError("libqbruntime.so: cannot open shared object file: No such file or directory")

__version__ = "v3.0.0" if "major" in _FAULTS else "v1.5.0"


class version:
    """As `qbruntime.version`."""

    __version__ = __version__
    __git_version__ = "stand-in"


class QbRuntimeError(RuntimeError):
    """Every error of the runtime; the code is in its text only."""


class Cluster(Enum):
    """Clusters of an ARIES NPU."""

    Cluster0 = 0
    Cluster1 = 1
    Error = 2


class Core(Enum):
    """Cores of a cluster."""

    Core0 = 0
    Core1 = 1
    Core2 = 2
    Core3 = 3
    All = 4
    GlobalCore = 5
    Error = 6


class CoreMode(Enum):
    """How cores share a model."""

    Single = 0
    Multi = 1
    Global = 2
    Global4 = 3
    Global8 = 4
    Auto = 5
    Error = 6


class CoreId:
    """A core of a cluster."""

    def __init__(self, cluster: Cluster, core: Core):
        self.cluster, self.core = cluster, core

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CoreId) and (self.cluster, self.core) == (other.cluster, other.core)

    def __hash__(self) -> int:
        return hash((self.cluster, self.core))


class ModelConfig:
    """A core mode, and which cores. As in the wheel, a call says whether it was taken."""

    def __init__(self, num_cores: int | None = None):
        self._mode, self._cores, self._bundle, self._pipeline = CoreMode.Auto, num_cores, -1, False

    def set_auto_core_mode(self) -> bool:
        self._mode = CoreMode.Auto
        return True

    def set_single_core_mode(self, num_cores=None, core_ids=None) -> bool:
        if isinstance(num_cores, (list, tuple)) and core_ids is None:
            num_cores, core_ids = None, num_cores
        if (num_cores is None) == (core_ids is None):
            raise ValueError("`set_single_core_mode` needs either `num_cores` or `core_ids`.")
        count = len(core_ids) if core_ids is not None else num_cores
        if not 1 <= count <= 8:
            return False
        self._mode, self._cores = CoreMode.Single, count
        return True

    def set_multi_core_mode(self, clusters: list[Cluster] = [Cluster.Cluster0, Cluster.Cluster1]) -> bool:  # noqa: B006
        self._mode = CoreMode.Multi
        return True

    def set_global4_core_mode(self, clusters: list[Cluster] = [Cluster.Cluster0, Cluster.Cluster1]) -> bool:  # noqa: B006
        self._mode = CoreMode.Global4
        return True

    def set_global8_core_mode(self) -> bool:
        self._mode = CoreMode.Global8
        return True

    def get_core_mode(self) -> CoreMode:
        return self._mode

    def force_single_npu_bundle(self, npu_bundle_index: int) -> bool:
        if npu_bundle_index < -1:
            return False
        self._bundle = npu_bundle_index
        return True

    def get_forced_npu_bundle_index(self) -> bool:
        return self._bundle

    def set_async_pipeline_enabled(self, enable: bool) -> None:
        self._pipeline = enable

    def get_async_pipeline_enabled(self) -> bool:
        return self._pipeline


def get_available_devices() -> list[str]:
    """Names of the devices on this system; none without one, with noise on standard error."""
    if "no-device" in _FAULTS:
        sys.stderr.write("W0000 00:00:00 accelerator.cpp:42] no NPU device was found\n")
        return []
    return [_NAME]


def get_available_device_numbers(device_name: str = "auto") -> list[int]:
    """Numbers of the devices of a name or family."""
    if "no-device" in _FAULTS or not (device_name == "auto" or _NAME.startswith(device_name.lower())):
        return []
    return [0]


if "half" not in _FAULTS:

    class Accelerator:
        """An NPU."""

        def __init__(self, device_name="auto", dev_no=0):
            if isinstance(device_name, int):
                dev_no, device_name = device_name, "auto"
            if dev_no not in get_available_device_numbers(device_name):
                raise QbRuntimeError("Acc_DeviceNotFound")
            if "busy" in _FAULTS:
                raise QbRuntimeError("Acc_DeviceOpenFailed: device or resource busy")

        def get_device_name(self) -> str:
            return _NAME


class Future:
    """The result of `Model.infer_async`, to be had once."""

    def __init__(self, _future=None, _inputs=None):
        self._future, self._inputs = _future, _inputs

    def wait_for(self, timeout_ms: int) -> bool:
        if self._future is None:
            raise QbRuntimeError("Future_NotValid")
        try:
            self._future.exception(timeout_ms / 1000)
        except TimeoutError:
            return False
        return True

    def get(self) -> list[np.ndarray]:
        if self._future is None:
            raise QbRuntimeError("Future_NotValid")
        found, self._future = self._future.result(), None
        return found


_Shape = tuple[int, ...]


class Model:
    """An `.mxq` file: here a .zip with the graph and what the compiler was told."""

    def __init__(self, path: str, model_config: ModelConfig | None = None):
        import onnxruntime

        try:
            with zipfile.ZipFile(path) as archive:
                self._facts = json.loads(archive.read("facts.json"))
                graph = archive.read("model.onnx")
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise QbRuntimeError(f"Model_FailedToLoadMXQ: {path}") from error
        self._config = model_config or ModelConfig()
        wanted = self._config.get_core_mode()
        self._mode = CoreMode[self._facts["mode"]] if wanted is CoreMode.Auto else wanted
        if self._mode.name != self._facts["mode"]:
            raise QbRuntimeError(f"Model_CoreModeMismatched: the file was compiled for {self._facts['mode']}")
        if self._facts["offload"] and self._config.get_forced_npu_bundle_index() >= 0:
            raise QbRuntimeError("Model_NpuBundleIndexInvalid: the model has CPU bundles")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._acc: Any = None
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._requests = 0

    def launch(self, acc: Accelerator) -> None:
        if not any(acc.get_device_name().startswith(name) for name in self.get_device_names()):
            raise QbRuntimeError("Model_DeviceMismatched")
        self._acc = acc
        if self._config.get_async_pipeline_enabled():
            self._pool = ThreadPoolExecutor(1)

    def dispose(self) -> None:
        self._acc = None
        if self._pool is not None:
            self._pool.shutdown()

    def get_core_mode(self) -> CoreMode:
        return self._mode

    def get_device_names(self) -> list[str]:
        return list(self._facts["devices"])

    def get_target_cores(self) -> list[CoreId]:
        return [CoreId(Cluster.Cluster0, core) for core in (Core.Core0, Core.Core1, Core.Core2, Core.Core3)]

    def get_model_input_shape(self) -> list[_Shape]:
        return [_hwc(item.shape) for item in self._session.get_inputs()]

    def get_model_output_shape(self) -> list[_Shape]:
        return [_hwc(item.shape) for item in self._session.get_outputs()]

    def infer(
        self,
        inputs: np.ndarray | list[np.ndarray],
        outputs: list[np.ndarray] | None = None,
        cache_size: int = 0,
        params: list[Any] | None = None,
    ) -> list[np.ndarray] | None:
        return self._infer(inputs, True)

    def infer_hwc(
        self,
        inputs: np.ndarray | list[np.ndarray],
        outputs: list[np.ndarray] | None = None,
        cache_size: int = 0,
        params: list[Any] | None = None,
    ) -> list[np.ndarray] | None:
        return self._infer(inputs, True)

    def infer_chw(
        self,
        inputs: np.ndarray | list[np.ndarray],
        outputs: list[np.ndarray] | None = None,
        cache_size: int = 0,
        params: list[Any] | None = None,
    ) -> list[np.ndarray] | None:
        return self._infer(inputs, False)

    def infer_async(self, inputs: np.ndarray | list[np.ndarray]) -> Future:
        if self._pool is None:
            raise QbRuntimeError("Model_AsyncPipelineNotEnabled")
        return Future(self._pool.submit(self._infer, inputs, False), inputs)

    def _infer(self, inputs, hwc: bool):
        if self._acc is None:
            raise QbRuntimeError("Model_NotLaunched")
        found = inputs if isinstance(inputs, list) else [inputs]
        feeds = {}
        for item, array in zip(self._session.get_inputs(), found, strict=True):
            height, width, channels = _hwc(item.shape)
            batched = array if array.ndim == 4 else array[None]
            if batched.shape[1:] != ((height, width, channels) if hwc else (channels, height, width)):
                raise ValueError("Input shape is invalid.")
            feeds[item.name] = np.ascontiguousarray(batched.transpose(0, 3, 1, 2) if hwc else batched)
        with self._lock:
            self._requests += 1
            if "gone" in _FAULTS and self._requests > 3:
                raise QbRuntimeError("Acc_IoctlFailed: no such device")
            while "hung" in _FAULTS and self._requests > 3:
                time.sleep(0.05)
            made = self._session.run(None, feeds)
        return [_given(array, hwc) for array in made]


def load(path: str, model_config: ModelConfig | None = None) -> Model:
    """A model launched on the first NPU."""
    model = Model(path, model_config)
    model.launch(Accelerator())
    return model


def get_model_summary(mxq_path: str) -> str:
    """A table for people."""
    with zipfile.ZipFile(mxq_path) as archive:
        return archive.read("facts.json").decode()


def _hwc(shape: Any) -> _Shape:
    """The runtime's shape of an ONNX shape with a batch: height, width, channels; of rows of a sequence too."""
    if len(shape) == 4:
        return int(shape[2]), int(shape[3]), int(shape[1])
    padded = [1] * (3 - len(shape[1:])) + [int(size) for size in shape[1:]]
    return tuple(padded)


def _given(array: np.ndarray, hwc: bool) -> np.ndarray:
    """An output as the runtime hands it out: without a batch of one; sequences channels first where asked."""
    if array.ndim == 4:
        array = array.transpose(0, 2, 3, 1) if hwc else array
    elif array.ndim == 3 and not hwc:
        array = array[:, None].transpose(0, 3, 1, 2)
    return np.ascontiguousarray(array[0] if array.shape[0] == 1 else array)
