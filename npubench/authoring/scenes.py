"""Street scenes for training the detector, drawn once and kept as memory-mapped arrays.

    python -m npubench.authoring.scenes --count 4000 --out DIR [--seed cctv-train/1]

A shard is `frames-NNN.npy`, uint8 [scenes, 360, 640, 3], and `boxes-NNN.npy`, float32 [boxes, 6]: scene in the shard,
class, x0, y0, x1, y1 in pixels of the small frame. Guarantees: the pixels are those that the detection workload
makes of the same JPEG (its scaling, its quality), without the grey bars, which a trainer adds; a seed text gives the
same scenes; a second run continues after the last whole shard.

Not aware of: torch, how the scenes are used. Scenes of the evaluation sets have other seed texts.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from npubench.authoring.pausing import wait_while
from npubench.build.data.sets import FRAME_SIZE_PX, item_seed
from npubench.build.data.streets import CLASSES, draw_scene
from npubench.workloads.images import open_image, scaled

TRAINING, UNSEEN = "cctv-train/1", "cctv-unseen/1"
WIDTH, HEIGHT = 640, 360
SHARD = 200

Frames = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]


def small_scene(seed: str, index: int) -> tuple[Frames, Boxes]:
    """Scene `index` of the seed text: uint8 [360, 640, 3] and boxes [n, 5] of class, x0, y0, x1, y1."""
    number = item_seed(seed, index)
    scene = draw_scene(number, FRAME_SIZE_PX)
    packed = io.BytesIO()
    # Cameras differ in how hard they compress; 60 is what the evaluation set has.
    scene.image.save(packed, "JPEG", quality=50 + number % 41)
    pixels = np.asarray(scaled(open_image(packed.getvalue(), "scene"), WIDTH, HEIGHT))
    ratio = WIDTH / FRAME_SIZE_PX[0]
    boxes = [(CLASSES.index(seen.class_name), *(edge * ratio for edge in seen.box)) for seen in scene.objects]
    return pixels, np.array(boxes, np.float32).reshape(-1, 5)


def draw_shards(folder: Path, count: int, seed: str, pause_file: Path | None = None) -> None:
    """Draws scenes until `folder` holds `count` (rounded up to whole shards); sleeps while `pause_file` exists."""
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(-(-count // SHARD)):
        frames_path, boxes_path = folder / f"frames-{shard:03d}.npy", folder / f"boxes-{shard:03d}.npy"
        if frames_path.exists():
            continue
        frames = np.empty((SHARD, HEIGHT, WIDTH, 3), np.uint8)
        rows: list[Any] = []
        for place in range(SHARD):
            wait_while(pause_file)
            frames[place], boxes = small_scene(seed, shard * SHARD + place)
            rows.append(np.insert(boxes, 0, place, axis=1))
        np.save(boxes_path, np.concatenate(rows).astype(np.float32), allow_pickle=False)
        # The frames come last and by renaming: where they are, the shard is whole.
        half = folder / f".{frames_path.name}"
        np.save(half, frames, allow_pickle=False)
        half.rename(frames_path)
        sys.stdout.write(f"{frames_path}\n")
        sys.stdout.flush()


class Scenes:
    """The shards of a folder, read through memory maps. `scene(i)` copies one."""

    def __init__(self, folder: Path) -> None:
        """Raises FileNotFoundError for a folder without shards."""
        paths = sorted(folder.glob("frames-*.npy"))
        if not paths:
            raise FileNotFoundError(f"{folder}: no frames-*.npy; draw them with python -m npubench.authoring.scenes")
        self._frames = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
        self._boxes: list[Boxes] = []
        for path, frames in zip(paths, self._frames, strict=True):
            rows = np.load(path.with_name(path.name.replace("frames", "boxes")), allow_pickle=False)
            self._boxes += [rows[rows[:, 0] == place, 1:] for place in range(len(frames))]

    def __len__(self) -> int:
        return len(self._boxes)

    def scene(self, index: int) -> tuple[Frames, Boxes]:
        """uint8 [360, 640, 3] and boxes float32 [n, 5] of class, x0, y0, x1, y1."""
        place = index
        for frames in self._frames:
            if place < len(frames):
                return np.array(frames[place]), self._boxes[index].copy()
            place -= len(frames)
        raise IndexError(index)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m npubench.authoring.scenes", description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", default=TRAINING, help=f"{TRAINING} for training, {UNSEEN} for evaluation")
    parser.add_argument("--pause-file", type=Path, help="drawing sleeps while this file exists")
    options = parser.parse_args(arguments)
    draw_shards(options.out, options.count, options.seed, options.pause_file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
