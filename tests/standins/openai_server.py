"""A real OpenAI-compatible HTTP/1.1 server that emits tokens at a known rate: a process of its own, standard library.

`python openai_server.py --set ttft_ms=100 --set tpot_ms=50` prints one line of JSON with its port and answers on the
loopback address only: /health, /version, /v1/models, /v1/completions and /v1/chat/completions, streamed or not. Token
k of a stream is due at a time that was fixed when the request came (no drift); one heap and one timer serve all
streams, so that 256 of them at 20 tokens/s each cost a small part of a core. `GET /_log` tells what was asked and when
each event was really written (CLOCK_MONOTONIC, ns: the clock of a client on the same machine); `POST /_set` changes
`openai_says.Settings`, faults included, and `POST /_reset` restores those of the start and empties the log. It ends
after `--idle` seconds without a request, after `--lifetime` seconds, on SIGTERM, and with `--until-eof` when its
standard input closes.

Not aware of: npubench.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import heapq
import json
import signal
import socket
import sys
import time
from collections import deque
from typing import Any

from openai_says import BLOCK, Refusal, Settings
from openai_stream import Stream

_REASONS = {200: "OK", 307: "Temporary Redirect", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}
_REASONS.update({429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"})


class Wire(asyncio.Protocol):
    """One connection: requests one after the other, kept alive."""

    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self.server, self.buffer, self.held = server, b"", b""
        self.stream: Stream | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.wires.add(self)
        self.server.connections += 1

    def connection_lost(self, error: Exception | None) -> None:
        self.server.wires.discard(self)
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.gone = True
            stream.over(str(stream.entry.get("ended", "client gone")))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            line, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
            length = int(headers.get("content-length") or 0)
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            method, path, _ = line.split(" ", 2)
            try:
                self.server.asked(self, method, path.partition("?")[0], headers, rest[:length])
            except Refusal as error:
                self.reply(
                    error.status, {"error": {"message": str(error), "type": "BadRequestError", "code": error.status}}
                )

    def reply(self, status: int, body: Any, **headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"Content-Type": "application/json", "Content-Length": str(len(raw)), **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
        self.transport.write(f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}\r\n{lines}\r\n".encode() + raw)
        self.stream = None

    def open_stream(self) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )

    def piece(self, data: bytes) -> None:
        if self.held:
            held, self.held = self.held, b""
            self.transport.write(b"%x\r\n%b\r\n" % (len(held), held))
        if data:
            self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def split(self, data: bytes) -> None:
        """In two segments, cut inside a character of several bytes where there is one; the second 2 ms later."""
        cut = next((at + 1 for at, byte in enumerate(data) if byte >= 0xC0), len(data) // 2)
        self.piece(data[:cut])
        self.held = data[cut:]
        asyncio.get_running_loop().call_later(0.002, self.piece, b"")

    def close_stream(self) -> None:
        self.piece(b"")
        self.transport.write(b"0\r\n\r\n")
        self.stream = None


class Server:
    """Settings, the log, the slots, the prefix cache, and the one timer of all streams."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.first = settings, dataclasses.replace(settings)
        self.started = self.used = time.monotonic()
        self.wires: set[Wire] = set()
        self.connections = self.number = self.running = self.most = self.hits = 0
        self.log: list[dict[str, Any]] = []
        self.waiting: deque[Stream] = deque()
        self.blocks: set[int] = set()
        self.heap: list[tuple[float, int, Stream]] = []
        self.timer: asyncio.TimerHandle | None = None
        self.loop = asyncio.get_running_loop()

    def take_fault(self) -> bool:
        """Whether the faults hit this request (`times`)."""
        self.hits += 1
        return self.settings.times == 0 or self.hits <= self.settings.times

    def asked(self, wire: Wire, method: str, path: str, headers: dict[str, str], raw: bytes) -> None:
        self.used = time.monotonic()
        if path.startswith("/_"):
            return self._control(wire, path, raw)
        given = headers.get("authorization", "")
        key = "none" if not given else "right" if given == f"Bearer {self.settings.key}" else "wrong"
        entry: dict[str, Any] = {"number": self.number, "at_ns": time.monotonic_ns(), "method": method, "path": path}
        entry.update(key=key, agent=headers.get("user-agent", ""))
        self.number += 1
        self.log.append(entry)
        if path in ("/health", "/version", "/v1/models"):
            return self._about(wire, path, key)
        if method != "POST" or path not in ("/v1/completions", "/v1/chat/completions"):
            return wire.reply(404, {"detail": "Not Found"})
        return self._generate(wire, path.endswith("/chat/completions"), entry, given, raw)

    def _starting(self) -> bool:
        return time.monotonic() - self.started < self.settings.slow_start_s

    def _about(self, wire: Wire, path: str, key: str) -> None:
        settings = self.settings
        status = {"/health": settings.health_status, "/v1/models": settings.models_status}.get(
            path, settings.version_status
        )
        if self._starting():
            return wire.reply(503, {"detail": "loading the model"})
        if settings.key and key != "right" and path.startswith("/v1/"):
            # As vLLM has it: what is below /v1 wants the key, and the rest does not.
            return wire.reply(401, {"error": "Unauthorized"})
        if status != 200:
            return wire.reply(status, {"detail": _REASONS.get(status, "no")})
        model: dict[str, Any] = {"id": settings.listed or settings.model, "object": "model", "owned_by": "stand-in"}
        if settings.max_model_len < 1 << 30:
            model["max_model_len"] = settings.max_model_len
        about = {"version": settings.version, **({"device": settings.device} if settings.device else {})}
        return wire.reply(
            200, {"/health": {}, "/version": about, "/v1/models": {"object": "list", "data": [model]}}[path]
        )

    def _generate(self, wire: Wire, chat: bool, entry: dict[str, Any], given: str, raw: bytes) -> None:
        settings = self.settings
        try:
            body = json.loads(raw)
        except ValueError:
            raise Refusal(400, "the body is not JSON") from None
        entry["body"] = body
        if settings.key and entry["key"] != "right":
            said = f"wrong key: {given}" if settings.echo_key else "wrong key"
            return wire.reply(401, {"error": {"message": said}})
        if self._starting():
            return wire.reply(503, {"detail": "loading the model"})
        if settings.redirect:
            return wire.reply(307, b"", Location=settings.redirect)
        if settings.html:
            return wire.reply(200, b"<html><body>Please log in</body></html>", Content_Type="text/html")
        if settings.status and (settings.times == 0 or self.hits < settings.times):
            self.hits += 1
            more = {"Retry_After": settings.retry_after} if settings.retry_after else {}
            said = f"no: {given}" if settings.echo_key else _REASONS.get(settings.status, "no")
            return wire.reply(settings.status, {"error": {"message": said, "code": settings.status}}, **more)
        if body.get("model") != settings.model:
            raise Refusal(404, f"The model `{body.get('model')}` does not exist.")
        stream = wire.stream = Stream(self, wire, body, chat, entry)
        if settings.slots and self.running >= settings.slots:
            self.waiting.append(stream)
            return None
        self.running += 1
        self.most = max(self.most, self.running)
        return stream.begin(self.loop.time())

    def finished(self, stream: Stream) -> None:
        if stream in self.waiting:
            self.waiting.remove(stream)
            return
        self.running -= 1
        while self.waiting and self.running < (self.settings.slots or 1 << 30):
            self.running += 1
            self.waiting.popleft().begin(self.loop.time())

    def cached(self, prompt: list[int]) -> int:
        """How many of the prompt's tokens the prefix cache holds, in whole blocks; the prompt goes into it."""
        held, found = 0, True
        for end in range(BLOCK, len(prompt) + 1, BLOCK):
            block = hash(tuple(prompt[:end]))
            found = found and block in self.blocks
            held = end if found else held
            self.blocks.add(block)
        # The last token is always computed: its logits are the answer.
        return min(held, (len(prompt) - 1) // BLOCK * BLOCK)

    def schedule(self, stream: Stream) -> None:
        heapq.heappush(self.heap, (stream.due, stream.entry["number"], stream))
        self._arm()

    def _arm(self) -> None:
        if self.heap and (self.timer is None or self.heap[0][0] < self.timer.when()):
            if self.timer is not None:
                self.timer.cancel()
            self.timer = self.loop.call_at(self.heap[0][0], self._fire)

    def _fire(self) -> None:
        self.timer = None
        now = self.loop.time()
        while self.heap and self.heap[0][0] <= now:
            _, number, stream = heapq.heappop(self.heap)
            if not stream.gone and stream.emit():
                heapq.heappush(self.heap, (stream.due, number, stream))
        self.used = now
        self._arm()

    def _control(self, wire: Wire, path: str, raw: bytes) -> None:
        if path == "/_log":
            about = {"cpu_s": time.process_time(), "connections": self.connections, "most_running": self.most}
            return wire.reply(200, {"requests": self.log, **about})
        if path == "/_reset":
            self.settings = dataclasses.replace(self.first)
            self.log, self.blocks, self.hits, self.most = [], set(), 0, self.running
        elif path == "/_set":
            self.settings = dataclasses.replace(self.settings, **json.loads(raw))
            self.hits = 0
        return wire.reply(200, {})


async def serve(arguments: argparse.Namespace, settings: Settings) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    server = Server(settings)
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind(("127.0.0.1", arguments.port))
    if not arguments.listen_after_s:
        # Who reads the line may connect at once.
        opened.listen(512)
    print(json.dumps({"port": opened.getsockname()[1]}), flush=True)  # noqa: T201
    loop.add_signal_handler(signal.SIGTERM, (lambda: None) if settings.ignore_sigterm else over.set)
    if arguments.until_eof:
        loop.add_reader(0, lambda: None if sys.stdin.buffer.read1(4096) else over.set())
    # A socket that is bound and does not listen refuses connections.
    if arguments.listen_after_s:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(over.wait(), min(arguments.listen_after_s, arguments.lifetime))
    if not over.is_set():
        listening = await loop.create_server(lambda: Wire(server), sock=opened, backlog=512)
        while not over.is_set():
            now = time.monotonic()
            left = min(server.started + arguments.lifetime, server.used + arguments.idle) - now
            if left <= 0:
                break
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(over.wait(), left)
        listening.close()
        for wire in list(server.wires):
            wire.transport.abort()
    opened.close()
    print("stopped", flush=True)  # noqa: T201


def parsed(pairs: list[str]) -> Settings:
    """`name=value` pairs as settings; values are JSON, or text."""
    changes = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            changes[name] = json.loads(value)
        except ValueError:
            changes[name] = value
    return Settings(**changes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--lifetime", type=float, default=600.0, help="seconds after which it ends in any case")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds without a request after which it ends")
    parser.add_argument("--until-eof", action="store_true", help="ends when its standard input closes")
    parser.add_argument("--listen-after-s", type=float, default=0.0, help="refuses connections until then")
    parser.add_argument("--dies", type=int, help="says why on standard error and exits with this code at once")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a field of Settings")
    parser.add_argument("--settings", help="a JSON file of Settings' fields")
    arguments = parser.parse_args()
    if arguments.dies is not None:
        print("no device found: /dev/stand-in0", file=sys.stderr)  # noqa: T201
        sys.exit(arguments.dies)
    settings = parsed(arguments.set)
    if arguments.settings:
        with open(arguments.settings, encoding="utf-8") as file:
            settings = dataclasses.replace(settings, **json.load(file))
    asyncio.run(serve(arguments, settings))


if __name__ == "__main__":
    main()
