"""Reads one HTTP/1.1 answer from the bytes of a socket, as they come: head, framing, server-sent events, tokens.

Guarantees: however the bytes are cut, the same answer is read from them; each token event has the time of the read that
completed its line; nothing that a server sends raises anything but a `RequestError` with its status, and no line, head
or body is kept beyond its limit. An event counts as one of tokens when a text of it is not empty: the first chunk of a
chat has a role only, and the last one only usage. `[DONE]` may be missing.

Written for speed, since 256 streams of a server that answers them in one batch are ready at once, and the last of them
is stamped when the others have been read: most events come as one chunk with one line, which is not copied more often
than `bytes` slicing needs, and only the fields that count are taken from their JSON.

Sources: RFC 9112, 6 and 7 (framing); html.spec.whatwg.org, "Server-sent events" (a line ends with LF or CR LF; CR alone
is not taken: no server of these sends it); the OpenAI API reference, "streaming". Not aware of: sockets, clocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from npubench import statuses
from npubench.spi import RequestError

MOST_HEAD = 64 << 10
MOST_LINE = 4 << 20
# Of an answer that is no stream: enough for an error's text.
MOST_BODY = 64 << 10


class _Fields(msgspec.Struct, frozen=True, gc=False):
    """What is taken of a JSON object; every other field is skipped without being built."""


class _Delta(_Fields, frozen=True, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(_Fields, frozen=True, gc=False):
    text: str | None = None
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Details(_Fields, frozen=True, gc=False):
    cached_tokens: int | None = None


class Usage(_Fields, frozen=True, gc=False):
    """The server's own count. `prompt_tokens_details.cached_tokens`: of the prompt, what it had computed before."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None

    @property
    def cached_tokens(self) -> int | None:
        """None: the server does not say."""
        return self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details is not None else None


class _Event(_Fields, frozen=True, gc=False):
    choices: list[_Choice] | None = None
    usage: Usage | None = None
    error: Any = None
    object: str | None = None
    message: str | None = None


_decode = msgspec.json.Decoder(_Event).decode
_HEAD, _SIZE, _CHUNK, _CHUNK_END, _TRAILER, _COUNTED, _UNTIL_CLOSED, _COMPLETE = range(8)


class Reply:
    """The answer to one request. `note(ns)` is called at each event of tokens.

    `complete`: all of it has been read, at `completed_ns`; `keeps`: the connection can be used again. `usage` and
    `finish` are the last ones told. `events` counts those of tokens.
    """

    __slots__ = (
        "_body",
        "_data",
        "_framed",
        "_left",
        "_line",
        "_note",
        "_rest",
        "_state",
        "_streams",
        "completed_ns",
        "done",
        "events",
        "finish",
        "headers",
        "keeps",
        "status",
        "usage",
    )

    def __init__(self, note: Callable[[int], None]) -> None:
        self._note = note
        self._state = _HEAD
        self._rest = b""
        self._line = b""
        self._data: list[bytes] = []
        self._body = b""
        self._left = 0
        self._framed = False
        self._streams = False
        self.headers: dict[str, str] = {}
        self.status = 0
        self.keeps = True
        self.done = False
        self.events = 0
        self.finish: str | None = None
        self.usage: Usage | None = None
        self.completed_ns = 0

    @property
    def complete(self) -> bool:
        return self._state == _COMPLETE

    @property
    def body(self) -> bytes:
        """The beginning of an answer that is no stream."""
        return self._body

    def feed(self, data: bytes, now: int) -> None:
        """The next bytes, read at `now` (ns). Raises RequestError for what cannot be read."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        at, end = 0, len(data)
        while at < end and self._state != _COMPLETE:
            state = self._state
            if state == _SIZE:
                line = data.find(b"\r\n", at, at + 1024)
                if line < 0:
                    break
                try:
                    size = int(data[at:line].partition(b";")[0], 16)
                except ValueError:
                    raise RequestError("a chunk without a size", statuses.BROKEN) from None
                at = line + 2
                self._state, self._left = (_CHUNK, size) if size else (_TRAILER, 0)
            elif state == _CHUNK:
                take = min(self._left, end - at)
                self._take(data[at : at + take], now)
                at += take
                self._left -= take
                if not self._left:
                    self._state = _CHUNK_END
            elif state == _CHUNK_END:
                if end - at < 2:
                    break
                if data[at : at + 2] != b"\r\n":
                    raise RequestError("a chunk longer than its size", statuses.BROKEN)
                at += 2
                self._state = _SIZE
            elif state == _TRAILER:
                line = data.find(b"\r\n", at)
                if line < 0:
                    break
                if line == at:
                    self._end(now)
                at = line + 2
            elif state == _HEAD:
                head = data.find(b"\r\n\r\n", at)
                if head < 0:
                    break
                self._read_head(data[at:head], now)
                at = head + 4
            elif state == _COUNTED:
                take = min(self._left, end - at)
                self._take(data[at : at + take], now)
                at += take
                self._left -= take
                if not self._left:
                    self._end(now)
            else:
                self._take(data[at:], now)
                at = end
        if at < end:
            self._rest = data[at:]
            if self._state == _COMPLETE:
                # Nobody asked for more.
                self.keeps = False
            elif len(self._rest) > MOST_HEAD:
                raise RequestError("a head or a chunk's size without an end", statuses.BROKEN)

    def closed(self, now: int) -> None:
        """The connection was closed at `now`. Raises RequestError where the answer was not complete."""
        self.keeps = False
        if self._state == _UNTIL_CLOSED:
            self._end(now)
        if self._state != _COMPLETE:
            after = f" after {self.events} events" if self.events else ""
            raise RequestError(f"the server closed the connection{after}", statuses.CLOSED)

    def _read_head(self, head: bytes, now: int) -> None:
        line, *lines = head.decode("latin-1").split("\r\n")
        version, _, rest = line.partition(" ")
        status = rest[:3]
        if not version.startswith("HTTP/1.") or not status.isdecimal() or len(status) != 3:
            raise RequestError("the answer is not HTTP/1.1", statuses.BROKEN)
        self.status = int(status)
        if 100 <= self.status < 200:
            # An interim answer; the head that counts is still to come.
            return
        self.headers = {}
        for one in lines:
            name, _, value = one.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.keeps = version != "HTTP/1.0" and self.headers.get("connection", "").lower() != "close"
        self._streams = self.status == 200 and "text/event-stream" in self.headers.get("content-type", "").lower()
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise RequestError("the answer is compressed, which was not asked for", statuses.BROKEN)
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            self._state = _SIZE
        elif (length := self.headers.get("content-length")) is not None:
            if not length.isdecimal():
                raise RequestError("the answer's length is no number", statuses.BROKEN)
            self._state, self._left = _COUNTED, int(length)
            if not self._left:
                self._end(now)
        elif self.status in (204, 304):
            self._end(now)
        else:
            self._state = _UNTIL_CLOSED

    def _take(self, payload: bytes, now: int) -> None:
        """A piece of the body."""
        if not self._streams:
            if len(self._body) < MOST_BODY:
                self._body += payload[:MOST_BODY]
            return
        # Nearly always one event, in one piece.
        if not self._line and not self._data and payload.startswith(b"data: ") and payload.endswith(b"\n\n"):
            line = payload[6:-2]
            if b"\n" not in line:
                self._event(line, now)
                return
        lines = (self._line + payload).split(b"\n")
        self._line = lines.pop()
        if len(self._line) > MOST_LINE:
            raise RequestError("an event without an end", statuses.BROKEN)
        for line in lines:
            self._take_line(line, now)

    def _take_line(self, line: bytes, now: int) -> None:
        if line.endswith(b"\r"):
            line = line[:-1]
        if not line:
            self._dispatch(now)
        elif line.startswith(b"data:"):
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])

    def _dispatch(self, now: int) -> None:
        """The lines of data since the last event are one."""
        if self._data:
            data, self._data = b"\n".join(self._data), []
            self._event(data, now)

    def _event(self, data: bytes, now: int) -> None:
        if data.startswith(b"[DONE]"):
            self.done = True
            return
        try:
            event = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise RequestError("an event that is not the JSON of a completion", statuses.BROKEN) from None
        if event.error is not None or event.object == "error":
            raise RequestError(said(event.error) or event.message or "no reason given", statuses.ERROR_EVENT)
        if event.usage is not None:
            self.usage = event.usage
        if event.choices:
            choice = event.choices[0]
            delta = choice.delta
            if choice.text or (delta is not None and (delta.content or delta.reasoning_content or delta.reasoning)):
                self.events += 1
                self._note(now)
            if choice.finish_reason is not None:
                self.finish = choice.finish_reason

    def _end(self, now: int) -> None:
        if self._streams:
            # The last line may lack its end.
            if self._line:
                line, self._line = self._line, b""
                self._take_line(line, now)
            self._dispatch(now)
        self._state = _COMPLETE
        self.completed_ns = now


def said(error: Any) -> str:
    """The message of an `error` field, whatever its form."""
    if isinstance(error, dict):
        message = error.get("message")
        return message if isinstance(message, str) else ""
    return error if isinstance(error, str) else ""


def complaint(body: bytes) -> str:
    """What an answer with an error status says, in any of the forms that servers have; "" where it says nothing."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode("utf-8", "replace")
    if isinstance(found, dict):
        for key in ("error", "detail", "message"):
            if text := said(found.get(key)):
                return text
    return body.decode("utf-8", "replace")
