"""The page of two machines on a phone and on paper: what is wider than the screen says so, what decides is in sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from npubench.report import html, view
from tests.report import hall
from tests.report.browsing import chromium, needs_chromium, opened

__all__ = ["chromium"]

pytestmark = needs_chromium

_CUES = """() => [...document.querySelectorAll(".scroll")].filter(box => box.checkVisibility()).map(box => [
  box.scrollWidth > box.clientWidth + 1, box.previousElementSibling?.matches(".swipe[aria-hidden=true]") ?? false])"""
_VISIT = """async () => {
  for (const box of document.querySelectorAll(".scroll")) if (box.checkVisibility()) {
    box.scrollIntoView();
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  }
}"""


def test_on_a_phone_what_scrolls_sideways_says_so_and_charts_shrink(tmp_path: Path, chromium: Any) -> None:
    path = tmp_path / "page.html"
    path.write_text(html.render(view.build(hall.hall()), "ko"), encoding="utf-8")
    with opened(chromium, path, viewport={"width": 360, "height": 800}) as found:
        page = found.page
        assert page.locator(".contents details").get_attribute("open") is None
        page.evaluate(_VISIT)
        cues = page.evaluate(_CUES)
        assert any(wide for wide, _ in cues)
        assert all(wide == told for wide, told in cues)
        assert page.evaluate("[...document.querySelectorAll('.chart')].every(c => c.scrollWidth <= c.clientWidth + 1)")
        assert found.overflow() == 0
        # The first table of the ranking: its energy is seen without a swipe.
        energy = page.locator("#s1 table.ranked tbody tr").first.locator("td.n").nth(1).bounding_box()
        assert energy["x"] + energy["width"] <= 360
        assert found.console == []
    # What A4 leaves between its margins, in CSS pixels. Seen: long sentences in the opening table pushed the frame over
    # the paper's edge.
    with opened(chromium, path, viewport={"width": 703, "height": 1000}) as found:
        found.page.emulate_media(media="print")
        assert found.page.locator(".headline td").count() > 2
        found.page.evaluate(
            "for (const item of document.querySelectorAll('.headline td')) "
            "item.textContent = '61.9 tokens per second all at once and more'"
        )
        assert found.page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.querySelector('.lead'))") <= 0
    with opened(chromium, path) as found:
        assert found.shown(".swipe") == 0
        assert found.shown("th.strips .sort") == 0
        assert all(name.strip() for name in found.texts(".ranked .sort"))
        assert found.page.locator(".contents details").get_attribute("open") is not None
