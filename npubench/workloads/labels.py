"""Labels of detection frames in COCO format: which objects stand where, for scoring what a detector finds.

The format is that of https://cocodataset.org/#format-data: `images` (id, file_name, width, height), `annotations`
(image_id, category_id, bbox [x, y, width, height] in pixels, area, iscrowd) and `categories` (id, name). Other keys
(segmentation, info, licenses …) are read over.

Guarantees: categories are matched with a model's classes by name, never by number; whatever is returned is finite, lies
at least partly inside its picture and names a picture of the file; all mistakes are counted and the first ten named,
with file, annotation, found and expected. Not aware of: pictures themselves, models, scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.errors import DataError
from npubench.lang import here
from npubench.workloads.asking import read_bytes

MOST_NAMED = 10

# A float32 holds whole pixels exactly up to 2²⁴; no picture comes near (images.MAX_PIXELS).
_FARTHEST_PX = float(1 << 24)

Id = int | str


class Truth(msgspec.Struct, frozen=True):
    """The labelled objects of one picture.

    `boxes` float32 [m, 4] x0, y0, x1, y1 in picture pixels; `classes` int64 [m], indexes into the model's classes;
    `crowd` bool [m]: a group of objects, neither missed nor found; `area` float64 [m] in square pixels.
    """

    boxes: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    crowd: npt.NDArray[np.bool_]
    area: npt.NDArray[np.float64]


class _Image(msgspec.Struct, frozen=True):
    id: Id
    file_name: str
    width: int | None = None
    height: int | None = None


class _Annotation(msgspec.Struct, frozen=True):
    image_id: Id
    category_id: Id
    bbox: tuple[float, float, float, float]
    id: Id | None = None
    area: float | None = None
    iscrowd: int = 0


class _Category(msgspec.Struct, frozen=True):
    id: Id
    name: str


class _Coco(msgspec.Struct, frozen=True):
    images: tuple[_Image, ...]
    annotations: tuple[_Annotation, ...]
    categories: tuple[_Category, ...]


def read_coco(path: Path, classes: Sequence[str]) -> dict[str, Truth]:
    """The objects of every picture of a COCO file, by `file_name` with `/` between folders; a picture without objects
    has arrays of length 0. `classes` are the model's, in its order.

    Raises DataError: a file that cannot be read, or the mistakes in it.
    """
    coco = _decode(path)
    mistakes = list(_mistakes(coco, classes))
    if mistakes:
        raise _wrong(path, mistakes)
    number = {name: index for index, name in enumerate(classes)}
    names = {category.id: category.name for category in coco.categories}
    of_image: dict[Id, list[_Annotation]] = {image.id: [] for image in coco.images}
    for annotation in coco.annotations:
        of_image[annotation.image_id].append(annotation)
    return {
        posix_name(image.file_name): _truth([(number[names[a.category_id]], a) for a in of_image[image.id]])
        for image in coco.images
    }


class _Described(msgspec.Struct, frozen=True):
    file_name: str
    conditions: tuple[str, ...] = ()


class _Descriptions(msgspec.Struct, frozen=True):
    images: tuple[_Described, ...]


def read_conditions(path: Path) -> dict[str, tuple[str, ...]]:
    """What the file says of each picture (`conditions`: light first, then weather …), by file name as in `read_coco`.

    No part of COCO's format: empty where a file says nothing, or something else under that name.
    """
    try:
        found = msgspec.json.decode(read_bytes(path), type=_Descriptions)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return {posix_name(image.file_name): image.conditions for image in found.images}


def posix_name(name: str) -> str:
    """A file name as `Bound.names` gives it: `/` between folders, no leading `./`."""
    return PurePosixPath(name.replace("\\", "/")).as_posix()


def _decode(path: Path) -> _Coco:
    try:
        return msgspec.json.decode(read_bytes(path), type=_Coco)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(
            here(f"{path}: not a COCO file: {error}", f"{path}: COCO 형식이 아닙니다: {error}"),
            hint=here(
                "expected JSON with images, annotations (image_id, category_id, bbox [x, y, width, height]) and "
                "categories",
                "images, annotations(bbox [x, y, 폭, 높이]), categories가 있는 JSON이 필요합니다",
            ),
        ) from None


def _truth(objects: Sequence[tuple[int, _Annotation]]) -> Truth:
    corners = np.array([annotation.bbox for _, annotation in objects], np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    areas = [a.bbox[2] * a.bbox[3] if a.area is None else a.area for _, a in objects]
    return Truth(
        boxes=corners.astype(np.float32),
        classes=np.array([index for index, _ in objects], np.int64),
        crowd=np.array([annotation.iscrowd != 0 for _, annotation in objects], np.bool_),
        area=np.array(areas, np.float64),
    )


def _mistakes(coco: _Coco, classes: Sequence[str]) -> Iterator[str]:
    """Every mistake as a sentence that begins with the place in the file."""
    images: dict[Id, _Image] = {}
    files: set[str] = set()
    for index, image in enumerate(coco.images):
        at = f"images[{index}]"
        if image.id in images:
            yield here(f"{at}: id {image.id!r} occurs twice", f"{at}: id {image.id!r}가 두 번 나옵니다")
        if posix_name(image.file_name) in files:
            name = image.file_name
            yield here(f"{at}: file_name {name!r} occurs twice", f"{at}: file_name {name!r}가 두 번 나옵니다")
        images[image.id] = image
        files.add(posix_name(image.file_name))
    names = {category.id: category.name for category in coco.categories}
    for index, annotation in enumerate(coco.annotations):
        at = f"annotations[{index}]" + ("" if annotation.id is None else f" (id {annotation.id})")
        if annotation.image_id not in images:
            wanted = annotation.image_id
            yield here(f"{at}: image_id {wanted!r}: no such image", f"{at}: image_id {wanted!r}: 그런 이미지가 없음")
        category = names.get(annotation.category_id)
        if category is None:
            wanted = annotation.category_id
            yield here(f"{at}: category_id {wanted!r}: no such category", f"{at}: category_id {wanted!r}: 범주 없음")
        elif category not in classes:
            shown = ", ".join(classes[:20]) + (" …" if len(classes) > 20 else "")
            yield here(
                f'{at}: category "{category}" is not a class of the model; expected one of {shown}',
                f'{at}: 범주 "{category}"는 모델의 클래스가 아닙니다. 가능한 것: {shown}',
            )
        if (why := _bad_box(annotation, images.get(annotation.image_id))) is not None:
            yield f"{at}: bbox {list(annotation.bbox)}: {why}"


def _bad_box(annotation: _Annotation, image: _Image | None) -> str | None:
    """Why a box cannot be used; None for a good one. One that sticks out of its picture is left as it is."""
    x, y, width, height = annotation.bbox
    if not all(math.isfinite(v) and abs(v) < _FARTHEST_PX for v in annotation.bbox):
        return here("not finite pixels", "유한한 픽셀 값이 아닙니다")
    if width <= 0 or height <= 0:
        return here(
            "width and height must be > 0 (the order is x, y, width, height)",
            "폭과 높이는 0보다 커야 합니다(순서: x, y, 폭, 높이)",
        )
    if annotation.area is not None and not (math.isfinite(annotation.area) and annotation.area >= 0):
        return here(f"area {annotation.area}; expected ≥ 0", f"area {annotation.area}; 0 이상이어야 합니다")
    wide = image.width if image is not None and image.width else math.inf
    high = image.height if image is not None and image.height else math.inf
    if x >= wide or y >= high or x + width <= 0 or y + height <= 0:
        size = "" if math.inf in (wide, high) else f" ({wide}×{high})"
        return here(f"lies outside its picture{size}", f"그림{size} 밖에 있습니다")
    return None


def _wrong(path: Path, mistakes: Sequence[str]) -> DataError:
    listed = "\n".join(f"{path}: {line}" for line in mistakes[:MOST_NAMED])
    if (more := len(mistakes) - MOST_NAMED) > 0:
        listed += "\n" + here(f"{path}: … and {more} more", f"{path}: … 외 {more}건")
    return DataError(
        listed,
        hint=here(
            "correct the file, or leave those annotations out; categories are matched with classes by name",
            "파일을 고치거나 해당 주석을 빼십시오. 범주는 이름으로 클래스와 맞춥니다",
        ),
    )


def check_labels(path: str, classes: Sequence[str], progress: Callable[[str], None]) -> list[str]:
    """For the worker's `build` verb: the pictures that a COCO file names. Raises DataError as `read_coco` does."""
    found = read_coco(Path(path), classes)
    count = sum(len(truth.boxes) for truth in found.values())
    progress(here(f"{path}: {len(found)} pictures, {count} objects", f"{path}: 그림 {len(found)}장, 객체 {count}개"))
    return list(found)
