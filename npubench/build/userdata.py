"""Looks at a folder of the user's own pictures before anything is measured (`--frames DIR`, `--pages DIR`).

Guarantees: every picture that a workload would read has been opened and unpacked once, so that a broken file is named
now and not after minutes of measuring; size limits are read from headers, so that a bomb is never unpacked; the digest
changes with every byte and every name that a measurement depends on. Warnings of Pillow stay here.

Not aware of: what pictures show, models, our own data sets' cards (`data.sets`).
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from npubench.errors import DataError
from npubench.lang import here
from npubench.store import sha256_file

# The same as the workloads take (npubench.workloads.images, which this floor does not import; a test compares them).
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
ANNOTATIONS = "annotations.json"

# 64 million pixels unpack to 192 MB of RGB; A4 at 600 dpi has 35 million, and the worker refuses more, too. No side of
# a camera's or scanner's picture comes near 16384 (which is also WebP's largest, plus one).
MAX_PIXELS = 64_000_000
MAX_SIDE_PX = 16_384

# Only these are tried, whatever the name says: Pillow's other readers run programs or are rarely looked after.
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")


class UserFolder(msgspec.Struct, frozen=True):
    """What a usable folder holds: picture files (POSIX names relative to it, sorted) and their common SHA-256 (hex)."""

    files: tuple[str, ...]
    sha256: str


def describe_folder(folder: Path, kind: Literal["frames", "pages"]) -> UserFolder:
    """Checks every picture of `folder` and its subfolders; hidden files are left out, as the workloads do.

    `sha256` is taken over the sorted lines `<sha256>  <file>` of the pictures and of an annotations.json, because its
    boxes decide what is read of a page and how a detector is judged. Raises DataError naming the folder or the first
    file that cannot be used.
    """
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            here(f"{folder}: no such folder", f"{folder}: 폴더가 없습니다"),
            hint=here(f"check the path given to --{kind}", f"--{kind}에 준 경로를 확인하십시오"),
        ) from None
    except OSError as error:
        raise _unreadable(folder, error) from None
    if not folder.is_dir():
        raise DataError(
            here(f"{folder}: not a folder", f"{folder}: 폴더가 아닙니다"),
            hint=here(f"give --{kind} the folder that holds the files", f"--{kind}에 파일이 든 폴더를 지정하십시오"),
        )
    files = _pictures(folder)
    if not files:
        kinds = ", ".join(SUFFIXES)
        raise DataError(
            here(f"{folder}: the folder holds no picture", f"{folder}: 폴더에 그림 파일이 없습니다"),
            hint=here(f"put at least one file of {kinds} there", f"{kinds} 파일을 하나 이상 넣으십시오"),
        )
    hashed = []
    for name in files:
        check_picture(folder / name)
        hashed.append((_hash(folder / name), name))
    if (folder / ANNOTATIONS).is_file():
        hashed.append((_hash(folder / ANNOTATIONS), ANNOTATIONS))
    return UserFolder(files, digest_lines(hashed))


def digest_lines(hashed: Iterable[tuple[str, str]]) -> str:
    """SHA-256 (hex) over the sorted lines `<sha256>  <file>\\n` of (SHA-256, file) pairs."""
    lines = sorted(f"{sha256}  {name}\n".encode(errors="surrogateescape") for sha256, name in hashed)
    return hashlib.sha256(b"".join(lines)).hexdigest()


def check_picture(path: Path) -> tuple[int, int]:
    """Width and height in pixels of a picture that can be unpacked. Raises DataError naming the file.

    A JPEG is unpacked at an eighth of its size: all of its data is still read, in a fraction of the time.
    """
    from PIL import Image

    allowed = Image.MAX_IMAGE_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Pillow's own limit raises before it says how large the picture is; ours is applied below.
            Image.MAX_IMAGE_PIXELS = None
            with Image.open(path, formats=_FORMATS) as image:
                width, height = image.size
                _check_size(path, width, height)
                image.draft(image.mode, (max(1, width // 8), max(1, height // 8)))
                image.load()
    except DataError:
        raise
    except (PermissionError, FileNotFoundError) as error:
        raise _unreadable(path, error) from None
    # Pillow's readers raise many kinds of errors on broken files: OSError, SyntaxError, ValueError, struct.error, …
    except Exception as error:
        raise _no_picture(path, error) from None
    finally:
        Image.MAX_IMAGE_PIXELS = allowed
    return width, height


def _pictures(folder: Path) -> tuple[str, ...]:
    try:
        found = [
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
        ]
    except OSError as error:
        raise _unreadable(folder, error) from None
    return tuple(sorted(found))


def _hash(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise _unreadable(path, error) from None


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height <= MAX_PIXELS and max(width, height) <= MAX_SIDE_PX:
        return
    most = MAX_PIXELS // 1_000_000
    raise DataError(
        here(f"{path}: the picture is too large ({width}×{height})", f"{path}: 그림이 너무 큽니다({width}×{height})"),
        hint=here(
            f"scale it to at most {most} million pixels and {MAX_SIDE_PX} pixels a side, or remove it",
            f"전체 {MAX_PIXELS:,}화소, 한 변 {MAX_SIDE_PX}픽셀 이하로 줄이거나 지우십시오",
        ),
    )


def _no_picture(path: Path, error: Exception) -> DataError:
    from PIL import UnidentifiedImageError

    if path.stat().st_size == 0:
        why = here("the file is empty", "빈 파일")
    elif isinstance(error, UnidentifiedImageError):
        why = here("its content is not JPEG, PNG, BMP or WebP", "내용이 JPEG, PNG, BMP, WebP가 아님")
    else:
        why = str(error) or type(error).__name__
    return DataError(
        here(f"{path}: not a readable picture: {why}", f"{path}: 읽을 수 있는 그림이 아닙니다: {why}"),
        hint=here("replace the file by an undamaged copy, or remove it", "손상되지 않은 파일로 바꾸거나 지우십시오"),
    )


def _unreadable(path: Path, error: OSError) -> DataError:
    why = error.strerror or type(error).__name__
    return DataError(
        here(f"{path}: cannot be read: {why}", f"{path}: 읽을 수 없습니다: {why}"),
        hint=here("check that you may read it", "읽기 권한을 확인하십시오"),
    )
