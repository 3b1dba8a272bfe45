"""A language model of the user's own weights: graphs from its config, weights streamed from its safetensors.

`<cache>/own/<digest>/` holds every form's graph, one `weights.bin` for all of them, and `own.json` with its hash; the
digest is over the bytes of config.json, of each safetensors file and of the graphs, so that a changed checkpoint is
another model. Guarantees what `materialise` does: the folder appears at once or not at all; what is handed out has just
been hashed; a damaged folder is made anew from the checkpoint, which must still be the one that was examined. Less than
a GiB of memory, whatever the model's size.

Not aware of: how a run is planned, runtimes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from npubench import cards
from npubench.build import safetensors, weights
from npubench.build.checkpoint import TOKENIZER, Checkpoint, examine, shapes
from npubench.build.data.sets import digest_folder
from npubench.build.emit import WEIGHTS_FILE
from npubench.build.hf_names import origins
from npubench.build.materialise import artifact_sha256, cache_error
from npubench.build.nets.llm import Shape
from npubench.build.variants import Emitted, emit_all, static_sizes
from npubench.cards import GraphSpec, ModelCard, WeightsSpec
from npubench.errors import DataError, UsageError
from npubench.lang import Text, here
from npubench.spi import Artifact
from npubench.store import sha256_file
from npubench.units import show_bytes

Progress = Callable[[str], None]

MANIFEST = "own.json"
PROMPTS = "prompts.jsonl"
TEXT = "text.txt"
FAMILY = "own"

# Beside the weights themselves: activations, the key/value cache, the runtime.
_MEMORY = 1.15


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`own.json`: the weights file that was written from a checkpoint."""

    sha256: str
    bytes: int


class OwnModel(msgspec.Struct, frozen=True, kw_only=True):
    """A card made of the user's weights, and its room in the cache.

    `data`: the folder that the workload reads instead of the room's, and its digest and number of files. `source`: the
    checkpoint that a damaged cache is made anew from; None where `materialise` makes the card's files from `room`.
    """

    card: ModelCard
    room: str
    data: str | None = None
    data_sha256: str | None = None
    data_files: int = 0
    source: str | None = None
    notes: tuple[str, ...] = ()


def build(
    card: ModelCard,
    folder: Path,
    cache: Path,
    progress: Progress,
    data: Path | None = None,
    text: Path | None = None,
) -> OwnModel:
    """The model of the checkpoint in `folder`, measured as the room `card` is.

    `data`: the room's prompts, which are then read with the checkpoint's tokenizer. `text`: a text of the user's own,
    whose perplexity becomes the task score. Raises DataError, StoreError.
    """
    found, forms = _examined(folder, card.params)
    hashes = _hashes(found, progress)
    home = cache / FAMILY / _digest(hashes, forms)
    manifest = _manifest(home) or _make(found, forms, home, progress)
    prompts = _prompts(data, folder / TOKENIZER, cache, text) if data is not None else None
    return OwnModel(
        card=_with_text(_card(card, found, forms, manifest)) if text else _card(card, found, forms, manifest),
        room=str(home),
        data=str(prompts) if prompts else None,
        data_sha256=digest_folder(prompts) if prompts else None,
        data_files=len(list(prompts.iterdir())) if prompts else 0,
        source=str(folder.resolve()),
        notes=found.notes,
    )


def _with_text(card: ModelCard) -> ModelCard:
    """The card with the likelihood of the user's text as its task."""
    spec = card.quality or cards.QualitySpec()
    task = cards.TaskSpec(
        metric="token_likelihood",
        relative_floor=0.99,
        relative={"int4": 0.97},
        reason="MLPerf inference: 99 % of the reference's score, here of 1 / perplexity; 4-bit weights lose more.",
    )
    return msgspec.structs.replace(card, quality=msgspec.structs.replace(spec, task=(task,)))


def _prompts(data: Path, tokenizer: Path, cache: Path, text: Path | None) -> Path:
    """A data folder with the room's prompts, the checkpoint's tokenizer and the text, named by their content."""
    wanted = {PROMPTS: (data / PROMPTS).read_bytes(), TOKENIZER: tokenizer.read_bytes()}
    if text is not None:
        try:
            wanted[TEXT] = text.read_bytes()
        except OSError as error:
            raise DataError(
                here(f"{text}: cannot be read: {error.strerror}", f"{text}: 읽을 수 없습니다: {error.strerror}"),
                hint=here("check the path of --text", "--text의 경로를 확인하십시오"),
            ) from None
    digest = cards.digest({name: hashlib.sha256(content).hexdigest() for name, content in wanted.items()})
    folder = cache / FAMILY / f"prompts-{digest[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in wanted.items():
            part = folder / f".{name}.{os.getpid()}"
            part.write_bytes(content)
            part.replace(folder / name)
    except OSError as error:
        raise cache_error(folder, error) from error
    return folder


def artifacts(
    card: ModelCard, folder: Path, cache: Path, precision: str, variant: str, progress: Progress
) -> dict[str, Artifact]:
    """The files of one form, hashed; made anew from `folder` where the cache is damaged.

    Raises UsageError for a form that there is not, DataError when the checkpoint is no longer what was planned.
    """
    graphs = cards.graphs_of(card, precision, variant)
    if graphs is None:
        name, offered = cards.build_name(precision, variant), ", ".join(("fp32", *card.builds))
        raise UsageError(
            here(f"{card.id}: cannot be built in {name}", f"{card.id}: {name}로 만들 수 없습니다"),
            hint=here(f"it has {offered}", f"가능한 것: {offered}"),
        )
    home = _home_of(card, cache)
    if home is None or not _intact(graphs, home):
        progress(here(f"{card.id}: the cache is damaged; building anew", f"{card.id}: 캐시가 손상되어 다시 만듦"))
        found, forms = _examined(folder, card.params)
        home = cache / FAMILY / _digest(_hashes(found, progress), forms)
        shutil.rmtree(home, ignore_errors=True)
        _make(found, forms, home, progress)
        if not _intact(graphs, home):
            raise DataError(
                here(f"{folder}: changed since the run was planned", f"{folder}: 실행을 계획한 뒤 바뀌었습니다"),
                hint=here("start a new run", "새 실행을 시작하십시오"),
            )
    return {
        role: Artifact(
            role=role,
            path=str(home / graph.file),
            sha256=artifact_sha256(graph),
            precision=precision,
            variant=variant,
        )
        for role, graph in graphs.items()
    }


def _examined(folder: Path, params: Mapping[str, Any]) -> tuple[Checkpoint, tuple[Emitted, ...]]:
    positions = static_sizes(params)[1]
    first = examine(folder, None, positions)
    forms = emit_all(first.shape, params)
    return examine(folder, shapes(forms[0].table), positions), forms


def _hashes(found: Checkpoint, progress: Progress) -> dict[str, str]:
    size = show_bytes(sum(path.stat().st_size for path in found.files))
    progress(here(f"{found.folder.name}: reading {size}", f"{found.folder.name}: {size} 읽는 중"))
    return {path.name: sha256_file(path) for path in found.files}


def _digest(hashes: Mapping[str, str], forms: tuple[Emitted, ...]) -> str:
    graphs = [hashlib.sha256(one.serialised).hexdigest() for one in forms]
    kept = {name: sha256 for name, sha256 in hashes.items() if name != TOKENIZER}
    return cards.digest({"files": kept, "graphs": graphs})[:16]


def _manifest(home: Path) -> Manifest | None:
    """What an earlier call wrote; None where there is nothing whole. Its hashes are checked when it is used."""
    try:
        manifest = msgspec.json.decode((home / MANIFEST).read_bytes(), type=Manifest)
        whole = (home / WEIGHTS_FILE).stat().st_size == manifest.bytes
    except (OSError, msgspec.DecodeError):
        return None
    return manifest if whole else None


def _make(found: Checkpoint, forms: tuple[Emitted, ...], home: Path, progress: Progress) -> Manifest:
    """Writes the folder under another name, then renames it. Raises StoreError."""
    table = forms[0].table
    size = show_bytes(table.bytes)
    progress(here(f"{found.folder.name}: writing {size} of weights", f"{found.folder.name}: 가중치 {size} 쓰는 중"))
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=home.parent))
        try:
            made = work / "made"
            made.mkdir()
            digest = hashlib.sha256()
            with (made / WEIGHTS_FILE).open("wb") as file:
                for piece in stream(found, table):
                    file.write(piece)
                    digest.update(piece)
            for one in forms:
                (made / one.file).write_bytes(one.serialised)
            manifest = Manifest(sha256=digest.hexdigest(), bytes=table.bytes)
            (made / MANIFEST).write_bytes(msgspec.json.encode(manifest))
            if home.exists():
                home.rename(work / "old")
            made.rename(home)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise cache_error(home, error) from error
    return manifest


def stream(found: Checkpoint, table: weights.Table) -> Iterator[bytes]:
    """The external-data file in pieces: the checkpoint's values as float32, matrices turned over. Raises DataError."""
    position, names = 0, origins(found.shape)
    for tensor in table.tensors:
        if tensor.offset > position:
            yield bytes(tensor.offset - position)
        origin = names[tensor.name]
        for chunk in safetensors.values(found.at[origin.name], origin.name, origin.transposed):
            yield chunk.astype("<f4", copy=False).tobytes()
        position = tensor.end


def _card(card: ModelCard, found: Checkpoint, forms: tuple[Emitted, ...], manifest: Manifest) -> ModelCard:
    name = found.folder.resolve().name
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:48].strip("-") or "model"
    builds: dict[str, dict[str, GraphSpec]] = {}
    for one in forms:
        pinned = WeightsSpec(kind="file", table=MANIFEST, sha256=manifest.sha256, bytes=manifest.bytes)
        sha256 = hashlib.sha256(one.serialised).hexdigest()
        builds.setdefault(one.build, {})[one.role] = GraphSpec(file=one.file, sha256=sha256, weights=pinned)
    return ModelCard(
        schema="npubench.model/1",
        id=f"llm-own-{slug}",
        title=Text(en=name, ko=name),
        summary=Text(en="A language model of the user's own weights.", ko="사용자가 지정한 가중치의 언어 모델."),
        workload=card.workload,
        license="unknown",
        data=card.data,
        precisions=("fp32",),
        scopes=card.scopes,
        graphs=builds.pop("fp32"),
        builds=builds,
        params={**card.params, **_params(found.shape)},
        offline_batch=card.offline_batch,
        requires_memory_gb=max(0.1, round(manifest.bytes * _MEMORY / 1e9, 1)),
    )


def _params(shape: Shape) -> dict[str, int]:
    return {
        "layers": shape.layers,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "hidden": shape.width,
        "vocab": shape.vocab,
    }


def _home_of(card: ModelCard, cache: Path) -> Path | None:
    """The folder that holds this card's weights, by its manifest; None where there is none."""
    pinned = card.graphs["decoder"].weights
    assert pinned is not None
    for path in sorted((cache / FAMILY).glob(f"*/{MANIFEST}")):
        manifest = _manifest(path.parent)
        graph = path.parent / card.graphs["decoder"].file
        if manifest is None or manifest.sha256 != pinned.sha256 or not graph.is_file():
            continue
        if sha256_file(graph) == card.graphs["decoder"].sha256:
            return path.parent
    return None


def _intact(graphs: Mapping[str, GraphSpec], home: Path) -> bool:
    """Whether every file of a form has just the pinned content."""
    pinned = {graph.file: graph.sha256 for graph in graphs.values()}
    pinned[WEIGHTS_FILE] = next(graph.weights.sha256 for graph in graphs.values() if graph.weights is not None)
    return all(
        not (home / file).is_symlink() and (home / file).is_file() and sha256_file(home / file) == sha256
        for file, sha256 in pinned.items()
    )
