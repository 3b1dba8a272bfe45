"""Calibration inputs on their way to a compiler's process: what all vendors' adapters share.

Guarantees: the digest depends on names, types, shapes and bytes of the inputs in their order, and on nothing else, so
that it can be part of a compiled file's key. Not aware of: where inputs come from (`spi.Calibrates`), compilers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npubench.spi import Array, Feeds

FILE = "calibration.npz"


def digest(inputs: Sequence[Feeds]) -> str:
    """SHA-256 over all inputs; empty for none."""
    if not inputs:
        return ""
    found = hashlib.sha256()
    for feeds in inputs:
        for name in sorted(feeds):
            array = np.ascontiguousarray(feeds[name])
            found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            found.update(array.tobytes())
    return found.hexdigest()


def write(inputs: Sequence[Feeds], folder: Path) -> str:
    """The inputs as a file in `folder`, for another process; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    found: dict[str, Any] = {}
    for index, feeds in enumerate(inputs):
        found.update({f"{index}:{name}": value for name, value in feeds.items()})
    np.savez(path, **found)
    return str(path)


def read(path: str) -> list[dict[str, Array]]:
    """The inputs that `write` wrote, in their order."""
    found: dict[int, dict[str, Array]] = {}
    with np.load(path, allow_pickle=False) as stored:
        for key in stored.files:
            index, _, name = key.partition(":")
            found.setdefault(int(index), {})[name] = stored[key]
    return [found[index] for index in sorted(found)]
