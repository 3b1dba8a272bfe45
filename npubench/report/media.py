"""Pictures for a page: the bytes of an exhibit's input, found by its hash, made small, as a `data:` address.

Guarantees: only npubench's own drawings get into a page unless somebody asked for their own; a file whose SHA-256 is
not that of the exhibit is not shown. Reads files, writes none. Not aware of: what was found in the picture.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from npubench.discovery import builtin_data
from npubench.exhibits import Exhibit, Exhibits
from npubench.lang import Text

FRAME_WIDTH, PAGE_WIDTH = 800, 744
"""Pixels. Half a page of a 1280-pixel window, a little more than needed there, so that print and zoom stay legible."""
_FRAME_QUALITY, _PAGE_QUALITY = 70, 55
# As for pictures that are measured: larger ones are refused rather than unpacked.
_MAX_PIXELS = 64_000_000

NOT_ASKED = Text(en="No picture was asked for.", ko="그림을 요청하지 않았습니다.")
NOT_HERE = Text(
    en="The picture is not on this machine: the boxes are drawn without it.",
    ko="이 장비에 그림이 없어 상자만 그렸습니다.",
)
OTHER = Text(
    en="The picture on this machine is another one (its SHA-256 differs): the boxes are drawn without it.",
    ko="이 장비의 그림이 다른 그림이므로(SHA-256 불일치) 상자만 그렸습니다.",
)
KEPT_OUT = Text(en="The user's own picture, kept out of the report.", ko="사용자 자료이므로 보고서에 넣지 않았습니다.")


class Media(msgspec.Struct, frozen=True):
    """A picture as a `data:` address, or why there is none."""

    address: str = ""
    why: Text | None = None


Reader = Callable[[Exhibits, Exhibit], Media]


def nothing(_exhibits: Exhibits, _exhibit: Exhibit) -> Media:
    """The reader of who shows no pictures: a terminal, a comparison."""
    return Media(why=NOT_ASKED)


def reader(sources: Mapping[str, str] | None = None) -> Reader:
    """Reads npubench's own drawings; given a plan's `sources`, at the user's word alone, the user's files as well."""
    made: dict[str, Media] = {}

    def read(exhibits: Exhibits, exhibit: Exhibit) -> Media:
        if exhibit.sha256 not in made:
            made[exhibit.sha256] = _read(exhibits, exhibit, sources)
        return made[exhibit.sha256]

    return read


def _read(exhibits: Exhibits, exhibit: Exhibit, sources: Mapping[str, str] | None) -> Media:
    folder = builtin_data(exhibits.source)
    if folder is None:
        if sources is None:
            return Media(why=KEPT_OUT)
        named = sources.get(f"data:{exhibits.model}")
        folder = Path(named) if named else None
    if folder is None or not _inside(exhibit.file):
        return Media(why=NOT_HERE)
    try:
        data = (folder / exhibit.file).read_bytes()
    # A name with a NUL in it is a ValueError.
    except (OSError, ValueError):
        return Media(why=NOT_HERE)
    if hashlib.sha256(data).hexdigest() != exhibit.sha256:
        return Media(why=OTHER)
    small = _small(data, page=exhibit.kind == "words")
    if small is None:
        return Media(why=NOT_HERE)
    return Media(address=f"data:image/jpeg;base64,{base64.b64encode(small).decode()}")


def _inside(file: str) -> bool:
    return not Path(file).is_absolute() and ".." not in Path(file).parts


def _small(data: bytes, *, page: bool) -> bytes | None:
    """A JPEG of a picture, upright, no wider than a page shows it, without anything but pixels; None for no picture."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                return None
            # A camera's EXIF (place, serial number) stays behind: only pixels are copied.
            upright = ImageOps.exif_transpose(opened).convert("L" if page else "RGB")
    # Pillow's format plug-ins raise many kinds of errors on broken files.
    except Exception:
        return None
    width = min(upright.width, PAGE_WIDTH if page else FRAME_WIDTH)
    size = (width, max(1, round(upright.height * width / upright.width)))
    small = upright.resize(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=_PAGE_QUALITY if page else _FRAME_QUALITY, optimize=True, progressive=True)
    return stream.getvalue()
