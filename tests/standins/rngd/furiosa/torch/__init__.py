"""A stand-in of `furiosa.torch` 2026.4 (RNGD), from its published source; torch itself on the CPU computes.

Facts: the wheel furiosa-torch 2026.4.0 (names and defaults). torch knows no device that a stand-in could be, so tensors
stay on the CPU (`__npubench_standin_device__`). Words in NPUBENCH_STANDIN_RNGD: missing, half, major, raises, prints,
nothing (no device), busy, gone, hung, compile-fails, panics (as a Rust compiler does), fallback-on, fallback-unknown.
"""

import os
import time

FAULTS = dict((word.partition("=")[::2]) for word in os.environ.get("NPUBENCH_STANDIN_RNGD", "").split())

if "missing" in FAULTS:
    raise ModuleNotFoundError("No module named 'furiosa.torch'", name="furiosa.torch")
if "prints" in FAULTS:
    print("INFO furiosa_torch: npu0 firmware 2026.4")  # noqa: T201
if "raises" in FAULTS:
    raise RuntimeError("libfuriosa_native.so: undefined symbol")

import torch  # noqa: E402

from . import config  # noqa: E402

__npubench_standin__ = "a stand-in of furiosa.torch 2026.4 on torch's CPU"
__npubench_standin_device__ = "cpu"
__version__ = "2027.1.0" if "major" in FAULTS else "2026.4.0"


class PanicException(BaseException):
    """What pyo3 raises where Rust panics."""


def is_available():
    return "nothing" not in FAULTS


def get_available_devices():
    return ["furiosa:0"] if is_available() else []


class _Backend:
    def __call__(self, graph, inputs):
        return self._compile(graph)

    def with_config(self, compiler_config, eager_fallback=False):
        assert isinstance(compiler_config, config.CompilerConfig)
        assert not eager_fallback
        return lambda graph, inputs: self._compile(graph)

    def _compile(self, graph):
        if "compile-fails" in FAULTS:
            raise RuntimeError("FuriosaCompilerError: aten.upsample_nearest2d.vec is not supported")
        if "panics" in FAULTS:
            raise PanicException("called `Option::unwrap()` on a `None` value")
        if "busy" in FAULTS:
            raise RuntimeError("DeviceBusy: npu0 is used by another process")
        runs = []

        def run(*tensors):
            runs.append(None)
            # The first run is the one that compiles.
            if "hung" in FAULTS and len(runs) > 1:
                time.sleep(86_400)
            if "gone" in FAULTS and len(runs) > 1:
                raise RuntimeError("npu0: no such device")
            return plain(*tensors)

        plain = torch._dynamo.disable(graph.forward)
        return run


if "half" not in FAULTS:
    backend = _Backend()
