"""Street scenes: the same from the same seed, honest boxes, every class and condition within reach."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from npubench.build.data import streets
from npubench.build.data.camera import Air, Brush, Camera
from npubench.build.data.streets import CLASSES, LIGHTS, MIN_HEIGHT_PX, MIN_SIDE_PX, WEATHERS, Scene, draw_scene
from npubench.build.data.traffic import KINDS

SIZE = (640, 360)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(seed, SIZE, smooth=False) for seed in range(60)]


def test_the_same_seed_gives_the_same_scene() -> None:
    first, second, other = draw_scene(7, SIZE), draw_scene(7, SIZE), draw_scene(8, SIZE)
    assert first.image.tobytes() == second.image.tobytes()
    assert first.objects == second.objects
    assert first.conditions == second.conditions
    assert first.image.tobytes() != other.image.tobytes()


def test_the_default_size_is_the_cameras() -> None:
    scene = draw_scene(3)
    assert scene.image.size == (1280, 720)
    assert scene.image.mode == "RGB"


def test_boxes_lie_inside_and_are_large_enough(scenes: list[Scene]) -> None:
    for scene in scenes:
        for seen in scene.objects:
            x0, y0, x1, y1 = seen.box
            assert 0 <= x0 < x1 <= SIZE[0]
            assert 0 <= y0 < y1 <= SIZE[1]
            assert x1 - x0 >= MIN_SIDE_PX
            assert y1 - y0 >= MIN_HEIGHT_PX
            assert streets.MIN_VISIBLE_SHARE <= seen.visible_share <= 1


def test_every_class_and_condition_occurs(scenes: list[Scene]) -> None:
    assert {seen.class_name for scene in scenes for seen in scene.objects} == set(CLASSES)
    assert {scene.conditions.light for scene in scenes} == set(LIGHTS)
    assert {scene.conditions.weather for scene in scenes} == set(WEATHERS)
    assert {scene.conditions.motion_blur for scene in scenes} == {True, False}
    assert sum(len(scene.objects) for scene in scenes) > 4 * len(scenes)


def test_people_and_buses_have_their_shapes(scenes: list[Scene]) -> None:
    tall = [
        (seen.box[3] - seen.box[1]) / (seen.box[2] - seen.box[0])
        for scene in scenes
        for seen in scene.objects
        if seen.class_name == "person" and seen.visible_share > 0.95
    ]
    assert np.median(tall) > 1.6
    area: Counter[str] = Counter()
    number: Counter[str] = Counter()
    for scene in scenes:
        for seen in scene.objects:
            area[seen.class_name] += (seen.box[2] - seen.box[0]) * (seen.box[3] - seen.box[1])
            number[seen.class_name] += 1
    mean = {name: area[name] / number[name] for name in CLASSES}
    assert mean["bus"] > mean["car"] > mean["bicycle"]


def test_infrared_is_grey(scenes: list[Scene]) -> None:
    pixels = np.asarray(next(scene.image for scene in scenes if scene.conditions.light == "infrared"), np.int16)
    assert np.abs(pixels[..., 0] - pixels[..., 2]).max() == 0


def test_night_is_darker_than_day(scenes: list[Scene]) -> None:
    def brightness(light: str) -> float:
        return float(np.mean([np.asarray(s.image).mean() for s in scenes if s.conditions.light == light]))

    assert brightness("night") < 0.7 * brightness("day")


def test_the_classes_are_those_that_can_be_painted() -> None:
    assert set(KINDS) == set(CLASSES)


CAMERA = Camera(focal=500, height_m=6, pitch=0.4, roll=0.0, centre_x=320, centre_y=180)
AIR = Air(colour=(200, 200, 200), range_m=400, sun=(0.0, 1.0, 0.0), ambient=0.7)


def test_the_horizon_is_where_far_ground_goes() -> None:
    far = CAMERA.project((0.0, 0.0, 1e7))
    assert far is not None
    assert far[1] == pytest.approx(CAMERA.horizon_y(), abs=0.1)


def test_what_is_behind_the_camera_is_not_mirrored() -> None:
    assert CAMERA.project((0.0, 0.0, -50.0)) is None
    assert CAMERA.polygon([(-1, 0, -50), (1, 0, -50), (1, 0, -60)]) == []
    clipped = CAMERA.polygon([(-1, 0, -50), (1, 0, -50), (1, 0, 50), (-1, 0, 50)])
    assert len(clipped) == 4
    assert min(y for _, y in clipped) == pytest.approx(CAMERA.polygon([(0, 0, 50)])[0][1])


def test_the_map_of_numbers_follows_the_paint() -> None:
    brush = Brush(CAMERA, AIR, (640, 360))
    brush.number = 5
    brush.ball((0.0, 1.0, 14.0), 1.0, (200, 30, 30))
    marked = np.asarray(brush.numbers) == 5
    painted = (np.asarray(brush.image) != AIR.colour).any(axis=2)
    assert marked.sum() > 100
    assert (marked == painted).all()
