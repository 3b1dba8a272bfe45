from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.discovery import catalogue
from npubench.errors import DataError
from npubench.workloads.labels import MOST_NAMED, read_coco

CLASSES = ("person", "car")


def coco(**parts: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "info": {"description": "read over"},
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": 100, "height": 50, "license": 3},
            {"id": 9, "file_name": "night\\b.jpg"},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 30, "bbox": [10, 20, 5, 6], "area": 25.5, "segmentation": [[1]]},
            {"id": 2, "image_id": 7, "category_id": 20, "bbox": [0, 0, 200, 50], "iscrowd": 1},
        ],
        "categories": [{"id": 20, "name": "person"}, {"id": 30, "name": "car"}, {"id": 40, "name": "unused"}],
    }
    document.update(parts)
    return document


def write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_categories_are_matched_by_name(tmp_path: Path) -> None:
    found = read_coco(write(tmp_path / "annotations.json", coco()), CLASSES)
    assert list(found) == ["a.jpg", "night/b.jpg"]
    truth = found["a.jpg"]
    assert truth.boxes.dtype == np.float32
    assert truth.boxes.tolist() == [[10, 20, 15, 26], [0, 0, 200, 50]]
    assert truth.classes.tolist() == [1, 0]
    assert truth.crowd.tolist() == [False, True]
    assert truth.area.tolist() == [25.5, 10_000]
    empty = found["night/b.jpg"]
    assert (empty.boxes.shape, empty.classes.shape, empty.crowd.shape, empty.area.shape) == ((0, 4), (0,), (0,), (0,))


def test_our_own_frames_are_in_this_format() -> None:
    card = catalogue().models["cctv-detect"].card
    folder = catalogue().data["street-frames"].path.parent
    found = read_coco(folder / "annotations.json", card.params["classes"])
    assert len(found) == catalogue().data["street-frames"].card.count
    assert sum(len(truth.boxes) for truth in found.values()) > len(found)


@given(st.lists(st.tuples(*[st.integers(0, 500)] * 2, *[st.integers(1, 500)] * 2, st.integers(0, 1)), max_size=20))
def test_what_is_written_is_read(rows: list[tuple[int, int, int, int, int]]) -> None:
    import tempfile

    annotations = [{"image_id": 7, "category_id": (20, 30)[kind], "bbox": [x, y, w, h]} for x, y, w, h, kind in rows]
    document = coco(images=[{"id": 7, "file_name": "a.jpg"}], annotations=annotations)
    with tempfile.TemporaryDirectory() as folder:
        truth = read_coco(write(Path(folder) / "l.json", document), CLASSES)["a.jpg"]
    assert truth.boxes.tolist() == [[x, y, x + w, y + h] for x, y, w, h, _ in rows]
    assert truth.classes.tolist() == [kind for *_, kind in rows]
    assert truth.area.tolist() == [w * h for _, _, w, h, _ in rows]


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ({"image_id": 8, "category_id": 20, "bbox": [1, 1, 1, 1]}, "image_id 8: no such image"),
        ({"image_id": 7, "category_id": 21, "bbox": [1, 1, 1, 1]}, "category_id 21: no such category"),
        ({"image_id": 7, "category_id": 40, "bbox": [1, 1, 1, 1]}, '"unused" is not a class of the model'),
        ({"image_id": 7, "category_id": 20, "bbox": [1, 1, 0, 1]}, "width and height must be > 0"),
        ({"image_id": 7, "category_id": 20, "bbox": [1, 1, -4, 1]}, "width and height must be > 0"),
        ({"image_id": 7, "category_id": 20, "bbox": [1e300, 1, 1, 1]}, "not finite"),
        ({"image_id": 7, "category_id": 20, "bbox": [100, 1, 5, 5]}, r"outside its picture \(100×50\)"),
        ({"image_id": 7, "category_id": 20, "bbox": [1, 1, 1, 1], "area": -1}, "area -1"),
        ({"image_id": 7, "category_id": 20, "bbox": [1, 1, 1]}, "not a COCO file.*bbox"),
        ({"image_id": 7, "category_id": 20}, "not a COCO file.*bbox"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, annotation: dict[str, Any], said: str) -> None:
    path = write(tmp_path / "labels.json", coco(annotations=[annotation]))
    with pytest.raises(DataError, match=said) as caught:
        read_coco(path, CLASSES)
    assert str(caught.value).startswith(str(path))
    assert "annotations[0]" in str(caught.value)
    assert caught.value.hint


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    bad = {"image_id": 8, "category_id": 20, "bbox": [1, 1, 1, 1]}
    with pytest.raises(DataError) as caught:
        read_coco(write(tmp_path / "l.json", coco(annotations=[bad] * 25)), CLASSES)
    lines = str(caught.value).splitlines()
    assert len(lines) == MOST_NAMED + 1
    assert lines[-1].endswith("15 more")


def test_files_that_are_no_labels(tmp_path: Path) -> None:
    absent = tmp_path / "absent.json"
    for content in (None, b"", b"[]", b"{}", b'{"images": 3}', b"\xff\xfe", b'{"images":[],"annotations":[NaN]}'):
        if content is not None:
            absent.write_bytes(content)
        with pytest.raises(DataError, match=r"absent\.json"):
            read_coco(absent, CLASSES)


def test_twice_the_same_picture(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "./a.jpg"}]
    with pytest.raises(DataError, match="occurs twice") as caught:
        read_coco(write(tmp_path / "l.json", coco(images=images, annotations=[])), CLASSES)
    assert len(str(caught.value).splitlines()) == 2


def test_truth_is_plain_arrays() -> None:
    from npubench.workloads.labels import Truth

    assert [field.name for field in msgspec.structs.fields(Truth)] == ["boxes", "classes", "crowd", "area"]
