from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from npubench.build import drawing
from npubench.build.data import fonts
from npubench.engine.finding import Thing
from npubench.errors import DataError


def box(x: float, y: float, number: int = 0, label: str = "car", size: float = 20, score: float | None = 0.5) -> Thing:
    return Thing(((x, y), (x + size, y), (x + size, y + size), (x, y + size)), label, number, score)


def test_classes_differ_in_colour_and_style() -> None:
    assert len({drawing.style_of(number) for number in range(28)}) == 28
    assert all(drawing.style_of(n)[0] != drawing.style_of(n + 1)[0] for n in range(20))


@pytest.mark.parametrize("count", [0, 1, 500])
def test_any_number_of_objects(count: int) -> None:
    picture = Image.new("RGB", (640, 360), (90, 90, 90))
    things = [box(i % 25 * 25, i // 25 * 17, i % 6) for i in range(count)]
    drawn = drawing.with_boxes(picture, things, drawing.Pen())
    assert drawn.size == picture.size
    assert (np.asarray(drawn) != np.asarray(picture)).any() == bool(count)
    assert np.asarray(picture).std() == 0  # the picture itself is left as it was


def test_dashes_leave_gaps() -> None:
    from PIL import ImageDraw

    inked = []
    for pattern in drawing.STYLES:
        canvas = Image.new("L", (200, 20))
        drawing.outline(ImageDraw.Draw(canvas), ((5, 10), (195, 10)), 255, 2, pattern)  # type: ignore[arg-type]
        inked.append(int(np.asarray(canvas)[10].astype(bool).sum()))
    assert inked[0] > max(inked[1:])


def test_boxes_outside_and_without_area_do_no_harm() -> None:
    picture = Image.new("RGB", (64, 64))
    drawing.with_boxes(picture, [box(-50, -50, size=10), box(5, 5, size=0), box(60, 60, size=1000)], drawing.Pen())


def test_text_stands_where_its_word_is() -> None:
    pen = drawing.Pen()
    words = [box(10, 10, label="Seoul", size=60, score=None), box(10, 150, label="", size=20)]
    page = np.asarray(drawing.with_text((200, 200), words, pen))
    assert (page[20:70, 10:70] < 100).any()
    assert not (page[100:140] < 200).any()
    assert drawing.with_text((50, 50), [], pen).getpixel((3, 3)) == (255, 255, 255)


def test_a_machine_without_korean_fonts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fonts, "font_folders", lambda: [tmp_path])
    pen = drawing.Pen()
    assert not pen.korean
    assert pen.can_write("bus 12")
    assert not pen.can_write("버스")
    drawing.with_boxes(Image.new("RGB", (64, 64)), [box(9, 9, label="버스")], pen)
    page = drawing.with_text((64, 64), [box(9, 9, label="버스", size=40)], pen)
    assert (np.asarray(page) > 200).all()  # the outline of the word only


def test_rows_and_montage() -> None:
    parts = [Image.new("RGB", (100, 50)), Image.new("RGB", (40, 100))]
    row = drawing.side_by_side(parts, gap=4)
    assert row.size == (100 + 4 + 20, 50)
    assert drawing.montage([[parts[0]], parts], width=200, gap=2).width == 200


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"no")
    with pytest.raises(DataError, match=r"x\.jpg"):
        drawing.open_picture(tmp_path / "x.jpg")
