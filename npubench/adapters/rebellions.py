"""Rebellions NPUs (ATOM RBLN-CA*, REBEL RBLN-CR*) through the vendor's `rebel`. Not verified on hardware.

Written against documented calls (docs.rbln.ai, optimum-rbln, rbln-model-zoo): compilation names the target chip and
needs no card; `RBLNCompiledModel.inspect` tells for which chip a file is; `Runtime` and `AsyncRuntime` run it, never
both on one compiled model. Guarantees: a file for another chip than the device has is refused; a device that rbln-smi
reports as hung (performance state P12) or not normal is not available; which way a model was compiled is recorded; the
vendor reports nowhere which operator ran on the host, so placement is *unknown* and says so.

Options of the card: `mode` (`sync`, `async`), `parallel` (1 or 2, requests in flight of `async`), `devices` (tensor
parallel), `timeout_s` (a whole number).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from npubench import rbln
from npubench.adapters import vendor_cache, vendor_graph, vendor_sdk
from npubench.errors import AbsentBackendError, CardError
from npubench.spi import Artifact, Availability, Compilation, Device

if TYPE_CHECKING:
    from npubench.adapters.rebellions_session import RebellionsSession

WHO = "Rebellions' compiler"
FIX = "pip install rebel-compiler from Rebellions' index (an RBLN Portal account), and the driver; then: rbln-smi"
NEEDS = (
    "compile_from_torch",
    "RBLNCompiledModel.inspect",
    "Runtime",
    "AsyncRuntime",
    "device_count",
    "npu_is_available",
    "get_npu_name",
)
WITHIN: vendor_sdk.Series = ((0, 8), (1,))
SUFFIX = ".rbln"
FILE = f"model{SUFFIX}"
# What rbln-smi shows of a device that does not answer, and of one that is slowed down.
HUNG, THROTTLED = "P12", "P10"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A card's options."""

    mode: str = "sync"
    parallel: int = 2
    devices: int = 1
    timeout_s: int = 60


def checked(options: Mapping[str, Any]) -> Options:
    """A card's options. Raises CardError that names the option, what was found and what was expected."""
    try:
        found = msgspec.convert(dict(options), Options)
    except msgspec.ValidationError as error:
        raise CardError(
            [f"options: {error}; the rebellions adapter takes mode, parallel, devices, timeout_s"]
        ) from None
    if found.mode not in ("sync", "async"):
        raise CardError([f'options.mode: found "{found.mode}"; expected sync or async'])
    if found.parallel not in (1, 2):
        raise CardError([f"options.parallel: found {found.parallel}; AsyncRuntime takes 1 or 2"])
    if found.devices < 1 or found.timeout_s < 1:
        raise CardError(["options.devices, options.timeout_s: expected whole numbers from 1 on"])
    return found


def sdk() -> vendor_sdk.Sdk:
    """`rebel`. Raises AbsentBackendError."""
    return vendor_sdk.load(
        "rebel", "Rebellions", version=lambda module: module.__version__, within=WITHIN, needs=NEEDS, fix=FIX
    )


def family(name: str) -> str:
    """`RBLN-CA25` → atom, `RBLN-CR03` → rebel; empty for a name of another kind."""
    return {"CA": "atom", "CR": "rebel"}.get(name.removeprefix("RBLN-")[:2], "")


class RebellionsAdapter:
    """`rebel` on one device."""

    def __init__(self, provider: str | None = None, device: Mapping[str, Any] | None = None) -> None:
        self._provider = provider or "rbln"
        self._wanted = dict(device or {})

    def probe(self) -> Availability:
        """Is the SDK here, is there a device that the card means, and does the vendor's tool call it healthy?"""
        versions: dict[str, str] = {}
        try:
            found = sdk()
            versions = {"rebel": found.label}
            index, device = self._chosen(found)
            if (wrong := _unwell(index)) is not None:
                return Availability(available=False, reason=wrong, fix="rbln-smi", versions=versions)
        except Exception as error:
            return vendor_sdk.refused(error, versions)
        return Availability(available=True, devices=(device,), versions=versions)

    def signature(self, artifact: Artifact) -> tuple[Sequence[Any], Sequence[Any]]:
        """Inputs and outputs of a graph. Raises UnsupportedError where shapes are open."""
        found = vendor_graph.signature(artifact.path, WHO)
        return found.inputs, found.outputs

    def compile(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> Artifact:
        """The artefact compiled for the device's chip, kept. Raises UnsupportedError, AbsentBackendError."""
        found = sdk()
        _, device = self._chosen(found)
        return self._compiled(found, artifact, checked(options), device.name).artifact(artifact, FILE)

    def compilation(self, artifact: Artifact) -> Compilation:
        """How a compiled artefact came to be."""
        return vendor_cache.compilation(artifact, self._made)

    _made: frozenset[str] = frozenset()

    def _compiled(self, found: vendor_sdk.Sdk, artifact: Artifact, chosen: Options, chip: str) -> vendor_cache.Kept:
        ends = vendor_graph.signature(artifact.path, WHO)
        wanted = vendor_cache.Wanted(
            sdk="rebel",
            compiler=found.label,
            chip=chip,
            source_sha256=vendor_cache.source_sha256(artifact),
            precision=artifact.precision,
            told={"devices": chosen.devices},
            stand_in=bool(found.stand_in),
        )
        arguments = {
            "path": artifact.path,
            "chip": chip,
            "devices": chosen.devices,
            "inputs": [[spec.name, list(spec.shape), spec.dtype] for spec in ends.inputs],
            "outputs": [[spec.name, list(spec.shape), spec.dtype] for spec in ends.outputs],
        }
        kept = vendor_cache.compiled(wanted, "npubench.adapters.rebellions_compile:compile_model", arguments)
        if not kept.reused:
            self._made = self._made | {str(kept.folder / FILE)}
        return kept

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> RebellionsSession:
        """A session on a compiled file, or on a graph, which is compiled first.

        Raises ArtifactError for a file of another chip, UnsupportedError, AbsentBackendError, and what `rebel` raises.
        """
        from npubench.adapters import rebellions_session

        chosen, found = checked(options), sdk()
        index, device = self._chosen(found)
        if Path(artifact.path).suffix != SUFFIX:
            artifact = self._compiled(found, artifact, chosen, device.name).artifact(artifact, FILE)
        kind = rebellions_session.AsyncSession if chosen.mode == "async" else rebellions_session.RebellionsSession
        return kind(found, artifact, index, device, self._provider, chosen)

    def describe(self) -> Mapping[str, str]:
        """The SDK's version, which is also the compiler's and the runtime's; the driver's, where rbln-smi tells it."""
        versions = {"rebel": sdk().label}
        if not isinstance(state := rbln.ask(), str) and state.driver_version:
            versions["rbln driver"] = state.driver_version
        return versions

    def libraries(self) -> Sequence[str]:
        """The shared objects in the SDK's package."""
        where = getattr(sdk().module, "__file__", None)
        return sorted(str(path) for path in Path(where).parent.rglob("*.so*") if path.is_file()) if where else []

    def _chosen(self, found: vendor_sdk.Sdk) -> tuple[int, Device]:
        """The device that the card means. Raises AbsentBackendError where there is none."""
        devices = _devices(found)
        match = self._wanted.get("match") or {}
        fitting = [item for item in devices if all(_fact(item, key) == value for key, value in match.items())]
        index = int(self._wanted.get("index", 0))
        if index >= len(fitting):
            names = ", ".join(f"{item.id}: {item.name}" for item in devices) or "none"
            wanted = f" with {', '.join(f'{key} {value}' for key, value in match.items())}" if match else ""
            raise AbsentBackendError(f"rebel finds no device {index}{wanted}; it finds {names}", hint="rbln-smi")
        return int(fitting[index].id), fitting[index]


def _devices(found: vendor_sdk.Sdk) -> list[Device]:
    """Every device that answers. Its name is the chip that compilers target."""
    with vendor_sdk.overheard():
        count = int(found.module.device_count())
        names = {
            index: str(found.module.get_npu_name(index) or "")
            for index in range(count)
            if found.module.npu_is_available(index)
        }
    return [
        Device(id=str(index), type="npu", vendor="Rebellions", name=name, detail={"family": family(name)})
        for index, name in names.items()
    ]


def _fact(device: Device, key: str) -> str | None:
    own = {"id": device.id, "type": device.type, "vendor": device.vendor, "name": device.name}
    return own.get(key, device.detail.get(key))


def _unwell(index: int) -> str | None:
    """What rbln-smi says against a device; None where it says nothing, or is not there to ask."""
    state = rbln.ask()
    if isinstance(state, str):
        return None
    device = next((item for item in state.devices if item.npu == str(index)), None)
    if device is None:
        return f"{rbln.TOOL} does not list device {index}"
    if device.pstate == HUNG:
        return f"{rbln.TOOL} reports device {index} as hung (performance state {HUNG}): reset it before measuring"
    if device.status not in (None, "normal"):
        return f"{rbln.TOOL} reports device {index} as {device.status}"
    return None
