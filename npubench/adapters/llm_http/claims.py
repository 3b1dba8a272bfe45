"""Whether a server is ready, and what it says of itself: version, models, device. All of it is a claim.

`/version` is flat in vLLM ({"version": …}) and nested in furiosa-llm (runtime, npu-ir); any keys are taken, as texts,
cleaned and shortened. Guarantees: a server without these routes is no error; nothing but ready or not decides anything.

Not aware of: evidence (`engine.served`), who started the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from npubench import readiness, statuses
from npubench.adapters.llm_http.options import Endpoint
from npubench.adapters.llm_http.plain import call
from npubench.adapters.llm_http.requests import Requests
from npubench.adapters.llm_http.sse import complaint
from npubench.lang import here
from npubench.spi import RequestError

_ASK_S = 10.0
_MOST = 24
_LONGEST = 120
# How many models are named where another one was wanted.
_NAMED = 5
_KEY = (401, 403)
# No answer, which says nothing of a server.
_QUIET = (statuses.SILENT, statuses.UNREACHABLE, statuses.BROKEN, statuses.CLOSED)


class Claims(NamedTuple):
    """`versions`: component → version; `detail`: what else the server says of itself (device, length)."""

    versions: dict[str, str]
    detail: dict[str, str]


class Look(NamedTuple):
    """Whether a server takes what it will be asked; if not, why, and what to do ("": nobody knows)."""

    ready: bool
    reason: str = ""
    fix: str = ""


def look(where: Endpoint, variable: str = "") -> Look:
    """Whether it is ready now, with this key and for this model. `variable`: which one holds the key.

    Many servers guard /health with no key and have one for every model, so a list that refuses the key, or does not
    have the model, is looked at as well. It is no proof: some list what they have loaded and load what is asked for,
    and a key may be for requests alone. What then counts is the answer to one token.
    """
    refused = False

    def ask(path: str, body: bytes | None) -> readiness.Told:
        nonlocal refused
        try:
            said = call(where, path, None if body is None else msgspec.Raw(body), timeout_s=_ASK_S)
        except RequestError as error:
            # A certificate that is not accepted and the like do not change by waiting, and say so themselves.
            raise OSError(str(error)) from None
        refused = said.status in _KEY
        text = where.without_key(said.body.decode("utf-8", "replace"))
        return readiness.Told(said.status, text.encode(), where.without_key(said.location))

    answer = readiness.look(ask, where.model, listed=False)
    if not answer.ready:
        return Look(False, answer.reason, _key_fix(variable) if refused else "")
    status, names = _models(where)
    if status not in _KEY and (not names or where.model in names):
        return Look(True)
    status, why = _one_token(where)
    if status in _KEY:
        return Look(
            False,
            here(f"the server refuses the API key (HTTP {status})", f"서버가 API 키를 거부합니다(HTTP {status})"),
            _key_fix(variable),
        )
    if names and (status == 404 or (status == 400 and "model" in why.lower())):
        shown = where.clean(", ".join(names[:_NAMED]))
        return Look(
            False,
            here(
                f"it serves {shown}, not {where.model} (HTTP {status})",
                f"제공하는 모델은 {shown}이며 {where.model}은(는) 없습니다(HTTP {status})",
            ),
            f"--served-model {where.clean(names[0])}",
        )
    return Look(True)


def _key_fix(variable: str) -> str:
    return f"export {variable}=…" if variable else "--api-key-env VARIABLE"


def _models(where: Endpoint) -> tuple[int, list[str]]:
    """How it answers when it is asked for its models, and their names; 0 where it does not answer."""
    try:
        said = call(where, readiness.MODELS, timeout_s=_ASK_S)
    except RequestError as error:
        if error.status not in _QUIET:
            raise
        return 0, []
    return said.status, readiness.served(said.body) if said.status == 200 else []


def _one_token(where: Endpoint) -> tuple[int, str]:
    """How it answers a request of one token, and what it says; 0 where it does not: it may be loading the model."""
    requests = Requests(where)
    body = {name: value for name, value in requests.body("1", 1).items() if name not in ("stream", "stream_options")}
    try:
        said = call(where, requests.path.removeprefix(where.address.prefix), body, timeout_s=_ASK_S)
    except RequestError as error:
        if error.status not in _QUIET:
            raise
        return 0, ""
    return said.status, complaint(said.body)


def read(where: Endpoint) -> Claims:
    """What the server says of itself; empty where it says nothing."""
    clean = where.clean
    versions = dict(_flat(_json(where, "/version"), where.without_key))
    detail: dict[str, str] = {}
    models = _json(where, "/v1/models")
    listed = models.get("data") if isinstance(models, Mapping) else None
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, Mapping) and item.get("id") == where.model:
            detail.update(
                {name: text for name, text in _flat(item, where.without_key) if name in ("max_model_len", "owned_by")}
            )
    for name in [name for name in versions if name.rpartition(".")[2] in ("device", "npu", "platform")]:
        detail[name] = versions.pop(name)
    return Claims(
        {clean(name): clean(text) for name, text in versions.items()},
        {clean(name): clean(text) for name, text in detail.items()},
    )


def _json(where: Endpoint, path: str) -> Any:
    try:
        said = call(where, path, timeout_s=_ASK_S)
    except RequestError as error:
        if error.status not in _QUIET:
            raise
        return None
    return said.json() if said.status == 200 else None


def _flat(value: Any, clean: Callable[[str], str], name: str = "", most: int = _MOST) -> Iterator[tuple[str, str]]:
    """The texts and numbers of nested objects, by dotted names, at most `_MOST`; `clean` before they are shortened."""
    if isinstance(value, Mapping):
        items = list(value.items())[:most]
        pairs = [pair for key, item in items for pair in _flat(item, clean, f"{name}.{key}".lstrip("."))]
        yield from pairs[:most]
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool) and name:
        # A key that is cut in two is no longer found.
        yield clean(name)[:_LONGEST], clean(str(value))[:_LONGEST]
