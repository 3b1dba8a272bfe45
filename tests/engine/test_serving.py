"""Servers that a run starts: ready, filled in, one for all launches, stopped cleanly; and each way to fail."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from npubench.cards import BackendCard, DeviceSpec, ServeSpec
from npubench.engine.launcher import StopRequested
from npubench.engine.lost import Presence
from npubench.engine.serving import Servers, available, filled, tail
from npubench.schema import Failure, FailureKind
from tests.standins.openai_process import SCRIPT
from tests.support import null_card

PYTHON = sys.executable
COMMAND = (PYTHON, str(SCRIPT), "--port", "{port}", "--lifetime", "60", "--set", 'model="{model}"')


def card(*more: str, id: str = "served", command: tuple[str, ...] = COMMAND, **serve: Any) -> BackendCard:  # noqa: A002
    """An endpoint whose server is the stand-in."""
    options = {"url": "http://127.0.0.1:{port}", "model": "{model}", "extra": {"names": ["{port}"]}}
    return msgspec.structs.replace(
        null_card(id, **options),
        device=DeviceSpec(type="endpoint"),
        serve=ServeSpec(command=(*command, *more), **{"ready_s": 20, "grace_s": 5, **serve}),
    )


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    found = Servers(tmp_path / "work", lambda model, tokenizer: Path("/models") / tokenizer / model, lambda *_: None)
    yield found
    found.close()


def gone(pid: int) -> bool:
    """Whether the process ends within a few seconds."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_one_server_for_all_launches_and_gone_afterwards(servers: Servers) -> None:
    first = servers.ready(card(tokenizer="words"), "m1")
    assert isinstance(first, BackendCard)
    running = servers.of("served")
    assert running is not None
    assert first.options["url"] == f"http://127.0.0.1:{running.port}"
    assert first.options["model"] == "/models/words/m1"
    assert first.options["extra"] == {"names": [str(running.port)]}
    assert running.by == "/health"
    assert running.ready_ns > 0
    assert servers.ready(card(tokenizer="words"), "m1") == first
    (process,) = running.processes
    servers.close()
    assert gone(process)
    assert running.log.read_text().endswith("stopped\n")
    assert servers.of("served") is None


def test_another_model_and_another_backend_need_another_server(servers: Servers) -> None:
    servers.ready(card(), "m1")
    first = servers.of("served")
    servers.ready(card(), "m2")
    second = servers.of("served")
    assert first is not None
    assert second is not None
    assert first.process.poll() is not None
    plain = null_card("cpu")
    assert servers.ready(plain, "m1", alone=False) is plain
    assert second.process.poll() is None
    assert servers.ready(plain, "m1") is plain
    assert second.process.poll() is not None


def test_a_server_that_died_is_said_and_started_anew(servers: Servers) -> None:
    servers.ready(card(), "m1")
    running = servers.of("served")
    assert running is not None
    os.kill(running.processes[0], signal.SIGKILL)
    running.process.wait(10)
    failure = servers.explained("served", Failure(kind=FailureKind.RAISED, message="connection refused"))
    assert failure.kind is FailureKind.CRASHED
    assert failure.message == "the server was ended by SIGKILL during the launch: connection refused"
    gone = servers.gone("served")
    assert gone is not None
    assert '"port"' in "".join(gone.stderr)
    again = servers.ready(card(), "m1")
    assert isinstance(again, BackendCard)
    assert servers.explained("served", failure) is failure
    assert servers.gone("served") is None


@pytest.mark.parametrize(
    ("broken", "kind", "message", "tail"),
    [
        (card("--dies", "3"), FailureKind.CRASHED, "exit code 3 before it answered", "no device found"),
        (card("--set", "slow_start_s=60", ready_s=0.5), FailureKind.NOT_AVAILABLE, "not ready after", ""),
        (card("--listen-after-s", "60", ready_s=0.5), FailureKind.NOT_AVAILABLE, "Connection refused", ""),
        (card("--set", "health_status=401"), FailureKind.NOT_AVAILABLE, "refuses the API key", '"port"'),
        (card(command=("/not/there", "{port}")), FailureKind.CRASHED, "exit code 127", "/not/there: cannot be started"),
    ],
    ids=["dies", "slow", "silent", "key", "absent"],
)
def test_a_server_that_cannot_be_used(
    servers: Servers, broken: BackendCard, kind: FailureKind, message: str, tail: str
) -> None:
    failure = servers.ready(broken, "m1")
    assert isinstance(failure, Failure)
    assert failure.kind is kind
    assert failure.phase == "serve"
    assert message in failure.message
    assert tail in "\n".join(failure.stderr)
    assert servers.of("served") is None


ECHO = """
import http.server, os, sys
print("started with --api-key", os.environ["SERVE_KEY"], flush=True)
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said = self.headers["Authorization"].encode()
        self.send_response(503)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
"""


def test_the_key_is_in_nothing_that_an_own_server_said(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVE_KEY", "hf_never_to_be_seen")
    echoing = card(command=(PYTHON, "-c", ECHO, "{port}"), ready_s=3)
    failure = servers.ready(
        msgspec.structs.replace(echoing, options={**echoing.options, "api_key_env": "SERVE_KEY"}), "m1"
    )
    assert isinstance(failure, Failure)
    assert "/health: HTTP 503 (Bearer …)" in failure.message
    assert "started with --api-key …" in failure.stderr
    assert "never_to_be_seen" not in str(failure)


def test_a_key_that_the_beginning_of_the_tail_cuts_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "server.txt"
    log.write_text("key=hf_secret_of_ours\n" + "x" * 16_373 + "\n", encoding="utf-8")
    assert tail(log, "hf_secret_of_ours") == ("x" * 500,)


def test_a_port_in_use_is_said_before_anything_starts(servers: Servers) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        failure = servers.ready(card(port=port), "m1")
        assert isinstance(failure, Failure)
        assert f"port {port} (serve.port) cannot be used: Address already in use" in failure.message
        said = available(card(port=port))
    assert not said.available
    assert said.reason == failure.message


def test_a_server_on_a_fixed_port_outlives_a_launch_that_failed(servers: Servers, tmp_path: Path) -> None:
    """Its own server holds the port: that is no reason to take the device for lost."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    fixed = card(port=port)
    presence = Presence({fixed.id: available(fixed)}, tmp_path)
    first = servers.ready(fixed, "m1")
    assert isinstance(first, BackendCard)
    assert not available(fixed).available
    failure = Failure(kind=FailureKind.RAISED, message="RequestError: HTTP 500")
    assert presence.after(first, failure) is failure
    assert presence.before(fixed) is None
    assert servers.ready(fixed, "m1") == first


def test_what_does_not_heed_the_signal_is_killed(servers: Servers) -> None:
    servers.ready(card("--set", "ignore_sigterm=true", grace_s=0.2), "m1")
    running = servers.of("served")
    assert running is not None
    (process,) = running.processes
    servers.close()
    assert gone(process)


def test_stopping_while_it_loads(tmp_path: Path) -> None:
    started = time.monotonic()
    servers = Servers(tmp_path, lambda *_: Path("/m"), lambda *_: None, lambda: time.monotonic() - started > 0.5)
    with pytest.raises(StopRequested):
        servers.ready(card("--set", "slow_start_s=60"), "m1")


def test_it_dies_with_the_run(tmp_path: Path) -> None:
    """Also when the run is killed and can say nothing any more."""
    program = f"""
import os, signal, sys
from pathlib import Path
from npubench.engine.serving import Servers
from tests.engine.test_serving import card
servers = Servers(Path({str(tmp_path)!r}), lambda *_: Path("/m"), lambda *_: None)
servers.ready(card(), "m1")
print(*servers.of("served").processes, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert ended.returncode == -signal.SIGKILL
    assert gone(int(ended.stdout))


def test_a_model_that_cannot_be_written_is_the_launchs_failure(tmp_path: Path) -> None:
    wrong = Failure(kind=FailureKind.BUILD_FAILED, message="no such model")
    assert Servers(tmp_path, lambda *_: wrong, lambda *_: None).ready(card(), "m1") is wrong


def test_whether_a_server_could_be_started() -> None:
    assert available(card()).available
    absent = available(card(command=("/not/there", "{port}")))
    assert absent.reason == "the server's command is not there: /not/there (serve.command)"
    assert available(card(command=("{python}", "{port}"))).available


def test_placeholders_are_filled_at_every_depth() -> None:
    names = {"port": "8000", "model": "m"}
    assert filled({"a": ["{port}", {"b": "x{model}{other}"}], "c": 3}, names) == {
        "a": ["8000", {"b": "xm{other}"}],
        "c": 3,
    }
