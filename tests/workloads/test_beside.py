"""What a Bound tells besides its step: stages, the last outputs, requests that overlap; and two Bounds side by side."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npubench.engine.auditing import Sampler, same_outputs
from npubench.engine.staging import staged
from npubench.spi import Begins, Bound, Feeds, Outputs, Recalls, Request, Staged, Submits
from npubench.workloads.tensor import Tensor
from tests.workloads import test_detection as frames
from tests.workloads import test_llm as chat
from tests.workloads import test_ocr as pages
from tests.workloads.fakes import CountingClock, FakeSession, frames_folder, prompts_folder, specs


class Submitting(FakeSession):
    """Completes what was submitted when it is told to, the last one first."""

    def __init__(self, session: FakeSession) -> None:
        super().__init__(session.inputs, session.outputs, session.run)
        self.waiting: list[Callable[[], None]] = []

    def submit(self, feeds: Feeds, done: Callable[[Outputs], None]) -> None:
        self.waiting.append(lambda: done(self.infer(feeds)))

    def complete(self) -> None:
        while self.waiting:
            self.waiting.pop()()


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads change places as often as they can, so that what they share is seen."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def detection(folder: Path, scope: str = "service", batch: int = 1) -> Any:
    return frames.bound(frames.detector(), folder, scope, batch)


def ocr(folder: Path, scope: str = "service", batch: int = 1, **params: Any) -> Any:
    return pages.bound(pages.sessions(), folder, scope, batch, **params)


def llm(folder: Path, scope: str = "service", batch: int = 1) -> Any:
    return chat.bound(chat.decoder(), folder, scope, batch)[0]


def tensor(_folder: Path, scope: str = "device", batch: int = 1) -> Any:
    session = FakeSession(specs({"x": ("n", 3)}), [], lambda feeds: {"y": feeds["x"] * 2})
    request = Request(scope=scope, batch=batch, params={"batch_dim": "n", "inputs": 3})
    return Tensor().bind({"graph": session}, request, CountingClock())


def made(kind: str, folder: Path) -> tuple[Callable[..., Any], Path]:
    if kind == "detection":
        return detection, frames_folder(folder / "f", 5)
    if kind == "ocr":
        return ocr, pages.pages_folder(folder / "p", 3)
    if kind == "llm":
        return llm, prompts_folder(folder / "t", chat.TEXTS, chat.TOKENIZER)
    return tensor, folder


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("detection", ["decode", "pre", "infer", "post"]),
        ("ocr", ["decode", "pre", "infer", "post"]),
        ("llm", ["pre", "infer", "post"]),
    ],
)
@pytest.mark.parametrize("batch", [1, 2])
def test_stages_are_those_of_a_step(tmp_path: Path, kind: str, names: list[str], batch: int) -> None:
    make, folder = made(kind, tmp_path)
    bind = make(folder, batch=batch)
    found = bind.stages(1)
    assert sorted(found) == sorted(names)
    assert all(value >= 0 for value in found.values())
    assert isinstance(bind, Staged)
    medians = staged(make(folder, batch=batch), 5_000_000)
    assert medians is not None
    assert list(medians.median_ns) == names
    assert not isinstance(make(folder, "device"), Staged)


@pytest.mark.parametrize("kind", ["detection", "ocr"])
def test_stages_feed_what_a_step_feeds(tmp_path: Path, kind: str) -> None:
    """The same calls with the same bytes, in the same order."""
    fed = []
    for run in ("step", "stages"):
        folder = tmp_path / run
        folder.mkdir()
        _, data = made(kind, folder)
        sessions = {"detector": frames.detector()} if kind == "detection" else pages.sessions()
        module: Any = frames if kind == "detection" else pages
        bind = module.bound(sessions["detector"] if kind == "detection" else sessions, data, "service", 2)
        for session in sessions.values():
            session.fed.clear()
        getattr(bind, run)(1)
        fed.append([one for session in sessions.values() for one in session.fed])
    assert len(fed[0]) == len(fed[1]) > 0
    for one, other in zip(*fed, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_stages_do_not_tick(tmp_path: Path) -> None:
    _, folder = made("llm", tmp_path)
    for session in (chat.decoder(), chat.Endpoint()):
        bind, clock = chat.bound(session, folder, "service")
        bind.stages(0)
        assert clock.ticks == 0
        assert bind.step(0) == clock.ticks == bind.units_asked == 6


@pytest.mark.parametrize("kind", ["detection", "ocr", "llm", "tensor"])
@pytest.mark.parametrize("scope", ["device", "service"])
@pytest.mark.parametrize("batch", [1, 2])
def test_the_last_outputs_are_those_that_inspect_gives(tmp_path: Path, kind: str, scope: str, batch: int) -> None:
    make, folder = made(kind, tmp_path)
    if (kind, scope) == ("tensor", "service"):
        return
    bind: Bound = make(folder, scope, batch)
    assert isinstance(bind, Recalls)
    assert not bind.recall()
    sampler = Sampler(bind, 1, 9, 9)
    for index in (1, 0, 2, 4, 3, 1, 1, 5, 2):
        bind.step(index)
        sampler.after(index)
    assert sampler.kept
    audit = same_outputs([sampler], 10**10)
    assert audit.passed, audit.said.en
    assert "exactly" in audit.said.en
    one = bind.recall()
    bind.step(0)
    two = bind.recall()
    assert all(not np.shares_memory(one[name], two[name]) for name in one)


def test_a_generator_keeps_its_last_tokens(tmp_path: Path) -> None:
    _, folder = made("llm", tmp_path)
    bind, _ = chat.bound(chat.Endpoint(), folder)
    assert bind.recall() == {}
    bind.step(1)
    assert bind.recall()["tokens"].tolist() == bind.inspect(1)["tokens"].tolist()


def test_ocr_keeps_the_last_batch_of_words(tmp_path: Path) -> None:
    """Four words in batches of two: the buffers hold the last ones, the others are said to be gone."""
    folder = pages.pages_folder(tmp_path / "p", 1)
    for scope in ("device", "service"):
        bind = ocr(folder, scope)
        bind.step(0)
        chars = bind.recall()["line_recogniser/chars"]
        whole = bind.inspect(0)["line_recogniser/chars"]
        gone = np.ma.getmaskarray(chars).all(axis=(1, 2))
        assert chars.shape == whole.shape
        assert gone.tolist() == [True, True, True, False]
        assert np.array_equal(chars.data[~gone], whole[~gone])


def test_ocr_leaves_out_words_that_inspect_does_not_read(tmp_path: Path) -> None:
    folder = pages.pages_folder(tmp_path / "p", 1)
    bind = ocr(folder, boxes="detected")
    bind.step(0)
    assert set(bind.recall()) == {"text_detector/text"}
    (folder / "annotations.json").unlink()
    bind = ocr(folder)
    bind.step(0)
    assert set(bind.recall()) == set(bind.inspect(0))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("kind", ["detection", "tensor"])
def test_requests_overlap_where_the_session_can(tmp_path: Path, kind: str, batch: int) -> None:
    if kind == "detection":
        session = Submitting(frames.detector())
        _, folder = made(kind, tmp_path)
        bind = frames.bound(session, folder, "device", batch)
        assert not isinstance(frames.bound(session, folder, "service", batch), Begins)
    else:
        session = Submitting(FakeSession(specs({"x": ("n", 3)}), [], lambda feeds: {"y": feeds["x"] * 2}))
        request = Request(scope="device", batch=batch, params={"batch_dim": "n", "inputs": 3})
        bind = Tensor().bind({"graph": session}, request, CountingClock())
    assert isinstance(session, Submits)
    done: list[tuple[int, int]] = []

    def noted(index: int) -> Callable[[int], None]:
        return lambda units: done.append((index, units))

    begun: Any = bind
    assert isinstance(bind, Begins)
    for index in (3, 0, 1):
        begun.begin(index, noted(index))
    assert done == []
    session.fed.clear()
    session.complete()
    assert done == [(1, batch), (0, batch), (3, batch)]
    fed = list(session.fed)
    for index, given in zip((1, 0, 3), fed, strict=True):
        session.fed.clear()
        begun.step(index)
        assert all(np.array_equal(given[name], session.fed[0][name]) for name in given)


def test_a_request_that_failed_has_no_units(tmp_path: Path) -> None:
    session = Submitting(FakeSession(specs({"x": ("n", 3)}), [], lambda feeds: {}))
    bind = Tensor().bind({"graph": session}, Request(scope="device"), CountingClock())
    assert isinstance(bind, Begins)
    done: list[int] = []
    bind.begin(0, done.append)
    session.complete()
    assert done == [0]


@pytest.mark.parametrize("kind", ["detection", "ocr"])
@pytest.mark.parametrize("scope", ["device", "service"])
def test_a_query_of_several_samples_is_each_of_them(tmp_path: Path, kind: str, scope: str) -> None:
    """Multi-stream: eight samples are one step; what is found in each is what it gives alone."""
    make, folder = made(kind, tmp_path)
    single, query = make(folder, scope), make(folder, scope, batch=8)
    assert query.step(0) == 8
    assert query.step(5) == 8
    assert query.names(0) == [single.names(index)[0] for index in range(8)]
    found = query.detections(0) if kind == "detection" else query.read(0) if scope == "service" else None
    if found is None:
        # In scope device there are no texts: the recogniser's outputs for all words, page after page.
        alone = [single.inspect(index)["line_recogniser/chars"] for index in range(8)]
        together = query.inspect(0)["line_recogniser/chars"]
        assert len(together) == sum(map(len, alone))
        start = 0
        for one in alone:
            assert np.array_equal(together[start : start + len(one), : one.shape[1]], one)
            start += len(one)
        return
    assert len(found) == 8
    for index, of_sample in enumerate(found):
        alone = single.detections(index)[0] if kind == "detection" else single.read(index)[0]
        if kind == "detection":
            assert np.array_equal(of_sample, alone)
        else:
            assert [text for _, text in of_sample] == [text for _, text in alone]


def together(works: list[Callable[[], None]]) -> None:
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


def answers(kind: str, bind: Any, index: int) -> Any:
    """What a person gets: boxes, words, text."""
    if kind == "detection":
        return [found.tolist() for found in bind.detections(index)]
    if kind == "ocr":
        return [[(quad.tolist(), text) for quad, text in page] for page in bind.read(index)]
    return bind.texts(index)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(("kind", "turns"), [("detection", 60), ("ocr", 20), ("llm", 30)])
def test_two_bounds_in_two_threads_do_not_meet(tmp_path: Path, kind: str, turns: int) -> None:
    make, folder = made(kind, tmp_path)
    right = [answers(kind, make(folder), index) for index in range(3)]

    def work(start: int, bind: Any) -> Callable[[], None]:
        def run() -> None:
            for turn in range(turns):
                index = (start + turn) % 3
                assert bind.step(index) > 0
                assert answers(kind, bind, index) == right[index]

        return run

    together([work(start, make(folder)) for start in range(2)])


def test_two_threads_bind_at_once(tmp_path: Path) -> None:
    """Whatever is made at first use is made once."""
    make, folder = made("llm", tmp_path)
    found: list[Any] = []
    together([lambda: found.append(make(folder).texts(0))] * 4)
    assert len(found) == 4
    assert all(one == found[0] for one in found)
