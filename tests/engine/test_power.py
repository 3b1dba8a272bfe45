"""A sampler's growing files: windows are cut out of them unread, and any bytes in them are survived."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.engine.power import SamplerLog, cut, mapped, read_log
from npubench.spi import Channel
from npubench.stats.readings import OK, RECORD

S = 1_000_000_000
LOG = SamplerLog(
    channels=tuple(
        Channel(name=name, unit="W", scope="card", kind="instant", source="test") for name in ("one", "two")
    ),
    statuses=(OK, "odd"),
)


def written(path: Path, begun: list[int]) -> Path:
    table = np.zeros(len(begun), RECORD)
    table["before_ns"] = table["after_ns"] = begun
    table["channel"] = np.arange(len(begun)) % 2
    path.write_bytes(table.tobytes())
    return path


@given(
    st.lists(st.integers(0, 1000), max_size=60).map(sorted),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(0, 31),
)
def test_a_window_is_cut_exactly(
    tmp_path_factory: pytest.TempPathFactory, seconds: list[int], start: int, end: int, tail: int
) -> None:
    path = written(tmp_path_factory.mktemp("rows") / "x.bin", [at * S for at in seconds])
    with path.open("ab") as stream:
        stream.write(bytes(tail))
    found = cut(path, LOG, start * S, end * S)
    assert found.channels == LOG.channels
    assert found.table["before_ns"].tolist() == [at * S for at in seconds if start <= at < end]


def test_readings_that_are_a_little_out_of_order_are_found(tmp_path: Path) -> None:
    path = written(tmp_path / "x.bin", [10 * S, 12 * S, 11 * S, 13 * S])
    assert cut(path, LOG, 11 * S, 12 * S).table["before_ns"].tolist() == [11 * S]


def test_rows_that_name_no_channel_or_status_are_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "x.bin", [1, 2, 3])
    table = np.fromfile(path, RECORD)
    table["channel"][0], table["status"][1] = 9, 9
    path.write_bytes(table.tobytes())
    assert cut(path, LOG, 0, 10).table["before_ns"].tolist() == [3]


def test_a_missing_file_has_no_readings(tmp_path: Path) -> None:
    assert len(mapped(tmp_path / "none.bin")) == 0
    assert read_log(tmp_path / "none.jsonl") == SamplerLog()
    assert len(cut(tmp_path / "none.bin", SamplerLog(), 0, 1).table) == 0


@given(st.binary(max_size=400))
def test_any_bytes_in_the_lines_are_survived(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("power") / "power.jsonl"
    file.write_bytes(data)
    assert read_log(file).channels == ()
