"""Activation ranges: what calibration found, kept as a small file in the model's room.

Guarantees: a range is written with five significant digits, so that another CPU's last bits do not move it when it is
collected again, and read back as written. Not aware of: how ranges are collected (`observe`), what uses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from npubench.build.weights import room_error
from npubench.lang import here

DIGITS = 5


class Range(msgspec.Struct, frozen=True, array_like=True):
    """The least and the greatest value of one activation."""

    low: float
    high: float


class Ranges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ranges of one graph, over `inputs` calibration inputs; `data` names them (seed text, or digest of files)."""

    schema: Literal["npubench.ranges/1"] = "npubench.ranges/1"
    graph_sha256: str
    weights_sha256: str
    data: str
    inputs: int
    ranges: dict[str, Range]


def rounded(found: Mapping[str, tuple[float, float]]) -> dict[str, Range]:
    """The found minima and maxima, rounded to five significant digits."""
    return {name: Range(float(f"{low:.{DIGITS}g}"), float(f"{high:.{DIGITS}g}")) for name, (low, high) in found.items()}


def dump_ranges(ranges: Ranges) -> bytes:
    """One activation a line."""
    head = msgspec.json.encode({key: getattr(ranges, key) for key in ranges.__struct_fields__ if key != "ranges"})
    lines = b",\n".join(
        msgspec.json.encode(name) + b":" + msgspec.json.encode(item) for name, item in ranges.ranges.items()
    )
    return head[:-1] + b',"ranges":{\n' + lines + b"\n}}\n"


def load_ranges(path: Path) -> Ranges:
    """The ranges in `path`. Raises ArtifactError naming the file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Ranges)
    except OSError as error:
        reason = error.strerror
        raise room_error(path, here(f"cannot be read: {reason}", f"읽을 수 없습니다: {reason}")) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise room_error(path, here(f"not activation ranges: {error}", f"활성값 범위가 아닙니다: {error}")) from None
