"""The recogniser's classes never move."""

from __future__ import annotations

from npubench.build.charset import ASCII, CHARSET, CLASSES, SIGNS, SYLLABLES


def test_charset() -> None:
    assert len(ASCII) == 95
    assert len(SYLLABLES) == 2350
    assert len(SIGNS) == 48
    assert len(CHARSET) == len(set(CHARSET)) == 2493
    assert CLASSES == 2494
    assert (SYLLABLES[0], SYLLABLES[-1]) == ("가", "힝")
    assert (CHARSET[0], CHARSET[-1]) == (" ", "÷")
