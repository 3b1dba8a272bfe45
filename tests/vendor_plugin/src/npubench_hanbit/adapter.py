"""The Hanbit HB-1: compiled by the vendor's compiler, run by the vendor's runtime.

Guarantees: a graph that the compiler does not take is unsupported, a full queue is one failed request, everything else
that the SDK raises ends the launch; what the compiler left to the host is named node by node; a virtual device is
declared as virtual. The SDK is imported when something is asked of it, never before.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npubench.spi import (
    Artifact,
    AssignedNode,
    Availability,
    Device,
    Feeds,
    NodeTime,
    Outputs,
    Placement,
    Profile,
    RequestError,
    TensorSpec,
    UnsupportedError,
)

NPU, HOST = "HanbitNPU", "HanbitHost"
_PROVIDERS = {"npu": NPU, "host": HOST}
_OPTIONS = ("cores",)
SUFFIX = ".hbm"


class HanbitSession:
    """One loaded model."""

    def __init__(self, sdk: Any, path: str, device: int, options: Mapping[str, Any]) -> None:
        if unknown := sorted(set(options) - set(_OPTIONS)):
            raise ValueError(
                f"options that the HB-1 does not know: {', '.join(unknown)}; it takes {', '.join(_OPTIONS)}"
            )
        self._sdk = sdk
        self._device = device
        cores = int(options.get("cores", 1))
        self.options: dict[str, Any] = {"provider": NPU, "cores": cores}
        self._handle: int = sdk.load(path, device, cores)
        inputs, outputs = sdk.tensors(self._handle)
        self.inputs: Sequence[TensorSpec] = tuple(_spec(tensor) for tensor in inputs)
        self.outputs: Sequence[TensorSpec] = tuple(_spec(tensor) for tensor in outputs)
        self._segments: list[dict[str, Any]] = sdk.segments(self._handle)

    def infer(self, feeds: Feeds) -> Outputs:
        """Host arrays in, host arrays out. Raises ValueError for other names than the model's."""
        return self.prepare(feeds)()

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        """Puts the inputs into the SDK's order once; each call runs on what they hold then."""
        names = [spec.name for spec in self.inputs]
        if set(feeds) != set(names):
            raise ValueError(f"inputs {', '.join(sorted(feeds)) or 'none'}; expected {', '.join(names)}")
        arrays = [feeds[name] for name in names]
        # Not ascontiguousarray: it makes a scalar an array of one.
        return lambda: self._run([np.asarray(array, order="C") for array in arrays])

    def _run(self, arrays: Sequence[Any]) -> Outputs:
        try:
            found = self._sdk.run(self._handle, arrays)
        except self._sdk.HanbitError as error:
            if error.code == self._sdk.BUSY:
                raise RequestError(str(error), status=error.code) from error
            raise
        return {spec.name: value for spec, value in zip(self.outputs, found, strict=True)}

    def placement(self) -> Placement:
        """Counted from the compiler's own report."""
        counts = dict.fromkeys(_PROVIDERS.values(), 0)
        fallen: dict[str, int] = {}
        for node in self.assignment():
            counts[node.provider] += 1
            if node.provider == HOST:
                fallen[node.op_type] = fallen.get(node.op_type, 0) + 1
        providers = {name: count for name, count in counts.items() if count}
        return Placement(
            requested=NPU,
            registered=(NPU, HOST),
            selected=tuple(providers),
            providers=providers,
            fallback_ops=fallen,
            device_type="virtual" if self._sdk.device_info(self._device)["virtual"] else "npu",
            sources=("vendor",),
        )

    def assignment(self) -> Sequence[AssignedNode]:
        """Each node and who took it, as the compiled file says."""
        return tuple(
            AssignedNode(
                name=name,
                op_type=op_type,
                domain=domain,
                provider=_PROVIDERS[segment["target"]],
                subgraph=index,
            )
            for index, segment in enumerate(self._segments)
            for name, op_type, domain in segment["nodes"]
        )

    def health(self) -> Mapping[str, Any]:
        """Who uses the device, and how it is."""
        found = self._sdk.snapshot(self._device)
        return {
            "processes": [int(found["pid"])] if found["pid"] else [],
            "temperature": found["temperature"],
            "throttle": found["throttle"],
            "resets": int(found["resets"]),
            "firmware": self._sdk.device_info(self._device)["firmware"],
        }

    def close(self) -> None:
        """Unloads the model."""
        self._sdk.close(self._handle)


class HanbitProfiledSession(HanbitSession):
    """Adds up what the SDK's timers say. The compiler fuses nodes, so each row is a segment."""

    _calls = 0
    _total_ns = 0

    def _run(self, arrays: Sequence[Any]) -> Outputs:
        start = time.perf_counter_ns()
        found = super()._run(arrays)
        self._total_ns += time.perf_counter_ns() - start
        self._calls += 1
        return found

    def profile(self) -> Profile:
        rows = tuple(
            NodeTime(
                name=f"segment-{index}",
                op_type="HanbitSegment",
                provider=_PROVIDERS[segment["target"]],
                calls=timer["calls"],
                self_ns=timer["ns"],
                input_shapes=tuple(timer["inputs"]),
                output_shapes=tuple(timer["outputs"]),
            )
            for index, (segment, timer) in enumerate(zip(self._segments, self._sdk.timers(self._handle), strict=True))
        )
        return Profile(rows=rows, runs=self._calls, run_ns=self._total_ns)


class HanbitAdapter:
    """Adapter, and what else npubench can ask of one: compiling ahead, profiling, refusing to share, libraries."""

    def __init__(self, provider: str | None = None, device: Mapping[str, Any] | None = None) -> None:
        self._provider = provider or NPU
        self._device = int((device or {}).get("index", 0))

    def probe(self) -> Availability:
        try:
            import hanbit_sdk as sdk
        except Exception as error:  # RuntimeError where the compute library is missing
            return Availability(available=False, reason=f"hanbit_sdk cannot be imported: {error}")
        versions = {"hanbit-sdk": sdk.__version__}
        if self._provider != NPU:
            return Availability(available=False, reason=f"provider {self._provider}: expected {NPU}", versions=versions)
        count = sdk.device_count()
        if self._device >= count:
            return Availability(
                available=False,
                reason=f"no HB-1 with number {self._device}: the SDK sees {count} devices",
                fix="HANBIT_VIRTUAL=1, or the backend hanbit-virtual: a virtual device, never ranked",
                versions=versions,
            )
        return Availability(
            available=True, devices=tuple(_device(sdk, number) for number in range(count)), versions=versions
        )

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> HanbitSession:
        """A session on a compiled file, or on an ONNX file that is compiled on the spot."""
        return self._open(HanbitSession, artifact, options)

    def open_profiled(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> HanbitProfiledSession:
        """The SDK's timers always run; the profiled session also adds up its own."""
        session: HanbitProfiledSession = self._open(HanbitProfiledSession, artifact, options)
        return session

    def open_strict(self, artifact: Artifact, options: Mapping[str, Any]) -> HanbitSession:
        """Refuses a graph of which the compiler left anything to the host."""
        session = self.open(artifact, options)
        left = sorted({node.op_type for node in session.assignment() if node.provider == HOST})
        if left:
            session.close()
            raise RuntimeError(f"left to the host: {', '.join(left)}")
        return session

    def compile(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> Artifact:
        """Compiles into `folder`."""
        target = Path(folder) / f"{artifact.role}{SUFFIX}"
        _compile(artifact.path, target)
        return Artifact(
            role=artifact.role,
            path=str(target),
            sha256=hashlib.sha256(target.read_bytes()).hexdigest(),
            precision=artifact.precision,
            variant=artifact.variant,
        )

    def describe(self) -> Mapping[str, str]:
        import hanbit_sdk as sdk

        found = {"hanbit-sdk": str(sdk.__version__)}
        if self._device < sdk.device_count():
            found["hanbit-firmware"] = str(sdk.device_info(self._device)["firmware"])
        return found

    def libraries(self) -> Sequence[str]:
        """What runs and what compiles: the files whose hashes go into a result."""
        import hanbit_sdk as sdk

        folder = Path(sdk.__file__).parent
        return [str(folder / "__init__.py"), str(folder / "_compiler.py")]

    def _open(self, kind: Any, artifact: Artifact, options: Mapping[str, Any]) -> Any:
        import hanbit_sdk as sdk

        if artifact.path.endswith(SUFFIX):
            return kind(sdk, artifact.path, self._device, options)
        with tempfile.TemporaryDirectory(prefix="hanbit-") as folder:
            target = Path(folder) / f"{artifact.role}{SUFFIX}"
            _compile(artifact.path, target)
            return kind(sdk, str(target), self._device, options)


def _compile(source: str, target: Path) -> None:
    """Raises UnsupportedError for a graph that the compiler does not take: a result, not a failure."""
    import hanbit_sdk as sdk

    try:
        sdk.compile_model(source, str(target))
    except sdk.NotCompilableError as error:
        raise UnsupportedError(str(error)) from error


def _spec(tensor: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(name=tensor["name"], dtype=tensor["dtype"], shape=tuple(tensor["shape"]))


def _device(sdk: Any, number: int) -> Device:
    info = sdk.device_info(number)
    return Device(
        id=info["serial"],
        type="npu",
        vendor="Hanbit",
        name=f"{info['name']} (virtual)" if info["virtual"] else info["name"],
        detail={"firmware": info["firmware"], "cores": str(info["cores"])},
    )
