"""Prompts bound to whatever generates: what goes in and comes out, for scores, fidelity and people.

Not aware of: how tokens are made (`llm`), how they are timed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from npubench.errors import UnsupportedError
from npubench.spi import Array, Outputs, Step
from npubench.workloads.laps import Stages
from npubench.workloads.prompts import Fed, UserText, windows
from npubench.workloads.tokenizing import Tokenizer

UNIT = "token"

Ids = npt.NDArray[np.int64]
Follow = Callable[[Ids, "Array | None"], "tuple[Outputs, Array]"]
"""(prompt [tokens], tokens to follow or None) → its outputs and the tokens that it followed."""


class GenerationBound:
    """Prompts bound to a decoder. `prompt(i)`, `tokens(i)` and `texts(i)` tell what goes in and what comes out;
    `units_asked` is how many tokens a step is asked for."""

    unit = UNIT
    step: Step
    recall: Callable[[], Outputs]
    """The last step's last outputs, copied: logits, which an earlier mistake reaches by way of the cache; or tokens."""
    stages: Stages

    def __init__(
        self,
        tokenizer: Tokenizer,
        groups: Sequence[Sequence[Fed]],
        step: Step,
        generate: Callable[[int], Ids],
        inspect: Callable[[int], Outputs],
        recall: Callable[[], Outputs],
        new_tokens: int,
        stages: Stages | None = None,
        follow: Follow | None = None,
        text: UserText | None = None,
    ) -> None:
        self.count = len(groups)
        self.step = step
        self._tokenizer = tokenizer
        self._groups = groups
        self._generate = generate
        self._inspect = inspect
        self._follow = follow
        self.recall = recall
        if stages is not None:
            self.stages = stages
        self._text = text
        self._new_tokens = new_tokens
        self.units_asked = new_tokens * len(groups[0])

    def prompt(self, index: int) -> list[str]:
        """The texts of input `index`, one per row of the batch. Their first `prompt_tokens` tokens are fed."""
        return [fed.text for fed in self._groups[index % self.count]]

    def tokens(self, index: int) -> Ids:
        """The token ids that input `index` generates, int64 [batch, new_tokens], for top-1 agreement. Not timed."""
        return self._generate(index % self.count)

    def texts(self, index: int) -> list[str]:
        """What input `index` generates, as text, one per row of the batch."""
        return [self._tokenizer.decode(row) for row in self.tokens(index).tolist()]

    def inspect(self, index: int) -> Outputs:
        """The last decode step's outputs, copied; of a session that generates by itself `tokens` [1, new_tokens]."""
        return self._inspect(index % self.count)

    def follow(self, index: int, tokens: Array | None) -> tuple[Outputs, Array]:
        """The logits [new_tokens, vocab] of prompt `index` when `tokens` [new_tokens] are fed back, not its own choice.

        None: its own choice. Returns the tokens too. Raises UnsupportedError where the session generates by itself.
        """
        if self._follow is None:
            raise UnsupportedError("this backend generates by itself: it cannot be made to follow given tokens")
        return self._follow(np.array(self._groups[index % self.count][0].ids, np.int64), tokens)

    def score(self) -> Mapping[str, float]:
        """The likelihood per token of the user's own text, teacher-forced: one over the perplexity.

        Of each window of the text the first `prompt_tokens` tokens are context, the others are scored. Empty without
        a text, and where the session generates by itself. Raises DataError for a text too short for these lengths.
        """
        if self._text is None or self._follow is None:
            return {}
        length = len(self._groups[0][0].ids)
        read = windows(self._text, length + self._new_tokens)
        surprise = 0.0
        count = 0
        for ids in read:
            wanted = ids[length:]
            logits = self._follow(ids[:length], wanted)[0]["logits"].astype(np.float64)
            most = logits.max(axis=1)
            total = np.log(np.exp(logits - most[:, None]).sum(axis=1)) + most
            surprise += float((total - logits[np.arange(len(wanted)), wanted]).sum())
            count += len(wanted)
        return {"token_likelihood": float(np.exp(-surprise / count))}

    def close(self) -> None:
        """Nothing to release: the session belongs to the caller."""
