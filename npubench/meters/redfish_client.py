"""One Redfish service over HTTP(S): a session, GET of JSON documents, and errors that say what to do.

Guarantees: certificates and host names are always verified (plain HTTP only to this machine itself), a redirect is
never followed, every call ends within its time limit, a refused login is not tried again for a minute (accounts are
locked by less), and neither the credentials nor the session's token are in any message, whatever the service answers.
Sessions as in DMTF DSP0266 (Redfish Specification), Sessions.

Not aware of: what the documents mean (`redfish`).
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import re
import ssl
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

USER, PASSWORD = "NPUBENCH_REDFISH_USER", "NPUBENCH_REDFISH_PASSWORD"
SESSIONS = "/redfish/v1/SessionService/Sessions"
_LOOKED_AT = 4096  # bytes of an answer that is quoted: secrets are taken out before it is cut
_SHORT = 3  # a user name that short stands in any text
_PAUSE_S = 60.0
_MOST_BYTES = 4 << 20  # the largest Power document seen has 100 kB


class RedfishError(Exception):
    """The service did not give what was asked for; the text can be shown to anyone. `status`: of its answer."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class Credentials:
    """User and password; neither is in its repr."""

    def __init__(self, user: str, password: str) -> None:
        self.user, self.password = user, password

    def __repr__(self) -> str:
        return "Credentials(…)"


def credentials(path: Path | None) -> Credentials:
    """From the file at `path` (TOML: user, password), else from the environment.

    Raises RedfishError for what is missing, and for a file that others may read.
    """
    if path is None:
        user, password = os.environ.get(USER), os.environ.get(PASSWORD)
        if not user or not password:
            lacking = " and ".join(name for name, value in ((USER, user), (PASSWORD, password)) if not value)
            raise RedfishError(f"{lacking} not set: give them, or a file of user and password as option credentials")
        return Credentials(user, password)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise RedfishError(f"{path}: not a file")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise RedfishError(f"{path}: others may read it (mode {stat.S_IMODE(mode):o}); chmod 600 {path}")
        found = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise RedfishError(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Not what the parser says: it may quote the line.
        raise RedfishError(f'{path}: not TOML; expected user = "…" and password = "…"') from None
    user, password = found.get("user"), found.get("password")
    if not isinstance(user, str) or not isinstance(password, str) or not user or not password:
        raise RedfishError(f'{path}: expected user = "…" and password = "…"')
    return Credentials(user, password)


class Address:
    """Where the service is. Raises ValueError that names what was found, without what may be a password in it."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("url: not an address; expected https://HOST") from None
        if parts.username is not None or parts.password is not None:
            raise ValueError("url: holds a user or a password; those go into the file that credentials names")
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError(f'url: found "{url}"; expected https://HOST or https://HOST:PORT')
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError(f'url: found "{url}"; expected the host alone, without a path')
        self.host, self.secure = parts.hostname, parts.scheme == "https"
        self.port = port or (443 if self.secure else 80)
        if not self.secure and not _loopback(self.host):
            raise ValueError(f"url: http would send the password in the clear; expected https://{self.host}")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def is_path(text: str) -> bool:
    """Whether a link stays within the service."""
    return bool(re.fullmatch(r"/redfish/[\w./:%~()'=-]+", text, re.ASCII))


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Client:
    """A session with one service. Not for several threads."""

    def __init__(self, address: Address, ca: Path | None, secret: Credentials, timeout_s: float) -> None:
        self._address, self._secret, self._timeout_s = address, secret, timeout_s
        self._context: ssl.SSLContext | None = None
        if address.secure:
            try:
                # Host name and certificate are checked: create_default_context's defaults, and never lowered.
                self._context = ssl.create_default_context(cafile=str(ca) if ca is not None else None)
            except (OSError, ssl.SSLError) as error:
                raise RedfishError(f"{ca}: not a readable PEM file of certificates ({error})") from None
        self._connection: http.client.HTTPConnection | None = None
        self._token = ""
        self._session = ""
        self._secrets = {secret.password, *([secret.user] if len(secret.user) > _SHORT else [])}
        self._refused: tuple[float, RedfishError] | None = None

    def get(self, path: str) -> Mapping[str, Any]:
        """The JSON document at `path`. Logs in when that is needed, and once more on 401. Raises RedfishError."""
        if not self._token:
            self._login()
        status, body, headers = self._call("GET", path)
        if status == 401:
            self._token = self._session = ""
            self._login()
            status, body, headers = self._call("GET", path)
        return self._document("GET", path, status, body, headers)

    def close(self) -> None:
        """Ends the session; what fails is left to the service's own timeout."""
        if self._token and self._session:
            with suppress(RedfishError):
                self._call("DELETE", self._session)
        self._token = self._session = ""
        self._drop()

    def _login(self) -> None:
        if self._refused is not None and time.monotonic() < self._refused[0]:
            raise self._refused[1]
        body = json.dumps({"UserName": self._secret.user, "Password": self._secret.password})
        status, answer, headers = self._call("POST", SESSIONS, body)
        if status in (401, 403):
            error = self._error(f"refused the login ({status}): are user and password right?", status)
            self._refused = (time.monotonic() + _PAUSE_S, error)
            raise error
        found = self._document("POST", SESSIONS, status, answer, headers)
        token = headers.get("x-auth-token", "")
        if not token:
            raise self._error("gave no X-Auth-Token for the login, so it is not a Redfish service as in DSP0266")
        self._token = token
        self._secrets.add(token)
        place = urlsplit(headers.get("location") or str(found.get("@odata.id") or "")).path
        # Only a path of this service: wherever else it points, nothing is sent there.
        self._session = place if is_path(place) else ""

    def _document(
        self, method: str, path: str, status: int, body: bytes, headers: Mapping[str, str]
    ) -> Mapping[str, Any]:
        if 300 <= status < 400:
            to = urlsplit(headers.get("location", ""))
            where = f"another host, {to.hostname}" if to.hostname not in (None, self._address.host) else to.path
            raise self._error(f"{path}: redirected ({status}) to {where}; redirects are not followed")
        if not 200 <= status < 300:
            raise self._error(f"{path}: HTTP {status} {http.client.responses.get(status, '')}".rstrip(), status)
        if status == 204 or (method == "POST" and not body.strip()):
            return {}
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            start = self.clean(body[:_LOOKED_AT].decode("utf-8", "replace"))[:40].strip()
            raise self._error(f'{path}: not JSON but "{start}"') from None
        if not isinstance(found, dict):
            raise self._error(f"{path}: JSON, but no object")
        return found

    def _call(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes, Mapping[str, str]]:
        """One exchange. A connection that the service closed in between is opened again once."""
        for again in (True, False):
            fresh = self._connection is None
            try:
                return self._exchange(method, path, body)
            except ssl.SSLCertVerificationError as error:
                self._drop()
                said = error.verify_message or str(error)
                raise self._error(f"its certificate is not trusted: {said}; name its CA with option ca") from None
            except (http.client.HTTPException, OSError) as error:
                self._drop()
                closed = isinstance(error, ConnectionError)
                if again and closed and not fresh and method != "POST":
                    continue
                raise self._error(self._said(error)) from None
        raise AssertionError  # the second turn returns or raises

    def _said(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"no answer within {self._timeout_s:g} s"
        if isinstance(error, OSError) and error.strerror:
            return f"no connection: {error.strerror}"
        return f"no HTTP: {type(error).__name__}"

    def _exchange(self, method: str, path: str, body: str | None) -> tuple[int, bytes, Mapping[str, str]]:
        deadline = time.monotonic() + self._timeout_s
        if self._connection is None:
            host, port = self._address.host, self._address.port
            self._connection = (
                http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=self._context)
                if self._context is not None
                else http.client.HTTPConnection(host, port, timeout=self._timeout_s)
            )
        sent = {"Accept": "application/json", "OData-Version": "4.0", "Connection": "keep-alive"}
        if body is not None:
            sent["Content-Type"] = "application/json"
        if self._token:
            sent["X-Auth-Token"] = self._token
        self._connection.request(method, path, body=body, headers=sent)
        response = self._connection.getresponse()
        pieces: list[bytes] = []
        while piece := response.read1(65536):
            pieces.append(piece)
            if sum(map(len, pieces)) > _MOST_BYTES:
                raise http.client.HTTPException("too long")
            if time.monotonic() > deadline:
                raise TimeoutError
        # All of it was read; read1 leaves it to us to say so.
        response.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close:
            self._drop()
        return response.status, b"".join(pieces), headers

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                connection.close()

    def clean(self, text: str) -> str:
        """`text` without control characters and without a secret that the service may have sent back."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "…")
        return "".join(sign if sign.isprintable() else " " for sign in text)

    def _error(self, text: str, status: int | None = None) -> RedfishError:
        return RedfishError(f"{self._address}: {self.clean(text)}", status)
