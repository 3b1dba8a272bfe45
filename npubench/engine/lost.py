"""A device that went away, told from any other error by asking the backend again whether it is here.

After a launch that failed in a way that a vanished device explains, the backend is probed. Where it no longer answers,
the failure is `DEVICE_LOST`, and until it answers again each of its launches fails with the probe's reason, at once:
opened, each could hang for as long as a compiler may be silent. The other backends go on, and a device that comes back
is measured again.

Guarantees: a backend that was absent when the run was planned is never called lost, and neither is one whose server the
run starts (`serving`): a probe asks only whether that could be started, which its own server on a fixed port denies;
nothing is raised for its faults.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from npubench.cards import BackendCard
from npubench.engine.select import probe
from npubench.schema import Failure, FailureKind
from npubench.spi import Availability

_SUSPECT = (
    FailureKind.CRASHED,
    FailureKind.DEVICE_LOST,
    FailureKind.HUNG,
    FailureKind.KILLED,
    FailureKind.NOT_AVAILABLE,
    FailureKind.PROTOCOL,
    FailureKind.RAISED,
)


class Presence:
    """Which backends of one run are still here. `availability` is what they answered when the run was planned."""

    def __init__(
        self, availability: Mapping[str, Availability], work: Path, stop: Callable[[], bool] = lambda: False
    ) -> None:
        self._availability = availability
        self._work = work
        self._stop = stop
        self._lost: set[str] = set()

    def lost(self, card: BackendCard) -> bool:
        """Whether the backend did not answer when it was last asked."""
        return card.id in self._lost

    def before(self, card: BackendCard) -> Failure | None:
        """Why a launch has no device to run on; None where it may be tried. Raises StopRequested."""
        if card.id not in self._lost:
            return None
        reason = self._absent(card)
        if reason is None:
            self._lost.discard(card.id)
            return None
        message = f"lost in an earlier launch, and still not here: {reason}"
        return Failure(kind=FailureKind.DEVICE_LOST, message=message, phase="probe")

    def after(self, card: BackendCard, failure: Failure) -> Failure:
        """`failure`, as DEVICE_LOST where the backend does not answer any more. Raises StopRequested."""
        known = self._availability.get(card.id)
        if failure.kind not in _SUSPECT or known is None or not known.available or card.serve is not None:
            return failure
        reason = self._absent(card)
        if reason is None:
            return failure
        self._lost.add(card.id)
        message = f"{failure.message}; asked again, the backend is no longer here: {reason}"
        return msgspec.structs.replace(failure, kind=FailureKind.DEVICE_LOST, message=message[:4000])

    def _absent(self, card: BackendCard) -> str | None:
        """Why the backend is not here now; None where it is."""
        self._work.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="probe-", dir=self._work))
        try:
            answer = probe(card, folder, self._stop).availability
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return None if answer.available else answer.reason or "it gave no reason"
