"""Two builds of one backend in one run: their backends are called `<id>@a` and `<id>@b`, everywhere in the run.

A run that measures two builds stays an ordinary run: two backends, whose cells are paired by what they are without
their side. Not aware of: what a build is (`engine.builds`), how pairs are judged (`stats.paired`).
"""

from __future__ import annotations

import re
from typing import Literal

Side = Literal["a", "b"]
SIDES: tuple[Side, Side] = ("a", "b")

# In a mix several backends are named in one text.
_SIDED = re.compile(r"@[ab](?=$|[ .])")


def sided(backend: str, side: Side) -> str:
    """What a backend is called on one side."""
    return f"{backend}@{side}"


def side_of(backend: str) -> Side | None:
    """Which side this is; None for a backend that is not one of two builds."""
    return next((side for side in SIDES if backend.endswith(f"@{side}")), None)


def plain(text: str) -> str:
    """A backend's name, or a text with such names, without sides."""
    return _SIDED.sub("", text)
