"""FuriosaAI Warboy through `furiosa.runtime` 0.10 (maintenance only). Not verified on hardware.

Written against the published wheels and stubs of 0.10. The runtime pins old numpy and pandas, so it lives in an
environment of its own; where its HAL library is missing, importing it raises RuntimeError. It accelerates int8 models
in opset 13 or older: a graph that is quantised already goes in as it is, one in fp32 is quantised by the vendor's own
`furiosa.quantizer` on our calibration inputs. With `furiosa-compiler` on PATH the result is compiled ahead of time,
without it by the runtime when it loads the model; which of the two is recorded.

Guarantees: a file for another number of fused cores than the device string asks for is refused; the runtime tells
nowhere which operators the host computes, so placement is *unknown* and says so.

Options of the card: `npu` (a device string, `warboy(2)*1`), `workers`, `mode` (`runner`, many threads; `queue`,
requests in flight without threads), `queue` (how many of these).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from npubench.adapters import vendor_cache, vendor_calibration, vendor_graph, vendor_sdk
from npubench.errors import CardError
from npubench.spi import Artifact, Availability, Compilation, Device, Feeds

if TYPE_CHECKING:
    from npubench.adapters.warboy_session import RunnerSession

WHO = "Warboy's compiler"
COMPILER = "furiosa-compiler"
FIX = "npubench env sync furiosa-warboy, and furiosa-libhal-warboy from FuriosaAI's APT repository (needs an account)"
NEEDS = ("create_runner", "create_queue")
WITHIN: vendor_sdk.Series = ((0, 10), (0, 11))
_NPU = re.compile(r"warboy\(([12])\)(\*\d+)?|npu:\d+:\d+(-\d+)?(,npu:\d+:\d+(-\d+)?)*")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A card's options."""

    npu: str = "warboy(2)*1"
    workers: int = 1
    mode: str = "runner"
    queue: int = 32


def checked(options: Mapping[str, Any]) -> Options:
    """A card's options. Raises CardError that names the option, what was found and what was expected."""
    try:
        found = msgspec.convert(dict(options), Options)
    except msgspec.ValidationError as error:
        raise CardError([f"options: {error}; the warboy adapter takes npu, workers, mode, queue"]) from None
    if found.mode not in ("runner", "queue"):
        raise CardError([f'options.mode: found "{found.mode}"; expected runner or queue'])
    if not _NPU.fullmatch(found.npu):
        raise CardError(
            [f'options.npu: found "{found.npu}"; expected a device string: warboy(2)*1, npu:0:0, npu:0:0-1']
        )
    if found.workers < 1 or found.queue < 1:
        raise CardError(["options.workers, options.queue: expected whole numbers from 1 on"])
    return found


def target(npu: str) -> str:
    """What `furiosa-compiler --target-npu` is told for a device string: two fused cores or one."""
    return "warboy-2pe" if npu.startswith("warboy(2)") or "-" in npu else "warboy"


def sdk() -> vendor_sdk.Sdk:
    """`furiosa.runtime.sync`. Raises AbsentBackendError."""
    return vendor_sdk.load("furiosa.runtime.sync", "FuriosaAI", version=_version, within=WITHIN, needs=NEEDS, fix=FIX)


def _version(module: Any) -> str:
    """Of the package: the module itself says none."""
    import importlib

    own = importlib.import_module("furiosa.runtime")
    if text := getattr(own, "__version__", ""):
        return str(getattr(text, "version", text))
    from importlib.metadata import version

    return version("furiosa-runtime")


class WarboyAdapter:
    """`furiosa.runtime` on the cores that a device string names."""

    def __init__(self, provider: str | None = None, device: Mapping[str, Any] | None = None) -> None:
        self._provider = provider or "warboy"
        self._made: frozenset[str] = frozenset()

    def probe(self) -> Availability:
        """As `probe_with` the default device."""
        return self.probe_with({})

    def probe_with(self, options: Mapping[str, Any]) -> Availability:
        """Does the runtime import, and do the cores answer? It is asked to load one Relu, for it lists no devices."""
        versions: dict[str, str] = {}
        try:
            chosen, found = checked(options), sdk()
            versions = {"furiosa-runtime": found.label}
            with vendor_sdk.overheard():
                found.module.create_runner(one_node(), device=chosen.npu, worker_num=1, batch_size=1).close()
        except Exception as error:
            return vendor_sdk.refused(error, versions)
        return Availability(available=True, devices=(self._device(chosen),), versions=versions)

    def signature(self, artifact: Artifact) -> tuple[Sequence[Any], Sequence[Any]]:
        """Inputs and outputs of a graph. Raises UnsupportedError where shapes are open."""
        found = vendor_graph.signature(artifact.path, WHO)
        return found.inputs, found.outputs

    def compile(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> Artifact:
        """As `compile_calibrated` without inputs: for a graph that is quantised already."""
        return self.compile_calibrated(artifact, options, folder, ())

    def compile_calibrated(
        self, artifact: Artifact, options: Mapping[str, Any], folder: str, inputs: Sequence[Feeds]
    ) -> Artifact:
        """The artefact quantised, and compiled where the tool is there. Raises UnsupportedError, AbsentBackendError."""
        path = vendor_calibration.write(inputs, Path(folder) / artifact.role) if inputs else ""
        kept = self._compiled(sdk(), artifact, checked(options), path, vendor_calibration.digest(inputs))
        return kept.artifact(artifact, kept.record.facts["file"])

    def compilation(self, artifact: Artifact) -> Compilation:
        """How a compiled artefact came to be."""
        return vendor_cache.compilation(artifact, self._made)

    def _compiled(
        self, found: vendor_sdk.Sdk, artifact: Artifact, chosen: Options, calibration: str, digest: str
    ) -> vendor_cache.Kept:
        ends = vendor_graph.signature(artifact.path, WHO)
        ahead = shutil.which(COMPILER) or ""
        wanted = vendor_cache.Wanted(
            sdk="furiosa",
            compiler=found.label,
            chip=target(chosen.npu),
            source_sha256=vendor_cache.source_sha256(artifact),
            precision=artifact.precision,
            told={"ahead": bool(ahead)},
            calibration=digest,
            stand_in=bool(found.stand_in),
        )
        arguments = {
            "path": artifact.path,
            "target": target(chosen.npu),
            "calibration": calibration,
            "ahead": ahead,
            "inputs": [[spec.name, list(spec.shape), spec.dtype] for spec in ends.inputs],
            "outputs": [[spec.name, list(spec.shape), spec.dtype] for spec in ends.outputs],
        }
        kept = vendor_cache.compiled(wanted, "npubench.adapters.warboy_compile:compile_model", arguments)
        if not kept.reused:
            self._made = self._made | {str(kept.folder / kept.record.facts["file"])}
        return kept

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> RunnerSession:
        """A session on a compiled file, or on a quantised graph, which is compiled first.

        Raises ArtifactError for a file of other cores, UnsupportedError, AbsentBackendError, what the runtime raises.
        """
        from npubench.adapters import warboy_session

        chosen, found = checked(options), sdk()
        if vendor_cache.beside(artifact.path) is None and Path(artifact.path).suffix == ".onnx":
            kept = self._compiled(found, artifact, chosen, "", "")
            artifact = kept.artifact(artifact, kept.record.facts["file"])
        record = vendor_cache.beside(artifact.path)
        if record is not None:
            vendor_cache.check_chip(artifact.path, record.wanted.chip, target(chosen.npu), f"device {chosen.npu}")
        kind = warboy_session.QueueSession if chosen.mode == "queue" else warboy_session.RunnerSession
        return kind(found, artifact, record, self._device(chosen), self._provider, chosen)

    def describe(self) -> Mapping[str, str]:
        """The runtime's version."""
        return {"furiosa-runtime": sdk().label}

    def libraries(self) -> Sequence[str]:
        """The shared objects of the native runtime."""
        import importlib

        where = getattr(importlib.import_module("furiosa.native_runtime"), "__file__", None)
        return sorted(str(path) for path in Path(where).parent.rglob("*.so*") if path.is_file()) if where else []

    def _device(self, chosen: Options) -> Device:
        return Device(
            id=chosen.npu, type="npu", vendor="FuriosaAI", name="Warboy", detail={"target": target(chosen.npu)}
        )


def one_node() -> bytes:
    """A quantised Relu of four numbers, in opset 13."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    constants = [
        numpy_helper.from_array(np.array(1 / 64, np.float32), "scale"),
        numpy_helper.from_array(np.array(0, np.int8), "zero"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["x_q"]),
        helper.make_node("DequantizeLinear", ["x_q", "scale", "zero"], ["x_f"]),
        helper.make_node("Relu", ["x_f"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "scale", "zero"], ["r_q"]),
        helper.make_node("DequantizeLinear", ["r_q", "scale", "zero"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    graph = helper.make_graph(nodes, "probe", ends[:1], ends[1:], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    return bytes(made.SerializeToString())
