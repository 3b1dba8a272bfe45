"""The meters file: what meters this machine has that no backend card names, and what they have to be told.

    schema = "npubench.meters/1"

    [[meters]]
    use = "redfish"
    [meters.options]
    url = "https://bmc.example"

It is machine-local, like the BMC that it names. Secrets are refused: they come from the environment or from a file of
their own. Every mistake is named with file, key, what was found and what was expected, all of them at once.

Not aware of: where the file lies and which meters there are (both are passed in), what a meter's options mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from npubench.cards import did_you_mean
from npubench.errors import CardError

SCHEMA = "npubench.meters/1"
_SECRETS = ("password", "passwd", "passphrase", "token", "secret", "apikey")
_KEYS = ("schema", "meters")
_ENTRY_KEYS = ("use", "options")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One meter of the file: the entry point's name and the options for its `configure`."""

    use: str
    options: dict[str, Any] = {}


def read(path: Path, known: tuple[str, ...]) -> tuple[Entry, ...]:
    """The entries of the file at `path`; `known` are the meters that there are. Raises CardError with all mistakes."""
    try:
        document = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise CardError([f"{path}: cannot be read: {error.strerror}"]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CardError([f"{path}: is not TOML: {error}"]) from error
    mistakes = list(_mistakes(path, document, known))
    if mistakes:
        raise CardError(mistakes, hint="docs/power.md shows a meters file")
    return tuple(Entry(use=item["use"], options=item.get("options", {})) for item in document["meters"])


def _mistakes(path: Path, document: dict[str, Any], known: tuple[str, ...]) -> Iterator[str]:
    schema = document.get("schema")
    if schema != SCHEMA:
        yield f'{path}: schema: found {_shown(schema)}; expected "{SCHEMA}"'
    yield from _unknown(path, "", document, _KEYS)
    meters = document.get("meters")
    if not isinstance(meters, list) or not meters:
        yield f"{path}: meters: found {_shown(meters)}; expected [[meters]] tables with use = …"
        return
    for index, item in enumerate(meters):
        where = f"meters[{index}]"
        if not isinstance(item, dict):
            yield f"{path}: {where}: found {_shown(item)}; expected a [[meters]] table"
            continue
        yield from _unknown(path, f"{where}.", item, _ENTRY_KEYS)
        use = item.get("use")
        if not isinstance(use, str) or use not in known:
            guess = did_you_mean(use, known) if isinstance(use, str) else ""
            yield f"{path}: {where}.use: found {_shown(use)}{guess}; known: {', '.join(sorted(known)) or 'none'}"
        options = item.get("options", {})
        if not isinstance(options, dict):
            yield f"{path}: {where}.options: found {_shown(options)}; expected a table"
        else:
            yield from _secrets(path, f"{where}.options", options)


def _unknown(path: Path, prefix: str, table: Iterable[str], keys: tuple[str, ...]) -> Iterator[str]:
    for key in table:
        if key not in keys:
            yield f"{path}: {prefix}{key}: unknown key{did_you_mean(key, keys)}; expected one of {', '.join(keys)}"


def _secrets(path: Path, where: str, options: dict[str, Any]) -> Iterator[str]:
    """A secret in this file would end in plans and backups; what was found there is not repeated."""
    for key, value in options.items():
        last = re.split(r"[-_. ]", key.lower())[-1]
        if last in _SECRETS:
            yield (
                f"{path}: {where}.{key}: is a secret, which this file must not hold; set NPUBENCH_REDFISH_USER and "
                'NPUBENCH_REDFISH_PASSWORD, or name a file that only you can read: credentials = "…"'
            )
        elif isinstance(value, dict):
            yield from _secrets(path, f"{where}.{key}", value)
        elif isinstance(value, str) and re.match(r"[a-z][a-z0-9+.-]*://[^/@\s]*:[^/@\s]*@", value, re.IGNORECASE):
            yield (
                f"{path}: {where}.{key}: has a user name and a password in its address; set NPUBENCH_REDFISH_USER and "
                "NPUBENCH_REDFISH_PASSWORD instead"
            )


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
