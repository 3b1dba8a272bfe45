"""The contract of `spi.py`, first half: right answers, told truthfully, whatever the shape, type and order.

Guarantees and limits as in `contract`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npubench.engine.contract import Kit, NotOffered, Request, Seen, Violated, brief
from npubench.errors import UnsupportedError
from npubench.lang import Text
from npubench.spi import Adapter, Array, Availability, Feeds, Outputs, ProbesWith, Session, TensorSpec

REPEATS = 20


def probe(kit: Kit) -> Seen:
    """`probe` and `describe` answer, twice alike, and do not raise for a provider that does not exist."""
    asked = kit.adapter
    _probed(asked.probe, "")
    found = _probed((lambda: asked.probe_with(kit.options)) if isinstance(asked, ProbesWith) else asked.probe, "")
    if (nonsense := _nonsense(kit)) is not None:
        _probed(nonsense.probe, "for an unknown provider ")
    if not found.available and not found.reason:
        raise Violated("probe says no and gives no reason", "probe가 이유 없이 불가라고 답함")
    try:
        versions = dict(kit.adapter.describe())
    except Exception as error:
        raise Violated(f"describe raises {brief(error)}", f"describe 예외: {brief(error)}") from error
    if not all(isinstance(item, str) for pair in versions.items() for item in pair):
        raise Violated("describe maps other things than text to text", "describe가 문자열이 아닌 값을 돌려줌")
    said = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    count = len(found.devices)
    return Seen(Text(en=f"{said or 'no versions'}; devices: {count}", ko=f"{said or '버전 없음'}; 장치 {count}개"))


def _probed(probe: Callable[[], Availability], which: str) -> Availability:
    try:
        first, second = probe(), probe()
    except Exception as error:
        raise Violated(f"{which}probe raises {brief(error)}", f"probe 예외: {brief(error)}") from error
    for answer in (first, second):
        found: Any = answer
        if not isinstance(found, Availability):
            raise Violated("probe returns no Availability", "probe가 Availability를 돌려주지 않음")
    if first.available != second.available:
        raise Violated("probe answers differently when asked twice", "probe의 두 답이 다름")
    return first


def _nonsense(kit: Kit) -> Adapter | None:
    try:
        return kit.make(provider="NoSuchExecutionProvider", plugin=None)
    except Exception:  # a constructor may refuse what a card says
        return None


def answers(kit: Kit) -> Seen:
    """Eight distinct requests, right each; nothing else counts where this fails."""
    try:
        opened = kit.adapter.open(kit.artifact("dense"), kit.options)
    except UnsupportedError as error:
        # A compiler that takes pictures only says so; failing here without that breaks the contract.
        raise NotOffered(
            f"a graph of MatMul, Add and Relu is not taken: {brief(error)}",
            f"MatMul·Add·Relu 그래프 미지원: {brief(error)}",
        ) from error
    except Exception as error:
        raise Violated(
            f"a graph of MatMul, Add and Relu is refused: {brief(error)}",
            f"MatMul·Add·Relu 그래프 거부: {brief(error)}",
        ) from error
    requests = kit.requests("dense")
    far = 0.0
    for request in requests:
        outputs = kit.right(opened, request)
        far = max(far, *(kit.distance(outputs[name], want) for name, want in request.answer.items()))
    opened.close()
    return Seen(
        Text(en=f"{len(requests)} requests, within {far:.2g}", ko=f"요청 {len(requests)}건, 오차 {far:.2g} 이내"),
        {"largest_difference": far},
    )


def declared(kit: Kit) -> Seen:
    """Names, types and shapes of inputs and outputs are the graph's, for fixed and for symbolic shapes."""
    checked = []
    for graph, batch in (("dense", 1), ("pair", 2), ("dense-batch", None)):
        try:
            with kit.session(graph) as session:
                request = kit.requests(graph)[0]
                _truthful("input", session.inputs, request.feeds, batch)
                _truthful("output", session.outputs, request.answer, batch)
                kit.right(session, request)
                checked.append(graph)
        except NotOffered:  # noqa: PERF203 - each graph for itself
            if graph == "dense":
                raise
    listed = ", ".join(checked)
    return Seen(Text(en=f"graphs {listed}", ko=f"그래프 {listed}"))


def _truthful(what: str, specs: Sequence[TensorSpec], real: Mapping[str, Array], batch: int | None) -> None:
    korean = "입력" if what == "input" else "출력"
    names, wanted = sorted(spec.name for spec in specs), sorted(real)
    if names != wanted:
        raise Violated(f"{what}s {names}; the graph has {wanted}", f"{korean} {names}, 그래프는 {wanted}")
    for spec in specs:
        if spec.fused or spec.layout:
            continue  # it says that it takes something else than the graph does
        shape = real[spec.name].shape
        if np.dtype(spec.dtype) != real[spec.name].dtype:
            raise Violated(f"{what} {spec.name} is declared {spec.dtype}", f"{korean} {spec.name} 선언이 {spec.dtype}")
        fits = len(spec.shape) == len(shape) and all(
            isinstance(have, str) if index == 0 and batch is None else have == want
            for index, (have, want) in enumerate(zip(spec.shape, shape, strict=True))
        )
        if not fits:
            wanted_shape = ("n", *shape[1:]) if batch is None else shape
            raise Violated(
                f"{what} {spec.name} is declared {spec.shape}; the graph says {wanted_shape}",
                f"{korean} {spec.name} 선언이 {spec.shape}, 그래프와 다름",
            )


def shapes(kit: Kit) -> Seen:
    """Every rank from 0 to 5, and arrays that lie in memory in an unusual way or may not be written."""
    taken: list[str] = []
    refused: list[str] = []
    for rank in range(6):
        graph = f"rank-{rank}"
        try:
            with kit.session(graph) as session:
                for request in kit.requests(graph):
                    kit.right(session, request, f"rank {rank}: ", f"{rank}차원: ")
                taken.append(f"{rank}{kit.elsewhere(session)}")
        except NotOffered:
            refused.append(str(rank))
    if not taken:
        raise NotOffered("no rank is taken", "어떤 차원 수도 받지 않음")
    layouts = []
    with kit.session("dense" if refused else "rank-3") as session:
        (request, *_) = kit.requests("dense" if refused else "rank-3")
        for name, made in (("Fortran order", np.asfortranarray), ("strided", _strided), ("read-only", _read_only)):
            fed = {key: made(value) for key, value in request.feeds.items()}
            try:
                outputs = session.infer(fed)
            except Exception:
                layouts.append(f"{name} refused")
                continue
            if (told := kit.wrong(outputs, request.answer)) is not None:
                raise Violated(f"{name} input: {told.text.en}", f"{name} 입력: {told.text.ko}")
            layouts.append(name)
    ranks, rest, missing = ", ".join(taken), ", ".join(layouts), ", ".join(refused)
    return Seen(
        Text(
            en=f"ranks {ranks}{f'; not {missing}' if missing else ''}; arrays {rest}",
            ko=f"{ranks}차원{f', {missing}차원 거부' if missing else ''}, 배열 {rest}",
        )
    )


def _strided(value: Array) -> Array:
    """The same values with other bytes between them."""
    spaced = np.full((*value.shape, 2), 7, value.dtype)
    spaced[..., 0] = value
    return spaced[..., 0]


def _read_only(value: Array) -> Array:
    kept = value.copy()
    kept.flags.writeable = False
    return kept


def dtypes(kit: Kit) -> Seen:
    """Each numeric type goes in and comes out unchanged, or the graph is refused."""
    taken, refused = [], []
    for path in sorted(kit.folder.glob("type-*.onnx")):
        name = path.stem.removeprefix("type-")
        try:
            with kit.session(path.stem) as session:
                for request in kit.requests(path.stem):
                    kit.right(session, request, f"{name}: ", f"{name}: ")
                taken.append(f"{name}{kit.elsewhere(session)}")
        except NotOffered:
            refused.append(name)
    if not taken:
        raise NotOffered("every type is refused", "모든 자료형 거부")
    listed, missing = ", ".join(taken), ", ".join(refused)
    return Seen(
        Text(
            en=listed + (f"; refused: {missing}" if missing else ""),
            ko=listed + (f"; 거부: {missing}" if missing else ""),
        ),
        {"types": float(len(taken))},
    )


def zero_size(kit: Kit) -> Seen:
    """A batch of nothing is answered with nothing or refused; the session lives on."""
    with kit.session("dense-batch") as session:
        (request, *_) = kit.requests("dense-batch")
        try:
            outputs = session.infer({name: value[:0] for name, value in request.feeds.items()})
        except Exception as error:
            kit.right(session, request, "after it: ", "그 뒤: ")
            return Seen(Text(en=f"refused: {brief(error)}", ko=f"거부: {brief(error)}"))
        if (told := kit.wrong(outputs, {name: value[:0] for name, value in request.answer.items()})) is not None:
            raise told
        kit.right(session, request, "after it: ", "그 뒤: ")
        where = kit.elsewhere(session)
    return Seen(Text(en=f"answered with nothing{where}", ko=f"빈 답{where}"))


def batch(kit: Kit) -> Seen:
    """A symbolic batch takes several sizes in turn."""
    sizes = (1, 2, 5, 3, 8, 1)
    with kit.session("dense-batch") as session:
        requests = kit.requests("dense-batch")
        for size in sizes:
            chosen = requests[:size]
            joined = Request(
                {name: np.concatenate([item.feeds[name] for item in chosen]) for name in chosen[0].feeds},
                {name: np.concatenate([item.answer[name] for item in chosen]) for name in chosen[0].answer},
            )
            kit.right(session, joined, f"batch {size}: ", f"배치 {size}: ")
        listed = f"{', '.join(map(str, sizes))}{kit.elsewhere(session)}"
    return Seen(Text(en=f"batches {listed}", ko=f"배치 {listed}"))


def repeat(kit: Kit) -> Seen:
    """The same input gives the same output, with other requests in between and in another session."""
    with kit.session("dense") as session, kit.session("dense") as other:
        requests = kit.requests("dense")
        first = [_copied(kit.right(session, request)) for request in requests]
        far = 0.0
        for turn in range(REPEATS):
            for index, request in enumerate(requests):
                outputs = kit.right(other if turn == 0 else session, request, "asked again: ", "다시 물었을 때: ")
                far = max(far, *(kit.distance(outputs[name], kept) for name, kept in first[index].items()))
    if far == 0:
        return Seen(
            Text(en=f"the same bits, {REPEATS} times", ko=f"{REPEATS}회 모두 같은 비트"), {"largest_difference": 0.0}
        )
    return Seen(
        Text(en=f"within {far:.2g}, not the same bits", ko=f"오차 {far:.2g} 이내, 비트는 다름"),
        {"largest_difference": far},
    )


def _copied(outputs: Outputs) -> dict[str, Array]:
    return {name: np.array(value) for name, value in outputs.items()}


def buffers(kit: Kit) -> Seen:
    """Outputs are the caller's: no later request and no changed input changes them. Inputs stay as they are."""
    with kit.session("dense") as session:
        requests = kit.requests("dense")
        fed = {name: value.copy() for name, value in requests[0].feeds.items()}
        kept = session.infer(fed)
        for name, value in fed.items():
            if not np.array_equal(value, requests[0].feeds[name]):
                raise Violated(f"input {name} was written to", f"입력 {name}이(가) 바뀜")
            value.fill(0)
        for request in requests[1:]:
            _feeds_kept(session, request.feeds)
        if (told := kit.wrong(kept, requests[0].answer)) is not None:
            raise Violated(f"changed by later requests: {told.text.en}", f"이후 요청으로 바뀜: {told.text.ko}")
    return Seen(Text(en="as it should be", ko="정상"))


def _feeds_kept(session: Session, feeds: Feeds) -> None:
    before = {name: value.copy() for name, value in feeds.items()}
    session.infer(feeds)
    for name, value in feeds.items():
        if not np.array_equal(value, before[name]):
            raise Violated(f"input {name} was written to", f"입력 {name}이(가) 바뀜")
