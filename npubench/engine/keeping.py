"""What stays of a launch besides its launch file: raw samples, power readings, the last that a failed worker printed.

Guarantees: each file is written once, whole; what a killed run left without its launch is replaced.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from npubench.engine import table
from npubench.schema import PowerFile, SampleFile
from npubench.stats.readings import Readings
from npubench.stats.samples import Samples
from npubench.store import sha256_file, write_once

# Of what a failed launch printed, the last so many bytes of each stream are kept beside it.
OUTPUT_BYTES = 64 << 10


class Keeping:
    """The files beside one launch: `path` is that of its samples."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _beside(self, suffix: str) -> Path:
        """A free path beside the launch file: a killed run may have left the file there without its launch."""
        path = self._path.with_suffix(suffix)
        path.unlink(missing_ok=True)
        return path

    def samples(self, samples: Samples) -> SampleFile:
        """Keeps the samples of a launch that finished."""
        path = self._beside(".npz")
        write_once(path, samples.encode())
        return SampleFile(file=path.name, sha256=sha256_file(path), rows=len(samples.table), tokens=len(samples.tokens))

    def partial(self, work: Path) -> SampleFile | None:
        """What a worker had measured before it failed; no summary is made of it."""
        if table.completed(work):
            return self.samples(Samples(*table.read(work)))
        self._beside(".npz")
        return None

    def power(self, readings: Readings) -> PowerFile | None:
        """Keeps the power readings; None where no meter has a channel."""
        path = self._beside(".power.npz")
        if not readings.channels:
            return None
        write_once(path, readings.encode())
        return PowerFile(file=path.name, sha256=sha256_file(path))

    def output(self, work: Path) -> None:
        """The last that a failed worker printed, where it printed anything."""
        for name in ("stdout", "stderr"):
            path = self._beside(f".{name}.txt")
            if said := _last_bytes(work / f"{name}.txt", OUTPUT_BYTES):
                write_once(path, said)


def _last_bytes(path: Path, most: int) -> bytes:
    with suppress(OSError), path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - most))
        return stream.read()
    return b""
