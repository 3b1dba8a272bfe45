"""People and vehicles as small solids, painted through a camera.

One function per class, all with the same signature: brush, frame (where it stands, which way it heads), generator.
Each returns its lamps, which a night scene lights. Sizes are those of common Korean vehicles, in metres. Plates carry
no characters and faces no features: nobody and nothing real is in a scene.

Not aware of: the street, the weather, what hides what.
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
    """A lamp on an object. `ahead` is a point on the ground that it lights, for headlamps."""

    place: Point
    colour: Colour
    radius_m: float
    ahead: Point | None = None


Painter = Callable[[Brush, Frame, np.random.Generator], list[Lamp]]


def _pick(rng: np.random.Generator, choices: Sequence[Colour]) -> Colour:
    return choices[int(rng.integers(len(choices)))]


def _mixed(colour: Colour, factor: float) -> Colour:
    return tuple(min(255, int(part * factor)) for part in colour)  # type: ignore[return-value]


def person(brush: Brush, frame: Frame, rng: np.random.Generator) -> list[Lamp]:
    """Somebody walking or standing, 1.2 to 1.86 m tall."""
    size = rng.uniform(1.2, 1.45) / 1.75 if rng.random() < 0.12 else rng.uniform(1.52, 1.86) / 1.75
    stride = rng.uniform(0.05, 0.42) * (1 if rng.random() < 0.5 else -1)
    coat, trousers, skin, hair = _pick(rng, CLOTHES), _pick(rng, TROUSERS), _pick(rng, SKINS), _pick(rng, HAIR)
    skirt, long_hair, bag = rng.random() < 0.2, rng.random() < 0.4, rng.random()
    wide = rng.uniform(0.92, 1.14)

    def at(ahead: float, right: float, up: float) -> Point:
        return frame.at(ahead * size, right * size, up * size)

    parts: list[tuple[Point, Callable[[], None]]] = []

    def limb(points: Sequence[tuple[float, float, float]], radius: float, colour: Colour, light: float = 1.0) -> None:
        placed = [at(*point) for point in points]
        parts.append((placed[len(placed) // 2], lambda: brush.stroke(placed, radius * size, colour, light)))

    for side, swing in ((-1, stride), (1, -stride)):
        light = 0.82 if side < 0 else 0.95
        bend = 0.1 if swing < 0 else 0.02
        leg = [(0.0, 0.09 * side, 0.86), (swing * 0.5 + bend, 0.09 * side, 0.46), (swing, 0.09 * side, 0.08)]
        limb(leg, 0.074, skin if skirt else trousers, light)
        limb([(swing - 0.03, 0.09 * side, 0.04), (swing + 0.14, 0.09 * side, 0.04)], 0.05, (38, 34, 34), light)
        arm = [(0.0, 0.21 * side * wide, 1.38), (-swing * 0.4 - 0.03, 0.25 * side * wide, 1.12)]
        limb(arm, 0.056, coat, light)
        limb([arm[1], (-swing * 0.6 + 0.08, 0.23 * side * wide, 0.9)], 0.048, coat, light)
        limb([(-swing * 0.6 + 0.08, 0.23 * side * wide, 0.87)] * 2, 0.045, skin, light)
    body = [at(0.0, offset * wide, up) for offset, up in ((-0.17, 1.42), (0.17, 1.42), (0.15, 0.86), (-0.15, 0.86))]
    middle = at(0.0, 0.0, 1.12)

    def torso() -> None:
        brush.stroke([at(0, 0, 0.94), at(0.02, 0, 1.36)], 0.145 * size * wide, coat, 0.98)
        brush.flat(body, coat, 0.98)
        brush.stroke([at(0, -0.13 * wide, 1.39), at(0, 0.13 * wide, 1.39)], 0.075 * size, coat, 1.04)
        if skirt:
            brush.stroke([at(0, 0, 0.92), at(0, 0, 0.66)], 0.18 * size, trousers, 0.92)
        brush.stroke([at(0.02, 0, 1.46), at(0.03, 0, 1.52)], 0.055 * size, skin, 0.85)

    parts.append((middle, torso))
    if bag < 0.3:
        parts.append(
            (
                at(-0.2, 0, 1.2),
                lambda: brush.stroke(
                    [at(-0.2, 0, 1.05), at(-0.2, 0, 1.34)],
                    0.13 * size,
                    _mixed(trousers, 1.3) if bag < 0.15 else (96, 42, 40),
                ),
            )
        )
    elif bag < 0.45:
        limb([(0.05, 0.3, 0.82), (0.05, 0.3, 0.62)], 0.09, (110, 74, 50))
    parts.sort(key=lambda part: -brush.camera.view(part[0])[2])
    for _, paint in parts:
        paint()
    # The head is seen from above by every street camera, so it comes last; which side is hair follows the heading.
    face, crown = at(0.045, 0, 1.62), at(-0.03, 0, 1.665)
    if long_hair:
        brush.stroke([at(-0.06, 0, 1.64), at(-0.08, 0, 1.44)], 0.095 * size, hair)
    heads = [
        (face, lambda: brush.ball(face, 0.098 * size, skin, 1.0, 1.22)),
        (crown, lambda: brush.ball(crown, 0.112 * size, hair, 1.0, 0.98)),
    ]
    for _, paint in sorted(heads, key=lambda part: -brush.camera.view(part[0])[2]):
        paint()
    return []


def _rider(
    brush: Brush, frame: Frame, seat: tuple[float, float], hands: tuple[float, float], feet: tuple[float, float],
    coat: Colour, trousers: Colour, head: Colour, visor: bool, skin: Colour, pedal: float,
) -> None:  # fmt: skip
    """A seated figure; `seat`, `hands`, `feet` are (ahead, up) in metres."""
    at = frame.at
    shoulder = (seat[0] + (0.30 if not visor else 0.16), seat[1] + 0.52)
    order = (-1, 1) if brush.camera.view(at(0, -1, 1))[2] > brush.camera.view(at(0, 1, 1))[2] else (1, -1)
    for side in order:
        lift = pedal * side
        knee = ((seat[0] + feet[0]) / 2 + 0.2, (seat[1] + feet[1]) / 2 + 0.12 + lift)
        foot = (feet[0], feet[1] + lift)
        light = 0.8 if side == order[0] else 1.0

        def legs(
            side: int = side, knee: tuple[float, float] = knee, foot: tuple[float, float] = foot, light: float = light
        ) -> None:
            brush.stroke(
                [at(seat[0], 0.1 * side, seat[1]), at(knee[0], 0.15 * side, knee[1]),
                 at(foot[0], 0.13 * side, foot[1])],
                0.075, trousers, light,
            )  # fmt: skip
            brush.stroke(
                [at(foot[0] - 0.04, 0.13 * side, foot[1]), at(foot[0] + 0.13, 0.13 * side, foot[1])],
                0.045,
                (34, 32, 34),
            )

        def arms(side: int = side, light: float = light) -> None:
            elbow = ((shoulder[0] + hands[0]) / 2, (shoulder[1] + hands[1]) / 2 - 0.06)
            brush.stroke(
                [at(shoulder[0], 0.19 * side, shoulder[1] - 0.04), at(elbow[0], 0.27 * side, elbow[1]),
                 at(hands[0], 0.24 * side, hands[1])],
                0.055, coat, light,
            )  # fmt: skip

        legs()
        arms()
        if side == order[0]:
            brush.stroke(
                [at(seat[0], 0, seat[1] + 0.06), at(shoulder[0] - 0.03, 0, shoulder[1] - 0.06)], 0.165, coat, 0.96
            )
            brush.stroke(
                [at(shoulder[0], -0.14, shoulder[1] - 0.05), at(shoulder[0], 0.14, shoulder[1] - 0.05)],
                0.08,
                coat,
                1.04,
            )
    top = (shoulder[0] + 0.08, shoulder[1] + 0.2)
    brush.ball(at(top[0] + 0.05, 0, top[1] - 0.03), 0.1, skin, 0.95, 1.15)
    brush.ball(at(top[0] - 0.01, 0, top[1] + 0.035), 0.14 if visor else 0.118, head, 1.05, 1.0)
    if visor:
        brush.stroke(
            [at(top[0] + 0.125, -0.07, top[1] + 0.0), at(top[0] + 0.125, 0.07, top[1] + 0.0)], 0.045, (30, 34, 40)
        ) if (brush.camera.view(at(1, 0, 1))[2] < brush.camera.view(at(0, 0, 1))[2]) else None


def _circle(frame: Frame, ahead: float, right: float, up: float, radius: float, corners: int = 16) -> list[Point]:
    return [
        frame.at(ahead + radius * math.cos(turn), right, up + radius * math.sin(turn))
        for turn in (2 * math.pi * corner / corners for corner in range(corners))
    ]


def bicycle(brush: Brush, frame: Frame, rng: np.random.Generator) -> list[Lamp]:
    """A bicycle and the one who rides it."""
    paint, at = _pick(rng, PAINTS[4:]), frame.at
    for ahead in (0.52, -0.52):
        ring = _circle(frame, ahead, 0, 0.34, 0.32, 20)
        brush.stroke([*ring, ring[0], ring[1]], 0.024, RUBBER)
        for spoke in range(0, 20, 5):
            brush.stroke([ring[spoke], ring[(spoke + 10) % 20]], 0.006, (130, 132, 136))
    crank, seat, stem = (-0.06, 0.32), (-0.2, 0.86), (0.38, 0.88)
    for first, second in ((crank, seat), (crank, stem), ((-0.17, 0.74), (0.36, 0.8)), (crank, (-0.52, 0.34)),
                          ((-0.17, 0.74), (-0.52, 0.34)), (stem, (0.52, 0.34))):  # fmt: skip
        brush.stroke([at(first[0], 0, first[1]), at(second[0], 0, second[1])], 0.024, paint)
    brush.stroke([at(0.38, 0, 0.88), at(0.36, 0, 1.0)], 0.02, STEEL)
    brush.stroke([at(0.34, -0.27, 1.0), at(0.38, 0, 1.0), at(0.34, 0.27, 1.0)], 0.02, (40, 40, 42))
    brush.stroke([at(-0.3, 0, 0.92), at(-0.1, 0, 0.92)], 0.055, (30, 28, 28))
    if rng.random() < 0.3:
        brush.flat(
            [at(0.5, -0.16, 0.95), at(0.5, 0.16, 0.95), at(0.5, 0.16, 0.72), at(0.5, -0.16, 0.72)], (150, 140, 120)
        )
    helmet = _pick(rng, PAINTS) if rng.random() < 0.5 else _pick(rng, HAIR)
    _rider(brush, frame, (-0.2, 0.95), (0.34, 1.02), (0.0, 0.3), _pick(rng, CLOTHES), _pick(rng, TROUSERS), helmet,
           False, _pick(rng, SKINS), rng.uniform(-0.14, 0.14))  # fmt: skip
    return [Lamp(at(0.42, 0, 0.95), WHITE_LAMP, 0.05, at(4.5, 0, 0))]


def motorcycle(brush: Brush, frame: Frame, rng: np.random.Generator) -> list[Lamp]:
    """A scooter or motorcycle and its rider, often with a delivery box."""
    paint, at = _pick(rng, PAINTS), frame.at
    for ahead in (0.64, -0.58):
        rim = _circle(frame, ahead, 0, 0.3, 0.23, 18)
        brush.stroke([*rim, rim[0], rim[1]], 0.075, RUBBER)
        brush.flat(_circle(frame, ahead, 0, 0.3, 0.16, 12), (110, 112, 116), 1.0)
        brush.ball(at(ahead, 0, 0.3), 0.05, (60, 60, 62))
    brush.stroke([at(0.64, 0, 0.3), at(0.5, 0, 0.72), at(0.42, 0, 1.0)], 0.05, (70, 72, 76))
    brush.stroke([at(-0.3, 0, 0.44), at(0.22, 0, 0.42)], 0.16, (58, 58, 62))
    brush.stroke([at(-0.62, 0, 0.68), at(-0.2, 0, 0.62), at(0.1, 0, 0.66)], 0.14, paint)
    brush.stroke([at(0.08, 0, 0.74), at(0.34, 0, 0.78)], 0.15, paint, 1.08)
    brush.stroke([at(0.5, 0, 0.78), at(0.56, 0, 0.6)], 0.12, paint, 0.95)
    brush.stroke([at(-0.5, 0.14, 0.36), at(-0.1, 0.14, 0.34)], 0.05, STEEL, 0.8)
    brush.stroke([at(-0.56, 0, 0.79), at(-0.08, 0, 0.79)], 0.085, (28, 26, 28))
    brush.stroke([at(0.36, -0.34, 1.04), at(0.42, 0, 1.0), at(0.36, 0.34, 1.04)], 0.03, (40, 40, 42))
    for side in (-1, 1):
        brush.ball(at(0.38, 0.36 * side, 1.18), 0.05, (50, 52, 56))
    riding_away = brush.camera.view(at(1, 0, 1))[2] > brush.camera.view(at(0, 0, 1))[2]
    has_box = rng.random() < 0.5
    box_paint, coat, trousers = _pick(rng, PAINTS), _pick(rng, CLOTHES), _pick(rng, TROUSERS)
    helmet, skin = _pick(rng, PAINTS), _pick(rng, SKINS)

    def luggage() -> None:
        if has_box:
            _box(brush, frame, -0.95, -0.5, 0.25, 0.84, 1.3, box_paint)

    if not riding_away:
        luggage()
    brush.ball(at(0.62, 0, 0.88), 0.09, (240, 240, 232))
    _rider(brush, frame, (-0.24, 0.86), (0.36, 1.06), (0.12, 0.36), coat, trousers, helmet, True, skin, 0.0)
    if riding_away:
        luggage()
        brush.ball(at(-0.8, 0, 0.7), 0.06, (170, 24, 22))
    return [Lamp(at(0.7, 0, 0.88), WHITE_LAMP, 0.1, at(8, 0, 0)), Lamp(at(-0.97, 0, 0.7), RED_LAMP, 0.06)]


_Corner = tuple[float, float, float]


def _box(
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
        _face(brush, frame, corners, paint, (decals or {}).get(name, []))


def _face(
    brush: Brush, frame: Frame, corners: Sequence[_Corner], paint: Colour,
    decals: Sequence[tuple[list[tuple[float, float]], Colour]] = (),
) -> bool:  # fmt: skip
    """One face if it is seen. Corners run clockwise as seen from outside, from low to high."""
    placed = [frame.at(*corner) for corner in corners]
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


def _rect(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _wheels(brush: Brush, frame: Frame, half: float, places: Sequence[float], radius: float) -> None:
    """The wheels of the side that is seen."""
    for side in (-1, 1):
        corners = [(-1.0, half * side, 0.2), (1.0, half * side, 0.2), (1.0, half * side, 1.0), (-1.0, half * side, 1.0)]
        placed = [
            frame.at(*corner) for corner in (corners if side < 0 else [corners[1], corners[0], corners[3], corners[2]])
        ]
        if not brush.facing(placed):
            continue
        for ahead in places:
            brush.flat(_circle(frame, ahead, half * side * 0.985, radius * 1.02, radius * 1.14), (22, 22, 24), 0.8)
            brush.flat(_circle(frame, ahead, half * side * 1.005, radius, radius), RUBBER, 1.0)
            brush.flat(_circle(frame, ahead, half * side * 1.01, radius, radius * 0.62), (150, 152, 156), 0.95)
            brush.flat(_circle(frame, ahead, half * side * 1.012, radius, radius * 0.22), (84, 86, 90), 0.95)


def car(brush: Brush, frame: Frame, rng: np.random.Generator) -> list[Lamp]:
    """A saloon, hatchback, estate-like SUV or small van."""
    kind = ("saloon", "saloon", "hatch", "suv", "suv", "van")[int(rng.integers(6))]
    paint = _pick(rng, PAINTS)
    taxi = kind == "saloon" and rng.random() < 0.15
    if taxi:
        paint = ((226, 150, 40), (232, 232, 230), (80, 130, 180))[int(rng.integers(3))]
    length, half, roof, hood = {
        "saloon": (4.75, 0.92, 1.46, 0.92),
        "hatch": (3.75, 0.82, 1.5, 0.95),
        "suv": (4.6, 0.95, 1.7, 1.06),
        "van": (5.1, 0.98, 1.98, 1.12),
    }[kind]
    back, front, low = -length / 2, length / 2, 0.24
    # The profile of the glasshouse: rear window foot, rear roof, front roof, windscreen foot, from the back forward.
    shoulders = {
        "saloon": (back + 0.75, back + 1.35, 0.42, 1.12),
        "hatch": (back + 0.08, back + 0.5, 0.35, 0.98),
        "suv": (back + 0.08, back + 0.38, 0.55, 1.15),
        "van": (back + 0.04, back + 0.2, 1.2, 1.75),
    }[kind]
    foot_back, roof_back, roof_front, foot_front = shoulders
    top, waist = half * 0.76, half * 0.97
    dark = _mixed(paint, 0.55)
    lamp_white, lamp_red, plate = (236, 238, 232), (168, 28, 28), (238, 238, 230)
    lower = {
        "front": [(_rect(0.03, 0.62, 0.24, 0.84), lamp_white), (_rect(0.76, 0.62, 0.97, 0.84), lamp_white),
                  (_rect(0.27, 0.5, 0.73, 0.8), (34, 36, 40)), (_rect(0.36, 0.22, 0.64, 0.4), plate),
                  (_rect(0.0, 0.0, 1.0, 0.14), dark)],
        "back": [(_rect(0.03, 0.62, 0.22, 0.86), lamp_red), (_rect(0.78, 0.62, 0.97, 0.86), lamp_red),
                 (_rect(0.34, 0.48, 0.66, 0.68), plate), (_rect(0.0, 0.0, 1.0, 0.18), dark)],
        "left": [(_rect(0.0, 0.0, 1.0, 0.14), dark), (_rect(0.05, 0.56, 0.95, 0.6), dark)],
        "right": [(_rect(0.0, 0.0, 1.0, 0.14), dark), (_rect(0.05, 0.56, 0.95, 0.6), dark)],
    }  # fmt: skip
    _box(brush, frame, back, front, half, low, hood, paint, lower, taper=0.03)
    _wheels(brush, frame, half, (front - 0.85, back + 0.85), 0.33)

    def pillar(ahead: float, side: float, up: float) -> _Corner:
        return (ahead, side, up)

    glass = [(_rect(0.04, 0.06, 0.96, 0.94), GLASS)]
    rear = [
        pillar(foot_back, waist, hood),
        pillar(foot_back, -waist, hood),
        pillar(roof_back, -top, roof),
        pillar(roof_back, top, roof),
    ]
    screen = [
        pillar(foot_front, -waist, hood),
        pillar(foot_front, waist, hood),
        pillar(roof_front, top, roof),
        pillar(roof_front, -top, roof),
    ]
    left = [
        pillar(foot_back, -waist, hood),
        pillar(foot_front, -waist, hood),
        pillar(roof_front, -top, roof),
        pillar(roof_back, -top, roof),
    ]
    right = [
        pillar(foot_front, waist, hood),
        pillar(foot_back, waist, hood),
        pillar(roof_back, top, roof),
        pillar(roof_front, top, roof),
    ]
    side_windows = [(_rect(0.07, 0.1, 0.49, 0.86), GLASS), (_rect(0.52, 0.1, 0.93, 0.86), GLASS)]
    shine = [(0.1, 0.2), (0.45, 0.2), (0.62, 0.9), (0.3, 0.9)]
    _face(brush, frame, rear, paint, glass)
    _face(brush, frame, screen, paint, [*glass, (shine, (70, 82, 94))])
    _face(brush, frame, left, paint, side_windows)
    _face(brush, frame, right, paint, side_windows)
    _face(
        brush,
        frame,
        [
            pillar(roof_front, -top, roof),
            pillar(roof_front, top, roof),
            pillar(roof_back, top, roof),
            pillar(roof_back, -top, roof),
        ],
        paint,
    )
    for side in (-1, 1):
        brush.stroke(
            [
                frame.at(foot_front - 0.18, side * half, hood + 0.12),
                frame.at(foot_front - 0.18, side * (half + 0.12), hood + 0.12),
            ],
            0.07,
            dark,
        )
    if taxi:
        _box(brush, frame, -0.12, 0.12, 0.26, roof, roof + 0.16, (240, 226, 150))
    return _lamps(frame, front, back, half - 0.2, 0.68, 12.0)


def _lamps(frame: Frame, front: float, back: float, right: float, up: float, reach: float) -> list[Lamp]:
    lamps = []
    for side in (-1, 1):
        ahead = frame.at(front + reach, side * right * 1.6, 0)
        lamps.append(Lamp(frame.at(front + 0.04, side * right, up), WHITE_LAMP, 0.16, ahead))
        lamps.append(Lamp(frame.at(back - 0.04, side * right, up + 0.08), RED_LAMP, 0.1))
    return lamps


def bus(brush: Brush, frame: Frame, rng: np.random.Generator) -> list[Lamp]:
    """A city bus in the blue, green, red or yellow of Korean lines, 10.5 to 11.5 m long."""
    paint: Colour = ((40, 92, 170), (60, 146, 74), (196, 44, 44), (228, 176, 50), (222, 224, 226))[int(rng.integers(5))]
    length, half, low, high = rng.uniform(10.4, 11.4), 1.25, 0.32, 3.2
    back, front = -length / 2, length / 2
    light = (232, 233, 232) if rng.random() < 0.5 else paint
    count = 7
    panes = [(_rect((place + 0.06) / count, 0.48, (place + 0.94) / count, 0.84), GLASS) for place in range(count)]
    band = [(_rect(0, 0, 1, 0.12), _mixed(paint, 0.5)), (_rect(0, 0.9, 1, 1), light)]
    door: Colour = (34, 40, 46)
    signs: Colour = (40, 34, 20)
    decals = {
        "front": [*band, (_rect(0.05, 0.36, 0.95, 0.84), GLASS), (_rect(0.14, 0.86, 0.86, 0.96), signs),
                  (_rect(0.24, 0.88, 0.76, 0.94), (246, 176, 60)), (_rect(0.05, 0.18, 0.22, 0.27), (240, 240, 236)),
                  (_rect(0.78, 0.18, 0.95, 0.27), (240, 240, 236)), (_rect(0.38, 0.13, 0.62, 0.2), (238, 220, 90)),
                  ([(0.12, 0.4), (0.3, 0.4), (0.48, 0.82), (0.3, 0.82)], (66, 78, 90))],
        "back": [*band, (_rect(0.14, 0.52, 0.86, 0.82), GLASS), (_rect(0.04, 0.2, 0.16, 0.34), (168, 28, 28)),
                 (_rect(0.84, 0.2, 0.96, 0.34), (168, 28, 28)), (_rect(0.36, 0.16, 0.64, 0.24), (238, 220, 90)),
                 (_rect(0.2, 0.3, 0.8, 0.46), _mixed(paint, 0.72))],
        "left": [*band, *panes],
        # Doors open to the pavement, on the right in Korea; face coordinates of that side run from the front.
        "right": [*band, *panes, (_rect(0.03, 0.08, 0.13, 0.84), door), (_rect(0.46, 0.08, 0.57, 0.84), door),
                  (_rect(0.04, 0.12, 0.076, 0.8), (72, 84, 94)), (_rect(0.084, 0.12, 0.12, 0.8), (72, 84, 94)),
                  (_rect(0.47, 0.12, 0.51, 0.8), (72, 84, 94)), (_rect(0.52, 0.12, 0.56, 0.8), (72, 84, 94))],
        "top": [(_rect(0.3, 0.2, 0.7, 0.36), (206, 208, 208)), (_rect(0.3, 0.6, 0.7, 0.74), (206, 208, 208))],
    }  # fmt: skip
    _box(brush, frame, back, front, half, low, high, paint, decals, taper=0.04)
    _wheels(brush, frame, half, (front - 2.5, back + 3.0), 0.48)
    for side in (-1, 1):
        brush.stroke(
            [frame.at(front, side * half, 2.7), frame.at(front + 0.25, side * (half + 0.12), 2.4)], 0.09, (40, 40, 42)
        )
    return _lamps(frame, front, back, half - 0.25, 0.95, 14.0)


def truck(brush: Brush, frame: Frame, rng: np.random.Generator) -> list[Lamp]:
    """A one-tonne flatbed, a box truck or a five-tonne lorry with tarpaulin."""
    kind = ("flatbed", "box", "box", "lorry")[int(rng.integers(4))]
    paint = ((60, 96, 160), (232, 232, 230), (60, 110, 76), (188, 60, 50), (210, 212, 214))[int(rng.integers(5))]
    length, half, cab, cab_high, load_high = {
        "flatbed": (5.1, 0.87, 1.6, 1.95, 1.25),
        "box": (5.6, 0.95, 1.6, 2.05, 2.75),
        "lorry": (8.6, 1.22, 2.1, 2.75, 3.4),
    }[kind]
    back, front, low = -length / 2, length / 2, 0.42
    load_colour: Colour = {
        "flatbed": paint,
        "box": ((238, 238, 236), (206, 210, 214), (236, 226, 190))[int(rng.integers(3))],
        "lorry": ((64, 90, 72), (52, 70, 110), (198, 200, 200))[int(rng.integers(3))],
    }[kind]
    crate, has_crates = _pick(rng, PAINTS), rng.random() < 0.6
    lamp: Colour = (240, 240, 236)
    joint = front - cab
    cab_decals = {
        "front": [(_rect(0.07, 0.5, 0.93, 0.9), GLASS), (_rect(0.04, 0.16, 0.2, 0.3), lamp),
                  (_rect(0.8, 0.16, 0.96, 0.3), lamp), (_rect(0.28, 0.2, 0.72, 0.36), (40, 42, 46)),
                  (_rect(0.38, 0.03, 0.62, 0.12), (236, 226, 120)),
                  ([(0.15, 0.54), (0.35, 0.54), (0.5, 0.86), (0.32, 0.86)], (66, 78, 90))],
        "left": [(_rect(0.3, 0.5, 0.88, 0.9), GLASS), (_rect(0.2, 0.08, 0.22, 0.9), _mixed(paint, 0.6))],
        "right": [(_rect(0.12, 0.5, 0.7, 0.9), GLASS), (_rect(0.78, 0.08, 0.8, 0.9), _mixed(paint, 0.6))],
        "back": [(_rect(0.2, 0.55, 0.8, 0.88), GLASS)],
    }  # fmt: skip
    ribs = [
        (_rect(place / 6 - 0.006, 0.04, place / 6 + 0.006, 0.96), _mixed(load_colour, 0.8)) for place in range(1, 6)
    ]
    tail = [(_rect(0.49, 0.04, 0.51, 0.96), _mixed(load_colour, 0.7)), (_rect(0.03, 0.02, 0.14, 0.12), (168, 28, 28)),
            (_rect(0.86, 0.02, 0.97, 0.12), (168, 28, 28)),
            (_rect(0.38, 0.02, 0.62, 0.1), (236, 226, 120))]  # fmt: skip

    def chassis() -> None:
        _box(brush, frame, back, joint, half * 0.9, 0.42, 0.82, (48, 48, 52))
        _wheels(
            brush,
            frame,
            half,
            (back + 1.1,) if kind != "lorry" else (back + 1.2, back + 2.4),
            0.36 if kind != "lorry" else 0.48,
        )

    def load() -> None:
        _box(
            brush,
            frame,
            back,
            joint - 0.08,
            half,
            0.8,
            load_high,
            load_colour,
            {"left": ribs, "right": ribs, "back": tail},
        )
        if kind == "flatbed":
            inner = [
                frame.at(ahead, side * (half - 0.08), load_high + 0.005)
                for ahead, side in ((back + 0.08, -1), (back + 0.08, 1), (joint - 0.16, 1), (joint - 0.16, -1))
            ]
            if brush.facing(inner) or brush.facing(inner[::-1]):
                brush.flat(inner, (92, 88, 82), 0.8)
            if has_crates:
                _box(brush, frame, back + 0.3, joint - 0.6, half - 0.25, load_high - 0.2, load_high + 0.55, crate)

    def cabin() -> None:
        _box(brush, frame, joint, front, half, low, cab_high, paint, cab_decals, taper=0.06)
        _wheels(brush, frame, half, (front - 0.75,), 0.34 if kind != "lorry" else 0.48)
        for side in (-1, 1):
            brush.stroke(
                [
                    frame.at(front - 0.15, side * half, cab_high - 0.5),
                    frame.at(front, side * (half + 0.2), cab_high - 0.55),
                ],
                0.08,
                (36, 36, 38),
            )

    rear_first = brush.camera.view(frame.at(back, 0, 1))[2] > brush.camera.view(frame.at(front, 0, 1))[2]
    for paint_part in (chassis, load, cabin) if rear_first else (cabin, chassis, load):
        paint_part()
    return _lamps(frame, front, back, half - 0.2, 0.85, 13.0)


# Class → painter, and the footprint that it needs: length and width in metres.
KINDS: dict[str, tuple[Painter, float, float]] = {
    "person": (person, 0.6, 0.6),
    "car": (car, 4.8, 1.9),
    "bus": (bus, 11.4, 2.5),
    "truck": (truck, 7.0, 2.3),
    "motorcycle": (motorcycle, 2.0, 0.8),
    "bicycle": (bicycle, 1.8, 0.7),
}
