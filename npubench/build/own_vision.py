"""The user's own weights for a vision room: a file of arrays with the names and shapes of the room's weight table.

What comes out is a room of its own in the cache, whose table asks for every array as it is stored, so that
`materialise` makes its files like any other's: `<cache>/own/<digest>/`, named by graphs and values. Guarantees: every
tensor that is missing, too many, of another shape or type, or not finite is named (the first ten), before anything is
written; the folder appears at once or not at all; roles that no file names keep the room's weights, and a note says so.

Only the portable fp32 build is offered: the committed calibration of quantised builds is that of our weights.
Not aware of: how a run is planned, training.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from npubench import cards
from npubench.build import weights
from npubench.build.tensor_files import FLOATS, Tensor, read_tensors
from npubench.cards import GraphSpec, ModelCard, WeightsSpec
from npubench.errors import DataError, StoreError, UsageError
from npubench.lang import Text, here

FAMILY = "own"
MOST_NAMED = 10

Progress = Callable[[str], None]


class OwnVision(msgspec.Struct, frozen=True, kw_only=True):
    """A card made of the user's weights, and its room in the cache."""

    card: ModelCard
    room: str
    notes: tuple[str, ...] = ()


def card_with_weights(
    card: ModelCard, room: Path, given: str, cache: Path, progress: Progress = lambda text: None
) -> OwnVision:
    """`card` with the weights in `given`: FILE, or ROLE=FILE, several parted by commas.

    Without a role the file goes to the graph that most of its names are of. Raises DataError, UsageError, StoreError.
    """
    tables = {
        role: weights.load_table(room / graph.weights.table)
        for role, graph in card.graphs.items()
        if graph.weights is not None
    }
    if not tables:
        raise UsageError(
            here(f"{card.id}: takes no weights of your own", f"{card.id}: 자체 가중치를 받지 않습니다"),
            hint=here("a foreign network: npubench new model", "다른 신경망은 npubench new model을 쓰십시오"),
        )
    files = _files(card, tables, given)
    arrays: dict[str, dict[str, weights.Floats]] = {}
    for role, (path, tensors) in files.items():
        _check(path, role, tensors, tables[role])
        progress(here(f"{path.name}: reading {role}", f"{path.name}: {role} 읽는 중"))
        arrays[role] = {tensor.name: tensors[tensor.name].load() for tensor in tables[role].tensors}
        _check_finite(path, role, arrays[role])
    graphs, kept = _graphs(card, tables, arrays)
    home = _written(card, room, cache, graphs, tables, arrays)
    stem = next(iter(files.values()))[0].stem
    slug = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:24].strip("-") or "weights"
    names = ", ".join(path.name for path, _ in files.values())
    own = msgspec.structs.replace(
        card,
        id=f"{card.id}-own-{slug}",
        title=Text(en=f"{card.title.en}, own weights ({names})", ko=f"{card.title.ko}, 자체 가중치({names})"),
        summary=Text(
            en=f"The network of {card.id} with weights of the user's own ({names}).",
            ko=f"사용자의 가중치({names})를 쓴 {card.id} 신경망.",
        ),
        license="unknown",
        precisions=("fp32",),
        graphs=graphs,
        builds={},
        quality=_quality(card),
    )
    notes = tuple(
        here(f"{role}: no file was given; it keeps the room's weights", f"{role}: 파일이 없어 기존 가중치를 씁니다")
        for role in kept
    )
    return OwnVision(card=own, room=str(home), notes=notes)


def _quality(card: ModelCard) -> cards.QualitySpec | None:
    """The room's metrics without the floors that were measured on our weights."""
    if card.quality is None:
        return None
    task = tuple(msgspec.structs.replace(item, absolute_floor=None) for item in card.quality.task)
    return msgspec.structs.replace(card.quality, task=task, fidelity=None)


def _files(
    card: ModelCard, tables: Mapping[str, weights.Table], given: str
) -> dict[str, tuple[Path, Mapping[str, Tensor]]]:
    """Role → the file and its tensors."""
    files: dict[str, tuple[Path, Mapping[str, Tensor]]] = {}
    # A path may hold "=" or "," itself.
    for part in [given] if Path(given).exists() else given.split(","):
        role, equals, name = part.partition("=")
        if not equals or Path(part).exists():
            role, name = "", part
        path = Path(name)
        if not path.is_file():
            what = (
                here("is a folder; expected a file", "폴더입니다. 파일이 필요합니다")
                if path.is_dir()
                else here("no such file", "그런 파일이 없습니다")
            )
            raise DataError(
                f"{path}: {what}",
                hint=here("give --weights FILE or --weights ROLE=FILE", "--weights FILE 또는 --weights ROLE=FILE"),
            )
        if role and role not in tables:
            known = ", ".join(tables)
            raise UsageError(
                here(
                    f"--weights {part}: {card.id} has no role {role}{cards.did_you_mean(role, list(tables))}; it has "
                    f"{known}",
                    f"--weights {part}: {card.id}에 {role} 역할이 없습니다. 가능한 것: {known}",
                )
            )
        tensors = read_tensors(path)
        role = role or max(tables, key=lambda one: _fit(tables[one], tensors))
        if role in files:
            raise UsageError(
                here(f"--weights: two files for {role}", f"--weights: {role}에 파일이 둘입니다"),
                hint=here("say which is which: ROLE=FILE,ROLE=FILE", "ROLE=FILE,ROLE=FILE로 구분하십시오"),
            )
        files[role] = path, tensors
    return files


def _fit(table: weights.Table, tensors: Mapping[str, Tensor]) -> tuple[int, int]:
    """How many tensors of the table the file has, by name and shape, then by name alone."""
    named = [tensor for tensor in table.tensors if tensor.name in tensors]
    return sum(tensors[tensor.name].shape == tensor.shape for tensor in named), len(named)


def _check(path: Path, role: str, tensors: Mapping[str, Tensor], table: weights.Table) -> None:
    """Raises DataError with everything in which the file is not what the table asks for."""
    wanted = {tensor.name: tensor.shape for tensor in table.tensors}
    mistakes = [here(f"{name} is missing", f"{name} 없음") for name in wanted if name not in tensors]
    for name, tensor in tensors.items():
        if name not in wanted:
            mistakes.append(here(f"{name} is not in {role}", f"{name}는 {role}에 없는 텐서"))
        elif tensor.shape != wanted[name]:
            shapes = f"{list(tensor.shape)}", f"{list(wanted[name])}"
            mistakes.append(
                here(f"{name} has shape {shapes[0]}; expected {shapes[1]}", f"{name}: 모양 {shapes[0]} ≠ {shapes[1]}")
            )
        elif tensor.dtype not in FLOATS:
            known = ", ".join(FLOATS)
            mistakes.append(
                here(f"{name} has type {tensor.dtype}; expected {known}", f"{name}: 자료형 {tensor.dtype} ≠ {known}")
            )
    _refuse(path, role, mistakes)


def _check_finite(path: Path, role: str, arrays: Mapping[str, weights.Floats]) -> None:
    _refuse(
        path,
        role,
        [
            here(f"{name} holds NaN or infinity", f"{name}에 NaN이나 무한대가 있음")
            for name, values in arrays.items()
            if not np.isfinite(values).all()
        ],
    )


def _refuse(path: Path, role: str, mistakes: Sequence[str]) -> None:
    if not mistakes:
        return
    lines = [f"{path}: {line}" for line in mistakes[:MOST_NAMED]]
    if (more := len(mistakes) - MOST_NAMED) > 0:
        lines.append(here(f"{path}: … and {more} more", f"{path}: … 외 {more}건"))
    raise DataError(
        "\n".join(lines),
        hint=here(
            f"the file must hold the tensors of {role} as the room's weight table lists them (models/README.md)",
            f"파일은 모델 폴더의 가중치 표에 적힌 {role}의 텐서를 담아야 합니다(models/README.md)",
        ),
    )


def _stored(table: weights.Table) -> weights.Table:
    """The same layout, every tensor taken from the file as it is."""
    tensors = tuple(msgspec.structs.replace(one, init=weights.Stored(array=one.name)) for one in table.tensors)
    return msgspec.structs.replace(table, tensors=tensors)


def _graphs(
    card: ModelCard, tables: Mapping[str, weights.Table], arrays: Mapping[str, Mapping[str, weights.Floats]]
) -> tuple[dict[str, GraphSpec], list[str]]:
    """The card's graphs with the new weights pinned, and the roles that keep theirs."""
    graphs = dict(card.graphs)
    for role, values in arrays.items():
        digest = hashlib.sha256()
        for piece in weights.stream(_stored(tables[role]), "", values):
            digest.update(piece)
        spec = WeightsSpec(
            kind="file",
            table=f"{role}.json",
            arrays=f"{role}.npz",
            sha256=digest.hexdigest(),
            bytes=tables[role].bytes,
        )
        graphs[role] = msgspec.structs.replace(graphs[role], file=f"{role}.onnx", weights=spec)
    return graphs, [role for role in tables if role not in arrays]


def _written(
    card: ModelCard,
    room: Path,
    cache: Path,
    graphs: Mapping[str, GraphSpec],
    tables: Mapping[str, weights.Table],
    arrays: Mapping[str, Mapping[str, weights.Floats]],
) -> Path:
    """The room in the cache, written anew each time: what an earlier call left there may have been damaged since."""
    home = cache / FAMILY / cards.digest(graphs)[:16]
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=home.parent))
        try:
            made = work / "made"
            made.mkdir()
            for role, graph in graphs.items():
                shutil.copyfile(room / card.graphs[role].file, made / graph.file)
                if role in arrays:
                    (made / f"{role}.json").write_bytes(weights.dump_table(_stored(tables[role])))
                    np.savez(made / f"{role}.npz", allow_pickle=False, **arrays[role])
                elif graph.weights is not None:
                    for name in (graph.weights.table, graph.weights.arrays):
                        if name is not None:
                            shutil.copyfile(room / name, made / name)
            if home.exists():
                home.rename(work / "old")
            made.rename(home)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"{home}: {error.strerror or os.strerror(error.errno or 0)}",
            hint=here("set NPUBENCH_CACHE to a writable folder", "NPUBENCH_CACHE에 쓰기 가능한 폴더를 지정하십시오"),
        ) from error
    return home
