"""Makes a model card's files in the cache: graph and weights, each checked against the SHA-256 that the card pins.

`<cache>/<model id>/<first 16 hex of the digest of the card's graphs>/<role>/model.onnx` and `weights.bin` beside it.
Guarantees: what is returned has just been hashed, on a cache hit too, so that a damaged or tampered cache is rebuilt
and never measured; the folder appears at once or not at all (made under another name, then renamed), so that a killed
or a second process does no harm; files are copied, never linked (onnx refuses hard links to external data); memory
stays small. Needs numpy and hashlib only; no floating-point step that could differ between machines (`weights`).

Not aware of: how rooms are written (`author`), runtimes.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import msgspec

from npubench import cards
from npubench.build import weights
from npubench.cards import GraphSpec, ModelCard
from npubench.discovery import cache_root as cache_root
from npubench.errors import CardError, StoreError, UsageError
from npubench.lang import here
from npubench.spi import Artifact
from npubench.store import sha256_file
from npubench.units import show_bytes

GRAPH_FILE = "model.onnx"
WEIGHTS_FILE = "weights.bin"

# A half-built folder older than this was left by a process that was killed.
_ABANDONED_S = 24 * 3600

Progress = Callable[[str], None]


def materialise(
    card: ModelCard,
    room: Path,
    cache: Path,
    precision: str = "fp32",
    progress: Progress | None = None,
    variant: str = "portable",
    batch: int = 1,
) -> dict[str, Artifact]:
    """The model's files, made or found in `cache`: role → Artifact, in the order of the card.

    `batch` matters where shapes are fixed (`cards.sizes_of`): each batch size has files of its own, whose graph is made
    anew from the room's each time and compared with the cache.

    `room` is the card's folder. An artifact's `sha256` is the digest (canonical JSON) of the pinned hashes of its graph
    and weights. Raises ArtifactError when a file of the room is missing or not what the card pins, UsageError for a
    precision that cannot be made, StoreError when the cache cannot be written.
    """
    graphs = cards.graphs_of(card, precision, variant)
    if graphs is None:
        offered = ", ".join(("fp32", *card.builds))
        name = cards.build_name(precision, variant)
        raise UsageError(
            here(f"{card.id}: cannot be built in {name}", f"{card.id}: {name}로 만들 수 없습니다"),
            hint=here(f"it has {offered}", f"가능한 것: {offered}"),
        )
    say = progress or (lambda _: None)
    sizes = cards.sizes_of(card, precision, variant, batch)
    made = {role: _fixed_graph(graph, room, sizes.get(role, {}), role) for role, graph in graphs.items() if sizes}
    graphs = {
        role: msgspec.structs.replace(graph, sha256=hashlib.sha256(made[role]).hexdigest()) if role in made else graph
        for role, graph in graphs.items()
    }
    family = cache / card.id
    folder = family / cards.digest(graphs)[:16]
    started = time.perf_counter()
    try:
        if _intact(graphs, folder):
            say(here(f"{card.id}: in the cache, checked", f"{card.id}: 캐시에 있음, 확인됨"))
        else:
            if folder.exists():
                say(here(f"{card.id}: the cache is damaged; building anew", f"{card.id}: 캐시가 손상되어 다시 만듦"))
            family.mkdir(parents=True, exist_ok=True)
            _sweep(family)
            _build(card, graphs, made, room, folder, say)
            seconds = time.perf_counter() - started
            say(here(f"{card.id}: built in {seconds:.1f} s", f"{card.id}: {seconds:.1f}초 만에 완성"))
    except OSError as error:
        raise cache_error(folder, error) from error
    return {
        role: Artifact(
            role=role,
            path=str(folder / role / GRAPH_FILE),
            sha256=artifact_sha256(graph),
            precision=precision,
            variant=variant,
        )
        for role, graph in graphs.items()
    }


def artifact_sha256(graph: GraphSpec) -> str:
    """One hash for a graph and its weights: the digest of all pinned hashes."""
    return cards.digest(cards.graph_hashes(graph))


def cache_error(folder: Path, error: OSError) -> StoreError:
    reason = error.strerror or str(error)
    if error.errno == errno.ENOSPC:
        advice = here("free some space there, or set NPUBENCH_CACHE", "공간을 확보하거나 NPUBENCH_CACHE를 지정하십시오")
    else:
        advice = here("set NPUBENCH_CACHE to a writable folder", "NPUBENCH_CACHE에 쓰기 가능한 폴더를 지정하십시오")
    return StoreError(here(f"{folder}: cannot build the model: {reason}", f"{folder}: {reason}"), hint=advice)


def _is(path: Path, size: int | None, sha256: str) -> bool:
    """Whether `path` is a plain file of its own with this content. A link could be redirected after the check."""
    if path.is_symlink() or not path.is_file() or (size is not None and path.stat().st_size != size):
        return False
    return sha256_file(path) == sha256


def _intact(graphs: Mapping[str, GraphSpec], folder: Path) -> bool:
    for role, graph in graphs.items():
        if not _is(folder / role / GRAPH_FILE, None, graph.sha256):
            return False
        if not all(_is(folder / role / name, None, sha256) for name, sha256 in graph.files.items()):
            return False
        pinned = graph.weights
        if pinned is not None and not _is(folder / role / WEIGHTS_FILE, pinned.bytes, pinned.sha256):
            return False
    return folder.is_dir()


def _sweep(family: Path) -> None:
    """Removes what killed processes left half-built."""
    for left in family.glob(".building-*"):
        if time.time() - left.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(left, ignore_errors=True)


def _build(
    card: ModelCard,
    graphs: Mapping[str, GraphSpec],
    fixed: Mapping[str, bytes],
    room: Path,
    folder: Path,
    say: Progress,
) -> None:
    """`fixed`: the graphs that are not files of the room."""
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        made = work / "made"
        for role, graph in graphs.items():
            (made / role).mkdir(parents=True)
            content = fixed[role] if role in fixed else _graph_bytes(room / graph.file, graph.sha256)
            (made / role / GRAPH_FILE).write_bytes(content)
            for name, sha256 in graph.files.items():
                _copy_data((room / graph.file).parent, name, made / role, sha256)
            if graph.weights is not None:
                size = show_bytes(graph.weights.bytes)
                say(here(f"{card.id}: {role}: making {size} of weights", f"{card.id}: {role}: 가중치 {size} 생성 중"))
                _write_weights(card, graph, room, made / role / WEIGHTS_FILE)
        _publish(graphs, made, folder, work / "old")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _publish(graphs: Mapping[str, GraphSpec], made: Path, folder: Path, aside: Path) -> None:
    """Renames `made` to `folder`. Another process may have published the same in the meantime: then its files stay."""
    if folder.exists() or folder.is_symlink():
        if _intact(graphs, folder):
            return
        folder.rename(aside)
    try:
        made.rename(folder)
    except OSError:
        if not _intact(graphs, folder):
            raise


def _fixed_graph(graph: GraphSpec, room: Path, sizes: Mapping[str, int], role: str) -> bytes:
    # onnx is not needed to build what the room holds as it is.
    import onnx

    from npubench.build.fixed import fixed

    model = onnx.ModelProto.FromString(_graph_bytes(room / graph.file, graph.sha256))
    made = fixed(model, sizes, f"{room / 'model.toml'}: static.{role}")
    serialised: bytes = made.SerializeToString(deterministic=True)
    return serialised


def _graph_bytes(source: Path, sha256: str) -> bytes:
    try:
        content = source.read_bytes()
    except OSError as error:
        reason = error.strerror
        raise weights.room_error(source, here(f"cannot be read: {reason}", f"읽을 수 없습니다: {reason}")) from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise weights.room_error(source, _unlike(found, sha256))
    return content


def _copy_data(folder: Path, name: str, target: Path, sha256: str) -> None:
    """External data may be larger than memory, so that it is copied first and hashed then."""
    source = folder / name
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or name == GRAPH_FILE:
        raise weights.room_error(source, here("a name that cannot be taken over", "쓸 수 없는 이름입니다"))
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    try:
        with source.open("rb") as read, (target / name).open("xb") as written:
            shutil.copyfileobj(read, written, 1 << 20)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        reason = error.strerror
        raise weights.room_error(source, here(f"cannot be read: {reason}", f"읽을 수 없습니다: {reason}")) from None
    if (found := sha256_file(target / name)) != sha256:
        raise weights.room_error(source, _unlike(found, sha256))


def _unlike(found: str, expected: str) -> str:
    return here(f"SHA-256 is {found}; the card pins {expected}", f"SHA-256이 {found}입니다. 카드에는 {expected}")


def _write_weights(card: ModelCard, graph: GraphSpec, room: Path, target: Path) -> None:
    spec = graph.weights
    assert spec is not None
    table_path = room / spec.table
    table = weights.load_table(table_path)
    arrays_path = room / spec.arrays if spec.arrays else None
    arrays = weights.load_arrays(arrays_path)
    if table.bytes != spec.bytes:
        what = here(f"describes {table.bytes} bytes; the card pins {spec.bytes}", f"{table.bytes} ≠ {spec.bytes}")
        raise weights.room_error(table_path, what)
    origin = weight_source(card, spec.source, room) if spec.source is not None else None
    digest = hashlib.sha256()
    with target.open("wb") as file:
        try:
            for piece in weights.stream(table, spec.seed or "", arrays, origin):
                file.write(piece)
                digest.update(piece)
        except KeyError as error:
            if spec.source is not None:
                what = here(f"graphs.{spec.source} has no tensor {error}", f"graphs.{spec.source}에 텐서 {error} 없음")
                raise weights.room_error(table_path, what) from None
            what = here(f"no array {error}", f"배열 {error} 없음")
            raise weights.room_error(arrays_path or table_path, what) from None
        except ValueError as error:
            raise weights.room_error(arrays_path or table_path, str(error)) from None
    if (found := digest.hexdigest()) != spec.sha256:
        sources = here("weights made from it and from ", "이 파일과 다음으로 만든 가중치: ")
        seed = f"seed {spec.seed}" if spec.seed else None
        source = f"graphs.{spec.source}" if spec.source else None
        others = ", ".join(name for name in (spec.arrays, seed, source) if name)
        raise weights.room_error(table_path, f"{sources}{others or '–'}: {_unlike(found, spec.sha256)}")


def weight_source(card: ModelCard, role: str, room: Path) -> weights.Source:
    """The fp32 weights of the graph `role` of `card`, for tables derived from them. Raises ArtifactError, CardError."""
    spec = card.graphs[role].weights if role in card.graphs else None
    if spec is None or spec.kind == "derived":
        known = ", ".join(name for name, graph in card.graphs.items() if graph.weights is not None)
        raise CardError(
            [f'{room / "model.toml"}: builds: weights.source: found "{role}"; expected a graph with weights ({known})']
        )
    arrays = weights.load_arrays(room / spec.arrays if spec.arrays else None)
    return weights.Source(weights.load_table(room / spec.table), spec.seed or "", arrays)
