"""Starts the stand-in server as a process of its own, and ends it with the test.

`with standin(ttft_ms=50) as server:` gives its `url`, `log()`, `set(...)` and `reset()`. It dies with the test in any
case: its standard input closes with us.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("openai_server.py")


class Standin:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"

    def log(self) -> dict[str, Any]:
        """`requests` in the order in which they came, `cpu_s` of the server, `connections`, `most_running`."""
        return self._call("/_log", None)

    def asked(self, path: str = "/completions") -> list[dict[str, Any]]:
        """The logged requests whose path ends so."""
        return [one for one in self.log()["requests"] if one["path"].endswith(path)]

    def set(self, **settings: Any) -> None:
        self._call("/_set", settings)

    def reset(self) -> None:
        self._call("/_reset", {})

    def _call(self, path: str, body: Any) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(self.url + path, data), timeout=30) as reply:
            return json.loads(reply.read())


@contextmanager
def standin(*arguments: str, **settings: Any) -> Iterator[Standin]:
    """A server with these settings (`openai_says.Settings`) and command line arguments, ready to be asked."""
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments_of(settings), "--until-eof", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield Standin(process, json.loads(process.stdout.readline())["port"])
        finally:
            process.stdin.close()
            process.stdout.read()
            process.wait(10)


def arguments_of(settings: dict[str, Any]) -> Sequence[str]:
    return [part for name, value in settings.items() for part in ("--set", f"{name}={json.dumps(value)}")]
