"""Leading a server along given tokens, and telling tokens from the texts that it shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from npubench.spi import Likely, Probes
from npubench.workloads.next_tokens import NextTokens
from npubench.workloads.prompts import Fed


class Letters:
    """A token is a letter; 3 and 4 are shown alike, and `e` joins with what is before it when it is read again."""

    names = ("a", "b", "c", "?", "?", "e")

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(self.names[token] for token in ids)

    def encode(self, text: str) -> list[int]:
        return [self.names.index(letter) for letter in text if letter != "e"]


def _probes(predict: Any, ids: bool) -> NextTokens:
    return NextTokens(predict, [Fed("ab", [0, 1])], Letters(), 6, ids=ids)  # type: ignore[arg-type]


def test_each_place_is_asked_about_with_what_leads_to_it() -> None:
    asked: list[Any] = []

    def predict(prompt: Sequence[int] | str, most: int) -> Sequence[Likely]:
        asked.append(prompt)
        return [Likely(text="c"), Likely(text="c", logprob=-0.1), Likely(text="?", logprob=-2.0), Likely(text="b")]

    probes = _probes(predict, ids=True)
    assert isinstance(probes, Probes)
    found = probes.probe(0, np.array([2, 2, 0]), [0, 2])
    assert asked == [[0, 1], [0, 1, 2, 2]]
    assert found["next"].tolist() == [2, 2]
    # What two tokens share, and what has no probability, is left out.
    assert found["likely"][0].tolist() == [2, -1, -1, -1, -1]
    assert found["logprobs"][0, 0] == -0.1


def test_a_text_of_several_tokens_is_unknown() -> None:
    found = _probes(lambda prompt, most: [Likely(text="?")], ids=True).probe(0, np.array([0]), [0])
    assert found["next"].tolist() == [-1]


def test_a_server_of_texts_is_asked_only_where_the_text_has_these_tokens() -> None:
    asked: list[Any] = []

    def predict(prompt: Sequence[int] | str, most: int) -> Sequence[Likely]:
        asked.append(prompt)
        return [Likely(text="a")]

    found = _probes(predict, ids=False).probe(0, np.array([2, 5, 0]), [0, 1, 2])
    assert asked == ["ab", "abc"]
    assert found["next"].tolist() == [0, 0, -1]
