"""Light, weather and the camera's own faults, laid over a painted street.

Noise comes from one tile drawn once per process (always the same one) and shifted for each scene, because drawing 2.8
million normal numbers would cost more than the scene. Not aware of: what is in the picture.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import msgspec
import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from npubench.build.data.buildings import Window
from npubench.build.data.camera import Brush, Colour, Point
from npubench.build.data.solids import Lamp

_TILE = (1792, 1024)
_TILE_LEVELS = 56.0
# Light is soft: its maps are drawn at this fraction of the picture.
_LIGHT_SCALE = 4
_DOMES = 6


class Glow(msgspec.Struct, frozen=True):
    """A light source as it is seen: picture place, radius in pixels, colour."""

    x: float
    y: float
    radius: float
    colour: Colour


@functools.cache
def _noise_tile(grey: bool) -> Image.Image:
    """Normal noise around 128 with a standard deviation of `_TILE_LEVELS`, RGB: mostly brightness, a little colour."""
    rng = np.random.Generator(np.random.PCG64(20_240_601))
    noise = rng.standard_normal((_TILE[1], _TILE[0], 1), dtype=np.float32) * (1.0 if grey else 0.87)
    noise = noise + rng.standard_normal((_TILE[1], _TILE[0], 3), dtype=np.float32) * (0.0 if grey else 0.5)
    return Image.fromarray((noise * _TILE_LEVELS + 128).clip(0, 255).astype(np.uint8))


def _window_of(tile: Image.Image, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    if size[0] > tile.width or size[1] > tile.height:
        tile = tile.resize((max(size[0], tile.width), max(size[1], tile.height)))
    left, top = int(rng.integers(tile.width - size[0] + 1)), int(rng.integers(tile.height - size[1] + 1))
    return tile.crop((left, top, left + size[0], top + size[1]))


def softened(image: Image.Image, step: tuple[int, int], share: float) -> Image.Image:
    """The picture mixed with `share` of itself moved by `step` pixels: a blur at a quarter of a box filter's price."""
    moved = image.copy()
    moved.paste(image, step)
    return Image.blend(image, moved, share)


def add_noise(image: Image.Image, levels: float, rng: np.random.Generator, *, grey: bool) -> tuple[Image.Image, float]:
    """Sensor noise with a standard deviation of about `levels` grey levels.

    Mixing with a tile of strong noise is several times faster than adding a weak one, and takes contrast away: the
    second value is the factor that `graded` must give back.
    """
    share = levels / (_TILE_LEVELS + levels)
    return Image.blend(image, _window_of(_noise_tile(grey), image.size, rng), share), 1 / (1 - share)


def light_map(
    brush: Brush,
    size: tuple[int, int],
    ambient: Colour,
    pools: Sequence[tuple[Point, float, Colour]],
    lamps: Sequence[Lamp],
) -> Image.Image:
    """How bright each place is at night, RGB, to be multiplied: `pools` under street lamps, cones before headlamps."""
    small = (size[0] // _LIGHT_SCALE, size[1] // _LIGHT_SCALE)
    scale = brush.image.width / small[0]
    total = Image.new("RGB", small, ambient)

    def shine(points: Sequence[Point], colour: Colour) -> None:
        seen = [(x / scale, y / scale) for x, y in brush.camera.polygon(points)]
        if len(seen) < 3:
            return
        left, top = max(0, int(min(x for x, _ in seen))), max(0, int(min(y for _, y in seen)))
        right, bottom = min(small[0], int(max(x for x, _ in seen)) + 1), min(small[1], int(max(y for _, y in seen)) + 1)
        if right <= left or bottom <= top:
            return
        mask = Image.new("RGB", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in seen], fill=colour)
        total.paste(ImageChops.add(total.crop((left, top, right, bottom)), mask), (left, top))

    for (x, _, z), radius, colour in pools:
        for share in (1.0, 0.72, 0.45):
            ring = [
                (x + radius * share * math.cos(turn), 0.0, z + radius * share * math.sin(turn))
                for turn in (2 * math.pi * corner / 18 for corner in range(18))
            ]
            shine(ring, tuple(part // 3 for part in colour))  # type: ignore[arg-type]
    for lamp in lamps:
        if not lamp.beam:
            continue
        (x0, _, z0), (x1, _, z1) = lamp.place, lamp.ahead
        dx, dz = x1 - x0, z1 - z0
        for reach, share in ((1.0, 0.28), (0.6, 0.24)):
            ax, az = x0 + dx * reach, z0 + dz * reach
            wide = 0.22 * reach
            cone = [(x0, 0.0, z0), (ax - dz * wide, 0.0, az + dx * wide), (ax + dz * wide, 0.0, az - dx * wide)]
            shine(cone, (int(70 * share * 3), int(66 * share * 3), int(54 * share * 3)))
    return total.filter(ImageFilter.GaussianBlur(3)).resize(size, Image.Resampling.BILINEAR)


def infrared_map(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """The camera's own infrared lamp, L: bright in the middle, dark towards the corners."""
    across = np.linspace(-1, 1, size[0] // _LIGHT_SCALE, dtype=np.float32)
    down = np.linspace(-1, 1, size[1] // _LIGHT_SCALE, dtype=np.float32)
    middle = rng.uniform(-0.15, 0.15), rng.uniform(-0.05, 0.35)
    distance = np.hypot(across[None, :] - middle[0], (down[:, None] - middle[1]) * 0.9)
    power = 190 * np.exp(-((distance / rng.uniform(0.8, 1.15)) ** 2)) + 62
    return Image.fromarray(power.clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)


def add_glows(image: Image.Image, brush: Brush, glows: Sequence[Glow], windows: Sequence[Window]) -> Image.Image:
    """Everything that shines, with halos. Windows that something stands before stay dark there. Changes `image`."""
    small = Image.new("RGB", (image.width // _LIGHT_SCALE, image.height // _LIGHT_SCALE))
    for window in windows:
        _shine_window(image, small, brush, window)
    draw, wide = ImageDraw.Draw(image), ImageDraw.Draw(small)
    for glow in glows:
        x, y, radius = glow.x, glow.y, glow.radius
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=glow.colour)
        x, y, radius = x / _LIGHT_SCALE, y / _LIGHT_SCALE, radius * 1.3 / _LIGHT_SCALE
        wide.ellipse((x - radius, y - radius, x + radius, y + radius), fill=glow.colour)
    halo = small.filter(ImageFilter.GaussianBlur(2.2)).resize(image.size, Image.Resampling.BILINEAR)
    return ImageChops.screen(image, halo)


def _shine_window(image: Image.Image, small: Image.Image, brush: Brush, window: Window) -> None:
    seen = brush.camera.polygon(window.corners)
    if len(seen) < 3:
        return
    left, top = max(0, int(min(x for x, _ in seen))), max(0, int(min(y for _, y in seen)))
    right = min(image.width, int(max(x for x, _ in seen)) + 1)
    bottom = min(image.height, int(max(y for _, y in seen)) + 1)
    if right <= left or bottom <= top:
        return
    mask = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in seen], fill=204)
    mask.paste(0, mask=brush.numbers.crop((left, top, right, bottom)).point([0] + [255] * 255))
    image.paste(window.colour, (left, top), mask)
    low = mask.resize((max(1, mask.width // _LIGHT_SCALE), max(1, mask.height // _LIGHT_SCALE)))
    small.paste(window.colour, (left // _LIGHT_SCALE, top // _LIGHT_SCALE), low)


def add_rain(image: Image.Image, rng: np.random.Generator, tone: Colour) -> None:
    """Falling streaks of this tone and some drops on the dome, painted into `image`."""
    width, height = image.size
    mask = Image.new("L", image.size, 0)
    draw = ImageDraw.Draw(mask)
    slant = float(rng.uniform(-0.3, 0.3))
    count = int(rng.integers(180, 420))
    places = rng.uniform(0, 1, (count, 4))
    for x, y, long, bright in places:
        length = 10 + 34 * long
        left, top = x * width * 1.2 - 0.1 * width, y * height
        draw.line((left, top, left + slant * length, top + length), fill=int(24 + 62 * bright))
    for _ in range(int(rng.integers(0, 5))):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(6, 26)
        spot = (int(x - radius), int(y - radius * 1.2), int(x + radius), int(y + radius * 1.2))
        part = image.crop(spot).filter(ImageFilter.GaussianBlur(5))
        blob = Image.new("L", part.size, 0)
        ImageDraw.Draw(blob).ellipse((1, 1, part.width - 2, part.height - 2), fill=210)
        image.paste(part, spot[:2], blob.filter(ImageFilter.GaussianBlur(1.5)))
    image.paste(tone, mask=mask)


@functools.cache
def _dome(size: tuple[int, int], variant: int) -> Image.Image:
    """What a lens with a dirty dome lets through: darker corners, faint uneven patches."""
    rng = np.random.Generator(np.random.PCG64(20_240_602 + variant))
    across = np.linspace(-1, 1, size[0], dtype=np.float32)[None, :]
    down = np.linspace(-1, 1, size[1], dtype=np.float32)[:, None]
    power = 250 - 52 * (0.6 * across**2 + 0.5 * down**2) ** 1.5
    for cells, weight in ((6, 5.0), (40, 2.4), (160, 2.0)):
        coarse = rng.standard_normal((cells * size[1] // size[0] + 1, cells), dtype=np.float32) * 40 + 128
        grown = Image.fromarray(coarse.clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
        power = power + (np.asarray(grown, np.float32) - 128) / 40 * weight
    return Image.fromarray(power.clip(0, 255).astype(np.uint8)).convert("RGB")


def add_dome(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """One of `_DOMES` domes over the lens."""
    return ImageChops.multiply(image, _dome(image.size, int(rng.integers(_DOMES))))


def graded(image: Image.Image, gains: Sequence[float], lift: float, gamma: float, contrast: float) -> Image.Image:
    """Contrast, white balance, black level and tone curve in one table."""
    values = ((np.arange(256) - 128) * contrast + 128).clip(0, 255) / 255
    curve = 255 * values**gamma * (1 - lift / 255)
    table = np.concatenate([(curve * gain + lift).round().clip(0, 255) for gain in gains])
    return image.point(table.astype(int).tolist())


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def stamp_time(image: Image.Image, text: str, name: str, *, bottom: bool) -> None:
    """The recorder's overlay: time on the left, camera name on the right, outlined."""
    draw = ImageDraw.Draw(image)
    size = max(12, image.height // 32)
    y = image.height - size * 1.7 if bottom else size * 0.6
    for x, words, anchor in ((size * 0.8, text, "la"), (image.width - size * 0.8, name, "ra")):
        draw.text(
            (x, y),
            words,
            font=_font(size),
            fill=(246, 246, 246),
            stroke_width=2,
            stroke_fill=(16, 16, 16),
            anchor=anchor,
        )
