"""Whether an OpenAI-compatible server is ready to answer, and if not, why: /health, with fallbacks.

`look` asks once: `/health`; where a server has none, `/v1/models`; where that does not work either (transformers gives
500 there without a cache folder), a completion of one token. `wait` asks until it is ready, cannot become so, or the
time is over. Guarantees: a refused key, a redirect and a model that is not served end the waiting at once, because
waiting does not help; redirects are named and never followed; what a server says is shortened.

Sources: GET /health in vLLM, furiosa-llm, transformers serve and llama.cpp (503 while it loads).
Not aware of: sockets, keys, who started the server.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import NamedTuple

HEALTH, MODELS, COMPLETIONS = "/health", "/v1/models", "/v1/completions"

# Not there, not for GET, not implemented: such a server has no /health. 400: one that takes the path for a model's.
_ABSENT = (400, 404, 405, 501)
_KEY = (401, 403)
_QUOTED = 200
# A server that comes up is seen soon enough, and asking costs it nothing.
_PAUSE_S = 0.25


class Told(NamedTuple):
    """What a server answered. `location`: where it redirects to."""

    status: int
    body: bytes = b""
    location: str = ""


Ask = Callable[[str, "bytes | None"], Told]
"""Asks for a path of the server (GET; POST of JSON where there is a body). Raises OSError where nobody answers."""


class Answer(NamedTuple):
    """`by`: the path that showed it. `final`: waiting does not help."""

    ready: bool
    by: str
    reason: str = ""
    final: bool = False


class Waited(NamedTuple):
    """The last answer, after so many seconds."""

    answer: Answer
    seconds: float


def look(ask: Ask, model: str = "", *, listed: bool = True) -> Answer:
    """Asks once. `model`: the name under which the server should serve one; "" does not matter.

    `listed`: a list of models without it ends the waiting.
    """
    try:
        told = ask(HEALTH, None)
        if 200 <= told.status < 300:
            return Answer(True, HEALTH)
        if (no := _hopeless(HEALTH, told)) is not None:
            return no
        if told.status not in _ABSENT:
            return Answer(False, HEALTH, f"{HEALTH}: {_said(told)}")
        told = ask(MODELS, None)
        if (no := _hopeless(MODELS, told)) is not None:
            return no
        if 200 <= told.status < 300:
            names = served(told.body) if listed else []
            if model and names and model not in names:
                shown = ", ".join(names[:5])[:_QUOTED]
                return Answer(False, MODELS, f"{MODELS}: serves {shown}, not {model}", final=True)
            return Answer(True, MODELS)
        if told.status == 503:
            return Answer(False, MODELS, f"{MODELS}: {_said(told)}")
        body = {"model": model, "prompt": "1", "max_tokens": 1, "temperature": 0}
        told = ask(COMPLETIONS, json.dumps(body).encode())
    except OSError as error:
        return Answer(False, HEALTH, f"nobody answers: {error.strerror or error or type(error).__name__}")
    if (no := _hopeless(COMPLETIONS, told)) is not None:
        return no
    if told.status == 200:
        return Answer(True, COMPLETIONS)
    return Answer(False, COMPLETIONS, f"no {HEALTH}, {MODELS} does not work, and {COMPLETIONS}: {_said(told)}")


def wait(
    ask: Ask,
    model: str,
    most_s: float,
    over: Callable[[], str | None] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Waited:
    """Asks until the server is ready, at most `most_s` seconds (0: once). `over` says why there is nothing to wait for.

    The reason of an answer that is not ready names what the server said last.
    """
    started = clock()
    while True:
        if (why := over()) is not None:
            return Waited(Answer(False, "", why, final=True), clock() - started)
        answer = look(ask, model)
        seconds = clock() - started
        if answer.ready or answer.final:
            return Waited(answer, seconds)
        if seconds >= most_s:
            if most_s:
                answer = answer._replace(reason=f"not ready after {seconds:.0f} s: {answer.reason}")
            return Waited(answer, seconds)
        sleep(_PAUSE_S)


def _hopeless(path: str, told: Told) -> Answer | None:
    if told.status in _KEY:
        return Answer(False, path, f"{path}: the server refuses the API key (HTTP {told.status})", final=True)
    if 300 <= told.status < 400:
        where = told.location.partition("?")[0][:_QUOTED]
        reason = f"{path}: redirects to {where or 'somewhere else'}, which is not followed"
        return Answer(False, path, reason, final=True)
    return None


def _said(told: Told) -> str:
    text = " ".join(told.body.decode("utf-8", "replace").split())
    return f"HTTP {told.status}" + (f" ({text[:_QUOTED]})" if text else "")


def served(body: bytes) -> list[str]:
    """The ids in a list of models; none where it is something else."""
    try:
        found = json.loads(body)
        return [str(item["id"]) for item in found["data"]]
    except (ValueError, LookupError, TypeError):
        return []
