"""Finding a vendor's SDK, however it is broken: what all vendors' adapters share.

    sdk = load("rebel", "Rebellions", version=lambda m: m.__version__, within=((0, 8), (1,)), needs=("Runtime",))

Guarantees: whatever an import raises (some SDKs raise RuntimeError or SystemExit) becomes AbsentBackendError with a
reason; what the SDK prints meanwhile, from C too, is kept for that reason and passed on afterwards, so that it can
never be taken for an answer; a version outside of what the adapter was written for, and an SDK that lacks what the
adapter calls, are refused before anything is measured. A stand-in is known by its attribute `__npubench_standin__` (a
sentence that says what it is) and by nothing else: everything it computes is *simulated*.

Not aware of: any vendor.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from npubench.errors import AbsentBackendError
from npubench.spi import Availability

STAND_IN = "__npubench_standin__"
"""The attribute of a module that only looks like a vendor's SDK: what it is, in a few words."""

MOST_REASON = 300

Series = tuple[tuple[int, ...], tuple[int, ...]]
"""The first version that an adapter was written for, and the first one that it was not."""


class Sdk(NamedTuple):
    """An imported SDK. `stand_in` is empty for the real one."""

    module: Any
    name: str
    version: str
    stand_in: str

    @property
    def label(self) -> str:
        """Its version as results show it: a stand-in says so."""
        return f"{self.version or 'unknown'} (stand-in)" if self.stand_in else self.version or "unknown"

    def note(self, device: str) -> str:
        """What a certificate says of a stand-in."""
        return f"{self.name} is a stand-in ({self.stand_in}): nothing ran on a {device} device"


def load(
    name: str,
    vendor: str,
    *,
    version: Callable[[Any], object],
    within: Series,
    needs: Sequence[str] = (),
    fix: str = "",
) -> Sdk:
    """The SDK `name`, if it imports, is of a known series and has everything in `needs` (dotted names are looked up).

    Raises AbsentBackendError that says what was found, what was expected, and `fix` as its hint.
    """
    with overheard() as said:
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit) as error:
            installed = not (isinstance(error, ModuleNotFoundError) and (error.name or "") in _parts(name))
            what = "is installed and cannot be imported" if installed else "is not installed"
            reason = one_line(f"{type(error).__name__}: {error}")
            heard = f"; it says: {one_line(said())}" if said() else ""
            raise AbsentBackendError(f"{vendor}'s {name} {what}: {reason}{heard}", hint=fix or None) from error
    if missing := [need for need in needs if _attribute(module, need) is None]:
        where = getattr(module, "__file__", None) or "a folder without code"
        raise AbsentBackendError(
            f"{vendor}'s {name} is half installed: it has no {', '.join(missing)} ({os.path.basename(str(where))})",
            hint=fix or None,
        )
    text = ""
    with suppress(Exception):  # a version that cannot be told is unknown, not wrong
        text = str(version(module) or "")
    found = numbers(text)
    if found and not within[0] <= found < within[1]:
        least, below = (".".join(map(str, end)) for end in within)
        raise AbsentBackendError(
            f"{vendor}'s {name} is {text}; this adapter was written for {least} up to, not including, {below}",
            hint=fix or None,
        )
    return Sdk(module, name, text, one_line(str(getattr(module, STAND_IN, ""))))


def refused(error: Exception, versions: dict[str, str] | None = None) -> Availability:
    """The answer of a probe that failed with `error`."""
    hint = getattr(error, "hint", None)
    return Availability(
        available=False,
        reason=one_line(str(error) or type(error).__name__, 500),
        fix=hint or "",
        versions=versions or {},
    )


def numbers(version: str) -> tuple[int, ...]:
    """`2026.4.0+cpu` → (2026, 4, 0); empty for a text that does not begin with a number."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    return tuple(int(part) for part in match[1].split(".")) if match else ()


@contextmanager
def overheard() -> Iterator[Callable[[], str]]:
    """What is written to standard output meanwhile, by Python or C. Passed on afterwards: the parent keeps it.

    Yields a function that gives all of it so far. For one thread of a process at a time.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 1)

        def said() -> str:
            sys.stdout.flush()
            log.seek(0)
            text = log.read().decode("utf-8", "replace")
            log.seek(0, os.SEEK_END)
            return text

        try:
            yield said
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
            os.close(kept)
            log.seek(0)
            with suppress(OSError):
                os.write(1, log.read())


def one_line(text: str, most: int = MOST_REASON) -> str:
    """`text` in one line without control characters or terminal colours."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return " ".join("".join(char if char.isprintable() else " " for char in plain).split())[:most]


def _parts(name: str) -> set[str]:
    """`furiosa.runtime` → {furiosa, furiosa.runtime}: what is missing where the package itself is not there."""
    words = name.split(".")
    return {".".join(words[: count + 1]) for count in range(len(words))}


def _attribute(module: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        module = getattr(module, part, None)
    return module
