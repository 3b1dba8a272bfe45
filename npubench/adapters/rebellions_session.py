"""One compiled model on a Rebellions device: `Runtime`, or `AsyncRuntime` with requests in flight. Not verified on
hardware.

Guarantees: feeds are checked before the runtime sees them; several threads take turns (nothing documents that a runtime
is for several); of the two runtimes one session has one, never both; a request that failed in flight is done with no
outputs, and its error is raised by the next one.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npubench import rbln
from npubench.adapters import rebellions, vendor_cache, vendor_feeds
from npubench.adapters.rebellions_compile import told
from npubench.adapters.vendor_sdk import Sdk
from npubench.errors import ArtifactError
from npubench.spi import Artifact, Device, Feeds, Outputs, Placement, TensorSpec

if TYPE_CHECKING:
    from npubench.adapters.rebellions import Options

UNKNOWN = "rebel reports nowhere which operators the host computes: where this graph ran is not known"


class RebellionsSession:
    """A model on `Runtime`: one request at a time."""

    def __init__(
        self, sdk: Sdk, artifact: Artifact, index: int, device: Device, provider: str, options: Options
    ) -> None:
        if not Path(artifact.path).is_file():
            raise FileNotFoundError(f"{artifact.path}: no such file")
        meta = sdk.module.RBLNCompiledModel.inspect(artifact.path)
        npu = str(told(meta, "npu") or "")
        vendor_cache.check_chip(artifact.path, npu, device.name, f"device {index}")
        record = vendor_cache.beside(artifact.path)
        self.inputs: Sequence[TensorSpec] = _specs(record, meta, "inputs")
        self.outputs: Sequence[TensorSpec] = _specs(record, meta, "outputs")
        self._sdk, self._index, self._device, self._provider = sdk, index, device, provider
        self._notes = tuple(_notes(sdk, record, npu))
        self._turn = threading.Lock()
        self._options = options
        self.options: dict[str, Any] = {
            "mode": options.mode,
            "devices": options.devices,
            "timeout_s": options.timeout_s,
            "npu": npu,
            "compiler": str(told(meta, "compiler_version") or ""),
        }
        if record is not None:
            self.options["route"] = record.facts.get("route", "")
        self._runtime: Any = self._made(artifact.path)

    def _made(self, path: str) -> Any:
        return self._sdk.module.Runtime(
            path, device=self._index, tensor_type="np", timeout=int(self._options.timeout_s)
        )

    def infer(self, feeds: Feeds) -> Outputs:
        """Host arrays in, host arrays out. Raises ValueError for feeds that are not as declared."""
        arrays = vendor_feeds.ordered(self.inputs, feeds)
        with self._turn:
            return vendor_feeds.named(self.outputs, self._runtime.run(*arrays))

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        """Checks and orders the feeds once; each call runs on what they hold then."""
        arrays, outputs, runtime, turn = (
            vendor_feeds.ordered(self.inputs, feeds),
            self.outputs,
            self._runtime,
            self._turn,
        )
        # An array that had to be copied would not follow its original.
        original = [feeds[spec.name] for spec in self.inputs]
        stale = any(array is not source for array, source in zip(arrays, original, strict=True))

        def call() -> Outputs:
            fed = vendor_feeds.ordered(self.inputs, feeds) if stale else arrays
            with turn:
                return vendor_feeds.named(outputs, runtime.run(*fed), copied=False)

        return call

    def placement(self) -> Placement:
        """Which device; of operators nothing is known."""
        return Placement(
            requested=self._provider,
            registered=(self._provider,),
            device_type="cpu" if self._sdk.stand_in else "npu",
            sources=("vendor",),
            devices=(self._device,),
            notes=self._notes,
        )

    def health(self) -> Mapping[str, Any]:
        """What rbln-smi says of the device now."""
        state = rbln.ask()
        if isinstance(state, str):
            return {"reason": state}
        device = next((item for item in state.devices if item.npu == str(self._index)), None)
        if device is None:
            return {"reason": f"{rbln.TOOL} no longer lists device {self._index}"}
        contexts = state.contexts or ()
        return {
            "processes": [item.pid for item in contexts if item.npu == device.npu],
            "status": device.status,
            "performance_state": device.pstate,
            "hung": device.pstate == rebellions.HUNG,
            "throttled": device.pstate == rebellions.THROTTLED,
            "temperature_c": device.temperature_c,
            "firmware": device.firmware,
        }

    def close(self) -> None:
        """Drops the runtime: the SDK documents no other way to end one."""
        self._runtime = None


class AsyncSession(RebellionsSession):
    """A model on `AsyncRuntime`: several requests in flight, on an event loop of its own."""

    def __init__(self, *arguments: Any) -> None:
        self._failed: list[BaseException] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rebellions", daemon=True)
        self._thread.start()
        try:
            super().__init__(*arguments)
        except BaseException:
            self._end()
            raise
        self.options["parallel"] = self._options.parallel

    def _made(self, path: str) -> Any:
        async def make() -> Any:
            return self._sdk.module.AsyncRuntime(
                path,
                device=self._index,
                tensor_type="np",
                parallel=self._options.parallel,
                timeout=int(self._options.timeout_s),
            )

        # On the loop's own thread: some objects of asyncio belong to the loop that they were made on.
        return asyncio.run_coroutine_threadsafe(make(), self._loop).result()

    def _begun(self, feeds: Feeds) -> Future[Any]:
        arrays, runtime = vendor_feeds.ordered(self.inputs, feeds), self._runtime

        async def run() -> Any:
            return await runtime.async_run(*arrays)

        return asyncio.run_coroutine_threadsafe(run(), self._loop)

    def infer(self, feeds: Feeds) -> Outputs:
        """One request, waited for."""
        return vendor_feeds.named(self.outputs, self._begun(feeds).result())

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        """As `infer` on what the arrays hold then."""
        return lambda: self.infer(feeds)

    def submit(self, feeds: Feeds, done: Callable[[Outputs], None]) -> None:
        """Starts a request. Raises what an earlier one raised."""
        if self._failed:
            raise self._failed.pop(0)
        outputs, failed = self.outputs, self._failed

        def completed(future: Future[Any]) -> None:
            try:
                found = vendor_feeds.named(outputs, future.result(), copied=False)
            except BaseException as error:
                failed.append(error)
                found = {}
            try:
                done(found)
            except BaseException as error:
                failed.append(error)

        self._begun(feeds).add_done_callback(completed)

    def close(self) -> None:
        """Drops the runtime and ends the loop."""
        super().close()
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)
        if not self._loop.is_running():
            self._loop.close()


def _specs(record: vendor_cache.Record | None, meta: Any, side: str) -> tuple[TensorSpec, ...]:
    """As the graph declared them, where we compiled it; else as the file says, with numbers for names it has not."""
    if record is not None and side in record.facts:
        return tuple(
            TensorSpec(name=name, dtype=dtype, shape=tuple(shape))
            for name, shape, dtype in json.loads(record.facts[side])
        )
    found = told(meta, side)
    if not found:
        raise ArtifactError(f"the compiled file does not say its {side}", hint="compile it with a newer rebel-compiler")
    return tuple(
        TensorSpec(
            name=str(told(item, "name") or f"{side[:-1]}_{number}"),
            dtype=str(told(item, "dtype")).removeprefix("torch."),
            shape=tuple(int(size) for size in told(item, "shape")),
        )
        for number, item in enumerate(found)
    )


def _notes(sdk: Sdk, record: vendor_cache.Record | None, npu: str) -> list[str]:
    notes = [sdk.note("Rebellions")] if sdk.stand_in else [UNKNOWN]
    if record is not None:
        notes.append(
            f"compiled for {npu or 'an unknown chip'} by rebel {record.wanted.compiler}, {record.facts['route']}"
        )
    return notes
