"""Pictures on the page: whose they are, what is said of them, how heavy they are."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from npubench.exhibits import Exhibits, Finding
from npubench.report import html, media, pictures, view
from npubench.schema import InputFacts
from tests.report import exhibited, sample

PICTURES = re.compile(r'<section aria-labelledby="r1-pictures".*?</section>', re.S)


def section(page: str) -> str:
    found = PICTURES.search(page)
    assert found is not None
    return found[0]


def bare() -> view.RunFiles:
    """A run without cells: no chart is drawn, which takes longer than everything else here."""
    files = sample.one()
    return msgspec.structs.replace(files, run=msgspec.structs.replace(files.run, cells=(), inputs={}), launches={})


def drawn(files: view.RunFiles) -> str:
    return section(html.render(view.build([files]), "en"))


@pytest.fixture(scope="module")
def page() -> str:
    return drawn(exhibited.shown(bare(), exhibited.frames(), exhibited.pages()))


def test_our_own_pictures_are_in_the_page_small_and_once(page: str) -> None:
    addresses = re.findall(r'<image id="(r1-p-\d)"[^>]*href="data:image/jpeg;base64,([^"]*)"', page)
    assert [name for name, _ in addresses] == ["r1-p-1", "r1-p-2"]
    sizes = [Image.open(io.BytesIO(base64.b64decode(data))).size for _, data in addresses]
    assert sizes == [(800, 450), (744, 1052)]
    assert sum(len(data) for _, data in addresses) < 250_000
    # The reference's and the backend's drawing use the same picture.
    assert page.count('<use href="#r1-p-1"/>') == 2


def test_what_differs_is_said_in_words_and_marked(page: str) -> None:
    assert "1 of 11 objects that the reference found is missing; 1 is taken for another kind; 1 is new." in page
    assert "기준이 찾은 객체 11개 가운데 1개 누락, 1개는 다른 종류로 판단, 새로 찾은 것 1개." in page
    assert "Labelled in this picture: 11 objects. The reference found 11, this backend 9." in page
    assert "New: bicycle (0.310)" in page
    assert "새로 찾음: 자전거 (0.310)" in page
    assert "이 백엔드가 찾은 단어 116개에 테두리를 그린 쪽." in page
    for mark in ("both", "gone", "added", "changed"):
        assert f'<polygon class="mark {mark}"' in page
    assert "1 of 117 words that the reference found is missing; 1 is read differently." in page
    assert "<ins>☆</ins>" in page
    assert "<del>영수증</del>" in page
    assert "frame-0005.jpg · 낮, 비, 기울어짐" in re.sub(r"</?(span|bdi)[^>]*>", "", page)


def test_every_drawing_is_described_in_both_languages(page: str) -> None:
    labels = re.findall(r'<svg class="found[^>]*aria-labelledby="([^"]+)"', page)
    assert len(labels) == 3
    for label in labels:
        found = re.search(rf'id="{label}">(.*?)</figcaption>', page, re.S)
        assert found is not None
        assert 'lang="en"' in found[1]
        assert 'lang="ko"' in found[1]


def test_an_older_run_has_none_and_says_so_calmly() -> None:
    assert "No pictures were kept in this run" in drawn(bare())


def test_what_agrees_says_so() -> None:
    found = exhibited.frames()
    (item,) = found.items
    same = msgspec.structs.replace(item, reference=item.exhibit.found)
    page = drawn(exhibited.shown(bare(), msgspec.structs.replace(found, items=(same,))))
    assert "No difference: 11 objects, as the reference found." in page
    assert "as the reference in the one frame" in page


def test_without_a_reference_nothing_is_compared() -> None:
    found = exhibited.frames()
    alone = tuple(msgspec.structs.replace(item, reference=None) for item in found.items)
    page = drawn(exhibited.shown(bare(), msgspec.structs.replace(found, items=alone)))
    assert "11 objects found; the reference was not asked about this input." in page
    assert 'class="mark gone" points' not in page


def test_a_picture_that_is_another_one_is_not_shown() -> None:
    found = exhibited.frames()
    (item,) = found.items
    other = msgspec.structs.replace(item, exhibit=msgspec.structs.replace(item.exhibit, sha256="0" * 64))
    page = drawn(exhibited.shown(bare(), msgspec.structs.replace(found, items=(other,))))
    assert "<image" not in page
    assert "its SHA-256 differs" in re.sub(r"</?span[^>]*>", "", page)
    assert '<polygon class="mark gone"' in page


@pytest.mark.parametrize("file", ["../../../etc/passwd", "/etc/passwd", "frame-0000.jpg", "annotations.json"])
def test_no_other_file_is_read(file: str) -> None:
    found = exhibited.frames()
    exhibit = msgspec.structs.replace(found.items[0].exhibit, file=file)
    got = media.reader()(found, exhibit)
    assert got.address == ""
    assert got.why in (media.NOT_HERE, media.OTHER)


def test_a_source_that_is_a_path_is_no_data_set() -> None:
    found = msgspec.structs.replace(exhibited.frames(), source="../data/street-frames")
    assert media.reader()(found, found.items[0].exhibit).why == media.KEPT_OUT


def own(tmp_path: Path) -> tuple[Exhibits, dict[str, str]]:
    """A page of the user's own, with a secret on it and in its name, and where it lies."""
    folder = tmp_path / "citizens"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x013B] = "Hong Gildong"
    exif[0x0112] = 6
    Image.new("RGB", (900, 1200), "white").save(folder / "kim-minji.png", exif=exif)
    data = (folder / "kim-minji.png").read_bytes()
    found = exhibited.private(exhibited.pages())
    (item,) = found.items
    secret = (Finding(label="900101-2345678", place=(10.0, 10.0, 90.0, 30.0)),)
    exhibit = msgspec.structs.replace(
        item.exhibit, file="kim-minji.png", sha256=hashlib.sha256(data).hexdigest(), found=secret, truth=None
    )
    shown = msgspec.structs.replace(item, exhibit=exhibit, reference=secret)
    return msgspec.structs.replace(found, items=(shown,)), {"data:ocr-korean": str(folder)}


def test_the_users_own_pictures_stay_out_of_a_page_and_what_is_written_on_them_too(tmp_path: Path) -> None:
    found, _ = own(tmp_path)
    files = exhibited.shown(bare(), found)
    run = msgspec.structs.replace(files.run, inputs={"ocr-korean": InputFacts(source="own", sha256="0", files=1)})
    view_ = view.build([msgspec.structs.replace(files, run=run)])
    page = html.render(view_, "ko")
    assert "kim-minji" not in page
    assert "900101" not in page
    assert "--embed-media" in section(page)
    assert not view_.data.own_pictures


def test_they_are_in_it_where_somebody_asks_for_them_without_what_a_camera_wrote_into_them(tmp_path: Path) -> None:
    found, sources = own(tmp_path)
    files = msgspec.structs.replace(exhibited.shown(bare(), found), media=media.reader(sources))
    view_ = view.build([files])
    page = section(html.render(view_, "ko"))
    assert "900101-2345678" in page
    assert view_.data.own_pictures
    (data,) = re.findall(r'href="data:image/jpeg;base64,([^"]*)"', page)
    small = Image.open(io.BytesIO(base64.b64decode(data)))
    # Upright by its EXIF orientation, which is then gone with everything else.
    assert small.size == (744, 558)
    assert not small.getexif()


def test_pictures_never_make_a_page_too_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_BYTES", 60_000)
    page = drawn(exhibited.shown(bare(), exhibited.frames(), exhibited.pages()))
    assert page.count("<image ") == 1
    assert "The page would become too heavy" in page


def test_hostile_labels_are_text() -> None:
    found = exhibited.frames()
    (item,) = found.items
    nasty = '"><script>alert(1)</script>\u202e\x00' + "x" * 10_000
    bad = Finding(label=nasty, place=(1.0, 1.0, 5.0, 5.0), score=0.5)
    exhibit = msgspec.structs.replace(item.exhibit, file=nasty, found=(bad,), conditions=(nasty,))
    page = drawn(
        exhibited.shown(
            bare(),
            msgspec.structs.replace(found, items=(msgspec.structs.replace(item, exhibit=exhibit),)),
        )
    )
    assert "<script>" not in page
    assert "\u202e" not in page
    assert "\x00" not in page
    assert "x" * 1000 not in page
