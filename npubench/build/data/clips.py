"""Clips of a street as a CCTV camera records them: drawn from a seed, encoded as network cameras encode.

One scene at two sizes in two codecs (`CLIPS`), so that what differs between two clips is the size or the codec and
never what is seen. Vehicles keep to their lanes at the speed of the lane, people walk, the sensor's noise changes with
every frame and the recorder's clock ticks: motion vectors, residuals and bit rates are those of a codec at work.

Guarantees: the same seed gives the same pictures with the same Pillow; bytes depend on PyAV's encoders too, so what
counts are the committed bytes and the digest in the card. No B-frames, closed groups of pictures of `GOP_S`, one
reference, a capped bit rate: cameras encode for low delay. Not aware of: models, how clips are played
(`workloads.video`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from PIL import Image

from npubench.build.data import buildings, looks, people, scenery, weather
from npubench.build.data.camera import Brush, Camera
from npubench.build.data.placing import KINDS
from npubench.build.data.scenery import LANE_M, Street
from npubench.build.data.solids import Lamp
from npubench.clips import library

if TYPE_CHECKING:
    from npubench.build.data.camera import Frame

FPS = 15
SECONDS = 10
# Two seconds between key frames is the usual setting of network cameras.
GOP_S = 2

# Traffic runs in a ring along the road, from behind the camera to where a car is a few pixels.
_NEAR_M, _FAR_M = -24.0, 112.0
_STEPS_HZ = 1.8


class Encoding(msgspec.Struct, frozen=True):
    """A clip to be written. `bit_rate` in bits per second is both the mean and the cap over a second."""

    file: str
    size: tuple[int, int]
    codec: str
    bit_rate: int


# H.265 at half the bits of H.264 for the same picture is the gain that it was made for (ITU-T H.265, Summary), and what
# cameras are set to; 1 and 2 Mbit/s are common for 720p and 1080p at 15 frames per second.
CLIPS = (
    Encoding("street-1280x720-h264.mp4", (1280, 720), "h264", 1_024_000),
    Encoding("street-1280x720-h265.mp4", (1280, 720), "hevc", 512_000),
    Encoding("street-1920x1080-h264.mp4", (1920, 1080), "h264", 2_048_000),
    Encoding("street-1920x1080-h265.mp4", (1920, 1080), "hevc", 1_024_000),
)


class Mover(msgspec.Struct, frozen=True):
    """Something on its way: `start_m` along the ring at time 0, `speed` in m/s (negative: towards us)."""

    kind: str
    start_m: float
    aside_m: float
    speed: float
    seed: int

    def along(self, time_s: float) -> float:
        """Where it is along the road."""
        return _NEAR_M + (self.start_m + self.speed * time_s) % (_FAR_M - _NEAR_M)


class MovingScene:
    """A street by day whose traffic moves. `frame(n)` is its picture at n / `FPS` seconds."""

    def __init__(self, seed: int, size: tuple[int, int]) -> None:
        self._seed, self._size = seed, size
        rng = np.random.Generator(np.random.PCG64(seed))
        self._look = looks.Look(light="day", weather="clear", motion_blur=False, noise_levels=2.0, tilt_degrees=0.0)
        self._street = _straight_street(rng)
        self._camera = _camera(self._street, size)
        self._air = looks.draw_air(rng, self._look)
        self._movers = _traffic(rng, self._street)
        self._gains = [float(gain) for gain in rng.uniform(0.96, 1.04, 3)]
        back = self._brush()
        scenery.paint_sky(back, *looks.sky(rng, self._look))
        scenery.paint_ground(back, self._street, rng, wet=False)
        buildings.paint_buildings(back, self._street, rng)
        self._props = scenery.draw_props(back, self._street, rng)
        self._still = back.image

    def frame(self, number: int) -> Image.Image:
        """The picture, RGB."""
        time_s = number / FPS
        brush = self._brush()
        brush.image.paste(self._still)
        seen = sorted(
            ((brush.camera.view((frame.x, 1.0, frame.z))[2], mover, frame) for mover, frame in self._placed(time_s)),
            key=lambda one: -one[0],
        )
        for _, mover, frame in seen:
            _shadow(brush, mover, frame)
        props = list(enumerate(self._props))
        for depth, mover, frame in seen:
            while props and props[0][1].depth >= depth:
                self._paint_prop(brush, *props.pop(0))
            _paint(brush, mover, frame, time_s)
        for index, prop in props:
            self._paint_prop(brush, index, prop)
        return self._through_the_lens(brush.image, number)

    def _brush(self) -> Brush:
        return Brush(self._camera, self._air, self._size)

    def _placed(self, time_s: float) -> Iterator[tuple[Mover, Frame]]:
        for mover in self._movers:
            turn = 0.0 if mover.speed > 0 else math.pi
            yield mover, self._street.frame(mover.along(time_s), mover.aside_m, turn)

    def _paint_prop(self, brush: Brush, index: int, prop: scenery.Prop) -> None:
        # A tree looks the same in every frame.
        scenery.paint_prop(brush, self._street, prop, np.random.Generator(np.random.PCG64([self._seed, index])))

    def _through_the_lens(self, image: Image.Image, number: int) -> Image.Image:
        """What `looks.through_the_lens` does, with everything but the noise and the clock fixed."""
        image = weather.softened(image, (1, 1), 0.4)
        image = weather.add_dome(image, np.random.Generator(np.random.PCG64(self._seed)))
        noise = np.random.Generator(np.random.PCG64([self._seed, 1 << 20, number]))
        image, contrast = weather.add_noise(image, self._look.noise_levels, noise, grey=False)
        image = weather.graded(image, self._gains, 4.0, 1.0, contrast)
        weather.stamp_time(image, f"2026-03-02 10:15:{number // FPS % 60:02d}", "CAM 01", bottom=False)
        return image


def _straight_street(rng: np.random.Generator) -> Street:
    """Two lanes each way, without a crossing: nobody has to wait, so that everything moves."""
    while True:
        street = scenery.draw_street(rng)
        if street.lanes_each_way == 2 and street.crossroad_m is None and street.crossing_m is None:
            return street


def _camera(street: Street, size: tuple[int, int]) -> Camera:
    width, height = size
    focal = width / 2 / math.tan(math.radians(62) / 2)
    horizon = 0.06 * height
    return Camera(
        focal=focal,
        height_m=6.5,
        pitch=math.atan2(height / 2 - horizon, focal),
        roll=0.0,
        centre=(width / 2, height / 2),
    )


def _traffic(rng: np.random.Generator, street: Street) -> list[Mover]:
    """Vehicles on every lane, cyclists along the kerbs, people on the pavements. Traffic keeps right."""
    ring = _FAR_M - _NEAR_M
    movers: list[Mover] = []

    def queue(kinds: Sequence[str], aside: float, speed: float, spread: float) -> None:
        first = float(rng.uniform(0, ring))
        for place, kind in enumerate(kinds):
            start = first + (place + float(rng.uniform(0, spread))) * ring / len(kinds)
            movers.append(Mover(kind, start, aside, speed, int(rng.integers(1 << 30))))

    for side in (-1, 1):
        for lane in range(street.lanes_each_way):
            kinds = [("car", "car", "car", "bus", "truck", "motorcycle")[int(rng.integers(6))] for _ in range(4)]
            # 30 to 45 km/h: a city street.
            speed = side * float(rng.uniform(8.5, 12.5))
            queue(kinds, side * (LANE_M * (lane + 0.5) + 0.1), speed, 0.3)
        queue(["bicycle"] * 3, side * (street.half_m + 0.6), side * float(rng.uniform(3.5, 5.0)), 0.5)
        for way in (-1, 1):
            aside = side * (street.half_m + street.pavement_m * (0.45 if way == side else 0.8))
            queue(["person"] * 7, aside, way * float(rng.uniform(1.1, 1.5)), 0.6)
    return movers


def _shadow(brush: Brush, mover: Mover, frame: Frame) -> None:
    what = KINDS[mover.kind]
    base = [
        frame.at(ahead * what.length_m * 0.52, right * what.width_m * 0.52, 0.0)
        for ahead, right in ((-1, -1), (-1, 1), (1, 1), (1, -1))
    ]
    x, up, z = brush.air.sun
    cast = [[(px - x / up * 0.7, py, pz - z / up * 0.7) for px, py, pz in base]]
    scenery.cast_shadow(brush, cast, 105)
    scenery.cast_shadow(brush, [base], 150)


def _paint(brush: Brush, mover: Mover, frame: Frame, time_s: float) -> list[Lamp]:
    own = np.random.Generator(np.random.PCG64(mover.seed))
    if mover.kind == "person":
        phase = 2 * math.pi * (time_s * _STEPS_HZ / 2 + mover.seed % 97 / 97)
        return people.person(brush, frame, own, math.cos(phase))
    return KINDS[mover.kind].paint(brush, frame, own)


class Writer:
    """An MP4 file as a network camera would encode it. Lives until `close`. Needs PyAV."""

    def __init__(self, path: Path, codec: str, size: tuple[int, int], bit_rate: int) -> None:
        self._av = library()
        both = _parameters(bit_rate, GOP_S * FPS)
        # One thread: how many processors there are must not change the bytes.
        options = {
            "h264": {"preset": "medium", "profile": "main", "x264-params": f"{both}:threads=1"},
            "hevc": {
                "preset": "medium",
                "x265-params": f"{both}:open-gop=0:frame-threads=1:pools=1:log-level=none",
            },
        }[codec]
        # Without `bitexact` the muxer's version would be in the file.
        container = {"movflags": "+faststart", "fflags": "+bitexact"}
        self._file = self._av.open(str(path), "w", format="mp4", options=container)
        encoder = {"h264": "libx264", "hevc": "libx265"}[codec]
        self._stream = self._file.add_stream(encoder, rate=FPS, options=options)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.bit_rate = bit_rate
        context = self._stream.codec_context
        # BT.709, limited range: what HD cameras send (ITU-T H.264, tables E-3 to E-5, value 1).
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        if codec == "hevc":
            context.codec_tag = "hvc1"
        self.frames = 0

    def add(self, image: Image.Image) -> None:
        """One more frame."""
        frame = self._av.VideoFrame.from_image(image).reformat(
            format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
        )
        frame.pts = self.frames
        self._file.mux(self._stream.encode(frame))
        self.frames += 1

    def close(self) -> None:
        """Ends the file."""
        self._file.mux(self._stream.encode(None))
        self._file.close()


def _parameters(bit_rate: int, gop: int) -> str:
    """What x264 and x265 take alike."""
    kbit = bit_rate // 1000
    return f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:ref=1:vbv-maxrate={kbit}:vbv-bufsize={kbit}"


def write_clips(folder: Path, seed: int, count: int = len(CLIPS), frames: int = FPS * SECONDS) -> list[dict[str, Any]]:
    """Draws and encodes the first `count` of `CLIPS` into `folder`; returns what they are."""
    wanted = CLIPS[:count]
    for size in dict.fromkeys(clip.size for clip in wanted):
        scene = MovingScene(seed, size)
        writers = [Writer(folder / one.file, one.codec, size, one.bit_rate) for one in wanted if one.size == size]
        for number in range(frames):
            picture = scene.frame(number)
            for writer in writers:
                writer.add(picture)
        for writer in writers:
            writer.close()
    return [
        {
            "file": clip.file,
            "codec": clip.codec,
            "width": clip.size[0],
            "height": clip.size[1],
            "fps": FPS,
            "frames": frames,
            "bit_rate": clip.bit_rate,
            "gop": GOP_S * FPS,
        }
        for clip in wanted
    ]
