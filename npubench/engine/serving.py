"""Starts the server of an endpoint backend from its card's [serve], and stops it: one server for all of its launches.

`Servers.ready` gives a backend's card with the address of a server that answers. A server is started when a launch
first needs it and stopped at the end of the run, when another model is wanted of it, or before a launch of another
backend: nothing but what is measured runs while something is measured.

Guarantees: only on the loopback address; a port that somebody else listens on, a command that is not there, a server
that ends before it answers or that is not ready in time is a Failure that says so, with the last lines of what the
server wrote, the API key left out of all of it; no server outlives the run, also when the run is killed (`keeper`). For
the main thread.

Not aware of: what is asked of the server, what it serves.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec

from npubench import readiness
from npubench.cards import PLACEHOLDERS, BackendCard, ServeSpec
from npubench.engine import environments
from npubench.engine.ending import end_process, session_members
from npubench.engine.launcher import TAIL_LINES, Environment, StopRequested, child_environment
from npubench.schema import Failure, FailureKind
from npubench.spi import Availability

HOST = "127.0.0.1"
PHASE = "serve"
_ASK_S = 5.0
# Beyond the card's own grace: the keeper kills what is left and reaps it.
_KEEPER_S = 5.0
_LONGEST = 500


class Models(Protocol):
    """Where a model's weights are in Hugging Face's form: the folder, or why there is none."""

    def __call__(self, model: str, tokenizer: str) -> Path | Failure: ...


def available(card: BackendCard) -> Availability:
    """Whether the server of a card with [serve] could be started. It is not: a run starts it."""
    spec = _spec(card)
    if spec.port is not None and (why := _taken(spec.port)) is not None:
        return Availability(available=False, reason=why, fix=_fix(card))
    command = filled(spec.command[0], _interpreter(card))
    if shutil.which(command) is None:
        reason = f"the server's command is not there: {command} (serve.command)"
        return Availability(available=False, reason=reason, fix="")
    return Availability(available=True, versions={}, devices=())


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """`value` with the placeholders of `names` in its texts replaced, at every depth; others are left."""
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, Mapping):
        return {key: filled(item, names) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [filled(item, names) for item in value]
    return value


class Server(msgspec.Struct, frozen=True):
    """A server that runs. `ready_ns`: from its start until it answered, `by` which path showed it."""

    process: subprocess.Popen[bytes]
    card: BackendCard
    asked: str
    port: int
    log: Path
    ready_ns: int = 0
    by: str = ""

    @property
    def processes(self) -> tuple[int, ...]:
        """The ids of its living processes, those that it started itself included."""
        return tuple(sorted(session_members(self.process.pid)))


class Servers:
    """The servers of one run. `work` is a folder that lives as long as the run."""

    def __init__(
        self, work: Path, models: Models, say: Callable[[str, str], None], stop: Callable[[], bool] = lambda: False
    ) -> None:
        self._work = work
        self._models = models
        self._say = say
        self._stop = stop
        self._running: dict[str, Server] = {}
        self._started = 0

    def ready(self, card: BackendCard, model: str, *, alone: bool = True) -> BackendCard | Failure:
        """`card` as a launch on `model` needs it: of one with [serve] the address and model are filled in.

        `alone`: servers of other backends are stopped first. Raises StopRequested.
        """
        if alone:
            for name in [name for name in self._running if name != card.id]:
                self._end(name)
        if card.serve is None:
            return card
        running = self._running.get(card.id)
        if running is not None and (running.asked != model or running.process.poll() is not None):
            self._end(card.id)
            running = None
        if running is None:
            started = self._start(card, card.serve, model)
            if isinstance(started, Failure):
                return started
            self._running[card.id] = running = started
        return running.card

    def of(self, backend: str) -> Server | None:
        """The server that runs for a backend."""
        return self._running.get(backend)

    def gone(self, backend: str) -> Failure | None:
        """Why a launch that just ended says nothing: its server ended meanwhile. None where it still runs."""
        running = self._running.get(backend)
        if running is None or running.process.poll() is None:
            return None
        how = _ended(running.process.returncode)
        return Failure(
            kind=FailureKind.CRASHED,
            message=f"the server {how} during the launch",
            phase=PHASE,
            exit_code=running.process.returncode,
            stderr=tail(running.log, _key(running.card)),
        )

    def explained(self, backend: str, failure: Failure) -> Failure:
        """`failure` of a launch with what became of the server, where that has ended meanwhile."""
        found = self.gone(backend)
        if found is None:
            return failure
        return msgspec.structs.replace(found, message=f"{found.message}: {failure.message}"[:4000], phase=failure.phase)

    def close(self) -> None:
        """Stops every server."""
        for name in list(self._running):
            self._end(name)

    def _start(self, card: BackendCard, spec: ServeSpec, model: str) -> Server | Failure:
        folder = Path(spec.model) if spec.model else self._models(model, spec.tokenizer)
        if isinstance(folder, Failure):
            return folder
        if spec.port is not None and (why := _taken(spec.port)) is not None:
            return Failure(kind=FailureKind.NOT_AVAILABLE, message=why, hint=_fix(card), phase=PHASE)
        port = spec.port or _free()
        names = {"port": str(port), "model": spec.model or str(folder), **_interpreter(card)}
        command = [str(part) for part in filled(spec.command, names)]
        served = msgspec.structs.replace(card, options=filled(card.options, names))
        self._started += 1
        home = self._work / f"{PHASE}-{card.id}-{self._started}"
        home.mkdir(parents=True, exist_ok=True)
        log = home / "server.txt"
        place = Environment(python=names["python"], variables=dict(card.environment.variables))
        variables = child_environment(place, home)
        variables.update(filled(spec.variables, names))
        self._say(model, f"{card.id}: {Path(command[0]).name} …")
        started = time.monotonic_ns()
        process = _launch(command, spec, log, variables)
        server = Server(process, served, model, port, log)
        key = _key(card)
        try:
            waited = readiness.wait(
                lambda path, body: ask(port, path, body, key),
                str(served.options.get("model", "")),
                spec.ready_s,
                lambda: self._over(server),
            )
        except BaseException:
            _finish(server, spec)
            raise
        if not waited.answer.ready:
            ended = process.poll()
            _finish(server, spec)
            if ended is None and self._stop():
                raise StopRequested
            return _failed(waited.answer.reason, ended, tail(log, key))
        return msgspec.structs.replace(server, ready_ns=time.monotonic_ns() - started, by=waited.answer.by)

    def _over(self, server: Server) -> str | None:
        if self._stop():
            return "stopped"
        code = server.process.poll()
        return None if code is None else f"the server {_ended(code)} before it answered"

    def _end(self, backend: str) -> None:
        server = self._running.pop(backend)
        assert server.card.serve is not None
        _finish(server, server.card.serve)


def ask(port: int, path: str, body: bytes | None, key: str = "") -> readiness.Told:
    """One request to a server of ours, which may want the key for its health, too. The answer is without it.

    Raises OSError where nobody answers, or no HTTP.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=_ASK_S)
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        connection.request("GET" if body is None else "POST", path, body, headers)
        reply = connection.getresponse()
        said = reply.read(1 << 16).decode("utf-8", "replace")
        where = reply.getheader("location") or ""
        return readiness.Told(reply.status, _without(key, said).encode(), _without(key, where))
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP: {type(error).__name__}") from None
    finally:
        connection.close()


def tail(log: Path, key: str = "") -> tuple[str, ...]:
    """The last lines that a server wrote, without the key."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            begun = max(0, stream.tell() - 16_384)
            stream.seek(begun)
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ()
    if begun:
        # Of a line that is cut nobody knows what it holds.
        lines = lines[1:]
    return tuple(_without(key, line)[:_LONGEST] for line in lines[-TAIL_LINES:])


def _launch(command: list[str], spec: ServeSpec, log: Path, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    keeper = [sys.executable, "-m", "npubench.engine.keeper", str(os.getpid()), spec.stop, str(spec.grace_s)]
    with log.open("wb") as stream:
        return subprocess.Popen(
            [*keeper, *command],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=dict(variables),
            start_new_session=True,
        )


def _finish(server: Server, spec: ServeSpec) -> None:
    """Asks the keeper to end, and ends what is left."""
    if server.process.poll() is None:
        with suppress(ProcessLookupError):
            server.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(spec.grace_s + _KEEPER_S)
    end_process(server.process)


def _failed(reason: str, ended: int | None, lines: tuple[str, ...]) -> Failure:
    kind = FailureKind.NOT_AVAILABLE if ended is None else FailureKind.CRASHED
    return Failure(
        kind=kind,
        message=f"its server could not be used: {reason}",
        hint="see the server's last lines; serve.command and serve.ready_s in the backend card",
        phase=PHASE,
        exit_code=ended,
        stderr=lines,
    )


def _ended(code: int) -> str:
    """How a server ended, from its keeper's exit code."""
    if code > 128 and code - 128 in set(signal.Signals):
        return f"was ended by {signal.Signals(code - 128).name}"
    return f"ended with exit code {code}"


def _key(card: BackendCard) -> str:
    """The key that the server is asked with; "" where the card names no variable, or it is not set."""
    return os.environ.get(str(card.options.get("api_key_env", "")), "").strip()


def _without(key: str, text: str) -> str:
    return text.replace(key, "…") if key else text


def _spec(card: BackendCard) -> ServeSpec:
    assert card.serve is not None
    return card.serve


def _interpreter(card: BackendCard) -> dict[str, str]:
    python = environments.interpreter(card.environment)
    return dict(zip(PLACEHOLDERS[2:], (python, str(Path(python).parent)), strict=True))


def _taken(port: int) -> str | None:
    """Why a server cannot listen on `port`; None where it can."""
    with socket.socket() as tried:
        # As servers do: a connection that is still closing down is in nobody's way.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError as error:
            return f"port {port} (serve.port) cannot be used: {error.strerror}"
    return None


def _free() -> int:
    with socket.socket() as tried:
        tried.bind((HOST, 0))
        port: int = tried.getsockname()[1]
        return port


def _fix(card: BackendCard) -> str:
    return f"end what listens there, or take serve.port out of the card {card.id} and write {{port}} in its command"
