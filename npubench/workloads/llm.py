"""Text generation by a decoder with an explicit key/value cache. Service unit: one output token.

Scope `device`: prompt ids are ready at bind; a step is prefill, then greedy decoding to exactly `new_tokens`, each
token stamped by the clock when its id is known on the host. Scope `service`: the step also tokenises the prompt's text,
and turns each token into text before it is stamped, as a streaming service does. Both scopes feed the same ids.

The decoder takes `input_ids` [batch, tokens] and `past.{l}.key|value` [batch, kv_heads, past, head_dim] and gives
`logits` [batch, vocab] of the last position and `present.{l}.key|value`, which are fed back as they are, without a
copy. Where the card has graphs `prefill` and `decode` instead, all of fixed shapes, the host writes the cache
(`static_llm`). A session that generates by itself (`Generates`) is asked to, and so is a server (`Answers`,
`remote_llm`), which tokenises and turns tokens into text itself: scope `service` alone. An end-of-text token does not
end a generation: every step does equal work. A batch stamps once per decoding step, for all of its prompts.

A step's units are the tokens that were really handed out. In scope `service` it is `Staged`: pre (tokenising), infer
(prefill and decoding, the choice of tokens included), post (tokens into text). Not aware of: chat templates, sampling,
what a good answer is. A Bound is for one thread at a time.

Parameters: `prompt_tokens` (128), `new_tokens` (32), `shared_tokens` (0: the first so many tokens are the same in all
prompts), `inputs` (16 prompts, cycled through), `vocab`; `max_positions` (none) where the model takes no more;
`kv_heads` and `head_dim` only where the graph leaves them symbolic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from npubench.errors import CardError, DataError, UnsupportedError
from npubench.lang import here
from npubench.spi import Answers, Generates, Request, Session, TokenClock
from npubench.workloads.asking import check_scope, data_folder, role, whole
from npubench.workloads.generation import UNIT, GenerationBound
from npubench.workloads.llm_forms import DECODER, bind_decoder, bind_generates, bind_static
from npubench.workloads.prompts import PROMPTS, TEXT, Fed, exactly, read_prompts, sharing, user_text
from npubench.workloads.remote_llm import RemoteBound, bind_remote
from npubench.workloads.static_llm import PREFILL, StaticDriver
from npubench.workloads.tokenizing import load

TOKENIZER = "tokenizer.json"


class Generation:
    """The workload. Session role: decoder; or prefill and decode."""

    scopes: Sequence[str] = ("device", "service")
    unit = UNIT

    def bind(
        self, sessions: Mapping[str, Session], request: Request, clock: TokenClock
    ) -> GenerationBound | RemoteBound:
        """Raises DataError for prompts or a tokeniser that cannot be used, CardError for a graph of another shape."""
        check_scope(request, self.scopes)
        static = PREFILL in sessions and DECODER not in sessions
        session = role(sessions, PREFILL if static else DECODER)
        folder = data_folder(request, "prompts")
        tokenizer = load(folder / TOKENIZER)
        prompts = read_prompts(folder / PROMPTS)
        length, shared = _lengths(request)
        driver = StaticDriver(sessions, request, length) if static else None
        wanted = min(whole(request.params, "inputs", 16), len(prompts))
        if shared:
            fed = sharing(tokenizer, prompts, wanted, length, shared)
        else:
            fed = [exactly(tokenizer, prompts, start, length) for start in range(wanted)]
        _check_vocabulary(request, fed, folder)
        if isinstance(session, Answers):
            return bind_remote(session, request, clock, fed, shared, tokenizer)
        if isinstance(session, Generates):
            return bind_generates(session, request, clock, tokenizer, fed)
        text = user_text(tokenizer, folder / TEXT)
        if driver is not None:
            return bind_static(driver, request, clock, tokenizer, fed, text)
        return bind_decoder(session, request, clock, tokenizer, fed, text)


def _lengths(request: Request) -> tuple[int, int]:
    """(tokens of a prompt, how many of them are the same in all). Raises UnsupportedError beyond the model's length."""
    length, new_tokens = whole(request.params, "prompt_tokens", 128), whole(request.params, "new_tokens", 32)
    shared = whole(request.params, "shared_tokens", 0, least=0)
    if shared >= length:
        raise CardError((f"params.shared_tokens: found {shared}; expected fewer than prompt_tokens, {length}",))
    most = whole(request.params, "max_positions", 1 << 31)
    if length + new_tokens > most:
        raise UnsupportedError(
            here(
                f"{length} input and {new_tokens} output tokens are {length + new_tokens} positions; the model takes "
                f"{most} (params.max_positions)",
                f"입력 {length} + 출력 {new_tokens}토큰은 {length + new_tokens} 위치인데 모델은 {most}까지입니다"
                "(params.max_positions)",
            ),
            hint=here("ask for shorter texts (in=, out=)", "더 짧은 길이(in=, out=)를 지정하십시오"),
        )
    return length, shared


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
