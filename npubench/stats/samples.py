"""The raw samples of one launch, in memory and as `.npz`.

Columns are those of `schema.SAMPLE_COLUMNS`, int64, one row per request. Token times are ragged: `token_row` names the
request and `token_ns` the moment of each output token, in the order in which they came.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.errors import NotComparableError
from npubench.schema import DROPPED, SAMPLE_COLUMNS

Int64 = npt.NDArray[np.int64]


class Samples(msgspec.Struct, frozen=True):
    """`table` is (requests, columns) int64; `tokens` is (tokens, 2) int64: row, time."""

    table: Int64
    tokens: Int64

    def column(self, name: str) -> Int64:
        """One column of the table."""
        found: Int64 = self.table[:, SAMPLE_COLUMNS.index(name)]
        return found

    @property
    def latency_ns(self) -> Int64:
        """Completion minus *scheduled* time, the only definition of latency here (METRICS.md, Time and load)."""
        found: Int64 = self.column("completed_ns") - self.column("scheduled_ns")
        return found

    @property
    def waiting_ns(self) -> Int64:
        """From the scheduled moment to the issue: waiting for a free lane, and the generator's lag."""
        found: Int64 = self.column("issued_ns") - self.column("scheduled_ns")
        return found

    def lag_ns(self, lanes: int) -> Int64:
        """How late the generator itself was, for each request in the order of issue; dropped ones have none.

        A request is due when its moment has come *and* one of the `lanes` is free: with k lanes the (i+1)-th request
        finds one free as soon as i+1-k of those before it are complete. What it waited until then is queueing, not lag.
        """
        run = self.column("status") != DROPPED
        due, issued, completed = (self.column(name)[run] for name in ("scheduled_ns", "issued_ns", "completed_ns"))
        if (np.diff(issued) < 0).any():
            order = np.argsort(issued, kind="stable")
            due, issued = due[order], issued[order]
        if len(due) > lanes:
            # The latest of them are nobody's lane any more.
            # Stable: of what is nearly in order that is the quick way.
            free = np.sort(completed, kind="stable")[: len(due) - lanes]
            due[lanes:] = np.maximum(due[lanes:], free)
        # Two clock readings beside a completion stamp may be in either order: a lag is never less than nothing.
        found: Int64 = np.maximum(issued - due, 0)
        return found

    def within(self, start_ns: int, end_ns: int) -> Samples:
        """The requests scheduled in [start, end), with their tokens; rows are numbered anew."""
        scheduled = self.column("scheduled_ns")
        chosen = np.flatnonzero((scheduled >= start_ns) & (scheduled < end_ns))
        if len(chosen) == len(self.table):
            return self
        tokens = self.tokens
        if len(tokens):
            number = np.full(len(self.table), -1, dtype=np.int64)
            number[chosen] = np.arange(len(chosen))
            renamed = number[tokens[:, 0]]
            tokens = np.column_stack([renamed, tokens[:, 1]])[renamed >= 0]
        return Samples(self.table[chosen], tokens)

    @property
    def preempted(self) -> npt.NDArray[np.bool_]:
        """Rows during which the operating system took the core away."""
        found: npt.NDArray[np.bool_] = self.column("preempted") > 0
        return found

    def encode(self) -> bytes:
        """The samples as compressed `.npz` bytes."""
        buffer = io.BytesIO()
        columns = {name: self.column(name) for name in SAMPLE_COLUMNS}
        np.savez_compressed(buffer, token_row=self.tokens[:, 0], token_ns=self.tokens[:, 1], **columns)  # type: ignore[arg-type]
        return buffer.getvalue()


def read(path: Path) -> Samples:
    """Samples from an `.npz`. Raises NotComparableError for a damaged or foreign file; nothing in it is executed."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            table = np.column_stack([stored[name] for name in SAMPLE_COLUMNS]).astype(np.int64)
            tokens = np.column_stack([stored["token_row"], stored["token_ns"]]).astype(np.int64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise NotComparableError(f"{path}: not a readable samples file ({type(error).__name__}: {error})") from error
    return Samples(table, tokens)
