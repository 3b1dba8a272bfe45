"""Which inputs are shown: by the data alone, the same for every backend; and what is said of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.spi import Shows
from npubench.workloads import showing
from npubench.workloads.labels import read_conditions
from tests.workloads import test_detection, test_ocr
from tests.workloads.fakes import frames_folder


def test_frames_with_most_objects_each_in_another_light() -> None:
    light = ["day", "day", "night", "day", "infrared"]
    assert showing.frames([9, 8, 3, 9, 1], light) == [0, 2, 4]
    # Where there are fewer kinds of light than frames to show, the number of objects decides.
    assert showing.frames([1, 8, 3, 9, 1], ["day"] * 5) == [1, 2, 3]
    assert showing.frames([5], [""]) == [0]
    assert showing.frames([], []) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["day", "night", ""])), max_size=12))
def test_never_more_than_three_frames_nor_one_twice(frames: list[tuple[int, str]]) -> None:
    chosen = showing.frames([count for count, _ in frames], [light for _, light in frames])
    assert len(chosen) == min(3, len(frames)) == len(set(chosen))
    assert chosen == sorted(chosen)
    if frames:
        assert max(count for count, _ in frames) in [frames[index][0] for index in chosen]


def test_pages_with_most_and_with_fewest_words() -> None:
    assert showing.pages([5, 9, 2, 9, 2]) == [1, 2]
    assert showing.pages([4]) == [0]
    assert showing.pages([]) == []


def test_without_labels_they_are_spread_evenly() -> None:
    assert showing.spread(9, 3) == [0, 4, 8]
    assert showing.spread(2, 3) == [0, 1]
    assert showing.spread(0, 3) == []


def test_a_detector_shows_what_it_finds_and_what_is_there(tmp_path: Path) -> None:
    folder = frames_folder(tmp_path / "f", 5)
    names = [f"frame-{number:03}.jpg" for number in range(5)]
    images = [
        {"id": n, "file_name": name, "width": 320, "height": 180, "conditions": ["night" if n == 4 else "day", "rain"]}
        for n, name in enumerate(names)
    ]
    box = {"category_id": 1, "bbox": [100, 70, 80, 80], "area": 6400, "iscrowd": 0}
    annotations = [{**box, "id": n, "image_id": n % 3} for n in range(5)]
    (folder / "annotations.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]})
    )
    bind = test_detection.bound(test_detection.detector(), folder, "service", batch=2)
    assert isinstance(bind, Shows)
    found = bind.exhibits()
    # Two objects in the first two frames; of the lights there are two.
    assert [item.file for item in found] == ["frame-000.jpg", "frame-001.jpg", "frame-004.jpg"]
    first = found[0]
    assert first.sha256 == hashlib.sha256((folder / first.file).read_bytes()).hexdigest()
    assert (first.width, first.height, first.kind, first.conditions) == (320, 180, "objects", ("day", "rain"))
    (object_,) = first.found
    assert object_.place == pytest.approx((100, 70, 180, 150), abs=0.1)
    assert object_.score == pytest.approx(0.982)
    assert first.truth is not None
    assert [(item.label, item.place) for item in first.truth] == [("person", (100, 70, 180, 150))] * 2


def test_without_labels_there_is_no_truth(tmp_path: Path) -> None:
    bind = test_detection.bound(test_detection.detector(), frames_folder(tmp_path / "f", 2), "service")
    found = bind.exhibits()
    assert [item.file for item in found] == ["frame-000.jpg", "frame-001.jpg"]
    assert all(item.truth is None for item in found)


@pytest.mark.parametrize("text", ["{", '{"images": [{"file_name": "a", "conditions": "day"}]}', "[]"])
def test_what_a_file_says_of_its_pictures_is_optional(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert read_conditions(tmp_path / "a.json") == {}


def test_a_reader_shows_the_words_that_it_finds(tmp_path: Path) -> None:
    folder = test_ocr.pages_folder(tmp_path / "p", 3)
    bind = test_ocr.bound(test_ocr.sessions(), folder, "service", boxes="detected")
    assert isinstance(bind, Shows)
    found = bind.exhibits()
    # Four words, and two.
    assert [item.file for item in found] == ["page-0.png", "page-2.png"]
    assert [len(item.found) for item in found] == [4, 2]
    assert [item.truth is not None and len(item.truth) for item in found] == [4, 2]
    for item in found:
        assert (item.width, item.height, item.kind) == (192, 256, "words")
        assert all(len(word.place) == 8 and word.label for word in item.found)


def test_where_no_page_is_searched_for_words_nothing_is_shown(tmp_path: Path) -> None:
    assert test_ocr.bound(test_ocr.sessions(), test_ocr.pages_folder(tmp_path / "p", 1)).exhibits() == ()
