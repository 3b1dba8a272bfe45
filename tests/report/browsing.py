"""A page in a real Chromium, driven by Playwright: what it asks for, what it says on its console, what one sees.

Debian's own browser, so that nothing is downloaded; it opens the page from disk, as a reader with a USB stick does.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from npubench.lang import Language
from npubench.report import html, view

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)

needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (apt-get install chromium, or set CHROMIUM)"),
]
Files = Callable[[], view.RunFiles]
# On a busy machine a big page takes its time, and no test asserts one.
TIMEOUT_MS = 180_000


class Opened(msgspec.Struct, frozen=True):
    """A page, and what it said and asked for so far."""

    page: Any
    console: list[str]
    requests: list[str]

    @property
    def foreign(self) -> list[str]:
        """What was asked for beside the page itself."""
        return [url for url in self.requests if not url.startswith(("file:", "data:"))]

    def shown(self, selector: str) -> int:
        """How many elements have a place on the screen."""
        found: int = self.page.evaluate(
            "c => [...document.querySelectorAll(c)].filter(e => e.getClientRects().length).length", selector
        )
        return found

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.page.locator(selector).all_inner_texts()
        return found

    def overflow(self) -> int:
        """Pixels that the page is wider than its window."""
        wide: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return wide


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser for a module: to start it takes a second."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"]
        )
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, path: Path, at: str = "", **options: Any) -> Iterator[Opened]:
    """A page from disk in a profile of its own. `at`: an anchor, with its #; `options` as for `new_context`."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **options})
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    found = Opened(page, [], [])
    page.on("console", lambda message: found.console.append(message.text))
    page.on("pageerror", lambda error: found.console.append(str(error)))
    page.on("request", lambda request: found.requests.append(request.url))
    page.goto(path.as_uri() + at)
    yield found
    context.close()


@cache
def _rendered(make: Files, language: Language, follow: bool) -> str:
    return html.render(view.build([make()]), language, follow=follow)


def written(folder: Path, make: Files, language: Language = "en", *, follow: bool = False) -> Path:
    """The page of the run that `make` gives, on disk. Drawn once for all tests that show the same."""
    path = folder / "page.html"
    path.write_text(_rendered(make, language, follow), encoding="utf-8")
    return path
