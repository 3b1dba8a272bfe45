"""Shards: the same pictures whoever draws them, whole or absent, read as they were drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from npubench.authoring.shards import Kind, Pixels, Rows, Shards, draw_shard


def drawn(seed: str, index: int) -> tuple[Pixels, Rows]:
    """Item n is a picture of the value n with n rows."""
    return np.full((2, 3, 3), index, np.uint8), np.full((index, 4), index, np.float32)


KIND = Kind(pixels="pictures", rows="things", items=3, shape=(2, 3), draw=drawn)


def test_items_come_back_with_their_rows(tmp_path: Path) -> None:
    for shard in (1, 0):
        draw_shard(KIND, tmp_path, "x/1", shard)
    shards = Shards(KIND, tmp_path)
    assert len(shards) == 6
    for index in range(6):
        pixels, rows = shards.item(index)
        assert (pixels == index).all()
        assert rows.shape == (index, 4)
        assert (rows == index).all()


def test_what_is_there_is_not_drawn_again(tmp_path: Path) -> None:
    path = draw_shard(KIND, tmp_path, "x/1", 0)
    before = path.stat().st_mtime_ns
    assert draw_shard(KIND, tmp_path, "y/2", 0) == path
    assert path.stat().st_mtime_ns == before
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]


def test_a_folder_without_shards_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make train-data"):
        Shards(KIND, tmp_path)
