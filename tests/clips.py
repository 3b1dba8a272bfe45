"""Clips that tests encode themselves: small, quick, with a picture that tells which frame it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

av: Any = pytest.importorskip("av", reason="PyAV is not installed (the extra video, part of dev)")

ENCODERS = {"h264": "libx264", "hevc": "libx265"}
GOP = 8


def picture(number: int, size: tuple[int, int]) -> Image.Image:
    """A grey level and a moving block that depend on the frame's number."""
    image = Image.new("RGB", size, (40 + 8 * (number % 24),) * 3)
    left = number * 7 % (size[0] - 24)
    ImageDraw.Draw(image).rectangle((left, size[1] // 3, left + 23, size[1] // 3 + 23), fill=(220, 60, 30))
    return image


def level_of(image: Image.Image) -> float:
    """The grey level of a picture's upper left corner."""
    return float(np.asarray(image)[:8, :8].mean())


def write(
    path: Path,
    codec: str = "h264",
    frames: int = 24,
    size: tuple[int, int] = (96, 64),
    *,
    fps: int = 15,
    bframes: int = 0,
    times: Sequence[int] | None = None,
    pictures: Iterable[Image.Image] | None = None,
) -> Path:
    """A clip; `times` are those of its frames in 1/90000 s."""
    inside = f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes={bframes}"
    options = {"h264": {"x264-params": f"{inside}:threads=1"}, "hevc": {"x265-params": f"{inside}:log-level=none"}}
    with av.open(str(path), "w") as file:
        stream = file.add_stream(ENCODERS[codec], rate=fps, options={"preset": "ultrafast", **options[codec]})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 90_000)
        for number, image in enumerate(pictures or (picture(number, size) for number in range(frames))):
            frame = av.VideoFrame.from_image(image)
            frame.pts = number if times is None else times[number]
            if times is not None:
                frame.time_base = Fraction(1, 90_000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def sound(path: Path) -> Path:
    """A file with sound and no picture."""
    with av.open(str(path), "w") as file:
        silence(file)
    return path


def silence(file: Any) -> None:
    """Adds a track of a fifth of a second without a sound."""
    stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
    frame.sample_rate = 8000
    file.mux(stream.encode(frame))
    file.mux(stream.encode(None))


def independent(path: Path) -> list[bytes]:
    """The luma of every frame, decoded by PyAV's own reader."""
    with av.open(str(path)) as file:
        return [luma(frame) for frame in file.decode(video=0)]


def luma(frame: Any) -> bytes:
    """The luma of a decoded frame, without what pads its rows."""
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width].tobytes()
