"""Clips: video files that play as cameras, read but not decoded. PyAV is imported inside functions.

`read` takes a file's packets into memory and says what it is; `decoding.Decoder` plays them. At most `MOST_FRAMES` of a
clip are used, so that memory and time do not depend on how long somebody's recording is.

Guarantees: what the container shows to be wrong is a DataError that names the file and says what to do: truncated, no
video stream, no frames, another codec than H.264 or H.265. A file of variable frame rate is taken frame by frame: a
camera's clock is the scenario's, not the file's. Not aware of: cameras, models, who asks (parent and worker both do).
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import msgspec

from npubench.errors import DataError
from npubench.lang import here

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".avi", ".ts", ".h264", ".264", ".h265", ".265", ".hevc")
CODECS = {"h264": "H.264", "hevc": "H.265"}

# A minute at 15 frames per second. Of 4 Mbit/s that is 30 MB, once per measuring process.
MOST_FRAMES = 900

# Inputs of a quality run, and of what else is not timed: key frames, by turns of the clips.
STILLS = 8

# As for pictures (npubench.workloads.images): larger frames are refused rather than unpacked.
MAX_PIXELS = 64_000_000

# Containers with times in milliseconds round 1/60 s to 16 or 17 ms, 6 % apart.
_UNEVEN = 0.25
# Bare streams carry no times; the reader would call every one of them 25 frames per second.
_NO_CLOCK = ("h264", "hevc")


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """A video file's first frames, still encoded.

    `packets` begin with a key frame; `keys` are the indexes of key frames among them. `fps`: frames per second on
    average, None where the file has no clock (a bare stream) or a single frame. `variable`: gaps between frames differ.
    """

    name: str
    codec: str
    width: int
    height: int
    fps: float | None
    variable: bool
    packets: tuple[bytes, ...]
    keys: tuple[int, ...]
    extradata: bytes | None

    @property
    def frames(self) -> int:
        """How many frames there are before the clip begins again."""
        return len(self.packets)


def library() -> Any:
    """PyAV. Raises DataError with the command that installs it."""
    try:
        import av
    except ImportError:
        raise DataError(
            here("video cannot be read: PyAV is not installed", "영상을 읽을 수 없습니다: PyAV가 없습니다"),
            hint=here(
                f"pip install 'npubench[video]', for {sys.executable}",
                f"pip install 'npubench[video]' ({sys.executable} 환경)",
            ),
        ) from None
    return av


def clip_files(path: Path) -> list[Path]:
    """`path` itself where it is a file, else the clips of that folder and its subfolders in the order of their names.

    Raises DataError where there is none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(
            here(f"{path}: no such file or folder", f"{path}: 파일이나 폴더가 없습니다"),
            hint=here("check the path given to --video", "--video에 준 경로를 확인하십시오"),
        )
    found = sorted(
        (one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES and not one.name.startswith(".")),
        key=lambda one: one.relative_to(path).as_posix(),
    )
    files = [one for one in found if one.is_file()]
    if not files:
        kinds = ", ".join(SUFFIXES)
        raise DataError(
            here(f"{path}: the folder holds no clip", f"{path}: 폴더에 영상 파일이 없습니다"),
            hint=here(f"put at least one file of {kinds} there", f"{kinds} 파일을 하나 이상 넣으십시오"),
        )
    return files


def read(path: Path, most: int = MOST_FRAMES) -> Clip:
    """The first `most` frames of a file, not decoded. Raises DataError for what its container shows to be wrong."""
    av = library()
    try:
        with av.open(str(path)) as file:
            return _taken(path, file, most)
    except DataError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise _unusable(
            path,
            here(f"not a readable video ({why})", f"읽을 수 있는 영상이 아님 ({why})"),
            here(
                "a recording that was cut off has no index: finish it, or convert it to MP4 or MKV",
                "녹화가 중간에 끊기면 색인이 없습니다. 녹화를 마치거나 MP4, MKV로 변환하십시오",
            ),
        ) from None


def _taken(path: Path, file: Any, most: int) -> Clip:
    streams = list(file.streams.video)
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in file.streams})) or here("none", "없음")
        raise _unusable(
            path,
            here(f"no video stream (streams: {kinds})", f"영상 스트림이 없음 (스트림: {kinds})"),
            here("give a file with H.264 or H.265 video", "H.264 또는 H.265 영상 파일을 지정하십시오"),
        )
    stream = streams[0]
    context = stream.codec_context
    codec = context.name if context is not None else "?"
    if codec not in CODECS:
        raise _unusable(
            path,
            here(
                f"codec {codec}; cameras are played from H.264 or H.265",
                f"코덱 {codec}; 카메라 영상은 H.264 또는 H.265만 지원함",
            ),
            f"ffmpeg -i {path.name} -c:v libx264 -bf 0 {path.stem}-h264.mp4",
        )
    packets: list[bytes] = []
    keys: list[int] = []
    times: list[float] = []
    whole = True
    for packet in file.demux(stream):
        if not packet.size:
            continue
        if packet.is_corrupt:
            raise _truncated(path, len(packets), stream.frames)
        if len(packets) == most:
            whole = False
            break
        if packet.is_keyframe:
            keys.append(len(packets))
        elif not keys:
            # A recording may begin in the middle of a group of pictures, which nothing can decode.
            continue
        packets.append(bytes(packet))
        if packet.pts is not None:
            times.append(float(packet.pts * packet.time_base))
    if not packets:
        raise _unusable(
            path,
            here("its video stream has no frames", "영상 스트림에 프레임이 없음"),
            here("record it again, or remove the file", "다시 녹화하거나 파일을 지우십시오"),
        )
    # The container's own count or length, where it has one, tells what is missing at the end.
    if whole and stream.frames > len(packets) and len(packets) == len(times) and keys[0] == 0:
        raise _truncated(path, len(packets), stream.frames)
    clocked = file.format.name not in _NO_CLOCK and len(times) == len(packets)
    fps, variable = _clock(times) if clocked else (None, False)
    if whole and fps is not None:
        _check_length(path, file, stream, sorted(times), fps)
    width, height = context.width, context.height
    if width * height > MAX_PIXELS or not width or not height:
        raise _unusable(
            path,
            here(f"frames of {width}×{height} are not taken", f"{width}×{height} 프레임은 지원하지 않음"),
            here(f"scale it to at most {MAX_PIXELS // 1_000_000} million pixels", "더 작은 크기로 변환하십시오"),
        )
    return Clip(
        name=path.name,
        codec=codec,
        width=width,
        height=height,
        fps=fps,
        variable=variable,
        packets=tuple(packets),
        keys=tuple(keys),
        extradata=context.extradata,
    )


def _clock(times: list[float]) -> tuple[float | None, bool]:
    """Frames per second on average, to a hundredth, and whether the gaps differ."""
    shown = sorted(times)
    gaps = sorted(after - before for before, after in itertools.pairwise(shown))
    if not gaps or shown[-1] <= shown[0]:
        return None, False
    usual = gaps[len(gaps) // 2]
    uneven = gaps[0] < usual * (1 - _UNEVEN) or gaps[-1] > usual * (1 + _UNEVEN)
    return round(len(gaps) / (shown[-1] - shown[0]), 2), uneven


def _check_length(path: Path, file: Any, stream: Any, times: list[float], fps: float) -> None:
    """Raises DataError where the container promises more than a few frames beyond the last one that is there."""
    start_s = float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0
    if stream.duration is not None:
        promised_s = start_s + float(stream.duration * stream.time_base)
    elif file.duration is not None and len(file.streams) == 1:
        promised_s = start_s + file.duration / 1_000_000
    else:
        return
    # The last frame has a length of its own, and frames that are sent out of order shift the count by one or two.
    slack_s = 3 * max(after - before for before, after in itertools.pairwise(times))
    if promised_s - times[-1] > slack_s:
        raise _truncated(path, len(times), len(times) + round((promised_s - times[-1]) * fps) - 1)


def _unusable(path: Path, why: str, hint: str) -> DataError:
    return DataError(f"{path}: {why}", hint=hint)


def _truncated(path: Path, found: int, promised: int) -> DataError:
    share = here(
        f"{found} of {promised} frames are there" if promised else f"it ends in frame {found + 1}",
        f"{promised}개 중 {found}개 프레임만 있음" if promised else f"{found + 1}번째 프레임에서 끝남",
    )
    return _unusable(
        path,
        here(f"the file is truncated: {share}", f"파일이 잘렸음: {share}"),
        here("copy it again, or cut it cleanly", "다시 복사하거나 온전하게 잘라 내십시오"),
    )
