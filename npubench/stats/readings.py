"""The raw readings of power meters, in memory and as `.npz`: one row per channel and look, as the source gave it.

`channel` and `status` are places in `channels` and `statuses`; status 0 is ok, every other says what was wrong. A value
that is not there is NaN. Rows are in the order in which a meter gave them, so times of several meters interleave.

Not aware of: joules (`ledger`), who read (`engine.sampler`).
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.errors import NotComparableError
from npubench.spi import Channel, Reading

OK = "ok"
RECORD = np.dtype(
    [
        ("before_ns", "<i8"),
        ("after_ns", "<i8"),
        ("value", "<f8"),
        ("channel", "<u2"),
        ("status", "<u2"),
        ("unused", "<u4"),
    ]
)
"""One reading: 32 bytes, so that a day of eight channels at 10 Hz takes 221 MB and is read in place."""

Records = npt.NDArray[Any]


class _Head(msgspec.Struct, frozen=True):
    channels: tuple[Channel, ...]
    statuses: tuple[str, ...]


class Readings(msgspec.Struct, frozen=True):
    """`table` has the dtype RECORD."""

    channels: tuple[Channel, ...] = ()
    statuses: tuple[str, ...] = (OK,)
    table: Records = np.empty(0, RECORD)

    def of(self, name: str) -> Records:
        """The rows of one channel; KeyError for one that is not there."""
        for place, channel in enumerate(self.channels):
            if channel.name == name:
                found: Records = self.table[self.table["channel"] == place]
                return found
        raise KeyError(name)

    def between(self, start_ns: int, end_ns: int) -> Readings:
        """The rows that were begun in [start, end)."""
        before = self.table["before_ns"]
        return msgspec.structs.replace(self, table=self.table[(before >= start_ns) & (before < end_ns)])

    def encode(self) -> bytes:
        """As a compressed `.npz` file."""
        head = np.frombuffer(msgspec.json.encode(_Head(self.channels, self.statuses)), dtype=np.uint8)
        stream = io.BytesIO()
        np.savez_compressed(stream, head=head, table=self.table)
        return stream.getvalue()

    @staticmethod
    def decode(path: Path) -> Readings:
        """The file at `path`. Raises NotComparableError for anything that is not one."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                head = msgspec.json.decode(stored["head"].tobytes(), type=_Head)
                table = stored["table"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, msgspec.MsgspecError) as error:
            raise NotComparableError(f"{path}: not a file of power readings ({error})") from error
        if table.dtype != RECORD or table.ndim != 1:
            raise NotComparableError(f"{path}: not a file of power readings (columns are {table.dtype})")
        if len(table) and (table["channel"].max() >= len(head.channels) or table["status"].max() >= len(head.statuses)):
            raise NotComparableError(f"{path}: a reading names a channel or a status that the file does not have")
        return Readings(head.channels, head.statuses, table)


def merged(parts: Iterable[Readings]) -> Readings:
    """Several meters' readings as one; channels of one name are taken for the same."""
    channels: dict[str, Channel] = {}
    statuses: dict[str, int] = {OK: 0}
    tables = []
    for part in parts:
        names = list(channels)
        for channel in part.channels:
            if channel.name not in channels:
                channels[channel.name] = channel
                names.append(channel.name)
        for status in part.statuses:
            statuses.setdefault(status, len(statuses))
        table = part.table.copy()
        if len(table):
            places = np.array([names.index(channel.name) for channel in part.channels], dtype="<u2")
            codes = np.array([statuses[status] for status in part.statuses], dtype="<u2")
            table["channel"], table["status"] = places[table["channel"]], codes[table["status"]]
        tables.append(table)
    whole = np.concatenate(tables) if tables else np.empty(0, RECORD)
    return Readings(tuple(channels.values()), tuple(statuses), whole)


def gathered(channels: Iterable[Channel], readings: Iterable[Reading]) -> Readings:
    """Readings that were taken one by one. A reading of no channel that is known is left out."""
    known = tuple(channels)
    places = {channel.name: place for place, channel in enumerate(known)}
    statuses: dict[str, int] = {OK: 0}
    rows = []
    for reading in readings:
        if (place := places.get(reading.channel)) is None:
            continue
        status = reading.status
        if status == OK and reading.value is None:
            status = "no value"
        code = statuses.setdefault(status, len(statuses))
        value = np.nan if reading.value is None else reading.value
        rows.append((reading.before_ns, reading.after_ns, value, place, code, 0))
    return Readings(known, tuple(statuses), np.array(rows, dtype=RECORD))
