"""Prompts for a server: each of them another one, as long as asked, alike only where they are to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from npubench.errors import UnsupportedError
from npubench.spi import Answer, Awaits, Request
from npubench.workloads.llm import Generation
from npubench.workloads.remote_llm import RemoteBound

PROMPTS = Path(__file__).resolve().parents[2] / "models" / "data" / "civic-prompts"


class Remote:
    """A server's client that remembers what it was asked, and counts as it is told."""

    inputs = outputs = ()

    def __init__(self, takes_ids: bool = True, cached: int | None = None) -> None:
        self.loop = asyncio.new_event_loop()
        self.takes_ids, self.cached = takes_ids, cached
        self.prompts: list[Sequence[int] | str] = []

    async def connect(self, count: int) -> None:
        raise NotImplementedError

    async def answer(self, prompt: Sequence[int] | str, new_tokens: int, note: Callable[[int], None]) -> Answer:
        self.prompts.append(prompt)
        for _ in range(new_tokens):
            note(1)
        return Answer(tokens=new_tokens, prompt_tokens=len(prompt), cached_tokens=self.cached, completed_ns=7)

    def infer(self, feeds: object) -> dict[str, object]:
        raise NotImplementedError

    def close(self) -> None:
        self.loop.close()


class Ticks:
    def __init__(self) -> None:
        self.count = 0

    def tick(self) -> None:
        self.count += 1


def bound(remote: Remote, clock: Ticks | None = None, **params: int) -> RemoteBound:
    wanted = {"prompt_tokens": 48, "new_tokens": 4, "inputs": 4, **params}
    request = Request(scope="service", params=wanted, data=str(PROMPTS))
    found = Generation().bind({"decoder": remote}, request, clock or Ticks())  # type: ignore[dict-item]
    assert isinstance(found, RemoteBound)
    return found


def alike(one: Sequence[object], other: Sequence[object]) -> int:
    return next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))


def test_a_step_asks_for_the_tokens_and_ticks_for_each_event() -> None:
    remote, clock = Remote(cached=0), Ticks()
    made = bound(remote, clock)
    assert isinstance(made, Awaits)
    assert made.tally() is None
    assert (made.step(0), clock.count, made.units_asked) == (4, 4, 4)
    assert made.inspect(1)["tokens"].tolist() == [4]
    told = made.tally()
    assert told is not None
    assert (told.requests, told.prompt_tokens, told.most_prompt_tokens, told.cached_tokens) == (2, 96, 48, 0)
    assert clock.count == 4
    remote.close()


def test_no_two_prompts_of_ids_begin_alike() -> None:
    remote = Remote()
    made = bound(remote)
    for index in [0, 0, 0, 1] * 10:
        made.step(index)
    assert all(len(prompt) == 48 for prompt in remote.prompts)
    assert len({tuple(prompt[:4]) for prompt in remote.prompts}) == 40
    assert all(alike(one, other) == 0 for one, other in zip(remote.prompts, remote.prompts[1:], strict=False))
    remote.close()


def test_what_is_shared_on_purpose_stays_and_the_rest_differs() -> None:
    remote = Remote()
    made = bound(remote, shared_tokens=16)
    for index in range(8):
        made.step(index)
    assert all(alike(one, other) == 16 for one, other in zip(remote.prompts, remote.prompts[1:], strict=False))
    told = made.tally()
    assert told is not None
    assert (told.shared_tokens, told.asked_tokens, told.cached_tokens) == (16, 48, None)
    remote.close()


def test_another_launch_has_other_prompts() -> None:
    first, second = Remote(), Remote()
    bound(first).step(0)
    bound(second).step(0)
    assert first.prompts[0] != second.prompts[0]
    first.close()
    second.close()


@pytest.mark.parametrize("shared", [0, 16])
def test_texts_get_a_label_of_their_own(shared: int) -> None:
    remote = Remote(takes_ids=False)
    made = bound(remote, shared_tokens=shared)
    for index in (0, 0, 1):
        made.step(index)
    one, again, _ = (str(prompt) for prompt in remote.prompts)
    begun = alike(one, again)
    assert one[begun:] != again[begun:]
    # Both texts go on as one does, behind labels of equal length.
    assert one[begun + 14 :] == again[begun + 14 :]
    assert (begun < 3) == (shared == 0)
    remote.close()


def test_a_batch_is_not_a_request() -> None:
    remote = Remote()
    with pytest.raises(UnsupportedError, match="one prompt per request"):
        Generation().bind({"decoder": remote}, Request(scope="service", batch=2, data=str(PROMPTS)), Ticks())  # type: ignore[dict-item]
    remote.close()
