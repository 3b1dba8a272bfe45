"""House fronts along a street: glass bands, piers, shops with signboards that carry no text.

Not aware of: light at night; what would shine is returned.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from npubench.build.data.camera import Brush, Colour, Point
from npubench.build.data.scenery import Street

WALLS: tuple[Colour, ...] = (
    (186, 178, 166), (156, 148, 140), (168, 118, 96), (142, 92, 76), (198, 198, 196), (120, 126, 134), (206, 196, 176),
    (104, 108, 112), (176, 164, 150),
)  # fmt: skip
SIGNBOARDS: tuple[Colour, ...] = (
    (206, 52, 48), (40, 92, 170), (240, 238, 232), (52, 130, 84), (236, 184, 60), (44, 44, 48), (120, 60, 130),
)  # fmt: skip
LEAVES: tuple[Colour, ...] = ((66, 96, 54), (78, 112, 58), (58, 84, 52), (96, 118, 62), (110, 104, 56))


class Window(msgspec.Struct, frozen=True):
    """A lit window or signboard at night: four corners in the world."""

    corners: tuple[Point, ...]
    colour: Colour


def paint_buildings(brush: Brush, street: Street, rng: np.random.Generator) -> list[Window]:
    """House fronts along both pavements, the far ones first. Returns what shines at night."""
    blocks: list[tuple[float, Callable[[], None]]] = []
    lit: list[Window] = []
    for side in (-1, 1):
        along = -24.0
        while along < 135.0:
            length = float(rng.uniform(9, 24))
            gap = float(rng.uniform(0.3, 2.5)) if rng.random() < 0.8 else float(rng.uniform(5, 12))
            setback = float(rng.uniform(0.4, 3.0))
            high = float(rng.uniform(5, 13)) if rng.random() < 0.6 else float(rng.uniform(14, 46))
            first, second = along, along + length
            along = second + gap
            if street.crossroad_m is not None:
                low_edge = street.crossroad_m - street.crossroad_half_m - street.pavement_m
                high_edge = street.crossroad_m + street.crossroad_half_m + street.pavement_m
                if first < high_edge and second > low_edge:
                    continue
            near = side * (street.half_m + street.pavement_m + setback)
            far = near + side * float(rng.uniform(9, 16))
            seed = int(rng.integers(1 << 30))
            depth = brush.camera.view(street.world((first + second) / 2, near))[2]
            blocks.append((depth, _block(brush, street, (first, second), (near, far), high, seed, lit)))
    blocks.sort(key=lambda block: -block[0])
    for _, paint in blocks:
        paint()
    return lit


def _block(
    brush: Brush, street: Street, along: tuple[float, float], aside: tuple[float, float], high: float, seed: int,
    lit: list[Window],
) -> Callable[[], None]:  # fmt: skip
    def paint() -> None:
        rng = np.random.Generator(np.random.PCG64(seed))
        wall = WALLS[int(rng.integers(len(WALLS)))]
        (first, second), (near, far) = along, aside
        for corner_along, other in ((second, first), (first, second)):
            end = [
                street.world(corner_along, near),
                street.world(corner_along, far),
                street.world(corner_along, far, high),
                street.world(corner_along, near, high),
            ]
            seen = (
                brush.camera.view(street.world(corner_along, near))[2] < brush.camera.view(street.world(other, near))[2]
            )
            if seen:
                brush.flat(end, wall)
        front = [
            street.world(first, near),
            street.world(second, near),
            street.world(second, near, high),
            street.world(first, near, high),
        ]
        if not brush.flat(front, wall):
            return
        _front(brush, street, (first, second), near, high, wall, rng, lit)

    return paint


def _front(
    brush: Brush, street: Street, along: tuple[float, float], near: float, high: float, wall: Colour,
    rng: np.random.Generator, lit: list[Window],
) -> None:  # fmt: skip
    """Windows as glass bands with piers over them (thirty strokes instead of hundreds), and a ground floor of shops."""
    first, second = along
    light = brush.light_on([street.world(first, near), street.world(second, near), street.world(second, near, high)])
    glass: Colour = ((58, 70, 84), (84, 98, 112), (48, 56, 62))[int(rng.integers(3))]
    floor_m, shop_m = 3.2, 3.6

    def panel(low_along: float, high_along: float, low: float, top: float, colour: Colour) -> None:
        corners = [
            street.world(low_along, near, low),
            street.world(high_along, near, low),
            street.world(high_along, near, top),
            street.world(low_along, near, top),
        ]
        brush.flat(corners, colour, light)

    floors = int((high - shop_m) / floor_m)
    for storey in range(floors):
        low = shop_m + storey * floor_m + 0.9
        panel(first + 0.5, second - 0.5, low, low + 1.5, glass)
    pitch = float(rng.uniform(1.8, 3.4))
    if floors > 0:
        for pier in range(1, int((second - first) / pitch)):
            panel(first + pier * pitch - 0.25, first + pier * pitch + 0.25, shop_m, shop_m + floors * floor_m, wall)
    panel(first + 0.3, second - 0.3, 0.0, 2.6, (60, 64, 68))
    # Farther away a shop is a few pixels: its board alone is seen.
    is_near = brush.camera.view(street.world(first, near))[2] < 60
    place = first + 0.4
    while place < second - 2.5:
        wide = float(rng.uniform(2.4, 5.5))
        end = min(place + wide, second - 0.3)
        board = SIGNBOARDS[int(rng.integers(len(SIGNBOARDS)))]
        panel(place, end - 0.2, 2.7, 3.5, board)
        if is_near:
            panel(place + 0.3, end - 0.6, 2.95, 3.25, (244, 244, 240) if sum(board) < 500 else (60, 60, 64))
            panel(place + 0.15, end - 0.35, 0.25, 2.45, (96, 106, 112))
            panel(place + 0.15, place + 0.22, 0.0, 2.5, wall)
        if rng.random() < 0.55:
            corners = (
                street.world(place, near, 2.7),
                street.world(end - 0.2, near, 2.7),
                street.world(end - 0.2, near, 3.5),
                street.world(place, near, 3.5),
            )
            lit.append(Window(corners, board if sum(board) > 260 else (240, 240, 240)))
        if rng.random() < 0.5:
            corners = (
                street.world(place + 0.2, near, 0.3),
                street.world(end - 0.4, near, 0.3),
                street.world(end - 0.4, near, 2.4),
                street.world(place + 0.2, near, 2.4),
            )
            lit.append(Window(corners, (255, 236, 196)))
        place = end
    for _ in range(int(rng.integers(0, 5)) if floors > 0 else 0):
        storey, column = int(rng.integers(floors)), int(rng.integers(max(1, int((second - first) / pitch) - 1)))
        low, left = shop_m + storey * floor_m + 0.9, first + column * pitch + 0.3
        corners = (
            street.world(left, near, low),
            street.world(left + pitch - 0.55, near, low),
            street.world(left + pitch - 0.55, near, low + 1.5),
            street.world(left, near, low + 1.5),
        )
        lit.append(Window(corners, (255, 226, 170) if rng.random() < 0.7 else (220, 236, 255)))
