"""Several requests in flight in one ONNX Runtime session without a thread each, on the threads of its own pool.

Guarantees: a request that is submitted is done exactly once; one that failed is done with no outputs at all, and its
error is raised by the next `submit`, as is what a `done` raised (ONNX Runtime prints such an error and goes on).

What it costs (one row of 64 numbers, two cores): 45 to 92 µs against 13 µs for a run in the caller's own thread. A
request runs on one thread of the pool, which has one thread fewer than `intra_op_num_threads`: with 2, requests run one
after the other, and none of them on both.

Source: the Python API of onnxruntime 1.32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from npubench.adapters.ort_session import OrtSession, threads_of
from npubench.spi import Array, Feeds, Outputs

# ONNX Runtime: "intra op thread pool must have at least one thread for RunAsync". The caller's thread is one of those
# that `intra_op_num_threads` counts, the pool is the others.
LEAST_THREADS = 2


def session_for(options: Mapping[str, Any]) -> type[OrtSession]:
    """The session that a card's options allow: without a pool there is nobody to run what is submitted."""
    return SubmittingSession if threads_of(options) >= LEAST_THREADS else OrtSession


class SubmittingSession(OrtSession):
    """A session with a pool of threads."""

    _failed: list[BaseException]

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._failed = []

    def fork(self) -> SubmittingSession:
        """As of any session."""
        view = super().fork()
        assert isinstance(view, SubmittingSession)
        view._failed = []
        return view

    def submit(self, feeds: Feeds, done: Callable[[Outputs], None]) -> None:
        """Raises what ONNX Runtime raises for these feeds or reported of an earlier request."""
        if self._failed:
            raise self._failed.pop(0)
        names, failed = self._output_names, self._failed
        # ONNX Runtime reads the arrays later and owns none of them: they travel with the request.
        kept: dict[str, Array] = {name: np.asarray(value, order="C") for name, value in feeds.items()}

        def completed(found: Sequence[Array], _kept: object, error: str) -> None:
            try:
                if error:
                    failed.append(RuntimeError(error))
                    done({})
                else:
                    done(dict(zip(names, found, strict=True)))
            except BaseException as raised:
                failed.append(raised)

        self._session.run_async(names, kept, completed, kept, self._run_options)
