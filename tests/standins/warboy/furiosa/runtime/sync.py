"""The synchronous half of the stand-in: runners and queues (see the package)."""

import queue
import threading
import time
from pathlib import Path

import numpy as np
from furiosa.runtime import (
    FAULTS,
    DeviceBusy,
    FuriosaRuntimeError,
    InvalidInput,
    QueueWaitTimeout,
    SessionClosed,
    SessionTerminated,
    __npubench_standin__,  # noqa: F401
)

ENF = b"ENF0"


class TensorDesc:
    def __init__(self, item, force=None):
        self.name = item.name
        self.shape = tuple(item.shape)
        self.ndim = len(self.shape)
        kinds = {"float": "float32", "double": "float64", "float16": "float16", "bool": "bool"}
        plain = item.type.removeprefix("tensor(").removesuffix(")")
        self.numpy_dtype = np.dtype(force or kinds.get(plain, plain)).type
        self.dtype = np.dtype(self.numpy_dtype).name
        self.size = int(np.prod(self.shape)) * np.dtype(self.numpy_dtype).itemsize
        self.length = int(np.prod(self.shape))
        self.format = "?"


class Model:
    def __init__(self, session):
        self._inputs = [TensorDesc(item) for item in session.get_inputs()]
        self._outputs = [TensorDesc(item) for item in session.get_outputs()]

    @property
    def input_num(self):
        return len(self._inputs)

    @property
    def output_num(self):
        return len(self._outputs)

    def inputs(self):
        return list(self._inputs)

    def outputs(self):
        return list(self._outputs)

    def summary(self):
        return f"Inputs: {self.input_num}, outputs: {self.output_num}"


class _Core:
    """The model on the host, and the faults of a device."""

    def __init__(self, model, device, batch_size):
        import onnx
        import onnxruntime

        if "nothing" in FAULTS:
            raise FuriosaRuntimeError(f"DeviceNotFound: no such device: {device}")
        if "busy" in FAULTS:
            raise DeviceBusy(f"device {device} is busy: it is used by another process")
        content = model if isinstance(model, bytes) else Path(model).read_bytes()
        if content.startswith(ENF):
            target, content = content[4:16].rstrip(b" ").decode(), content[16:]
            wanted = "warboy-2pe" if (device or "warboy(2)").startswith("warboy(2)") or "-" in device else "warboy"
            if target != wanted:
                raise InvalidInput(f"incompatible binary: compiled for {target}, the device is {wanted}")
        try:
            graph = onnx.load_from_string(content)
        except Exception as error:
            raise InvalidInput("unknown model format") from error
        if not graph.graph.output:
            raise InvalidInput("unknown model format")
        if graph.opset_import[0].version > 13:
            raise FuriosaRuntimeError(f"CompilerError: opset {graph.opset_import[0].version} is not supported")
        if batch_size not in (None, 1):
            raise InvalidInput("batch_size: the stand-in takes 1")
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        self.model = Model(self.session)
        self._runs, self._lock, self._closed = 0, threading.Lock(), False

    def run(self, arrays):
        if self._closed:
            raise SessionClosed("the session is closed")
        with self._lock:
            self._runs += 1
            number = self._runs
        descs = self.model.inputs()
        if len(arrays) != len(descs):
            raise InvalidInput(f"expected {len(descs)} inputs, got {len(arrays)}")
        for array, desc in zip(arrays, descs, strict=True):
            if array.shape != desc.shape or array.dtype != np.dtype(desc.numpy_dtype):
                raise InvalidInput(f"{desc.name}: expected {desc.dtype}{desc.shape}")
        if "hung" in FAULTS and number >= int(FAULTS["hung"] or 1):
            time.sleep(86_400)
        if "gone" in FAULTS and number >= int(FAULTS["gone"] or 1):
            raise SessionTerminated("NPU fatal error: no such device")
        return self.session.run(None, {desc.name: array for desc, array in zip(descs, arrays, strict=True)})

    def close(self):
        self._closed = True


class Runner:
    def __init__(self, core):
        self._core = core

    @property
    def model(self):
        return self._core.model

    def run(self, inputs):
        return self._core.run([inputs] if isinstance(inputs, np.ndarray) else list(inputs))

    def run_with(self, output_names, inputs):
        found = dict(zip((d.name for d in self.model.outputs()), self.run(list(inputs.values())), strict=True))
        return [found[name] for name in output_names]

    def close(self):
        self._core.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Submitter:
    def __init__(self, core, waiting):
        self._core, self._waiting, self._closed = core, waiting, False

    @property
    def model(self):
        return self._core.model

    def submit(self, values, context=None):
        if self._closed:
            raise SessionClosed("the queue is closed")
        self._waiting.put((context, [np.array(value) for value in values]))

    def close(self):
        self._closed = True
        self._waiting.put(None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Receiver:
    def __init__(self, done):
        self._done, self._consumer = done, None

    def recv(self, timeout=None):
        self._consumer = self._consumer or threading.get_ident()
        if self._consumer != threading.get_ident():
            raise FuriosaRuntimeError("only one consumer may receive")
        try:
            found = self._done.get(timeout=timeout)
        except queue.Empty:
            raise QueueWaitTimeout("timed out") from None
        if isinstance(found, BaseException):
            raise found
        return found

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def create_runner(model, *, device=None, worker_num=None, batch_size=None, compiler_config=None):
    return Runner(_Core(model, device or "warboy(2)*1", batch_size))


def create_queue(
    model,
    *,
    device=None,
    worker_num=None,
    batch_size=None,
    compiler_config=None,
    input_queue_size=None,
    output_queue_size=None,
):
    core = _Core(model, device or "warboy(2)*1", batch_size)
    waiting, done = queue.Queue(input_queue_size or 0), queue.Queue(output_queue_size or 0)

    def work():
        while (item := waiting.get()) is not None:
            try:
                done.put((item[0], core.run(item[1])))
            except Exception as error:  # noqa: PERF203
                done.put(error)
                return

    threading.Thread(target=work, daemon=True).start()
    return Submitter(core, waiting), Receiver(done)


if "half" in FAULTS:
    del create_runner, create_queue
