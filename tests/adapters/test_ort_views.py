"""Views of one ONNX Runtime session, and requests in flight without threads: real sessions, each answer its own."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from npubench.adapters.null import NullSession
from npubench.adapters.ort import OrtAdapter
from npubench.adapters.ort_session import OrtSession
from npubench.adapters.ort_submit import SubmittingSession
from npubench.spi import Artifact, Forks, Session, Submits, prepared
from tests.adapters.made_graphs import endless, perceptron

RUNS = 10_000


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads change places as often as they can, so that what they share is seen."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return perceptron(tmp_path / "m.onnx")


def opened(artifact: Artifact, threads: int = 1) -> OrtSession:
    return OrtAdapter().open(artifact, {"intra_op_num_threads": threads})


def row(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((1, 64)).astype(np.float32)


def together(*works: Callable[[], None]) -> None:
    """Runs them at once, each in a thread; raises what one of them raised."""
    raised: list[BaseException] = []
    start = threading.Barrier(len(works))

    def guarded(work: Callable[[], None]) -> None:
        start.wait()
        try:
            work()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def hammer(view: Session, seeds: range, answers: dict[int, Any]) -> Callable[[], None]:
    """Prepared calls and plain ones in turn, on inputs of its own; the outputs of a plain one stay what they were."""

    def work() -> None:
        fed = {"x": np.empty((1, 64), np.float32)}
        call = prepared(view, fed)
        kept: list[tuple[int, Any]] = []
        for number in range(RUNS):
            seed = seeds[number % len(seeds)]
            fed["x"][:] = row_of[seed]
            outputs = view.infer(fed) if number % 8 == 7 else call()
            assert np.array_equal(outputs["y"], answers[seed]), f"run {number} has another's answer"
            if number % 8 == 7:
                kept.append((seed, outputs["y"]))
        assert all(np.array_equal(value, answers[seed]) for seed, value in kept)

    row_of = {seed: row(seed) for seed in seeds}
    return work


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("threads", [1, 2])
def test_two_threads_on_two_views_each_get_their_own_answers(artifact: Artifact, threads: int) -> None:
    session = opened(artifact, threads)
    assert isinstance(session, Forks)
    answers = {seed: np.array(session.infer({"x": row(seed)})["y"]) for seed in range(8)}
    views = [session.fork(), session.fork()]
    together(hammer(views[0], range(4), answers), hammer(views[1], range(4, 8), answers))


class OwnMemory:
    """A session whose provider keeps inputs in a memory of its own, as CUDA's does: binding copies, a run does not.

    Seen on an H200 with onnxruntime-gpu 1.31.1: what was bound once is what every run reads.
    """

    def __init__(self, session: Any, memory: str) -> None:
        self._session = session
        self._memory = memory
        self.copies = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def get_input_memory_infos(self) -> list[Any]:
        return [SimpleNamespace(name=self._memory) for _ in self._session.get_inputs()]

    def io_binding(self) -> OwnMemory.Binding:
        return OwnMemory.Binding(self)

    def run_with_iobinding(self, binding: OwnMemory.Binding, options: Any) -> None:
        self._session.run_with_iobinding(binding.real, options)

    class Binding:
        def __init__(self, owner: OwnMemory) -> None:
            self.owner, self.real = owner, owner._session.io_binding()
            self.there: dict[str, np.ndarray] = {}

        def bind_input(self, name: str, device: str, index: int, dtype: Any, shape: Any, address: int) -> None:
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            copied = np.frombuffer(ctypes.string_at(address, size), dtype).reshape(shape)
            self.owner.copies += 1
            self.there[name] = copied
            self.real.bind_input(name, device, index, dtype, shape, copied.ctypes.data)

        def bind_output(self, *bound: Any) -> None:
            self.real.bind_output(*bound)


@pytest.mark.parametrize(("memory", "copies"), [("Cuda", 3), ("Cpu", 1)])
def test_a_prepared_call_reads_its_buffers_anew_where_the_device_has_its_own_memory(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, memory: str, copies: int
) -> None:
    real, made = onnxruntime.InferenceSession, []

    def session_with_own_memory(*given: Any, **options: Any) -> OwnMemory:
        made.append(OwnMemory(real(*given, **options), memory))
        return made[-1]

    monkeypatch.setattr(onnxruntime, "InferenceSession", session_with_own_memory)
    session = opened(artifact)
    assert session.options["input_memory"] == memory
    fed = {"x": row(0).copy()}
    call = session.prepare(fed)
    call()
    answers = []
    for seed in (1, 2, 3):
        fed["x"][:] = row(seed)
        answers.append((np.array(call()["y"]), session.infer({"x": row(seed)})["y"]))
    assert made[0].copies == copies
    # A buffer that the runtime reads where it lies is bound once; one that it copies is bound in each call.
    assert all(np.array_equal(got, wanted) for got, wanted in answers) is (memory == "Cuda")


def test_views_share_no_output_buffers(artifact: Artifact) -> None:
    session = opened(artifact)
    views = [session, session.fork(), session.fork()]
    outputs = [view.prepare({"x": row(number)})()["y"] for number, view in enumerate(views)]
    for number, value in enumerate(outputs):
        assert not any(np.shares_memory(value, other) for other in outputs[:number])
        assert np.array_equal(value, session.infer({"x": row(number)})["y"])


def test_the_model_lives_until_its_last_view_is_closed(artifact: Artifact) -> None:
    session = opened(artifact)
    fork = session.fork()
    last = fork.fork()
    right = session.infer({"x": row(1)})["y"]
    session.close()
    assert np.array_equal(fork.infer({"x": row(1)})["y"], right)
    fork.close()
    assert np.array_equal(last.prepare({"x": row(1)})()["y"], right)
    held = sys.getrefcount(last._session)
    last.close()
    assert held == 2  # the view's own, and the argument's: nobody else kept the model


@pytest.mark.parametrize("close_first", [False, True])
def test_an_interrupt_reaches_every_view(tmp_path: Path, close_first: bool) -> None:
    adapter = OrtAdapter()
    session = adapter.open(endless(tmp_path / "m.onnx"), {"intra_op_num_threads": 1})
    views = [session.fork(), session.fork()]
    if close_first:
        session.close()
        del session
    stopped: list[str] = []
    running = threading.Barrier(3)

    def run(view: OrtSession) -> None:
        running.wait()
        with pytest.raises(Exception, match="terminate"):
            view.infer({"x": np.ones((64, 64), np.float32)})
        stopped.append("stopped")

    threads = [threading.Thread(target=run, args=(view,)) for view in views]
    for thread in threads:
        thread.start()
    running.wait()
    adapter.interrupt()
    for thread in threads:
        thread.join(30)
    assert stopped == ["stopped"] * 2
    with pytest.raises(Exception, match="terminate"):
        views[0].fork().infer({"x": np.ones((64, 64), np.float32)})


class Collected:
    """Waits until every request is done."""

    def __init__(self, count: int) -> None:
        self.got: dict[int, Any] = {}
        self._left = threading.Semaphore(0)
        self._count = count

    def done(self, number: int) -> Callable[[Any], None]:
        def completed(outputs: Any) -> None:
            assert number not in self.got
            self.got[number] = {name: np.array(value) for name, value in outputs.items()}
            self._left.release()

        return completed

    def wait(self) -> None:
        for _ in range(self._count):
            assert self._left.acquire(timeout=30)


def test_submitted_requests_are_done_once_each_with_its_own_answer(artifact: Artifact) -> None:
    session = opened(artifact, 3)
    assert isinstance(session, SubmittingSession)
    assert isinstance(session, Submits)
    views, count = [session, session.fork()], 300
    collected = Collected(count)
    for number in range(count):
        # Not contiguous, and kept by nobody.
        views[number % 2].submit({"x": np.repeat(row(number), 2, axis=1)[:, ::2]}, collected.done(number))
    collected.wait()
    for number in range(0, count, 17):
        assert np.array_equal(collected.got[number]["y"], session.infer({"x": row(number)})["y"])
    assert len(collected.got) == count


def test_without_a_pool_nothing_can_be_submitted(artifact: Artifact) -> None:
    """`run_async` refuses: "intra op thread pool must have at least one thread for RunAsync"."""
    session = opened(artifact, 1)
    assert not isinstance(session, Submits)
    with pytest.raises(Exception, match="thread pool"):
        session._session.run_async(["y"], {"x": row(1)}, lambda *_: None, None)


def test_a_submitted_request_that_fails_is_done_with_nothing_and_the_next_one_says_why(artifact: Artifact) -> None:
    session = opened(artifact, 2)
    assert isinstance(session, SubmittingSession)
    collected = Collected(1)
    session.submit({"x": np.zeros((2, 64), np.float32)}, collected.done(0))
    collected.wait()
    assert collected.got == {0: {}}
    other = Collected(1)
    view = session.fork()
    view.submit({"x": row(1)}, other.done(0))  # another view has nothing to do with it
    other.wait()
    with pytest.raises(RuntimeError, match="invalid dimensions"):
        session.submit({"x": row(1)}, collected.done(1))
    collected = Collected(1)
    session.submit({"x": row(1)}, collected.done(0))
    collected.wait()
    assert np.array_equal(collected.got[0]["y"], session.infer({"x": row(1)})["y"])


def test_an_interrupt_ends_what_is_submitted(tmp_path: Path) -> None:
    adapter = OrtAdapter()
    session = adapter.open(endless(tmp_path / "m.onnx"), {"intra_op_num_threads": 2})
    assert isinstance(session, SubmittingSession)
    collected = Collected(1)
    session.submit({"x": np.ones((64, 64), np.float32)}, collected.done(0))
    adapter.interrupt()
    collected.wait()
    assert collected.got == {0: {}}


def test_views_of_nothing() -> None:
    """The null session too: outputs of its own, and one fault among all views."""
    session = NullSession(Artifact(role="model", path="", sha256=""), {"fault": "raise", "fault_at": 3})
    assert isinstance(session, Forks)
    view = session.fork()
    assert not np.shares_memory(view.infer({})["y"], session.infer({})["y"])
    view.infer({})
    with pytest.raises(RuntimeError, match="fault"):
        session.infer({})
