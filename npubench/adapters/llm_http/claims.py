"""Whether a server is ready, and what it says of itself: version, models, device. All of it is a claim.

`/version` is flat in vLLM ({"version": …}) and nested in furiosa-llm (runtime, npu-ir); any keys are taken, as texts,
cleaned and shortened. Guarantees: a server without these routes is no error; nothing but ready or not decides anything.

Not aware of: evidence (`engine.served`), who started the server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from npubench import readiness, statuses
from npubench.adapters.llm_http.options import Endpoint
from npubench.adapters.llm_http.plain import call
from npubench.spi import RequestError

_ASK_S = 10.0
_MOST = 24
_LONGEST = 120


class Claims(NamedTuple):
    """`versions`: component → version; `detail`: what else the server says of itself (device, length)."""

    versions: dict[str, str]
    detail: dict[str, str]


def look(where: Endpoint) -> readiness.Answer:
    """Whether it is ready now, and why not."""

    def ask(path: str, body: bytes | None) -> readiness.Told:
        try:
            said = call(where, path, None if body is None else msgspec.Raw(body), timeout_s=_ASK_S)
        except RequestError as error:
            # A certificate that is not accepted and the like do not change by waiting, and say so themselves.
            raise OSError(str(error)) from None
        return readiness.Told(said.status, where.clean(said.body.decode("utf-8", "replace")).encode(), said.location)

    return readiness.look(ask)


def read(where: Endpoint) -> Claims:
    """What the server says of itself; empty where it says nothing."""
    versions = dict(_flat(_json(where, "/version")))
    detail: dict[str, str] = {}
    models = _json(where, "/v1/models")
    listed = models.get("data") if isinstance(models, Mapping) else None
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, Mapping) and item.get("id") == where.model:
            detail.update({name: text for name, text in _flat(item) if name in ("max_model_len", "owned_by")})
    for name in [name for name in versions if name.rpartition(".")[2] in ("device", "npu", "platform")]:
        detail[name] = versions.pop(name)
    clean = where.clean
    return Claims(
        {clean(name): clean(text) for name, text in versions.items()},
        {clean(name): clean(text) for name, text in detail.items()},
    )


def _json(where: Endpoint, path: str) -> Any:
    try:
        said = call(where, path, timeout_s=_ASK_S)
    except RequestError as error:
        if error.status not in (statuses.SILENT, statuses.UNREACHABLE, statuses.BROKEN, statuses.CLOSED):
            raise
        return None
    return said.json() if said.status == 200 else None


def _flat(value: Any, name: str = "", most: int = _MOST) -> Iterator[tuple[str, str]]:
    """The texts and numbers of nested objects, by dotted names, at most `_MOST`."""
    if isinstance(value, Mapping):
        pairs = [pair for key, item in list(value.items())[:most] for pair in _flat(item, f"{name}.{key}".lstrip("."))]
        yield from pairs[:most]
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool) and name:
        yield name[:_LONGEST], str(value)[:_LONGEST]
