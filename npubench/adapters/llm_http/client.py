"""Connections to one server, and one request on each of them at a time, in one event loop and one thread.

Guarantees: a request is sent once, whatever becomes of it: nothing is tried again, no redirect is followed, no proxy is
used; a connection on which anything went wrong, or that was idle for so long that the server may be closing it, is not
used again; times are taken right after a socket was read, before anything else is done with the bytes; a server that
gives no token for `timeout_s` within a request has failed it, whatever else it sends. Certificates and host names are
always verified.

Why not httpx: what was read goes through anyio, h11 and httpcore before its time can be taken. Measured on one core,
client and server as processes of their own on a busy machine (benchmarks/test_llm_http.py; a TTFT known to be 200 ms, a
TPOT of 51 to 53 ms; at 256 streams httpx takes the whole core, falls behind, and 1 900 tokens/s arrive):

    streams, tokens/s      httpx 0.28.1: cores, TTFT, TPOT off     this: cores, TTFT, TPOT off
     16,   300             0.13   +1.5 %    +0.01 %                0.04   +0.2 %   0.00 %
     64, 1 250             0.32   +2.4 %     0.00 %                0.10   +0.2 %   0.00 %
    256, 5 000             1.07   28 times  +11.75 %               0.21   +0.5 %   0.00 %

Not aware of: what is asked (`requests`), what an answer means (`sse` reads it).
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import ssl
import time
from contextlib import suppress

from npubench import statuses
from npubench.adapters.llm_http.options import Endpoint
from npubench.adapters.llm_http.sse import Reply, complaint
from npubench.spi import RequestError

# uvicorn, which nearly every one of these servers is, closes a connection that was idle for 5 s; a request that meets
# the closing fails, and it is not the server's fault.
KEEP_S = 4.0
# A connection that is ready lasts for so long at least.
_SOON_S = 0.5
# How often silent servers are looked for.
_LOOK_S = 0.25


class _Connection(asyncio.Protocol):
    """One connection and the request that is on it."""

    __slots__ = ("answered", "heard_ns", "idle_ns", "lost", "reply", "transport")

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reply: Reply | None = None
        self.answered: asyncio.Future[None] | None = None
        self.heard_ns = self.idle_ns = 0
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        with suppress(OSError, AttributeError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter_ns()
        reply = self.reply
        if reply is None:
            # Nobody asked.
            self.drop()
            return
        events, status, usage = reply.events, reply.status, reply.usage
        try:
            reply.feed(data, now)
        except RequestError as error:
            self.fail(error)
            return
        # A comment (": ping") keeps a connection open, and says nothing.
        if reply.events != events or reply.status != status or reply.usage is not usage:
            self.heard_ns = now
        if reply.complete:
            self._answer()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        reply = self.reply
        if reply is None:
            return
        try:
            reply.closed(time.perf_counter_ns())
        except RequestError as failed:
            self.fail(failed)
            return
        self._answer()

    def _answer(self) -> None:
        self.reply = None
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(None)

    def fail(self, error: RequestError) -> None:
        """Ends the request, and the connection with it."""
        self.reply = None
        self.drop()
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(error)

    def drop(self) -> None:
        """Closes the connection at once."""
        self.lost = True
        if self.transport is not None:
            self.transport.abort()


class Client:
    """All connections to one server. Used within the event loop `loop` only."""

    def __init__(self, endpoint: Endpoint, loop: asyncio.AbstractEventLoop) -> None:
        self._endpoint = endpoint
        self._loop = loop
        self._tls = ssl.create_default_context() if endpoint.address.secure else None
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._making = 0
        self._timeout_ns = round(endpoint.timeout_s * 1e9)
        self._watch: asyncio.TimerHandle | None = None
        # The usual soft limit of 1 024 files is fewer than the users that a large server has.
        with suppress(OSError, ValueError):
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    async def connect(self, count: int) -> None:
        """Makes so many connections ready, several at once; those that others are making just now count.

        Raises RequestError where one cannot be made; the others are kept.
        """
        since = time.perf_counter_ns() - round((KEEP_S - _SOON_S) * 1e9)
        for connection in [one for one in self._idle if one.lost or one.idle_ns < since]:
            self._idle.remove(connection)
            connection.drop()
        missing = max(0, count - len(self._idle) - self._making)
        self._making += missing
        try:
            # As many as a server's queue of new connections holds at least (listen(2): a backlog of 128 or more).
            while missing > 0:
                several = min(missing, 32)
                made = await asyncio.gather(*(self._add() for _ in range(several)), return_exceptions=True)
                missing -= several
                self._making -= several
                for failed in made:
                    if failed is not None:
                        raise failed
        finally:
            self._making -= missing

    async def _add(self) -> None:
        self._idle.append(await self._connect())

    async def ask(self, request: bytes, reply: Reply) -> None:
        """Sends `request` and returns when `reply` is complete. Raises RequestError."""
        connection = self._reusable() or await self._connect()
        transport = connection.transport
        assert transport is not None
        connection.reply = reply
        connection.answered = answered = self._loop.create_future()
        connection.heard_ns = time.perf_counter_ns()
        self._busy.add(connection)
        if self._watch is None:
            self._watch = self._loop.call_later(_LOOK_S, self._look)
        try:
            transport.write(request)
            await answered
        except asyncio.CancelledError:
            connection.reply = None
            connection.drop()
            raise
        finally:
            self._busy.discard(connection)
        if reply.keeps and not connection.lost:
            connection.idle_ns = time.perf_counter_ns()
            self._idle.append(connection)
        else:
            connection.drop()
        self._judge(reply)

    def close(self) -> None:
        """Closes every connection; what is still being asked fails."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for connection in (*self._idle, *self._busy):
            connection.drop()
        self._idle.clear()

    def _reusable(self) -> _Connection | None:
        """The connection that was used last; those that were idle for too long are closed."""
        since = time.perf_counter_ns() - round(KEEP_S * 1e9)
        while self._idle:
            connection = self._idle.pop()
            if not connection.lost and connection.idle_ns >= since:
                return connection
            connection.drop()
        return None

    async def _connect(self) -> _Connection:
        where = self._endpoint.address
        try:
            _, connection = await asyncio.wait_for(
                self._loop.create_connection(_Connection, where.host, where.port, ssl=self._tls),
                self._endpoint.timeout_s,
            )
        except ssl.SSLError as error:
            why = getattr(error, "verify_message", "") or error.reason or "TLS failed"
            raise RequestError(f"{where.url}: {why}", statuses.INSECURE) from None
        except (asyncio.TimeoutError, TimeoutError):
            raise RequestError(
                f"{where.url}: no connection within {self._endpoint.timeout_s:g} s", statuses.UNREACHABLE
            ) from None
        except OSError as error:
            # asyncio words the error of a connection itself, and leaves the reason out.
            why = os.strerror(error.errno) if error.errno is not None and error.errno > 0 else error.strerror or error
            raise RequestError(f"{where.url}: {why}", statuses.UNREACHABLE) from None
        connection.idle_ns = time.perf_counter_ns()
        return connection

    def _look(self) -> None:
        """Fails the requests whose server has given nothing for too long."""
        since = time.perf_counter_ns() - self._timeout_ns
        for connection in [one for one in self._busy if one.heard_ns < since]:
            events = connection.reply.events if connection.reply is not None else 0
            connection.fail(
                RequestError(
                    f"the server gave no token for {self._endpoint.timeout_s:g} s after {events} events",
                    statuses.SILENT,
                )
            )
        self._watch = self._loop.call_later(_LOOK_S, self._look) if self._busy else None

    def _judge(self, reply: Reply) -> None:
        """Raises RequestError for a complete answer that is none to what was asked."""
        status, headers = reply.status, reply.headers
        clean = self._endpoint.clean
        if 300 <= status < 400:
            to = clean(headers.get("location", "an address that it does not name"))
            raise RequestError(
                f"the server redirects to {to}; nothing is followed: put it into options.url", statuses.REDIRECTED
            )
        if status != 200:
            text = clean(complaint(reply.body))
            raise RequestError(
                f"HTTP {status}" + (f": {text}" if text else ""), status if status >= 400 else statuses.BROKEN
            )
        if "text/event-stream" not in headers.get("content-type", "").lower():
            # An error that a server answers with status 200, or a proxy's log-in page.
            kind = clean(headers.get("content-type", "nothing"))
            raise RequestError(
                f"the answer is {kind}, not a stream of events: {clean(complaint(reply.body))}", statuses.BROKEN
            )
