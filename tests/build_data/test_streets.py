"""Street scenes: the same every time, boxes that are true, every class and condition present."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from npubench.build.data import streets
from npubench.build.data.streets import CLASSES, CONDITIONS, Scene, draw_scene, draw_scene_and_map

SIZE = (640, 360)
SEEDS = range(60)


@pytest.fixture(scope="module")
def drawn() -> Mapping[int, tuple[Scene, NDArray[np.uint8]]]:
    return {seed: draw_scene_and_map(seed, SIZE) for seed in SEEDS}


def test_a_seed_draws_the_same_scene_every_time() -> None:
    first, again = draw_scene(7, SIZE), draw_scene(7, SIZE)
    assert first.image.tobytes() == again.image.tobytes()
    assert (first.objects, first.conditions) == (again.objects, again.conditions)


def test_seeds_differ(drawn: Mapping[int, tuple[Scene, NDArray[np.uint8]]]) -> None:
    assert len({scene.image.tobytes() for scene, _ in drawn.values()}) == len(drawn)


@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (704, 576), (322, 181)])
def test_the_size_is_as_asked(size: tuple[int, int]) -> None:
    scene, shown = draw_scene_and_map(3, size)
    assert (scene.image.size, scene.image.mode, shown.shape) == (size, "RGB", (size[1], size[0]))


def test_boxes_lie_in_the_picture_and_have_an_area(drawn: Mapping[int, tuple[Scene, NDArray[np.uint8]]]) -> None:
    for scene, _ in drawn.values():
        assert 3 <= len(scene.objects) <= 14
        for one in scene.objects:
            x0, y0, x1, y1 = one.box
            assert 0 <= x0 < x1 <= SIZE[0]
            assert 0 <= y0 < y1 <= SIZE[1]
            assert min(x1 - x0, y1 - y0) >= streets.MIN_SIDE_PX


def test_a_box_is_tight_around_the_pixels_of_its_object(
    drawn: Mapping[int, tuple[Scene, NDArray[np.uint8]]],
) -> None:
    for scene, shown in drawn.values():
        assert shown.max() == len(scene.objects)
        for number, one in enumerate(scene.objects, start=1):
            rows, columns = np.nonzero(shown == number)
            assert one.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_what_is_annotated_stands_out_from_an_empty_box(
    drawn: Mapping[int, tuple[Scene, NDArray[np.uint8]]],
) -> None:
    for scene, shown in drawn.values():
        for number, one in enumerate(scene.objects, start=1):
            x0, y0, x1, y1 = (int(edge) for edge in one.box)
            # Even a thin bicycle seen from the side and half hidden fills some of its box.
            assert np.count_nonzero(shown[y0:y1, x0:x1] == number) >= 0.06 * (x1 - x0) * (y1 - y0)


def test_every_class_appears_about_equally_often(drawn: Mapping[int, tuple[Scene, NDArray[np.uint8]]]) -> None:
    counts = Counter(one.class_name for scene, _ in drawn.values() for one in scene.objects)
    assert set(counts) == set(CLASSES)
    assert min(counts.values()) >= 0.6 * max(counts.values())


def test_every_condition_appears(drawn: Mapping[int, tuple[Scene, NDArray[np.uint8]]]) -> None:
    assert {name for scene, _ in drawn.values() for name in scene.conditions} == set(CONDITIONS)


def test_light_shows_in_the_picture(drawn: Mapping[int, tuple[Scene, NDArray[np.uint8]]]) -> None:
    means: dict[str, list[float]] = {}
    for scene, _ in drawn.values():
        pixels = np.asarray(scene.image, np.float32)
        means.setdefault(scene.conditions[0], []).append(float(pixels.mean()))
        if scene.conditions[0] == "infrared":
            assert np.abs(pixels[..., 0] - pixels[..., 2]).max() == 0
    assert np.mean(means["day"]) > np.mean(means["dusk"]) > np.mean(means["night"])


def test_an_object_behind_another_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    _, shown = draw_scene_and_map(11, SIZE)
    monkeypatch.setattr(streets, "MIN_VISIBLE_SHARE", 0.0)
    _, everything = draw_scene_and_map(11, SIZE)
    # The drawing is the same; only what is annotated depends on the share.
    assert set(np.unique(shown)) <= set(np.unique(everything))
    assert np.all((everything > 0) >= (shown > 0))
