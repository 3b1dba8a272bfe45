"""Token ids as visible words: 17 is `t17`. What a server is asked in whose model was built with such a tokenizer.

Not aware of: tokenizer files (`build.hf_words`), servers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

UNKNOWN = 0
"""The token of a text that is no word."""


def word(token: int) -> str:
    return f"t{token}"


def text(tokens: Iterable[int]) -> str:
    """The text that has exactly these tokens."""
    return " ".join(map(word, tokens))


def tokens(said: str) -> list[int] | None:
    """The tokens of a text; None where something in it is no word."""
    found = [re.fullmatch(r"t(\d+)", part) for part in said.split()]
    return None if not all(found) else [int(one[1]) for one in found if one is not None]
