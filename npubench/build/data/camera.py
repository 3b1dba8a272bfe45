"""A fixed camera above a street, and a brush that paints solids through it.

World: x to the right, y up, z away from the camera, metres, ground at y = 0. The brush paints with the same strokes on
a picture and on a map of object numbers, so that what is visible of an object is counted and not guessed.

Guarantees: points behind the camera are clipped, never mirrored. Not aware of: what is painted (`people`, `vehicles`,
`scenery`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from PIL import Image, ImageDraw

Point = tuple[float, float, float]
Colour = tuple[int, int, int]
Pixel = tuple[float, float]

# Nothing closer than this is painted: at 0.4 m a person would fill the picture.
NEAR_M = 0.4

BACKGROUND = 0
# The number of things that hide objects but are none themselves: trees, poles.
OCCLUDER = 255


class Camera:
    """A pinhole camera `height_m` above the ground, looking down by `pitch` and turned by `roll` (radians).

    `focal` and the centre (x, y) are in pixels. Never changed once made; the sines are kept because every stroke of a
    scene, some thousand points, goes through them.
    """

    def __init__(self, *, focal: float, height_m: float, pitch: float, roll: float, centre: Pixel) -> None:
        self.focal = focal
        self._height_m = height_m
        self._pitch_sine, self._pitch_cosine = math.sin(pitch), math.cos(pitch)
        self._roll_sine, self._roll_cosine = math.sin(roll), math.cos(roll)
        self._centre_x, self._centre_y = centre

    def view(self, point: Point) -> Point:
        """World → camera: right, up, depth, metres."""
        x, y, z = point
        y -= self._height_m
        return x, y * self._pitch_cosine + z * self._pitch_sine, z * self._pitch_cosine - y * self._pitch_sine

    def pixel(self, seen: Point) -> Pixel:
        """Camera → picture. The depth must be positive."""
        x, up, depth = seen
        scale = self.focal / depth
        u, v = x * scale, -up * scale
        return (
            self._centre_x + u * self._roll_cosine - v * self._roll_sine,
            self._centre_y + u * self._roll_sine + v * self._roll_cosine,
        )

    def project(self, point: Point) -> Pixel | None:
        """World → picture, None behind the camera."""
        seen = self.view(point)
        return self.pixel(seen) if seen[2] > NEAR_M else None

    def outline(self, seen: Sequence[Point]) -> list[Pixel]:
        """The picture of a flat polygon in camera coordinates, clipped at the near plane; empty when it is behind."""
        pixel = self.pixel
        if min(one[2] for one in seen) > NEAR_M:
            return [pixel(one) for one in seen]
        kept: list[Point] = []
        for first, second in zip(seen, [*seen[1:], seen[0]], strict=True):
            if first[2] > NEAR_M:
                kept.append(first)
            if (first[2] > NEAR_M) != (second[2] > NEAR_M):
                share = (NEAR_M - first[2]) / (second[2] - first[2])
                kept.append(
                    (first[0] + share * (second[0] - first[0]), first[1] + share * (second[1] - first[1]), NEAR_M)
                )
        return [pixel((x, up, max(depth, NEAR_M))) for x, up, depth in kept]

    def polygon(self, points: Sequence[Point]) -> list[Pixel]:
        """The picture of a flat polygon in the world, clipped at the near plane; empty when it is behind the camera."""
        view = self.view
        return self.outline([view(point) for point in points])

    def lowest_horizon_y(self) -> float:
        """The lowest row at which a picture of this camera can show the horizon, pixels."""
        level = self._centre_y - self.focal * self._pitch_sine / self._pitch_cosine / self._roll_cosine
        return level + self._centre_x * abs(self._roll_sine / self._roll_cosine)


class Air(msgspec.Struct, frozen=True, kw_only=True):
    """How far things fade: `colour` takes over with exp(-depth / `range_m`); `sun` is the direction to the light."""

    colour: Colour
    range_m: float
    sun: Point
    ambient: float


class Brush:
    """Paints solids in world coordinates on the picture and on the map of object numbers.

    `number` is what the next strokes are marked with; the map is touched only where that is not the background.
    """

    def __init__(self, camera: Camera, air: Air, size: tuple[int, int]) -> None:
        self.camera = camera
        self.air = air
        self.image = Image.new("RGB", size, air.colour)
        self.numbers = Image.new("L", size, BACKGROUND)
        self._width, self._height = size
        self._draw = ImageDraw.Draw(self.image)
        self._mark = ImageDraw.Draw(self.numbers)
        self.number = BACKGROUND

    def tone(self, colour: Colour, depth: float, light: float = 1.0) -> Colour:
        """`colour` as seen in this light and through this much air."""
        clear = math.exp(-max(depth, 0.0) / self.air.range_m)
        red, green, blue = colour
        haze_red, haze_green, haze_blue = self.air.colour
        haze = 1 - clear
        light *= clear
        return (
            min(255, int(red * light + haze_red * haze)),
            min(255, int(green * light + haze_green * haze)),
            min(255, int(blue * light + haze_blue * haze)),
        )

    def light_on(self, points: Sequence[Point]) -> float:
        """Lambert's light on a flat face with these corners, `ambient` to 1.12."""
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = points[0], points[1], points[2]
        ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        length = math.sqrt(nx * nx + ny * ny + nz * nz) or 1.0
        sun = self.air.sun
        # Faces are not wound consistently; whichever side is seen counts, and the sky lights what looks up.
        facing = abs(nx * sun[0] + ny * sun[1] + nz * sun[2]) / length
        return self.air.ambient + (1.12 - self.air.ambient) * facing

    def flat(self, points: Sequence[Point], colour: Colour, light: float | None = None) -> bool:
        """A flat polygon. Returns whether any of it can be in the picture."""
        view = self.camera.view
        seen = [view(point) for point in points]
        pixels = self.camera.outline(seen)
        if len(pixels) < 3:
            return False
        xs, ys = [x for x, _ in pixels], [y for _, y in pixels]
        if max(xs) < 0 or min(xs) > self._width or max(ys) < 0 or min(ys) > self._height:
            return False
        depth = sum(one[2] for one in seen) / len(seen)
        self._draw.polygon(pixels, self.tone(colour, depth, self.light_on(points) if light is None else light))
        if self.number:
            self._mark.polygon(pixels, self.number)
        return True

    def facing(self, points: Sequence[Point]) -> bool:
        """Whether a polygon whose corners run clockwise as seen from outside turns that side to the camera."""
        seen = self.camera.polygon(points)
        area = 0.0
        for (ax, ay), (bx, by) in zip(seen, seen[1:] + seen[:1], strict=True):
            area += ax * by - bx * ay
        return area > 0

    def stroke(self, points: Sequence[Point], radius_m: float, colour: Colour, light: float = 1.0) -> None:
        """A round-ended tube along `points`."""
        seen = [self.camera.view(point) for point in points]
        if any(depth <= NEAR_M for _, _, depth in seen):
            return
        pixels = [self.camera.pixel(one) for one in seen]
        depth = sum(one[2] for one in seen) / len(seen)
        radius = max(0.5, radius_m * self.camera.focal / depth)
        tone = self.tone(colour, depth, light)
        width = max(1, round(2 * radius))
        joint = "curve" if width > 3 and len(pixels) > 2 else None
        self._draw.line(pixels, tone, width, joint)
        if self.number:
            self._mark.line(pixels, self.number, width, joint)
        if radius > 1.5:
            for x, y in (pixels[0], pixels[-1]):
                self._disc(x, y, radius, radius, tone)

    def ball(self, centre: Point, radius_m: float, colour: Colour, light: float = 1.0, tall: float = 1.0) -> None:
        """A ball, `tall` times as high as wide."""
        seen = self.camera.view(centre)
        if seen[2] <= NEAR_M:
            return
        x, y = self.camera.pixel(seen)
        radius = max(0.5, radius_m * self.camera.focal / seen[2])
        self._disc(x, y, radius, radius * tall, self.tone(colour, seen[2], light))

    def _disc(self, x: float, y: float, across: float, down: float, tone: Colour) -> None:
        box = (x - across, y - down, x + across, y + down)
        self._draw.ellipse(box, tone)
        if self.number:
            self._mark.ellipse(box, self.number)


class Frame:
    """Where a solid stands: its own axes (ahead, right, up) in the world. Heading 0 looks away from the camera."""

    def __init__(self, x: float, z: float, heading: float) -> None:
        self.x = x
        self.z = z
        self._sine, self._cosine = math.sin(heading), math.cos(heading)

    def at(self, ahead: float, right: float, up: float) -> Point:
        """Own coordinates → world."""
        return (
            self.x + ahead * self._sine + right * self._cosine,
            up,
            self.z + ahead * self._cosine - right * self._sine,
        )
