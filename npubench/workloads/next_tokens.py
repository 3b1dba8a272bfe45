"""Which token comes next, asked of a server that generates by itself: it is led along the reference's tokens, one
request for each place (teacher forcing).

A server shows tokens as texts. A text is taken for a token's where the tokenizer gives it for that token alone; half a
character, which several tokens show alike, is unknown (-1), never guessed. Where a server takes text only, a place is
asked about only if the text of what leads to it has exactly those tokens.

Not aware of: what is right (`stats.probes`), HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from npubench.spi import Array, Likely, Outputs
from npubench.workloads.prompts import Fed
from npubench.workloads.tokenizing import Tokenizer

MOST = 5
"""How many likely tokens are asked for: what every server that offers log-probabilities gives."""

Predict = Callable[["Sequence[int] | str", int], Sequence[Likely]]


class NextTokens:
    """Probes of the prompts `fed`. `ids`: the server takes token ids; `vocabulary`: how many tokens the model has."""

    def __init__(
        self, predict: Predict, fed: Sequence[Fed], tokenizer: Tokenizer, vocabulary: int, *, ids: bool
    ) -> None:
        self._predict = predict
        self._fed = fed
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self._ids = ids
        self._texts: dict[str, int] | None = None

    def probe(self, index: int, tokens: Array, positions: Sequence[int]) -> Outputs:
        """As `spi.Probes` has it. Raises what the session raises."""
        chosen = np.full(len(positions), -1, np.int64)
        likely = np.full((len(positions), MOST), -1, np.int64)
        logprobs = np.full((len(positions), MOST), -np.inf)
        given = [int(token) for token in np.asarray(tokens).reshape(-1)]
        for row, position in enumerate(positions):
            prompt = self._prompt([*self._fed[index % len(self._fed)].ids, *given[:position]])
            if prompt is None:
                continue
            first, *others = self._predict(prompt, MOST)
            chosen[row] = self._token(first)
            _fill(likely[row], logprobs[row], [(self._token(one), one.logprob) for one in others])
        return {"next": chosen, "likely": likely, "logprobs": logprobs}

    def _prompt(self, prefix: list[int]) -> Sequence[int] | str | None:
        if self._ids:
            return prefix
        text = self._tokenizer.decode(prefix)
        return text if self._tokenizer.encode(text) == prefix else None

    def _token(self, one: Likely) -> int:
        """The id of a token that is shown as a text; -1 where several are shown so, or none."""
        if one.token is not None:
            return one.token
        if self._texts is None:
            self._texts = {}
            for token in range(self._vocabulary):
                text = self._tokenizer.decode([token])
                self._texts[text] = -1 if text in self._texts else token
        return self._texts.get(one.text, -1)


def _fill(
    likely: npt.NDArray[np.int64], logprobs: npt.NDArray[np.float64], found: Sequence[tuple[int, float | None]]
) -> None:
    """What is known of one place: the tokens with an id and a log-probability, each once."""
    column = 0
    for token, logprob in found:
        if token < 0 or logprob is None or column == len(likely) or token in likely[:column]:
            continue
        likely[column], logprobs[column] = token, logprob
        column += 1
