"""Own calibration: a room of its own in the cache, with an identity of its own; too few pictures are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from npubench import cards, discovery
from npubench.build import calibrated
from npubench.build.calibrated import LEAST, Calibrated, calibrate
from npubench.build.materialise import materialise
from npubench.build.ranges import load_ranges
from npubench.cards import ModelCard, semantics
from npubench.errors import DataError, UsageError

MODELS = discovery.builtin_cards() / "models"
FRAMES = MODELS / "data" / "street-frames"
ROOM = MODELS / "cctv-detect"


def run(folder: Path, cache: Path, model: str = "cctv-detect") -> tuple[Calibrated, list[str]]:
    pytest.importorskip("onnxruntime")
    said: list[str] = []
    card = cards.load(MODELS / model / "model.toml", ModelCard)
    found = calibrate(
        card,
        MODELS / model,
        cache,
        folder,
        "frames",
        workload="npubench.workloads.detection:Detection",
        adapter="npubench.adapters.ort:OrtAdapter",
        progress=said.append,
    )
    return found, said


@pytest.fixture
def frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three frames, which is enough for a test."""
    monkeypatch.setitem(LEAST, "frames", 3)
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in (1, 2, 3):
        shutil.copy(FRAMES / f"frame-{number:04d}.jpg", folder)
    return folder


def test_one_picture_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(FRAMES / "frame-0001.jpg", folder)
    with pytest.raises(DataError, match="1 frames are too few to calibrate with; at least 16") as caught:
        run(folder, tmp_path / "cache")
    assert "hours, places and weather" in str(caught.value.hint)
    (folder / "frame-0001.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="not a readable picture"):
        run(folder, tmp_path / "cache")


def test_a_model_without_activations_to_quantise(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to calibrate"):
        run(FRAMES, tmp_path, "llm-chat-8m")


def test_own_ranges_make_a_room_of_their_own(frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    first, said = run(frames, cache)
    assert any("calibrating: 3 of 3" in line for line in said)
    assert (first.used, first.files) == (3, 3)
    shipped = cards.load(ROOM / "model.toml", ModelCard)
    assert first.card.graphs == shipped.graphs
    assert first.card.builds["fp16"] == shipped.builds["fp16"]
    for precision in ("int8", "s8s8", "a16w8"):
        assert semantics(first.card, precision) != semantics(shipped, precision)
        assert Path(materialise(first.card, Path(first.room), cache, precision)["detector"].path).is_file()
    ranges = load_ranges(Path(first.room) / "detector.ranges.json")
    assert (ranges.inputs, ranges.data) == (3, first.sha256)
    assert ranges.ranges["images"].high == 1.0

    def never(*_: object, **__: object) -> None:
        raise AssertionError("collected again")

    monkeypatch.setattr(calibrated.observe, "observe", never)
    (Path(first.room) / "detector.int8.onnx").write_bytes(b"damaged")
    second, _ = run(frames, cache)
    assert second == first
    materialise(second.card, Path(second.room), cache, "int8")
    assert [path.name for path in (cache / "cctv-detect" / "calibrated").iterdir()] == [Path(first.room).name]


def test_other_pictures_are_another_calibration(frames: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first, _ = run(frames, cache)
    shutil.copy(FRAMES / "frame-0009.jpg", frames)
    second, _ = run(frames, cache)
    assert first.room != second.room
    assert first.sha256 != second.sha256
