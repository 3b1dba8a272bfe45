"""Pages: the same from the same seed, words inside and in reading order, characters that the recogniser knows."""

from __future__ import annotations

import datetime
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from npubench.build.charset import CHARSET
from npubench.build.data import documents, fonts, officialese, scanning, sheet, wordlists
from npubench.build.data.desk import set_up
from npubench.build.data.documents import KINDS, MOST_WORDS, PAGE_SIZE_PX, Page, draw_page, find_fonts, kind_of
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


def test_quads_are_convex_and_go_round_clockwise(pages: list[Page]) -> None:
    for page in pages:
        for word in page.words:
            for corner in range(4):
                (ax, ay), (bx, by), (cx, cy) = (word.quad[(corner + step) % 4] for step in range(3))
                assert (bx - ax) * (cy - by) - (by - ay) * (cx - bx) > 0, (page.kind, word)


@pytest.mark.parametrize("kind", KINDS)
def test_no_page_has_too_many_words_and_none_lacks_its_end(korean: tuple[FontFile, ...], kind: str) -> None:
    ends = {"application": "첨부서류", "notice": "※", "letter": "시행", "receipt": "영수(청구)함.", "minutes": "간사",
            "register": "여백", "plates": "확인자", "statistics": "자료:"}  # fmt: skip
    for seed in range(12):
        desk = set_up(generator(seed), korean, wordlists.EVALUATION)
        KINDS[kind](desk)
        texts = [word.text for word in desk.sheet.words]
        assert 60 < len(texts) <= MOST_WORDS, seed
        assert ends[kind] in texts, seed
        assert desk.sheet.y <= HEIGHT_PX - MARGIN_PX + 40, seed


def test_words_do_not_lie_on_each_other(korean: tuple[FontFile, ...]) -> None:
    for seed, (kind, write) in enumerate(KINDS.items()):
        desk = set_up(generator(seed), korean, wordlists.EVALUATION)
        write(desk)
        boxes = np.array([word.box for word in desk.sheet.words])
        low, high = np.maximum(boxes[:, None, :2], boxes[:, :2]), np.minimum(boxes[:, None, 2:], boxes[:, 2:])
        shared = np.triu((high - low > 7).all(axis=2), k=1)
        assert not shared.any(), kind


def test_the_kinds_are_mixed_over_seeds() -> None:
    kinds = [kind_of(seed) for seed in range(400)]
    assert all(20 < kinds.count(kind) < 90 for kind in KINDS)


def test_the_kind_foretold_is_the_kind_drawn(korean: tuple[FontFile, ...]) -> None:
    assert draw_page(3, korean).kind == kind_of(3)


def test_offices_are_of_neighbourhoods(korean: tuple[FontFile, ...]) -> None:
    for seed in range(30):
        desk = set_up(generator(seed), korean, wordlists.EVALUATION)
        KINDS["register"](desk)
        assert re.fullmatch(r".{2,4}[동읍면]장", desk.sheet.words[-1].text)


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


def test_the_lack_of_fonts_is_told_in_korean_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_LANG", "ko")
    with pytest.raises(DataError, match="글꼴"):
        draw_page(1, ())


def test_collections_are_found(monkeypatch: pytest.MonkeyPatch, korean: tuple[FontFile, ...], tmp_path: Path) -> None:
    (tmp_path / "NotoSerifCJK-Regular.ttc").symlink_to(korean[0].path)
    monkeypatch.setattr(fonts, "font_folders", lambda: [tmp_path])
    assert [Path(font.path).suffix for font in find_fonts()] == [".ttc"]


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


@given(st.integers(0, 1 << 32))
def test_weekdays_are_those_of_their_dates(seed: int) -> None:
    writer = Writer(generator(seed))
    text = " ".join(writer.date() for _ in range(12))
    for year, month, day, weekday in re.findall(r"(\d{4})\.(\d\d)\.(\d\d)\.\((.)\)", text):
        assert "월화수목금토일"[datetime.date(int(year), int(month), int(day)).weekday()] == weekday


@pytest.mark.parametrize(("city", "ends"), [("가온시", "동읍면"), ("가온군", "읍면"), ("가온구", "동")])
def test_neighbourhoods_fit_their_city(city: str, ends: str) -> None:
    writer = Writer(generator(2))
    assert {writer.neighbourhood(city)[-1] for _ in range(60)} == set(ends)


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
    monkeypatch.setattr(sheet, "has_glyphs", lambda path, text: path == "spare" or "각" not in text)
    return Type("Pillow's own", 24)


def test_a_line_too_wide_for_its_column_is_cut(plain: Type) -> None:
    page = Sheet()
    page.line(100, 100, "one two three four five", plain, width=plain.width("one two thr"))
    assert [word.text for word in page.words] == ["one", "two"]


def test_a_word_with_a_sign_that_the_font_lacks_is_set_in_another_font(plain: Type) -> None:
    without, helped = Sheet(), Sheet(["spare"])
    for page in (without, helped):
        page.paragraph("one 각 two", plain)
    assert [word.text for word in without.words] == ["one", "two"]
    assert [word.text for word in helped.words] == ["one", "각", "two"]


def test_fonts_lack_what_they_cannot_draw(korean: tuple[FontFile, ...]) -> None:
    for font in korean:
        assert fonts.has_glyphs(font.path, "가각A9")
        assert not fonts.has_glyphs(font.path, "가ཀ")


def test_paragraphs_and_rows_stop_at_the_share_of_words(plain: Type) -> None:
    page = Sheet(most_words=10)
    assert page.paragraph("one two three four", plain)
    assert not page.paragraph("one two three four five six seven", plain)
    with page.reserved(0, words=5):
        assert not page.paragraph("one two", plain)
    page.table([["a", "b", "c"]] * 5, (1, 1, 1), plain)
    assert len(page.words) == 10


def test_room_can_be_kept_for_the_end(plain: Type) -> None:
    page = Sheet()
    before = page.room
    with page.reserved(before):
        assert not page.paragraph("one", plain)
    assert page.room == before


def test_titles_are_set_smaller_rather_than_cut(plain: Type) -> None:
    page = Sheet()
    page.centred("a heading that is far too long for the width of one page " * 2, plain)
    assert len(page.words) == 26


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


def test_evaluation_and_training_share_no_word() -> None:
    names = wordlists.TRAINING.__struct_fields__
    trained = {word for name in names for word in getattr(wordlists.TRAINING, name)}
    evaluated = {word for name in names for word in getattr(wordlists.EVALUATION, name)}
    assert not trained & evaluated
    assert not {char for word in trained | evaluated for char in word} - set(CHARSET)
