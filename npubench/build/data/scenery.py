"""The street itself: sky, ground, road, markings, buildings, trees and poles, painted through a camera.

Road coordinates: `along` the road, `aside` from its middle, metres. Signboards carry no text.
Not aware of: people and vehicles, light at night, rain.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import msgspec
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from npubench.build.data.camera import OCCLUDER, Brush, Colour, Frame, Point

WHITE: Colour = (222, 224, 222)
YELLOW: Colour = (214, 174, 60)
BLUE: Colour = (60, 110, 190)
LEAVES: tuple[Colour, ...] = ((66, 96, 54), (78, 112, 58), (58, 84, 52), (96, 118, 62), (110, 104, 56))

LANE_M = 3.25
FAR_M = 170.0


class Street(msgspec.Struct, frozen=True, kw_only=True):
    """Where the road runs and what is beside it. `yaw` turns it, `offset_m` moves it sideways at the camera."""

    yaw: float
    offset_m: float
    lanes_each_way: int
    pavement_m: float
    crossing_m: float | None
    crossroad_m: float | None

    @property
    def half_m(self) -> float:
        """Half the width of the carriageway."""
        return self.lanes_each_way * LANE_M + 0.4

    @property
    def crossroad_half_m(self) -> float:
        """Half the width of the street that crosses."""
        return 2 * LANE_M

    def world(self, along: float, aside: float, up: float = 0.0) -> Point:
        """Road coordinates → world."""
        sine, cosine = math.sin(self.yaw), math.cos(self.yaw)
        return self.offset_m + along * sine + aside * cosine, up, along * cosine - aside * sine

    def frame(self, along: float, aside: float, turn: float = 0.0) -> Frame:
        """A frame on the road that heads along it, turned by `turn`."""
        x, _, z = self.world(along, aside)
        return Frame(x, z, self.yaw + turn)


def draw_street(rng: np.random.Generator) -> Street:
    """A random street: how wide, which way, with a crossing or a crossroad or neither."""
    lanes = int(rng.choice((1, 1, 2, 2, 2, 3)))
    side = 1 if rng.random() < 0.5 else -1
    yaw = side * float(rng.uniform(0.04, 0.62))
    pavement = float(rng.uniform(2.6, 5.0))
    # The camera hangs on a pole at the kerb or on a house front and looks over the road, so the road's middle passes
    # it on the side from which the road comes.
    offset = -side * float(rng.uniform(0.5, lanes * LANE_M + pavement))
    has_crossroad = rng.random() < 0.4
    crossroad = float(rng.uniform(22, 42)) if has_crossroad else None
    crossing = None
    if rng.random() < 0.6:
        crossing = crossroad - 2 * LANE_M - 5.0 if crossroad is not None else float(rng.uniform(12, 26))
    return Street(
        yaw=yaw, offset_m=offset, lanes_each_way=lanes, pavement_m=pavement, crossing_m=crossing, crossroad_m=crossroad
    )


def paint_sky(brush: Brush, top: Colour, low: Colour) -> None:
    """Sky down to the horizon, far ground below it."""
    width, height = brush.image.size
    rows = min(height, int(brush.camera.lowest_horizon_y()) + height // 20)
    if rows <= 0:
        return
    ramp = Image.linear_gradient("L").resize((1, rows))
    sky = Image.composite(Image.new("RGB", (1, rows), low), Image.new("RGB", (1, rows), top), ramp)
    brush.image.paste(sky.resize((width, rows), Image.Resampling.NEAREST))


def _quad(street: Street, along: tuple[float, float], aside: tuple[float, float], up: float = 0.0) -> list[Point]:
    return [
        street.world(along[0], aside[0], up),
        street.world(along[0], aside[1], up),
        street.world(along[1], aside[1], up),
        street.world(along[1], aside[0], up),
    ]


def _strip(
    brush: Brush, street: Street, aside: tuple[float, float], colour: Colour, along: tuple[float, float]
) -> None:
    """A long strip in pieces, so that each fades by its own distance."""
    cuts = [place for place in (-30.0, 0.0, 12.0, 25.0, 40.0, 60.0, 85.0, 120.0, FAR_M) if along[0] < place < along[1]]
    edges = [along[0], *cuts, along[1]]
    for first, second in itertools.pairwise(edges):
        brush.flat(_quad(street, (first, second), aside), colour, 1.0)


def paint_ground(brush: Brush, street: Street, rng: np.random.Generator, wet: bool) -> None:
    """Earth, pavements, carriageway, crossroad and markings."""
    dry = 0.72 if wet else 1.0
    base = float(rng.uniform(84, 128)) * dry
    asphalt: Colour = (int(base), int(base * 1.0), int(base * 1.03))
    slab = float(rng.uniform(132, 176)) * dry
    paving: Colour = (int(slab), int(slab * 0.97), int(slab * 0.92))
    kerb: Colour = (int(slab * 1.12), int(slab * 1.12), int(slab * 1.1))
    whole = (-60.0, FAR_M)
    half, walk = street.half_m, street.pavement_m
    brush.flat(_quad(street, (-60.0, 400.0), (-400.0, 400.0)), (116, 116, 108), 1.0)
    for side in (-1, 1):
        _strip(brush, street, (side * half, side * (half + walk)), paving, whole)
        _paving_joints(brush, street, side, half, walk, paving)
        _strip(brush, street, (side * half, side * (half + 0.22)), kerb, whole)
    _strip(brush, street, (-half, half), asphalt, whole)
    _patches(brush, street, rng, asphalt, half)
    if street.crossroad_m is not None:
        middle, wide = street.crossroad_m, street.crossroad_half_m
        for side in (-1, 1):
            brush.flat(
                _quad(street, (middle - wide - walk, middle + wide + walk), (side * (half + walk), side * 120)),
                paving,
                1.0,
            )
        brush.flat(_quad(street, (middle - wide, middle + wide), (-120, 120)), asphalt, 1.0)
        for side in (-1, 1):
            _line(brush, street, (middle - 0.08, middle + 0.08), (side * (half + 3), side * 110), YELLOW)
    _markings(brush, street, rng, half)


def _paving_joints(brush: Brush, street: Street, side: int, half: float, walk: float, paving: Colour) -> None:
    joint: Colour = (int(paving[0] * 0.9), int(paving[1] * 0.9), int(paving[2] * 0.9))
    guide: Colour = (int(paving[0] * 1.1), int(paving[1] * 0.98), int(paving[2] * 0.5))
    for place in range(0, 40, 2):
        _line(brush, street, (place, place + 0.05), (side * half, side * (half + walk)), joint)
    # The yellow tactile strip of Korean pavements.
    _strip(brush, street, (side * (half + walk * 0.55), side * (half + walk * 0.55 + 0.3)), guide, (-20.0, 80.0))


def _patches(brush: Brush, street: Street, rng: np.random.Generator, asphalt: Colour, half: float) -> None:
    for _ in range(int(rng.integers(2, 7))):
        along, aside = float(rng.uniform(2, 60)), float(rng.uniform(-half, half - 2))
        factor = float(rng.uniform(0.84, 1.1))
        tone: Colour = (int(asphalt[0] * factor), int(asphalt[1] * factor), int(asphalt[2] * factor))
        size = (float(rng.uniform(1, 9)), float(rng.uniform(0.6, 2.0)))
        brush.flat(_quad(street, (along, along + size[0]), (aside, aside + size[1])), tone, 1.0)
    for _ in range(int(rng.integers(1, 4))):
        x, _, z = street.world(float(rng.uniform(4, 35)), float(rng.uniform(-half + 0.6, half - 0.6)))
        brush.flat(
            [
                (x + 0.36 * math.cos(turn), 0.0, z + 0.36 * math.sin(turn))
                for turn in (2 * math.pi * corner / 13 for corner in range(13))
            ],
            (58, 56, 54),
            1.0,
        )


def _line(brush: Brush, street: Street, along: tuple[float, float], aside: tuple[float, float], colour: Colour) -> None:
    brush.flat(_quad(street, along, aside), colour, 1.0)


def _markings(brush: Brush, street: Street, rng: np.random.Generator, half: float) -> None:
    worn = float(rng.uniform(0.72, 1.0))
    white: Colour = (int(WHITE[0] * worn), int(WHITE[1] * worn), int(WHITE[2] * worn))
    yellow: Colour = (int(YELLOW[0] * worn), int(YELLOW[1] * worn), int(YELLOW[2] * worn))
    stretches = [(-30.0, 110.0)]
    if street.crossroad_m is not None:
        near = street.crossroad_m - street.crossroad_half_m - (9.0 if street.crossing_m is not None else 2.0)
        stretches = [(-30.0, near), (street.crossroad_m + street.crossroad_half_m + 2.0, 120.0)]
    elif street.crossing_m is not None:
        stretches = [(-30.0, street.crossing_m - 2.0), (street.crossing_m + 6.0, 120.0)]
    for first, second in stretches:
        for aside in (-0.12, 0.12) if street.lanes_each_way > 1 else (0.0,):
            _strip(brush, street, (aside - 0.07, aside + 0.07), yellow, (first, second))
        for side in (-1, 1):
            edge = side * (half - 0.3)
            _strip(brush, street, (edge - 0.07, edge + 0.07), yellow, (first, second))
            for lane in range(1, street.lanes_each_way):
                colour = BLUE if lane == street.lanes_each_way - 1 and street.lanes_each_way == 3 else white
                along = first
                while along < min(second, 90.0):
                    _line(
                        brush,
                        street,
                        (along, min(second, along + 3.0)),
                        (side * lane * LANE_M - 0.07, side * lane * LANE_M + 0.07),
                        colour,
                    )
                    along += 8.0
    if street.crossing_m is not None:
        aside = -half + 0.4
        while aside < half - 0.4:
            _line(brush, street, (street.crossing_m, street.crossing_m + 4.0), (aside, aside + 0.5), white)
            aside += 1.0
        _line(brush, street, (street.crossing_m - 2.6, street.crossing_m - 2.2), (0.2, half - 0.4), white)


class Prop(msgspec.Struct, frozen=True):
    """A tree or a street lamp beside the road, which may hide what is behind it."""

    depth: float
    is_tree: bool
    along: float
    side: int


def draw_props(brush: Brush, street: Street, rng: np.random.Generator) -> list[Prop]:
    """Trees and lamps along both kerbs, the farthest first, none so near that it would fill the picture."""
    props = []
    first = float(rng.uniform(6, 16))
    for index in range(5):
        for side in (-1, 1):
            along = first + index * 17.0
            if street.crossroad_m is not None and abs(along - street.crossroad_m) < street.crossroad_half_m + 3:
                continue
            is_tree = bool(rng.random() < 0.55)
            if not is_tree and rng.random() < 0.5:
                continue
            depth = brush.camera.view(street.world(along, side * street.half_m))[2]
            if depth >= (18 if is_tree else 7):
                props.append(Prop(depth, is_tree, along, side))
    return sorted(props, key=lambda prop: -prop.depth)


def paint_prop(brush: Brush, street: Street, prop: Prop, rng: np.random.Generator) -> None:
    """Paints a tree or a lamp, marked as something that hides objects and is none."""
    brush.number = OCCLUDER
    if prop.is_tree:
        _tree(brush, street.world(prop.along, prop.side * (street.half_m + 0.9)), rng)
    else:
        _pole(brush, street, prop.along, prop.side)


def _tree(brush: Brush, foot: Point, rng: np.random.Generator) -> None:
    """A pavement tree, 4 to 8 m tall."""
    x, _, z = foot
    high = float(rng.uniform(4.0, 8.0))
    leaf = LEAVES[int(rng.integers(len(LEAVES)))]
    brush.stroke([(x, 0, z), (x + 0.1, high * 0.6, z)], 0.13, (84, 68, 54))
    crown = high * 0.27
    count = int(rng.integers(14, 22))
    for place in range(count):
        # From the dark inside and underside to the lit top, in many small tufts.
        share = place / count
        turn, out = float(rng.uniform(0, 2 * math.pi)), float(rng.uniform(0, 1)) ** 0.5
        up = high * 0.74 + crown * (float(rng.uniform(-0.8, 0.55)) + 0.4 * share)
        brush.ball(
            (x + crown * out * math.cos(turn), up, z + crown * out * math.sin(turn) * 0.6),
            crown * float(rng.uniform(0.2, 0.36)) * (1.2 - 0.5 * share), leaf,
            0.58 + 0.5 * share + float(rng.uniform(-0.08, 0.08)), 0.85,
        )  # fmt: skip


def _pole(brush: Brush, street: Street, along: float, side: int) -> None:
    """A street lamp on the kerb."""
    aside = side * (street.half_m + 0.5)
    top, lamp = street.world(along, aside, 7.6), street.world(along, aside - side * 1.9, 7.9)
    brush.stroke([street.world(along, aside), top], 0.085, (118, 122, 126))
    brush.stroke([top, lamp], 0.05, (118, 122, 126))
    brush.stroke([lamp, street.world(along, aside - side * 2.4, 7.9)], 0.09, (190, 190, 186))


def cast_shadow(brush: Brush, footprints: Sequence[Sequence[Point]], strength: int) -> None:
    """One soft shadow on the ground in the shape of these footprints; `strength` 0 is none, 255 black."""
    # Soft edges need no detail: drawn small and only where the shadow is.
    scale = 4
    shapes = [[(x / scale, y / scale) for x, y in brush.camera.polygon(one)] for one in footprints]
    shapes = [shape for shape in shapes if len(shape) >= 3]
    width, height = brush.image.width // scale, brush.image.height // scale
    left = max(0, int(min((x for shape in shapes for x, _ in shape), default=0)) - 4)
    top = max(0, int(min((y for shape in shapes for _, y in shape), default=0)) - 4)
    right = min(width, int(max((x for shape in shapes for x, _ in shape), default=0)) + 5)
    bottom = min(height, int(max((y for shape in shapes for _, y in shape), default=0)) + 5)
    if right <= left or bottom <= top:
        return
    mask = Image.new("L", (right - left, bottom - top), 0)
    draw = ImageDraw.Draw(mask)
    for shape in shapes:
        draw.polygon([(x - left, y - top) for x, y in shape], fill=strength)
    mask = mask.filter(ImageFilter.BoxBlur(1.2)).resize(
        (mask.width * scale, mask.height * scale), Image.Resampling.BILINEAR
    )
    brush.image.paste((14, 16, 22), (left * scale, top * scale), mask)
