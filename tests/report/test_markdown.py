"""The report as Markdown, read by a CommonMark parser with tables."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from markdown_it import MarkdownIt

from npubench.lang import Language
from npubench.report import view
from npubench.report.markdown import markdown
from npubench.report.view import RunFiles
from npubench.stats.compare import compare
from tests.report import gridded, hall, loaded, powered, sample
from tests.report.test_html import hostile

# What the pages themselves use; everything else would come from somebody's name.
OURS = ("<br>", "<sub>", "</sub>", "<details>", "</details>", "<summary>", "</summary>")


def page(files: list[RunFiles], language: Language = "en") -> str:
    return markdown(view.build(files), files, language)


def tokens(text: str) -> list[Any]:
    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_verdict_first_then_services_ranking_cells_method(language: Language) -> None:
    text = page(list(hall.hall()), language)
    heads = [line for line in text.split("\n") if line.startswith("## ")]
    order = (
        ["Services", "Ranking", "All measurements", "Power and energy", "How it was measured", "Words and metrics"]
        if language == "en"
        else ["서비스", "순위", "전체 측정 결과", "전력과 에너지", "측정 방법", "용어와 지표"]
    )
    at = [next(n for n, head in enumerate(heads) if name in head) for name in order]
    assert at == sorted(at)
    first = text.index("✅") if "✅" in text.split("##")[0] else text.index("⚠️")
    assert first < text.index(f"## {order[0]}")
    assert text.endswith("\n")


def test_every_table_is_one() -> None:
    """As many cells in each row as in the head: no pipe of a name splits one."""
    for files in ([hostile()], list(hall.hall()), [gridded.grid()], [powered.powered()]):
        found = tokens(page(files))
        assert any(token.type == "table_open" for token in found)
        widths: list[int] = []
        cells = 0
        for token in found:
            if token.type == "table_open":
                widths = []
            elif token.type == "tr_open":
                cells = 0
            elif token.type in ("td_open", "th_open"):
                cells += 1
            elif token.type == "tr_close":
                widths.append(cells)
            elif token.type == "table_close":
                assert len(set(widths)) == 1
        assert "| --" not in "".join(token.content for token in found if token.type == "inline")


def test_nobody_s_text_is_markup() -> None:
    found = tokens(page([hostile()]))
    kinds = {token.type for token in found}
    assert "html_block" not in kinds or all(
        token.content.strip().startswith(OURS) for token in found if token.type == "html_block"
    )
    for token in found:
        for child in token.children or ():
            assert child.type not in ("link_open", "image", "code_inline")
            if child.type == "html_inline":
                assert child.content in OURS, child.content


@pytest.mark.parametrize(
    "files",
    [sample.nothing(), sample.only_nulls(), sample.one(1), loaded.services(), powered.powered(dark=True)],
    ids=["no valid cell", "only nulls", "one sample", "searched", "no meter"],
)
def test_every_kind_of_run(files: RunFiles) -> None:
    for language in ("en", "ko"):
        text = page([files], language)  # type: ignore[arg-type]
        assert tokens(text)
        assert "\x00" not in text


def test_scopes_have_tables_of_their_own() -> None:
    text = page([sample.realistic()])
    assert "#### Whole service" in text
    assert "#### Device only" in text


def test_changes_against_a_baseline() -> None:
    base, new = hall.night(number=20), hall.night(number=21, factor=1.2)
    text = page([msgspec.structs.replace(new, changes=compare(base.run, new.run))])
    assert "## ❌" in text
    assert text.index("Ranking") < text.index("## ❌") < text.index("## All measurements")


def test_the_same_run_gives_the_same_text() -> None:
    files = sample.one()
    assert page([files]) == page([files])
