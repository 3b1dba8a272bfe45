"""Pictures: bytes → pixels → exactly the tensor that a session declares.

Guarantees: the same bytes give the same tensor in every scope; a file that is no picture, or one that would not fit in
memory, is a DataError that names it. Geometry is one struct, `Placement`, which also maps boxes back to the picture.

Scaling: by a whole factor (1280×720 → 640×360, 1920×1080 → 640×360, 3840×2160 → 640×360) it is the exact mean of each
block of pixels; otherwise Pillow's antialiased bilinear filter. JPEG's own scaled decoding (`draft`) is not used: on
1280×720 scenes it saves 1.3 of 7 ms but moves the result away from the full decode (37 dB).

Not aware of: models, tasks, annotations. Pillow is imported inside functions, so that only image workloads need it.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.errors import CardError, DataError
from npubench.lang import here
from npubench.spi import Array, TensorSpec

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")

# A 4-byte pixel buffer of 64 million pixels is 256 MB; an A3 scan at 600 dpi has 70 million and is refused, at 400 dpi
# it has 31 million and passes. The check reads the header only, so that a bomb is never unpacked.
MAX_PIXELS = 64_000_000

_EXIF_ORIENTATION = 0x0112


class Fit(msgspec.Struct, frozen=True):
    """How a picture lies on a canvas: scaled by `scale`, its top-left pixel at (`left`, `top`), all in pixels."""

    scale: float
    left: int
    top: int
    width: int
    height: int
    source_width: int
    source_height: int

    def to_source(self, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Boxes [n, 4] (x0, y0, x1, y1) in canvas pixels → picture pixels, clipped to the picture."""
        limit = np.array([self.source_width, self.source_height] * 2, np.float32)
        moved: npt.NDArray[np.float32] = (boxes - np.array([self.left, self.top] * 2, np.float32)) * np.float32(
            1 / self.scale
        )
        np.clip(moved, 0, limit, out=moved)
        return moved


def fit(source_width: int, source_height: int, width: int, height: int, *, centred: bool) -> Fit:
    """The largest placement of a picture on a canvas that keeps its shape: centred (letterbox) or top-left (page)."""
    scale = min(width / source_width, height / source_height)
    placed_width = min(width, max(1, round(source_width * scale)))
    placed_height = min(height, max(1, round(source_height * scale)))
    left = (width - placed_width) // 2 if centred else 0
    top = (height - placed_height) // 2 if centred else 0
    return Fit(scale, left, top, placed_width, placed_height, source_width, source_height)


def image_files(folder: Path, limit: int | None = None) -> list[Path]:
    """The pictures of a folder and its subfolders, in the order of their names, at most `limit`.

    Raises DataError when there is none.
    """
    found = sorted(
        (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")),
        key=lambda path: path.relative_to(folder).as_posix(),
    )
    files = [path for path in found if path.is_file()]
    if not files:
        kinds = ", ".join(SUFFIXES)
        raise DataError(
            here(f"{folder}: the folder holds no picture", f"{folder}: 폴더에 그림 파일이 없습니다"),
            hint=here(f"put at least one file of {kinds} there", f"{kinds} 파일을 하나 이상 넣으십시오"),
        )
    return files[:limit]


def open_image(data: bytes, name: str) -> Image:
    """Decodes a JPEG, PNG, BMP or WebP file to an 8-bit RGB Pillow image, upright (EXIF orientation applied).

    Transparent parts become white; 16-bit grey is scaled to 8 bits. Raises DataError naming `name`.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise DataError(
            here("pictures cannot be decoded: Pillow is not installed", "그림을 풀 수 없습니다: Pillow가 없습니다"),
            hint="pip install pillow",
        ) from None
    try:
        image: Image.Image = Image.open(io.BytesIO(data))
        if image.width * image.height > MAX_PIXELS:
            raise _too_large(name, f"{image.width}×{image.height}")
        image.load()
        if image.getexif().get(_EXIF_ORIENTATION, 1) != 1:
            image = ImageOps.exif_transpose(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name, "") from None
    except DataError:
        raise
    # Pillow's format plug-ins raise many kinds of errors on broken files: OSError, SyntaxError, struct.error, …
    except Exception as error:
        raise _no_picture(name, error) from None
    return _to_rgb(image)


def _to_rgb(image: Image) -> Image:
    from PIL import Image

    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):
        # Pillow clips 16-bit grey at 255 when it converts; the upper byte is what is meant.
        grey = (np.asarray(image).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        overlay = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, overlay).convert("RGB")
    return image.convert("RGB")


def _too_large(name: str, size: str) -> DataError:
    found = f" ({size})" if size else ""
    most = f"{MAX_PIXELS // 1_000_000}"
    return DataError(
        here(f"{name}: the picture is too large{found}", f"{name}: 그림이 너무 큽니다{found}"),
        hint=here(f"scale it to at most {most} million pixels", f"{most}백만 화소 이하로 줄이십시오"),
    )


def _no_picture(name: str, error: Exception) -> DataError:
    return DataError(
        here(f"{name}: not a readable picture ({error})", f"{name}: 읽을 수 있는 그림이 아닙니다 ({error})"),
        hint=here("replace or remove the file", "파일을 바꾸거나 지우십시오"),
    )


def decode(data: bytes, name: str) -> Pixels:
    """The pixels of a picture file, uint8 [height, width, 3], RGB. Raises DataError naming `name`."""
    return np.asarray(open_image(data, name))


def scaled(image: Image, width: int, height: int) -> Image:
    """`image` at exactly `width` × `height` pixels (see the module's docstring for how)."""
    from PIL import Image

    if image.size == (width, height):
        return image
    factor = image.width // width
    if (width * factor, height * factor) == image.size:
        return image.reduce(factor)
    # A gap of 2.0 is "close to fair resampling" (Pillow documentation of Image.resize) and never slower.
    return image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)


class Canvas:
    """A tensor [batch, …] that pictures are drawn on, in the type, layout and range that a session declares.

    NCHW unless the spec says layout NHWC or "hwc" is fused; 0..1 unless the dtype is uint8 or "scale" is fused, then
    0..255. `tensor` is allocated once and may be bound to a session; only what a picture changes is written.
    """

    def __init__(self, spec: TensorSpec, batch: int, width: int, height: int, pad: int, role_name: str) -> None:
        """`pad` is the grey level 0..255 around pictures. Raises CardError for a type or size that does not fit."""
        if spec.dtype not in ("float32", "float16", "uint8"):
            expected = "float32, float16 or uint8"
            raise CardError((f"graphs.{role_name}: input {spec.name} has type {spec.dtype}; expected {expected}",))
        self.interleaved = spec.layout == "NHWC" or "hwc" in spec.fused
        shape = (batch, height, width, 3) if self.interleaved else (batch, 3, height, width)
        check_shape(spec, shape, role_name)
        dtype = np.dtype(spec.dtype)
        top = 1 if dtype == np.uint8 or "scale" in spec.fused else 255
        # Float16 goes through a table: dividing into float16 is three times slower.
        self._levels = (np.arange(256, dtype=np.float32) / np.float32(top)).astype(dtype)
        self._divisor = np.float32(top) if dtype == np.float32 else None
        self._pad = self._levels[pad]
        self.tensor: Array = np.full(shape, self._pad, dtype)
        self.width, self.height = width, height
        self._last: list[Fit | None] = [None] * batch

    def draw(self, image: Image, row: int, *, centred: bool) -> Fit:
        """Places `image` on row `row` of the batch, scaled to fit; returns where it lies."""
        place = fit(image.width, image.height, self.width, self.height, centred=centred)
        if self._last[row] is not None and place != self._last[row]:
            self.tensor[row] = self._pad
        self._last[row] = place
        small = scaled(image, place.width, place.height)
        rows = slice(place.top, place.top + place.height)
        columns = slice(place.left, place.left + place.width)
        if self.interleaved:
            self._write(np.asarray(small), self.tensor[row, rows, columns])
        else:
            for channel, plane in enumerate(small.split()):
                self._write(np.asarray(plane), self.tensor[row, channel, rows, columns])
        return place

    def _write(self, pixels: Pixels, out: Array) -> None:
        if self._divisor is not None:
            np.divide(pixels, self._divisor, out=out)
        elif out.dtype == np.uint8:
            np.copyto(out, pixels)
        else:
            out[...] = self._levels[pixels]


def check_shape(spec: TensorSpec, shape: tuple[int, ...], role_name: str) -> None:
    """Raises CardError when the fixed dimensions of `spec` (all but the batch) are not those of `shape`."""
    declared: list[Any] = list(spec.shape)
    fits = len(declared) == len(shape) and all(
        not isinstance(have, int) or have == want for have, want in zip(declared[1:], shape[1:], strict=True)
    )
    if not fits:
        found = f"graphs.{role_name}: input {spec.name} has shape {declared}"
        raise CardError((f"{found}; the card's params ask for {list(shape)}",))
