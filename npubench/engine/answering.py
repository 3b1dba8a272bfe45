"""The worker's quality verb: answers to a data set's inputs, outside any timed region.

It runs the inputs through the same adapter, session and workload as a measurement does, scores the answers where the
data has truth, and keeps the raw outputs of the first few inputs as arrays named `<input>:<output>`. Input 0 is asked
again at the end: a backend that returns an earlier answer, or another one each time, shows. A generating model follows
the reference's tokens (teacher forcing): greedy texts part after a few tokens even between honest backends. A server
that shows no raw outputs is asked which token comes next, at a few places of the reference's (`spi.Probes`).

Guarantees: an output of more than `MOST_VALUES` values is thinned to evenly spaced rows, the same for the same shape,
so that a page's class scores do not fill the disk. What a workload can show to people (`spi.Shows`) is kept apart from
what is compared. Not aware of: floors, the reference's figures.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from npubench.spi import Array, Bound, Exhibit, Follows, Outputs, Probes, Scores, Shows
from npubench.stats import probes
from npubench.stats.fidelity import AGAIN, TOKENS

MOST_VALUES = 1 << 20


def thinned(value: Array) -> Array:
    """`value`, or evenly spaced rows of it (its last axis stays whole) when it is large."""
    if value.size <= MOST_VALUES or value.ndim < 2:
        return np.array(value)
    rows = value.reshape(-1, value.shape[-1])
    step = -(-value.size // MOST_VALUES)
    return np.array(rows[::step])


def outputs_of(bound: Bound, index: int, tokens: Mapping[str, Array]) -> tuple[Outputs, Array | None]:
    """The raw outputs of input `index`, and the tokens that a generating model followed."""
    if isinstance(bound, Follows):
        return bound.follow(index, tokens.get(f"{TOKENS}{index}"))
    return bound.inspect(index), None


def answer(bound: Bound, fidelity_inputs: int, reference: str | None, path: Path) -> tuple[dict[str, float], int]:
    """Writes the raw outputs to `path` (.npz); returns the task scores and how many inputs' outputs were kept."""
    tokens: dict[str, Array] = {}
    if reference is not None:
        with np.load(reference, allow_pickle=False) as archive:
            if isinstance(bound, Probes):
                return {}, _probed(bound, min(bound.count, fidelity_inputs), archive, path)
            tokens = {name: archive[name] for name in archive.files if name.startswith(TOKENS)}
    count = min(bound.count, fidelity_inputs)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive_out:
        for index in range(count):
            outputs, followed = outputs_of(bound, index, tokens)
            for name, value in outputs.items():
                _add(archive_out, f"{index}:{name}", thinned(value))
            if followed is not None:
                _add(archive_out, f"{TOKENS}{index}", followed)
        if count:
            for name, value in outputs_of(bound, 0, tokens)[0].items():
                _add(archive_out, f"{AGAIN}{name}", thinned(value))
    scores = {name: float(value) for name, value in bound.score().items()} if isinstance(bound, Scores) else {}
    return scores, count


def _probed(bound: Probes, count: int, reference: Mapping[str, Array], path: Path) -> int:
    """Writes what comes next at a few places of each input; returns of how many inputs."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive_out:
        for index in range(count):
            tokens = reference[f"{TOKENS}{index}"]
            rows, values = reference[f"{index}:{probes.LOGITS}"].shape
            positions = probes.places(tokens.size, probes.step_of(tokens.size, rows, values, MOST_VALUES))
            _add(archive_out, f"{index}:{probes.POSITIONS}", np.array(positions, np.int64))
            for name, value in bound.probe(index, tokens, positions).items():
                _add(archive_out, f"{index}:{name}", value)
    return count


def show(bound: Bound, path: Path) -> bool:
    """Writes what the workload can show of a few inputs to `path` (JSON); False where it shows nothing."""
    found = tuple(bound.exhibits()) if isinstance(bound, Shows) else ()
    if found:
        path.write_bytes(msgspec.json.encode(found))
    return bool(found)


def shown(path: Path) -> tuple[Exhibit, ...]:
    """What `show` wrote; nothing where it wrote nothing that can be read: it is for people, and judges nobody."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Exhibit, ...])
    except (OSError, msgspec.DecodeError):
        return ()


def _add(archive: zipfile.ZipFile, name: str, value: Array) -> None:
    """One array of an .npz, written at once, so that all outputs together are never in memory."""
    # numpy's own names: `/` would make folders inside the archive, which its reader takes as part of the name.
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array(file, np.asanyarray(value), allow_pickle=False)


def load(path: Path) -> dict[str, Any]:
    """The arrays of a file that `answer` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
