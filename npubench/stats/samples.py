"""The raw samples of one launch, in memory and as `.npz`.

Columns are those of `schema.SAMPLE_COLUMNS`, int64, one row per request. Token times are ragged: `token_row` names the
request and `token_ns` the moment of each output token, in the order in which they came.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.errors import NotComparableError
from npubench.schema import SAMPLE_COLUMNS

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
    def lag_ns(self) -> Int64:
        """How late the generator itself was."""
        found: Int64 = self.column("issued_ns") - self.column("scheduled_ns")
        return found

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
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise NotComparableError(f"{path}: not a readable samples file ({type(error).__name__}: {error})") from error
    return Samples(table, tokens)
