"""Pictures in a real Chromium: painted though the page's policy is strict, in both drawings, without a request."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat

from npubench.report import html, view
from tests.report import exhibited
from tests.report.test_pictures import bare

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (apt-get install chromium, or set CHROMIUM)"),
]
sync_api = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, list[str]]]:
    """The page, opened; and whatever it asked for or complained of."""
    files = exhibited.shown(bare(), exhibited.frames(), exhibited.pages())
    path: Path = tmp_path_factory.mktemp("pictures") / "page.html"
    path.write_text(html.render(view.build([files]), "en"), encoding="utf-8")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on(
            "request",
            lambda asked: said.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None,
        )
        page.goto(path.as_uri())
        yield page, said
        browser.close()


def test_every_drawing_is_painted_from_the_one_picture(tab: tuple[Any, list[str]]) -> None:
    page, said = tab
    drawings = page.query_selector_all("svg.found")
    assert len(drawings) == 3
    for drawing in drawings:
        spread = ImageStat.Stat(Image.open(io.BytesIO(drawing.screenshot())).convert("L")).stddev[0]
        # Without the picture there is the plain ground and a few thin lines.
        assert spread > 20
    assert said == []


def test_nothing_is_wider_than_a_phone(tab: tuple[Any, list[str]]) -> None:
    page, _ = tab
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.set_viewport_size({"width": 1280, "height": 900})


def test_a_drawing_is_named_in_the_language_that_is_read(tab: tuple[Any, list[str]]) -> None:
    page, _ = tab
    assert page.get_by_role("img", name="fp32 reference").count() == 1
    page.click('label[for="lang-ko"]')
    assert page.get_by_role("img", name="fp32 기준").count() == 1
    page.click('label[for="lang-en"]')
