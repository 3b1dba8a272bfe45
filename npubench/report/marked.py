"""Text that others wrote, made safe for Markdown (GitHub, GitLab).

Guarantees of `text`: one line that stays text in a paragraph, a list and a table cell: no HTML, link, image, emphasis,
code, heading or table cell of its own, no mention of a person or issue, no emoji. It reads as it was given.

Not aware of: what the page says (`comparison.markdown`, `ranking`).
"""

from __future__ import annotations

import re

from npubench.report.foreign import LINE_LIMIT, clean

# Entities cannot stand for Markdown's own signs (CommonMark 0.31, 2.5), so a pipe written so splits no table row.
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "`": "&#96;", "\\": "&#92;"}
_SIGNS = re.compile(r"[&<>|`\\]|[*_\[\]~$!#^]")
# Where a text begins, these could begin a heading, a list, a rule or a quotation.
_START = re.compile(r"^\s*(?:[-+=:]|\d+(?=[.)](?:\s|$)))")
# Mentions of people, issues, merge requests, labels …; :emoji:; addresses that are made links without being asked.
_REFERENCE = re.compile(
    r"(?<=[@#!~%&$^])(?=\w)|(?<=:)(?!\d\d:)(?=[\w+-]+:)|(?<=:)(?=//)|(?i:(?<=www)(?=\.))|(?<=GH)(?=-\d)"
)
_BREAK = "\u200b"
"""A space of no width: what is meant for readers stays as it reads, and no reference is seen in it."""


def text(foreign: object, limit: int = LINE_LIMIT) -> str:
    """Somebody else's words as plain Markdown text on one line, also inside a table cell."""
    shown = _REFERENCE.sub(_BREAK, " ".join(clean(foreign, limit).split()))
    escaped = _SIGNS.sub(lambda match: _ENTITIES.get(match.group(), f"\\{match.group()}"), shown)
    # An entity again: a backslash before a digit would be shown.
    return _START.sub(lambda match: "".join(f"&#{ord(char)};" for char in match.group()), escaped)
