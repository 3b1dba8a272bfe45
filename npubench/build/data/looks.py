"""The light and weather that a scene is drawn under, and what they and the camera make of the painted street.

Not aware of: where things stand, boxes.
"""

from __future__ import annotations

import itertools
import math

import msgspec
import numpy as np
from PIL import Image, ImageChops

from npubench.build.data import weather
from npubench.build.data.buildings import Window
from npubench.build.data.camera import Air, Brush, Colour
from npubench.build.data.scenery import Street
from npubench.build.data.solids import Lamp

LIGHTS: tuple[str, ...] = ("day", "dusk", "night", "infrared")
WEATHERS: tuple[str, ...] = ("clear", "rain", "fog")
FAULTS: tuple[str, ...] = ("motion-blur", "noise", "tilt")
# From here on a scene's conditions name the fault: grey levels of standard deviation, degrees.
NOISY_LEVELS = 5.0
TILTED_DEGREES = 1.5


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a scene is drawn under."""

    light: str
    weather: str
    motion_blur: bool
    noise_levels: float
    tilt_degrees: float


def draw_look(rng: np.random.Generator) -> Look:
    """Random light, weather and faults."""
    light = LIGHTS[int(rng.choice(4, p=(0.46, 0.16, 0.22, 0.16)))]
    noise = {"day": (1.0, 3.5), "dusk": (1.5, 5.0), "night": (2.5, 8.0), "infrared": (3.0, 8.0)}[light]
    return Look(
        light=light,
        weather=WEATHERS[int(rng.choice(3, p=(0.66, 0.2, 0.14)))],
        motion_blur=bool(rng.random() < 0.15),
        noise_levels=float(rng.uniform(*noise)),
        tilt_degrees=float(rng.uniform(-3, 3)),
    )


def conditions(look: Look) -> tuple[str, ...]:
    """Names of the light, the weather and the faults that show."""
    shows = (look.motion_blur, look.noise_levels >= NOISY_LEVELS, abs(look.tilt_degrees) >= TILTED_DEGREES)
    return (look.light, look.weather, *itertools.compress(FAULTS, shows))


def draw_air(rng: np.random.Generator, look: Look) -> Air:
    """How far one sees and where the sun stands."""
    colours: dict[str, Colour] = {
        "day": (196, 204, 212), "dusk": (186, 160, 150), "night": (120, 124, 134), "infrared": (110, 110, 110),
    }  # fmt: skip
    range_m = {"clear": 420.0, "rain": 150.0, "fog": float(rng.uniform(32, 60))}[look.weather]
    turn, high = float(rng.uniform(0, 2 * math.pi)), float(rng.uniform(0.5, 1.1))
    sun = (math.cos(turn) * math.cos(high), math.sin(high), math.sin(turn) * math.cos(high))
    ambient = 0.62 if look.weather == "clear" and look.light == "day" else 0.78
    return Air(colour=colours[look.light], range_m=range_m, sun=sun, ambient=ambient)


def sky(rng: np.random.Generator, look: Look) -> tuple[Colour, Colour]:
    """Colours of the sky above and at the horizon."""
    if look.weather != "clear":
        return (176, 182, 188), (200, 204, 206)
    if look.light == "dusk":
        return (96, 104, 144), (236, 172, 120)
    blue = int(rng.integers(0, 40))
    return (96 + blue, 142 + blue, 196 + blue // 2), (206, 218, 228)


def at_night(
    image: Image.Image, brush: Brush, street: Street, look: Look, rng: np.random.Generator,
    lamps: list[tuple[int, Lamp]], windows: list[Window],
) -> Image.Image:  # fmt: skip
    """Darkens the painted day, then adds street lamps, headlamps, lit windows."""
    size = image.size
    dusk, infrared = look.light == "dusk", look.light == "infrared"
    if infrared:
        image = ImageChops.multiply(image.convert("L"), weather.infrared_map(size, rng)).convert("RGB")
    else:
        warm: Colour = ((120, 92, 56), (112, 108, 96), (96, 106, 116))[int(rng.integers(3))]
        pools = [
            (street.world(10 + 17.0 * place, side * (street.half_m - 1.5)), float(rng.uniform(6.5, 9.5)), warm)
            for place in range(-1, 5)
            for side in (-1, 1)
            if not dusk and rng.random() < 0.8
        ]
        level = float(rng.uniform(120, 165)) if dusk else float(rng.uniform(56, 92))
        ambient: Colour = (
            (int(level * 1.06), int(level * 0.93), int(level * 0.92))
            if dusk
            else (int(level * 0.86), int(level * 0.9), int(level))
        )
        image = ImageChops.multiply(image, weather.light_map(brush, size, ambient, pools, [lamp for _, lamp in lamps]))
    glows = _glows(brush, lamps, weak=dusk)
    if infrared:
        glows = [
            weather.Glow(one.x, one.y, one.radius * 0.8, (max(one.colour),) * 3) for one in glows if one.colour[1] > 100
        ]
        windows = []
    elif dusk:
        windows = windows[::3]
    return weather.add_glows(image, brush, glows, windows)


def _glows(brush: Brush, lamps: list[tuple[int, Lamp]], weak: bool) -> list[weather.Glow]:
    """Lamps that are in the picture, turned to the camera and not hidden by another object."""
    glows = []
    width, height = brush.numbers.size
    for number, lamp in lamps:
        pixel = brush.camera.project(lamp.place)
        if pixel is None or not (0 <= pixel[0] < width and 0 <= pixel[1] < height):
            continue
        if brush.numbers.getpixel((int(pixel[0]), int(pixel[1]))) not in (number, 0):
            continue
        depth = brush.camera.view(lamp.place)[2]
        if brush.camera.view(lamp.ahead)[2] > depth:
            continue
        radius = min(26.0, max(1.5, lamp.radius_m * brush.camera.focal / depth * (0.7 if weak else 1.1)))
        glows.append(weather.Glow(pixel[0], pixel[1], radius, lamp.colour))
    return glows


def through_the_lens(image: Image.Image, look: Look, rng: np.random.Generator) -> Image.Image:
    """Rain, blur, dome, sensor noise, grading and the recorder's overlay."""
    if look.weather == "rain":
        weather.add_rain(image, rng, (212, 212, 212) if look.light == "infrared" else (206, 212, 220))
    # A fixed lens is never quite sharp, which also takes the steps off slanted edges.
    image = weather.softened(image, (1, 1), float(rng.uniform(0.25, 0.5)))
    if look.motion_blur:
        for step in (1, 2, 3)[: int(rng.integers(2, 4))]:
            image = weather.softened(image, (step, 0), 0.5)
    if look.light == "day":
        image = weather.add_dome(image, rng)
    grey = look.light == "infrared"
    image, contrast = weather.add_noise(image, look.noise_levels, rng, grey=grey)
    gains = [1.0] * 3 if grey else [float(gain) for gain in rng.uniform(0.94, 1.06, 3)]
    lift = 22.0 if look.weather == "fog" else float(rng.uniform(0, 10))
    image = weather.graded(image, gains, lift, float(rng.uniform(0.88, 1.14)), contrast)
    if rng.random() < 0.8:
        name = f"CAM {int(rng.integers(1, 100)):02d}"
        weather.stamp_time(image, _clock(look, rng), name, bottom=bool(rng.random() < 0.3))
    return image


def _clock(look: Look, rng: np.random.Generator) -> str:
    hour = {"day": rng.integers(8, 17), "dusk": rng.integers(17, 20)}.get(look.light, rng.integers(20, 24))
    date = f"{int(rng.integers(2024, 2027))}-{int(rng.integers(1, 13)):02d}-{int(rng.integers(1, 29)):02d}"
    return f"{date} {int(hour):02d}:{int(rng.integers(60)):02d}:{int(rng.integers(60)):02d}"
