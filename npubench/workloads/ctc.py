"""Greedy CTC: the best class of each frame, repeats collapsed, blanks dropped.

Source: Graves et al., Connectionist Temporal Classification (2006), best-path decoding. Class 0 is the blank, class i
is `charset[i − 1]`. Not aware of: models, pictures, languages.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Alphabet:
    """A charset as a table. Immutable."""

    def __init__(self, charset: str) -> None:
        """`charset` holds one character per class, beginning at class 1."""
        self.classes = len(charset) + 1
        # UTF-32 code units index the table directly; joining goes through one decode instead of a join of strings.
        self._codes = np.frombuffer(("\0" + charset).encode("utf-32-le"), np.uint32)

    def read(self, logits: npt.NDArray[Any]) -> list[str]:
        """The text of each line. `logits` is [lines, frames, classes] (logits or probabilities, any float type).

        A class that the charset does not have reads as U+FFFD.
        """
        if logits.dtype == np.float16:
            # numpy compares half precision in software; widening first keeps the order in less than half the time.
            logits = logits.astype(np.float32)
        best = logits.argmax(axis=2)
        fresh = best != 0
        fresh[:, 1:] &= best[:, 1:] != best[:, :-1]
        classes = best[fresh]
        known = classes < self.classes
        codes = np.where(known, self._codes[np.where(known, classes, 0)], np.uint32(ord(REPLACEMENT)))
        text = codes.astype("<u4").tobytes().decode("utf-32-le")
        ends = np.cumsum(fresh.sum(axis=1)).tolist()
        return [text[start:end] for start, end in pairwise([0, *ends])]
