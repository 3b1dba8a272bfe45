"""What a vision model finds in pictures, for people to look at: called by the worker's `build` verb in the backend's
own environment (`npubench demo`).

Guarantees plain JSON values: per picture its file, the boxes with score and class, or the words with their corners, and
the truth where the folder has labels. Nothing is timed here. Not aware of: drawing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec

from npubench.engine.protocol import AdapterRef, resolve
from npubench.errors import UnsupportedError
from npubench.spi import Array, Artifact, Request

ANNOTATIONS = "annotations.json"


class Thing(msgspec.Struct, frozen=True):
    """One object or word. `corners`: x, y of each corner in picture pixels, clockwise from the top left."""

    corners: tuple[tuple[float, float], ...]
    label: str
    number: int = 0
    score: float | None = None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One picture: `kind` is frames or pages; `truth` is None where the folder does not say it."""

    kind: str
    file: str
    found: tuple[Thing, ...]
    truth: tuple[Thing, ...] | None = None


@runtime_checkable
class Detects(Protocol):
    """A bound detector: file names, class names, and rows of x0, y0, x1, y1, score, class."""

    classes: Sequence[str]

    def names(self, index: int) -> list[str]: ...
    def detections(self, index: int) -> list[Array]: ...


@runtime_checkable
class Reads(Protocol):
    """A bound reader of pages: file names, and (corners, text) of each word."""

    def names(self, index: int) -> list[str]: ...
    def read(self, index: int) -> list[list[tuple[Array, str]]]: ...


def find(
    adapter: Mapping[str, Any],
    workload: str,
    artifacts: Sequence[Mapping[str, Any]],
    request: Mapping[str, Any],
    truth: bool,
    progress: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Every input of `request`, one picture each. Raises what the workload raises, UnsupportedError for others."""
    ref = msgspec.convert(adapter, AdapterRef)
    asked = msgspec.convert(request, Request)
    made = resolve(ref.code)(provider=ref.provider, device=ref.device)
    opened = [msgspec.convert(item, Artifact) for item in artifacts]
    sessions = {artifact.role: made.open(artifact, ref.options) for artifact in opened}
    bound = resolve(workload)().bind(sessions, asked, _NoClock())
    try:
        if isinstance(bound, Detects):
            seen = _detected(bound, range(bound.count), _boxes_of(asked, bound.classes) if truth else {})  # type: ignore[attr-defined]
        elif isinstance(bound, Reads):
            names = [name for index in range(bound.count) for name in bound.names(index)]  # type: ignore[attr-defined]
            seen = _read(bound, range(bound.count), _words_of(asked, names) if truth else {})  # type: ignore[attr-defined]
        else:
            raise UnsupportedError(f"{workload} finds nothing that can be drawn; expected detection or ocr")
    finally:
        bound.close()
        for session in sessions.values():
            session.close()
    return [msgspec.to_builtins(picture) for picture in seen]


class _NoClock:
    def tick(self) -> None:
        """Nothing is timed."""


def _rectangle(x0: float, y0: float, x1: float, y1: float) -> tuple[tuple[float, float], ...]:
    return (x0, y0), (x1, y0), (x1, y1), (x0, y1)


def _detected(bound: Detects, indexes: range, truth: Mapping[str, tuple[Thing, ...]]) -> list[Seen]:
    seen = []
    for index in indexes:
        for file, rows in zip(bound.names(index), bound.detections(index), strict=True):
            found = tuple(
                Thing(_rectangle(*row[:4]), bound.classes[int(row[5])], int(row[5]), float(row[4]))
                for row in rows.tolist()
            )
            seen.append(Seen(kind="frames", file=file, found=found, truth=truth.get(file)))
    return seen


def _read(bound: Reads, indexes: range, truth: Mapping[str, tuple[Thing, ...]]) -> list[Seen]:
    seen = []
    for index in indexes:
        for file, words in zip(bound.names(index), bound.read(index), strict=True):
            found = tuple(Thing(_points(quad), text) for quad, text in words)
            seen.append(Seen(kind="pages", file=file, found=found, truth=truth.get(file)))
    return seen


def _points(quad: Array) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in quad)


def _boxes_of(request: Request, classes: Sequence[str]) -> dict[str, tuple[Thing, ...]]:
    """The labelled objects by file; none for a folder without labels."""
    path = Path(request.data or "") / ANNOTATIONS
    if not path.is_file():
        return {}
    labelled = resolve("npubench.workloads.labels:read_coco")(path, classes)
    return {
        name: tuple(
            Thing(_rectangle(*box), classes[number], number)
            for box, number in zip(found.boxes.tolist(), found.classes.tolist(), strict=True)
        )
        for name, found in labelled.items()
    }


def _words_of(request: Request, names: Sequence[str]) -> dict[str, tuple[Thing, ...]]:
    """The annotated words by file; none for a folder without annotations."""
    pages = resolve("npubench.workloads.pages:reference_pages")(Path(request.data or ""), names)
    return {
        page.file: tuple(Thing(tuple(map(tuple, word.quad)), word.text) for word in page.words) for page in pages or ()
    }
