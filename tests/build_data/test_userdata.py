"""A folder of the user's own pictures is looked through before anything is measured."""

from __future__ import annotations

import hashlib
import struct
import warnings
import zlib
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from npubench.build.userdata import ANNOTATIONS, SUFFIXES, check_picture, describe_folder
from npubench.errors import DataError
from npubench.workloads import images, pages


def picture(path: Path, size: tuple[int, int] = (40, 30), shade: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise(size, shade).convert("RGB").save(path)
    return path


def png_header(path: Path, width: int, height: int) -> Path:
    """A PNG that says how large it is and holds almost no data: what a decompression bomb looks like."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")
    )
    return path


def refused(folder: Path, kind: Literal["frames", "pages"] = "frames") -> DataError:
    with pytest.raises(DataError) as caught:
        describe_folder(folder, kind)
    assert caught.value.hint
    return caught.value


def test_a_usable_folder(tmp_path: Path) -> None:
    names = ["b.JPG", "a.png", "sub/c.jpeg", "d.bmp", "e.webp"]
    for name in names:
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.jpg").write_bytes(b"left out, as the workloads do")
    found = describe_folder(tmp_path, "frames")
    assert found.files == tuple(sorted(names))
    lines = sorted(f"{hashlib.sha256((tmp_path / n).read_bytes()).hexdigest()}  {n}\n" for n in names)
    assert found.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_takes_the_same_files_as_the_workloads(tmp_path: Path) -> None:
    assert SUFFIXES == images.SUFFIXES
    assert ANNOTATIONS == pages.ANNOTATIONS
    for name in ("z.png", "a/b.jpg", "a.bmp", "a-b.webp", "A.PNG", ".c.png", "d.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    expected = [path.relative_to(tmp_path).as_posix() for path in images.image_files(tmp_path)]
    assert list(describe_folder(tmp_path, "frames").files) == expected


def test_the_digest_depends_on_bytes_and_names(tmp_path: Path) -> None:
    first = picture(tmp_path / "a.png")
    before = describe_folder(tmp_path, "frames").sha256
    assert describe_folder(tmp_path, "frames").sha256 == before
    moved = first.rename(tmp_path / "b.png")
    renamed = describe_folder(tmp_path, "frames").sha256
    picture(moved, shade=30)
    assert len({before, renamed, describe_folder(tmp_path, "frames").sha256}) == 3


@pytest.mark.parametrize("kind", ["frames", "pages"])
def test_annotations_count(tmp_path: Path, kind: Literal["frames", "pages"]) -> None:
    picture(tmp_path / "a.png")
    plain = describe_folder(tmp_path, kind)
    (tmp_path / ANNOTATIONS).write_text('{"pages": []}')
    annotated = describe_folder(tmp_path, kind)
    assert annotated.files == plain.files
    assert annotated.sha256 != plain.sha256


@pytest.mark.parametrize("kind", ["frames", "pages"])
def test_a_missing_folder(tmp_path: Path, kind: Literal["frames", "pages"]) -> None:
    error = refused(tmp_path / "absent", kind)
    assert "absent: no such folder" in str(error)
    assert f"--{kind}" in str(error.hint)


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    assert "a.png: not a folder" in str(refused(picture(tmp_path / "a.png")))
    assert "no such folder" in str(refused(tmp_path / "a.png" / "below"))


def test_an_empty_frames_folder(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing else")
    (tmp_path / "folder.jpg").mkdir()
    error = refused(tmp_path)
    assert str(tmp_path) in str(error)
    for suffix in ("jpg", "jpeg", "png", "bmp", "webp"):
        assert suffix in str(error.hint)


def test_messages_in_korean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", "ko")
    assert "그림 파일이 없습니다" in str(refused(tmp_path))
    png_header(tmp_path / "a.png", 20_000, 20_000)
    assert "너무 큽니다" in str(refused(tmp_path))


def test_a_png_that_is_no_png(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("<html>404</html>")
    error = refused(tmp_path)
    assert "b.png: not a readable picture" in str(error)
    assert "remove" in str(error.hint)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert "the file is empty" in str(refused(tmp_path))


def test_a_format_that_is_not_taken(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.gif")
    (tmp_path / "a.gif").rename(tmp_path / "a.png")
    assert "a.png: not a readable picture: its content is not" in str(refused(tmp_path))


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp"])
def test_a_truncated_image(tmp_path: Path, suffix: str) -> None:
    path = picture(tmp_path / f"cut.{suffix}", (640, 480))
    assert check_picture(path) == (640, 480)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert f"cut.{suffix}: not a readable picture" in str(refused(tmp_path))


@pytest.mark.parametrize(
    "size", [(20_000, 20_000), (10_001, 10_000), (16_385, 10), (10, 16_385), (60_000, 60_000), (0x7FFF_FFFF, 2)]
)
def test_a_picture_that_is_too_large(tmp_path: Path, size: tuple[int, int]) -> None:
    png_header(tmp_path / "bomb.png", *size)
    error = refused(tmp_path)
    assert f"bomb.png: the picture is too large ({size[0]}×{size[1]})" in str(error)
    assert "64 million" in str(error.hint)
    assert "16384" in str(error.hint)


def test_pillows_bomb_warning_does_not_leak(tmp_path: Path) -> None:
    # 90 million pixels: above Pillow's warning (89.5 million); the refusal is ours, and no warning comes with it.
    Image.new("1", (10_000, 9_000)).save(tmp_path / "large.png")
    allowed = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        assert "large.png" in str(refused(tmp_path))
    assert not leaked
    assert allowed == Image.MAX_IMAGE_PIXELS


def test_unreadable_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "a.png")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    error = refused(tmp_path)
    assert "a.png: cannot be read: Permission denied" in str(error)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60, deadline=None
)
@given(
    suffix=st.sampled_from(SUFFIXES),
    start=st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF\x00\x01\x00\x00WEBP"]),
    rest=st.binary(max_size=200),
)
def test_any_bytes_are_a_picture_or_a_data_error(tmp_path: Path, suffix: str, start: bytes, rest: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(start + rest)
    try:
        describe_folder(tmp_path, "frames")
    except DataError as error:
        assert path.name in str(error)  # noqa: PT017 - no error at all is right too
    finally:
        path.unlink()
