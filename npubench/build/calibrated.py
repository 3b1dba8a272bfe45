"""A user's own calibration: activation ranges from their frames or pages, and the quantised builds that follow.

The result is a model room of its own in the cache, `<cache>/<model>/calibrated/<16 hex>/`, with a card whose quantised
builds pin other graphs: scales are part of a graph, so the ranges are part of a cell's identity, and a result with own
calibration is never compared with one without. Guarantees: the same card and the same files give the same room on this
machine (ranges are kept under the digest of what they were collected from); the room appears at once or not at all.

Not aware of: measuring; what the pictures show.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import onnx

from npubench import cards
from npubench.build import observe, precisions, weights
from npubench.build.materialise import materialise, weight_source
from npubench.build.ranges import Ranges, dump_ranges, load_ranges, rounded
from npubench.build.userdata import describe_folder
from npubench.cards import GraphSpec, ModelCard
from npubench.errors import ArtifactError, DataError, UsageError
from npubench.lang import here

Kind = Literal["frames", "pages"]

# The greatest value of an activation is set by the rare bright, dark or crowded picture, and what lies beyond the range
# found is clipped. On drawn scenes the detector's ranges still grow by 2 % from one frame to four and 5 % to sixteen,
# without a loss of fidelity; on real footage one picture may be one hour of one camera. A page has hundreds of words.
LEAST: dict[str, int] = {"frames": 16, "pages": 4}
# More change little and cost minutes.
MOST: dict[str, int] = {"frames": 256, "pages": 64}

CARD = "card.json"


class Calibrated(msgspec.Struct, frozen=True, kw_only=True):
    """The room, its card, and what was used: how many of the user's `files`, and their digest."""

    card: ModelCard
    room: str
    used: int
    files: int
    sha256: str


def calibrate(
    card: ModelCard,
    room: Path,
    cache: Path,
    folder: Path,
    kind: Kind,
    *,
    workload: str,
    adapter: str,
    progress: Callable[[str], None],
) -> Calibrated:
    """Collects ranges on the pictures of `folder` (or finds them in the cache) and writes the room.

    Raises DataError for a folder that cannot be used or is too small, UsageError for a model without activations to
    quantise, ArtifactError for a damaged room.
    """
    graphs = {role: onnx.load(room / spec.file, load_external_data=False) for role, spec in card.graphs.items()}
    wanted = [
        name for name in card.precisions if any(precisions.needs_ranges(graph, name) for graph in graphs.values())
    ]
    if not wanted:
        raise UsageError(
            here(
                f"{card.id}: no precision of this model quantises activations, so there is nothing to calibrate",
                f"{card.id}: 활성값을 양자화하는 정밀도가 없어 보정할 것이 없습니다",
            ),
            hint=here("leave --calibrate out", "--calibrate를 빼십시오"),
        )
    found = describe_folder(folder, kind)
    if len(found.files) < LEAST[kind]:
        raise DataError(
            here(
                f"{folder}: {len(found.files)} {kind} are too few to calibrate with; at least {LEAST[kind]} are "
                "needed, or the ranges fit only what these few show and other pictures are clipped",
                f"{folder}: 보정에 쓰기에는 {len(found.files)}개로 너무 적습니다. 최소 {LEAST[kind]}개가 필요하며, "
                "적으면 범위가 그 그림에만 맞아 다른 그림의 값이 잘립니다",
            ),
            hint=here(
                "add pictures of different hours, places and weather", "시간대, 장소, 날씨가 다른 그림을 더 넣으십시오"
            ),
        )
    used = min(len(found.files), MOST[kind])
    family = cache / card.id / "calibrated"
    key = cards.digest(
        {"graphs": msgspec.to_builtins(card.graphs), "params": card.params, "files": found.sha256, "used": used}
    )[:16]
    target = family / key
    ranges = _known(card, target)
    if ranges is None:
        artifacts = materialise(card, room, cache, progress=progress)
        extremes = observe.observe(
            {role: Path(artifact.path) for role, artifact in artifacts.items()},
            folder,
            used,
            workload=workload,
            adapter=adapter,
            params=card.params,
            progress=progress,
        )
        ranges = {role: _ranges(card.graphs[role], found.sha256, used, extremes[role]) for role in graphs}
    made = _write_room(card, room, target, graphs, ranges, wanted)
    return Calibrated(card=made, room=str(target), used=used, files=len(found.files), sha256=found.sha256)


def _ranges(spec: GraphSpec, data: str, used: int, extremes: Mapping[str, tuple[float, float]]) -> Ranges:
    assert spec.weights is not None
    return Ranges(
        graph_sha256=spec.sha256,
        weights_sha256=spec.weights.sha256,
        data=data,
        inputs=used,
        ranges=rounded(extremes),
    )


def _known(card: ModelCard, target: Path) -> dict[str, Ranges] | None:
    """The ranges of an earlier calibration with the same model and files; None when there is none, or a damaged one."""
    try:
        return {role: load_ranges(target / f"{role}.ranges.json") for role in card.graphs}
    except ArtifactError:
        return None


def _write_room(
    card: ModelCard,
    room: Path,
    target: Path,
    graphs: Mapping[str, onnx.ModelProto],
    ranges: Mapping[str, Ranges],
    wanted: Sequence[str],
) -> ModelCard:
    """Writes the room anew each time, from the ranges, so that a damaged one heals; the same bytes stay in place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=target.parent))
    try:
        made = work / "made"
        made.mkdir()
        for name in _files(card):
            shutil.copyfile(room / name, made / name)
        builds: dict[str, dict[str, GraphSpec]] = dict(card.builds)
        for precision in wanted:
            builds[precision] = {}
            for role, graph in graphs.items():
                spec = card.graphs[role].weights
                assert spec is not None
                table = weights.load_table(room / spec.table)
                origin = weight_source(card, role, room)
                own = ranges[role].ranges
                builds[precision][role] = precisions.write_build(made, role, precision, graph, table, origin, own)
        for role, item in ranges.items():
            (made / f"{role}.ranges.json").write_bytes(dump_ranges(item))
        result = msgspec.structs.replace(card, builds=builds)
        (made / CARD).write_bytes(cards.canonical_json(result))
        if _contents(target) != _contents(made):
            if target.exists():
                target.rename(work / "old")
            made.rename(target)
        return result
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _files(card: ModelCard) -> list[str]:
    """The files of a room that its card names."""
    names: set[str] = set()
    for roles in (card.graphs, *card.builds.values()):
        for spec in roles.values():
            names.add(spec.file)
            if spec.weights is not None:
                names.update(name for name in (spec.weights.table, spec.weights.arrays) if name)
    return sorted(names)


def _contents(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        return {}
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}
