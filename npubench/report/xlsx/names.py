"""Names of sheets: whatever a machine is called, one that spreadsheets take, and each only once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from npubench.report.foreign import clean

LIMIT = 31
"""UTF-16 units (ECMA-376, 18.2.19, and Excel's own limit)."""

# What Excel refuses in a name, and what is invisible in a tab.
_FORBIDDEN = re.compile(r"[\[\]:*?/\\\s]+")
_RESERVED = ("history",)
"""Excel keeps it for itself, in every language."""


def units(text: str) -> int:
    """Length in UTF-16 units."""
    return len(text.encode("utf-16-le", "replace")) // 2


def _cut(text: str, limit: int) -> str:
    while units(text) > limit:
        text = text[:-1]
    return text


def fit(text: object, taken: Sequence[str] = ()) -> str:
    """A sheet's name made from `text`, unlike those `taken` (upper and lower case are the same to Excel)."""
    name = _FORBIDDEN.sub(" ", clean(text)).strip().strip("'").strip()
    name = _cut(name, LIMIT).strip().strip("'") or "sheet"
    used = {other.casefold() for other in taken} | set(_RESERVED)
    found, number = name, 2
    while found.casefold() in used:
        suffix = f" ({number})"
        found, number = f"{_cut(name, LIMIT - units(suffix)).rstrip()}{suffix}", number + 1
    return found


def unique(texts: Sequence[object]) -> Iterator[str]:
    """A fit name for each."""
    taken: list[str] = []
    for text in texts:
        taken.append(fit(text, taken))
        yield taken[-1]
