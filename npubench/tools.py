"""Vendors' command-line tools: called with a time limit, and the ways in which they write quantities and addresses."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

import msgspec

_UNITS = {
    "GiB": 1 << 30,
    "MiB": 1 << 20,
    "KiB": 1 << 10,
    "B": 1,
    "W": 1,
    "mW": 1e-3,
    "uW": 1e-6,
    "µW": 1e-6,
    "MHz": 1,
    "C": 1,
    "°C": 1,
    "us": 1,
}


class Silent(msgspec.Struct, frozen=True):
    """A tool said nothing that can be used, and why."""

    reason: str


def output(command: Sequence[str], timeout_s: float) -> str | Silent:
    """What the tool prints when it ends well. A hung device hangs its tool, so it is given up after `timeout_s`."""
    tool = command[0]
    if shutil.which(tool) is None:
        return Silent(f"{tool} is not installed")
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout_s, stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        return Silent(f"{tool} gave no answer within {timeout_s:g} s")
    except OSError as error:
        return Silent(f"{tool}: {error.strerror}")
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        lines = (text + done.stderr.decode("utf-8", "replace")).strip().splitlines()
        return Silent(f"{tool} ended with code {done.returncode}: {lines[-1][:200] if lines else 'no message'}")
    return text


def quantity(text: object) -> float | None:
    """`95.00 W` or `18810987uW` in the unit's base (bytes, W, MHz, °C, µs); None for all else, bare numbers too."""
    found = re.fullmatch(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*([A-Za-z°µ]+)\s*", text) if isinstance(text, str) else None
    return float(found[1]) * _UNITS[found[2]] if found and found[2] in _UNITS else None


def address(text: str) -> str:
    """A PCI address (`00000000:01:00.0`, `01:00.0`) as sysfs writes it: `0000:01:00.0`, lower case."""
    found = re.fullmatch(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", text.strip().lower())
    return f"{(found[1] or '0000')[-4:]}:{found[2]}" if found else text.strip().lower()


def printable(name: str) -> str:
    """A program's own name, fit for a terminal: processes choose their names."""
    return "".join(char if char.isprintable() else "?" for char in name)[:64]


def program(name: str) -> str:
    """The program of a process name that may be a whole command line: arguments hold secrets."""
    return printable((name.split() or ["?"])[0].rpartition("/")[2]) or "?"
