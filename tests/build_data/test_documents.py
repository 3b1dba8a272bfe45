"""Pages: the same from the same seed, words inside and in reading order, characters that the recogniser knows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from npubench.build.charset import CHARSET
from npubench.build.data import documents, fonts, officialese, scanning, sheet
from npubench.build.data.documents import KINDS, PAGE_SIZE_PX, Page, draw_page, find_fonts
from npubench.build.data.fonts import FontFile
from npubench.build.data.officialese import Writer, fitted
from npubench.build.data.sheet import HEIGHT_PX, MARGIN_PX, Align, Sheet, Type
from npubench.errors import DataError


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@pytest.fixture(scope="module")
def korean() -> tuple[FontFile, ...]:
    try:
        return find_fonts()
    except DataError as error:
        pytest.skip(f"{error} ({error.hint})")


@pytest.fixture(scope="module")
def pages(korean: tuple[FontFile, ...]) -> list[Page]:
    return [draw_page(seed, korean, kind) for seed, kind in enumerate(KINDS)]


def test_the_same_seed_gives_the_same_page(korean: tuple[FontFile, ...]) -> None:
    first, second, other = draw_page(5, korean), draw_page(5, korean), draw_page(6, korean)
    assert first.image.tobytes() == second.image.tobytes()
    assert first.words == second.words
    assert first.words != other.words


def test_every_kind_fills_a_page(pages: list[Page]) -> None:
    for page in pages:
        assert page.image.size == PAGE_SIZE_PX == (1240, 1754)
        assert page.image.mode == "RGB"
        assert len(page.words) > 60, page.kind


def test_words_lie_inside_the_page_and_have_sensible_sizes(pages: list[Page]) -> None:
    for page in pages:
        for word in page.words:
            assert word.text.strip() == word.text != ""
            assert " " not in word.text
            (left, top), (right, _), (_, bottom), _ = word.quad
            assert all(0 <= x <= 1240 and 0 <= y <= 1754 for x, y in word.quad)
            assert right - left > 3, word
            assert 8 < bottom - top < 120, word


def test_ink_lies_inside_the_quads(pages: list[Page]) -> None:
    """Under a word's quad the page is darker than paper: the quads follow the skew."""
    for page in pages:
        grey = np.asarray(page.image.convert("L"), np.int16)
        for word in page.words:
            xs, ys = [x for x, _ in word.quad], [y for _, y in word.quad]
            part = grey[int(min(ys)) : int(max(ys)) + 1, int(min(xs)) : int(max(xs)) + 1]
            assert np.ptp(part) > 40, (page.kind, word)


def test_reading_order_goes_down_the_page(pages: list[Page]) -> None:
    for page in pages:
        tops = [word.quad[0][1] for word in page.words]
        upward = sum(1 for before, after in pairwise(tops) if after < before - 90)
        # A new column of a table may start higher up; a line never does.
        assert upward <= 4, page.kind


def test_characters_are_in_the_charset(pages: list[Page]) -> None:
    assert {char for page in pages for word in page.words for char in word.text} <= set(CHARSET)


def test_no_page_is_drawn_without_fonts() -> None:
    with pytest.raises(DataError) as caught:
        draw_page(1, ())
    assert "fonts-nanum" in str(caught.value.hint)


def test_no_korean_font_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "font_folders", list)
    with pytest.raises(DataError) as caught:
        documents.find_fonts()
    assert "no Korean font" in str(caught.value)
    assert "fonts-nanum" in str(caught.value.hint)


def test_fonts_are_named_with_their_bytes(korean: tuple[FontFile, ...]) -> None:
    for font in korean:
        assert font.family
        assert len(font.sha256) == 64


@given(st.integers(0, 1 << 32))
def test_composed_text_keeps_to_the_charset(seed: int) -> None:
    writer = Writer(generator(seed))
    parts = (writer.name, writer.address, writer.date, writer.phone, writer.amount, writer.plate,
             writer.resident_number, writer.document_number, writer.business, writer.sentence)  # fmt: skip
    text = " ".join(part() for part in parts) + writer.sentence(officialese.MINUTES)
    assert set(text) <= set(CHARSET)
    assert "{" not in text
    assert "/를" not in text


def test_there_are_thousands_of_words() -> None:
    writer = Writer(generator(1))
    words = {word for _ in range(4000) for word in writer.sentence().split()}
    assert len(words) > 5000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("예산을/를", "예산을"),
        ("조례을/를", "조례를"),
        ("사업은/는", "사업은"),
        ("도로이/가", "도로가"),
        ("건설과(으)로", "건설과로"),
        ("보건소(으)로", "보건소로"),
        ("현황(으)로", "현황으로"),
        ("교실(으)로", "교실로"),
        ("위원회과/와", "위원회와"),
    ],
)
def test_particles_are_fitted(text: str, expected: str) -> None:
    assert fitted(text) == expected


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Type:
    """Pillow's own font, which every machine has."""
    if not isinstance(ImageFont.load_default(20), ImageFont.FreeTypeFont):
        pytest.skip("this Pillow has no FreeType, and so no font that scales")
    monkeypatch.setattr(sheet, "opened", lambda _, size: ImageFont.load_default(size))
    return Type("Pillow's own", 24)


def test_a_line_too_wide_for_its_column_is_cut(plain: Type) -> None:
    page = Sheet()
    page.line(100, 100, "one two three four five", plain, width=plain.width("one two thr"))
    assert [word.text for word in page.words] == ["one", "two"]


@pytest.mark.parametrize("align", ["left", "centre", "right"])
def test_lines_are_aligned_in_their_column(plain: Type, align: Align) -> None:
    page = Sheet()
    page.line(100, 100, "ink on paper", plain, align, 600)
    start, end = page.words[0].box[0], page.words[-1].box[2]
    before, after = start - 100, 700 - end
    assert {"left": before, "right": after, "centre": abs(before - after)}[align] < 6


def test_a_table_reads_row_by_row_and_stops_at_the_margin(plain: Type) -> None:
    page = Sheet()
    page.table([[f"r{row}c{column}" for column in range(3)] for row in range(99)], (1, 2, 1), plain, head=plain)
    names = [word.text for word in page.words]
    assert names[:4] == ["r0c0", "r0c1", "r0c2", "r1c0"]
    assert 10 < len(names) // 3 < 99
    assert max(word.box[3] for word in page.words) < HEIGHT_PX - MARGIN_PX
    page.paragraph("no room is left for this " * 40, plain)
    assert page.y < HEIGHT_PX


@pytest.mark.parametrize("seed", range(6))
def test_the_scan_map_moves_points_as_it_moves_ink(seed: int) -> None:
    from PIL import Image

    clean = Image.new("RGB", (600, 800), (255, 255, 255))
    clean.paste((0, 0, 0), (440, 180, 460, 200))
    scanned, (a, b, c, d, e, f) = scanning.scan(clean, generator(seed))
    x, y = a * 450 + b * 190 + c, d * 450 + e * 190 + f
    grey = np.asarray(scanned.convert("L"), np.float64)[int(y) - 40 : int(y) + 40, int(x) - 40 : int(x) + 40]
    rows, columns = np.nonzero(grey < 100)
    assert rows.mean() + int(y) - 40 == pytest.approx(y, abs=1.5)
    assert columns.mean() + int(x) - 40 == pytest.approx(x, abs=1.5)
