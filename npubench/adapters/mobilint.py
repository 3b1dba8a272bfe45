"""Mobilint ARIES and REGULUS through Mobilint's own runtime (`qbruntime`) and compiler (`qbcompiler`).

Models are quantised and compiled ahead of time into an `.mxq` file from the fp32 graph and our calibration inputs; the
core mode is an option of the card, because it changes the result greatly and so belongs to its identity. Guarantees:
a file for another device is refused before it is launched; a model that needs the processor for a part of its graph is
refused, never run in part; layouts are forced (channels first), never guessed by shape.

**Not verified on hardware**: written against `qbruntime` 1.5.0, whose Python part was read and whose signatures a test
compares, and the compiler's documentation (`mobilint/mblt-sdk-tutorial`); tried against a stand-in.

Not aware of: power (`meters.mobilint`), language models (`vllm-mblt` serves them: adapter `llm_http`).
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from npubench.adapters import vendor_cache, vendor_calibration, vendor_graph
from npubench.adapters.mobilint_compile import SCHEMES
from npubench.adapters.mobilint_session import MobilintSession
from npubench.adapters.vendor_outputs import as_text
from npubench.adapters.vendor_sdk import Sdk, load, overheard, refused
from npubench.errors import AbsentBackendError, UnsupportedError
from npubench.spi import Artifact, Availability, Compilation, Device, Feeds, TensorSpec

VENDOR, SDK, COMPILER = "Mobilint", "qbruntime", "qbcompiler"
# Accelerator(name, number) and get_available_devices() came with 1.4.
RUNTIME_SERIES = ((1, 4), (2,))
COMPILER_SERIES = ((1,), (2,))
NEEDS = ("Accelerator", "Model.infer_chw", "Model.launch", "ModelConfig", "get_available_devices")
FIX = "install Mobilint's driver, then `npubench env sync mobilint-aries`: docs/hardware.md"
FIX_COMPILER = (
    "compile in Mobilint's container (mobilint/qbcompiler) or install its qbcompiler wheel there; a finished .mxq file "
    "can be brought with `prebuilt`"
)


def runtime() -> Sdk:
    """The runtime. Raises AbsentBackendError."""
    return load(SDK, VENDOR, version=lambda m: m.__version__, within=RUNTIME_SERIES, needs=NEEDS, fix=FIX)


def compiler() -> Sdk:
    """The compiler. Raises AbsentBackendError."""
    return load(
        COMPILER, VENDOR, version=_compiler_version, within=COMPILER_SERIES, needs=("mxq_compile",), fix=FIX_COMPILER
    )


def _compiler_version(module: Any) -> str:
    found = str(getattr(module, "__version__", ""))
    with suppress(importlib.metadata.PackageNotFoundError):
        found = found or importlib.metadata.version(COMPILER)
    return found


class MobilintAdapter:
    """One NPU of Mobilint. The card's `device.match.name` is the family: `aries` or `regulus`."""

    def __init__(self, provider: str | None = None, device: Mapping[str, Any] | None = None) -> None:
        self._provider = provider or "Mobilint"
        found = dict(device or {})
        self._family = str((found.get("match") or {}).get("name") or "aries").lower()
        self._index = int(found.get("index", 0))
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
                devices = self._devices(sdk)
        except Exception as error:
            return refused(error, versions)
        if not devices:
            return Availability(
                available=False,
                reason=f"{SDK} {sdk.label} is here and sees no {self._family.upper()} NPU: no card, or its driver is "
                "not loaded",
                fix=FIX,
                versions=versions,
            )
        if all(device.id != f"{self._family}{self._index}" for device in devices):
            known = ", ".join(device.id for device in devices)
            return Availability(
                available=False,
                reason=f"device.index: found {self._index}; the NPUs here are {known}",
                fix="change `index` of `device` in the backend card",
                versions=versions,
            )
        return Availability(available=True, devices=tuple(devices), versions=versions)

    def signature(self, artifact: Artifact) -> tuple[Sequence[TensorSpec], Sequence[TensorSpec]]:
        """Inputs and outputs of an ONNX graph. Raises UnsupportedError for what the compiler does not take."""
        found = vendor_graph.signature(artifact.path, VENDOR)
        for spec in found.inputs:
            if len(spec.shape) != 4 or spec.dtype != "float32":
                raise UnsupportedError(
                    f"input {spec.name} is {spec.dtype}{list(spec.shape)}; an .mxq takes pictures (batch, channels, "
                    "height, width) in float32",
                    hint="language models are served by vllm-mblt: backend openai-mobilint",
                )
        return found.inputs, found.outputs

    def compile(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> Artifact:
        """Raises UnsupportedError: quantising needs calibration inputs (`compile_calibrated`)."""
        raise UnsupportedError(
            "Mobilint's compiler quantises on typical inputs, and this data set has none of ours",
            hint="give the card `calibration_inputs`, or bring a compiled file with `prebuilt`",
        )

    def compile_calibrated(
        self, artifact: Artifact, options: Mapping[str, Any], folder: str, inputs: Sequence[Feeds]
    ) -> Artifact:
        """The graph as an `.mxq` file, kept for later runs. Raises UnsupportedError, AbsentBackendError."""
        if not inputs:
            return self.compile(artifact, options, folder)
        taken, given = self.signature(artifact)
        sdk = compiler()
        told = {"inference_scheme": scheme_of(options), "target_device": self._family, "device": "cpu"}
        wanted = vendor_cache.Wanted(
            sdk=COMPILER,
            compiler=sdk.version,
            chip=self._family,
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
        kept = vendor_cache.compiled(wanted, "npubench.adapters.mobilint_compile:compile_model", arguments)
        found = kept.artifact(artifact, "model.mxq")
        if not kept.reused:
            self._made.add(found.path)
        return found

    def compilation(self, artifact: Artifact) -> Compilation:
        """How a compiled file came to be."""
        return vendor_cache.compilation(artifact, self._made)

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> MobilintSession:
        """The compiled file launched on the NPU.

        Raises ArtifactError for another device's file, UnsupportedError for a graph (it is compiled first), and what
        the runtime raises.
        """
        sdk = runtime()
        if Path(artifact.path).suffix == ".onnx":
            self.signature(artifact)
            self.compile(artifact, options, "")
        chosen = {"core_mode": scheme_of(options), **options}
        return MobilintSession(sdk, artifact, self._family, self._index, chosen, self._provider)

    def describe(self) -> Mapping[str, str]:
        """Versions of the runtime, and of the compiler where it is here."""
        return self._versions(runtime())

    def libraries(self) -> Sequence[str]:
        """The runtime's own library."""
        folder = Path(str(runtime().module.__file__)).parent
        return sorted(str(path) for path in folder.glob("*.so*"))

    def _versions(self, sdk: Sdk) -> dict[str, str]:
        found = {SDK: sdk.label}
        version = getattr(sdk.module, "version", None)
        if (built := getattr(version, "__git_version__", "")) and not sdk.stand_in:
            found[f"{SDK} build"] = str(built)
        with suppress(AbsentBackendError):
            found[COMPILER] = compiler().label
        return found

    def _devices(self, sdk: Sdk) -> list[Device]:
        """The NPUs of the family, as the runtime numbers them."""
        names = [str(name) for name in sdk.module.get_available_devices()]
        detail = {"stand-in": sdk.stand_in} if sdk.stand_in else {}
        return [
            Device(
                id=f"{self._family}{number}",
                type="npu",
                vendor=VENDOR,
                name=name,
                detail={"number": str(number), **detail},
            )
            for name in names
            if name.lower().startswith(self._family)
            for number in sdk.module.get_available_device_numbers(name)
        ]


def scheme_of(options: Mapping[str, Any]) -> str:
    """The core mode of a card's options. Raises UnsupportedError for one that does not exist."""
    found = str(options.get("core_mode", "single"))
    if found not in SCHEMES:
        raise UnsupportedError(f"option core_mode: found {found!r}; expected one of {', '.join(SCHEMES)}")
    return found
