"""The contract of `spi.py`, put to one adapter inside its own process: what every check needs.

A check raises Violated for what no adapter may do and NotOffered for what an adapter may decline; else it returns what
it saw. What kills the process the parent sees (`conformance`). Every check opens its own sessions on graphs whose right
answers are known (`build.contract_graphs`), so that a check can be the only one in its process.

Not aware of: which checks there are (`contract_answers`, `contract_life`; `conforming` has the list).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from npubench.lang import Text
from npubench.spi import Adapter, Array, Artifact, Outputs, Places, Session, TensorSpec

# Of an output's largest value: enough for half precision and TF32, far less than what tells two requests apart. In the
# int8 form three steps of 1/64, on values of about one.
TOLERANCE: Mapping[str, float] = {"fp32": 0.01, "int8": 3 / 64}

# A sign of life for the parent at least this often.
_ALIVE_S = 1.0


class Seen(msgspec.Struct, frozen=True):
    """What a check saw, and figures worth keeping."""

    text: Text
    figures: dict[str, float] = {}


class Told(Exception):  # noqa: N818 - a verdict, not always an error
    """A verdict with its sentence."""

    def __init__(self, en: str, ko: str) -> None:
        super().__init__(en)
        self.text = Text(en=en, ko=ko)


class Violated(Told):
    """What no adapter may do."""


class NotOffered(Told):
    """What this adapter declines, as it may."""


class Request(msgspec.Struct, frozen=True):
    """One request to a contract graph, with the right answer."""

    feeds: dict[str, Array]
    answer: dict[str, Array]


class Kit:
    """The adapter under test, the graphs, and what every check needs of them."""

    def __init__(
        self,
        make: Callable[..., Adapter],
        options: Mapping[str, Any],
        folder: Path,
        form: str,
        alive: Callable[[], None],
    ) -> None:
        self.make = make
        self.adapter = make()
        self.options = options
        self.folder = folder
        self._form = form
        self._alive = alive
        self._alive_at = time.monotonic()

    def alive(self) -> None:
        """Says so to the parent, not too often. Between inferences, never during one."""
        now = time.monotonic()
        if now - self._alive_at > _ALIVE_S:
            self._alive()
            self._alive_at = now

    def artifact(self, graph: str) -> Artifact:
        """The file of a contract graph."""
        precision = "int8" if self._form == "int8" else "fp32"
        return Artifact(role="model", path=str(self.folder / f"{graph}.onnx"), sha256="", precision=precision)

    @contextmanager
    def session(self, graph: str) -> Iterator[Session]:
        """An open session. Raises NotOffered where the adapter refuses the graph."""
        try:
            opened = self.adapter.open(self.artifact(graph), self.options)
        except Exception as error:
            raise NotOffered(f"{graph} is refused: {brief(error)}", f"{graph} 거부: {brief(error)}") from error
        try:
            yield opened
        finally:
            opened.close()

    def requests(self, graph: str) -> list[Request]:
        """Distinct requests to a graph."""
        with np.load(self.folder / f"{graph}.npz", allow_pickle=False) as stored:
            arrays = dict(stored)

        def pick(prefix: str, index: int) -> dict[str, Array]:
            return {
                name.removeprefix(prefix): value[index, ...].copy()
                for name, value in arrays.items()
                if name.startswith(prefix)
            }

        count = len(next(iter(arrays.values())))
        return [Request(pick("input:", index), pick("output:", index)) for index in range(count)]

    def wrong(self, outputs: Outputs, answer: Mapping[str, Array], declared: Sequence[TensorSpec] = ()) -> Told | None:
        """What is wrong with outputs: names, shapes, types, values. None: nothing."""
        if set(outputs) != set(answer):
            said, want = ", ".join(sorted(outputs)), ", ".join(sorted(answer))
            return Violated(f"outputs {said}; the graph has {want}", f"출력 {said}, 그래프는 {want}")
        types = {spec.name: np.dtype(spec.dtype) for spec in declared}
        for name, right in answer.items():
            have: Any = outputs[name]
            if not isinstance(have, np.ndarray):
                kind = type(have).__name__
                return Violated(f"output {name} is a {kind}, no array", f"출력 {name}이(가) 배열이 아닌 {kind}")
            if have.shape != right.shape:
                return Violated(
                    f"output {name}: shape {have.shape}; right is {right.shape}",
                    f"출력 {name}: 모양 {have.shape}, 옳은 모양 {right.shape}",
                )
            dtype = types.get(name, right.dtype)
            if have.dtype != dtype:
                return Violated(f"output {name}: type {have.dtype}, declared {dtype}", f"출력 {name}: {have.dtype}")
            if (far := self.distance(have, right)) > self.tolerance(right):
                return Violated(
                    f"output {name} is wrong by {far:.3g} of its largest value",
                    f"출력 {name}이(가) 최댓값의 {far:.3g}만큼 틀림",
                )
        return None

    @staticmethod
    def elsewhere(session: Session) -> str:
        """` (on …)` where the session says that the requested provider took none of the graph; else nothing."""
        found = session.placement() if isinstance(session, Places) else None
        if found is None or not found.providers or found.providers.get(found.requested):
            return ""
        return f" (on {', '.join(sorted(found.providers))})"

    def right(self, session: Session, request: Request, when_en: str = "", when_ko: str = "") -> Outputs:
        """The outputs of one inference. Raises Violated where they are wrong; `when` begins the sentence."""
        outputs = session.infer(request.feeds)
        self.alive()
        if (told := self.wrong(outputs, request.answer, session.outputs)) is not None:
            raise Violated(f"{when_en}{told.text.en}", f"{when_ko}{told.text.ko}")
        return outputs

    def tolerance(self, want: Array) -> float:
        """How far outputs may be from `want`, as a share of its largest value; not at all where they are integers."""
        return TOLERANCE[self._form] if want.dtype.kind == "f" else 0.0

    @staticmethod
    def distance(have: Array, want: Array) -> float:
        """The largest difference as a share of the largest right value; infinite where it is not finite."""
        if want.size == 0:
            return 0.0
        far = np.abs(have.astype(np.float64) - want.astype(np.float64)).max()
        largest = float(np.abs(want.astype(np.float64)).max()) or 1.0
        return float(far) / largest if np.isfinite(far) else float("inf")


# What stands around the message in ONNX Runtime's exceptions: a code that the exception's type repeats, folders, the
# place in its source with the signature of the function, and running numbers of subgraphs.
_CODES = re.compile(r"^\[\w+\] : \d+ : \w+ : ")
_FOLDERS = re.compile(r"(?:/[^\s/:'\"]+)+/")
_PLACES = re.compile(r"…/[\w.]+:\d+ [\w:<>&*,~ ]+\([^()]*\)(?: const)?(?: \[with [^\]]*\])? ?")
_NUMBERS = re.compile(r"(?<=subgraph)(_\d+)+")


def brief(error: BaseException, model: str = "") -> str:
    """An exception in a few words that are the same on every machine, in every process and for every `model` file."""
    said = _CODES.sub("", " ".join(str(error).split()))
    if model:
        said = said.replace(f"Load model from {model} failed:", "").replace(model, "the model")
    said = _FOLDERS.sub("…/", said)
    said = _NUMBERS.sub("", _PLACES.sub("", said))
    return f"{type(error).__name__}: {said}"[:200] if said else type(error).__name__
