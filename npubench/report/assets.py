"""What every page is drawn with: templates with autoescape, style sheets and scripts, and the content policy for them.

Not aware of: what a page shows.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from npubench.discovery import cache_root
from npubench.lang import Text

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

FOLDER = Path(__file__).resolve().parent / "templates"


# Words joined by hyphens with a digit in them, at most 24 characters long.
_NAME = re.compile(
    r"(?<![\w.-])((?=[A-Za-z.-]*\d)(?=[\w.-]{1,24}(?![\w.-]))[A-Za-z0-9.]+(?:-[A-Za-z0-9.]+)+)", re.ASCII
)


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


@cache
def asset(name: str) -> str:
    """A style sheet or script. It stands between tags, where its closing tag must not occur."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    if "</" in text:
        raise ValueError(f"{name}: must not contain a closing tag")
    return text


def policy(style: str, script: str) -> str:
    """The page's content security policy."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def whole(text: str) -> Markup:
    """Names such as `GX-9` and `node-2` are not broken at their hyphens; everything else is escaped as it stands."""
    from markupsafe import Markup

    if "-" not in text:
        return Markup.escape(text)
    # Odd pieces are the names. A page is wider than they are even on a phone.
    return Markup("").join(
        Markup('<span class="whole">{}</span>').format(part) if index % 2 else part
        for index, part in enumerate(_NAME.split(text))
    )


def prose(text: str) -> Markup:
    """Our sentences name commands between backticks; everything else is escaped as it stands, names in one piece."""
    from markupsafe import Markup

    parts = text.split("`")
    if len(parts) % 2 == 0:
        return whole(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else whole(part) for index, part in enumerate(parts)
    )


def environment() -> Environment:
    """Where templates are found, with what our macros need."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from npubench.report import compiled

    found = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shaping = found.autoescape, found.trim_blocks, found.lstrip_blocks
    found.bytecode_cache = compiled.kept(cache_root() / "templates", shaping)
    found.filters["prose"] = prose
    found.filters["whole"] = whole
    found.globals["is_text"] = lambda value: isinstance(value, Text)
    return found
