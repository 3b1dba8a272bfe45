"""The sample table on disk: what is readable after a kill, and files that are none."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.engine.table import COMPLETED, HEADER_WORDS, WIDTH, SampleTable, completed, read
from npubench.schema import SAMPLE_COLUMNS

KILLED = """
import os, signal, sys
from pathlib import Path
from npubench.engine.generator import closed_loop
from npubench.engine.table import SampleTable

table = SampleTable(Path(sys.argv[1]), 100, 100)

def step(index):
    table.tokens.tick()
    table.tokens.tick()
    if index == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2

closed_loop([step], table, 0, window_ns=10**12, least=100, last_ns=10**12)
"""


def test_every_finished_sample_is_readable_after_a_kill(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert completed(tmp_path) == 5
    rows, tokens = read(tmp_path)
    assert rows.shape == (5, len(SAMPLE_COLUMNS))
    assert rows[:, SAMPLE_COLUMNS.index("units")].tolist() == [2] * 5
    scheduled, finished = (rows[:, SAMPLE_COLUMNS.index(name)] for name in ("scheduled_ns", "completed_ns"))
    assert (finished >= scheduled).all()
    assert (scheduled[1:] >= finished[:-1]).all()
    whole = tokens[tokens[:, 0] < len(rows)]
    assert whole[:, 0].tolist() == [row for row in range(5) for _ in range(2)]


def test_a_table_that_was_never_written_to_is_empty(tmp_path: Path) -> None:
    SampleTable(tmp_path, 10, 4)
    rows, tokens = read(tmp_path)
    assert rows.shape == (0, len(SAMPLE_COLUMNS))
    assert tokens.shape == (0, 2)
    assert completed(tmp_path) == 0


def test_a_model_without_tokens_has_none(tmp_path: Path) -> None:
    SampleTable(tmp_path, 1, 0)
    assert read(tmp_path)[1].shape == (0, 2)


def test_lanes_keep_their_tokens_apart_and_a_reader_gets_them_by_request(tmp_path: Path) -> None:
    table = SampleTable(tmp_path, 4, 7, lanes=2)
    for row, lane in ((0, 1), (1, 0), (2, 0), (3, 1)):
        tokens = table.tokens_of(lane)
        tokens.row = row
        tokens.tick()
        tokens.tick()
        table.rows[row * len(SAMPLE_COLUMNS) + SAMPLE_COLUMNS.index("completed_ns")] = 1
    rows, tokens = read(tmp_path)
    assert len(rows) == 4
    # Three of seven each: the second request of a lane has one, and one that is counted as lost.
    assert tokens[:, 0].tolist() == [0, 0, 1, 1, 2, 3]
    assert table.tokens_dropped == 2
    assert (tokens[1::2, 1][:2] >= tokens[::2, 1][:2]).all()


def test_nothing_is_completed_before_the_table_exists(tmp_path: Path) -> None:
    assert completed(tmp_path) == 0
    assert completed(tmp_path / "nowhere") == 0


@given(st.binary(max_size=4 * HEADER_WORDS * 8))
def test_a_file_that_is_no_table_has_nothing_completed(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("table")
    (folder / "samples.bin").write_bytes(content)
    assert completed(folder) == 0


def test_a_full_disk_is_an_error_before_anything_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hole in the file would end the loop with SIGBUS later; the room is claimed at once instead."""
    claimed = []

    def full(descriptor: int, offset: int, length: int) -> None:
        claimed.append(length)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError) as caught:
        SampleTable(tmp_path, 1_000, 0)
    assert caught.value.errno == errno.ENOSPC
    assert claimed == [8 * (HEADER_WORDS + 1_000 * len(SAMPLE_COLUMNS))]


def test_rows_far_ahead_of_the_last_written_word_are_read(tmp_path: Path) -> None:
    """A lane with one slow request writes the header's word last, long after the others went on without it."""
    samples = SampleTable(tmp_path, 20_000, 0, lanes=2)
    for row in range(10_000):
        samples.rows[row * WIDTH + 3] = row + 1
    samples.header[COMPLETED] = 1
    assert len(read(tmp_path)[0]) == 10_000
    samples.end(10_000)
    assert len(read(tmp_path)[0]) == 10_000
