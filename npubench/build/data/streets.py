"""Street scenes as a fixed CCTV camera sees them, drawn from a seed, with tight boxes of what is visible.

Guarantees: the same seed and size give the same scene with the same Pillow; a box is tight around the pixels of its
object that nothing else covers; an object of which less than `MIN_VISIBLE_SHARE` can be seen, or whose box is thinner
than `MIN_SIDE_PX`, is not annotated; 3 to 14 objects are. Nobody and nothing real is in a scene.

Not aware of: files, training, how scenes are letterboxed. Scores on such scenes serve to compare backends and
precisions with each other and say nothing about real footage.
"""

from __future__ import annotations

import itertools
import math

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from npubench.build.data import buildings, looks, scenery
from npubench.build.data.camera import Brush, Camera, Point
from npubench.build.data.placing import KINDS, Placed, populate
from npubench.build.data.scenery import Street
from npubench.build.data.solids import Lamp

# The order of the detector's classes (models/cctv-detect).
CLASSES: tuple[str, ...] = ("person", "car", "bus", "truck", "motorcycle", "bicycle")

# Every name that a scene's conditions can hold.
CONDITIONS: tuple[str, ...] = (*looks.LIGHTS, *looks.WEATHERS, *looks.FAULTS)

# An object of which less can be seen is left out, as annotators of street footage do.
MIN_VISIBLE_SHARE = 0.35
MIN_SIDE_PX = 8
MIN_OBJECTS = 3


class Object(msgspec.Struct, frozen=True):
    """A visible object. `box` is x0, y0, x1, y1 in pixels, x1 and y1 exclusive, inside the picture."""

    class_name: str
    box: tuple[float, float, float, float]


class Scene(msgspec.Struct, frozen=True):
    """A drawn frame. `conditions`: its light, its weather, then the camera's faults that show."""

    image: Image.Image
    objects: tuple[Object, ...]
    conditions: tuple[str, ...]


def draw_scene(seed: int, size: tuple[int, int] = (1280, 720)) -> Scene:
    """The scene of this seed (0 or more), `size` = (width, height) pixels, RGB."""
    return draw_scene_and_map(seed, size)[0]


def draw_scene_and_map(seed: int, size: tuple[int, int] = (1280, 720)) -> tuple[Scene, NDArray[np.uint8]]:
    """The scene and, uint8 [height, width], which object each pixel shows: n for `objects[n - 1]`, 0 for none."""
    rng = np.random.Generator(np.random.PCG64(seed))
    look = looks.draw_look(rng)
    # A camera that sees too little is moved. Some three scenes in a hundred need a second try.
    for _ in itertools.count():
        camera = _draw_camera(rng, size, look.tilt_degrees)
        street = scenery.draw_street(rng)
        placed = populate(rng, street, camera, size)
        if len(placed) < MIN_OBJECTS:
            continue
        brush = Brush(camera, looks.draw_air(rng, look), size)
        scenery.paint_sky(brush, *looks.sky(rng, look))
        scenery.paint_ground(brush, street, rng, look.weather == "rain")
        windows = buildings.paint_buildings(brush, street, rng)
        _paint_shadows(brush, placed, look)
        lamps, painted = _paint_placed(brush, street, placed, rng)
        numbers = np.asarray(brush.numbers)
        shown = _visible(numbers, placed, painted)
        if len(shown) >= MIN_OBJECTS:
            break
    image = brush.image
    if look.light != "day":
        image = looks.at_night(image, brush, street, look, rng, lamps, windows)
    image = looks.through_the_lens(image, look, rng)
    names = [0] * 256
    for position, number in enumerate(shown, start=1):
        names[number] = position
    return Scene(image, tuple(shown.values()), looks.conditions(look)), np.asarray(brush.numbers.point(names))


def _draw_camera(rng: np.random.Generator, size: tuple[int, int], tilt_degrees: float) -> Camera:
    width, height = size
    focal = width / 2 / math.tan(math.radians(rng.uniform(48, 82)) / 2)
    # The horizon lies a little above the picture or in its upper fifth: street cameras look down on the street.
    horizon = float(rng.uniform(-0.12, 0.2)) * height
    return Camera(
        focal=focal,
        height_m=float(rng.uniform(4.2, 8.5)),
        pitch=math.atan2(height / 2 - horizon, focal),
        roll=math.radians(tilt_degrees),
        centre=(width / 2, height / 2),
    )


def _shadow_base(one: Placed, grow: float, shift: tuple[float, float]) -> list[Point]:
    what = KINDS[one.kind]
    corners = [
        one.frame.at(ahead * what.length_m / 2 * grow, right * what.width_m / 2 * grow, 0.0)
        for ahead, right in ((-1, -1), (-1, 1), (1, 1), (1, -1))
    ]
    return [(x + shift[0], y, z + shift[1]) for x, y, z in corners]


def _paint_shadows(brush: Brush, placed: list[Placed], look: looks.Look) -> None:
    sunny = look.light == "day" and look.weather == "clear"
    x, up, z = brush.air.sun
    for one in placed:
        if sunny:
            reaches = (0.3, 0.7, 1.1) if one.kind != "bus" else (0.5, 1.1, 1.7, 2.3)
            cast = [_shadow_base(one, 0.9, (-x / up * reach, -z / up * reach)) for reach in reaches]
            scenery.cast_shadow(brush, cast, 105)
        contact = 150 if look.light in ("day", "dusk") else 110
        scenery.cast_shadow(brush, [_shadow_base(one, 1.04, (0.0, 0.0))], contact)


def _paint_placed(
    brush: Brush, street: Street, placed: list[Placed], rng: np.random.Generator
) -> tuple[list[tuple[int, Lamp]], list[int]]:
    """Paints objects, trees and poles, the farthest first. Object n of `placed` gets the number n + 1.

    Returns the lamps with the number of their object and, per object, its pixels before anything covered it.
    """
    lamps: list[tuple[int, Lamp]] = []
    painted: list[int] = []
    props = scenery.draw_props(brush, street, rng)
    for index, one in enumerate(placed):
        while props and props[0].depth >= one.depth:
            scenery.paint_prop(brush, street, props.pop(0), rng)
        brush.number = index + 1
        own = np.random.Generator(np.random.PCG64(one.seed))
        lamps += [(brush.number, lamp) for lamp in KINDS[one.kind].paint(brush, one.frame, own)]
        painted.append(_own_pixels(brush, one))
    for prop in props:
        scenery.paint_prop(brush, street, prop, rng)
    return lamps, painted


def _bounds(one: Placed, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A generous box in the picture around everything that the object may have painted."""
    x0, y0, x1, y1 = one.extent
    wide, high = (x1 - x0) * 0.25 + 6, (y1 - y0) * 0.25 + 6
    return (
        max(0, int(x0 - wide)), max(0, int(y0 - high)), min(size[0], int(x1 + wide)), min(size[1], int(y1 + high)),
    )  # fmt: skip


def _own_pixels(brush: Brush, one: Placed) -> int:
    return brush.numbers.crop(_bounds(one, brush.numbers.size)).histogram()[brush.number]


def _visible(numbers: NDArray[np.uint8], placed: list[Placed], painted: list[int]) -> dict[int, Object]:
    """What is annotated, by number: boxes around what is left of each object once everything has been painted."""
    height, width = numbers.shape
    shown: dict[int, Object] = {}
    for number, (one, before) in enumerate(zip(placed, painted, strict=True), start=1):
        left, top, right, bottom = _bounds(one, (width, height))
        mine = numbers[top:bottom, left:right] == number
        seen = int(np.count_nonzero(mine))
        if seen == 0 or seen < MIN_VISIBLE_SHARE * before:
            continue
        rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
        x0, y0 = left + int(columns[0]), top + int(rows[0])
        x1, y1 = left + int(columns[-1]) + 1, top + int(rows[-1]) + 1
        if min(x1 - x0, y1 - y0) >= MIN_SIDE_PX:
            shown[number] = Object(one.kind, (float(x0), float(y0), float(x1), float(y1)))
    return shown
