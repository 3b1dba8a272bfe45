"""Draws the pictures of a page beside everything else, in a thread and, where one was started early, with a painter.

Guarantees: pictures are drawn one after the other, in the order asked for; what fails is raised where it is asked for.
Lives while a page is made.

Not aware of: what is drawn (`charts`), by which process (`painter`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from npubench.report import painter

Picture = tuple[str, Callable[[], str | None]]
"""(id of a figure, what gives its SVG)."""


class Drawing:
    """A thread that draws. `early`: a process is started at once, by who knows that there will be pictures."""

    def __init__(self, *, early: bool = False) -> None:
        self._painter = painter.painter() if early else None
        ready = self._painter.for_this_thread if self._painter is not None else None
        self._thread = ThreadPoolExecutor(1, "pictures", initializer=ready)
        self._drawn: dict[str, Future[str | None]] = {}

    def begin(self, pictures: Iterable[Picture]) -> None:
        """Each once: what was begun under an id before is not begun again."""
        for key, picture in pictures:
            if key not in self._drawn:
                self._drawn[key] = self._thread.submit(picture)

    def picture(self, key: str) -> str:
        """The SVG of a figure, waited for; empty where nothing could be drawn. Raises KeyError if nobody began it."""
        return self._drawn[key].result() or ""

    def __enter__(self) -> Drawing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._painter is not None:
            self._painter.close()
        self._thread.shutdown(cancel_futures=True)
