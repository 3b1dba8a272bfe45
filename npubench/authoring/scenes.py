"""Street scenes for training the detector, drawn once and kept as memory-mapped arrays.

    python -m npubench.authoring.scenes --count 4000 --out DIR [--seed cctv-train/1]

Rows are class, x0, y0, x1, y1 in pixels of the small frame (`shards`). Guarantees: the pixels are those that the
detection workload makes of the same JPEG, without the grey bars, which a trainer adds; a seed text gives the same
scenes.

Not aware of: torch, how the scenes are used. Scenes of the evaluation sets have other seed texts.
"""

from __future__ import annotations

import io
import sys

import numpy as np
import numpy.typing as npt

from npubench.authoring import shards
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


KIND = shards.Kind(pixels="frames", rows="boxes", items=SHARD, shape=(HEIGHT, WIDTH), draw=small_scene)


if __name__ == "__main__":
    sys.exit(shards.main(KIND, "scenes", __doc__.split("\n")[0], TRAINING, UNSEEN))
