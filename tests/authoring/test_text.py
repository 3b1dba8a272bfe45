"""The text detector's targets are what the workload turns back into words."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from npubench.authoring.text import SHRINK, STRIDE, THRESHOLD, target_of
from npubench.workloads.scoring import overlaps
from npubench.workloads.textregions import regions

WORDS = [(20, 20, 90, 36), (96, 20, 120, 36), (20, 44, 36, 60), (60, 80, 220, 130), (40, 150, 300, 166)]


def quads(words: list[tuple[int, int, int, int]], tilt: float = 0.0) -> np.ndarray:
    corners = [
        [(x0, y0), (x1, y0 + (x1 - x0) * tilt), (x1, y1 + (x1 - x0) * tilt), (x0, y1)] for x0, y0, x1, y1 in words
    ]
    return np.array(corners, np.float32)


@pytest.mark.parametrize("tilt", [0.0, 0.02, -0.02])
def test_a_perfect_map_gives_the_words_back(tilt: float) -> None:
    corners = quads(WORDS, tilt)
    target = target_of(corners, 320, 320)
    found, _ = regions(target * 20 - 10, threshold=THRESHOLD, min_area=2, max_boxes=400, shrink=SHRINK)
    truth = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    assert len(found) == len(WORDS)
    assert overlaps(truth, found * STRIDE).max(axis=1).min() > 0.5


def test_words_beyond_the_edge_do_no_harm() -> None:
    target = target_of(quads([(-50, -50, -10, -30), (310, 310, 400, 330), (5, 5, 5, 9)]), 320, 320)
    assert target.shape == (80, 80)
    assert target[:40].sum() == 0
