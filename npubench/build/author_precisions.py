"""Writes the other precisions of the models' rooms: ranges, graphs, weight tables, and the hashes that cards pin.

    python -m npubench.build.author_precisions [MODEL…] [--recalibrate] [--models DIR]

A developer's tool, run after `author` or after trained weights were put into a room (`npubench.authoring.rooms`): one
command brings every precision of the room up to date, whatever the kind of its fp32 weights. Activation ranges that
were collected with the very same graph and weights are kept, because another CPU would move some of their digits;
otherwise they are collected anew on frames and pages drawn for this purpose from seed texts of their own, so that no
evaluation picture is seen. Of the card only `precisions` and the `[builds.…]` tables of these precisions change.

Needs onnxruntime where ranges are collected. Not aware of: fp32 graphs and weights (`author`), other variants.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import onnx

from npubench import cards, discovery
from npubench.build import observe, precisions, weights
from npubench.build.materialise import materialise, weight_source
from npubench.build.nets import NETWORKS
from npubench.build.ranges import Ranges, dump_ranges, load_ranges, rounded
from npubench.cards import GraphSpec, ModelCard
from npubench.errors import ArtifactError, NpubenchError, UsageError

# Seed text and number of the calibration inputs, by the kind of the model's data. Evaluation sets are "<set id>/1".
# Ranges grow with the logarithm of the number of inputs; 64 frames show every weather and light of the generator
# several times, 16 pages hold some 2 000 words.
CALIBRATION = {"frames": ("cctv-calibration/1", 64), "pages": ("ocr-calibration/1", 16)}

# A room of more memory than this is only authored when it is named: hashing its weights takes many minutes.
LARGE_GB = 8.0

Tell = Callable[[str], object]


def author_precisions(model: str, models: Path, tell: Tell, recalibrate: bool = False) -> dict[str, list[str]]:
    """Brings the precisions of the room `models/<model>` up to date; precision → files written.

    Raises CardError, ArtifactError, and DataError when ranges are needed and cannot be collected.
    """
    room = models / model
    card = cards.load(room / "model.toml", ModelCard)
    graphs = {role: onnx.load(room / spec.file, load_external_data=False) for role, spec in card.graphs.items()}
    found = _ranges(card, models, graphs, tell, recalibrate)
    builds: dict[str, dict[str, GraphSpec]] = {}
    for precision in precisions.offered(next(iter(graphs.values()))):
        for role, graph in graphs.items():
            spec = card.graphs[role].weights
            assert spec is not None
            table = weights.load_table(room / spec.table)
            ranges = found[role].ranges if role in found else {}
            made = precisions.write_build(room, role, precision, graph, table, weight_source(card, role, room), ranges)
            builds.setdefault(precision, {})[role] = made
            assert made.weights is not None
            tell(f"{model} {role} {precision}: weights {made.weights.bytes:,} B {made.weights.sha256}\n")
    path = room / "model.toml"
    path.write_text(with_builds(path.read_text(encoding="utf-8"), builds), encoding="utf-8")
    cards.load(path, ModelCard)
    return {precision: [spec.file for spec in roles.values()] for precision, roles in builds.items()}


def _ranges(
    card: ModelCard, models: Path, graphs: dict[str, onnx.ModelProto], tell: Tell, recalibrate: bool
) -> dict[str, Ranges]:
    """The ranges of each role that needs them: those in the room if they belong to its weights, else new ones."""
    room = models / card.id
    wanted = [
        role
        for role, graph in graphs.items()
        if any(precisions.needs_ranges(graph, name) for name in precisions.offered(graph))
    ]
    kept = {} if recalibrate else {role: old for role in wanted if (old := _fitting(card, room, role)) is not None}
    if set(kept) == set(wanted):
        return kept
    kind = cards.load(models / "data" / str(card.data) / "data.toml", cards.DataCard).kind
    seed, count = CALIBRATION[kind]
    # Pictures are drawn by code that most authors' runs do not need.
    from npubench.build.data.sets import write_set

    with tempfile.TemporaryDirectory(prefix="npubench-author-") as scratch:
        tell(f"{card.id}: drawing {count} {kind} from {seed}\n")
        folder = Path(scratch) / "calibration"
        write_set(kind, count, seed, folder, "training")
        artifacts = materialise(card, room, Path(scratch) / "cache")
        extremes = observe.observe(
            {role: Path(artifact.path) for role, artifact in artifacts.items()},
            folder,
            count,
            workload=discovery.code("workloads", card.workload),
            adapter=discovery.code("adapters", "ort"),
            params=card.params,
            progress=lambda text: tell(f"{card.id}: {text}\n"),
        )
    for role in wanted:
        spec = card.graphs[role]
        assert spec.weights is not None
        kept[role] = Ranges(
            graph_sha256=spec.sha256,
            weights_sha256=spec.weights.sha256,
            data=seed,
            inputs=count,
            ranges=rounded(extremes[role]),
        )
        (room / f"{role}.ranges.json").write_bytes(dump_ranges(kept[role]))
    return kept


def _fitting(card: ModelCard, room: Path, role: str) -> Ranges | None:
    """The ranges in the room, if they were collected with the graph and weights that the card pins."""
    try:
        found = load_ranges(room / f"{role}.ranges.json")
    except ArtifactError:
        return None
    spec = card.graphs[role]
    same = spec.weights is not None and (found.graph_sha256, found.weights_sha256) == (spec.sha256, spec.weights.sha256)
    return found if same else None


def with_builds(text: str, builds: dict[str, dict[str, GraphSpec]]) -> str:
    """A card's text with the tables of these builds in place of older ones, at its end, and their names in
    `precisions`; everything else stays byte for byte."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        if line.startswith("["):
            inside = any(line.startswith(f"[builds.{name}.") for name in builds)
        if line.startswith("precisions ="):
            listed = msgspec.toml.decode(text)["precisions"]
            names = [name for name in cards.PRECISIONS if name in {*listed, *builds}]
            kept.append(f"precisions = {msgspec.json.encode(names).decode().replace(',', ', ')}\n")
        elif not inside or line.startswith("#"):
            kept.append(line)
    sections = [
        section
        for precision, roles in builds.items()
        for role, spec in roles.items()
        for section in _sections(f"builds.{precision}.{role}", spec)
    ]
    return "".join(kept).rstrip("\n") + "\n\n" + "\n".join(sections)


def _sections(name: str, spec: GraphSpec) -> tuple[str, str]:
    assert spec.weights is not None
    return (
        f'[{name}]\nfile = "{spec.file}"\nsha256 = "{spec.sha256}"\n',
        f'[{name}.weights]\nkind = "{spec.weights.kind}"\nsource = "{spec.weights.source}"\n'
        f'table = "{spec.weights.table}"\nsha256 = "{spec.weights.sha256}"\nbytes = {spec.weights.bytes}\n',
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    prog = "python -m npubench.build.author_precisions"
    parser = argparse.ArgumentParser(prog=prog, description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"default: {', '.join(NETWORKS)}, but not large ones"
    )
    parser.add_argument("--recalibrate", action="store_true", help="collect the activation ranges anew")
    parser.add_argument("--models", dest="root", type=Path, help="the models folder (default: the checkout's)")
    options = parser.parse_args(arguments)
    root: Path = options.root or discovery.builtin_cards() / "models"
    try:
        for model in options.models or NETWORKS:
            if model not in NETWORKS:
                raise UsageError(f'no network for "{model}"{cards.did_you_mean(model, list(NETWORKS))}')
            card = cards.load(root / model / "model.toml", ModelCard)
            if not options.models and (card.requires_memory_gb or 0) > LARGE_GB:
                sys.stdout.write(f"{model}: left out; name it to author it\n")
                continue
            author_precisions(model, root, sys.stdout.write, options.recalibrate)
    except NpubenchError as error:
        sys.stderr.write(f"{error}\n" + (f"  → {error.hint}\n" if error.hint else ""))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
