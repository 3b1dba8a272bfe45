"""What else npubench can use. Nothing here is active: move a method to `Session` or `Adapter` once your SDK can do it.

npubench finds a capability by the method that is there (the protocols of `npubench.spi`), so a method that does not
work is worse than none. What is missing stays unknown in the result, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from npubench.spi import (
    Answer,
    Artifact,
    AssignedNode,
    Availability,
    Compilation,
    Feeds,
    Likely,
    Outputs,
    Profile,
    Session,
    TensorSpec,
)


class OfASession:
    """For `Session`."""

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]:
        """Binds host buffers once; each call of the result runs the model on them. Output buffers may be reused."""
        raise NotImplementedError

    def fork(self) -> Session:
        """A view of the same loaded model for another thread: buffers of its own, the weights shared."""
        raise NotImplementedError

    def submit(self, feeds: Feeds, done: Callable[[Outputs], None]) -> None:
        """Returns at once and calls `done` on completion, from any thread (no outputs where it failed)."""
        raise NotImplementedError

    def generate(self, prompt: Sequence[int], new_tokens: int, tick: Callable[[], None]) -> Sequence[int]:
        """Only for a runtime that generates text itself: calls `tick()` at each token, returns the token ids."""
        raise NotImplementedError

    async def connect(self, count: int) -> None:
        """Only for the client of a server (`spi.Answers`, with `loop` and `takes_ids`): so many connections, ready."""
        raise NotImplementedError

    async def answer(self, prompt: Sequence[int] | str, new_tokens: int, note: Callable[[int], None]) -> Answer:
        """One request to a server, in the event loop `loop`; `note(ns)` for each event of tokens. No second try."""
        raise NotImplementedError

    def predict(self, prompt: Sequence[int] | str, most: int) -> Sequence[Likely]:
        """Only for such a client: what the server says comes next, its choice first. Quality is asked so."""
        raise NotImplementedError

    def assignment(self) -> Sequence[AssignedNode] | None:
        """Who took each node, by the model's own node names: MACs and boundary crossings are counted from it."""
        raise NotImplementedError

    def profile(self) -> Profile:
        """On the session of `open_profiled`: time per node, or per fused piece, with the shapes that were seen."""
        raise NotImplementedError

    def health(self) -> Mapping[str, Any]:
        """Process ids on the device, throttle state, firmware, reset counters."""
        raise NotImplementedError


class OfAnAdapter:
    """For `Adapter`."""

    def probe_with(self, options: Mapping[str, Any]) -> Availability:
        """In place of `probe`, where the answer depends on the card's options."""
        raise NotImplementedError

    def compile(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> Artifact:
        """Compiles into a file in `folder` (the card says `compile_ahead = true`); `open` gets the result."""
        raise NotImplementedError

    def signature(self, artifact: Artifact) -> tuple[Sequence[TensorSpec], Sequence[TensorSpec]]:
        """The graph's inputs and outputs before it is compiled: our calibration inputs are made for them."""
        raise NotImplementedError

    def compile_calibrated(
        self, artifact: Artifact, options: Mapping[str, Any], folder: str, inputs: Sequence[Feeds]
    ) -> Artifact:
        """As `compile`, for a compiler that quantises (the card says `compile_from` and `calibration_inputs`)."""
        raise NotImplementedError

    def compilation(self, artifact: Artifact) -> Compilation:
        """Where you keep what you compiled for later runs: how long it took when it was compiled."""
        raise NotImplementedError

    def open_profiled(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> Session:
        """A session that records times while it runs, into `folder`. It is never the one that is timed."""
        raise NotImplementedError

    def open_strict(self, artifact: Artifact, options: Mapping[str, Any]) -> Session:
        """Raises where any node would need another provider than yours."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Ends what the sessions run or load: called once from another thread, before the worker is ended."""
        raise NotImplementedError

    def libraries(self) -> Sequence[str]:
        """The files of runtime and compiler, whose SHA-256 go into the result."""
        raise NotImplementedError
