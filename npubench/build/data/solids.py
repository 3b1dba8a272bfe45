"""The small solids that people and vehicles are made of: boxes with decals, wheels, circles; colours; lamps.

Sizes are in metres. Not aware of: classes, the street, what hides what.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from npubench.build.data.camera import Brush, Colour, Frame, Point

PAINTS: tuple[Colour, ...] = (
    (236, 236, 234), (226, 227, 229), (176, 180, 184), (120, 124, 130), (62, 64, 70), (34, 35, 40), (30, 50, 92),
    (46, 92, 150), (150, 28, 34), (108, 20, 26), (206, 188, 152), (60, 86, 66), (222, 126, 34), (230, 196, 60),
)  # fmt: skip
CLOTHES: tuple[Colour, ...] = (
    (28, 30, 36), (52, 56, 66), (96, 100, 108), (206, 204, 198), (238, 238, 236), (40, 58, 100), (94, 128, 176),
    (150, 40, 44), (196, 86, 60), (70, 98, 70), (150, 130, 96), (224, 196, 90), (196, 130, 156), (104, 76, 122),
)  # fmt: skip
TROUSERS: tuple[Colour, ...] = ((30, 32, 38), (44, 54, 82), (70, 84, 116), (96, 92, 86), (150, 140, 122), (58, 58, 60))
SKINS: tuple[Colour, ...] = ((232, 192, 164), (222, 178, 148), (204, 158, 126), (150, 106, 80))
HAIR: tuple[Colour, ...] = ((24, 20, 20), (40, 30, 26), (70, 50, 40), (130, 126, 124))
GLASS: Colour = (44, 54, 64)
RUBBER: Colour = (26, 26, 28)
STEEL: Colour = (170, 172, 176)
WHITE_LAMP: Colour = (255, 244, 214)
RED_LAMP: Colour = (255, 40, 30)


class Lamp(msgspec.Struct, frozen=True):
    """A lamp on an object. It shines towards `ahead`; a `beam` lights the ground up to there."""

    place: Point
    colour: Colour
    radius_m: float
    ahead: Point
    beam: bool = False


Painter = Callable[[Brush, Frame, np.random.Generator], list[Lamp]]


def pick(rng: np.random.Generator, choices: Sequence[Colour]) -> Colour:
    return choices[int(rng.integers(len(choices)))]


def mixed(colour: Colour, factor: float) -> Colour:
    return tuple(min(255, int(part * factor)) for part in colour)  # type: ignore[return-value]


def circle(frame: Frame, ahead: float, right: float, up: float, radius: float, corners: int = 12) -> list[Point]:
    return [
        frame.at(ahead + radius * math.cos(turn), right, up + radius * math.sin(turn))
        for turn in (2 * math.pi * corner / corners for corner in range(corners))
    ]


Corner = tuple[float, float, float]


def box_solid(
    brush: Brush, frame: Frame, back: float, front: float, half: float, low: float, high: float, paint: Colour,
    decals: dict[str, list[tuple[list[tuple[float, float]], Colour]]] | None = None, taper: float = 0.0,
) -> None:  # fmt: skip
    """A box with the faces that the camera sees. Decals are polygons in face coordinates (0..1, 0..1 from below)."""
    top = half - taper
    names = {
        "front": ((front, -half, low), (front, half, low), (front, top, high), (front, -top, high)),
        "back": ((back, half, low), (back, -half, low), (back, -top, high), (back, top, high)),
        "left": ((back, -half, low), (front, -half, low), (front, -top, high), (back, -top, high)),
        "right": ((front, half, low), (back, half, low), (back, top, high), (front, top, high)),
        "top": ((front, -top, high), (front, top, high), (back, top, high), (back, -top, high)),
    }
    for name, corners in names.items():
        face(brush, frame, corners, paint, (decals or {}).get(name, []))


def face(
    brush: Brush, frame: Frame, corners: Sequence[Corner], paint: Colour,
    decals: Sequence[tuple[list[tuple[float, float]], Colour]] = (),
) -> bool:  # fmt: skip
    """One face if it is seen. Corners: low first, low second, high second, high first, as seen from outside."""
    placed = [frame.at(*corner) for corner in corners]
    # The corners run against the clock as a picture's rows run downwards, hence the reversal.
    if not brush.facing(placed):
        return False
    brush.flat(placed, paint)
    first, second, third, fourth = placed
    for polygon, colour in decals:
        spots = []
        for across, up in polygon:
            low = [a + across * (b - a) for a, b in zip(first, second, strict=True)]
            high = [a + across * (b - a) for a, b in zip(fourth, third, strict=True)]
            spots.append(tuple(a + up * (b - a) for a, b in zip(low, high, strict=True)))
        brush.flat(spots, colour)  # type: ignore[arg-type]
    return True


def rect(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def wheels(brush: Brush, frame: Frame, half: float, places: Sequence[float], radius: float) -> None:
    """The wheels of the side that is seen."""
    for side in (-1, 1):
        corners = [(-1.0, half * side, 0.2), (1.0, half * side, 0.2), (1.0, half * side, 1.0), (-1.0, half * side, 1.0)]
        placed = [
            frame.at(*corner) for corner in (corners if side < 0 else [corners[1], corners[0], corners[3], corners[2]])
        ]
        if not brush.facing(placed):
            continue
        for ahead in places:
            brush.flat(circle(frame, ahead, half * side * 0.985, radius * 1.02, radius * 1.14), (22, 22, 24), 0.8)
            brush.flat(circle(frame, ahead, half * side * 1.005, radius, radius), RUBBER, 1.0)
            brush.flat(circle(frame, ahead, half * side * 1.01, radius, radius * 0.62), (150, 152, 156), 0.95)
            if brush.camera.view(frame.at(ahead, half * side, radius))[2] < 20:
                brush.flat(circle(frame, ahead, half * side * 1.012, radius, radius * 0.22), (84, 86, 90), 0.95)


def road_lamps(frame: Frame, front: float, back: float, right: float, up: float, reach: float) -> list[Lamp]:
    lamps = []
    for side in (-1, 1):
        ahead = frame.at(front + reach, side * right * 1.6, 0)
        lamps.append(Lamp(frame.at(front + 0.04, side * right, up), WHITE_LAMP, 0.16, ahead, True))
        behind = frame.at(back - 1.0, side * right, up)
        lamps.append(Lamp(frame.at(back - 0.04, side * right, up + 0.08), RED_LAMP, 0.1, behind))
    return lamps
