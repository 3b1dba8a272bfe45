from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from npubench.workloads.textregions import components, refined, regions, unshrink


def flood(mask: npt.NDArray[np.bool_]) -> list[tuple[list[int], int]]:
    """(box, area) of each component in the order of first cells, by a stack."""
    left = mask.copy()
    found = []
    for y, x in np.argwhere(mask).tolist():
        if not left[y, x]:
            continue
        left[y, x] = False
        stack, cells = [(y, x)], []
        while stack:
            cy, cx = stack.pop()
            cells.append((cy, cx))
            for ny in range(max(0, cy - 1), min(mask.shape[0], cy + 2)):
                for nx in range(max(0, cx - 1), min(mask.shape[1], cx + 2)):
                    if left[ny, nx]:
                        left[ny, nx] = False
                        stack.append((ny, nx))
        ys, xs = zip(*cells, strict=True)
        found.append(([min(xs), min(ys), max(xs) + 1, max(ys) + 1], len(cells)))
    return found


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14)))
@settings(deadline=None, max_examples=300)
def test_components_are_those_of_a_flood_fill(mask: npt.NDArray[np.bool_]) -> None:
    boxes, runs = components(mask)
    areas = np.bincount(runs[:, 2], weights=runs[:, 1] - runs[:, 0], minlength=len(boxes))
    assert [(box, int(area)) for box, area in zip(boxes.tolist(), areas, strict=True)] == flood(mask)


@pytest.mark.parametrize("density", [0.2, 0.35, 0.5, 0.8])
def test_components_of_a_map_of_noise(density: float) -> None:
    mask = np.random.default_rng(7).random((96, 80)) < density
    assert components(mask)[0].tolist() == [box for box, _ in flood(mask)]


def test_a_spiral_is_one_component() -> None:
    mask = np.zeros((21, 21), np.bool_)
    low, high = 0, 20
    while low < high:
        mask[low, low : high + 1] = mask[low : high + 1, high] = True
        mask[high, low : high + 1] = mask[low + 2 : high + 1, low] = True
        mask[low + 2, low : low + 2] = True
        low, high = low + 2, high - 2
    assert len(components(mask)[0]) == len(flood(mask))


@given(st.floats(1, 300), st.floats(1, 60), st.floats(0.1, 0.9))
def test_unshrink_undoes_the_shrinking(width: float, height: float, ratio: float) -> None:
    distance = width * height * (1 - ratio**2) / (2 * (width + height))
    shrunk = np.array([[distance, distance, width - distance, height - distance]], np.float64)
    grown = unshrink(shrunk.astype(np.float32), ratio)
    assert np.allclose(grown[0], [0, 0, width, height], atol=1e-2, rtol=1e-3)


def logits_with(*boxes: tuple[int, int, int, int, float]) -> npt.NDArray[np.float32]:
    logits = np.full((40, 60), -5, np.float32)
    for x0, y0, x1, y1, level in boxes:
        logits[y0:y1, x0:x1] = level
    return logits


def test_regions_are_unshrunk_filtered_and_clipped() -> None:
    logits = logits_with((10, 10, 30, 14, 3.0), (50, 30, 51, 31, 3.0), (0, 36, 20, 40, 1.0))
    boxes, scores = regions(logits, threshold=0.3, min_area=4, max_boxes=9, shrink=0.4)
    assert len(boxes) == 2
    assert boxes[0, 0] < 10
    assert boxes[0, 2] > 30
    assert boxes[1].tolist()[0] == 0
    assert boxes[1].tolist()[3] == 40
    assert scores == pytest.approx(1 / (1 + np.exp([-3.0, -1.0])))


def test_the_cap_keeps_the_surest_in_reading_order() -> None:
    logits = logits_with((1, 1, 9, 5, 1.0), (20, 1, 29, 5, 4.0), (1, 20, 9, 25, 2.0))
    _, scores = regions(logits, threshold=0.3, min_area=1, max_boxes=2, shrink=0.4)
    assert scores == pytest.approx(1 / (1 + np.exp([-4.0, -2.0])))


def test_an_empty_map_and_a_full_map() -> None:
    boxes, scores = regions(logits_with(), threshold=0.3, min_area=1, max_boxes=5, shrink=0.4)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)
    full, _ = regions(np.full((8, 9), 2, np.float16), threshold=0.3, min_area=1, max_boxes=5, shrink=0.4)
    assert full.tolist() == [[0, 0, 9, 8]]


@given(
    st.tuples(st.floats(2, 8), st.floats(2, 8), st.floats(3, 12), st.floats(2.2, 8)),
)
@settings(max_examples=100)
def test_edges_lie_between_cells(rectangle: tuple[float, float, float, float]) -> None:
    """Of a rectangle whose border falls off over one cell, as a network's, edges are found between the cells."""
    left, top, wide, high = rectangle
    wanted = np.array([left, top, left + wide, top + high])
    centres = np.arange(24) + 0.5
    across = np.clip(np.minimum(centres - left, left + wide - centres) + 0.5, 0, 1)
    down = np.clip(np.minimum(centres - top, top + high - centres) + 0.5, 0, 1)
    share = np.clip(np.outer(down, across), 1e-4, 1 - 1e-4)
    levels = np.log(share / (1 - share)).astype(np.float32)
    boxes, _ = components(levels > 0)
    (found,) = refined(boxes, levels, 0.5)
    # At the corners both borders fall off, which pulls the mean along an edge in; the shorter it is, the more.
    assert np.abs(found - wanted).max() < 0.15 + 0.6 / min(wide, high)


def test_a_region_at_the_border_keeps_inside_and_has_a_size() -> None:
    levels = np.full((6, 6), -8, np.float32)
    levels[0, 0] = 8
    boxes, _ = components(levels > 0)
    (found,) = refined(boxes, levels, 0.5)
    assert (found[2:] > found[:2]).all()
    (grown,), _ = regions(levels, threshold=0.5, min_area=1, max_boxes=5, shrink=0.4)
    assert grown.min() >= 0
