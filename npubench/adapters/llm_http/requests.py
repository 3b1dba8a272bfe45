"""What is sent: the fields that every OpenAI-compatible server of language models takes, and no others.

`model`, `prompt` or `messages`, `max_tokens`, `min_tokens`, `ignore_eos`, `temperature = 0`, `stream` and
`stream_options.include_usage`: a fixed length, the most likely token, and the server's own count at the end. What else
a server needs stands in its card (`options.extra`), which may also take one of these away: a value of "omit".

Sources: the OpenAI API reference; vLLM, "OpenAI-compatible server, extra parameters" (`ignore_eos`, `min_tokens`);
furiosa-llm 2026.4, which sends usage only where `stream_options` asks for it, and lists `seed` among what it ignores.
Not aware of: connections, answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from npubench import __version__, words
from npubench.adapters.llm_http.options import Endpoint

OMIT = "omit"

Prompt = Sequence[int] | str
"""Token ids, or text."""

_encode = msgspec.json.Encoder().encode


class Requests:
    """Makes the bytes of requests to one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        chat = endpoint.api == "chat"
        self._chat = chat
        where = endpoint.address
        self.path = f"{where.prefix}/v1/{'chat/completions' if chat else 'completions'}"
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"Host: {where.authority}",
            f"User-Agent: npubench/{__version__}",
            "Accept: text/event-stream",
            "Content-Type: application/json",
        ]
        if endpoint.key is not None:
            lines.append(f"Authorization: Bearer {endpoint.key.text}")
        self._head = "\r\n".join(lines).encode("ascii") + b"\r\nContent-Length: "

    def body(self, prompt: Prompt, new_tokens: int) -> dict[str, Any]:
        """The fields of one request, as they are sent."""
        asked: dict[str, Any] = {"model": self._endpoint.model}
        if self._endpoint.prompt == "words" and not isinstance(prompt, str):
            prompt = words.text(prompt)
        if self._chat:
            asked["messages"] = [{"role": "user", "content": prompt}]
        else:
            asked["prompt"] = prompt
        asked |= {
            "max_tokens": new_tokens,
            "min_tokens": new_tokens,
            "ignore_eos": True,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        asked |= self._endpoint.extra
        return {name: value for name, value in asked.items() if value != OMIT}

    def of(self, prompt: Prompt, new_tokens: int) -> bytes:
        """The bytes of one request, head and body."""
        body = _encode(self.body(prompt, new_tokens))
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
