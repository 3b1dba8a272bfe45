"""The client against a real server on the loopback, one fault after the other."""

from __future__ import annotations

import asyncio
import http.server
import itertools
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from npubench import statuses
from npubench.adapters.llm_http import claims
from npubench.adapters.llm_http.adapter import LlmHttpAdapter, LlmHttpSession
from npubench.adapters.llm_http.options import endpoint
from npubench.errors import AbsentBackendError, UnsupportedError
from npubench.spi import Answer, Answers, Artifact, Places, RequestError
from tests.standins.openai_process import Standin, standin

ARTIFACT = Artifact(role="decoder", path="", sha256="")
PROMPT = [5, 6, 7, 8, 9]


@pytest.fixture(scope="module")
def running() -> Iterator[Standin]:
    with standin(ttft_ms=2, tpot_ms=1) as server:
        yield server


@pytest.fixture
def server(running: Standin) -> Iterator[Standin]:
    yield running
    running.reset()


@pytest.fixture
def session(server: Standin) -> Iterator[LlmHttpSession]:
    opened = opened_on(server)
    yield opened
    opened.close()


def opened_on(server: Standin, **options: Any) -> LlmHttpSession:
    return LlmHttpAdapter().open(ARTIFACT, {"url": server.url, "model": "stand-in", "timeout_s": 2.0, **options})


def ask(
    session: LlmHttpSession, new_tokens: int = 12, prompt: list[int] | str | None = None
) -> tuple[Answer, list[int]]:
    times: list[int] = []
    given = PROMPT if prompt is None else prompt
    return session.loop.run_until_complete(session.answer(given, new_tokens, times.append)), times


def failure(session: LlmHttpSession) -> RequestError:
    with pytest.raises(RequestError) as caught:
        ask(session)
    return caught.value


def test_an_answer_is_counted_by_the_server_and_timed_at_the_socket(server: Standin, session: LlmHttpSession) -> None:
    before = time.perf_counter_ns()
    answer, times = ask(session)
    assert (answer.tokens, answer.prompt_tokens, answer.cached_tokens, len(times)) == (12, 5, None, 12)
    assert before < times[0] < times[-1] <= answer.completed_ns < time.perf_counter_ns()
    assert times[0] > server.asked()[-1]["at_ns"]
    assert isinstance(session, Answers)
    assert isinstance(session, Places)
    assert session.placement().sources == ("claimed",)
    with pytest.raises(UnsupportedError):
        session.infer({})


def test_what_is_sent(server: Standin, session: LlmHttpSession) -> None:
    ask(session)
    body = server.asked()[-1]["body"]
    assert (body["prompt"], body["max_tokens"], body["ignore_eos"], body["stream"]) == (PROMPT, 12, True, True)


def test_chat_sends_text_and_counts_no_role(server: Standin) -> None:
    server.set(template_tokens=3)
    session = opened_on(server, api="chat")
    assert not session.takes_ids
    answer, times = ask(session, prompt=" t1 t2 t3")
    assert (answer.tokens, answer.prompt_tokens, len(times)) == (12, 6, 12)
    session.close()


def test_ids_are_tried_and_text_is_sent_where_they_are_refused(server: Standin, session: LlmHttpSession) -> None:
    assert session.options["prompts"] == "not asked"
    assert session.takes_ids
    assert session.options["prompts"] == "ids"
    server.set(vocab=2)
    other = opened_on(server)
    assert not other.takes_ids
    assert other.options["prompts"] == "text"
    other.close()


def test_connections_are_kept_and_made_ready(server: Standin, session: LlmHttpSession) -> None:
    before = server.log()["connections"]
    session.loop.run_until_complete(session.connect(4))
    for _ in range(3):
        ask(session)
    assert server.log()["connections"] - before == 4 + 1  # the log's own


def test_connections_that_are_being_made_count_as_ready(server: Standin, session: LlmHttpSession) -> None:
    """Users who wake together ask for one, two and three."""
    before = server.log()["connections"]

    async def together() -> None:
        await asyncio.gather(*(session.connect(count) for count in (1, 2, 3)))
        await session.connect(3)

    session.loop.run_until_complete(together())
    assert server.log()["connections"] - before == 3 + 1  # the log's own


def test_of_connections_that_fail_the_others_are_kept(session: LlmHttpSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stayed open, and nobody knew of them."""
    client, tried = session._client, itertools.count()
    connect = client._connect

    async def every_other() -> Any:
        if next(tried) % 2:
            raise RequestError("no more", statuses.UNREACHABLE)
        return await connect()

    monkeypatch.setattr(client, "_connect", every_other)
    with pytest.raises(RequestError, match="no more"):
        session.loop.run_until_complete(session.connect(6))
    assert (len(client._idle), client._making) == (3, 0)


@pytest.mark.parametrize(
    ("settings", "status", "said"),
    [
        ({"status": 429, "retry_after": "1"}, 429, "Too Many Requests"),
        ({"status": 500}, 500, "HTTP 500"),
        ({"status": 503}, 503, "HTTP 503"),
        ({"key": "k"}, 401, "wrong key"),
        ({"error_after": 10}, statuses.ERROR_EVENT, "the device was lost"),
        ({"broken_after": 10}, statuses.BROKEN, "not the JSON"),
        ({"close_after": 10}, statuses.CLOSED, "after 10 events"),
        ({"wrong_usage": 3}, statuses.WRONG_USAGE, "usage counts 15 tokens"),
        ({"wrong_usage": -3}, statuses.WRONG_USAGE, "12 events had text"),
        ({"usage": "never"}, statuses.NO_USAGE, "without usage"),
        ({"redirect": "http://127.0.0.1:1/v1/completions"}, statuses.REDIRECTED, "http://127.0.0.1:1/v1/completions"),
        ({"ignores_ignore_eos": 6}, statuses.SHORT, "after 6 of 12 tokens"),
        ({"html": True}, statuses.BROKEN, "text/html"),
    ],
)
def test_a_fault_fails_one_request_with_its_status(
    server: Standin, session: LlmHttpSession, settings: dict[str, Any], status: int, said: str
) -> None:
    server.set(**settings)
    asked = len(server.asked())
    error = failure(session)
    assert error.status == status
    assert said in str(error)
    assert statuses.named(status) is not None
    # Nothing was tried again, and the session lives on.
    assert len(server.asked()) == asked + 1
    server.reset()
    assert ask(session)[0].tokens == 12


@pytest.mark.parametrize(
    "settings",
    [
        {"done": False},
        {"role_chunk": True, "empty_events": 3},
        {"comments": True, "crlf": True},
        {"split_utf8": True, "korean": True},
        {"usage": "always"},
    ],
    ids=["no [DONE]", "role and empty events", "comments, CR LF", "split UTF-8", "usage in the last event"],
)
def test_what_servers_do_differently_changes_nothing(
    server: Standin, session: LlmHttpSession, settings: dict[str, Any]
) -> None:
    server.set(**settings)
    answer, times = ask(session)
    assert (answer.tokens, len(times)) == (12, 12)


def test_several_tokens_in_one_event_are_counted_by_usage(server: Standin, session: LlmHttpSession) -> None:
    server.set(merge=4)
    answer, times = ask(session)
    assert (answer.tokens, len(times)) == (12, 3)


def test_a_server_that_falls_silent(server: Standin) -> None:
    server.set(stall_after=3)
    session = opened_on(server, timeout_s=0.3)
    error = failure(session)
    assert error.status == statuses.SILENT
    assert "after 3 events" in str(error)
    session.close()


def test_a_server_that_only_keeps_the_connection_open_is_silent(server: Standin) -> None:
    server.set(stall_after=3, ping_ms=20)
    session = opened_on(server, timeout_s=0.3)
    error = failure(session)
    assert error.status == statuses.SILENT
    assert "no token for 0.3 s after 3 events" in str(error)
    session.close()


def test_a_server_that_keeps_its_cache(server: Standin, session: LlmHttpSession) -> None:
    server.set(prefix_cache=True)
    long = list(range(64))
    assert ask(session, prompt=long)[0].cached_tokens == 0
    assert ask(session, prompt=long)[0].cached_tokens == 48


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    found = LlmHttpAdapter().probe_with({"url": url, "model": "m"})
    assert not found.available
    assert "Connection refused" in found.reason
    session = LlmHttpAdapter().open(ARTIFACT, {"url": url, "model": "m"})
    assert failure(session).status == statuses.UNREACHABLE
    session.close()


def test_a_server_without_tls_is_not_taken_for_one_with_it(server: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    # What it says of itself is asked for first, and is waited for as long.
    monkeypatch.setattr(claims, "_ASK_S", 0.5)
    session = opened_on(server, url=server.url.replace("http:", "https:"))
    assert failure(session).status in (statuses.INSECURE, statuses.CLOSED, statuses.UNREACHABLE)
    session.close()
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED


class _Hello(http.server.BaseHTTPRequestHandler):
    """One stream of a token."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        told = {"choices": [{"text": "t"}], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}
        self.wfile.write(f"data: {json.dumps(told)}\n\n".encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


def test_certificates_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = [
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
    ]
    subprocess.run(command, check=True, capture_output=True)
    server = http.server.HTTPServer(("127.0.0.1", 0), _Hello)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = {"url": f"https://127.0.0.1:{server.server_address[1]}", "model": "m", "prompt": "ids"}
    try:
        stranger = LlmHttpSession(endpoint(options), {})
        error = failure(stranger)
        assert (error.status, "self-signed certificate" in str(error)) == (statuses.INSECURE, True)
        stranger.close()
        # An authority of one's own is named as OpenSSL takes it.
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        known = LlmHttpSession(endpoint(options), {})
        assert ask(known, new_tokens=1)[0].tokens == 1
        known.close()
    finally:
        server.shutdown()
        server.server_close()


def test_a_key_is_sent_and_never_said(server: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-very-secret")
    server.set(key="sk-very-secret")
    session = opened_on(server, api_key_env="TEST_KEY")
    assert ask(session)[0].tokens == 12
    server.set(status=500, echo_key=True)
    error = failure(session)
    assert "…" in str(error)
    said = [str(error), repr(error), repr(error.__cause__), str(session.options), str(session.placement())]
    assert not any("sk-very-secret" in text for text in said)
    session.close()


def test_a_proxy_in_front_is_refused(server: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    with pytest.raises(AbsentBackendError, match="http_proxy") as caught:
        opened_on(server)
    assert caught.value.hint == "export NO_PROXY=127.0.0.1"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    opened_on(server).close()


def test_the_probe_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, server: Standin) -> None:
    adapter = LlmHttpAdapter()
    assert not adapter.probe().available
    assert "options.url" in adapter.probe_with({"model": "m"}).reason
    monkeypatch.delenv("TEST_KEY", raising=False)
    found = adapter.probe_with({"url": server.url, "model": "m", "api_key_env": "TEST_KEY"})
    assert (found.available, found.fix) == (False, "export TEST_KEY=…")
    assert adapter.probe_with({"url": server.url, "model": "stand-in"}).available
