"""Pages for training the text detector, drawn once and kept as memory-mapped arrays.

    python -m npubench.authoring.sheets --count 300 --out DIR [--seed ocr-train/1]

A shard is `pages-NNN.npy`, uint8 [pages, 1024, 736, 3], and `quads-NNN.npy`, float32 [words, 9]: page in the shard,
then x, y of the corners tl, tr, br, bl in pixels of the small page. Guarantees: the pixels are those that the OCR
workload makes of the same JPEG (top-left, white beside it); a second run continues after the last whole shard.

Not aware of: torch, what the words say.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from npubench.authoring.pausing import wait_while
from npubench.build.data import wordlists
from npubench.build.data.documents import draw_page, find_fonts
from npubench.build.data.sets import item_seed
from npubench.build.nets.ocr import PAGE
from npubench.workloads.images import fit, open_image, scaled

TRAINING, UNSEEN = "ocr-train/1", "ocr-unseen/1"
SHARD = 20
HEIGHT, WIDTH = PAGE
WHITE = 255

Sheet = npt.NDArray[np.uint8]
Corners = npt.NDArray[np.float32]


def small_page(seed: str, index: int) -> tuple[Sheet, Corners]:
    """Page `index` of the seed text: uint8 [1024, 736, 3] and its words' corners [n, 4, 2]."""
    number = item_seed(seed, index)
    training = seed == TRAINING
    page = draw_page(
        number,
        find_fonts("training" if training else "evaluation"),
        lists=wordlists.TRAINING if training else wordlists.EVALUATION,
    )
    packed = io.BytesIO()
    # Scanners differ in how hard they compress; 55 is what the evaluation set has.
    page.image.save(packed, "JPEG", quality=45 + number % 41)
    image = open_image(packed.getvalue(), "page")
    place = fit(image.width, image.height, WIDTH, HEIGHT, centred=False)
    sheet = np.full((HEIGHT, WIDTH, 3), WHITE, np.uint8)
    sheet[: place.height, : place.width] = np.asarray(scaled(image, place.width, place.height))
    corners = np.array([word.quad for word in page.words], np.float32).reshape(-1, 4, 2)
    return sheet, corners * np.float32(place.scale)


def draw_shards(folder: Path, count: int, seed: str, pause_file: Path | None = None) -> None:
    """Draws pages until `folder` holds `count` (rounded up to whole shards); sleeps while `pause_file` exists."""
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(-(-count // SHARD)):
        pages_path = folder / f"pages-{shard:03d}.npy"
        if pages_path.exists():
            continue
        pages = np.empty((SHARD, HEIGHT, WIDTH, 3), np.uint8)
        rows = []
        for place in range(SHARD):
            wait_while(pause_file)
            pages[place], corners = small_page(seed, shard * SHARD + place)
            rows.append(np.insert(corners.reshape(-1, 8), 0, place, axis=1))
        np.save(folder / f"quads-{shard:03d}.npy", np.concatenate(rows).astype(np.float32), allow_pickle=False)
        half = folder / f".{pages_path.name}"
        np.save(half, pages, allow_pickle=False)
        half.rename(pages_path)
        sys.stdout.write(f"{pages_path}\n")
        sys.stdout.flush()


class Sheets:
    """The shards of a folder, read through memory maps. `page(i)` gives one, uncopied."""

    def __init__(self, folder: Path) -> None:
        """Raises FileNotFoundError for a folder without shards."""
        paths = sorted(folder.glob("pages-*.npy"))
        if not paths:
            raise FileNotFoundError(f"{folder}: no pages-*.npy; draw them with python -m npubench.authoring.sheets")
        self._pages = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
        self._quads: list[Corners] = []
        for path, pages in zip(paths, self._pages, strict=True):
            rows = np.load(path.with_name(path.name.replace("pages", "quads")), allow_pickle=False)
            self._quads += [rows[rows[:, 0] == place, 1:].reshape(-1, 4, 2) for place in range(len(pages))]

    def __len__(self) -> int:
        return len(self._quads)

    def page(self, index: int) -> tuple[Sheet, Corners]:
        """uint8 [1024, 736, 3] and corners float32 [n, 4, 2]."""
        return self._pages[index // SHARD][index % SHARD], self._quads[index]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m npubench.authoring.sheets", description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", default=TRAINING, help=f"{TRAINING} for training, {UNSEEN} for evaluation")
    parser.add_argument("--pause-file", type=Path, help="drawing sleeps while this file exists")
    options = parser.parse_args(arguments)
    draw_shards(options.out, options.count, options.seed, options.pause_file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
