from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from npubench.errors import CardError, DataError
from npubench.spi import TensorSpec
from npubench.workloads.images import Canvas, decode, fit, image_files, open_image, scaled
from tests.workloads.fakes import encoded, scene


def spec(dtype: str = "float32", shape: tuple[int | str, ...] = ("batch", 3, 64, 64), **more: object) -> TensorSpec:
    return TensorSpec(name="images", dtype=dtype, shape=shape, **more)  # type: ignore[arg-type]


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size, with a few bytes of pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


def test_a_picture_becomes_rgb_rows() -> None:
    image = Image.new("RGB", (5, 3), (10, 20, 30))
    pixels = decode(encoded(image, "PNG"), "a.png")
    assert pixels.shape == (3, 5, 3)
    assert pixels.dtype == np.uint8
    assert pixels[0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize(("mode", "colour"), [("L", 90), ("1", 1), ("CMYK", (0, 0, 0, 0)), ("P", 3), ("LA", (9, 255))])
def test_every_mode_becomes_rgb(mode: str, colour: int | tuple[int, ...]) -> None:
    image = Image.new(mode, (8, 4), colour)
    assert decode(encoded(image, "TIFF"), "a").shape == (4, 8, 3)


def test_transparency_is_white_and_16_bits_keep_their_upper_byte() -> None:
    assert decode(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG"), "a").min() == 255
    deep = Image.fromarray(np.full((4, 4), 0x80FF, np.uint16))
    assert decode(encoded(deep, "PNG"), "a").tolist() == [[[128] * 3] * 4] * 4


def test_exif_orientation_is_applied() -> None:
    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    assert open_image(out.getvalue(), "a").size == (20, 40)


def test_a_missing_pillow_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match="Pillow") as caught:
        open_image(b"", "a.jpg")
    assert caught.value.hint == "pip install pillow"


def test_a_png_that_is_no_png() -> None:
    with pytest.raises(DataError, match=r"frames/broken\.png"):
        open_image(b"\x89PNG\r\n\x1a\nnonsense", "frames/broken.png")


def test_a_truncated_jpeg() -> None:
    whole = encoded(scene(0))
    with pytest.raises(DataError, match=r"cut\.jpg") as caught:
        open_image(whole[: len(whole) // 2], "cut.jpg")
    assert caught.value.hint


@pytest.mark.parametrize("side", [8001, 10000, 20000])
def test_a_20000x20000_image(side: int) -> None:
    with pytest.raises(DataError, match=r"huge\.png"):
        open_image(png_header(side, side), "huge.png")


MAGIC = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF\0\0\0\0WEBP"]


@given(st.binary(max_size=200), st.sampled_from(MAGIC))
def test_garbage_is_a_data_error(body: bytes, magic: bytes) -> None:
    with pytest.raises(DataError, match=r"g\.bin"):
        open_image(magic + body, "g.bin")


def test_files_of_a_folder_in_name_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.JPG", "a.png", "sub/c.webp", ".hidden.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)] == ["a.png", "b.JPG", "sub/c.webp"]
    assert len(image_files(tmp_path, 2)) == 2


def test_an_empty_frames_folder(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("no pictures")
    with pytest.raises(DataError, match=r"no picture|그림") as caught:
        image_files(tmp_path)
    assert caught.value.hint
    assert ".jpg" in caught.value.hint


def test_letterbox_and_page_geometry() -> None:
    place = fit(1280, 720, 640, 640, centred=True)
    assert (place.left, place.top, place.width, place.height) == (0, 140, 640, 360)
    page = fit(1240, 1754, 736, 1024, centred=False)
    assert (page.left, page.top, page.width, page.height) == (0, 0, 724, 1024)


@given(st.integers(1, 4000), st.integers(1, 4000), st.booleans())
def test_boxes_come_back_to_the_picture(width: int, height: int, centred: bool) -> None:
    place = fit(width, height, 640, 512, centred=centred)
    assert place.left >= 0
    assert place.left + place.width <= 640
    assert place.top + place.height <= 512
    corners = np.array(
        [[place.left, place.top, place.left + width * place.scale, place.top + height * place.scale]], np.float32
    )
    back = place.to_source(corners)[0]
    assert np.allclose(back, [0, 0, width, height], rtol=1e-4, atol=0.02)
    assert place.to_source(np.array([[-900, -900, 9000, 9000]], np.float32))[0].tolist() == [0, 0, width, height]


def test_a_whole_factor_is_the_mean_of_blocks() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (36, 64, 3), np.uint8)
    small = np.asarray(scaled(Image.fromarray(pixels), 32, 18), np.float64)
    means = pixels.reshape(18, 2, 32, 2, 3).mean(axis=(1, 3))
    assert abs(small - means).max() <= 0.5


def test_a_canvas_pads_grey_and_scales_to_one() -> None:
    canvas = Canvas(spec(), 2, 64, 64, 114, "detector")
    canvas.draw(Image.new("RGB", (128, 64), (255, 0, 51)), 1, centred=True)
    assert canvas.tensor.dtype == np.float32
    assert canvas.tensor[0].min() == canvas.tensor[0].max() == np.float32(114) / np.float32(255)
    assert canvas.tensor[1, :, 32, 32].tolist() == [1.0, 0.0, np.float32(51) / np.float32(255)]
    assert canvas.tensor[1, 0, 15, 0] == np.float32(114) / np.float32(255)
    assert canvas.tensor[1, 0, 16, 0] == 1


def test_another_size_does_not_leave_the_last_picture_behind() -> None:
    canvas = Canvas(spec(), 1, 64, 64, 114, "detector")
    canvas.draw(Image.new("RGB", (64, 64), (255, 255, 255)), 0, centred=True)
    canvas.draw(Image.new("RGB", (64, 16), (0, 0, 0)), 0, centred=True)
    assert canvas.tensor.max() == np.float32(114) / np.float32(255)


def test_what_the_session_declares_is_prepared() -> None:
    image = Image.new("RGB", (64, 64), (200, 100, 0))
    nhwc = Canvas(spec("uint8", ("batch", 64, 64, 3), layout="NHWC", fused=("scale",)), 1, 64, 64, 114, "d")
    nhwc.draw(image, 0, centred=True)
    assert nhwc.tensor.shape == (1, 64, 64, 3)
    assert nhwc.tensor[0, 5, 5].tolist() == [200, 100, 0]
    half = Canvas(spec("float16"), 1, 64, 64, 114, "d")
    half.draw(image, 0, centred=True)
    assert half.tensor.dtype == np.float16
    assert half.tensor[0, 0, 5, 5] == np.float16(200 / 255)
    unscaled = Canvas(spec("float32", fused=("scale",)), 1, 64, 64, 114, "d")
    unscaled.draw(image, 0, centred=True)
    assert unscaled.tensor[0, :, 5, 5].tolist() == [200, 100, 0]


def test_a_type_or_size_that_cannot_be_prepared_is_refused() -> None:
    with pytest.raises(CardError, match="int64"):
        Canvas(spec("int64"), 1, 64, 64, 114, "detector")
    with pytest.raises(CardError, match="detector"):
        Canvas(spec(), 1, 96, 96, 114, "detector")
    with pytest.raises(CardError, match="shape"):
        Canvas(spec(shape=("batch", 64, 64, 3)), 1, 64, 64, 114, "detector")
