"""ONNX Runtime with work added: every step takes a share longer, burnt on a core. A slowdown that is real, and known.

`extra_share` of the card's options, else of the variable NPUBENCH_TEST_EXTRA, which no identity sees: as a driver that
got slower overnight. 0.1 is ten percent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from npubench.adapters.ort import OrtAdapter
from npubench.spi import Artifact, Availability, Feeds, Outputs

OPTION, VARIABLE = "extra_share", "NPUBENCH_TEST_EXTRA"


def _real(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != OPTION}


def _share(options: Mapping[str, Any]) -> float:
    return float(options.get(OPTION, os.environ.get(VARIABLE, "0")))


def burnt(call: Callable[[], Outputs], share: float) -> Callable[[], Outputs]:
    """`call`, taking `share` longer than it does."""
    now = time.perf_counter_ns

    def longer() -> Outputs:
        start = now()
        found = call()
        end = now()
        until = end + int((end - start) * share)
        while now() < until:
            pass
        return found

    return longer


class SlowerSession:
    """A real session and its extra work. What is submitted is not slowed, so it cannot be submitted."""

    def __init__(self, session: Any, share: float) -> None:
        self._session, self._share = session, share

    def __getattr__(self, name: str) -> Any:
        if name == "submit":
            raise AttributeError(name)
        return getattr(self._session, name)

    def fork(self) -> SlowerSession:
        return SlowerSession(self._session.fork(), self._share)

    def infer(self, feeds: Feeds) -> Outputs:
        found: Outputs = burnt(lambda: self._session.infer(feeds), self._share)()
        return found

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        return burnt(self._session.prepare(feeds), self._share)


class SlowerAdapter(OrtAdapter):
    """As OrtAdapter; sessions whose nodes are timed one by one are left as they are."""

    def probe_with(self, options: Mapping[str, Any]) -> Availability:
        return super().probe_with(_real(options))

    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Any:
        session = super().open(artifact, _real(options))
        share = _share(options)
        return SlowerSession(session, share) if share else session

    def open_profiled(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> Any:
        return super().open_profiled(artifact, _real(options), folder)

    def open_strict(self, artifact: Artifact, options: Mapping[str, Any]) -> Any:
        return super().open_strict(artifact, _real(options))
