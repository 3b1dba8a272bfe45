"""What a backend card says of an endpoint, checked: its address, the served model, what is sent, and where the key is.

Guarantees: a mistake names its key, what was found and what was expected; the API key comes from an environment
variable that the card names, is never in a card, a repr, a message or a result, and is taken out of whatever a server
says (`Endpoint.clean`); an address with a user, a password or a query in it is refused.

Not aware of: sockets, what a request's body looks like (`requests`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from npubench.errors import AbsentBackendError, CardError
from npubench.lang import here

APIS = ("completions", "chat")
PROMPTS = ("auto", "ids", "text", "words")
TIMEOUT_S = 60.0
"""How long a server may give no token within a request; the parent takes a worker for hung after twice that."""

VARIABLE = r"[A-Z_][A-Z0-9_]*"
"""As `cards.KEY_VARIABLE`, which a worker does not load."""

_QUOTED = 300  # characters of what a server says that are shown
_KNOWN = ("url", "model", "api", "api_key_env", "extra", "prompt", "timeout_s", "serves", "claims")


class Address(NamedTuple):
    """Where a server listens. `prefix` is the path before `/v1`, without a slash at its end."""

    host: str
    port: int
    secure: bool
    prefix: str

    @property
    def authority(self) -> str:
        """The `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address without `/v1`."""
        return f"{'https' if self.secure else 'http'}://{self.authority}{self.prefix}"


class Secret:
    """An API key; it is not in its repr. `text` is for the header alone."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "Secret(…)"


class Endpoint(NamedTuple):
    """An endpoint as its card names it. `extra`: fields that are sent beside the common ones.

    `prompt`: `ids` or `text` only, `words` (ids as visible words, for a model built so: `npubench.words`), or `auto`,
    ids where the server takes them. `claims`: what the centre knows of the server (its device, say), repeated as a
    claim. `key` None: the server wants none.
    """

    address: Address
    model: str
    api: str
    key: Secret | None
    extra: dict[str, Any]
    prompt: str
    timeout_s: float
    claims: dict[str, str]

    def without_key(self, text: str) -> str:
        """What a server said, without the key that it may have echoed."""
        return text if self.key is None else text.replace(self.key.text, "…")

    def clean(self, text: str) -> str:
        """`without_key`, on one line, shortened."""
        text = re.sub(r"\s+", " ", self.without_key(text)).strip()
        return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"


def endpoint(options: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Endpoint:
    """The endpoint of a card's [options]. Raises CardError with every mistake, AbsentBackendError for a missing key."""
    mistakes = [f"options.{name}: unknown key; known: {', '.join(_KNOWN)}" for name in options if name not in _KNOWN]
    where: Address | None = None
    try:
        where = address(options.get("url"))
    except ValueError as error:
        mistakes.append(f"options.url: {error}")
    model = options.get("model")
    if not isinstance(model, str) or not model:
        mistakes.append(f"options.model: found {model!r}; expected the name under which the server serves the model")
    api, prompt = options.get("api", "completions"), options.get("prompt", "auto")
    for name, value, choices in (("api", api, APIS), ("prompt", prompt, PROMPTS)):
        if value not in choices:
            mistakes.append(f"options.{name}: found {value!r}; expected one of {', '.join(choices)}")
    if api == "chat" and prompt == "ids":
        mistakes.append("options.prompt: found 'ids' with api = 'chat'; expected text: chat takes no token ids")
    timeout_s = options.get("timeout_s", TIMEOUT_S)
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)) or not 0 < timeout_s <= TIMEOUT_S:
        mistakes.append(f"options.timeout_s: found {timeout_s!r}; expected seconds > 0 and ≤ {TIMEOUT_S:g}")
    extra, claims = options.get("extra", {}), options.get("claims", {})
    if not isinstance(extra, Mapping):
        mistakes.append(f"options.extra: found {extra!r}; expected a table of request fields")
    if not isinstance(claims, Mapping) or not all(isinstance(value, str) for value in claims.values()):
        mistakes.append(f"options.claims: found {claims!r}; expected a table of texts")
    variable = options.get("api_key_env", "")
    if not isinstance(variable, str) or (variable and not re.fullmatch(VARIABLE, variable)):
        # Not what was found: somebody may have written the key itself there.
        mistakes.append(
            "options.api_key_env: expected the name of an environment variable (capitals, digits and _), never the key "
            "itself"
        )
    if mistakes or where is None:
        raise CardError(mistakes)
    return Endpoint(
        address=where,
        model=str(model),
        api=api,
        key=_key(variable, environ),
        extra=dict(extra),
        prompt="text" if api == "chat" and prompt != "words" else prompt,
        timeout_s=float(timeout_s),
        claims=dict(claims),
    )


def address(url: Any) -> Address:
    """Where `http(s)://HOST[:PORT][/PATH][/v1]` is. Raises ValueError that never quotes what may be a password."""
    expected = "expected http://HOST:PORT or https://HOST"
    if not isinstance(url, str):
        raise ValueError(f"found {url!r}; {expected}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"not an address; {expected}") from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("holds a user, a password or a query; a key goes into the variable that api_key_env names")
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s\x00-\x1f]", url):
        raise ValueError(f'found "{url}"; {expected}')
    secure = parts.scheme == "https"
    return Address(parts.hostname, port or (443 if secure else 80), secure, re.sub(r"(/v1)?/*$", "", parts.path))


def _key(variable: str, environ: Mapping[str, str]) -> Secret | None:
    if not variable:
        return None
    text = environ.get(variable, "").strip()
    if not text:
        raise AbsentBackendError(
            here(
                f"the API key is missing: the environment variable {variable} is not set (options.api_key_env)",
                f"API 키 없음: 환경 변수 {variable}이(가) 설정되지 않았습니다(options.api_key_env)",
            ),
            hint=f"export {variable}=…",
        )
    if re.search(r"[^\x21-\x7e]", text):
        raise CardError((f"the environment variable {variable}: holds characters that no HTTP header takes",))
    return Secret(text)


def proxy_of(where: Address) -> str | None:
    """The variable of a proxy that the environment puts in front of this server; None: there is none.

    NO_PROXY counts, and so does the lack of a proxy for the scheme.
    """
    scheme = "https" if where.secure else "http"
    proxies = getproxies()
    if not (proxies.get(scheme) or proxies.get("all")) or proxy_bypass(f"{where.host}:{where.port}"):
        return None
    return f"{scheme}_proxy" if proxies.get(scheme) else "all_proxy"
