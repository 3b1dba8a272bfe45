"""Who is in a street scene and where: vehicles on lanes and at the kerb, people on pavements and the crossing.

Guarantees: footprints do not meet; an object lies in the picture with at least `MIN_INSIDE_SHARE` of its outline, is
tall enough to be told from the other classes, and no single nearer object covers most of it. All classes are wanted
equally often. Not aware of: how anything is painted, light and weather.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np

from npubench.build.data import people, vehicles
from npubench.build.data.camera import NEAR_M, Camera, Frame
from npubench.build.data.scenery import LANE_M, Street
from npubench.build.data.solids import Painter

MAX_OBJECTS = 14
MIN_INSIDE_SHARE = 0.6
# More than this of an object's outline is never behind one other object's outline.
MAX_COVERED_SHARE = 0.42
# A single vehicle must not fill the frame.
MAX_AREA_SHARE = 0.28
TRIES = 40


class Kind(msgspec.Struct, frozen=True):
    """A class: its painter, its outline in metres, and how tall it must be in a picture 720 pixels high."""

    paint: Painter
    length_m: float
    width_m: float
    height_m: float
    min_height_px: float


KINDS: dict[str, Kind] = {
    "person": Kind(people.person, 0.7, 0.6, 1.75, 36),
    "car": Kind(vehicles.car, 4.8, 1.9, 1.55, 28),
    "bus": Kind(vehicles.bus, 11.2, 2.5, 3.25, 44),
    "truck": Kind(vehicles.truck, 7.0, 2.2, 2.9, 38),
    "motorcycle": Kind(people.motorcycle, 2.0, 0.8, 1.75, 42),
    "bicycle": Kind(people.bicycle, 1.8, 0.6, 1.85, 42),
}

# Large things first: what comes late finds less room.
_ORDER = ("bus", "truck", "car", "motorcycle", "bicycle", "person")


class Placed(msgspec.Struct, frozen=True):
    """An object that stands on the street. `extent` is its outline x0, y0, x1, y1 in pixels, not clipped."""

    depth: float
    kind: str
    frame: Frame
    seed: int
    extent: tuple[float, float, float, float]


_Spot = tuple[float, float, float]
"""Along the road, aside from its middle, metres; turn, radians."""


def populate(rng: np.random.Generator, street: Street, camera: Camera, size: tuple[int, int]) -> list[Placed]:
    """Up to `MAX_OBJECTS` objects, the farthest first; `size` is the picture's (width, height)."""
    wanted: list[str] = []
    count = int(rng.integers(4, MAX_OBJECTS + 1))
    while len(wanted) < count:
        wanted += [_ORDER[place] for place in rng.permutation(len(_ORDER))]
    placed: list[Placed] = []
    taken: list[tuple[float, float, float, float]] = []
    for kind in sorted(wanted[:count], key=_ORDER.index):
        spot = _SPOTS[kind]
        for _ in range(TRIES):
            along, aside, turn = spot(rng, street)
            room = _footprint(kind, along, aside, turn)
            if any(abs(along - a) < room[2] + b and abs(aside - c) < room[3] + d for a, c, b, d in taken):
                continue
            one = _seen(kind, street.frame(along, aside, turn), camera, size, int(rng.integers(1 << 30)))
            if one is not None and not any(_hides(one, other) for other in placed):
                placed.append(one)
                taken.append(room)
                break
    return sorted(placed, key=lambda one: -one.depth)


def _footprint(kind: str, along: float, aside: float, turn: float) -> tuple[float, float, float, float]:
    """Centre along and aside, half lengths along and aside with some air around."""
    long, wide = KINDS[kind].length_m, KINDS[kind].width_m
    if abs(math.sin(turn)) > 0.7:
        long, wide = wide, long
    return along, aside, long / 2 + 0.25, wide / 2 + 0.08


def _seen(kind: str, frame: Frame, camera: Camera, size: tuple[int, int], seed: int) -> Placed | None:
    """The object there, None where it would be too near, too small, too large or too far out of the picture."""
    what = KINDS[kind]
    depth = camera.view((frame.x, what.height_m / 2, frame.z))[2]
    if depth < NEAR_M + 1 or camera.focal * what.height_m / depth < what.min_height_px * size[1] / 720:
        return None
    corners = [
        camera.view(frame.at(ahead * what.length_m / 2, right * what.width_m / 2, up))
        for ahead in (-1, 1)
        for right in (-1, 1)
        for up in (0.0, what.height_m)
    ]
    if min(corner[2] for corner in corners) < NEAR_M + 1:
        return None
    pixels = [camera.pixel(corner) for corner in corners]
    x0, x1 = min(x for x, _ in pixels), max(x for x, _ in pixels)
    y0, y1 = min(y for _, y in pixels), max(y for _, y in pixels)
    inside = max(0.0, min(x1, size[0]) - max(x0, 0.0)) * max(0.0, min(y1, size[1]) - max(y0, 0.0))
    if inside < MIN_INSIDE_SHARE * (x1 - x0) * (y1 - y0) or inside > MAX_AREA_SHARE * size[0] * size[1]:
        return None
    return Placed(depth, kind, frame, seed, (x0, y0, x1, y1))


def _hides(one: Placed, other: Placed) -> bool:
    """Whether the nearer of two covers too much of the farther."""
    far = one.extent if one.depth > other.depth else other.extent
    x0, y0 = max(one.extent[0], other.extent[0]), max(one.extent[1], other.extent[1])
    x1, y1 = min(one.extent[2], other.extent[2]), min(one.extent[3], other.extent[3])
    shared = max(0.0, x1 - x0) * max(0.0, y1 - y0)
    return shared > MAX_COVERED_SHARE * (far[2] - far[0]) * (far[3] - far[1])


def _side(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def _distance(rng: np.random.Generator, near: float, far: float) -> float:
    """Evenly over the picture rather than over the road: nearness counts."""
    return float(near * (far / near) ** rng.random())


def _driving(rng: np.random.Generator, street: Street) -> _Spot:
    """On a lane, or on the street that crosses. Traffic keeps right: the right half drives away from the camera."""
    if street.crossroad_m is not None and rng.random() < 0.4:
        away = rng.random() < 0.5
        along = street.crossroad_m + (-1 if away else 1) * LANE_M * float(rng.uniform(0.4, 1.4))
        return along, float(rng.uniform(-24, 24)), math.pi / 2 if away else -math.pi / 2
    side = _side(rng)
    aside = side * (LANE_M * (int(rng.integers(street.lanes_each_way)) + 0.5) + 0.1) + float(rng.uniform(-0.25, 0.25))
    return _distance(rng, 6, 75), aside, (0.0 if side > 0 else math.pi) + float(rng.normal(0, 0.04))


def _parked_or_driving(beyond_kerb_m: float) -> Callable[[np.random.Generator, Street], _Spot]:
    def spot(rng: np.random.Generator, street: Street) -> _Spot:
        if rng.random() < 0.75:
            return _driving(rng, street)
        side = _side(rng)
        turn = (0.0 if side > 0 else math.pi) + float(rng.normal(0, 0.06))
        return _distance(rng, 6, 50), side * (street.half_m + beyond_kerb_m), turn

    return spot


def _cycling(rng: np.random.Generator, street: Street) -> _Spot:
    """Along the kerb on either side of it, sometimes across the road."""
    if rng.random() < 0.25:
        along = street.crossing_m + 2.0 if street.crossing_m is not None else _distance(rng, 6, 30)
        return along, float(rng.uniform(-street.half_m, street.half_m)), _side(rng) * math.pi / 2
    aside = _side(rng) * (street.half_m + float(rng.uniform(-1.0, 1.6)))
    return _distance(rng, 4.5, 42), aside, (0.0 if rng.random() < 0.5 else math.pi) + float(rng.normal(0, 0.15))


def _walking(rng: np.random.Generator, street: Street) -> _Spot:
    """On a pavement, or on the crossing where there is one."""
    if street.crossing_m is not None and rng.random() < 0.4:
        along = street.crossing_m + float(rng.uniform(0.3, 3.7))
        return along, float(rng.uniform(-street.half_m, street.half_m)), _side(rng) * math.pi / 2
    aside = _side(rng) * (street.half_m + float(rng.uniform(0.4, street.pavement_m)))
    return _distance(rng, 4, 42), aside, float(rng.choice((0.0, math.pi))) + float(rng.normal(0, 0.4))


_SPOTS: dict[str, Callable[[np.random.Generator, Street], _Spot]] = {
    "bus": _driving,
    "truck": _parked_or_driving(-0.9),
    "car": _parked_or_driving(-0.75),
    "motorcycle": _parked_or_driving(0.7),
    "bicycle": _cycling,
    "person": _walking,
}
