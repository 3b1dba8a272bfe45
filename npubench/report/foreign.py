"""Text that others wrote (models, machines, drivers, error messages), made safe to lay out.

Guarantees of `clean`: no control character but line feed and tab, no terminal escape sequence, no bidirectional
override that could make a line read differently from its bytes, no lone surrogate (which cannot be written as UTF-8),
and a bounded length. Escaping for HTML is not its business (`html`, by autoescape).
"""

from __future__ import annotations

import re

NAME_LIMIT = 120
MESSAGE_LIMIT = 1_200
LINE_LIMIT = 400

# CSI, OSC and two-byte escapes of ECMA-48, 7 and 8 bit.
_TERMINAL = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]?")
# Explicit embeddings, overrides, isolates and marks (Unicode UAX #9), line and paragraph separators, byte order mark.
_INVISIBLE = re.compile("[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(text: object, limit: int = NAME_LIMIT) -> str:
    """`text` fit to be shown, at most about `limit` characters; what was left out is said."""
    found = str(text)
    left_out = len(found) - limit
    # Cut first: a driver may print megabytes, and the expressions below need not read them.
    found = _TERMINAL.sub("", found[:limit]).replace("\r\n", "\n").replace("\r", "\n")
    found = _INVISIBLE.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", found)
    found = _CONTROL.sub("�", found)
    return f"{found} … (+{left_out:,})" if left_out > 0 else found


def clean_lines(lines: tuple[str, ...], most: int = 20) -> tuple[str, ...]:
    """The last `most` lines of a process's output, each cleaned."""
    return tuple(clean(line.rstrip("\n"), LINE_LIMIT) for line in lines[-most:])
