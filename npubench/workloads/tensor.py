"""Any graph at all: typed seeded inputs made from its own signature. The workload of `npubench run --onnx FILE`.

Guarantees the same bytes for the same seed and signature. Floats are in [0, 1), uint8 in 0..255, every other integer
is 0 or 1, because an integer input is most often an index, a mask or a length, and 0 and 1 are valid for nearly all.
Measures speed only: the outputs of random input have no meaning to score. Not aware of: what the graph is for.

Parameters: `shapes` {input name: [sizes]} replaces a declared shape, `sizes` {symbol: n} gives symbolic dimensions a
value (1 without it), `batch_dim` names the symbol that is the batch, `inputs` is how many distinct inputs are
made (8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import structs

from npubench.errors import CardError, DataError, UnsupportedError
from npubench.lang import here
from npubench.spi import (
    Array,
    Bound,
    Outputs,
    Request,
    Session,
    Step,
    Submits,
    TensorSpec,
    TokenClock,
    prepared,
    seeded_feeds,
)
from npubench.workloads.asking import check_scope, whole
from npubench.workloads.overlapping import Begin, beginner


class Tensor:
    """The workload. One session; its role in the card may have any name."""

    scopes: Sequence[str] = ("device",)
    unit = "sample"

    def bind(self, sessions: Mapping[str, Session], request: Request, clock: TokenClock) -> Bound:
        """Raises CardError for parameters that do not fit the signature, DataError for inputs that cannot be made."""
        check_scope(request, self.scopes)
        if len(sessions) != 1:
            raise CardError((f"graphs: found roles {', '.join(sessions) or 'none'}; expected exactly one graph",))
        (session,) = sessions.values()
        sizes = symbol_sizes(session.inputs, request)
        specs = shaped(session.inputs, request.params.get("shapes", {}))
        count = whole(request.params, "inputs", 8)
        feeds = [_feeds(specs, request.seed + index, sizes) for index in range(count)]
        # A graph without inputs has nothing to vary.
        feeds = feeds[: count if specs else 1]
        return _Bound(session, feeds, request.batch)


class _Bound:
    """`Begins` where the session is `Submits`."""

    unit = Tensor.unit
    step: Step
    begin: Begin

    def __init__(self, session: Session, feeds: Sequence[Mapping[str, Array]], batch: int) -> None:
        calls = [prepared(session, fed) for fed in feeds]
        self.count = count = len(calls)
        self.feeds = tuple(feeds)
        self._calls = calls
        last: Outputs | None = None
        self._last: Callable[[], Outputs] = lambda: last or {}
        if isinstance(session, Submits):
            self.begin = beginner(session, self.feeds, batch)

        def step(index: int) -> int:
            nonlocal last
            # Outputs that a session made anew are freed before it makes the next ones.
            last = None
            last = calls[index % count]()
            return batch

        self.step = step

    def inspect(self, index: int) -> Outputs:
        """The outputs of input `index`, copied."""
        return {name: np.array(value) for name, value in self._calls[index % self.count]().items()}

    def recall(self) -> Outputs:
        """The outputs of the last step, copied."""
        return {name: np.array(value) for name, value in self._last().items()}

    def close(self) -> None:
        """Nothing to release: sessions belong to the caller."""


def symbol_sizes(specs: Sequence[TensorSpec], request: Request) -> dict[str, int]:
    """Symbol → size from `sizes` and the batch. Raises CardError for a symbol that no input has, UnsupportedError for a
    batch that no symbol takes."""
    symbols = sorted({size for spec in specs for size in spec.shape if isinstance(size, str)})
    asked = request.params.get("sizes", {})
    sizes = {}
    for symbol, size in asked.items():
        if symbol not in symbols:
            known = ", ".join(symbols) or "none"
            raise CardError((f"params.sizes.{symbol}: no such symbolic dimension; the graph has {known}",))
        sizes[symbol] = _size(f"params.sizes.{symbol}", size)
    batch_dim = request.params.get("batch_dim")
    if batch_dim is not None:
        if batch_dim not in symbols:
            known = ", ".join(symbols) or "none"
            raise CardError((f"params.batch_dim: found {batch_dim!r}; the graph's symbolic dimensions are {known}",))
        sizes[batch_dim] = request.batch
    elif request.batch != 1:
        raise UnsupportedError(
            here(
                f"batch {request.batch} was asked for, but it is not known which dimension is the batch",
                f"배치 {request.batch}가 지정되었으나 어느 차원이 배치인지 알 수 없습니다",
            ),
            hint=here("set params.batch_dim to its symbolic name", "params.batch_dim에 그 차원의 이름을 적으십시오"),
        )
    return sizes


def shaped(specs: Sequence[TensorSpec], shapes: Mapping[str, Any]) -> list[TensorSpec]:
    """`specs` with the shapes that were given by name. Raises CardError when one does not fit its declaration."""
    known = {spec.name: spec for spec in specs}
    given = {}
    for name, shape in shapes.items():
        key = f"params.shapes.{name}"
        if name not in known:
            raise CardError((f"{key}: no such input; the graph has {', '.join(known) or 'none'}",))
        if not isinstance(shape, Sequence) or isinstance(shape, str):
            raise CardError((f"{key}: found {shape!r}; expected a list of sizes",))
        declared = known[name].shape
        sizes = tuple(_size(f"{key}[{axis}]", size) for axis, size in enumerate(shape))
        if len(sizes) != len(declared) or any(
            isinstance(have, int) and have != size for have, size in zip(declared, sizes, strict=True)
        ):
            raise CardError((f"{key}: found {list(sizes)}; the graph declares {list(declared)}",))
        given[name] = sizes
    return [structs.replace(spec, shape=given.get(spec.name, spec.shape)) for spec in specs]


def _size(key: str, value: object) -> int:
    """Zero is allowed: an empty past is a valid input."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise CardError((f"{key}: found {value!r}; expected a whole number ≥ 0",))
    return value


def _feeds(specs: Sequence[TensorSpec], seed: int, sizes: Mapping[str, int]) -> dict[str, Array]:
    for spec in specs:
        try:
            makeable = np.dtype(spec.dtype).kind in "fiub"
        except TypeError:
            makeable = False
        if not makeable:
            raise DataError(
                here(
                    f"input {spec.name} has type {spec.dtype}; seeded values can be made for floats, integers and bool",
                    f"입력 {spec.name}의 자료형 {spec.dtype}에는 값을 만들 수 없습니다 (실수, 정수, bool만 가능)",
                ),
                hint=here("measure a graph without this input", "이 입력이 없는 그래프를 쓰십시오"),
            )
    try:
        return seeded_feeds(specs, seed, sizes)
    # numpy says "array is too big" and "Maximum allowed dimension exceeded" with ValueError.
    except (MemoryError, ValueError, OverflowError) as error:
        shown = ", ".join(f"{spec.name} {list(spec.shape)}" for spec in specs)
        raise DataError(
            here(f"inputs cannot be made: {shown}: {error}", f"입력을 만들 수 없습니다: {shown}: {error}"),
            hint=here("give smaller sizes", "더 작은 크기를 지정하십시오"),
        ) from None
