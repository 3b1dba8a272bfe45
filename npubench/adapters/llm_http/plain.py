"""Single GET and POST requests to an endpoint, one connection each, for what is asked before and after measuring.

Guarantees: as `client`: no redirect is followed, no proxy is used, certificates are verified, the key is in no message.
Not aware of: which paths there are (`ready`, `adapter`), streams.
"""

from __future__ import annotations

import http.client
import ssl
from typing import Any, NamedTuple

import msgspec

from npubench import __version__, statuses
from npubench.adapters.llm_http.options import Endpoint
from npubench.spi import RequestError

MOST_BYTES = 4 << 20


class Said(NamedTuple):
    """An answer: status, content type, the body's first `MOST_BYTES`, and where it redirects to."""

    status: int
    kind: str
    body: bytes
    location: str = ""

    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None


def call(endpoint: Endpoint, path: str, body: Any = None, timeout_s: float | None = None) -> Said:
    """GET `path` (below the address' prefix), or POST of `body` as JSON. Raises RequestError where none comes."""
    where = endpoint.address
    seconds = endpoint.timeout_s if timeout_s is None else timeout_s
    headers = {"User-Agent": f"npubench/{__version__}", "Accept": "application/json"}
    if endpoint.key is not None:
        headers["Authorization"] = f"Bearer {endpoint.key.text}"
    data = None if body is None else msgspec.json.encode(body)
    if data is not None:
        headers["Content-Type"] = "application/json"
    connection = (
        http.client.HTTPSConnection(where.host, where.port, timeout=seconds, context=ssl.create_default_context())
        if where.secure
        else http.client.HTTPConnection(where.host, where.port, timeout=seconds)
    )
    try:
        connection.request("GET" if data is None else "POST", where.prefix + path, body=data, headers=headers)
        answer = connection.getresponse()
        location = answer.headers.get("location") or ""
        return Said(answer.status, answer.headers.get_content_type(), answer.read(MOST_BYTES), location)
    except ssl.SSLError as error:
        why = getattr(error, "verify_message", "") or error.reason or "TLS failed"
        raise RequestError(f"{where.url}: {why}", statuses.INSECURE) from None
    except TimeoutError:
        raise RequestError(f"{where.url}{path}: no answer within {seconds:g} s", statuses.SILENT) from None
    except OSError as error:
        raise RequestError(f"{where.url}: {error.strerror or error}", statuses.UNREACHABLE) from None
    except http.client.HTTPException as error:
        raise RequestError(f"{where.url}{path}: not HTTP ({type(error).__name__})", statuses.BROKEN) from None
    finally:
        connection.close()
