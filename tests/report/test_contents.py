"""The list of a page's sections, and the names and pieces that a reader follows."""

from __future__ import annotations

import re

import msgspec
import pytest

from npubench.report import contents, html, places, timeline, view
from npubench.report.assets import whole
from tests.report import hall, powered, sample
from tests.report.test_html import Page, hostile

LIST = re.compile(r'<nav class="contents".*?</nav>', re.DOTALL)


def listed(page: str) -> list[str]:
    (found,) = LIST.findall(page)
    return re.findall(r'href="#([^"]+)"', found)


@pytest.mark.slow
def test_every_section_of_every_run_has_a_link_and_every_link_a_section() -> None:
    page = html.render(view.build(hall.hall()), "ko")
    anchors = listed(page)
    assert anchors[:2] == ["ranking", "beside"]
    assert {"glossary", "method", "r1", "r2", "r1-places", "r2-places", "r2-power"} <= set(anchors)
    assert anchors.index("r1") < anchors.index("r1-places") < anchors.index("r2") < anchors.index("r2-places")
    assert set(anchors) <= set(Page(page).ids)
    (found,) = LIST.findall(page)
    assert "Where it ran: placement certificates" in found
    assert "실행 위치 증명서(placement)" in found


def test_one_run_has_one_list_and_many_runs_a_folded_one() -> None:
    found = view.build([sample.one()])
    page = html.render(found, "en")
    assert len(listed(page)) == len(set(listed(page)))
    assert "<details open><summary" in LIST.findall(page)[0]
    shown = found.runs[0]
    runs = tuple(msgspec.structs.replace(shown, key=f"r{n}") for n in range(1, contents.MOST_OPEN + 2))
    headings = '<h2 id="ranking">a</h2><h2 id="r1-cells">b</h2>'
    assert "<details><summary" in contents.with_contents(
        contents.PLACE + headings, msgspec.structs.replace(found, runs=runs)
    )
    assert contents.with_contents(contents.PLACE + "<p>x</p>", found) == "<p>x</p>"


def test_foreign_text_is_no_heading() -> None:
    anchors = listed(html.render(view.build([hostile()]), "en"))
    assert all(re.fullmatch(r"[\w-]+", anchor) for anchor in anchors)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("GX-9(GPU) and npu-node-1", ["GX-9", "npu-node-1"]),
        ("llm-chat-135m, CPU-assisted", ["llm-chat-135m"]),
        ("no name", []),
        ("a1-" + "b" * 40, []),
        ("--1-2--", []),
    ],
)
def test_names_with_a_digit_are_not_broken_at_hyphens(text: str, names: list[str]) -> None:
    assert re.findall('<span class="whole">(.*?)</span>', whole(text)) == names


def test_what_is_not_broken_is_escaped() -> None:
    assert whole("<b>&x-1") == '&lt;b&gt;&amp;<span class="whole">x-1</span>'
    assert whole("<b>") == "&lt;b&gt;"


def test_each_backend_has_a_block_of_its_own_in_the_section_of_certificates() -> None:
    shown = view.build(hall.hall()).runs[1]
    keys = [place.key for place in shown.places]
    assert len(set(keys)) == len(keys)
    assert {f"r2-place-{place.backend.id}" for place in shown.places} <= set(keys)
    assert places.place_anchor("r1", 'a b"<') == "r1-place-a-b--"


def test_more_time_lines_than_anybody_reads_are_not_drawn_and_the_sheet_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = powered.powered()
    before = view.build([files]).runs[0].sheets
    drawn = [sheet for sheet in before if sheet.timeline is not None]
    assert len(drawn) > 1
    assert all(sheet.undrawn is None for sheet in before)
    monkeypatch.setattr(timeline, "MOST_PICTURES", 1)
    after = view.build([files]).runs[0].sheets
    assert [sheet.anchor for sheet in after if sheet.timeline is not None] == [drawn[0].anchor]
    assert {sheet.anchor for sheet in drawn[1:]} <= {sheet.anchor for sheet in after if sheet.undrawn is not None}
