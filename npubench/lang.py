"""Two languages everywhere a person reads: English and Korean.

`Text` is a pair of strings carried by cards, metrics and reports. `here(en, ko)` picks one for the terminal, by
NPUBENCH_LANG, then LC_ALL, LC_MESSAGES and LANG, as gettext does.
"""

from __future__ import annotations

import os
from typing import Literal

import msgspec

Language = Literal["en", "ko"]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same sentence in English and Korean."""

    en: str
    ko: str

    def __getitem__(self, language: Language) -> str:
        return self.ko if language == "ko" else self.en


def language() -> Language:
    """The terminal's language."""
    for name in ("NPUBENCH_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value:
            return "ko" if value.lower().startswith("ko") else "en"
    return "en"


def here(en: str, ko: str) -> str:
    """`en` or `ko`, whichever the terminal's language is."""
    return ko if language() == "ko" else en
