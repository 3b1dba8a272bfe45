"""A fixed camera above a street, and a brush that paints solids through it.

World: x to the right, y up, z away from the camera, metres, ground at y = 0. The brush paints on a picture `fine` times
the wanted size and, with the same strokes, on a map of object numbers, so that what is visible of an object is counted
and not guessed.

Guarantees: points behind the camera are clipped, never mirrored. Not aware of: what is painted (`traffic`, `scenery`).
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


class Camera(msgspec.Struct, frozen=True, kw_only=True):
    """A pinhole camera `height_m` above the ground, looking down by `pitch` and turned by `roll` (radians).

    `focal` and the centre are in pixels of the picture that is painted on.
    """

    focal: float
    height_m: float
    pitch: float
    roll: float
    centre_x: float
    centre_y: float

    def view(self, point: Point) -> Point:
        """World → camera: right, up, depth, metres."""
        x, y, z = point
        sine, cosine = math.sin(self.pitch), math.cos(self.pitch)
        up = (y - self.height_m) * cosine + z * sine
        depth = z * cosine - (y - self.height_m) * sine
        return x, up, depth

    def pixel(self, seen: Point) -> Pixel:
        """Camera → picture. The depth must be positive."""
        x, up, depth = seen
        scale = self.focal / depth
        u, v = x * scale, -up * scale
        sine, cosine = math.sin(self.roll), math.cos(self.roll)
        return self.centre_x + u * cosine - v * sine, self.centre_y + u * sine + v * cosine

    def project(self, point: Point) -> Pixel | None:
        """World → picture, None behind the camera."""
        seen = self.view(point)
        return self.pixel(seen) if seen[2] > NEAR_M else None

    def polygon(self, points: Sequence[Point]) -> list[Pixel]:
        """The picture of a flat polygon, clipped at the near plane; empty when it is behind the camera."""
        seen = [self.view(point) for point in points]
        if all(depth > NEAR_M for _, _, depth in seen):
            return [self.pixel(one) for one in seen]
        kept: list[Point] = []
        for first, second in zip(seen, seen[1:] + seen[:1], strict=True):
            if first[2] > NEAR_M:
                kept.append(first)
            if (first[2] > NEAR_M) != (second[2] > NEAR_M):
                share = (NEAR_M - first[2]) / (second[2] - first[2])
                kept.append(
                    (first[0] + share * (second[0] - first[0]), first[1] + share * (second[1] - first[1]), NEAR_M)
                )
        return [self.pixel((x, up, max(depth, NEAR_M))) for x, up, depth in kept]

    def horizon_y(self) -> float:
        """The picture row of the horizon at the centre column."""
        return self.centre_y - self.focal * math.tan(self.pitch)


class Air(msgspec.Struct, frozen=True, kw_only=True):
    """How far things fade: `colour` takes over with exp(-depth / `range_m`); `sun` is the direction to the light."""

    colour: Colour
    range_m: float
    sun: Point
    ambient: float


class Brush:
    """Paints solids in world coordinates on the picture and on the map of object numbers."""

    def __init__(self, camera: Camera, air: Air, size: tuple[int, int]) -> None:
        self.camera = camera
        self.air = air
        self.image = Image.new("RGB", size, air.colour)
        self.numbers = Image.new("L", self.image.size, BACKGROUND)
        self._draw = ImageDraw.Draw(self.image)
        self._mark = ImageDraw.Draw(self.numbers)
        self.number = BACKGROUND

    def tone(self, colour: Colour, depth: float, light: float = 1.0) -> Colour:
        """`colour` as seen in this light and through this much air."""
        clear = math.exp(-max(depth, 0.0) / self.air.range_m)
        red, green, blue = colour
        haze_red, haze_green, haze_blue = self.air.colour
        return (
            min(255, int(red * light * clear + haze_red * (1 - clear))),
            min(255, int(green * light * clear + haze_green * (1 - clear))),
            min(255, int(blue * light * clear + haze_blue * (1 - clear))),
        )

    def light_on(self, points: Sequence[Point]) -> float:
        """Lambert's light on a flat face with these corners, 0.55 to 1.15."""
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = points[0], points[1], points[2]
        ux, uy, uz, vx, vy, vz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        length = math.sqrt(nx * nx + ny * ny + nz * nz) or 1.0
        sun = self.air.sun
        # Faces are not wound consistently; whichever side is seen counts, and the sky lights what looks up.
        facing = abs(nx * sun[0] + ny * sun[1] + nz * sun[2]) / length
        return self.air.ambient + (1.12 - self.air.ambient) * facing

    def flat(self, points: Sequence[Point], colour: Colour, light: float | None = None) -> bool:
        """A flat polygon. Returns whether it is in front of the camera."""
        seen = self.camera.polygon(points)
        if len(seen) < 3:
            return False
        depth = sum(self.camera.view(point)[2] for point in points) / len(points)
        tone = self.tone(colour, depth, self.light_on(points) if light is None else light)
        self._draw.polygon(seen, fill=tone)
        # The background is painted first, on a map that holds nothing else yet.
        if self.number != BACKGROUND:
            self._mark.polygon(seen, fill=self.number)
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
        self._draw.line(pixels, fill=tone, width=width, joint="curve")
        self._mark.line(pixels, fill=self.number, width=width, joint="curve")
        if radius > 1.5:
            for x, y in (pixels[0], pixels[-1]):
                box = (x - radius, y - radius, x + radius, y + radius)
                self._draw.ellipse(box, fill=tone)
                self._mark.ellipse(box, fill=self.number)

    def ball(self, centre: Point, radius_m: float, colour: Colour, light: float = 1.0, tall: float = 1.0) -> None:
        """A ball, `tall` times as high as wide."""
        seen = self.camera.view(centre)
        if seen[2] <= NEAR_M:
            return
        x, y = self.camera.pixel(seen)
        radius = max(0.5, radius_m * self.camera.focal / seen[2])
        box = (x - radius, y - radius * tall, x + radius, y + radius * tall)
        self._draw.ellipse(box, fill=self.tone(colour, seen[2], light))
        self._mark.ellipse(box, fill=self.number)


class Frame(msgspec.Struct, frozen=True):
    """Where a solid stands: its own axes (ahead, right, up) in the world. Heading 0 looks away from the camera."""

    x: float
    z: float
    heading: float

    def at(self, ahead: float, right: float, up: float) -> Point:
        """Own coordinates → world."""
        sine, cosine = math.sin(self.heading), math.cos(self.heading)
        return self.x + ahead * sine + right * cosine, up, self.z + ahead * cosine - right * sine
