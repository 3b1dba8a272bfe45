"""The contract of `spi.py`, second half: prepared calls, errors, several at once, reopening, memory, placement.

Guarantees and limits as in `contract`. Memory is judged by the growth of resident memory while the same request is
made a thousand times: the Theil-Sen slope (median of all pairwise slopes, robust against single steps of an allocator)
of each half after a warm-up, and the smaller of the two, so that one step is no leak and a leak shows in both.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from npubench.engine.contract import Kit, NotOffered, Request, Seen, Violated, brief
from npubench.lang import Text
from npubench.spi import Array, Assigns, Outputs, Places, Prepares, Session, Submits, prepared

THREADS, CALLS = 4, 50
# A slow device makes fewer calls: nothing is heard of a worker meanwhile.
TOGETHER_S = 20.0
IN_FLIGHT = 32
REOPENS = 20

INFERENCES, WARM_UP, SAMPLE_EVERY = 1000, 200, 20
# Less than what leaking the smallest of the graph's arrays (64 KiB) once in 32 inferences would make; more than what
# interpreters and allocators drift by (a few bytes to a hundred, measured with ONNX Runtime).
LEAK_BYTES = 2048.0
# A slow device gets this long, and at least `LEAST` inferences; the row says how many there were.
MEMORY_S, LEAST = 120.0, 200


def prepare(kit: Kit) -> Seen:
    """A prepared call reads its buffers anew each time, and gives what `infer` gives, also between other calls."""
    with kit.session("dense") as session:
        if not isinstance(session, Prepares):
            raise NotOffered("no `prepare`", "`prepare` 없음")
        first, second, third, *_ = kit.requests("dense")
        fed = {name: value.copy() for name, value in first.feeds.items()}
        call, other = session.prepare(fed), session.prepare(second.feeds)
        for when, made, request in (
            ("first call", call, first),
            ("second call", call, first),
            ("another prepared call", other, second),
            ("back to the first", call, first),
        ):
            _judge(kit, made(), request, when, "prepare: ")
        kit.right(session, third, "infer in between: ", "그 사이의 infer: ")
        _judge(kit, call(), first, "after infer", "infer 뒤: ")
        for name, value in fed.items():
            value[...] = third.feeds[name]
        _judge(kit, call(), third, "after its input buffer changed", "입력 버퍼를 바꾼 뒤: ")
    return Seen(Text(en="bound once, read anew each time", ko="한 번 묶고 매번 다시 읽음"))


def _judge(kit: Kit, outputs: Outputs, request: Request, when_en: str, when_ko: str) -> None:
    if (told := kit.wrong(outputs, request.answer)) is not None:
        raise Violated(f"{when_en}: {told.text.en}", f"{when_ko}{told.text.ko}")


Spoil = Callable[[dict[str, Array]], Mapping[str, Array]]


def refuses(graph: str, spoil: Spoil) -> Callable[[Kit], Seen]:
    """A check that spoilt feeds raise an exception and that the session lives on."""

    def check(kit: Kit) -> Seen:
        with kit.session(graph) as session:
            (request, *_) = kit.requests(graph)
            kit.right(session, request)
            said = ""
            for _ in range(2):
                try:
                    session.infer(spoil(dict(request.feeds)))
                except Exception as error:
                    said = brief(error)
                else:
                    raise Violated("accepted without a word", "예외 없이 받아들임")
                kit.right(session, request, "after the exception: ", "예외 뒤: ")
        return Seen(Text(en=said, ko=said))

    return check


def _renamed(feeds: dict[str, Array]) -> Mapping[str, Array]:
    return {"no-such-input" if name == "b" else name: value for name, value in feeds.items()}


def _without(feeds: dict[str, Array]) -> Mapping[str, Array]:
    return {name: value for name, value in feeds.items() if name != "b"}


def _longer(feeds: dict[str, Array]) -> Mapping[str, Array]:
    return {name: np.concatenate((value, value[..., :1]), axis=-1) for name, value in feeds.items()}


def _flat(feeds: dict[str, Array]) -> Mapping[str, Array]:
    return {name: value.reshape(-1) for name, value in feeds.items()}


def _as_double(feeds: dict[str, Array]) -> Mapping[str, Array]:
    return {name: value.astype(np.float64) for name, value in feeds.items()}


unknown_name = refuses("pair", _renamed)
missing_input = refuses("pair", _without)
wrong_shape = refuses("dense", _longer)
wrong_rank = refuses("dense", _flat)
wrong_dtype = refuses("dense", _as_double)


def bad_file(kit: Kit) -> Seen:
    """A file that is missing, empty, no model or cut short raises, and a good one opens afterwards."""
    whole = (kit.folder / "dense.onnx").read_bytes()
    broken = {"missing": None, "empty": b"", "no model": b"\xff" * 512, "cut short": whole[: len(whole) // 2]}
    for name, data in broken.items():
        graph = f"broken-{name.replace(' ', '-')}"
        path = kit.folder / f"{graph}.onnx"
        if data is not None:
            path.write_bytes(data)
        try:
            opened = kit.adapter.open(kit.artifact(graph), kit.options)
        except Exception:  # noqa: S112 - what is wanted
            continue
        finally:
            path.unlink(missing_ok=True)
        opened.close()
        raise Violated(f"a file that is {name} is opened", f"{name} 파일이 열림")
    with kit.session("dense") as session:
        kit.right(session, kit.requests("dense")[0], "a good file afterwards: ", "그 뒤의 정상 파일: ")
    return Seen(Text(en=", ".join(broken), ko="없음, 빈 파일, 모델 아님, 잘림"))


def sessions(kit: Kit) -> Seen:
    """Two sessions of one graph and one of another, in turn; closing one leaves the others alone."""
    dense, pair = kit.requests("dense"), kit.requests("pair")
    with kit.session("dense") as first, kit.session("pair") as other:
        with kit.session("dense") as second:
            for index, request in enumerate(dense):
                kit.right(first, request)
                kit.right(other, pair[index])
                kit.right(second, dense[-1 - index])
        for index, request in enumerate(dense):
            kit.right(first, request, "after another was closed: ", "다른 세션을 닫은 뒤: ")
            kit.right(other, pair[index], "after another was closed: ", "다른 세션을 닫은 뒤: ")
    return Seen(Text(en="three, two of them of one graph", ko="세션 3개(그중 2개는 같은 그래프)"))


def threads(kit: Kit) -> Seen:
    """Four threads on one session get their own answers, or an exception where it is for one thread only."""
    with kit.session("dense") as session:
        _together(kit, [session] * THREADS, shared=True)
        kit.right(session, kit.requests("dense")[0], "afterwards: ", "그 뒤: ")
    return Seen(Text(en=f"{THREADS} threads × {CALLS} calls of infer", ko=f"스레드 {THREADS}개 × infer {CALLS}회"))


def own_sessions(kit: Kit) -> Seen:
    """Four threads with a session each."""
    opened: list[Session] = []
    try:
        for _ in range(THREADS):
            try:
                opened.append(kit.adapter.open(kit.artifact("dense"), kit.options))
            except Exception as error:  # noqa: PERF203 - how many it takes is what is asked
                count = len(opened)
                raise NotOffered(
                    f"{count} sessions at most: {brief(error)}", f"최대 {count}개: {brief(error)}"
                ) from error
        _together(kit, opened, shared=False)
    finally:
        for session in opened:
            session.close()
    return Seen(Text(en=f"{THREADS} threads × {CALLS} calls of infer", ko=f"스레드 {THREADS}개 × infer {CALLS}회"))


def _together(kit: Kit, opened: Sequence[Session], shared: bool) -> None:
    """Each thread asks for what is its own. Raises Violated for an answer that is another's."""
    requests = kit.requests("dense")
    faults: list[Violated] = []
    raised: list[BaseException] = []
    start, deadline = threading.Barrier(len(opened)), time.monotonic() + TOGETHER_S

    def work(number: int) -> None:
        request = requests[number]
        start.wait()
        for _ in range(CALLS):
            if time.monotonic() > deadline:
                return
            try:
                outputs = opened[number].infer(request.feeds)
            except Exception as error:
                raised.append(error)
                return
            if (told := kit.wrong(outputs, request.answer)) is not None:
                faults.append(Violated(f"thread {number}: {told.text.en}", f"스레드 {number}: {told.text.ko}"))
                return

    running = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(len(opened))]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if faults:
        raise faults[0]
    if raised and shared:
        raise NotOffered(f"one thread at a time: {brief(raised[0])}", f"한 번에 스레드 하나: {brief(raised[0])}")
    if raised:
        raise Violated(brief(raised[0]), brief(raised[0]))


def submit(kit: Kit) -> Seen:
    """Many requests in flight: each is done once, with its own answer."""
    with kit.session("dense") as session:
        if not isinstance(session, Submits):
            raise NotOffered("no `submit`", "`submit` 없음")
        requests = kit.requests("dense")
        got: list[list[dict[str, Array]]] = [[] for _ in range(IN_FLIGHT)]
        for number in range(IN_FLIGHT):

            def done(outputs: Outputs, number: int = number) -> None:
                got[number].append({name: np.array(value) for name, value in outputs.items()})

            session.submit(requests[number % len(requests)].feeds, done)
        # Its silence is for the parent to judge, as of any hung call.
        while not all(got):
            time.sleep(0.005)
        for number, answers in enumerate(got):
            if len(answers) != 1:
                raise Violated(
                    f"request {number} was done {len(answers)} times", f"요청 {number}이 {len(answers)}번 완료"
                )
            _judge(kit, answers[0], requests[number % len(requests)], f"request {number}", f"요청 {number}: ")
    return Seen(Text(en=f"{IN_FLIGHT} in flight, each done once", ko=f"동시 요청 {IN_FLIGHT}건, 각각 한 번 완료"))


def reopen(kit: Kit) -> Seen:
    """Open, answer, close, twenty times: the same answer, and what it costs in memory."""
    (request, *_) = kit.requests("dense")
    resident: list[float] = []
    for turn in range(REOPENS):
        try:
            with kit.session("dense") as session:
                kit.right(session, request, f"opening {turn + 1}: ", f"{turn + 1}번째: ")
        except NotOffered as told:
            if turn == 0:
                raise
            raise Violated(f"opening {turn + 1}: {told.text.en}", f"{turn + 1}번째: {told.text.ko}") from told
        resident.append(resident_bytes())
        kit.alive()
    slope = theil_sen(np.arange(REOPENS // 4, REOPENS), np.array(resident[REOPENS // 4 :]))
    grown = max(0.0, slope)
    return Seen(
        Text(en=f"memory grows by {grown / 1024:.0f} KiB each", ko=f"매번 메모리 {grown / 1024:.0f} KiB 증가"),
        {"bytes_per_reopening": grown},
    )


def memory(kit: Kit) -> Seen:
    """Bytes by which each inference makes the process grow (module docstring)."""
    with kit.session("wide") as session:
        requests = kit.requests("wide")
        for index in range(2):
            kit.right(session, requests[index])
        # Both ways in, because each may leak by itself; a leak in one of them counts half and is still seen.
        calls = (lambda: session.infer(requests[0].feeds), prepared(session, requests[1].feeds))
        started = time.monotonic()
        for index in range(WARM_UP):
            calls[index % 2]()
            kit.alive()
            if time.monotonic() - started > MEMORY_S / 4:
                break
        counts, resident = [0], [resident_bytes()]
        for index in range(1, INFERENCES + 1):
            calls[index % 2]()
            if index % SAMPLE_EVERY == 0:
                counts.append(index)
                resident.append(resident_bytes())
                if index >= LEAST and time.monotonic() - started > MEMORY_S:
                    break
            kit.alive()
    half = len(counts) // 2
    x, y = np.array(counts), np.array(resident)
    growth = max(0.0, min(theil_sen(x[:half], y[:half]), theil_sen(x[half:], y[half:])))
    figures = {"bytes_per_inference": growth, "inferences": float(counts[-1])}
    if growth > LEAK_BYTES:
        raise Violated(
            f"{growth:,.0f} bytes per inference, over {counts[-1]} (allowed: {LEAK_BYTES:,.0f})",
            f"추론마다 {growth:,.0f}바이트 증가, {counts[-1]}회 (허용 {LEAK_BYTES:,.0f})",
        )
    return Seen(
        Text(en=f"{growth:,.0f} bytes per inference, {counts[-1]}", ko=f"추론당 {growth:,.0f}바이트, {counts[-1]}회"),
        figures,
    )


def resident_bytes() -> float:
    """This process's resident memory."""
    return float(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def theil_sen(x: Array, y: Array) -> float:
    """The median of the slopes between all pairs of points."""
    left, right = np.triu_indices(len(x), 1)
    return float(np.median((y[right] - y[left]) / (x[right] - x[left])))


def placement(kit: Kit) -> Seen:
    """Evidence, where the session can give it, says that the requested provider took part of the graph."""
    with kit.session("dense") as session:
        kit.right(session, kit.requests("dense")[0])
        if not isinstance(session, Places):
            raise NotOffered("no `placement`: nobody can tell where it ran", "`placement` 없음: 실행 위치를 알 수 없음")
        found = session.placement()
        nodes = session.assignment() if isinstance(session, Assigns) else None
    if found.providers is None:
        raise NotOffered("the runtime kept no record", "런타임 기록 없음")
    listed = ", ".join(f"{name} {count}" for name, count in sorted(found.providers.items()))
    if not found.providers.get(found.requested):
        raise Violated(
            f"no node ran on {found.requested}: {listed or 'no nodes at all'}",
            f"{found.requested}에서 실행된 노드 없음: {listed or '노드 없음'}",
        )
    if nodes is not None and not any(node.provider == found.requested for node in nodes):
        raise Violated("`assignment` contradicts `placement`", "`assignment`와 `placement`가 다름")
    return Seen(Text(en=f"nodes: {listed}", ko=f"노드: {listed}"))
