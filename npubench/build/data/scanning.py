"""What a stamp pad, a photocopier and a scanner do to a clean page.

Guarantees: the geometry of the scan is one affine map, returned to the caller, so that corners of words can follow it.
Not aware of: what the page says.
"""

from __future__ import annotations

import functools
import io
import math

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from npubench.build.data.fonts import opened

Matrix = tuple[float, float, float, float, float, float]

_GRAIN_PX = 1024


@functools.cache
def _grain() -> Image.Image:
    """Paper fibres and dust around 128: noise of three sizes."""
    rng = np.random.Generator(np.random.PCG64(20_240_701))
    total = np.zeros((_GRAIN_PX, _GRAIN_PX), np.float32)
    for cells, weight in ((_GRAIN_PX, 5.0), (_GRAIN_PX // 3, 3.5), (24, 3.0)):
        coarse = (rng.standard_normal((cells, cells), dtype=np.float32) * 40 + 128).clip(0, 255).astype(np.uint8)
        grown = Image.fromarray(coarse).resize((_GRAIN_PX, _GRAIN_PX), Image.Resampling.BICUBIC)
        total += (np.asarray(grown, np.float32) - 128) / 40 * weight
    return Image.fromarray((total + 128).clip(0, 255).astype(np.uint8))


def add_seal(
    image: Image.Image, centre: tuple[int, int], size: int, text: str, font: str, rng: np.random.Generator
) -> None:
    """A red seal with up to nine characters in columns from the right: round for a person, square for an office."""
    scale = 3
    side = size * scale
    stamp = Image.new("L", (side, side), 0)
    draw = ImageDraw.Draw(stamp)
    rim = max(2, side // 22)
    if len(text) <= 4:
        draw.ellipse((rim, rim, side - rim, side - rim), outline=255, width=rim)
    else:
        draw.rectangle((rim, rim, side - rim, side - rim), outline=255, width=rim)
    columns = 1 if len(text) <= 2 else 2 if len(text) <= 4 else 3
    rows = -(-len(text) // columns)
    room = side * (0.66 if len(text) <= 4 else 0.82)
    letter = opened(font, max(8, int(room / max(rows, columns) * 0.95)))
    for place, char in enumerate(text):
        column, row = place // rows, place % rows
        x = side / 2 + room * ((columns - 1) / 2 - column) / columns
        y = side / 2 + room * (row - (rows - 1) / 2) / rows
        draw.text((x, y), char, font=letter, fill=255, anchor="mm")
    # The ink takes unevenly.
    wear = _grain().crop((0, 0, side, side)) if side <= _GRAIN_PX else _grain().resize((side, side))
    wear = wear.transpose(Image.Transpose(int(rng.integers(7)))).point(
        [max(0, min(255, (v - 96) * 9)) for v in range(256)]
    )
    stamp = ImageChops.multiply(stamp, wear).rotate(float(rng.uniform(-14, 14)), Image.Resampling.BICUBIC)
    stamp = stamp.resize((size, size), Image.Resampling.LANCZOS).point([int(v * 0.82) for v in range(256)])
    red = (int(rng.integers(186, 224)), int(rng.integers(28, 56)), int(rng.integers(36, 60)))
    layer = Image.composite(Image.new("RGB", stamp.size, red), Image.new("RGB", stamp.size, (255, 255, 255)), stamp)
    corner = (centre[0] - size // 2, centre[1] - size // 2)
    below = image.crop((*corner, corner[0] + size, corner[1] + size))
    image.paste(ImageChops.multiply(below, layer), corner)


def scan(image: Image.Image, rng: np.random.Generator) -> tuple[Image.Image, Matrix]:
    """The page as a scanner gives it, and the map page → scan: (x, y) → (a·x + b·y + c, d·x + e·y + f)."""
    width, height = image.size
    _stain(image, rng)
    turn, scale = math.radians(float(rng.uniform(-1.5, 1.5))), float(rng.uniform(0.985, 1.0))
    shift = float(rng.uniform(-7, 7)), float(rng.uniform(-7, 7))
    cosine, sine = math.cos(turn) * scale, math.sin(turn) * scale
    middle_x, middle_y = width / 2, height / 2
    forward: Matrix = (
        cosine, -sine, middle_x + shift[0] - cosine * middle_x + sine * middle_y,
        sine, cosine, middle_y + shift[1] - sine * middle_x - cosine * middle_y,
    )  # fmt: skip
    bed = int(rng.integers(196, 250)) if rng.random() < 0.7 else int(rng.integers(20, 70))
    image = image.transform(
        image.size, Image.Transform.AFFINE, _inverse(forward), Image.Resampling.BICUBIC, fillcolor=(bed, bed, bed)
    )
    if rng.random() < 0.75:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 0.85))))
    image = _lit(image, rng)
    grain = _grain().transpose(Image.Transpose(int(rng.integers(7)))).resize(image.size, Image.Resampling.BILINEAR)
    strength = float(rng.uniform(0.5, 1.5))
    grain = grain.point([round(128 + (value - 128) * strength) for value in range(256)])
    image = ImageChops.add(image, grain.convert("RGB"), 1.0, -128)
    if rng.random() < 0.35:
        image = image.convert("L").convert("RGB")
    if rng.random() < 0.6:
        packed = io.BytesIO()
        image.save(packed, "JPEG", quality=int(rng.integers(38, 76)))
        image = Image.open(packed).convert("RGB")
    return image, forward


def _inverse(matrix: Matrix) -> Matrix:
    a, b, c, d, e, f = matrix
    size = a * e - b * d
    return e / size, -b / size, (b * f - e * c) / size, -d / size, a / size, (d * c - a * f) / size


def _lit(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Uneven light: a gradient, the shadow of the spine, a fold."""
    width, height = image.size
    across = np.linspace(0, 1, width // 4, dtype=np.float32)[None, :]
    down = np.linspace(0, 1, height // 4, dtype=np.float32)[:, None]
    lean_x, lean_y = rng.uniform(-14, 14), rng.uniform(-14, 14)
    light = 246.0 + lean_x * (across - 0.5) + lean_y * (down - 0.5)
    if rng.random() < 0.4:
        side = across if rng.random() < 0.5 else 1 - across
        light = light - rng.uniform(25, 80) * np.exp(-side / rng.uniform(0.015, 0.05))
    if rng.random() < 0.35:
        fold = rng.uniform(0.3, 0.7)
        light = light - rng.uniform(6, 16) * np.exp(-(((down - fold) / 0.004) ** 2)) + 0 * across
    shade = Image.fromarray(np.clip(light, 0, 255).astype(np.uint8)).resize(image.size, Image.Resampling.BILINEAR)
    warm = float(rng.uniform(0.955, 1.0))
    bands = [
        shade,
        shade.point([int(v * (1 + warm) / 2) for v in range(256)]),
        shade.point([int(v * warm) for v in range(256)]),
    ]
    return ImageChops.multiply(image, Image.merge("RGB", bands))


def _stain(image: Image.Image, rng: np.random.Generator) -> None:
    """A coffee ring, specks, a punched hole's shadow: now and then."""
    width, height = image.size
    if rng.random() < 0.3:
        radius = int(rng.integers(60, 150))
        x, y = int(rng.integers(radius, width - radius)), int(rng.integers(radius, height - radius))
        patch = Image.new("RGB", (2 * radius, 2 * radius), (255, 255, 255))
        draw = ImageDraw.Draw(patch)
        if rng.random() < 0.5:
            draw.ellipse((8, 8, 2 * radius - 8, 2 * radius - 8), fill=(246, 238, 222), outline=(222, 204, 172), width=7)
        else:
            draw.ellipse((radius // 3, radius // 2, radius * 5 // 3, radius * 3 // 2), fill=(240, 230, 208))
        patch = patch.filter(ImageFilter.GaussianBlur(3.5))
        spot = (x - radius, y - radius)
        image.paste(ImageChops.multiply(image.crop((*spot, x + radius, y + radius)), patch), spot)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 46))):
        left, top, size = float(rng.uniform(0, width)), float(rng.uniform(0, height)), float(rng.uniform(1.0, 3.4))
        tone = int(rng.integers(60, 170))
        draw.ellipse((left, top, left + size, top + size), fill=(tone, tone, tone))
    if rng.random() < 0.3:
        for middle in (height * 0.44, height * 0.56):
            draw.ellipse((26, middle - 17, 60, middle + 17), fill=(150, 150, 152))
