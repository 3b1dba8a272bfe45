"""One answer of the stand-in server: when each of its tokens is due, what is written then, and which fault hits it.

Not aware of: connections, other answers.
"""

from __future__ import annotations

import random
import time
from typing import Any, Protocol

from openai_says import Answering, Events, Refusal, Settings, chat_ids, ids_of, usage_of, whole_reply


class Wire(Protocol):
    """Where an answer goes."""

    transport: Any

    def open_stream(self) -> None: ...
    def piece(self, data: bytes) -> None: ...
    def split(self, data: bytes) -> None: ...
    def close_stream(self) -> None: ...
    def reply(self, status: int, body: Any) -> None: ...


class Server(Protocol):
    """What an answer asks of the server."""

    settings: Settings

    def take_fault(self) -> bool: ...
    def cached(self, prompt: list[int]) -> int: ...
    def schedule(self, stream: Stream) -> None: ...
    def finished(self, stream: Stream) -> None: ...


class Stream:
    """One answer under way: when each of its tokens is due, and what is written then."""

    def __init__(self, server: Server, wire: Wire, body: dict[str, Any], chat: bool, entry: dict[str, Any]) -> None:
        settings = server.settings
        self.server, self.wire, self.entry, self.chat, self.settings = server, wire, entry, chat, settings
        self.prompt = chat_ids(body.get("messages"), settings) if chat else ids_of(body.get("prompt"), settings)
        self.wanted = int(body.get("max_completion_tokens") or body.get("max_tokens") or 16)
        if len(self.prompt) + self.wanted > settings.max_model_len:
            raise Refusal(400, f"maximum context length is {settings.max_model_len} tokens")
        self.streamed = bool(body.get("stream"))
        self.count, self.finish = self.wanted, "length"
        stop = settings.ignores_ignore_eos or (0 if body.get("ignore_eos") else settings.eos_after)
        if 0 < stop < self.wanted:
            self.count, self.finish = stop, "stop"
        options = body.get("stream_options") or {}
        self.tells_usage = settings.usage == "always" or (
            settings.usage == "asked" and (not self.streamed or bool(options.get("include_usage")))
        )
        asked = (int(body.get("top_logprobs") or 1) if body.get("logprobs") else 0) if chat else body.get("logprobs")
        self.logprobs = int(asked or 0) if settings.logprobs else 0
        self.faulty = server.take_fault()
        self.cached = server.cached(self.prompt) if settings.prefix_cache else None
        self.answer = Answering(self.prompt, self.logprobs > 0, settings)
        self.events = Events(entry["number"], chat, self.logprobs, settings)
        self.random = random.Random(f"{settings.seed}/{entry['number']}")
        self.sent = 0
        self.gone = self.freed = False
        self.pending: list[tuple[int, dict[int, float]]] = []
        entry.update(prompt_tokens=len(self.prompt), cached_tokens=self.cached or 0, times_ns=[], tokens=[])

    def begin(self, now: float) -> None:
        settings = self.settings
        fresh = len(self.prompt) - (self.cached or 0)
        self.due = (
            now + self._drawn(settings.ttft_ms, settings.ttft_sigma) + fresh * settings.prefill_us_per_token / 1e6
        )
        self.entry["begun_ns"] = int(now * 1e9)
        if self.streamed:
            self.wire.open_stream()
            if self.chat and settings.role_chunk:
                self.wire.piece(self.events.role())
            for _ in range(settings.empty_events):
                self.wire.piece(self.events.empty())
        self.server.schedule(self)

    def _drawn(self, median_ms: float, sigma: float) -> float:
        return median_ms / 1e3 * (self.random.lognormvariate(0.0, sigma) if sigma else 1.0)

    def _fault(self, after: int) -> bool:
        return self.faulty and 0 < after <= self.sent

    def emit(self) -> bool:
        """Writes what is due; whether more will come. Sets the time when that is."""
        settings = self.settings
        if self._fault(settings.error_after):
            self.wire.piece(self.events.error("the device was lost"))
            return self._end()
        if self._fault(settings.close_after):
            self.wire.transport.close()
            return self.over("closed")
        if self._fault(settings.stall_after):
            if not settings.ping_ms:
                return self.over("stalled", free=False)
            # As sse-starlette keeps a connection open behind proxies: a comment, and no token.
            self.wire.piece(self.events.comment())
            self.due += settings.ping_ms / 1e3
            return True
        if self._fault(settings.broken_after):
            self.wire.piece(self.events.broken())
            return self._end()
        self.pending.append(self.answer.next())
        self.sent += 1
        last = self.sent == self.count
        merge = settings.merge if self.faulty else 1
        if self.streamed and (last or len(self.pending) >= merge):
            self._write(last)
        if last:
            return self._end() if self.streamed else self._reply()
        self.due += self._drawn(settings.tpot_ms, settings.tpot_sigma)
        return True

    def _write(self, last: bool) -> None:
        settings = self.settings
        usage = self._usage() if last and settings.usage == "always" else None
        data = self.events.tokens(self.pending, self.finish if last else None, usage)
        if settings.comments:
            self.wire.piece(self.events.comment())
        if settings.split_utf8 and self.faulty:
            self.wire.split(data)
        else:
            self.wire.piece(data)
        self.entry["times_ns"].append(time.monotonic_ns())
        self.entry["tokens"].append(len(self.pending))
        self.pending = []

    def _usage(self) -> dict[str, Any]:
        wrong = self.settings.wrong_usage if self.faulty else 0
        return usage_of(len(self.prompt), self.sent + wrong, self.cached)

    def _end(self) -> bool:
        if self.tells_usage and self.settings.usage == "asked":
            self.wire.piece(self.events.usage(self._usage()))
        if self.settings.done:
            self.wire.piece(self.events.last())
        self.wire.close_stream()
        return self.over(self.finish)

    def _reply(self) -> bool:
        tokens, usage = self.pending, self._usage() if self.tells_usage else None
        number = self.entry["number"]
        self.wire.reply(200, whole_reply(number, self.chat, tokens, self.finish, usage, self.logprobs, self.settings))
        return self.over(self.finish)

    def over(self, how: str, free: bool = True) -> bool:
        self.entry.update(ended=how, ended_ns=time.monotonic_ns(), sent=self.sent)
        if free and not self.freed:
            self.freed = True
            self.server.finished(self)
        return False
