"""What the stand-in server says: tokens of a prompt, the answer's tokens, and the JSON of events, replies and errors.

One visible word is one token, ` t17` is token 17, so that texts and ids count the same. The answer to a prompt is the
same every time, and so is each token's log-probability; a table of answers (`Settings.answers`) overrides both for
prompts it holds. Not aware of: sockets, time.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, field
from typing import Any

BLOCK = 16
"""Tokens of one block of the prefix cache."""


@dataclass
class Settings:
    """How the server behaves. Every one can be changed while it runs (`POST /_set`).

    Times in ms. `ttft_ms` is from a request's arrival (or, with `slots`, from when its turn comes) to its first token,
    `tpot_ms` from token to token; both are medians of lognormal draws where `ttft_sigma`/`tpot_sigma` is not 0.
    """

    model: str = "stand-in"
    listed: str = ""  # in the list of models, where that is another name
    version: str = "stand-in 1.0"
    device: str = ""
    vocab: int = 8192
    ttft_ms: float = 20.0
    tpot_ms: float = 5.0
    ttft_sigma: float = 0.0
    tpot_sigma: float = 0.0
    prefill_us_per_token: float = 0.0
    seed: int = 0
    slots: int = 0
    max_model_len: int = 1 << 30
    template_tokens: int = 0
    prefix_cache: bool = False
    key: str = ""
    role_chunk: bool = True
    done: bool = True
    usage: str = "asked"  # asked · always (in the last event with a choice) · never
    comments: bool = False
    crlf: bool = False
    logprobs: bool = True
    korean: bool = False
    word: str = "t"
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Faults. 0, "" and False mean none; `times` (0: all) is how many requests the fault hits.
    times: int = 0
    slow_start_s: float = 0.0
    health_status: int = 200
    models_status: int = 200
    version_status: int = 200
    status: int = 0
    retry_after: str = ""
    error_after: int = 0
    stall_after: int = 0
    ping_ms: float = 0.0
    broken_after: int = 0
    close_after: int = 0
    split_utf8: bool = False
    wrong_usage: int = 0
    redirect: str = ""
    eos_after: int = 0
    ignores_ignore_eos: int = 0
    merge: int = 1
    html: bool = False
    echo_key: bool = False
    empty_events: int = 0
    ignore_sigterm: bool = False
    wrong_answers: float = 0.0


class Refusal(Exception):
    """A request that is answered with an error: its status, and what is said."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def text_of(token: int, settings: Settings) -> str:
    return f" {'말' if settings.korean else settings.word}{token}"


def ids_of(prompt: Any, settings: Settings) -> list[int]:
    """The tokens of a prompt: a list of ids, or text whose words are tokens. Raises Refusal."""
    if isinstance(prompt, list):
        if len(prompt) == 1 and isinstance(prompt[0], (list, str)):
            return ids_of(prompt[0], settings)
        if not prompt or not all(isinstance(item, int) and 0 <= item < settings.vocab for item in prompt):
            raise Refusal(400, "prompt: expected text or a list of token ids of the vocabulary")
        return prompt
    if not isinstance(prompt, str) or not prompt.strip():
        raise Refusal(400, "prompt: expected text or a list of token ids")
    return [_id_of(word, settings) for word in prompt.split()]


def _id_of(word: str, settings: Settings) -> int:
    found = re.fullmatch(rf"(?:{re.escape(settings.word)}|말)(\d+)", word)
    return (int(found[1]) if found else zlib.crc32(word.encode())) % settings.vocab


def chat_ids(messages: Any, settings: Settings) -> list[int]:
    """The tokens of a conversation, `template_tokens` of the template's first. Raises Refusal."""
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "messages: expected a list")
    text = " ".join(str(one.get("content", "")) for one in messages if isinstance(one, dict))
    return [1] * settings.template_tokens + ids_of(text, settings)


class Answering:
    """The answer to one prompt, token by token."""

    def __init__(self, prompt: list[int], told: bool, settings: Settings) -> None:
        self.settings, self.told = settings, told
        self.seen = list(prompt)
        self.state = zlib.crc32(",".join(map(str, prompt)).encode())

    def next(self) -> tuple[int, dict[int, float]]:
        """The next token, and the log-probabilities of the most likely ones (none where nobody asks)."""
        settings = self.settings
        if not self.told and not settings.answers and not settings.wrong_answers:
            self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
            return self.state % settings.vocab, {}
        held = settings.answers.get(",".join(map(str, self.seen))) if settings.answers else None
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        token = self.state % settings.vocab
        likely = {token: -0.25, (token + 1) % settings.vocab: -1.75, (token + 2) % settings.vocab: -3.5}
        if held is not None:
            token = int(held["next"])
            likely = {int(key): float(value) for key, value in held.get("logprobs", {token: -0.1}).items()}
        if settings.wrong_answers and (self.state >> 8) % 1000 < 1000 * settings.wrong_answers:
            token = (token + 17) % settings.vocab
            likely = {token: -0.05, (token + 1) % settings.vocab: -4.0}
        if settings.answers:
            self.seen.append(token)
        return token, likely


class Events:
    """The server-sent events of one answer."""

    def __init__(self, number: int, chat: bool, logprobs: int, settings: Settings) -> None:
        kind = "chat.completion.chunk" if chat else "text_completion"
        start = {"id": f"cmpl-{number}", "object": kind, "created": 1, "model": settings.model}
        self.start = json.dumps(start)[:-1]
        self.chat, self.logprobs, self.settings = chat, logprobs, settings
        self.end = "\r\n\r\n" if settings.crlf else "\n\n"
        said = '"delta": {"content": ' if chat else '"text": '
        self.before = f'data: {self.start}, "choices": [{{"index": 0, {said}"'
        self.behind = f'"{"}" if chat else ""}, "finish_reason": null}}]}}{self.end}'

    def role(self) -> bytes:
        choice = '{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}'
        return self._event(f'{self.start}, "choices": [{choice}]}}')

    def tokens(
        self, tokens: list[tuple[int, dict[int, float]]], finish: str | None, usage: dict[str, Any] | None
    ) -> bytes:
        said = "".join([text_of(token, self.settings) for token, _ in tokens])
        if finish is None and not self.logprobs:
            # The texts of this server need no escapes.
            return (self.before + said + self.behind).encode()
        text = json.dumps(said, ensure_ascii=False)
        part = f'"delta": {{"content": {text}}}' if self.chat else f'"text": {text}'
        shown = logprobs_of(tokens, self.chat, self.logprobs, self.settings) if self.logprobs else None
        rest = f', "logprobs": {json.dumps(shown)}' if shown is not None else ""
        ending = "null" if finish is None else f'"{finish}"'
        behind = f', "usage": {json.dumps(usage)}' if usage is not None else ""
        return self._event(
            f'{self.start}, "choices": [{{"index": 0, {part}{rest}, "finish_reason": {ending}}}]{behind}}}'
        )

    def usage(self, usage: dict[str, Any]) -> bytes:
        return self._event(f'{self.start}, "choices": [], "usage": {json.dumps(usage)}}}')

    def error(self, message: str) -> bytes:
        return self._event(json.dumps({"error": {"message": message, "type": "InternalServerError", "code": 500}}))

    def empty(self) -> bytes:
        said = '"delta": {}' if self.chat else '"text": ""'
        return self._event(f'{self.start}, "choices": [{{"index": 0, {said}, "finish_reason": null}}]}}')

    def broken(self) -> bytes:
        return self._event(f'{self.start}, "choices": [{{"index": 0, "text": " t1')

    def comment(self) -> bytes:
        return f": still here{self.end}".encode()

    def last(self) -> bytes:
        return self._event("[DONE]")

    def _event(self, data: str) -> bytes:
        return f"data: {data}{self.end}".encode()


def logprobs_of(
    tokens: list[tuple[int, dict[int, float]]], chat: bool, count: int, settings: Settings
) -> dict[str, Any]:
    """The log-probabilities in the form of either route, `count` alternatives per token."""

    def ranked(likely: dict[int, float]) -> list[tuple[str, float]]:
        best = sorted(likely.items(), key=lambda pair: -pair[1])[:count]
        return [(text_of(token, settings), value) for token, value in best]

    if chat:
        return {
            "content": [
                {
                    "token": text_of(token, settings),
                    "logprob": likely.get(token, -9.0),
                    "bytes": list(text_of(token, settings).encode()),
                    "top_logprobs": [{"token": text, "logprob": value} for text, value in ranked(likely)],
                }
                for token, likely in tokens
            ]
        }
    return {
        "tokens": [text_of(token, settings) for token, _ in tokens],
        "token_logprobs": [likely.get(token, -9.0) for token, likely in tokens],
        "top_logprobs": [dict(ranked(likely)) for _, likely in tokens],
        "text_offset": [0] * len(tokens),
    }


def usage_of(prompt: int, completion: int, cached: int | None) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if cached is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    return usage


def whole_reply(
    number: int,
    chat: bool,
    tokens: list[tuple[int, dict[int, float]]],
    finish: str,
    usage: dict[str, Any] | None,
    logprobs: int,
    settings: Settings,
) -> dict[str, Any]:
    """The reply without streaming."""
    text = "".join(text_of(token, settings) for token, _ in tokens)
    shown = logprobs_of(tokens, chat, logprobs, settings) if logprobs else None
    said: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {
        "id": f"cmpl-{number}",
        "object": "chat.completion" if chat else "text_completion",
        "created": 1,
        "model": settings.model,
        "choices": [{"index": 0, **said, "logprobs": shown, "finish_reason": finish}],
        **({"usage": usage} if usage is not None else {}),
    }
