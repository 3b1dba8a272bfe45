"""One model on Warboy: a runner that several threads may use, or a queue with requests in flight. Not verified on
hardware.

Guarantees: feeds are checked before the runtime sees them; a queue has one receiver, as the vendor asks; a request that
failed in flight is done with no outputs, and its error is raised by the next one. The inputs are those that the runtime
declares, in its types: an optimised file may take other ones than its graph did.
"""

from __future__ import annotations

import copy
import itertools
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npubench.adapters import vendor_cache, vendor_feeds
from npubench.adapters.vendor_sdk import Sdk
from npubench.spi import Artifact, Device, Feeds, Outputs, Placement, TensorSpec

if TYPE_CHECKING:
    from npubench.adapters.warboy import Options

UNKNOWN = "furiosa.runtime reports nowhere which operators the host computes: where this graph ran is not known"
# How long the receiver of a queue waits before it looks whether it is to end.
_RECEIVE_S = 0.2


class RunnerSession:
    """A model on a runner. `fork` gives views, which share it."""

    def __init__(
        self,
        sdk: Sdk,
        artifact: Artifact,
        record: vendor_cache.Record | None,
        device: Device,
        provider: str,
        options: Options,
    ) -> None:
        self._sdk, self._device, self._provider, self._options = sdk, device, provider, options
        self._notes = [sdk.note("FuriosaAI")] if sdk.stand_in else [UNKNOWN]
        self.options: dict[str, Any] = {"npu": options.npu, "workers": options.workers, "mode": options.mode}
        if record is not None:
            self.options["route"] = record.facts.get("route", "")
            self._notes.append(f"furiosa-runtime {record.wanted.compiler}: {record.facts.get('route', '')}")
        # The runtime tells an ENF by its content; bytes keep it from guessing by a name.
        self._open(Path(artifact.path).read_bytes())
        model = self._model()
        self.inputs: Sequence[TensorSpec] = _specs(model.inputs(), record, "inputs")
        self.outputs: Sequence[TensorSpec] = _specs(model.outputs(), record, "outputs")
        self._views = _Views()

    def _open(self, content: bytes) -> None:
        self._runner: Any = self._sdk.module.create_runner(
            content, device=self._options.npu, worker_num=self._options.workers, batch_size=1
        )

    def _model(self) -> Any:
        return self._runner.model

    def fork(self) -> RunnerSession:
        """A view of the same runner, which many threads may call (vendor's documentation)."""
        view = copy.copy(self)
        self._views.enter()
        return view

    def infer(self, feeds: Feeds) -> Outputs:
        """Host arrays in, host arrays out. Raises ValueError for feeds that are not as declared."""
        return vendor_feeds.named(self.outputs, self._runner.run(vendor_feeds.ordered(self.inputs, feeds)))

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        """As `infer` on what the arrays hold then: the runtime binds no buffers."""
        vendor_feeds.ordered(self.inputs, feeds)
        return lambda: self.infer(feeds)

    def placement(self) -> Placement:
        """Which cores were asked for; of operators nothing is known."""
        return Placement(
            requested=self._provider,
            registered=(self._provider,),
            device_type="cpu" if self._sdk.stand_in else "npu",
            sources=("vendor",),
            devices=(self._device,),
            notes=tuple(self._notes),
        )

    def close(self) -> None:
        """Ends this view; the last one ends the runner."""
        if self._views.leave():
            self._end()

    def _end(self) -> None:
        self._runner.close()


class QueueSession(RunnerSession):
    """A model on a queue: `submit` returns at once. It has no views: its requests overlap by themselves."""

    fork = None  # type: ignore[assignment]

    def _open(self, content: bytes) -> None:
        runtime = self._sdk.module
        self._submitter, self._receiver = runtime.create_queue(
            content,
            device=self._options.npu,
            worker_num=self._options.workers,
            batch_size=1,
            input_queue_size=self._options.queue,
        )
        self._failed: list[BaseException] = []
        self._waiting: dict[int, Callable[[Any], None]] = {}
        self._lock, self._numbers, self._stopping = threading.Lock(), itertools.count(), threading.Event()
        self._timeout = _named(runtime, "QueueWaitTimeout")
        self._thread = threading.Thread(target=self._receive, name="warboy", daemon=True)
        self._thread.start()

    def _model(self) -> Any:
        return self._submitter.model

    def _receive(self) -> None:
        while not self._stopping.is_set():
            try:
                number, found = self._receiver.recv(timeout=_RECEIVE_S)
            except BaseException as error:
                if isinstance(error, self._timeout):
                    continue
                self._give_up(error)
                return
            with self._lock:
                done = self._waiting.pop(number, None)
            if done is not None:
                done(found)

    def _give_up(self, error: BaseException) -> None:
        """The queue is broken: everything in flight has failed."""
        with self._lock:
            waiting, self._waiting = list(self._waiting.values()), {}
        if not self._stopping.is_set():
            self._failed.append(error)
        for done in waiting:
            done(None)

    def submit(self, feeds: Feeds, done: Callable[[Outputs], None]) -> None:
        """Puts a request into the queue; blocks while that is full. Raises what an earlier request raised."""
        if self._failed:
            raise self._failed.pop(0)
        outputs, failed = self.outputs, self._failed

        def completed(found: Any) -> None:
            try:
                done({} if found is None else vendor_feeds.named(outputs, list(found), copied=False))
            except BaseException as error:
                failed.append(error)

        arrays = vendor_feeds.ordered(self.inputs, feeds)
        number = next(self._numbers)
        with self._lock:
            self._waiting[number] = completed
        try:
            self._submitter.submit(arrays, context=number)
        except BaseException:
            with self._lock:
                self._waiting.pop(number, None)
            raise

    def infer(self, feeds: Feeds) -> Outputs:
        """One request, waited for. Raises what the runtime reported."""
        answered, kept = threading.Event(), {}

        def done(outputs: Outputs) -> None:
            kept.update({name: np.array(value) for name, value in outputs.items()})
            answered.set()

        self.submit(feeds, done)
        answered.wait()
        if not kept:
            raise self._failed.pop(0) if self._failed else RuntimeError("the queue gave no outputs")
        return kept

    def _end(self) -> None:
        self._stopping.set()
        self._submitter.close()
        self._thread.join(50 * _RECEIVE_S)
        self._receiver.close()


class _Views:
    """How many views are open."""

    def __init__(self) -> None:
        self._count, self._lock = 1, threading.Lock()

    def enter(self) -> None:
        with self._lock:
            self._count += 1

    def leave(self) -> bool:
        with self._lock:
            self._count -= 1
            return self._count == 0


def _named(runtime: Any, name: str) -> type[BaseException]:
    """An exception of the runtime's, where it can be found; else one that is never raised."""
    import importlib

    for place in (runtime, importlib.import_module("furiosa.runtime")):
        found = getattr(place, name, None)
        if isinstance(found, type) and issubclass(found, BaseException):
            return found
    return type(name, (Exception,), {})


def _specs(described: Sequence[Any], record: vendor_cache.Record | None, side: str) -> tuple[TensorSpec, ...]:
    """As the runtime declares them, under the graph's names where those are known: the vendor's compiler renames."""
    names = [str(item.name) for item in described]
    if record is not None and side in record.facts:
        own = [name for name, _, _ in json.loads(record.facts[side])]
        names = own if len(own) == len(names) else names
    return tuple(
        TensorSpec(name=name, dtype=np.dtype(item.numpy_dtype).name, shape=tuple(int(size) for size in item.shape))
        for name, item in zip(names, described, strict=True)
    )
