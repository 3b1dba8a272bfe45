"""Drawn words: the same from the same seed, and labelled so that reading the labels gives the text."""

from __future__ import annotations

import numpy as np
import pytest

from npubench.authoring.lines import SHARES, WIDEST, classes_of, draw_line, frame_classes, lines, text_of
from npubench.build.charset import CHARSET
from npubench.build.data.fonts import find_fonts
from npubench.errors import DataError
from npubench.workloads.ctc import Alphabet

try:
    FONTS = find_fonts()
except DataError:
    pytest.skip("no Korean font is installed", allow_module_level=True)


def test_a_seed_gives_the_same_lines() -> None:
    first, second = ([draw_line(np.random.default_rng(4), FONTS) for _ in range(1)] for _ in range(2))
    assert first[0].text == second[0].text
    assert np.array_equal(first[0].pixels, second[0].pixels)


@pytest.mark.parametrize("kind", [*SHARES, "words"])
def test_texts_are_readable_words(kind: str) -> None:
    rng = np.random.default_rng(7)
    for _ in range(50):
        text = text_of(kind, rng)
        assert text
        assert set(text) <= set(CHARSET) - {" "}


@pytest.mark.parametrize("kind", ["syllables", "words", "numbers"])
def test_labels_read_as_the_text(kind: str) -> None:
    alphabet = Alphabet(CHARSET)
    same = 0
    for line in lines(11, 60, kind):
        assert line.pixels.shape[0] == 32
        assert line.pixels.shape[1] <= WIDEST
        classes = frame_classes(line, line.frames)
        scores = np.zeros((1, line.frames, len(CHARSET) + 1), np.float32)
        scores[0, np.arange(line.frames), classes] = 1
        same += alphabet.read(scores) == [line.text]
    # A pair such as "11" in a narrow face may have no blank frame between.
    assert same >= 57


def test_classes_are_those_of_the_charset() -> None:
    assert [CHARSET[number - 1] for number in classes_of("가A1")] == ["가", "A", "1"]
