"""Prompts bound to a server of language models: every request is another prompt, and the server counts the tokens.

A server may keep what it has computed of a prompt for the next one that begins alike. So behind the part that is shared
on purpose (`shared_tokens`) each prompt has a label of its own: of token ids a few that stand in the data's own texts,
of text a number. Labels begin at a random place, since a server may have outlived an earlier launch, and are the only
thing here that another run does not repeat. Ids keep the length of a prompt; a text's is what the server counts.

Not aware of: connections, when requests are due.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence

import numpy as np

from npubench.errors import UnsupportedError
from npubench.lang import here
from npubench.spi import Answers, Array, Outputs, Predicts, Request, ServerTally, TokenClock
from npubench.workloads.asking import whole
from npubench.workloads.generation import UNIT
from npubench.workloads.next_tokens import NextTokens
from npubench.workloads.prompts import Fed
from npubench.workloads.tokenizing import Tokenizer

_DIGITS = 4  # token ids of a label: with a few hundred different ones more labels than any run has requests
_SPREAD = 1 << 40


class RemoteBound:
    """Prompts bound to a server; `spi.Awaits`. `units_asked`: how many tokens a request is asked for."""

    unit = UNIT
    probe: Callable[[int, Array, Sequence[int]], Outputs]
    """As `spi.Probes` has it; of a session that can be asked only."""

    def __init__(self, session: Answers, fed: Sequence[Fed], shared: int, new_tokens: int, clock: TokenClock) -> None:
        self.loop = session.loop
        self.count = len(fed)
        self.units_asked = new_tokens
        self._session = session
        self._fed = fed
        self._shared = shared
        self._clock = clock
        self._labels = itertools.count(int.from_bytes(os.urandom(5), "little") % _SPREAD)
        self._ids = session.takes_ids
        self._alphabet = sorted({token for one in fed for token in one.ids})
        self._lead = _alike([one.text for one in fed]) if shared and len(fed) > 1 else 0
        self._tally: list[int] = [0, 0, 1 << 62, 0, 0]
        self._told_cached = False

    def asked(self, index: int) -> list[int] | str:
        """The prompt of the next request for input `index`: unlike every one before."""
        one, number = self._fed[index % self.count], next(self._labels)
        if not self._ids:
            # The fastest digit first: two prompts in a row part at once.
            return f"{one.text[: self._lead]}[{f'{number:011x}'[::-1]}] {one.text[self._lead :]}"
        letters = self._alphabet
        prompt = list(one.ids)
        for place in range(self._shared, min(self._shared + _DIGITS, len(prompt))):
            number, digit = divmod(number, len(letters))
            prompt[place] = letters[digit]
        return prompt

    async def connect(self, count: int) -> None:
        await self._session.connect(count)

    async def ask(self, index: int, note: Callable[[int], None]) -> tuple[int, int]:
        """Sends one request; (tokens, ns at which the answer had been read). Raises RequestError."""
        answer = await self._session.answer(self.asked(index), self.units_asked, note)
        tally = self._tally
        tally[0] += 1
        tally[1] += answer.prompt_tokens
        tally[2] = min(tally[2], answer.prompt_tokens)
        tally[3] = max(tally[3], answer.prompt_tokens)
        if answer.cached_tokens is not None:
            self._told_cached = True
            tally[4] += answer.cached_tokens
        return answer.tokens, answer.completed_ns

    def tally(self) -> ServerTally | None:
        requests, total, least, most, cached = self._tally
        if not requests:
            return None
        return ServerTally(
            requests=requests,
            prompt_tokens=total,
            least_prompt_tokens=least,
            most_prompt_tokens=most,
            cached_tokens=cached if self._told_cached else None,
            asked_tokens=len(self._fed[0].ids),
            shared_tokens=self._shared,
        )

    def step(self, index: int) -> int:
        """One request, alone. Token times are those at which they were read off the loop, not off the socket."""
        tick = self._clock.tick
        return self.loop.run_until_complete(self.ask(index, lambda _ns: tick()))[0]

    def inspect(self, index: int) -> Outputs:
        """How many tokens the server counted. What it says is for a quality run to judge."""
        tokens, _ = self.loop.run_until_complete(self.ask(index, _unnoted))
        return {"tokens": np.array([tokens], np.int64)}

    def prompt(self, index: int) -> list[str]:
        """The text of input `index`, without its label."""
        return [self._fed[index % self.count].text]

    def close(self) -> None:
        """Nothing to release: the session belongs to the caller."""


def _alike(texts: Sequence[str]) -> int:
    """How many characters at their beginning are the same in all texts."""
    least, most = min(texts), max(texts)
    return next((place for place, letter in enumerate(least) if letter != most[place]), len(least))


def _unnoted(now: int) -> None:
    """For requests that are not timed."""


def bind_remote(
    session: Answers, request: Request, clock: TokenClock, fed: Sequence[Fed], shared: int, tokenizer: Tokenizer
) -> RemoteBound:
    """Binds prompts to a server. Raises UnsupportedError for what no server of these can do."""
    if request.batch != 1:
        raise UnsupportedError(
            here(
                f"batch {request.batch}: an endpoint takes one prompt per request; ask for more users or requests in "
                "flight",
                f"배치 {request.batch}: 엔드포인트는 요청당 프롬프트 하나만 받습니다. 동시 요청 수를 늘리십시오",
            )
        )
    bound = RemoteBound(session, fed, shared, whole(request.params, "new_tokens", 32), clock)
    if isinstance(session, Predicts):
        # For a quality run, whose prompts need no labels: nothing is timed.
        vocabulary = whole(request.params, "vocab", 1)
        bound.probe = NextTokens(session.predict, fed, tokenizer, vocabulary, ids=session.takes_ids).probe
    return bound
