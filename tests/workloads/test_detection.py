from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from npubench.errors import CardError, DataError, UsageError
from npubench.spi import Feeds, Outputs, Request
from npubench.workloads.detection import Detection
from tests.workloads.fakes import CountingClock, FakeSession, encoded, frames_folder, specs

PARAMS = {"input_size": [64, 64], "strides": [8, 16], "inputs": 8, "score_threshold": 0.5, "nms_iou": 0.5}


def heads(feeds: Feeds) -> Outputs:
    """One sure box per row, around cell (3, 4) of stride 8; its class is told by the picture's brightness."""
    batch = len(feeds["images"])
    outputs = {}
    for stride in (8, 16):
        side = 64 // stride
        outputs[f"box_s{stride}"] = np.zeros((batch, 4, side, side), np.float32)
        outputs[f"cls_s{stride}"] = np.full((batch, 6, side, side), -9, np.float32)
    for row, image in enumerate(feeds["images"]):
        outputs["cls_s8"][row, int(image.mean() * 5.99), 4, 3] = 4.0
    return outputs


def detector(batch: int | str = "batch", dtype: str = "float32") -> FakeSession:
    outputs = {f"{kind}_s{stride}": ("batch", 4, 1, 1) for stride in (8, 16) for kind in ("box", "cls")}
    return FakeSession(specs({"images": (batch, 3, 64, 64)}, dtype), specs(outputs), heads)


def bound(session: FakeSession, folder: Path | None, scope: str = "device", batch: int = 1, **params: Any) -> Any:
    request = Request(scope=scope, batch=batch, params={**PARAMS, **params}, data=str(folder) if folder else None)
    return Detection().bind({"detector": session}, request, CountingClock())


def test_both_scopes_feed_and_find_the_same(tmp_path: Path) -> None:
    folder = frames_folder(tmp_path / "f", 3)
    one, two = detector(), detector()
    device, service = bound(one, folder, inputs=3), bound(two, folder, "service")
    assert device.count == service.count == 3
    for index in range(4):
        assert device.step(index) == service.step(index) == 1
        assert np.array_equal(one.fed[-1]["images"], two.fed[-1]["images"])
        assert device.names(index) == service.names(index) == [f"frame-{index % 3:03}.jpg"]
        for a, b in zip(device.detections(index), service.detections(index), strict=True):
            assert np.array_equal(a, b)


def test_boxes_are_in_pixels_of_the_frame(tmp_path: Path) -> None:
    bind = bound(detector(), frames_folder(tmp_path / "f", 1), "service")
    ((row,),) = bind.detections(0)
    # 320×180 on 64×64: scale 0.2, 14 rows of grey above; the cell's centre is (28, 36), the box 8 around it.
    assert row[:4] == pytest.approx([100, 70, 180, 150])
    assert row[4] == pytest.approx(1 / (1 + np.exp(-4)))
    assert row[5] in range(6)


def test_a_batch_stacks_consecutive_frames(tmp_path: Path) -> None:
    session = detector()
    bind = bound(session, frames_folder(tmp_path / "f", 5), batch=2)
    assert bind.count == 3
    assert [bind.names(i) for i in range(2)] == [["frame-000.jpg", "frame-001.jpg"], ["frame-002.jpg", "frame-003.jpg"]]
    assert bind.step(1) == 2
    assert session.fed[-1]["images"].shape == (2, 3, 64, 64)
    assert len(bind.detections(0)) == 2
    few = bound(detector(), frames_folder(tmp_path / "g", 1), "service", batch=3)
    assert few.count == 1
    assert few.names(0) == ["frame-000.jpg"] * 3
    assert few.step(7) == 3


def test_inspect_copies_the_raw_heads(tmp_path: Path) -> None:
    bind = bound(detector(), frames_folder(tmp_path / "f", 2))
    raw = bind.inspect(1)
    assert set(raw) == {"box_s8", "cls_s8", "box_s16", "cls_s16"}
    assert raw["cls_s8"].shape == (1, 6, 8, 8)
    bind.close()


def test_mixed_sizes_and_kinds_of_files(tmp_path: Path) -> None:
    folder = frames_folder(tmp_path / "f", 1)
    (folder / "tall.png").write_bytes(encoded(Image.new("L", (30, 90), 255), "PNG"))
    (folder / "wide.webp").write_bytes(encoded(Image.new("RGB", (300, 20)), "WEBP"))
    one, two = detector(), detector()
    device, service = bound(one, folder, inputs=3), bound(two, folder, "service")
    for index in (0, 1, 2, 1, 0):
        device.step(index)
        service.step(index)
        assert np.array_equal(one.fed[-1]["images"], two.fed[-1]["images"])


def test_no_folder_an_absent_one_and_an_empty_one(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "absent", tmp_path):
        with pytest.raises(DataError) as caught:
            bound(detector(), folder)
        assert caught.value.hint


@pytest.mark.parametrize("scope", ["device", "service"])
def test_a_broken_frame_is_named_at_bind(tmp_path: Path, scope: str) -> None:
    folder = frames_folder(tmp_path / "f", 1)
    (folder / "frame-001.png").write_bytes(b"no picture at all")
    with pytest.raises(DataError, match=r"frame-001\.png"):
        bound(detector(), folder, scope)


def test_requests_that_the_graph_cannot_serve(tmp_path: Path) -> None:
    folder = frames_folder(tmp_path / "f", 1)
    with pytest.raises(UsageError, match="fixed batch of 1"):
        bound(detector(batch=1), folder, batch=2)
    with pytest.raises(CardError, match="float64"):
        bound(detector(dtype="float64"), folder)
    with pytest.raises(CardError, match=r"params\.nms_iou"):
        bound(detector(), folder, nms_iou=1.5)
    with pytest.raises(CardError, match="box_s32"):
        bound(detector(), folder, strides=[8, 16, 32])
    with pytest.raises(UsageError, match="resident"):
        bound(detector(), folder, "resident")
    with pytest.raises(CardError, match="detector"):
        Detection().bind({"other": detector()}, Request(scope="device", params=PARAMS), CountingClock())


def annotate(folder: Path, shift: float = 0.0) -> None:
    """The fake detector's own box (100, 70, 180, 150) of each frame, `shift` pixels off, in COCO's format."""
    bind = bound(detector(), folder, "service")
    images, objects = [], []
    names = ["person", "car", "bus", "truck", "motorcycle", "bicycle"]
    for index in range(bind.count):
        ((row,),) = bind.detections(index)
        images.append({"id": index, "file_name": bind.names(index)[0]})
        box = [100 + shift, 70, 80, 80]
        objects.append({"id": index, "image_id": index, "category_id": int(row[5]) + 1, "bbox": box})
    categories = [{"id": number, "name": name} for number, name in enumerate(names, start=1)]
    document = {"images": images, "annotations": objects, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(document), encoding="utf-8")


def test_scores_are_average_precision_against_the_folders_labels(tmp_path: Path) -> None:
    folder = frames_folder(tmp_path / "f", 3)
    assert bound(detector(), folder, "service").score() == {}
    annotate(folder)
    assert bound(detector(), folder, "service").score() == {"map50": pytest.approx(1.0), "map50_95": pytest.approx(1.0)}
    # Half of the last batch is filled up with the first frame, which must not count twice.
    assert bound(detector(), folder, "service", batch=2).score()["map50"] == pytest.approx(1.0)
    # 20 of 80 pixels off: an overlap of 0.6, found at 0.5, 0.55 and 0.6 of ten.
    annotate(folder, shift=19.9)
    scores = bound(detector(), folder, "service").score()
    assert scores["map50"] == pytest.approx(1.0)
    assert scores["map50_95"] == pytest.approx(0.3)
