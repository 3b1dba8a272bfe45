"""Models appear in the cache, checked each time; damage in the cache heals, damage in the room is named."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from npubench import cards, discovery
from npubench.build import materialise as module
from npubench.build.materialise import artifact_sha256, cache_root, materialise
from npubench.cards import GraphSpec, ModelCard
from npubench.errors import ArtifactError, StoreError, UsageError

MODELS = discovery.builtin_cards() / "models"


def card_of(model: str, models: Path = MODELS) -> ModelCard:
    return cards.load(models / model / "model.toml", ModelCard)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A copy of the detector's room, to be damaged."""
    return Path(shutil.copytree(MODELS / "cctv-detect", tmp_path / "room"))


@pytest.mark.parametrize("model", ["cctv-detect", "ocr-korean", "llm-chat-8m"])
def test_weights_are_bit_exact(model: str, tmp_path: Path) -> None:
    card = card_of(model)
    found = materialise(card, MODELS / model, tmp_path)
    assert list(found) == list(card.graphs)
    for role, artifact in found.items():
        pinned = card.graphs[role]
        assert pinned.weights is not None
        graph = Path(artifact.path)
        assert graph == tmp_path / model / cards.digest(card.graphs)[:16] / role / "model.onnx"
        assert hashlib.sha256(graph.read_bytes()).hexdigest() == pinned.sha256
        content = (graph.parent / "weights.bin").read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (pinned.weights.bytes, pinned.weights.sha256)
        assert artifact.sha256 == artifact_sha256(pinned)
        assert (artifact.role, artifact.precision) == (role, "fp32")
        assert graph.stat().st_nlink == 1
    assert not list((tmp_path / model).glob(".building-*"))


@pytest.mark.slow
def test_the_large_decoder_is_bit_exact(tmp_path: Path) -> None:
    materialise(card_of("llm-chat-135m"), MODELS / "llm-chat-135m", tmp_path)


def test_the_second_time_hits_the_cache(room: Path, tmp_path: Path) -> None:
    card = card_of("cctv-detect")
    said: list[str] = []
    first = materialise(card, room, tmp_path / "cache", progress=said.append)
    inode = Path(first["detector"].path).stat().st_ino
    # The cache alone is enough.
    shutil.rmtree(room)
    assert materialise(card, room, tmp_path / "cache", progress=said.append) == first
    assert Path(first["detector"].path).stat().st_ino == inode
    assert "making" in said[0]
    assert "in the cache" in said[-1]


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _flip(path: Path) -> None:
    stamp = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def _link(path: Path) -> None:
    moved = path.with_name("elsewhere")
    path.rename(moved)
    path.symlink_to(moved)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("file", ["model.onnx", "weights.bin"])
@pytest.mark.parametrize("damage", [_truncate, _flip, _link, _folder, Path.unlink])
def test_a_tampered_cache_is_rebuilt(file: str, damage: Callable[[Path], None], tmp_path: Path) -> None:
    card = card_of("cctv-detect")
    first = materialise(card, MODELS / "cctv-detect", tmp_path)
    damage(Path(first["detector"].path).with_name(file))
    said: list[str] = []
    assert materialise(card, MODELS / "cctv-detect", tmp_path, progress=said.append) == first
    assert any("damaged" in line for line in said)
    materialise(card, MODELS / "cctv-detect", tmp_path, progress=said.append)
    assert "in the cache" in said[-1]
    assert [path.name for path in (tmp_path / "cctv-detect").iterdir()] == [cards.digest(card.graphs)[:16]]


@pytest.mark.parametrize("file", ["detector.onnx", "detector.json", "detector.npz"])
def test_a_missing_room_file(file: str, room: Path, tmp_path: Path) -> None:
    (room / file).unlink()
    with pytest.raises(ArtifactError, match="cannot be read") as caught:
        materialise(card_of("cctv-detect"), room, tmp_path / "cache")
    assert str(room / file) in str(caught.value)
    assert caught.value.hint
    assert not list((tmp_path / "cache" / "cctv-detect").iterdir())


def test_a_tampered_graph_names_both_hashes(room: Path, tmp_path: Path) -> None:
    _flip(room / "detector.onnx")
    card = card_of("cctv-detect")
    with pytest.raises(ArtifactError) as caught:
        materialise(card, room, tmp_path / "cache")
    assert card.graphs["detector"].sha256 in str(caught.value)
    assert hashlib.sha256((room / "detector.onnx").read_bytes()).hexdigest() in str(caught.value)


def test_a_tampered_weight_table(room: Path, tmp_path: Path) -> None:
    path = room / "detector.json"
    whole = path.read_text()
    path.write_text(whole.replace('"array":"stage4.keep.bias"', '"array":"stage4.enter.bias"'))
    with pytest.raises(ArtifactError, match=r"detector\.json: weights made from it.*the card pins"):
        materialise(card_of("cctv-detect"), room, tmp_path / "cache")
    path.write_text(whole.replace('"array":"stem.weight"', '"array":"absent"'))
    with pytest.raises(ArtifactError, match=r"detector\.npz: no array 'absent'"):
        materialise(card_of("cctv-detect"), room, tmp_path / "cache")


def test_other_weights_than_pinned(room: Path, tmp_path: Path) -> None:
    card = card_of("cctv-detect")
    graph = card.graphs["detector"]
    assert graph.weights is not None
    for change in ({"sha256": "0" * 64}, {"bytes": 5}):
        changed = msgspec.structs.replace(graph, weights=msgspec.structs.replace(graph.weights, **change))
        with pytest.raises(ArtifactError, match="the card pins"):
            materialise(msgspec.structs.replace(card, graphs={"detector": changed}), room, tmp_path / "cache")


def test_a_graph_without_weights(tmp_path: Path) -> None:
    (tmp_path / "plain.onnx").write_bytes(b"graph")
    spec = GraphSpec(file="plain.onnx", sha256=hashlib.sha256(b"graph").hexdigest())
    card = msgspec.structs.replace(card_of("cctv-detect"), id="plain", graphs={"main": spec})
    found = materialise(card, tmp_path, tmp_path / "cache")
    assert Path(found["main"].path).read_bytes() == b"graph"


def test_two_builders_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = card_of("cctv-detect")
    original = module._publish

    def late(card: ModelCard, made: Path, folder: Path, aside: Path) -> None:
        # Another process finishes first.
        shutil.copytree(made, folder)
        original(card, made, folder, aside)

    monkeypatch.setattr(module, "_publish", late)
    found = materialise(card, MODELS / "cctv-detect", tmp_path)
    assert Path(found["detector"].path).is_file()
    assert len(list((tmp_path / "cctv-detect").iterdir())) == 1


def test_what_killed_processes_left_is_swept(tmp_path: Path) -> None:
    old, new = (tmp_path / "cctv-detect" / f".building-{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
    day_before = time.time() - 2 * 24 * 3600
    os.utime(old, (day_before, day_before))
    materialise(card_of("cctv-detect"), MODELS / "cctv-detect", tmp_path)
    assert not old.exists()
    assert new.exists()


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError) as caught:
        materialise(card_of("cctv-detect"), MODELS / "cctv-detect", tmp_path / "file")
    assert "NPUBENCH_CACHE" in str(caught.value.hint)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write_weights", full)
    with pytest.raises(StoreError, match="No space left") as caught:
        materialise(card_of("cctv-detect"), MODELS / "cctv-detect", tmp_path)
    assert "free some space" in str(caught.value.hint)
    assert not list((tmp_path / "cctv-detect").iterdir())


@pytest.mark.parametrize("model", ["cctv-detect", "ocr-korean", "llm-chat-8m"])
def test_every_precision_is_bit_exact(model: str, tmp_path: Path) -> None:
    card = card_of(model)
    for precision in card.precisions[1:]:
        found = materialise(card, MODELS / model, tmp_path, precision)
        for role, artifact in found.items():
            pinned = card.builds[precision][role]
            assert pinned.weights is not None
            assert (pinned.weights.kind, pinned.weights.source) == ("derived", role)
            graph = Path(artifact.path)
            assert hashlib.sha256(graph.read_bytes()).hexdigest() == pinned.sha256
            content = (graph.parent / "weights.bin").read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (pinned.weights.bytes, pinned.weights.sha256)
            assert (artifact.sha256, artifact.precision) == (artifact_sha256(pinned), precision)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8", "int4"])
def test_every_precision_of_the_large_decoder_is_bit_exact(precision: str, tmp_path: Path) -> None:
    materialise(card_of("llm-chat-135m"), MODELS / "llm-chat-135m", tmp_path, precision)


def test_a_precision_that_the_room_has_not(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="int4") as caught:
        materialise(card_of("cctv-detect"), MODELS / "cctv-detect", tmp_path, "int4")
    assert "fp32, fp16, bf16, int8" in str(caught.value.hint)


def test_cache_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NPUBENCH_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv("NPUBENCH_CACHE")
    assert cache_root().name == "npubench"
