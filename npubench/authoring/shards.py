"""Drawn pictures for training, kept as memory-mapped arrays in shards, with what is in them as rows of numbers.

Shard n is `<pixels>-NNN.npy`, uint8 [items, height, width, 3], and `<rows>-NNN.npy`, float32 [rows, 1 + fields]: the
item's place in the shard, then the item's own fields. Guarantees: an item depends on the seed text and its number only,
however many processes draw; a shard is whole or absent (pixels come last, by renaming); a second run goes on after what
is there.

Not aware of: what is drawn (`scenes`, `sheets`), torch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.authoring.pausing import wait_while

Pixels = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float32]


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of picture is kept. `draw` gives item `index` of a seed text: pixels and its rows [n, fields]."""

    pixels: str
    rows: str
    items: int
    shape: tuple[int, int]
    draw: Callable[[str, int], tuple[Pixels, Rows]]


def draw_shard(kind: Kind, folder: Path, seed: str, shard: int, pause_file: Path | None = None) -> Path:
    """Draws shard `shard` unless it is there; returns its pixels' path."""
    path = folder / f"{kind.pixels}-{shard:03d}.npy"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.empty((kind.items, *kind.shape, 3), np.uint8)
    rows = []
    for place in range(kind.items):
        wait_while(pause_file)
        pixels[place], found = kind.draw(seed, shard * kind.items + place)
        rows.append(np.insert(found, 0, place, axis=1))
    np.save(folder / f"{kind.rows}-{shard:03d}.npy", np.concatenate(rows).astype(np.float32), allow_pickle=False)
    half = folder / f".{path.name}"
    np.save(half, pixels, allow_pickle=False)
    half.rename(path)
    return path


class Shards:
    """The shards of a folder, read through memory maps: `item(i)` gives one, its pixels uncopied."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        """Raises FileNotFoundError for a folder without shards."""
        paths = sorted(folder.glob(f"{kind.pixels}-*.npy"))
        if not paths:
            raise FileNotFoundError(f"{folder}: no {kind.pixels}-*.npy; draw them first (make train-data)")
        self._pixels = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
        self._rows: list[Rows] = []
        for path, pixels in zip(paths, self._pixels, strict=True):
            rows = np.load(path.with_name(path.name.replace(kind.pixels, kind.rows)), allow_pickle=False)
            self._rows += [rows[rows[:, 0] == place, 1:] for place in range(len(pixels))]
        self._items = kind.items

    def __len__(self) -> int:
        return len(self._rows)

    def item(self, index: int) -> tuple[Pixels, Rows]:
        """uint8 [height, width, 3] and its rows [n, fields]."""
        return self._pixels[index // self._items][index % self._items], self._rows[index]


def main(kind: Kind, name: str, about: str, training: str, unseen: str, arguments: Sequence[str] | None = None) -> int:
    """The command line of a kind. Returns the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m npubench.authoring.{name}", description=about)
    parser.add_argument("--count", type=int, required=True, help="items; rounded up to whole shards")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", default=training, help=f"{training} for training, {unseen} for evaluation")
    parser.add_argument("--jobs", type=int, default=1, help="processes that draw side by side")
    parser.add_argument("--pause-file", type=Path, help="drawing sleeps while this file exists")
    options = parser.parse_args(arguments)
    wanted = range(-(-options.count // kind.items))
    # A fresh interpreter each: drawing keeps caches that a fork would share half-filled.
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        made = [pool.submit(draw_shard, kind, options.out, options.seed, n, options.pause_file) for n in wanted]
        for one in as_completed(made):
            sys.stdout.write(f"{one.result()}\n")
            sys.stdout.flush()
    return 0
