"""The memory-mapped sample table of a launch: written by the worker's loop, watched and read by the parent.

`samples.bin` holds a header of eight int64 and then one row of `SAMPLE_COLUMNS` per request; `tokens.bin` one pair
(row, time) per output token, in a region of its own per lane, since lanes are threads. A worker that dies leaves every
finished sample readable. The header's `completed` word is the worker's sign of life: it counts the rows up to the last
one that was finished, so in several lanes some before it may still be running.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from npubench.schema import SAMPLE_COLUMNS

WIDTH = len(SAMPLE_COLUMNS)
HEADER_WORDS = 8
MAGIC = 0x4E50_5542_454E_4331  # "NPUBENC1"
_MAGIC, _CAPACITY, COMPLETED = 0, 1, 2
_ENDED = 3
_WORD = 8


class TokenTimes:
    """Where the loop keeps the moment of each output token. Implements `spi.TokenClock`."""

    __slots__ = ("cells", "dropped", "room", "row", "used")

    def __init__(self, cells: memoryview, room: int) -> None:
        self.cells = cells
        self.room = room
        self.row = -1
        self.used = 0
        self.dropped = 0

    def tick(self) -> None:
        """One output token, now. Outside the timed window (row < 0) nothing is kept."""
        if self.row < 0:
            return
        used = self.used
        if used < self.room:
            cells = self.cells
            cells[2 * used] = self.row
            cells[2 * used + 1] = time.perf_counter_ns()
            self.used = used + 1
        else:
            self.dropped += 1

    def extend(self, row: int, times: Sequence[int]) -> None:
        """The output tokens of a whole request, at `times` (ns)."""
        cells, used = self.cells, self.used
        fitting = min(len(times), self.room - used)
        for number in range(fitting):
            cells[2 * (used + number)] = row
            cells[2 * (used + number) + 1] = times[number]
        self.used = used + fitting
        self.dropped += len(times) - fitting


class SampleTable:
    """The worker's side: a file of `capacity` rows, and one of `tokens` token times, shared evenly by the `lanes`.

    `reserved` of the rows are not there for whoever comes first, only after `release`.
    """

    def __init__(self, folder: Path, capacity: int, tokens: int, lanes: int = 1, reserved: int = 0) -> None:
        self._reserved = reserved
        self.capacity = capacity - reserved
        words = self._map(folder / "samples.bin", HEADER_WORDS + capacity * WIDTH)
        self.header = words[:HEADER_WORDS]
        self.rows = words[HEADER_WORDS:]
        self._words = words
        self._token_words = self._map(folder / "tokens.bin", max(2, 2 * tokens))
        room = tokens // lanes
        self._lanes = tuple(
            TokenTimes(self._token_words[2 * room * lane : 2 * room * (lane + 1)], room) for lane in range(lanes)
        )
        self.header[_MAGIC] = MAGIC
        self.header[_CAPACITY] = capacity

    @property
    def tokens(self) -> TokenTimes:
        """The token times of the first lane."""
        return self._lanes[0]

    @property
    def tokens_dropped(self) -> int:
        """Token times of all lanes for which there was no room."""
        return sum(lane.dropped for lane in self._lanes)

    def tokens_of(self, lane: int) -> TokenTimes:
        """Where `lane` keeps its token times. Used by that lane's thread only."""
        return self._lanes[lane]

    def release(self) -> None:
        """From the next run on the reserved rows can be filled, too."""
        self.capacity += self._reserved
        self._reserved = 0

    def end(self, rows: int) -> None:
        """The load is over, and no row from `rows` on was filled: a reader need not look there."""
        self.header[_ENDED] = rows

    def between(self, first: int, last: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """What `read` gives of the rows `first` to `last` - 1, copied while the table is still being filled."""
        table = np.frombuffer(self.rows, dtype=np.int64)[first * WIDTH : last * WIDTH].reshape(-1, WIDTH)
        parts = [np.frombuffer(lane.cells, dtype=np.int64)[: 2 * lane.used].reshape(-1, 2) for lane in self._lanes]
        tokens = np.concatenate(parts)
        chosen = tokens[(tokens[:, 0] >= first) & (tokens[:, 0] < last)]
        return _finished(table, np.column_stack([chosen[:, 0] - first, chosen[:, 1]]))

    def _map(self, path: Path, words: int) -> memoryview:
        with path.open("w+b") as stream:
            # Claimed, not sparse: on a full disk this raises ENOSPC now, where a hole would end the loop with SIGBUS.
            os.posix_fallocate(stream.fileno(), 0, words * _WORD)
            mapped = mmap.mmap(stream.fileno(), words * _WORD)
        return memoryview(mapped).cast("q")


def completed(folder: Path) -> int:
    """How many requests the worker has completed so far; 0 before the table exists."""
    try:
        with (folder / "samples.bin").open("rb") as stream:
            head = stream.read(HEADER_WORDS * _WORD)
    except OSError:
        return 0
    words = np.frombuffer(head, dtype=np.int64) if len(head) == HEADER_WORDS * _WORD else None
    return int(words[COMPLETED]) if words is not None and words[_MAGIC] == MAGIC else 0


def read(folder: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(requests, columns) and (tokens, 2) of the requests that were finished, in their order."""
    path = folder / "samples.bin"
    rows = int(np.fromfile(path, dtype=np.int64, count=HEADER_WORDS)[_ENDED])
    # The file has room for many more rows than were filled. The word `completed` is no bound: of several lanes the last
    # to write it may be one that was far behind. A worker that died said no end, so all of it is read.
    words = np.fromfile(path, dtype=np.int64, count=HEADER_WORDS + rows * WIDTH if rows else -1)
    tokens = np.fromfile(folder / "tokens.bin", dtype=np.int64).reshape(-1, 2)
    return _finished(words[HEADER_WORDS:].reshape(-1, WIDTH), tokens)


def _finished(
    table: npt.NDArray[np.int64], tokens: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    # A row without a completion is a request that was never finished, wherever it lies: it is no sample.
    rows = np.flatnonzero(table[:, SAMPLE_COLUMNS.index("completed_ns")] > 0)
    tokens = tokens[(tokens[:, 1] > 0) & np.isin(tokens[:, 0], rows)]
    # By request, each in the order of its times, whichever lane it went through.
    tokens = tokens[np.argsort(tokens[:, 0], kind="stable")]
    return table[rows], np.column_stack([np.searchsorted(rows, tokens[:, 0]), tokens[:, 1]])
