"""Writes the models' rooms: graphs, weight tables, calibrated arrays, and the hashes that the cards pin.

    python -m npubench.build.author [MODEL…] [--recalibrate] [--models DIR]

A developer's tool, run after a change to `nets` or `emit`; users never need it. Calibrated arrays that are already in
the room are kept while their names and shapes fit (another CPU would round a few of them otherwise); `--recalibrate`
after a change that leaves names and shapes alone, such as a head's mean. The card's text is kept as it is, but for
the pinned hashes and sizes.

Not aware of: the cache, training.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from npubench import cards, discovery
from npubench.build import emit, weights
from npubench.build.author_variants import author_variants
from npubench.build.calibrate import Calibrator, drawn_inputs
from npubench.build.emit_decoder import DecoderGraph
from npubench.build.nets import NETWORKS, SHAPES, VISION
from npubench.errors import ArtifactError, UsageError

# Enough for stable statistics: even the coarsest detector map has 800 places in two images.
CALIBRATION_IMAGES = 2
CALIBRATION_LINES = 16

Arrays = dict[str, npt.NDArray[Any]]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was written for one role. `macs` at emit.NOMINAL_SIZES: for a decoder, those of one token."""

    role: str
    parameters: int
    macs: int
    graph_bytes: int
    weights_bytes: int
    graph_sha256: str
    weights_sha256: str


def author_model(model: str, room: Path, recalibrate: bool = False) -> list[Report]:
    """Writes the room of `model`. Its model.toml must be there; raises CardError if that is broken."""
    card = cards.load(room / "model.toml", cards.ModelCard)
    reports: list[Report] = []
    for role, definition in NETWORKS[model].items():
        pinned = card.graphs[role]
        spec = pinned.weights
        assert spec is not None
        if spec.kind != "seeded":
            # Trained: `npubench.authoring.rooms` writes those.
            continue
        seed = spec.seed or ""
        graph = emit.Graph(role) if model in VISION else DecoderGraph(role)
        definition(graph)
        proto, table = graph.finish()
        serialised: bytes = proto.SerializeToString(deterministic=True)
        (room / pinned.file).write_bytes(serialised)
        (room / spec.table).write_bytes(weights.dump_table(table))
        arrays: Arrays = {}
        if model in VISION:
            assert spec.arrays is not None
            path = room / spec.arrays
            kept = None if recalibrate else _fitting(path, table)
            if kept is None:
                name = proto.graph.input[0].name
                count = CALIBRATION_LINES if name == "lines" else CALIBRATION_IMAGES
                calibrator = Calibrator(seed, {name: drawn_inputs(name, count)})
                definition(calibrator)
                np.savez_compressed(path, allow_pickle=False, **calibrator.arrays)
                kept = calibrator.arrays
            arrays = kept
        digest = hashlib.sha256()
        for piece in weights.stream(table, seed, arrays):
            digest.update(piece)
        reports.append(
            Report(
                role=role,
                parameters=sum(tensor.count for tensor in table.tensors),
                macs=graph.macs,
                graph_bytes=len(serialised),
                weights_bytes=table.bytes,
                graph_sha256=hashlib.sha256(serialised).hexdigest(),
                weights_sha256=digest.hexdigest(),
            )
        )
    text = (room / "model.toml").read_text(encoding="utf-8")
    for report in reports:
        text = _pin(text, report)
    (room / "model.toml").write_text(text, encoding="utf-8")
    if model in SHAPES:
        author_variants(model, room)
    return reports


def _fitting(path: Path, table: weights.Table) -> Arrays | None:
    """The arrays in `path` if they are exactly those that `table` asks for."""
    try:
        arrays = weights.load_arrays(path)
    except ArtifactError:
        return None
    wanted: dict[str, tuple[int, ...]] = {}
    for tensor in table.tensors:
        if isinstance(tensor.init, weights.Channels):
            wanted[tensor.init.scale] = tensor.shape[:1]
        elif isinstance(tensor.init, weights.Stored):
            wanted[tensor.init.array] = tensor.shape
    return arrays if {name: array.shape for name, array in arrays.items()} == wanted else None


def _pin(text: str, report: Report) -> str:
    """The card's text with the pinned values of one role replaced; everything else stays byte for byte."""
    sections: dict[str, dict[str, object]] = {
        f"[graphs.{report.role}]": {"sha256": report.graph_sha256},
        f"[graphs.{report.role}.weights]": {"sha256": report.weights_sha256, "bytes": report.weights_bytes},
    }
    lines = text.splitlines(keepends=True)
    wanted: dict[str, object] = {}
    for i, line in enumerate(lines):
        if line.startswith("["):
            wanted = sections.get(line.strip(), {})
        key = line.partition("=")[0].strip()
        if key in wanted:
            value = wanted[key]
            lines[i] = f"{key} = {value}\n" if isinstance(value, int) else f'{key} = "{value}"\n'
    return "".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m npubench.build.author", description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"default: all of {', '.join(NETWORKS)}")
    parser.add_argument("--recalibrate", action="store_true", help="compute the per-channel arrays anew")
    parser.add_argument("--models", dest="root", type=Path, help="the models folder (default: the checkout's)")
    options = parser.parse_args(arguments)
    root: Path = options.root or discovery.builtin_cards() / "models"
    for model in options.models or NETWORKS:
        if model not in NETWORKS:
            raise UsageError(f'no network for "{model}"{cards.did_you_mean(model, list(NETWORKS))}')
        for report in author_model(model, root / model, options.recalibrate):
            sys.stdout.write(
                f"{model} {report.role}: {report.parameters / 1e6:.2f} M parameters, {report.macs / 1e9:.2f} GMAC, "
                f"graph {report.graph_bytes:,} B {report.graph_sha256}, "
                f"weights {report.weights_bytes:,} B {report.weights_sha256}\n"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
