"""Clips: what is read, what is refused and how, and that decoding is decoding."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npubench.clips import Clip, clip_files, library, read
from npubench.decoding import Decoder, check
from npubench.errors import DataError
from tests import clips as made


def refused(path: Path, most: int = 900) -> DataError:
    with pytest.raises(DataError) as caught:
        check(read(path, most))
    assert path.name in str(caught.value)
    assert caught.value.hint
    return caught.value


def frames(decoder: Decoder, count: int) -> list[Any]:
    return [decoder.next() for _ in range(count)]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("kind", ["mp4", "mkv"])
@pytest.mark.parametrize("bframes", [0, 2])
def test_a_clip_is_what_it_was_encoded_as_and_decodes_alike(
    tmp_path: Path, codec: str, kind: str, bframes: int
) -> None:
    path = made.write(tmp_path / f"a.{kind}", codec, bframes=bframes)
    clip = read(path)
    assert (clip.codec, clip.width, clip.height, clip.frames, clip.variable) == (codec, 96, 64, 24, False)
    assert clip.fps == pytest.approx(15, abs=0.05)
    assert clip.keys[0] == 0
    assert len(clip.keys) == 3
    check(clip)
    truth = made.independent(path)
    decoder = Decoder(clip)
    # Once round and into the second round: the last frames are not lost to the decoder's delay.
    assert [made.luma(frame) for frame in frames(decoder, 30)] == truth + truth[:6]
    decoder.close()


def test_a_decoder_begins_where_it_is_told_and_gives_rgb(tmp_path: Path) -> None:
    path = made.write(tmp_path / "a.mp4", size=(1280, 720), frames=12)
    truth, decoder = made.independent(path), Decoder(read(path))
    for index in (10, 0, 7, 8):
        decoder.seek(index)
        frame = decoder.next()
        assert made.luma(frame) == truth[index]
        image = decoder.picture(frame)
        assert (image.size, image.mode) == ((1280, 720), "RGB")
        # Encoded as BT.601 by the library's default and unmarked; greys are the same in every matrix.
        assert made.level_of(image) == pytest.approx(made.level_of(made.picture(index, (64, 64))), abs=4)


def test_colours_are_those_of_the_standard() -> None:
    """Our own clips say BT.709; red, limited range, by the formulas of ITU-R BT.709."""
    frame = made.av.VideoFrame(64, 48, "yuv420p")
    for plane, value in zip(frame.planes, (63, 102, 240), strict=True):
        plane.update(np.full(plane.buffer_size, value, np.uint8).tobytes())
    frame.colorspace, frame.color_range = 1, 1
    clip = Clip(
        name="red",
        codec="h264",
        width=64,
        height=48,
        fps=15.0,
        variable=False,
        packets=(b"",),
        keys=(0,),
        extradata=None,
    )
    pixel = np.asarray(Decoder(clip).picture(frame))[20, 20].astype(int)
    assert np.abs(pixel - (255, 0, 0)).max() <= 3


def test_only_the_first_frames_are_taken(tmp_path: Path) -> None:
    clip = read(made.write(tmp_path / "a.mp4"), most=10)
    assert (clip.frames, clip.keys) == (10, (0, 8))


def test_uneven_frames_are_taken_in_order(tmp_path: Path) -> None:
    steps = [6000, 6000, 6000, 18000, 6000, 12000] * 4
    path = made.write(tmp_path / "vfr.mkv", times=[sum(steps[:number]) for number in range(24)])
    clip = read(path)
    assert clip.variable
    assert clip.fps == pytest.approx(23 / (sum(steps[:23]) / 90_000), abs=0.02)
    check(clip)
    assert [made.luma(frame) for frame in frames(Decoder(clip), 24)] == made.independent(path)


@pytest.mark.parametrize("name", ["a.h264", "a.hevc"])
def test_a_bare_stream_has_no_clock(tmp_path: Path, name: str) -> None:
    clip = read(made.write(tmp_path / name, "hevc" if name.endswith("hevc") else "h264"))
    assert clip.fps is None
    assert clip.frames == 24
    check(clip)


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_truncated_file_is_named(tmp_path: Path, kind: str, share: float) -> None:
    whole = made.write(tmp_path / f"whole.{kind}", frames=60, size=(320, 240)).read_bytes()
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(path)


def test_our_own_clip_with_its_index_in_front_is_known_to_be_cut(tmp_path: Path) -> None:
    """With `faststart` the index is whole although the frames are not."""
    whole = (Path(__file__).parents[1] / "models/data/street-clips/street-1280x720-h265.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    assert "truncated" in str(refused(path))


def test_damage_in_the_middle(tmp_path: Path) -> None:
    data = bytearray(made.write(tmp_path / "a.mp4", frames=40, size=(320, 240)).read_bytes())
    middle = len(data) // 3
    data[middle : middle + 200] = bytes(200)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    refused(path)


def test_what_is_no_video(tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("no video at all")
    refused(text)
    empty = tmp_path / "empty.mkv"
    empty.write_bytes(b"")
    refused(empty)
    assert "no video stream" in str(refused(made.sound(tmp_path / "sound.mkv")))


def test_a_video_stream_without_frames(tmp_path: Path) -> None:
    with made.av.open(str(tmp_path / "none.mkv"), "w") as file:
        stream = file.add_stream("libx264", rate=15)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        made.silence(file)
    assert "no frames" in str(refused(tmp_path / "none.mkv"))
    with made.av.open(str(tmp_path / "nothing.mkv"), "w") as file:
        stream = file.add_stream("libx264", rate=15)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        file.start_encoding()
    refused(tmp_path / "nothing.mkv")


def test_another_codec(tmp_path: Path) -> None:
    path = tmp_path / "old.avi"
    with made.av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=15)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        file.mux(stream.encode(made.av.VideoFrame.from_image(made.picture(0, (96, 64)))))
        file.mux(stream.encode(None))
    error = refused(path)
    assert "mpeg4" in str(error)
    assert "ffmpeg -i old.avi" in str(error.hint)


def test_another_size_in_the_middle(tmp_path: Path) -> None:
    first, second = made.write(tmp_path / "a.h264"), made.write(tmp_path / "b.h264", size=(128, 96))
    path = tmp_path / "both.h264"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    assert "size changes" in str(refused(path))


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        clip_files(tmp_path / "absent")
    with pytest.raises(DataError, match="no clip"):
        clip_files(tmp_path)
    (tmp_path / "b").mkdir()
    for name in ("b/x.MP4", "a.mkv", ".hidden.mp4", "readme.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in clip_files(tmp_path)] == ["a.mkv", "x.MP4"]
    assert clip_files(tmp_path / "readme.txt") == [tmp_path / "readme.txt"]


def test_without_the_library_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DataError) as caught:
        library()
    assert "pip install 'npubench[video]'" in str(caught.value.hint)
