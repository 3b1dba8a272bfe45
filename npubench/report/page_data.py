"""The numbers of a page as data within the page, so that anybody can check the one against the other.

The block `<script type="application/json" id="npubench-data">` is no script: browsers run nothing in it, and a content
policy does not ask for its hash. It is ASCII, and holds no `<`: no text of others can end it. It says which run
documents the page was made from (their SHA-256), the values of every cell unrounded, and the SHA-256 of the page
without the block's content.

Not aware of: who reads it (`npubench.verify`).
"""

from __future__ import annotations

import hashlib
import json

import msgspec

from npubench import __version__

SCHEMA = "npubench.report-data/1"
ID = "npubench-data"
OPEN = f'<script type="application/json" id="{ID}">'
CLOSE = "</script>"


class ShownCell(msgspec.Struct, frozen=True, kw_only=True):
    """A cell's values as in the run document. `anchor`: its sheet's id in the page, empty where it has none.

    `summary` and `energy`: metric or channel → the cell's value; `launches`: metric → each launch's.
    """

    id: str
    anchor: str = ""
    verdict: str
    summary: dict[str, float | None] = {}
    launches: dict[str, tuple[float | None, ...]] = {}
    energy: dict[str, float | None] = {}
    efficiency: dict[str, dict[str, float | None]] = {}


class ShownRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the page. `sha256` is its run.json's; None: it was not sealed when the page was made."""

    key: str
    run: str
    machine: str
    npubench: str
    sha256: str | None = None
    cells: tuple[ShownCell, ...] = ()


class PageData(msgspec.Struct, frozen=True, kw_only=True):
    """What the block holds. `page_sha256` is over the UTF-8 bytes of the page with the block left empty.

    `redacted`: names, addresses and paths were replaced, here as well. `own_pictures`: the user's own are in the page.
    """

    schema: str = SCHEMA
    npubench: str = __version__
    page_sha256: str = ""
    redacted: bool = False
    own_pictures: bool = False
    runs: tuple[ShownRun, ...] = ()


def with_data(page: str, data: PageData) -> str:
    """`page`, whose block is empty, with its block filled."""
    data = msgspec.structs.replace(data, page_sha256=hashlib.sha256(page.encode()).hexdigest())
    text = json.dumps(msgspec.to_builtins(data), ensure_ascii=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    before, found, after = page.rpartition(f"{OPEN}{CLOSE}")
    return f"{before}{OPEN}{text}{CLOSE}{after}" if found else page


def taken_apart(page: str) -> tuple[str, str] | None:
    """(the page with its block left empty, the block's text); None where there is no such block."""
    before, found, rest = page.rpartition(OPEN)
    text, closed, after = rest.partition(CLOSE)
    return (f"{before}{OPEN}{CLOSE}{after}", text) if found and closed else None
