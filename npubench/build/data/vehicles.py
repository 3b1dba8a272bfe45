"""Cars, buses and trucks with the sizes of common Korean ones, painted through a camera.

The signature is that of `people`. Plates carry no characters.
"""

from __future__ import annotations

import numpy as np

from npubench.build.data.camera import Brush, Colour, Frame
from npubench.build.data.solids import (
    GLASS,
    PAINTS,
    Corner,
    Lamp,
    box_solid,
    face,
    mixed,
    pick,
    rect,
    road_lamps,
    wheels,
)


def car(brush: Brush, frame: Frame, rng: np.random.Generator) -> list[Lamp]:
    """A saloon, hatchback, estate-like SUV or small van."""
    kind = ("saloon", "saloon", "hatch", "suv", "suv", "van")[int(rng.integers(6))]
    paint = pick(rng, PAINTS)
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
    dark = mixed(paint, 0.55)
    lamp_white, lamp_red, plate = (236, 238, 232), (168, 28, 28), (238, 238, 230)
    lower = {
        "front": [(rect(0.03, 0.62, 0.24, 0.84), lamp_white), (rect(0.76, 0.62, 0.97, 0.84), lamp_white),
                  (rect(0.27, 0.5, 0.73, 0.8), (34, 36, 40)), (rect(0.36, 0.22, 0.64, 0.4), plate),
                  (rect(0.0, 0.0, 1.0, 0.14), dark)],
        "back": [(rect(0.03, 0.62, 0.22, 0.86), lamp_red), (rect(0.78, 0.62, 0.97, 0.86), lamp_red),
                 (rect(0.34, 0.48, 0.66, 0.68), plate), (rect(0.0, 0.0, 1.0, 0.18), dark)],
        "left": [(rect(0.0, 0.0, 1.0, 0.14), dark), (rect(0.05, 0.56, 0.95, 0.6), dark)],
        "right": [(rect(0.0, 0.0, 1.0, 0.14), dark), (rect(0.05, 0.56, 0.95, 0.6), dark)],
    }  # fmt: skip
    box_solid(brush, frame, back, front, half, low, hood, paint, lower, taper=0.03)
    wheels(brush, frame, half, (front - 0.85, back + 0.85), 0.33)

    def pillar(ahead: float, side: float, up: float) -> Corner:
        return (ahead, side, up)

    glass = [(rect(0.04, 0.06, 0.96, 0.94), GLASS)]
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
    side_windows = [(rect(0.07, 0.1, 0.49, 0.86), GLASS), (rect(0.52, 0.1, 0.93, 0.86), GLASS)]
    shine = [(0.1, 0.2), (0.45, 0.2), (0.62, 0.9), (0.3, 0.9)]
    face(brush, frame, rear, paint, glass)
    face(brush, frame, screen, paint, [*glass, (shine, (70, 82, 94))])
    face(brush, frame, left, paint, side_windows)
    face(brush, frame, right, paint, side_windows)
    face(
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
        box_solid(brush, frame, -0.12, 0.12, 0.26, roof, roof + 0.16, (240, 226, 150))
    return road_lamps(frame, front, back, half - 0.2, 0.68, 12.0)


def bus(brush: Brush, frame: Frame, rng: np.random.Generator) -> list[Lamp]:
    """A city bus in the blue, green, red or yellow of Korean lines, 10.5 to 11.5 m long."""
    paint: Colour = ((40, 92, 170), (60, 146, 74), (196, 44, 44), (228, 176, 50), (222, 224, 226))[int(rng.integers(5))]
    length, half, low, high = rng.uniform(10.4, 11.4), 1.25, 0.32, 3.2
    back, front = -length / 2, length / 2
    light = (232, 233, 232) if rng.random() < 0.5 else paint
    count = 7
    panes = [(rect((place + 0.06) / count, 0.48, (place + 0.94) / count, 0.84), GLASS) for place in range(count)]
    band = [(rect(0, 0, 1, 0.12), mixed(paint, 0.5)), (rect(0, 0.9, 1, 1), light)]
    door: Colour = (34, 40, 46)
    signs: Colour = (40, 34, 20)
    decals = {
        "front": [*band, (rect(0.05, 0.36, 0.95, 0.84), GLASS), (rect(0.14, 0.86, 0.86, 0.96), signs),
                  (rect(0.24, 0.88, 0.76, 0.94), (246, 176, 60)), (rect(0.05, 0.18, 0.22, 0.27), (240, 240, 236)),
                  (rect(0.78, 0.18, 0.95, 0.27), (240, 240, 236)), (rect(0.38, 0.13, 0.62, 0.2), (238, 220, 90)),
                  ([(0.12, 0.4), (0.3, 0.4), (0.48, 0.82), (0.3, 0.82)], (66, 78, 90))],
        "back": [*band, (rect(0.14, 0.52, 0.86, 0.82), GLASS), (rect(0.04, 0.2, 0.16, 0.34), (168, 28, 28)),
                 (rect(0.84, 0.2, 0.96, 0.34), (168, 28, 28)), (rect(0.36, 0.16, 0.64, 0.24), (238, 220, 90)),
                 (rect(0.2, 0.3, 0.8, 0.46), mixed(paint, 0.72))],
        "left": [*band, *panes],
        # Doors open to the pavement, on the right in Korea; face coordinates of that side run from the front.
        "right": [*band, *panes, (rect(0.03, 0.08, 0.13, 0.84), door), (rect(0.46, 0.08, 0.57, 0.84), door),
                  (rect(0.04, 0.12, 0.076, 0.8), (72, 84, 94)), (rect(0.084, 0.12, 0.12, 0.8), (72, 84, 94)),
                  (rect(0.47, 0.12, 0.51, 0.8), (72, 84, 94)), (rect(0.52, 0.12, 0.56, 0.8), (72, 84, 94))],
        "top": [(rect(0.3, 0.2, 0.7, 0.36), (206, 208, 208)), (rect(0.3, 0.6, 0.7, 0.74), (206, 208, 208))],
    }  # fmt: skip
    box_solid(brush, frame, back, front, half, low, high, paint, decals, taper=0.04)
    wheels(brush, frame, half, (front - 2.5, back + 3.0), 0.48)
    for side in (-1, 1):
        brush.stroke(
            [frame.at(front, side * half, 2.7), frame.at(front + 0.25, side * (half + 0.12), 2.4)], 0.09, (40, 40, 42)
        )
    return road_lamps(frame, front, back, half - 0.25, 0.95, 14.0)


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
    crate, has_crates = pick(rng, PAINTS), rng.random() < 0.6
    lamp: Colour = (240, 240, 236)
    joint = front - cab
    cab_decals = {
        "front": [(rect(0.07, 0.5, 0.93, 0.9), GLASS), (rect(0.04, 0.16, 0.2, 0.3), lamp),
                  (rect(0.8, 0.16, 0.96, 0.3), lamp), (rect(0.28, 0.2, 0.72, 0.36), (40, 42, 46)),
                  (rect(0.38, 0.03, 0.62, 0.12), (236, 226, 120)),
                  ([(0.15, 0.54), (0.35, 0.54), (0.5, 0.86), (0.32, 0.86)], (66, 78, 90))],
        "left": [(rect(0.3, 0.5, 0.88, 0.9), GLASS), (rect(0.2, 0.08, 0.22, 0.9), mixed(paint, 0.6))],
        "right": [(rect(0.12, 0.5, 0.7, 0.9), GLASS), (rect(0.78, 0.08, 0.8, 0.9), mixed(paint, 0.6))],
        "back": [(rect(0.2, 0.55, 0.8, 0.88), GLASS)],
    }  # fmt: skip
    ribs = [(rect(place / 6 - 0.006, 0.04, place / 6 + 0.006, 0.96), mixed(load_colour, 0.8)) for place in range(1, 6)]
    tail = [(rect(0.49, 0.04, 0.51, 0.96), mixed(load_colour, 0.7)), (rect(0.03, 0.02, 0.14, 0.12), (168, 28, 28)),
            (rect(0.86, 0.02, 0.97, 0.12), (168, 28, 28)), (rect(0.38, 0.02, 0.62, 0.1), (236, 226, 120))]  # fmt: skip

    def chassis() -> None:
        box_solid(brush, frame, back, joint, half * 0.9, 0.42, 0.82, (48, 48, 52))
        wheels(
            brush,
            frame,
            half,
            (back + 1.1,) if kind != "lorry" else (back + 1.2, back + 2.4),
            0.36 if kind != "lorry" else 0.48,
        )

    def load() -> None:
        box_solid(
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
                box_solid(brush, frame, back + 0.3, joint - 0.6, half - 0.25, load_high - 0.2, load_high + 0.55, crate)

    def cabin() -> None:
        box_solid(brush, frame, joint, front, half, low, cab_high, paint, cab_decals, taper=0.06)
        wheels(brush, frame, half, (front - 0.75,), 0.34 if kind != "lorry" else 0.48)
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
    return road_lamps(frame, front, back, half - 0.2, 0.85, 13.0)
