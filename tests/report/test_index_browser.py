"""The index in a real Chromium: no request, no console message, axe-core finds nothing, it fits a 360 px phone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from npubench.lang import Language
from npubench.report import index_page
from tests.report.browsing import CHROMIUM, needs_chromium
from tests.report.test_index import cameras, put, shown
from tests.stats.made_nights import night, run_id
from tests.stats.made_runs import cell

pytestmark = needs_chromium

# axe-core's names of WCAG 2.2 at level AA.
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@contextmanager
def opened(path: Path, **context: Any) -> Iterator[tuple[Any, list[str]]]:
    """The page, and what it said on the console or asked for."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_context(**context).new_page()
            said: list[str] = []
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("request", lambda request: request.url.startswith("file:") or said.append(request.url))
            page.goto(path.as_uri())
            yield page, said
        finally:
            browser.close()


def written(folder: Path, language: Language) -> Path:
    for number in range(12):
        put(folder / "results", night(number, cameras(14), cell(), cell(backend="npu", factor=3), cell(backend="b")))
    (folder / "results" / "notes.txt").write_text("x")
    path = folder / "index.html"
    path.write_text(index_page.render(shown(folder / "results"), language), encoding="utf-8")
    return path


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_asked_for_said_or_held_against_it(tmp_path: Path, language: Language, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with opened(written(tmp_path, language), color_scheme=scheme) as (page, said):
        found = Axe().run(page, options={"runOnly": WCAG}).response["violations"]
        assert [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found] == []
        assert page.evaluate("document.documentElement.lang") == language
        assert said == []


def test_it_fits_a_phone_and_needs_no_script(tmp_path: Path) -> None:
    path = written(tmp_path, "en")
    with opened(path, viewport={"width": 360, "height": 800}, java_script_enabled=True) as (page, _):
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    with opened(path, java_script_enabled=False) as (page, said):
        assert page.get_by_text(run_id(0)).first.is_visible()
        assert page.get_by_text("notes.txt").is_visible()
        assert said == []
