"""Text → the pieces that byte-level BPE merges within: GPT-2's split pattern without third-party `regex`.

GPT-2's split pattern ('s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+) needs
Unicode classes that the standard library's `re` lacks, so each character is first translated to a sign of its class and
the pattern runs over the signs. Letters and numbers are those of this Python's Unicode tables; `tokenizers` may know
newer ones.

Guarantees that the pieces joined are the text again. Not aware of: tokens, vocabularies.
"""

from __future__ import annotations

import re
import unicodedata

# Unicode's White_Space property; str.isspace() also has U+001C..U+001F, which `tokenizers` does not count as space.
_WHITE = frozenset("\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {
    chr(c) for c in range(0x2000, 0x200B)
}

_CONTRACTION_LETTERS = frozenset("stmdrevl")


class _Signs(dict[int, str]):
    """Code point → sign of its class: L letter, N number, _ white space, . other; space, ' and some letters stay."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        category = unicodedata.category(char)[0]
        if char in _CONTRACTION_LETTERS or char in " '":
            sign = char
        elif char in _WHITE:
            sign = "_"
        else:
            sign = category if category in "LN" else "."
        self[code] = sign
        return sign


SIGNS = _Signs()
_PIECE = re.compile(r"'(?:[stmd]|re|ve|ll)| ?[Lstmdrevl]+| ?N+| ?[.']+|[ _]+(?![^ _])|[ _]+")


def split(text: str) -> list[str]:
    """The pieces of `text` by GPT-2's pattern; joined they are `text` again."""
    return [text[found.start() : found.end()] for found in _PIECE.finditer(text.translate(SIGNS))]
