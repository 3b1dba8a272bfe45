"""Writes a trained network as the files of a model's room, `kind = "file"`: graph, weight table, fp16 arrays, card.

    python -m npubench.authoring.rooms cctv-detect detector OUT/detector.npz --room DIR [--models models]

DIR may be the model's own folder: its role is then switched from seeded to trained weights. In a new folder the other
roles stay as they are. Guarantees: the graph is byte for byte that of the seeded room (it depends on the definition
alone); the table asks for every tensor as it is stored, so that building needs no seed; only the role's lines of the
card change.

Not aware of: training, whether the weights are good enough to be used.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from npubench import cards, discovery
from npubench.build import emit, weights
from npubench.build.nets import VISION


def write_role(model: str, role: str, arrays: dict[str, npt.NDArray[Any]], source: Path, room: Path) -> None:
    """Writes the files of one role to `room`; what `room` lacks of the others is copied from `source`.

    `arrays` are those of `builder.rounded`. Raises KeyError or ValueError for arrays that are not those of the network.
    """
    graph = emit.Graph(role)
    VISION[model][role](graph)
    proto, table = graph.finish()
    stored = tuple(msgspec.structs.replace(t, init=weights.Stored(array=t.name)) for t in table.tensors)
    table = weights.Table(bytes=table.bytes, tensors=stored)
    unknown = sorted(set(arrays) - {tensor.name for tensor in stored})
    if unknown:
        raise ValueError(f"{model} {role}: no such tensor: {', '.join(unknown)}")
    digest = hashlib.sha256()
    for piece in weights.stream(table, "", arrays):
        digest.update(piece)
    serialised: bytes = proto.SerializeToString(deterministic=True)

    room.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.is_file() and not (room / path.name).exists():
            shutil.copyfile(path, room / path.name)
    card_path = room / "model.toml"
    text = card_path.read_text(encoding="utf-8")
    (room / f"{role}.onnx").write_bytes(serialised)
    (room / f"{role}.json").write_bytes(weights.dump_table(table))
    np.savez_compressed(room / f"{role}.npz", allow_pickle=False, **arrays)
    section = (
        f"[graphs.{role}]\n"
        f'file = "{role}.onnx"\n'
        f'sha256 = "{hashlib.sha256(serialised).hexdigest()}"\n\n'
        f"[graphs.{role}.weights]\n"
        f'kind = "file"\n'
        f'table = "{role}.json"\n'
        f'arrays = "{role}.npz"\n'
        f'sha256 = "{digest.hexdigest()}"\n'
        f"bytes = {table.bytes}\n"
    )
    card_path.write_text(_replaced(text, role, section), encoding="utf-8")
    cards.load(card_path, cards.ModelCard)


def _replaced(text: str, role: str, section: str) -> str:
    """The card's text with both tables of one role replaced; everything else stays byte for byte."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        if line.startswith("["):
            was, inside = inside, line.strip() in (f"[graphs.{role}]", f"[graphs.{role}.weights]")
            if inside and not was and section not in kept:
                kept.append(section)
            elif was and not inside:
                kept.append("\n")
        if not inside:
            kept.append(line)
    return "".join(kept)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m npubench.authoring.rooms", description=__doc__.split("\n")[0])
    parser.add_argument("model", choices=list(VISION))
    parser.add_argument("role", choices=[role for roles in VISION.values() for role in roles])
    parser.add_argument("arrays", type=Path, help="the .npz that a trainer wrote")
    parser.add_argument("--room", type=Path, required=True, help="folder to write, such as models/cctv-detect")
    parser.add_argument("--models", type=Path, help="where the rooms to start from are (default: the checkout's)")
    options = parser.parse_args(arguments)
    source = (options.models or discovery.builtin_cards() / "models") / options.model
    write_role(options.model, options.role, weights.load_arrays(options.arrays), source, options.room)
    size = (options.room / f"{options.role}.npz").stat().st_size
    sys.stdout.write(f"{options.room}: {options.role}.npz has {size:,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
