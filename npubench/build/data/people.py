"""People, cyclists and motorcyclists, painted through a camera.

One function per class, all with the same signature: brush, frame (where it stands, which way it heads), generator.
Each returns its lamps, which a night scene lights. Faces have no features: nobody real is in a scene.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from npubench.build.data.camera import Brush, Colour, Frame, Point
from npubench.build.data.solids import (
    CLOTHES,
    HAIR,
    PAINTS,
    RED_LAMP,
    RUBBER,
    SKINS,
    STEEL,
    TROUSERS,
    WHITE_LAMP,
    Lamp,
    box_solid,
    circle,
    mixed,
    pick,
)


def person(brush: Brush, frame: Frame, rng: np.random.Generator, swing: float = 1.0) -> list[Lamp]:
    """Somebody walking or standing, 1.2 to 1.86 m tall; `swing` (−1 to 1) moves legs and arms through a step."""
    size = rng.uniform(1.2, 1.45) / 1.75 if rng.random() < 0.12 else rng.uniform(1.52, 1.86) / 1.75
    stride = rng.uniform(0.05, 0.42) * (1 if rng.random() < 0.5 else -1) * swing
    coat, trousers, skin, hair = pick(rng, CLOTHES), pick(rng, TROUSERS), pick(rng, SKINS), pick(rng, HAIR)
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
                    mixed(trousers, 1.3) if bag < 0.15 else (96, 42, 40),
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


def bicycle(brush: Brush, frame: Frame, rng: np.random.Generator) -> list[Lamp]:
    """A bicycle and the one who rides it."""
    paint, at = pick(rng, PAINTS[4:]), frame.at
    for ahead in (0.52, -0.52):
        ring = circle(frame, ahead, 0, 0.34, 0.32, 20)
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
    helmet = pick(rng, PAINTS) if rng.random() < 0.5 else pick(rng, HAIR)
    _rider(brush, frame, (-0.2, 0.95), (0.34, 1.02), (0.0, 0.3), pick(rng, CLOTHES), pick(rng, TROUSERS), helmet,
           False, pick(rng, SKINS), rng.uniform(-0.14, 0.14))  # fmt: skip
    return [Lamp(at(0.42, 0, 0.95), WHITE_LAMP, 0.05, at(4.5, 0, 0), True)]


def motorcycle(brush: Brush, frame: Frame, rng: np.random.Generator) -> list[Lamp]:
    """A scooter or motorcycle and its rider, often with a delivery box."""
    paint, at = pick(rng, PAINTS), frame.at
    for ahead in (0.64, -0.58):
        rim = circle(frame, ahead, 0, 0.3, 0.23, 18)
        brush.stroke([*rim, rim[0], rim[1]], 0.075, RUBBER)
        brush.flat(circle(frame, ahead, 0, 0.3, 0.16, 12), (110, 112, 116), 1.0)
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
    box_paint, coat, trousers = pick(rng, PAINTS), pick(rng, CLOTHES), pick(rng, TROUSERS)
    helmet, skin = pick(rng, PAINTS), pick(rng, SKINS)

    def luggage() -> None:
        if has_box:
            box_solid(brush, frame, -0.95, -0.5, 0.25, 0.84, 1.3, box_paint)

    if not riding_away:
        luggage()
    brush.ball(at(0.62, 0, 0.88), 0.09, (240, 240, 232))
    _rider(brush, frame, (-0.24, 0.86), (0.36, 1.06), (0.12, 0.36), coat, trousers, helmet, True, skin, 0.0)
    if riding_away:
        luggage()
        brush.ball(at(-0.8, 0, 0.7), 0.06, (170, 24, 22))
    return [
        Lamp(at(0.7, 0, 0.88), WHITE_LAMP, 0.1, at(8, 0, 0), True),
        Lamp(at(-0.97, 0, 0.7), RED_LAMP, 0.06, at(-2, 0, 0.7)),
    ]
