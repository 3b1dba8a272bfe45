"""Street scenes as a fixed CCTV camera sees them, drawn from a seed, with tight boxes of what is visible.

Guarantees: the same seed and size give the same scene with the same Pillow; a box is tight around the pixels of its
object that nothing else covers; every object drawn with at least `MIN_VISIBLE_SHARE` of it visible is annotated. Nobody
and nothing real is in a scene.

Not aware of: files, training, how scenes are letterboxed. Scores on such scenes serve to compare backends and
precisions with each other and say nothing about real footage.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter

from npubench.build.data import scenery, weather
from npubench.build.data.camera import NEAR_M, OCCLUDER, Air, Brush, Camera, Colour, Frame, Point
from npubench.build.data.scenery import LANE_M, Street
from npubench.build.data.traffic import KINDS, Lamp

# The order of the detector's classes (models/cctv-detect).
CLASSES: tuple[str, ...] = ("person", "car", "bus", "truck", "motorcycle", "bicycle")
LIGHTS: tuple[str, ...] = ("day", "dusk", "night", "infrared")
WEATHERS: tuple[str, ...] = ("clear", "rain", "fog")

# An object of which less can be seen is left out, as annotators of street footage do.
MIN_VISIBLE_SHARE = 0.35
MIN_SIDE_PX = 6
MIN_HEIGHT_PX = 12


class Object(msgspec.Struct, frozen=True):
    """A visible object. `box` is x0, y0, x1, y1 in pixels, x1 and y1 exclusive."""

    class_name: str
    box: tuple[int, int, int, int]
    visible_share: float


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What a scene was drawn under."""

    light: Literal["day", "dusk", "night", "infrared"]
    weather: Literal["clear", "rain", "fog"]
    motion_blur: bool
    noise: float
    tilt_degrees: float


class Scene(msgspec.Struct, frozen=True):
    """A drawn frame."""

    image: Image.Image
    objects: tuple[Object, ...]
    conditions: Conditions


class _Placed(msgspec.Struct):
    """Something that stands on the street and is painted in its turn, the farthest first."""

    depth: float
    kind: str
    frame: Frame
    seed: int


class _Painted(msgspec.Struct, frozen=True):
    """What an object showed when it had just been painted: pixels of the finished picture, the share of its extent
    that lies in the picture, and the region (x0, y0, x1, y1) that holds it."""

    pixels: int
    inside: float
    region: tuple[int, int, int, int]


_NOTHING = _Painted(0, 0.0, (0, 0, 0, 0))


def _generator(seed: int, *purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, *purpose))))


def draw_scene(seed: int, size: tuple[int, int] = (1280, 720), *, smooth: bool = True) -> Scene:
    """The scene of this seed, `size` = (width, height) pixels.

    `smooth` paints at twice the size and averages; without it slanted edges have steps, which a training loop that
    scales the scene down anyway does not see, in about half the time. The street is the same either way.
    """
    fine = 2 if smooth else 1
    rng = _generator(seed, 1)
    conditions = _draw_conditions(rng)
    painted = (size[0] * fine, size[1] * fine)
    camera = _draw_camera(rng, painted, conditions.tilt_degrees)
    street = scenery.draw_street(rng)
    dark = conditions.light in ("night", "infrared")
    brush = Brush(camera, _draw_air(rng, conditions), painted)

    top, low = _sky(rng, conditions)
    scenery.paint_sky(brush, top, low)
    scenery.paint_ground(brush, street, rng, conditions.weather == "rain")
    windows = scenery.paint_buildings(brush, street, rng)
    placed = _populate(rng, street, camera, painted, fine)
    _paint_shadows(brush, placed, conditions)
    lamps, painted_pixels = _paint_placed(brush, street, placed, rng, fine)

    numbers = np.asarray(brush.numbers)[fine - 1 :: fine, fine - 1 :: fine]
    objects = _visible(numbers, placed, painted_pixels)
    image = brush.image.reduce(fine)
    if dark or conditions.light == "dusk":
        image = _at_night(image, brush, fine, street, conditions, rng, lamps, windows)
    image = _through_the_lens(image, conditions, rng)
    return Scene(image, objects, conditions)


def _draw_conditions(rng: np.random.Generator) -> Conditions:
    light = LIGHTS[int(rng.choice(4, p=(0.46, 0.16, 0.22, 0.16)))]
    sky = WEATHERS[int(rng.choice(3, p=(0.66, 0.2, 0.14)))]
    noise = {"day": (1.0, 3.0), "dusk": (1.5, 4.5), "night": (2.5, 7.0), "infrared": (3.0, 8.0)}[light]
    return Conditions(
        light=light,  # type: ignore[arg-type]
        weather=sky,  # type: ignore[arg-type]
        motion_blur=bool(rng.random() < 0.18),
        noise=float(rng.uniform(*noise)),
        tilt_degrees=float(rng.uniform(-3, 3)),
    )


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
        centre_x=width / 2,
        centre_y=height / 2,
    )


def _draw_air(rng: np.random.Generator, conditions: Conditions) -> Air:
    colours: dict[str, Colour] = {
        "day": (196, 204, 212), "dusk": (186, 160, 150), "night": (120, 124, 134), "infrared": (110, 110, 110),
    }  # fmt: skip
    range_m = {"clear": 420.0, "rain": 150.0, "fog": float(rng.uniform(28, 55))}[conditions.weather]
    turn, high = float(rng.uniform(0, 2 * math.pi)), float(rng.uniform(0.5, 1.1))
    sun = (math.cos(turn) * math.cos(high), math.sin(high), math.sin(turn) * math.cos(high))
    ambient = 0.62 if conditions.weather == "clear" and conditions.light == "day" else 0.78
    return Air(colour=colours[conditions.light], range_m=range_m, sun=sun, ambient=ambient)


def _sky(rng: np.random.Generator, conditions: Conditions) -> tuple[Colour, Colour]:
    if conditions.weather != "clear":
        return (176, 182, 188), (200, 204, 206)
    if conditions.light == "dusk":
        return (96, 104, 144), (236, 172, 120)
    blue = int(rng.integers(0, 40))
    return (96 + blue, 142 + blue, 196 + blue // 2), (206, 218, 228)


def _populate(
    rng: np.random.Generator, street: Street, camera: Camera, size: tuple[int, int], fine: int
) -> list[_Placed]:
    """Vehicles on their lanes, parked ones at the kerb, people on pavements and crossing: nothing inside another."""
    placed: list[_Placed] = []
    taken: list[tuple[float, float, float, float]] = []

    def put(kind: str, along: float, aside: float, turn: float) -> None:
        _, length, width = KINDS[kind]
        across = abs(math.sin(turn)) > 0.7
        long, wide = (width, length) if across else (length, width)
        if any(
            abs(along - a) < (long + b) / 2 + 0.5 and abs(aside - c) < (wide + d) / 2 + 0.15 for a, c, b, d in taken
        ):
            return
        frame = street.frame(along, aside, turn)
        x, up, depth = camera.view((frame.x, 0.9, frame.z))
        # Long things need room before the camera, small ones must be tall enough to be recognised.
        if depth < NEAR_M + length * 0.75 + 1.5 or camera.focal * 1.5 / depth < MIN_HEIGHT_PX * fine:
            return
        u, v = camera.pixel((x, up, depth))
        if not (-0.05 < u / (size[0]) < 1.05 and -0.05 < v / (size[1]) < 1.08):
            return
        taken.append((along, aside, long, wide))
        placed.append(_Placed(depth, kind, frame, int(rng.integers(1 << 30))))

    def distance(near: float = 5.0, far: float = 75.0) -> float:
        """Evenly over the picture rather than over the road: nearness counts."""
        return float(near * (far / near) ** rng.random())

    half = street.half_m
    busy = float(rng.uniform(0.35, 1.25))
    for _ in range(int(14 * busy)):
        kind = ("car", "car", "car", "bus", "truck", "motorcycle", "truck")[int(rng.integers(7))]
        side = 1 if rng.random() < 0.5 else -1
        lane = int(rng.integers(street.lanes_each_way))
        aside = side * (LANE_M * (lane + 0.5) + 0.1) + float(rng.uniform(-0.25, 0.25))
        # Traffic keeps right: the right half drives away from the camera, the left half towards it.
        put(kind, distance(), aside, (0.0 if side > 0 else math.pi) + float(rng.normal(0, 0.03)))
    if street.crossroad_m is not None:
        for _ in range(int(rng.integers(1, 6))):
            kind = ("car", "car", "bus", "truck", "motorcycle", "bicycle")[int(rng.integers(6))]
            away = rng.random() < 0.5
            along = street.crossroad_m + (-1 if away else 1) * LANE_M * float(rng.uniform(0.4, 1.4))
            put(kind, along, float(rng.uniform(-26, 26)), math.pi / 2 if away else -math.pi / 2)
    if rng.random() < 0.45:
        side = 1 if rng.random() < 0.5 else -1
        for _ in range(int(rng.integers(1, 5))):
            kind = ("car", "car", "truck", "motorcycle")[int(rng.integers(4))]
            aside = side * (half + (0.7 if kind == "motorcycle" else -0.75))
            put(kind, distance(6, 50), aside, (0.0 if side > 0 else math.pi) + float(rng.normal(0, 0.05)))
    for _ in range(int(rng.integers(1, 6))):
        side = 1 if rng.random() < 0.5 else -1
        aside = side * (half + float(rng.uniform(-1.0, 1.6)))
        put("bicycle", distance(4.5, 42), aside, (0.0 if rng.random() < 0.5 else math.pi) + float(rng.normal(0, 0.12)))
    for _ in range(int(rng.integers(3, 15))):
        side = 1 if rng.random() < 0.5 else -1
        aside = side * (half + float(rng.uniform(0.4, street.pavement_m)))
        along = distance(4, 40)
        put("person", along, aside, float(rng.choice((0.0, math.pi))) + float(rng.normal(0, 0.4)))
        if rng.random() < 0.35:
            put(
                "person",
                along + float(rng.uniform(-0.3, 0.3)),
                aside + side * 0.75,
                0.0 if rng.random() < 0.5 else math.pi,
            )
    if street.crossing_m is not None and rng.random() < 0.75:
        for _ in range(int(rng.integers(1, 6))):
            turn = math.pi / 2 if rng.random() < 0.5 else -math.pi / 2
            put("person", street.crossing_m + float(rng.uniform(0.3, 3.7)), float(rng.uniform(-half, half)), turn)
    placed.sort(key=lambda one: -one.depth)
    # Numbers up to OCCLUDER - 1 tell objects apart.
    return placed[-(OCCLUDER - 1) :]


def _footprint(one: _Placed, grow: float, shift: tuple[float, float]) -> list[Point]:
    _, length, width = KINDS[one.kind]
    corners = [
        one.frame.at(ahead * length / 2 * grow, right * width / 2 * grow, 0.0)
        for ahead, right in ((-1, -1), (-1, 1), (1, 1), (1, -1))
    ]
    return [(x + shift[0], y, z + shift[1]) for x, y, z in corners]


def _paint_shadows(brush: Brush, placed: list[_Placed], conditions: Conditions) -> None:
    sunny = conditions.light == "day" and conditions.weather == "clear"
    x, up, z = brush.air.sun
    for one in placed:
        if sunny:
            reaches = (0.3, 0.7, 1.1) if one.kind != "bus" else (0.5, 1.1, 1.7, 2.3)
            scenery.cast_shadow(
                brush, [_footprint(one, 0.9, (-x / up * reach, -z / up * reach)) for reach in reaches], 105
            )
        scenery.cast_shadow(
            brush, [_footprint(one, 1.04, (0.0, 0.0))], 150 if conditions.light in ("day", "dusk") else 110
        )


def _paint_placed(
    brush: Brush, street: Street, placed: list[_Placed], rng: np.random.Generator, fine: int
) -> tuple[list[tuple[int, Lamp]], list[_Painted]]:
    """Paints objects, trees and poles, the farthest first. Returns lamps with the number of their object, and
    per object what it would show if nothing were before it."""
    numbered = {index: index + 1 for index in range(len(placed))}
    lamps: list[tuple[int, Lamp]] = []
    painted = [_NOTHING] * len(placed)
    turns: list[tuple[float, int]] = [(one.depth, index) for index, one in enumerate(placed)]
    props: list[tuple[float, tuple[str, float, int]]] = []
    first = float(rng.uniform(6, 16))
    for index in range(5):
        for side in (-1, 1):
            along = first + index * 17.0
            if street.crossroad_m is not None and abs(along - street.crossroad_m) < street.crossroad_half_m + 3:
                continue
            what = "tree" if rng.random() < 0.55 else "pole" if rng.random() < 0.5 else ""
            if what:
                props.append((brush.camera.view(street.world(along, side * street.half_m))[2], (what, along, side)))
    order = sorted(
        [(depth, 0, index) for depth, index in turns] + [(depth, 1, index) for index, (depth, _) in enumerate(props)],
        reverse=True,
    )
    for depth, is_prop, index in order:
        if is_prop:
            what, along, side = props[index][1]
            if depth < (15 if what == "tree" else 7):
                continue
            if what == "tree":
                scenery.tree(brush, street.world(along, side * (street.half_m + 0.9)), rng)
            else:
                scenery.pole(brush, street, along, side)
            continue
        one = placed[index]
        brush.number = numbered[index]
        painter = KINDS[one.kind][0]
        lamps += [(brush.number, lamp) for lamp in painter(brush, one.frame, _generator(one.seed, 2))]
        painted[index] = _own_pixels(brush, one, fine)
    return lamps, painted


def _extent(brush: Brush, one: _Placed) -> tuple[float, float, float, float]:
    """A generous box around everything that the object may have painted, pixels of the painted picture."""
    _, length, width = KINDS[one.kind]
    high = {"bus": 3.5, "truck": 3.7}.get(one.kind, 2.1)
    xs, ys = [], []
    for ahead in (-1, 1):
        for right in (-1, 1):
            for up in (0.0, high):
                pixel = brush.camera.project(one.frame.at(ahead * (length / 2 + 0.8), right * (width / 2 + 0.5), up))
                if pixel is not None:
                    xs.append(pixel[0])
                    ys.append(pixel[1])
    return min(xs) - 4, min(ys) - 4, max(xs) + 4, max(ys) + 4


def _own_pixels(brush: Brush, one: _Placed, fine: int) -> _Painted:
    width, height = brush.numbers.size
    x0, y0, x1, y1 = _extent(brush, one)
    left, top, right, bottom = max(0, int(x0)), max(0, int(y0)), min(width, int(x1)), min(height, int(y1))
    if right <= left or bottom <= top:
        return _NOTHING
    inside = (right - left) * (bottom - top) / max(1.0, (x1 - x0) * (y1 - y0))
    left, top = left - left % fine, top - top % fine
    # Of each `fine` × `fine` block the pixel that the finished map keeps.
    part = np.asarray(brush.numbers.crop((left, top, right, bottom)))[fine - 1 :: fine, fine - 1 :: fine]
    region = (left // fine, top // fine, -(-right // fine), -(-bottom // fine))
    return _Painted(int(np.count_nonzero(part == brush.number)), min(1.0, inside), region)


def _visible(numbers: npt.NDArray[np.uint8], placed: list[_Placed], painted: list[_Painted]) -> tuple[Object, ...]:
    """Boxes around what is left of each object once everything before it has been painted."""
    objects = []
    for index, (one, before) in enumerate(zip(placed, painted, strict=True)):
        if before.pixels == 0:
            continue
        left, top, right, bottom = before.region
        left_over = numbers[top:bottom, left:right] == index + 1
        rows, columns = np.flatnonzero(left_over.any(axis=1)), np.flatnonzero(left_over.any(axis=0))
        if not rows.size:
            continue
        share = int(np.count_nonzero(left_over)) / before.pixels * before.inside
        box = (left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1)
        large_enough = box[3] - box[1] >= MIN_HEIGHT_PX and box[2] - box[0] >= MIN_SIDE_PX
        if share >= MIN_VISIBLE_SHARE and large_enough:
            objects.append(Object(one.kind, box, round(min(1.0, share), 3)))
    return tuple(objects)


def _at_night(
    image: Image.Image, brush: Brush, fine: int, street: Street, conditions: Conditions, rng: np.random.Generator,
    lamps: list[tuple[int, Lamp]], windows: list[scenery.Window],
) -> Image.Image:  # fmt: skip
    """Darkens the painted day, then adds street lamps, headlamps, lit windows."""
    size = image.size
    dusk, infrared = conditions.light == "dusk", conditions.light == "infrared"
    if infrared:
        image = image.convert("L").convert("RGB")
        image = ImageChops.multiply(image, weather.infrared_map(size, rng))
    else:
        warm: Colour = ((120, 92, 56), (112, 108, 96), (96, 106, 116))[int(rng.integers(3))]
        pools = [
            (street.world(10 + 17.0 * place, side * (street.half_m - 1.5)), float(rng.uniform(6.5, 9.5)), warm)
            for place in range(-1, 5)
            for side in (-1, 1)
            if not dusk and rng.random() < 0.8
        ]
        level = float(rng.uniform(120, 165)) if dusk else float(rng.uniform(56, 92))
        ambient: Colour = (
            (int(level * 1.06), int(level * 0.93), int(level * 0.92))
            if dusk
            else (int(level * 0.86), int(level * 0.9), int(level))
        )
        image = ImageChops.multiply(image, weather.light_map(brush, size, ambient, pools, [lamp for _, lamp in lamps]))
    glows = _glows(brush, fine, lamps, weak=dusk)
    if infrared:
        glows = [
            weather.Glow(one.x, one.y, one.radius * 0.8, (max(one.colour),) * 3) for one in glows if one.colour[1] > 100
        ]
        windows = []
    elif dusk:
        windows = windows[::3]
    return weather.add_glows(image, brush, glows, windows)


def _glows(brush: Brush, fine: int, lamps: list[tuple[int, Lamp]], weak: bool) -> list[weather.Glow]:
    """Lamps that are in the picture, turned to the camera and not hidden by another object."""
    glows = []
    width, height = brush.numbers.size
    for number, lamp in lamps:
        pixel = brush.camera.project(lamp.place)
        if pixel is None or not (0 <= pixel[0] < width and 0 <= pixel[1] < height):
            continue
        if brush.numbers.getpixel((int(pixel[0]), int(pixel[1]))) not in (number, 0):
            continue
        depth = brush.camera.view(lamp.place)[2]
        if lamp.ahead is not None and brush.camera.view(lamp.ahead)[2] > depth:
            continue
        radius = min(26.0, max(1.5, lamp.radius_m * brush.camera.focal / depth / fine * (0.7 if weak else 1.1)))
        glows.append(weather.Glow(pixel[0] / fine, pixel[1] / fine, radius, lamp.colour))
    return glows


def _through_the_lens(image: Image.Image, conditions: Conditions, rng: np.random.Generator) -> Image.Image:
    if conditions.weather == "rain":
        image = weather.add_rain(image, rng)
    if conditions.motion_blur:
        image = image.filter(ImageFilter.BoxBlur((float(rng.uniform(1.0, 3.0)), float(rng.uniform(0.0, 0.8)))))
    elif rng.random() < 0.35:
        image = image.filter(ImageFilter.BoxBlur(float(rng.uniform(0.3, 0.8))))
    image = weather.add_dome(image, rng)
    grey = conditions.light == "infrared"
    gains = (1.0, 1.0, 1.0) if grey else tuple(float(gain) for gain in rng.uniform(0.94, 1.06, 3))
    lift = 22.0 if conditions.weather == "fog" else float(rng.uniform(0, 10))
    image = weather.graded(image, gains, lift, float(rng.uniform(0.88, 1.14)))  # type: ignore[arg-type]
    image = weather.add_noise(image, conditions.noise, rng, grey=grey)
    if rng.random() < 0.8:
        weather.stamp_time(
            image, _clock(conditions, rng), f"CAM {int(rng.integers(1, 100)):02d}", bool(rng.random() < 0.3)
        )
    return image


def _clock(conditions: Conditions, rng: np.random.Generator) -> str:
    hour = {"day": rng.integers(8, 17), "dusk": rng.integers(17, 20)}.get(conditions.light, rng.integers(20, 24))
    date = f"{int(rng.integers(2024, 2027))}-{int(rng.integers(1, 13)):02d}-{int(rng.integers(1, 29)):02d}"
    return f"{date} {int(hour):02d}:{int(rng.integers(60)):02d}:{int(rng.integers(60)):02d}"
