"""Markdown, JUnit XML and annotations of a comparison: golden texts, limits, and names full of markup."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from npubench.lang import Language
from npubench.report.comparison.annotations import MOST, commands
from npubench.report.comparison.findings import findings
from npubench.report.comparison.junit import junit
from npubench.report.comparison.markdown import LIMIT, markdown
from npubench.report.marked import text
from npubench.stats.compare import compare
from npubench.stats.compared import Comparison
from tests.report.comparison.made import each, huge, named
from tests.stats.made_runs import cell, run

GOLDEN = Path(__file__).parents[2] / "golden"
WRITTEN = {"md": markdown, "xml": junit, "txt": commands}
SPOKEN: tuple[Language, ...] = ("en", "ko")
NASTY = (
    "[red]m[/red]<b>|`\x1b[31mx\x1b]8;;http://e\x07\u202eyx\n[/]\\[end😀",
    "</summary><script>alert(1)</script>",
    "a | b \\| c \\",
    "`x` **y** _z_ ~~w~~ [t](http://e) ![i](http://e) <http://e> http://e www.e.org @someone #1 !2 :tada: $x$ &amp;",
    "a\n::error title=x::y\r\n::stop-commands::t\n##[error]z",
    "]]>&<\"'\x00\x0b\ufffe\ud800",
    "# h\n\n- l\n1. n\n> q\n---\n```\nc",
    "1. x",
    "- x",
    "+ x",
    "%0A::error::x",
    "a,b:c::d",
    "\u202e\u2066\u200f",
    "",
)
TEXTS = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=40),
    st.text(alphabet="|\\`*_[]<>&!~$#@:-+=.()\n\r\t 1aw%'\"/", max_size=30),
)


# --- golden files: one regression, one improvement, one inconclusive, one not comparable … in each output ------------


@pytest.mark.parametrize("spoken", SPOKEN)
@pytest.mark.parametrize("kind", WRITTEN)
def test_golden(kind: str, spoken: Language) -> None:
    """NPUBENCH_GOLDEN=1 writes them anew; read the difference before it is committed."""
    path, found = GOLDEN / f"compare-{spoken}.{kind}", WRITTEN[kind](each(), spoken)
    if os.environ.get("NPUBENCH_GOLDEN"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


# --- Markdown --------------------------------------------------------------------------------------------------------


def tokens(page: str) -> Iterator[Token]:
    """Every token of the page, those inside lines as well."""
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(page):
        yield token
        yield from token.children or ()


def shape(page: str) -> list[str]:
    """The page's markup without its words."""
    return [token.type for token in tokens(page) if token.type != "text"]


OURS = re.compile(r"<br>|</?sub>|<details><summary>[^<>]*</summary>|</details>")


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("a\\")
@example("\\|")
def test_a_text_stays_text(foreign: str) -> None:
    """In a paragraph, a list and a table cell alike, and it reads as it was given."""
    page = (
        f"x {text(foreign)}\n\n- {text(foreign)}\n\n| a | b |\n| --- | --- |\n| {text(foreign)} | {text(foreign)} |\n"
    )
    plain = "x x\n\n- x\n\n| a | b |\n| --- | --- |\n| x | x |\n"
    if not text(foreign):
        return
    assert shape(page) == shape(plain)
    cells = [token for token in tokens(page) if token.type == "inline"]
    shown = ["".join(child.content for child in cell.children or ()) for cell in cells]
    assert shown[0] == f"x {shown[1]}"
    assert len(set(shown[1:2] + shown[-2:])) == 1
    assert "\x1b" not in shown[1]
    # Nothing refers to people or issues, nothing is an emoji, nothing is made a link without being asked.
    for reference in (r"[@#!~%&$]\w", r":(?!\d\d:)[\w+-]+:", r"://", r"(?i)www\.", r"GH-\d"):
        assert re.search(reference, shown[1]) is None


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from(SPOKEN))
def test_no_name_becomes_markup(name: str, spoken: Language) -> None:
    assume(text(name))
    page = markdown(named(name), spoken)
    ordinary = markdown(named("x"), spoken)
    assert shape(page) == shape(ordinary)
    for token in tokens(page):
        if token.type in ("html_inline", "html_block"):
            assert OURS.fullmatch(token.content.strip())
    assert "\x1b" not in page


@pytest.mark.parametrize("spoken", SPOKEN)
@pytest.mark.parametrize("name", ["m", "모델|`<😀" * 40])
def test_at_most_60_kb_and_what_is_left_out_is_said(spoken: Language, name: str) -> None:
    found = huge(1000, name)
    page = markdown(found, spoken)
    assert LIMIT * 0.9 < len(page.encode()) <= LIMIT
    rows = sum(line.startswith("| ") for line in page.splitlines())
    left_out = [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) more rows", page)]
    left_out += [int(number.replace(",", "")) for number in re.findall(r"않은 행 ([\d,]+)개", page)]
    heads = 2 * sum(token.type == "table_open" for token in tokens(page))
    assert sum(left_out) + rows - heads == len(findings(found)) + len(found.varying)
    # The calm end was cut, the worst is there.
    assert "npubench compare" in page
    assert page.index("####") < page.index("<details>")
    assert page.count("<details>") == page.count("</details>")


def test_the_verdict_comes_first() -> None:
    found = each()
    page = markdown(found, "en")
    assert page.startswith("### ❌ 1 of 4 metrics regressed: slower")
    order = [page.index(title) for title in ("Regressed (1)", "Not comparable", "Invalid", "Missing", "Improved (1)")]
    assert order == sorted(order)
    calm = huge(1)
    assert markdown(calm, "en").startswith("### ✅ none of 3 metrics regressed")


def test_what_else_is_known_stands_beside_a_verdict() -> None:
    """Energy says of what, a tolerance where it comes from, a second look what it found."""
    found = compare(run(cell()), run(cell(factor=1.2), id="20261125T010203Z-bbbbbb"))
    (only,) = found.cells
    metric = msgspec.structs.replace(
        only.metrics[0],
        metric="energy_per_frame_j",
        unit="J/frame",
        scope="node",
        tolerance=0.04,
        tolerance_from="history",
        nights=9,
        confirmed=True,
    )
    again = msgspec.structs.replace(metric, change=0.19)
    only = msgspec.structs.replace(
        only, metrics=(metric,), confirmation=(again,), confirmed=True, labels=("cpu_assisted", "new_degraded")
    )
    found = msgspec.structs.replace(found, cells=(only,), machine_class="pool-a", confirmed_by=found.new)
    page = markdown(found, "en")
    for shown in (
        "energy per frame (the whole machine)",
        "4.0 % (noise of 9 nights)",
        "confirmed when measured again (+19.0 %); placement: CPU-assisted; NEW counts with caution",
        "baseline of the machine class pool-a",
        "red cells were measured again in 20261125T010203Z-bbbbbb",
    ):
        assert shown in page
    assert "energy per frame (the whole machine) +20.0 %25" in commands(found, "en")
    assert "에너지" in junit(found, "ko")


def test_a_kind_that_nothing_proves_is_said_in_words() -> None:
    dark = cell(execution_kind="unknown")
    found = compare(run(dark), run(dark, id="20261125T010203Z-bbbbbb"))
    assert "execution\\_kind: nothing proves where it ran" in markdown(found, "en")


# --- JUnit -----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from(SPOKEN))
def test_junit_is_well_formed_whatever_the_names(name: str, spoken: Language) -> None:
    found = named(name)
    suite = parsed(found, spoken)
    assert suite.get("tests") == str(len(findings(found)))
    children = [child.tag for child in suite]
    assert children[0] == "properties"
    assert children[-2:] == ["system-out", "system-err"]
    assert set(children[1:-2]) == {"testcase"}
    for case in suite.iter("testcase"):
        assert {child.tag for child in case} <= {"failure", "error", "skipped"}
        assert len(case) <= 1
        assert case.get("name")
    for item in suite.iter("property"):
        assert (item.get("name") or "").strip()
    assert suite.get("hostname")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp") or "")


def parsed(found: Comparison, spoken: Language) -> ElementTree.Element:
    root = ElementTree.fromstring(junit(found, spoken).encode())
    assert (root.tag, root.attrib) == ("testsuites", {})
    (suite,) = root
    return suite


def test_what_fails_and_what_does_not() -> None:
    suite = parsed(each(), "en")
    outcome = {case.get("classname", "").split()[0]: [child.tag for child in case] for case in suite.iter("testcase")}
    assert outcome == {
        "slower": ["failure"],
        "other": ["error"],
        "broken": ["error"],
        "gone": ["error"],
        "refuted": [],
        "faster": [],
        "noisy": [],
        "added": ["skipped"],
    }
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["8", "1", "3", "1"]


def test_names_are_those_of_any_language_and_never_twice() -> None:
    def names(spoken: Language, found: Comparison) -> list[tuple[str | None, str | None]]:
        return [(case.get("classname"), case.get("name")) for case in parsed(found, spoken).iter("testcase")]

    assert names("en", each()) == names("ko", each())
    twins = [cell(id=name, key={"model": "m", "variant": name}) for name in ("fused", "static")]
    found = names("en", compare(run(*twins), run(*twins, id="20261125T010203Z-bbbbbb")))
    assert len(found) == len(set(found)) == 6


# --- annotations -----------------------------------------------------------------------------------------------------

COMMAND = re.compile(r"::(error|warning|notice) title=([^:,\r\n]*)::([^\r\n]*)")


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.sampled_from(SPOKEN))
def test_every_line_is_one_command_of_ours(name: str, spoken: Language) -> None:
    lines = commands(named(name), spoken).split("\n")
    assert lines.pop() == ""
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 4 + ["::warning", "::notice"]
    for line in lines:
        command = COMMAND.fullmatch(line)
        assert command is not None
        # Nothing is left that GitHub would read as an escape of ours.
        assert set(re.findall(r"%..?", command[2] + command[3])) <= {"%25", "%0A", "%3A", "%2C"}
        assert not set(line.splitlines()) - {line}


def test_at_most_ten_of_a_level_the_rest_is_counted() -> None:
    lines = commands(huge(30), "en").splitlines()
    errors = [line for line in lines if line.startswith("::error ")]
    assert len(errors) == MOST
    assert errors[-1] == "::error title=npubench::36 more; the job summary has all of them"
