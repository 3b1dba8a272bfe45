"""Whether a server is ready: /health, its fallbacks, and what waiting does not help."""

from __future__ import annotations

import json

import pytest

from npubench.readiness import COMPLETIONS, HEALTH, MODELS, Told, look, wait

LIST = json.dumps({"object": "list", "data": [{"id": "mine"}]}).encode()


def server(**paths: Told | OSError):
    """An `Ask` that answers by the last part of the path."""

    def ask(path: str, body: bytes | None) -> Told:
        found = paths.get(path.rpartition("/")[2], Told(404))
        if isinstance(found, OSError):
            raise found
        return found

    return ask


@pytest.mark.parametrize(
    ("paths", "by"),
    [
        ({"health": Told(200)}, HEALTH),
        ({"models": Told(200, LIST)}, MODELS),
        ({"models": Told(500), "completions": Told(200, b"{}")}, COMPLETIONS),
        ({"health": Told(405), "models": Told(200, b"not JSON")}, MODELS),
    ],
)
def test_ready_is_shown_by_the_first_path_that_works(paths: dict[str, Told], by: str) -> None:
    answer = look(server(**paths), "mine")
    assert (answer.ready, answer.by) == (True, by)


@pytest.mark.parametrize(
    ("paths", "said", "final"),
    [
        ({"health": Told(503, b'{"detail": "loading"}')}, '/health: HTTP 503 ({"detail": "loading"})', False),
        ({"health": Told(401)}, "refuses the API key (HTTP 401)", True),
        ({"health": Told(307, b"", "http://elsewhere/login?token=x")}, "redirects to http://elsewhere/login,", True),
        ({"models": Told(200, LIST.replace(b"mine", b"other"))}, "serves other, not mine", True),
        ({"models": Told(503)}, "/v1/models: HTTP 503", False),
        ({"models": Told(500), "completions": Told(500, b"boom")}, "/v1/completions: HTTP 500 (boom)", False),
        ({"health": ConnectionRefusedError(111, "Connection refused")}, "nobody answers: Connection refused", False),
    ],
)
def test_not_ready_says_why(paths: dict[str, Told | OSError], said: str, final: bool) -> None:
    answer = look(server(**paths), "mine")
    assert not answer.ready
    assert said in answer.reason
    assert answer.final is final


class Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_waiting_ends_when_it_is_ready() -> None:
    clock = Clock()
    answers = iter([OSError("no"), Told(503), Told(200)])

    def ask(path: str, body: bytes | None) -> Told:
        found = next(answers)
        if isinstance(found, OSError):
            raise found
        return found

    waited = wait(ask, "mine", 10, clock=clock, sleep=clock.sleep)
    assert waited.answer.ready
    assert waited.seconds == 0.5


def test_waiting_ends_with_the_time_and_with_what_makes_it_useless() -> None:
    clock = Clock()
    waited = wait(server(health=Told(503, b"loading")), "", 3, clock=clock, sleep=clock.sleep)
    assert waited.answer.reason == "not ready after 3 s: /health: HTTP 503 (loading)"
    assert wait(server(health=Told(403)), "", 3, clock=clock, sleep=clock.sleep).seconds == 0
    gone = wait(server(health=Told(503)), "", 3, over=lambda: "the server ended", clock=clock, sleep=clock.sleep)
    assert gone.answer == (False, "", "the server ended", True)
