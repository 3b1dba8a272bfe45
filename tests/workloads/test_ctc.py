from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from npubench.workloads.ctc import Alphabet

CHARSET = "가나다ab 😀"


def loop(best: list[int]) -> str:
    text, last = "", 0
    for symbol in best:
        if symbol not in (0, last):
            text += CHARSET[symbol - 1]
        last = symbol
    return text


def logits_of(lines: list[list[int]]) -> npt.NDArray[np.float32]:
    logits: npt.NDArray[np.float32] = np.eye(len(CHARSET) + 1, dtype=np.float32)[np.array(lines)]
    return logits


@given(st.integers(1, 12).flatmap(lambda n: st.lists(st.lists(st.integers(0, 7), min_size=n, max_size=n), min_size=1)))
def test_it_reads_like_a_loop(lines: list[list[int]]) -> None:
    assert Alphabet(CHARSET).read(logits_of(lines)) == [loop(line) for line in lines]


def test_repeats_collapse_unless_a_blank_is_between() -> None:
    assert Alphabet(CHARSET).read(logits_of([[1, 1, 0, 1, 2], [0, 0, 0, 0, 0]])) == ["가가나", ""]


def test_no_lines_no_frames_and_unknown_classes() -> None:
    alphabet = Alphabet("가")
    assert alphabet.read(np.zeros((0, 5, 2), np.float32)) == []
    assert alphabet.read(np.eye(4, dtype=np.float16)[[[1, 3]]]) == ["가\ufffd"]
