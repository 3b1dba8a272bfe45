"""The page in a real Chromium: no request, no console message, languages switch without scripts, nothing overflows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from npubench.report import html, view
from tests.report import loaded, powered, sample
from tests.report.test_html import hostile

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (apt-get install chromium, or set CHROMIUM)"),
]

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-default-apps", "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-default-browser-check", "--disable-dev-shm-usage",
)  # fmt: skip


def browse(page: Path, folder: Path, *flags: str) -> tuple[str, str, str]:
    """(the rendered DOM, the browser's log, its network log) of a page opened from disk."""
    assert CHROMIUM is not None
    net = folder / "net.json"
    done = subprocess.run(
        [
            CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--v=0",
            f"--log-net-log={net}", *flags, "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr, net.read_text(encoding="utf-8")


def requested(log: str) -> set[str]:
    """URLs that the *page* asked for. The browser's own start-up traffic has no origin and is left out."""
    events = json.loads(log)
    kinds = events["constants"]["logEventTypes"]
    start = kinds["URL_REQUEST_START_JOB"]
    found = set()
    for event in events["events"]:
        params = event.get("params", {})
        if (
            event["type"] == start
            and "url" in params
            and not str(params.get("initiator", "")).startswith("not an origin")
        ):
            found.add(str(params["url"]))
    return found


def write(folder: Path, files: view.RunFiles, language: str = "en") -> Path:
    path = folder / "page.html"
    path.write_text(html.render(view.build([files]), "ko" if language == "ko" else "en"), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "files",
    [sample.realistic(), hostile(), loaded.services(), powered.powered()],
    ids=["realistic", "hostile", "loads", "power"],
)
def test_no_console_message_and_no_request(tmp_path: Path, files: view.RunFiles) -> None:
    dom, log, net = browse(write(tmp_path, files, "ko"), tmp_path)
    assert "</html>" in dom
    assert "CONSOLE" not in log
    assert 'lang="ko"' in dom[:200]
    assert not {url for url in requested(net) if not url.startswith(("file:", "data:"))}


def test_the_log_would_show_a_violation(tmp_path: Path) -> None:
    """The check above can fail: a page that breaks its own policy is seen."""
    path = write(tmp_path, sample.one())
    page = path.read_text(encoding="utf-8").replace("<main>", '<main style="color:red" onclick="1">')
    path.write_text(page, encoding="utf-8")
    _, log, _ = browse(path, tmp_path)
    assert re.search(r"CONSOLE.*Content Security Policy", log)


def test_the_network_log_would_show_a_request(tmp_path: Path) -> None:
    """The check above can fail: without its policy, a page that asks for a picture is seen."""
    path = write(tmp_path, sample.one())
    page = re.sub(r"<meta http-equiv[^>]*>", "", path.read_text(encoding="utf-8"))
    path.write_text(page.replace("<main>", '<main><img src="http://npubench.invalid/x.png">'), encoding="utf-8")
    _, _, net = browse(path, tmp_path)
    assert "http://npubench.invalid/x.png" in requested(net)


def probe(folder: Path, files: view.RunFiles, script: str, *flags: str, checked: str = "lang-en") -> dict[str, int]:
    """What `script` (an expression) says in the page, with our script in the place of the page's own."""
    page = html.render(view.build([files]), "ko" if checked == "lang-ko" else "en")
    body = f"document.documentElement.dataset.probe = JSON.stringify({script});"
    old = re.search(r"<script>(.*?)</script>", page, re.S)
    assert old is not None
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    assert style is not None
    page = page.replace(old[1], body).replace(
        html.policy(style[1], old[1]).replace("'", "&#39;"), html.policy(style[1], body).replace("'", "&#39;")
    )
    path = folder / "probe.html"
    path.write_text(page, encoding="utf-8")
    dom, _, _ = browse(path, folder, *flags)
    found = re.search(r'data-probe="([^"]*)"', dom)
    assert found is not None
    answer: dict[str, int] = json.loads(found[1].replace("&quot;", '"'))
    return answer


SEEN = (
    "(() => { const shown = c => [...document.querySelectorAll(c)].filter(e => e.getClientRects().length).length;"
    "return { en: shown('.en'), ko: shown('.ko'), wide: document.documentElement.scrollWidth,"
    "inner: document.documentElement.clientWidth }; })()"
)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_radio_alone_decides_the_language(tmp_path: Path, language: str) -> None:
    """Pure CSS: the page's own script is not in this page."""
    found = probe(tmp_path, sample.realistic(), SEEN, checked=f"lang-{language}")
    other = "ko" if language == "en" else "en"
    assert found[language] > 100
    assert found[other] == 0


@pytest.mark.parametrize(
    "files",
    [sample.realistic(), hostile(), loaded.services(), powered.powered()],
    ids=["realistic", "hostile", "loads", "power"],
)
def test_a_narrow_window_scrolls_tables_not_the_page(tmp_path: Path, files: view.RunFiles) -> None:
    found = probe(tmp_path, files, SEEN, "--window-size=360,800", checked="lang-ko")
    assert found["wide"] <= found["inner"]


@pytest.mark.parametrize(
    "files", [sample.realistic(), loaded.services(), powered.powered()], ids=["realistic", "loads", "power"]
)
def test_printed_on_a4(tmp_path: Path, files: view.RunFiles) -> None:
    assert CHROMIUM is not None
    path, pdf = write(tmp_path, files), tmp_path / "page.pdf"
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'p'}", f"--print-to-pdf={pdf}", path.as_uri()]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    data = pdf.read_bytes()
    assert data.startswith(b"%PDF")
    # A4 in points, as Chromium rounds it.
    assert re.search(rb"/MediaBox\s*\[0 0 59[45][.\d]* 84[12][.\d]*\]", data)
