"""The three forms of a backend that generates: a decoder with its cache, two static graphs, or all of it by itself.

Each is bound into a step for both scopes, with its stages and what it leaves behind. Guarantees: a step, its stages and
the runs that are not timed are made of the same functions. Not aware of: where prompts come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from npubench.errors import CardError, UnsupportedError
from npubench.spi import Array, Generates, Outputs, Request, Session, TokenClock
from npubench.workloads.asking import fixed_batch, the_input, whole
from npubench.workloads.generation import GenerationBound, Ids
from npubench.workloads.laps import Laps
from npubench.workloads.prompts import Fed, UserText
from npubench.workloads.static_llm import DECODE, StaticDriver
from npubench.workloads.tokenizing import Tokenizer

DECODER = "decoder"


def _groups(fed: Sequence[Fed], batch: int) -> list[list[Fed]]:
    """Batches of consecutive prompts; fewer prompts than a batch are cycled inside it."""
    count = -(-len(fed) // batch)
    return [[fed[(first * batch + row) % len(fed)] for row in range(batch)] for first in range(count)]


def bind_generates(
    session: Generates, request: Request, clock: TokenClock, tokenizer: Tokenizer, fed: Sequence[Fed]
) -> GenerationBound:
    if request.batch != 1:
        raise UnsupportedError(f"batch {request.batch}: this backend generates one prompt at a time; use batch 1")
    count, new_tokens = len(fed), whole(request.params, "new_tokens", 32)
    length = len(fed[0].ids)
    generate, tick = session.generate, clock.tick
    last: Sequence[int] = ()

    def step_device(index: int) -> int:
        nonlocal last
        last = ()
        last = generate(fed[index % count].ids, new_tokens, tick)
        return len(last)

    def step_service(index: int) -> int:
        nonlocal last
        last = ()
        last = generate(tokenizer.encode(fed[index % count].text)[:length], new_tokens, tick)
        tokenizer.decode(last)
        return len(last)

    def stages(index: int) -> Mapping[str, int]:
        laps = Laps()
        ids = tokenizer.encode(fed[index % count].text)[:length]
        laps.end("pre")
        tokens = generate(ids, new_tokens, _no_tick)
        laps.end("infer")
        tokenizer.decode(tokens)
        laps.end("post")
        return laps.spent

    def recall() -> Outputs:
        return {"tokens": np.array([last], np.int64)} if last else {}

    def run(index: int) -> Ids:
        return np.array([generate(fed[index].ids, new_tokens, _no_tick)], np.int64)

    service = request.scope == "service"
    return GenerationBound(
        tokenizer,
        _groups(fed, 1),
        step_service if service else step_device,
        run,
        lambda index: {"tokens": run(index)},
        recall,
        new_tokens,
        stages if service else None,
    )


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
            found = f"graphs.{DECODER}: input {spec.name} {list(spec.shape)}"
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


def bind_decoder(
    session: Session,
    request: Request,
    clock: TokenClock,
    tokenizer: Tokenizer,
    fed: Sequence[Fed],
    text: UserText | None,
) -> GenerationBound:
    batch, new_tokens = request.batch, whole(request.params, "new_tokens", 32)
    spec = the_input(session, "input_ids", DECODER)
    fixed_batch(spec, batch, DECODER)
    dtype = np.dtype(spec.dtype)
    groups = _groups(fed, batch)
    count, length, units = len(groups), len(fed[0].ids), batch * new_tokens
    cache = _empty_cache(session, request)
    names, infer = cache.names, session.infer
    prefills: list[dict[str, Array]] = [
        {"input_ids": np.array([one.ids for one in group], dtype), **cache.empty} for group in groups
    ]
    next_ids = np.empty((batch, 1), dtype)
    last: Array | None = None

    def generate(feeds: Mapping[str, Array], emit: Callable[[Array], None]) -> None:
        """Calls `emit` with the ids [batch] of each new token."""
        nonlocal last
        last = None
        outputs = infer(feeds)
        for _ in range(new_tokens - 1):
            tokens = outputs["logits"].argmax(axis=-1)
            emit(tokens)
            next_ids[:, 0] = tokens
            following = {past: outputs[present] for past, present in names}
            following["input_ids"] = next_ids
            outputs = infer(following)
        last = outputs["logits"]
        emit(last.argmax(axis=-1))

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

    def write(tokens: Array) -> None:
        for stream, token in zip(streams, tokens.tolist(), strict=True):
            stream.push(token)

    def stream_out(tokens: Array) -> None:
        write(tokens)
        tick()

    def tokenise(index: int) -> None:
        for row, one in enumerate(groups[index % count]):
            prompt_ids[row] = tokenizer.encode(one.text)[:length]

    def finish() -> None:
        for stream in streams:
            stream.finish()

    def step_service(index: int) -> int:
        tokenise(index)
        generate(service_feeds, stream_out)
        finish()
        return units

    def stages(index: int) -> Mapping[str, int]:
        return _stages(lambda: tokenise(index), lambda emit: generate(service_feeds, emit), write, finish)

    def recall() -> Outputs:
        return {} if last is None else {"logits": np.array(last)}

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

    service = request.scope == "service"
    return GenerationBound(
        tokenizer,
        groups,
        step_service if service else step_device,
        run,
        inspect,
        recall,
        new_tokens,
        stages if service else None,
        follow,
        text,
    )


def _stages(
    tokenise: Callable[[], None],
    generate: Callable[[Callable[[Array], None]], object],
    write: Callable[[Array], None],
    finish: Callable[[], None],
) -> Mapping[str, int]:
    """The parts of one step in scope service, without its stamps."""
    laps = Laps()
    tokenise()
    laps.end("pre")

    def emit(tokens: Array) -> None:
        laps.end("infer")
        write(tokens)
        laps.end("post")

    generate(emit)
    laps.end("infer")
    finish()
    laps.end("post")
    return laps.spent


def bind_static(
    driver: StaticDriver,
    request: Request,
    clock: TokenClock,
    tokenizer: Tokenizer,
    fed: Sequence[Fed],
    text: UserText | None,
) -> GenerationBound:
    new_tokens = whole(request.params, "new_tokens", 32)
    count, length, tick = len(fed), len(fed[0].ids), clock.tick
    prompts = [np.array([one.ids], driver.dtype) for one in fed]
    prompt_ids = np.empty((1, length), driver.dtype)
    stream = tokenizer.stream()

    last: Outputs | None = None

    def stamp(_tokens: Array) -> None:
        tick()

    def write(tokens: Array) -> None:
        stream.push(int(tokens[0]))

    def stream_out(tokens: Array) -> None:
        write(tokens)
        tick()

    def tokenise(index: int) -> None:
        prompt_ids[0] = tokenizer.encode(fed[index % count].text)[:length]

    def finish() -> None:
        stream.finish()

    def step_device(index: int) -> int:
        nonlocal last
        last = None
        last = driver.generate(prompts[index % count], new_tokens, stamp)
        return new_tokens

    def step_service(index: int) -> int:
        nonlocal last
        last = None
        tokenise(index)
        last = driver.generate(prompt_ids, new_tokens, stream_out)
        finish()
        return new_tokens

    def stages(index: int) -> Mapping[str, int]:
        return _stages(
            lambda: tokenise(index), lambda emit: driver.generate(prompt_ids, new_tokens, emit), write, finish
        )

    def recall() -> Outputs:
        return {} if last is None else {f"{DECODE}/logits": np.array(last["logits"])}

    def run(index: int) -> Ids:
        emitted: list[Array] = []
        driver.generate(prompts[index], new_tokens, emitted.append)
        return np.stack(emitted, axis=1).astype(np.int64)

    def inspect(index: int) -> Outputs:
        outputs = driver.generate(prompts[index], new_tokens, lambda _tokens: None)
        return {f"{DECODE}/{name}": np.array(value) for name, value in outputs.items()}

    def follow(prompt: Ids, tokens: Array | None) -> tuple[Outputs, Array]:
        return _followed(driver.start(prompt[None].astype(driver.dtype)), driver.follow, new_tokens, tokens)

    service = request.scope == "service"
    return GenerationBound(
        tokenizer,
        _groups(fed, 1),
        step_service if service else step_device,
        run,
        inspect,
        recall,
        new_tokens,
        stages if service else None,
        follow,
        text,
    )


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
