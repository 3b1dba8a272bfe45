"""DEEPX DX-M1 through DEEPX's own runtime (`dx_engine`) and compiler (`dx_com`).

Both are proprietary and for DEEPX's customers only: npubench never depends on them, brings them or installs them; a
centre that has them names their Python in a card (docs/hardware.md). Models are quantised and compiled ahead of time
into a `.dxnn` file. Guarantees: what the file's tasks run on is read from the runtime and said; a file with tasks on
the processor is refused without ONNX Runtime (`use_ort = false` would skip them silently and still answer).

**Not verified on hardware**: written against the documented API of DX-RT 3.x and DX-COM 2.x (DEEPX's public manuals);
tried against a stand-in.

Not aware of: power (DEEPX documents no reading: use an outside meter).
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from npubench.adapters import vendor_cache, vendor_calibration, vendor_graph
from npubench.adapters.deepx_session import DeepxSession
from npubench.adapters.vendor_outputs import as_text
from npubench.adapters.vendor_sdk import Sdk, load, overheard, refused
from npubench.errors import AbsentBackendError, UnsupportedError
from npubench.spi import Artifact, Availability, Compilation, Device, Feeds, TensorSpec

VENDOR, SDK, COMPILER, CHIP = "DEEPX", "dx_engine", "dx_com", "dx-m1"
RUNTIME_SERIES = ((3,), (4,))
COMPILER_SERIES = ((2, 5), (3,))
# The manual of DX-COM 2.x: opset 11 to 21, one picture at a time.
OPSETS = range(11, 22)
NEEDS = (
    "InferenceEngine.run", "InferenceEngine.get_input_tensors_info", "InferenceEngine.get_task_order",
    "InferenceOption", "DeviceStatus.get_device_count", "Configuration",
)  # fmt: skip
FIX = "install DEEPX's driver and libdxrt, and name the Python that has dx_engine in a card of yours: docs/hardware.md"
FIX_COMPILER = "compile where DEEPX's dx_com is installed, or bring a finished .dxnn file with `prebuilt`"


def runtime() -> Sdk:
    """The runtime. Raises AbsentBackendError."""
    return load(
        SDK, VENDOR, version=lambda m: m.Configuration().get_version(), within=RUNTIME_SERIES, needs=NEEDS, fix=FIX
    )


def compiler() -> Sdk:
    """The compiler. Raises AbsentBackendError."""
    return load(
        COMPILER, VENDOR, version=_compiler_version, within=COMPILER_SERIES, needs=("compile",), fix=FIX_COMPILER
    )


def _compiler_version(module: Any) -> str:
    found = str(getattr(module, "__version__", ""))
    with suppress(importlib.metadata.PackageNotFoundError):
        found = found or importlib.metadata.version("dx-com")
    return found


class DeepxAdapter:
    """One NPU of DEEPX; `device.index` of the card is its number."""

    def __init__(self, provider: str | None = None, device: Mapping[str, Any] | None = None) -> None:
        self._provider = provider or VENDOR
        self._index = int(dict(device or {}).get("index", 0))
        self._made: set[str] = set()

    def probe(self) -> Availability:
        """Is the runtime here, and does it see the NPU that the card means? Never raises."""
        try:
            sdk = runtime()
            versions = dict(self._versions(sdk))
        except Exception as error:
            return refused(error)
        try:
            with overheard():
                count = int(sdk.module.DeviceStatus.get_device_count())
        except Exception as error:
            return refused(error, versions)
        if not count:
            return Availability(
                available=False,
                reason=f"{SDK} {sdk.label} is here and sees no NPU: no card, or its driver or service (dxrtd) is not "
                "running",
                fix=FIX,
                versions=versions,
            )
        if self._index >= count:
            return Availability(
                available=False,
                reason=f"device.index: found {self._index}; there are {count} NPUs, counted from 0",
                fix="change `index` of `device` in the backend card",
                versions=versions,
            )
        return Availability(available=True, devices=tuple(self._devices(sdk, count)), versions=versions)

    def signature(self, artifact: Artifact) -> tuple[Sequence[TensorSpec], Sequence[TensorSpec]]:
        """Inputs and outputs of an ONNX graph. Raises UnsupportedError for what the compiler does not take."""
        found = vendor_graph.signature(artifact.path, VENDOR)
        if found.opset not in OPSETS:
            raise UnsupportedError(
                f"the graph has opset {found.opset}; DX-COM takes {OPSETS.start} to {OPSETS.stop - 1}",
                hint="export it with another opset",
            )
        for spec in found.inputs:
            if spec.shape and spec.shape[0] != 1:
                raise UnsupportedError(f"input {spec.name} has a batch of {spec.shape[0]}; DX-COM takes one at a time")
        if len(found.inputs) != 1 or len(found.inputs[0].shape) != 4:
            raise UnsupportedError(
                f"the graph has inputs {', '.join(f'{spec.name}{list(spec.shape)}' for spec in found.inputs)}; this "
                "adapter compiles graphs of one picture"
            )
        return found.inputs, found.outputs

    def compile(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> Artifact:
        """Raises UnsupportedError: quantising needs calibration inputs (`compile_calibrated`)."""
        raise UnsupportedError(
            "DX-COM quantises on typical inputs, and this data set has none of ours",
            hint="give the card `calibration_inputs`, or bring a compiled file with `prebuilt`",
        )

    def compile_calibrated(
        self, artifact: Artifact, options: Mapping[str, Any], folder: str, inputs: Sequence[Feeds]
    ) -> Artifact:
        """The graph as a `.dxnn` file, kept for later runs. Raises UnsupportedError, AbsentBackendError."""
        if not inputs:
            return self.compile(artifact, options, folder)
        taken, given = self.signature(artifact)
        sdk = compiler()
        told = {
            "calibration_method": str(options.get("calibration_method", "ema")),
            "opt_level": int(options.get("opt_level", 1)),
            "aggressive_partitioning": bool(options.get("aggressive_partitioning", False)),
        }
        wanted = vendor_cache.Wanted(
            sdk=COMPILER,
            compiler=sdk.version,
            chip=CHIP,
            source_sha256=vendor_cache.source_sha256(artifact),
            precision=artifact.precision,
            told=told,
            calibration=vendor_calibration.digest(inputs),
            stand_in=bool(sdk.stand_in),
        )
        arguments = {
            "path": artifact.path,
            "calibration": vendor_calibration.write(inputs, Path(folder)),
            "inputs": as_text(taken),
            "outputs": as_text(given),
            **told,
        }
        kept = vendor_cache.compiled(wanted, "npubench.adapters.deepx_compile:compile_model", arguments)
        found = kept.artifact(artifact, "model.dxnn")
        if not kept.reused:
            self._made.add(found.path)
        return found

    def compilation(self, artifact: Artifact) -> Compilation:
        """How a compiled file came to be."""
        return vendor_cache.compilation(artifact, self._made)

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> DeepxSession:
        """The compiled file on the NPU.

        Raises UnsupportedError for a part of a model and for a graph (it is compiled first), and what the runtime
        raises.
        """
        sdk = runtime()
        if Path(artifact.path).suffix == ".onnx":
            self.signature(artifact)
            self.compile(artifact, options, "")
        return DeepxSession(sdk, artifact, self._index, options, self._provider)

    def describe(self) -> Mapping[str, str]:
        """Versions of the runtime, its driver, and the compiler where it is here."""
        return self._versions(runtime())

    def _versions(self, sdk: Sdk) -> dict[str, str]:
        found = {SDK: sdk.label}
        with suppress(Exception):  # "" without a driver
            if driver := str(sdk.module.Configuration().get_driver_version()):
                found["DEEPX driver"] = driver
        with suppress(AbsentBackendError):
            found[COMPILER] = compiler().label
        return found

    def _devices(self, sdk: Sdk, count: int) -> list[Device]:
        detail = {"stand-in": sdk.stand_in} if sdk.stand_in else {}
        return [
            Device(
                id=f"dxrt{number}", type="npu", vendor=VENDOR, name="DX-M1", detail={"number": str(number), **detail}
            )
            for number in range(count)
        ]
