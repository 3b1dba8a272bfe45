"""Pages for training the text detector, drawn once and kept as memory-mapped arrays.

    python -m npubench.authoring.sheets --count 300 --out DIR [--seed ocr-train/1]

Rows are x, y of the corners tl, tr, br, bl of the words in pixels of the small page (`shards`). Guarantees: the pixels
are those that the OCR workload makes of the same JPEG (top-left, white beside it); fonts and words of pages for
training never occur in others.

Not aware of: torch, what the words say.
"""

from __future__ import annotations

import io
import sys

import numpy as np
import numpy.typing as npt

from npubench.authoring import shards
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
    """Page `index` of the seed text: uint8 [1024, 736, 3] and its words' corners [n, 8]."""
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
    corners = np.array([word.quad for word in page.words], np.float32).reshape(-1, 8)
    return sheet, corners * np.float32(place.scale)


KIND = shards.Kind(pixels="pages", rows="quads", items=SHARD, shape=(HEIGHT, WIDTH), draw=small_page)


if __name__ == "__main__":
    sys.exit(shards.main(KIND, "sheets", __doc__.split("\n")[0], TRAINING, UNSEEN))
