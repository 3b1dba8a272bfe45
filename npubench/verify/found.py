"""What a verification found: every mismatch by file and JSON path, and how much was checked. Pure.

A number agrees when it is the same, or differs by less than one part in 10⁹: another processor or another version of
numpy may round the last digit of a mean differently. Texts and structure must be the same.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec

from npubench.errors import NotComparableError
from npubench.lang import Text

TOLERANCE = 1e-9
# Of a long text or list this much is shown.
SHOWN = 200
MISSING = "(nothing)"

Kind = Literal["run", "pack", "report"]


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it should be. `path` is the JSON path within `file`; empty: the file as such.

    `found` is what the file says, `expected` what follows from the evidence, as JSON text where they are values.
    """

    file: str
    path: str = ""
    found: str
    expected: str
    why: Text | None = None


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """The result for one run, pack or report.

    `numbers` and `files` count what was checked, `samples` and `readings` the measured requests and the
    power readings that it was checked by. `stated`:
    facts that only the device or the machine could know, which no evidence here can recompute. `remarks`: what a reader
    must know about how far this verification reaches. `refused`: why nothing could be checked at all (no run, a newer
    format, an archive that is no pack).
    """

    schema: Literal["npubench.verify/1"] = "npubench.verify/1"
    of: str
    kind: Kind
    run: str = ""
    npubench: str = ""
    verified_by: str
    refused: str | None = None
    sealed: bool | None = None
    numbers: int = 0
    samples: int = 0
    readings: int = 0
    files: int = 0
    mismatches: tuple[Mismatch, ...] = ()
    stated: tuple[Text, ...] = ()
    remarks: tuple[Text, ...] = ()


class Tally:
    """What was checked so far. Lives for one verification."""

    def __init__(self) -> None:
        self.numbers = 0
        self.samples = 0
        self.readings = 0
        self.files: set[str] = set()
        self.mismatches: list[Mismatch] = []
        self._seen: set[tuple[str, str, str, str]] = set()
        self.remarks: list[Text] = []
        self.stated: dict[str, Text] = {}

    def wrong(self, file: str, path: str, found: Any, expected: Any, why: Text | None = None) -> None:
        """Names a mismatch, once: the first of several reasons stands."""
        item = Mismatch(file=file, path=path, found=shown(found), expected=shown(expected), why=why)
        key = (file, path, item.found, item.expected)
        if key not in self._seen:
            self._seen.add(key)
            self.mismatches.append(item)

    def remark(self, text: Text) -> None:
        if text not in self.remarks:
            self.remarks.append(text)

    def state(self, text: Text) -> None:
        """A fact that is stated and cannot be recomputed."""
        self.stated[text.en] = text

    def same(
        self,
        file: str,
        path: str,
        found: Any,
        expected: Any,
        *,
        skip: Collection[str] = (),
        why: Text | None = None,
        counted: bool = True,
    ) -> None:
        """Names every place where the two values differ; `skip` are JSON paths that may. Structs are taken as JSON."""
        self._same(file, path, msgspec.to_builtins(found), msgspec.to_builtins(expected), skip, why, counted)

    def _same(
        self, file: str, path: str, found: Any, expected: Any, skip: Collection[str], why: Text | None, counted: bool
    ) -> None:
        if path in skip:
            return
        if isinstance(found, dict) and isinstance(expected, dict):
            for key in [*expected, *(key for key in found if key not in expected)]:
                at = f"{path}.{key}" if path else str(key)
                if key in found and key in expected:
                    self._same(file, at, found[key], expected[key], skip, why, counted)
                elif at not in skip:
                    self.wrong(file, at, found.get(key, MISSING), expected.get(key, MISSING), why)
            return
        if isinstance(found, list | tuple) and isinstance(expected, list | tuple):
            for index, (left, right) in enumerate(zip(found, expected, strict=False)):
                self._same(file, f"{path}[{index}]", left, right, skip, why, counted)
            for index in range(min(len(found), len(expected)), max(len(found), len(expected))):
                left = found[index] if index < len(found) else MISSING
                right = expected[index] if index < len(expected) else MISSING
                self.wrong(file, f"{path}[{index}]", left, right, why)
            return
        if is_number(found) or is_number(expected):
            self.numbers += counted
            if not (is_number(found) and is_number(expected) and agree(found, expected)):
                self.wrong(file, path, found, expected, why)
            return
        if found != expected:
            self.wrong(file, path, found, expected, why)


@contextmanager
def legible(of: str) -> Iterator[None]:
    """Around what reads files that anybody may have made.

    Raises NotComparableError where one cannot be read: a name that the system does not take, no permission, a document
    nested deeper than can be followed.
    """
    try:
        yield
    except RecursionError as error:
        raise NotComparableError(f"{of}: a document in it is nested deeper than any of npubench") from error
    except OSError as error:
        raise NotComparableError(f"{of}: cannot be read: {error}") from error


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def agree(found: float, expected: float) -> bool:
    """Two numbers are the same but for rounding. Integers must be equal."""
    if isinstance(found, int) and isinstance(expected, int):
        return found == expected
    return found == expected or math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=0.0)


def shown(value: Any) -> str:
    """A value as text for people: JSON, cut where it is long."""
    text = value if isinstance(value, str) else msgspec.json.encode(msgspec.to_builtins(value)).decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} … (+{len(text) - SHOWN:,})"
