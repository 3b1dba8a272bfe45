"""A stand-in of `furiosa.runtime` 0.10 for Warboy, from its stubs and documentation; ONNX Runtime on the CPU.

Facts: the wheels furiosa-runtime 0.10.2 and furiosa-native-runtime 0.10.4 (names, types, errors). Words in
NPUBENCH_STANDIN_WARBOY: missing, half, major, raises (what the import says without a HAL library), prints, nothing (no
device), busy, gone, hung, uint8 (the model takes bytes), quantiser-fails, compile-fails, compile-hour; `gone=N` and
`hung=N` begin at the N-th run.
"""

import os

FAULTS = dict((word.partition("=")[::2]) for word in os.environ.get("NPUBENCH_STANDIN_WARBOY", "").split())

if "missing" in FAULTS:
    raise ModuleNotFoundError("No module named 'furiosa.runtime'", name="furiosa.runtime")
if "prints" in FAULTS:
    print("2026-11-26T00:00:00Z INFO furiosa_rt_core: bookworm")  # noqa: T201
if "raises" in FAULTS:
    raise RuntimeError("libfuriosa_hal.so: cannot open shared object file: No such file or directory")

__npubench_standin__ = "a stand-in of furiosa.runtime 0.10 on ONNX Runtime's CPU"
__version__ = "2026.2.1" if "major" in FAULTS else "0.10.2"


class FuriosaRuntimeError(Exception):
    """The base of all of them."""


class DeviceBusy(FuriosaRuntimeError):
    pass


class InvalidInput(FuriosaRuntimeError):
    pass


class SessionClosed(FuriosaRuntimeError):
    pass


class SessionTerminated(FuriosaRuntimeError):
    pass


class QueueWaitTimeout(FuriosaRuntimeError):
    pass


class TensorNameNotFound(FuriosaRuntimeError):
    pass
