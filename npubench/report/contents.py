"""The list of a page's sections, which stands near its top: a link to each, run by run.

Guarantees: it names what the page has, in the page's own words, for it is read from the headings (second level, with an
id) of the page itself; foreign text cannot become one, because it stands there escaped. Pure.

Not aware of: what the sections hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from npubench.report.shown import View

PLACE = "<!-- contents -->"
MOST_OPEN = 3
"""Of more runs the list is longer than a screen, and begins folded."""
_HEADING = re.compile(r'<h2 id="(?P<id>[\w.-]+)"[^>]*>(?P<title>.*?)</h2>', re.DOTALL)


def with_contents(page: str, view: View) -> str:
    """`page`, whose place for the list is empty, with the list; a page of fewer than two sections needs none."""
    before, found, after = page.partition(PLACE)
    headings = [(each["id"], each["title"].strip()) for each in _HEADING.finditer(after)]
    if not found or len(headings) < 2:
        return before + after
    return f"{before}{''.join(_listed(headings, view))}{after}"


def _listed(headings: list[tuple[str, str]], view: View) -> Iterator[str]:
    """What is said of all runs, first what stands above them; then each run under its machine's name."""
    mine = {run.key: [item for item in headings if item[0].startswith(f"{run.key}-")] for run in view.runs}
    of_runs = {item for items in mine.values() for item in items}
    opened = " open" if len(view.runs) <= MOST_OPEN else ""
    yield '<nav class="contents" aria-labelledby="contents">'
    yield f'<details{opened}><summary id="contents">'
    yield '<span class="en" lang="en">Contents</span><span class="ko" lang="ko">차례</span></summary>\n'
    if len(view.runs) == 1:
        yield _links(headings)
    else:
        yield _links([item for item in headings if item not in of_runs])
        for run in view.runs:
            yield f'<p><a href="#{run.key}">{_title(run.machine, run.created)}</a></p>\n{_links(mine[run.key])}'
    yield "</details></nav>\n"


def _title(machine: str, created: str) -> str:
    from markupsafe import Markup

    return Markup('<bdi class="whole">{}</bdi> <span class="unit"><bdi>{}</bdi></span>').format(machine, created)


def _links(headings: list[tuple[str, str]]) -> str:
    items = "".join(f'<li><a href="#{anchor}">{title}</a></li>\n' for anchor, title in headings)
    return f"<ul>\n{items}</ul>\n" if items else ""
