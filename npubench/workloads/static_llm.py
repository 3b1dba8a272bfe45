"""Drives a decoder whose shapes are all fixed: one graph for the prompt, one for a token; the host writes the cache.

Session roles `prefill` (`input_ids` [1,T], `positions` [T], `mask` [T,T]) and `decode` (`input_ids` [1,1], `positions`
[1], `mask` [1,P+1], `past.{l}.key|value` [1,kv_heads,P,head_dim]); both give `logits` [1,vocab] of their last token and
`new.{l}.key|value` of their tokens only. The mask is 0 where a key is seen; key P is the token's own.

Guarantees: every buffer is made once, when bound; in a step the host copies each new key and value into the cache once
and does nothing else of that size. Greedy tokens are those of the dynamic graph but for ties of float32 rounding.

Not aware of: prompts, tokenizers, clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from npubench.errors import CardError, UnsupportedError
from npubench.lang import here
from npubench.spi import Array, Outputs, Request, Session, TensorSpec, prepared
from npubench.workloads.asking import role, the_input, whole

PREFILL, DECODE = "prefill", "decode"

# Added to the scores of keys that must not be seen: finite in fp16, far beyond any score.
MASKED = -10_000.0


class _Layer(NamedTuple):
    """One key or value tensor: the name of what is new of it, and its cache [1,kv_heads,P,head_dim]."""

    new: str
    cache: Array


class StaticDriver:
    """Two sessions and the cache between them. Lives as long as they do; for one thread at a time."""

    def __init__(self, sessions: Mapping[str, Session], request: Request, prompt_tokens: int) -> None:
        """Raises CardError for graphs of another shape, UnsupportedError for a batch and for other lengths."""
        if request.batch != 1:
            raise UnsupportedError(f"batch {request.batch}: the static form takes one prompt at a time; use batch 1")
        prefill, decode = role(sessions, PREFILL), role(sessions, DECODE)
        ids = the_input(prefill, "input_ids", PREFILL)
        if len(ids.shape) != 2 or ids.shape[0] != 1 or not isinstance(ids.shape[1], int):
            found = f"graphs.{PREFILL}: input input_ids {list(ids.shape)}"
            raise CardError((f"{found}; expected [1, {prompt_tokens}] (params.prompt_tokens)",))
        if ids.shape[1] != prompt_tokens:
            raise _other_length(
                f"prompts of {ids.shape[1]} tokens; {prompt_tokens} were asked for",
                f"{ids.shape[1]}토큰 프롬프트용입니다. {prompt_tokens}토큰이 지정되었습니다",
            )
        self._length = prompt_tokens
        self.dtype = np.dtype(ids.dtype)
        self._layers = _caches(decode)
        needed = prompt_tokens + whole(request.params, "new_tokens", 32) - 1
        size = min(layer.cache.shape[2] for layer in self._layers)
        if size < needed:
            raise _other_length(
                f"a cache of {size} tokens; prompt_tokens + new_tokens − 1 = {needed} were asked for",
                f"캐시가 {size}토큰입니다. prompt_tokens + new_tokens − 1 = {needed}이 지정되었습니다",
            )
        first = _buffers(prefill, PREFILL)
        first["positions"][:] = np.arange(prompt_tokens)
        first["mask"][:] = np.triu(np.full((prompt_tokens, prompt_tokens), MASKED), 1)
        self._prompt = first["input_ids"]
        each = _buffers(decode, DECODE)
        self._token, self._position, self._mask = each["input_ids"], each["positions"], each["mask"]
        each |= {layer.new.replace("new.", "past."): layer.cache for layer in self._layers}
        self._prefill, self._decode = prepared(prefill, first), prepared(decode, each)

    def start(self, ids: Array) -> Outputs:
        """Fills the cache with the prompt [1,T] and gives the outputs for its last token."""
        self._prompt[:] = ids
        outputs = self._prefill()
        for name, cache in self._layers:
            cache[:, :, : self._length] = outputs[name]
        self._mask[:] = MASKED
        self._mask[0, : self._length] = 0
        self._mask[0, -1] = 0
        self._position[0] = self._length
        return outputs

    def follow(self, tokens: Array) -> Outputs:
        """Feeds one token [1] after all before and gives the outputs for it."""
        self._token[:, 0] = tokens
        outputs = self._decode()
        at = int(self._position[0])
        if at < self._mask.shape[1] - 1:
            for name, cache in self._layers:
                cache[:, :, at : at + 1] = outputs[name]
            self._mask[0, at] = 0
        self._position[0] = at + 1
        return outputs

    def generate(self, ids: Array, new_tokens: int, emit: Callable[[Array], None]) -> Outputs:
        """Greedy decoding: calls `emit` with each new token [1]; gives the last outputs, valid until the next call."""
        outputs = self.start(ids)
        for _ in range(new_tokens - 1):
            tokens = outputs["logits"].argmax(axis=-1)
            emit(tokens)
            outputs = self.follow(tokens)
        emit(outputs["logits"].argmax(axis=-1))
        return outputs


def _other_length(en: str, ko: str) -> UnsupportedError:
    return UnsupportedError(
        here(f"the static form was built for {en}", f"정적 그래프는 {ko}"),
        hint=here(
            "use the portable or the fused form, or build this model with other prompt_tokens and new_tokens",
            "portable 또는 fused 형식을 쓰거나 prompt_tokens와 new_tokens를 바꿔 모델을 다시 빌드하십시오",
        ),
    )


def _caches(decode: Session) -> tuple[_Layer, ...]:
    """The caches, all zero: what the mask hides must still be finite."""
    outputs = {spec.name for spec in decode.outputs}
    found = []
    for spec in decode.inputs:
        if not spec.name.startswith("past."):
            continue
        new = "new" + spec.name[len("past") :]
        if new not in outputs or len(spec.shape) != 4:
            what = f"graphs.{DECODE}: input {spec.name} {list(spec.shape)}"
            raise CardError((f"{what}; expected [1, kv_heads, past, head_dim], all fixed, and output {new}",))
        found.append(_Layer(new, np.zeros(_fixed(spec, DECODE), np.dtype(spec.dtype))))
    if not found:
        raise CardError((f"graphs.{DECODE}: no input past.0.key; expected a key/value cache",))
    return tuple(found)


def _buffers(session: Session, role_name: str) -> dict[str, Array]:
    """Zeroed buffers for the ids, positions and mask of a graph."""
    return {
        name: np.zeros(_fixed(spec, role_name), np.dtype(spec.dtype))
        for name in ("input_ids", "positions", "mask")
        for spec in (the_input(session, name, role_name),)
    }


def _fixed(spec: TensorSpec, role_name: str) -> tuple[int, ...]:
    """The shape of an input, all of it fixed. Raises CardError."""
    sizes = tuple(size for size in spec.shape if isinstance(size, int))
    if len(sizes) != len(spec.shape):
        found = f"graphs.{role_name}: input {spec.name} {list(spec.shape)}"
        raise CardError((f"{found}; expected fixed sizes in the static form",))
    return sizes
