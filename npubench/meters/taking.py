"""How a meter takes one value and says what is wrong with it: what kernel files, bindings and tools share.

A status is one of few words per channel, never the wrong value itself: statuses are kept once per run, not per reading.

Not aware of: which sources there are, joules.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from npubench.spi import Channel, Reading

OK = "ok"
_NUMBER = re.compile(rb"-?[0-9]+")
# A value of sysfs is one number and a line end; more than this is something else.
_MOST_BYTES = 64


class SensorError(Exception):
    """What a reading's status says in place of a value."""


class DeniedError(SensorError):
    """A source that this user may not read."""


def whole(path: Path) -> int:
    """The integer that a kernel file holds. Raises SensorError, which names the file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(descriptor, _MOST_BYTES).strip()
        finally:
            os.close(descriptor)
    except PermissionError as error:
        raise DeniedError(f"{path.name}: {error.strerror}") from error
    except OSError as error:
        raise SensorError(f"{path.name}: {error.strerror}") from error
    if _NUMBER.fullmatch(text) is None:
        raise SensorError(f"{path.name} holds no number")
    return int(text)


def maybe(path: Path) -> int | None:
    """As `whole`; None where there is no number, or none that this user may read."""
    try:
        return whole(path)
    except SensorError:
        return None


def text(path: Path) -> str:
    """What a kernel file says, "" where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n\t")
    except OSError:
        return ""


def listed(folder: Path) -> tuple[str, ...]:
    """The names in a folder in order, none where it cannot be read."""
    try:
        return tuple(sorted(os.listdir(folder)))
    except OSError:
        return ()


def pci_ids(folder: Path) -> tuple[int, int, int] | None:
    """Vendor, device and class code in a PCI function's folder; None where it is no such folder."""
    try:
        vendor, device, code = (int(text(folder / name), 16) for name in ("vendor", "device", "class"))
    except ValueError:
        return None
    return vendor, device, code


def judged(channel: Channel, value: object, before_ns: int, after_ns: int) -> Reading:
    """A reading of `channel`: what is no number, not finite or negative where nothing can be, is a fault."""
    status, number = OK, None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        status = "the source gave no number"
    elif not math.isfinite(value):
        status = "the source gave no finite number"
    elif value < 0 and channel.quantity != "temperature":
        status = f"the source gave a negative {channel.quantity}"
    else:
        number = float(value)
    return Reading(channel=channel.name, value=number, before_ns=before_ns, after_ns=after_ns, status=status)


def taken(channel: Channel, get: Callable[[], object]) -> Reading:
    """One reading: `get` is called between two looks at the clock. Whatever it raises becomes the status."""
    before = time.perf_counter_ns()
    try:
        value = get()
    except Exception as error:  # vendors' bindings raise what they like
        after = time.perf_counter_ns()
        return fault(channel, said(error), before, after)
    return judged(channel, value, before, time.perf_counter_ns())


def fault(channel: Channel, status: str, before_ns: int, after_ns: int) -> Reading:
    """A reading that has no value, and why."""
    return Reading(channel=channel.name, value=None, before_ns=before_ns, after_ns=after_ns, status=status)


def said(error: BaseException) -> str:
    """An exception in one line of at most 200 characters."""
    if isinstance(error, SensorError):
        return str(error)[:200]
    try:
        words = " ".join(str(error).split())
    except Exception:  # mbltml's errors cannot be printed when their code is a new one
        words = ""
    return f"{type(error).__name__}: {words}"[:200] if words else type(error).__name__
