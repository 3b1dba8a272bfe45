"""Text generation by a decoder with an explicit key/value cache. Service unit: one output token.

Scope `device`: prompt ids are ready at bind; a step is prefill, then greedy decoding to exactly `new_tokens`, each
token stamped by the clock when its id is known on the host. Scope `service`: the step also tokenises the prompt's text,
and turns each token into text before it is stamped, as a streaming service does. Both scopes feed the same ids.

The decoder takes `input_ids` [batch, tokens] and `past.{l}.key|value` [batch, kv_heads, past, head_dim] and gives
`logits` [batch, vocab] of the last position and `present.{l}.key|value`, which are fed back as they are, without a
copy. Where the card has graphs `prefill` and `decode` instead, all of fixed shapes, the host writes the cache
(`static_llm`). A session that generates by itself (`Generates`) is asked to. An end-of-text token does not end a
generation: every step does equal work. A batch stamps once per decoding step, for all of its prompts.

Not aware of: chat templates, sampling, what a good answer is. A Bound is for one thread at a time.

Parameters: `prompt_tokens` (128), `new_tokens` (32), `inputs` (16 prompts, cycled through), `vocab`;
`kv_heads` and `head_dim` only where the graph leaves them symbolic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from npubench.errors import CardError, DataError, UnsupportedError
from npubench.lang import here
from npubench.spi import Array, Generates, Outputs, Request, Session, Step, TokenClock
from npubench.workloads.asking import (
    check_scope,
    data_folder,
    fixed_batch,
    role,
    the_input,
    whole,
)
from npubench.workloads.prompts import PROMPTS, TEXT, Fed, exactly, read_prompts, windows
from npubench.workloads.static_llm import DECODE, PREFILL, StaticDriver
from npubench.workloads.tokenizing import Tokenizer, load

ROLE = "decoder"
TOKENIZER = "tokenizer.json"

Ids = npt.NDArray[np.int64]
Follow = Callable[[Ids, "Array | None"], "tuple[Outputs, Array]"]
"""(prompt [tokens], tokens to follow or None) → its outputs and the tokens that it followed."""


class Generation:
    """The workload. Session role: decoder; or prefill and decode."""

    scopes: Sequence[str] = ("device", "service")
    unit = "token"

    def bind(self, sessions: Mapping[str, Session], request: Request, clock: TokenClock) -> GenerationBound:
        """Raises DataError for prompts or a tokeniser that cannot be used, CardError for a graph of another shape."""
        check_scope(request, self.scopes)
        static = PREFILL in sessions and ROLE not in sessions
        session = role(sessions, PREFILL if static else ROLE)
        folder = data_folder(request, "prompts")
        tokenizer = load(folder / TOKENIZER)
        prompts = read_prompts(folder / PROMPTS)
        length = whole(request.params, "prompt_tokens", 128)
        wanted = whole(request.params, "inputs", 16)
        fed = [exactly(tokenizer, prompts, start, length) for start in range(min(wanted, len(prompts)))]
        _check_vocabulary(request, fed, folder)
        if isinstance(session, Generates):
            return _bind_generates(session, request, clock, tokenizer, fed)
        read = windows(tokenizer, folder / TEXT, length + whole(request.params, "new_tokens", 32))
        if static:
            return _bind_static(StaticDriver(sessions, request, length), request, clock, tokenizer, fed, read)
        return _bind_decoder(session, request, clock, tokenizer, fed, read)


class GenerationBound:
    """Prompts bound to a decoder. `prompt(i)`, `tokens(i)` and `texts(i)` tell what goes in and what comes out."""

    unit = Generation.unit
    step: Step

    def __init__(
        self,
        tokenizer: Tokenizer,
        groups: Sequence[Sequence[Fed]],
        step: Step,
        generate: Callable[[int], Ids],
        inspect: Callable[[int], Outputs],
        follow: Follow | None = None,
        read: Sequence[Ids] = (),
    ) -> None:
        self.count = len(groups)
        self.step = step
        self._tokenizer = tokenizer
        self._groups = groups
        self._generate = generate
        self._inspect = inspect
        self._follow = follow
        self._read = read

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
        a text, and where the session generates by itself.
        """
        if not self._read or self._follow is None:
            return {}
        length = len(self._groups[0][0].ids)
        surprise = 0.0
        count = 0
        for ids in self._read:
            wanted = ids[length:]
            logits = self._follow(ids[:length], wanted)[0]["logits"].astype(np.float64)
            most = logits.max(axis=1)
            total = np.log(np.exp(logits - most[:, None]).sum(axis=1)) + most
            surprise += float((total - logits[np.arange(len(wanted)), wanted]).sum())
            count += len(wanted)
        return {"token_likelihood": float(np.exp(-surprise / count))}

    def close(self) -> None:
        """Nothing to release: the session belongs to the caller."""


def _check_vocabulary(request: Request, fed: Sequence[Fed], folder: Path) -> None:
    """The tokeniser must not give ids that the model's embedding lacks (the other way round is harmless)."""
    vocabulary = whole(request.params, "vocab", 1 << 31)
    largest = max(max(one.ids) for one in fed)
    if largest >= vocabulary:
        name = folder / TOKENIZER
        raise DataError(
            here(
                f"{name}: gives token {largest}, but the model has {vocabulary} (params.vocab)",
                f"{name}: 토큰 {largest}번이 나오지만 모델의 어휘는 {vocabulary}개입니다 (params.vocab)",
            ),
            hint=here("use the tokeniser that belongs to the model", "모델에 맞는 토크나이저를 쓰십시오"),
        )


def _groups(fed: Sequence[Fed], batch: int) -> list[list[Fed]]:
    """Batches of consecutive prompts; fewer prompts than a batch are cycled inside it."""
    count = -(-len(fed) // batch)
    return [[fed[(first * batch + row) % len(fed)] for row in range(batch)] for first in range(count)]


def _bind_generates(
    session: Generates, request: Request, clock: TokenClock, tokenizer: Tokenizer, fed: Sequence[Fed]
) -> GenerationBound:
    if request.batch != 1:
        raise UnsupportedError(f"batch {request.batch}: this backend generates one prompt at a time; use batch 1")
    count, new_tokens = len(fed), whole(request.params, "new_tokens", 32)
    length = len(fed[0].ids)
    generate, tick = session.generate, clock.tick

    def step_device(index: int) -> int:
        return len(generate(fed[index % count].ids, new_tokens, tick))

    def step_service(index: int) -> int:
        tokens = generate(tokenizer.encode(fed[index % count].text)[:length], new_tokens, tick)
        tokenizer.decode(tokens)
        return len(tokens)

    def run(index: int) -> Ids:
        return np.array([generate(fed[index].ids, new_tokens, _no_tick)], np.int64)

    step = step_device if request.scope == "device" else step_service
    return GenerationBound(tokenizer, _groups(fed, 1), step, run, lambda index: {"tokens": run(index)})


def _no_tick() -> None:
    """For runs that are not timed."""


class _Cache(NamedTuple):
    """Which present becomes which past, and the empty past that a prefill takes."""

    names: tuple[tuple[str, str], ...]
    empty: dict[str, Array]


def _empty_cache(session: Session, request: Request) -> _Cache:
    outputs = {spec.name for spec in session.outputs}
    names, empty = [], {}
    for spec in session.inputs:
        if not spec.name.startswith("past."):
            continue
        present = "present" + spec.name[len("past") :]
        if present not in outputs or len(spec.shape) != 4 or isinstance(spec.shape[2], int):
            found = f"graphs.{ROLE}: input {spec.name} {list(spec.shape)}"
            raise CardError(
                (f"{found}; expected [batch, kv_heads, past, head_dim], past symbolic, and output {present}",)
            )
        kv_heads, head_dim = spec.shape[1], spec.shape[3]
        shape = (
            request.batch,
            kv_heads if isinstance(kv_heads, int) else whole(request.params, "kv_heads", 1),
            0,
            head_dim if isinstance(head_dim, int) else whole(request.params, "head_dim", 1),
        )
        names.append((spec.name, present))
        empty[spec.name] = np.empty(shape, np.dtype(spec.dtype))
    return _Cache(tuple(names), empty)


def _bind_decoder(
    session: Session,
    request: Request,
    clock: TokenClock,
    tokenizer: Tokenizer,
    fed: Sequence[Fed],
    read: Sequence[Ids],
) -> GenerationBound:
    batch, new_tokens = request.batch, whole(request.params, "new_tokens", 32)
    spec = the_input(session, "input_ids", ROLE)
    fixed_batch(spec, batch, ROLE)
    dtype = np.dtype(spec.dtype)
    groups = _groups(fed, batch)
    count, length, units = len(groups), len(fed[0].ids), batch * new_tokens
    cache = _empty_cache(session, request)
    names, infer = cache.names, session.infer
    prefills: list[dict[str, Array]] = [
        {"input_ids": np.array([one.ids for one in group], dtype), **cache.empty} for group in groups
    ]
    next_ids = np.empty((batch, 1), dtype)

    def generate(feeds: Mapping[str, Array], emit: Callable[[Array], None]) -> None:
        """Calls `emit` with the ids [batch] of each new token."""
        outputs = infer(feeds)
        for _ in range(new_tokens - 1):
            tokens = outputs["logits"].argmax(axis=-1)
            emit(tokens)
            next_ids[:, 0] = tokens
            following = {past: outputs[present] for past, present in names}
            following["input_ids"] = next_ids
            outputs = infer(following)
        emit(outputs["logits"].argmax(axis=-1))

    tick = clock.tick

    def stamp(_tokens: Array) -> None:
        tick()

    def step_device(index: int) -> int:
        generate(prefills[index % count], stamp)
        return units

    # A buffer of its own: the service scope writes the ids that it has just tokenised.
    prompt_ids = np.empty((batch, length), dtype)
    service_feeds: dict[str, Array] = {"input_ids": prompt_ids, **cache.empty}
    streams = [tokenizer.stream() for _ in range(batch)]

    def stream_out(tokens: Array) -> None:
        for stream, token in zip(streams, tokens.tolist(), strict=True):
            stream.push(token)
        tick()

    def step_service(index: int) -> int:
        for row, one in enumerate(groups[index % count]):
            prompt_ids[row] = tokenizer.encode(one.text)[:length]
        generate(service_feeds, stream_out)
        for stream in streams:
            stream.finish()
        return units

    def run(index: int) -> Ids:
        emitted: list[Array] = []
        generate(prefills[index], emitted.append)
        return np.stack(emitted, axis=1).astype(np.int64)

    def inspect(index: int) -> Outputs:
        """The last step's outputs: what went wrong in an earlier one is in the cache that it reads."""
        outputs = infer(prefills[index])
        for _ in range(new_tokens - 1):
            next_ids[:, 0] = outputs["logits"].argmax(axis=-1)
            outputs = infer({"input_ids": next_ids, **{past: outputs[present] for past, present in names}})
        return {name: np.array(value) for name, value in outputs.items()}

    def follow(prompt: Ids, tokens: Array | None) -> tuple[Outputs, Array]:
        rows = np.repeat(prompt[None].astype(dtype), batch, axis=0)
        kept = infer({"input_ids": rows, **cache.empty})

        def feed(token: Array) -> Outputs:
            nonlocal kept
            next_ids[:] = token
            kept = infer({"input_ids": next_ids, **{past: kept[present] for past, present in names}})
            return kept

        return _followed(kept, feed, new_tokens, tokens)

    step = step_device if request.scope == "device" else step_service
    return GenerationBound(tokenizer, groups, step, run, inspect, follow, read)


def _bind_static(
    driver: StaticDriver,
    request: Request,
    clock: TokenClock,
    tokenizer: Tokenizer,
    fed: Sequence[Fed],
    read: Sequence[Ids],
) -> GenerationBound:
    new_tokens = whole(request.params, "new_tokens", 32)
    count, length, tick = len(fed), len(fed[0].ids), clock.tick
    prompts = [np.array([one.ids], driver.dtype) for one in fed]
    prompt_ids = np.empty((1, length), driver.dtype)
    stream = tokenizer.stream()

    def stamp(_tokens: Array) -> None:
        tick()

    def stream_out(tokens: Array) -> None:
        stream.push(int(tokens[0]))
        tick()

    def step_device(index: int) -> int:
        driver.generate(prompts[index % count], new_tokens, stamp)
        return new_tokens

    def step_service(index: int) -> int:
        prompt_ids[0] = tokenizer.encode(fed[index % count].text)[:length]
        driver.generate(prompt_ids, new_tokens, stream_out)
        stream.finish()
        return new_tokens

    def run(index: int) -> Ids:
        emitted: list[Array] = []
        driver.generate(prompts[index], new_tokens, emitted.append)
        return np.stack(emitted, axis=1).astype(np.int64)

    def inspect(index: int) -> Outputs:
        outputs = driver.generate(prompts[index], new_tokens, lambda _tokens: None)
        return {f"{DECODE}/{name}": np.array(value) for name, value in outputs.items()}

    def follow(prompt: Ids, tokens: Array | None) -> tuple[Outputs, Array]:
        return _followed(driver.start(prompt[None].astype(driver.dtype)), driver.follow, new_tokens, tokens)

    step = step_device if request.scope == "device" else step_service
    return GenerationBound(tokenizer, _groups(fed, 1), step, run, inspect, follow, read)


def _followed(
    outputs: Outputs, feed: Callable[[Array], Outputs], new_tokens: int, tokens: Array | None
) -> tuple[Outputs, Array]:
    """The logits [new_tokens, vocab] and tokens [new_tokens] when `tokens` are fed back; None: the best ones."""
    logits = np.empty((new_tokens, outputs["logits"].shape[-1]), np.float32)
    followed = np.empty(new_tokens, np.int64)
    for place in range(new_tokens):
        logits[place] = outputs["logits"][0]
        followed[place] = logits[place].argmax() if tokens is None else tokens[place]
        if place + 1 < new_tokens:
            outputs = feed(followed[place : place + 1])
    return {"logits": logits}, followed
