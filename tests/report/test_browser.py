"""The page in a real Chromium: no request, no console message, all of it there without scripts."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from npubench.lang import Language
from npubench.report import view
from npubench.units import show
from tests.report import certificates, loaded, powered, sample
from tests.report.browsing import Files, Opened, chromium, needs_chromium, opened, written
from tests.report.test_html import hostile

__all__ = ["chromium"]

pytestmark = needs_chromium

PAGES: dict[str, Files] = {
    "realistic": sample.realistic,
    "loads": loaded.services,
    "power": powered.powered,
    "placed": certificates.placed,
}
FAULTS: dict[str, Files] = {
    "hostile": hostile,
    "no-valid-cell": sample.nothing,
    "only-nulls": sample.only_nulls,
    "one-sample": lambda: sample.one(1),
    "no-cell": lambda: sample.files([], [], {}),
    "missing-samples": lambda: msgspec.structs.replace(sample.one(), samples=lambda _: None),
}
EVERY = {**PAGES, **FAULTS}


@pytest.mark.parametrize("files", EVERY.values(), ids=EVERY)
def test_no_console_message_and_no_request(tmp_path: Path, chromium: Any, files: Files) -> None:
    with opened(chromium, written(tmp_path, files, "ko")) as found:
        assert found.page.evaluate("document.documentElement.lang") == "ko"
        assert found.console == []
        assert found.foreign == []


def test_a_violation_and_a_request_would_be_seen(tmp_path: Path, chromium: Any) -> None:
    """The check above can fail."""
    path = written(tmp_path, sample.one)
    page = path.read_text(encoding="utf-8")
    path.write_text(page.replace("<main>", '<main style="color:red" onclick="1">'), encoding="utf-8")
    with opened(chromium, path) as found:
        assert any("Content Security Policy" in message for message in found.console)
    page = re.sub(r"<meta http-equiv[^>]*>", "", page)
    path.write_text(page.replace("<main>", '<main><img src="http://npubench.invalid/x.png">'), encoding="utf-8")
    with opened(chromium, path) as found:
        assert found.foreign == ["http://npubench.invalid/x.png"]


# Without scripts.


@pytest.mark.parametrize("language", ["en", "ko"])
def test_without_scripts_all_is_there_in_one_language_and_nothing_looks_broken(
    tmp_path: Path, chromium: Any, language: Language
) -> None:
    path = written(tmp_path, sample.realistic, language, follow=True)
    with opened(chromium, path, java_script_enabled=False) as found:
        assert found.page.locator(f"#lang-{language}").is_checked()
        other = "ko" if language == "en" else "en"
        sentence = found.page.locator(f"#lead .{language}")
        assert sentence.is_visible()
        assert not found.page.locator(f"#lead .{other}").is_visible()
        assert found.page.locator("button, input[type=search], .tip").count() == 0
        rows = found.page.locator("table.cells tbody tr:first-child")
        assert all(rows.nth(i).is_visible() for i in range(rows.count()))
        # A link and a summary are enough to come to a cell.
        found.page.locator("table.cells th a").first.click()
        assert "#r1-" in found.page.url
        found.page.locator("details.sheet > summary").last.click()
        assert found.page.locator("details.sheet table.values").last.is_visible()
        # The switch is a pair of radio buttons.
        found.page.locator(f'label[for="lang-{other}"]').click()
        assert found.page.locator(f"#lead .{other}").is_visible()


# The language.


@pytest.mark.parametrize(
    ("locale", "follow", "expected"),
    [("ko-KR", True, "ko"), ("en-US", True, "en"), ("fr-FR", True, "en"), ("ko-KR", False, "en")],
)
def test_the_first_language_is_the_asked_one_or_the_readers(
    tmp_path: Path, chromium: Any, locale: str, follow: bool, expected: str
) -> None:
    with opened(chromium, written(tmp_path, sample.one, "en", follow=follow), locale=locale) as found:
        assert found.page.evaluate("document.documentElement.lang") == expected
        assert found.page.locator(f"#lead .{expected}").is_visible()


def test_the_switch_works_by_keyboard_keeps_lang_right_and_is_remembered_nowhere(tmp_path: Path, chromium: Any) -> None:
    with opened(chromium, written(tmp_path, sample.one)) as found:
        found.page.keyboard.press("Tab")
        found.page.keyboard.press("ArrowRight")
        assert found.page.evaluate("document.documentElement.lang") == "ko"
        assert (found.shown(".en"), found.shown(".ko") > 100) == (0, True)
        assert found.page.evaluate("localStorage.length + sessionStorage.length") == 0
        assert found.page.context.cookies() == []
        found.page.reload()
        assert found.page.evaluate("document.documentElement.lang") == "en"
        assert found.shown(".ko") == 0


# Sorting.


def _column(found: Opened, table: str, column: int) -> list[str]:
    texts: list[str] = found.page.evaluate(
        "([t, c]) => [...document.querySelectorAll(`${t} tbody`)].flatMap(b => [...b.rows])"
        ".filter(r => !r.classList.contains('why')).map(r => r.cells[c].innerText.trim())",
        [table, column],
    )
    return texts


@pytest.mark.parametrize("unit", ["ns", "B", "J", "J/page", "count", "ratio", "W", ""])
def test_what_was_written_is_sorted_as_what_it_means(tmp_path: Path, chromium: Any, unit: str) -> None:
    """Every unit of `units.show`, over twelve decades, among unknown values, which stand last either way."""
    draw = random.Random(unit)
    values: list[float | None] = [None, 0.0, *(draw.uniform(1, 9.99) * 10 ** draw.randint(0, 11) for _ in range(40))]
    if unit.startswith("J"):
        values = [value and value / 1e9 for value in values]
    draw.shuffle(values)
    rows = "".join(f'<tr><th scope="row">{i}</th><td class="n">{show(v, unit)}</td></tr>' for i, v in enumerate(values))
    path = written(tmp_path, sample.one)
    table = (
        '<table id="t" data-sort><thead><tr><th scope="col">no.</th><th scope="col" class="n">value</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
    path.write_text(path.read_text(encoding="utf-8").replace("<main>", f"<main>{table}"), encoding="utf-8")
    shown = [show(value, unit) for value in sorted(value for value in values if value is not None)]
    with opened(chromium, path) as found:
        button = found.page.locator("#t th .sort").nth(1)
        button.click()
        assert _column(found, "#t", 1) == [*shown, "–"]
        button.click()
        # Values that are written alike keep the order of the page.
        assert _column(found, "#t", 1) == [*reversed(shown), "–"]
        button.click()
        assert _column(found, "#t", 0) == [str(i) for i in range(len(values))]
        assert found.console == []


def test_a_table_is_sorted_by_keyboard_and_says_so(tmp_path: Path, chromium: Any) -> None:
    with opened(chromium, written(tmp_path, sample.realistic)) as found:
        before = _column(found, ".cells", 0)
        head = found.page.locator(".cells >> nth=0").locator("thead th").nth(1)
        head.locator("button").focus()
        found.page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        assert found.page.locator("main > [role=status]").inner_text() == "Sorted by Backend, rising."
        found.page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "descending"
        first = found.page.locator(".cells >> nth=0").locator("tbody td:nth-child(2)").first
        assert first.inner_text() == "sample-npu"
        found.page.keyboard.press("Enter")
        assert _column(found, ".cells", 0) == before


# Filtering.


def test_a_table_is_filtered_by_words_and_chips_and_the_count_is_told(tmp_path: Path, chromium: Any) -> None:
    with opened(chromium, written(tmp_path, sample.realistic)) as found:
        tools = found.page.locator(".filter").first
        count = tools.locator("[role=status]")
        assert count.inner_text() == "32 of 32 shown"
        tools.get_by_label("Filter").fill("ocr OFFLINE")
        tools.locator("[role=status]", has_text="6 of 32 shown").wait_for()
        rows = found.page.locator(".cells >> nth=0").locator("tbody:visible")
        assert rows.count() == 6
        tools.get_by_role("button", name="sample-gpu").press("Space")
        assert tools.get_by_role("button", name="sample-gpu").get_attribute("aria-pressed") == "true"
        assert count.inner_text() == "2 of 32 shown"
        tools.get_by_role("button", name="with caution").click()
        assert count.inner_text() == "0 of 32 shown"
        tools.get_by_role("button", name="Show all").click()
        assert count.inner_text() == "32 of 32 shown"
        assert found.console == []


# Values in charts.


@pytest.mark.parametrize(
    ("files", "chart", "mark", "said"),
    [
        (sample.realistic, "#r1-f1", "k:1:2", ["Sample NPU (test data)", "p90 {}"]),
        (sample.realistic, "#r1-f1", "h:{}:1", ["{} – {}", "requests {}"]),
        (loaded.services, "#r1-l1", "k:{}:3", ["{}", "p99 {}"]),
    ],
    ids=["percentile", "bar", "load"],
)
def test_a_mark_shows_the_number_of_the_table(
    tmp_path: Path, chromium: Any, files: Files, chart: str, mark: str, said: list[str]
) -> None:
    with opened(chromium, written(tmp_path, files)) as found:
        figure = found.page.locator(chart)
        wanted = re.compile(mark.replace("{}", r"\d+"))
        places: list[str] = figure.locator("[data-at]").evaluate_all("all => all.map(e => e.dataset.at)")
        at = next(place for place in places if wanted.fullmatch(place))
        figure.locator(f'[data-at="{at}"]').first.hover(force=True)
        tip = found.page.locator(".tip")
        lines = tip.inner_text().splitlines()
        assert all(
            re.fullmatch(re.escape(want).replace(r"\{\}", ".+"), line) for want, line in zip(said, lines, strict=True)
        ), lines
        letter, row, column = at.split(":")
        cell = found.page.locator(f"{chart}-{letter} tbody tr").nth(int(row)).locator("th, td").nth(int(column))
        assert tip.locator("b").text_content() == cell.text_content()
        found.page.keyboard.press("Escape")
        assert not tip.is_visible()
        assert found.console == []


def test_every_mark_finds_its_number(tmp_path: Path, chromium: Any) -> None:
    for files in PAGES.values():
        with opened(chromium, written(tmp_path, files)) as found:
            lost = found.page.evaluate(
                "[...document.querySelectorAll('[data-at]')].filter(e => {"
                "const [l, r, c] = e.dataset.at.split(':');"
                "const t = document.getElementById(`${e.ownerSVGElement.dataset.key}-${l}`);"
                "return !t?.tBodies[0].rows[r]?.cells[c]?.textContent.trim(); }).map(e => e.dataset.at)"
            )
            assert lost == []


def test_values_are_read_with_the_arrow_keys(tmp_path: Path, chromium: Any) -> None:
    with opened(chromium, written(tmp_path, sample.realistic)) as found:
        chart = found.page.locator("#r1-f1 .chart")
        chart.focus()
        found.page.keyboard.press("ArrowRight")
        first = found.page.locator(".tip").inner_text()
        told = found.page.locator("main > [role=status]").inner_text()
        assert told.split() == first.replace("\n", ": ", 1).split()
        found.page.keyboard.press("ArrowRight")
        assert found.page.locator(".tip").inner_text() != first
        found.page.keyboard.press("ArrowLeft")
        assert found.page.locator(".tip").inner_text() == first
        found.page.keyboard.press("Tab")
        assert not found.page.locator(".tip").is_visible()


# Links.


def test_a_link_to_a_cell_opens_its_sheet_and_can_be_copied(tmp_path: Path, chromium: Any) -> None:
    path = written(tmp_path, sample.realistic)
    anchor = view.build([sample.realistic()]).runs[0].sheets[5].anchor
    with opened(chromium, path, f"#{anchor}") as found:
        sheet = found.page.locator(f"#{anchor}")
        assert sheet.get_attribute("open") is not None
        assert sheet.locator("table.values").is_visible()
        found.page.evaluate(
            "Object.defineProperty(navigator, 'clipboard', {value: {writeText: async t => { window.kept = t; }}})"
        )
        sheet.locator(".here a").click()
        assert found.page.evaluate("window.kept") == f"{path.as_uri()}#{anchor}"
        assert found.page.locator("main > [role=status]").inner_text() == "The link was copied."


# Narrow, enlarged, on paper.


@pytest.mark.parametrize("files", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize(("width", "scale"), [(360, 3), (640, 2)], ids=["phone", "zoom-200"])
def test_a_narrow_window_scrolls_tables_not_the_page(
    tmp_path: Path, chromium: Any, files: Files, width: int, scale: int
) -> None:
    """A window of 1280 pixels at 200 % is one of 640."""
    path = written(tmp_path, files, "ko")
    with opened(chromium, path, viewport={"width": width, "height": 800}, device_scale_factor=scale) as found:
        found.page.evaluate("for (const item of document.querySelectorAll('details')) item.open = true")
        assert found.overflow() <= 0


@pytest.mark.parametrize("files", PAGES.values(), ids=PAGES)
def test_printed_on_a4_nothing_is_folded_away(tmp_path: Path, chromium: Any, files: Files) -> None:
    with opened(chromium, written(tmp_path, files)) as found:
        found.page.emulate_media(media="print")
        assert found.page.locator("button:visible:not(.sort), input[type=search]:visible").count() == 0
        inside = found.page.locator("details table").first
        assert inside.bounding_box()["height"] > 0


def test_it_is_printed_on_a4(tmp_path: Path, chromium: Any) -> None:
    """Sheets of paper are laid out by the same rules on every page, and a long one takes minutes."""
    with opened(chromium, written(tmp_path, sample.one)) as found:
        data = found.page.pdf(prefer_css_page_size=True)
        sizes = re.findall(rb"/MediaBox\s*\[([^]]*)\]", data)
        assert len(sizes) > 1
        # A4 in points, as Chromium rounds it.
        assert all(re.fullmatch(rb"0 0 59[45][.\d]* 84[12][.\d]*", size) for size in sizes), sizes


# Accessibility.


# axe's time grows faster than the page. Elements are of a kind where tag, classes, roles, names of attributes, what is
# empty, what is directly in them and all that they are in agree. A sheet, figure, row or mark goes where all in it is
# of kinds of which two are judged already. Says how many elements went.
_TWO_OF_A_KIND = """() => {
  const told = ["class", "role", "type", "scope", "fill", "lang", "tabindex", "aria-hidden"];
  const kinds = new Map(), judged = new Map();
  const name = element => element.tagName + "." + (element.getAttribute("class") ?? "");
  const look = (element, within) => {
    const said = a => told.includes(a.name) ? "=" + a.value : a.value ? "" : "!";
    const own = [...element.attributes].map(a => a.name + said(a));
    const text = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    const inner = [...element.children].map(name).filter((each, i, all) => each !== all[i - 1]);
    kinds.set(element, `${within}>${element.tagName}[${own.sort()}]${text}(${inner})`);
    for (const child of element.children) look(child, within + ">" + name(element));
  };
  look(document.body, "");
  const known = element => judged.get(kinds.get(element)) >= 2;
  let left = 0;
  const thin = element => {
    judged.set(kinds.get(element), (judged.get(kinds.get(element)) ?? 0) + 1);
    for (const child of [...element.children]) {
      const all = [child, ...child.querySelectorAll("*")];
      if (!child.matches("details, figure, tbody, tr, svg *") || !all.every(known)) thin(child);
      else { child.remove(); left += all.length; }
    }
  };
  thin(document.body);
  return left;
}"""
# Takes most of the time: the colour behind every piece of text is looked for.
CONTRAST = "color-contrast"


def _judged(found: Opened, **options: Any) -> list[str]:
    """What axe-core holds against the page, everything unfolded: rule and first place. `options`: of `axe.run`."""
    from axe_playwright_python.sync_playwright import Axe

    found.page.evaluate("for (const item of document.querySelectorAll('details')) item.open = true")
    found.page.evaluate(_TWO_OF_A_KIND)
    violations = Axe().run(found.page, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]} ({len(each['nodes'])})" for each in violations]


@pytest.mark.parametrize(
    ("name", "language"), [*((name, "ko") for name in PAGES), ("realistic", "en"), ("placed", "en")]
)
def test_axe_finds_nothing(tmp_path: Path, chromium: Any, name: str, language: Language) -> None:
    with opened(chromium, written(tmp_path, PAGES[name], language)) as found:
        assert _judged(found, rules={CONTRAST: {"enabled": False}}) == []


@pytest.mark.parametrize("name", ["realistic", "placed"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_told_apart(tmp_path: Path, chromium: Any, name: str, scheme: str) -> None:
    """Colours are of the scheme alone: one language is enough."""
    with opened(chromium, written(tmp_path, PAGES[name], "ko"), color_scheme=scheme) as found:
        assert _judged(found, runOnly=[CONTRAST]) == []


@pytest.mark.parametrize("files", FAULTS.values(), ids=FAULTS)
def test_axe_finds_nothing_in_a_page_of_faults(tmp_path: Path, chromium: Any, files: Files) -> None:
    with opened(chromium, written(tmp_path, files, "ko")) as found:
        assert _judged(found) == []


def test_axe_would_find_something(tmp_path: Path, chromium: Any) -> None:
    """The checks above can fail."""
    path = written(tmp_path, sample.one)
    text = path.read_text(encoding="utf-8").replace("<main>", "<main><button></button>")
    path.write_text(text, encoding="utf-8")
    with opened(chromium, path) as found:
        assert any(each.startswith("button-name") for each in _judged(found))


# Many cells.


def test_two_thousand_cells_can_be_read_sorted_and_filtered(tmp_path: Path, chromium: Any) -> None:
    with opened(chromium, written(tmp_path, lambda: sample.many(2000))) as found:
        assert found.page.locator("#lead").is_visible()
        tools = found.page.locator(".filter").first
        tools.get_by_label("Filter").fill("model-3 backend-7 fp11")
        tools.locator("[role=status]", has_text="1 of 2,000").wait_for()
        found.page.locator(".cells >> nth=0").locator("th button").first.click()
        assert found.console == []
