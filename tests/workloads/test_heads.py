"""Decoders of foreign heads: what is encoded comes back, what does not fit is named, real graphs paint known boxes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.errors import CardError, DataError
from npubench.spi import Artifact, Request
from npubench.workloads.boxes import Rules
from npubench.workloads.detection import Detection
from npubench.workloads.heads import Decoder, HeadSpec, load_anchors, settled
from tests.workloads.fakes import CountingClock, FakeSession, frames_folder, specs

onnx = pytest.importorskip("onnx")

SIZE, CLASSES = 64, 3
RULES = Rules(strides=(8,), score_threshold=0.3, nms_iou=0.5, max_candidates=1000, max_detections=100)

Array = npt.NDArray[Any]


def decoder(rules: Rules = RULES, stored: Array | None = None, **head: Any) -> Decoder:
    return Decoder(HeadSpec(**head), rules, CLASSES, SIZE, SIZE, stored)


def logit(p: Array) -> Array:
    return np.log(p / (1 - p))


@st.composite
def scenes(draw: st.DrawFn) -> Array:
    """Boxes that do not overlap, one per cell of a 4×4 grid: [n, 6] of x0, y0, x1, y1, score, class, best first."""
    cells = draw(st.lists(st.integers(0, 15), unique=True, max_size=8))
    rows = []
    for number, cell in enumerate(cells):
        width, height = draw(st.integers(1, 15)), draw(st.integers(1, 15))
        x, y = cell % 4 * 16, cell // 4 * 16
        rows.append([x, y, x + width, y + height, 0.95 - 0.05 * number, draw(st.integers(0, CLASSES - 1))])
    return np.array(rows, np.float64).reshape(-1, 6)


def shuffled(rows: Array, size: int) -> tuple[Array, Array]:
    """Places of the rows among `size` places, the same for the same rows."""
    return np.random.default_rng(len(rows)).permutation(size)[: len(rows)], rows


def centres(rows: Array) -> Array:
    return np.concatenate([(rows[:, :2] + rows[:, 2:4]) / 2, rows[:, 2:4] - rows[:, :2]], axis=1)


def same(found: Array, rows: Array) -> None:
    assert found.dtype == np.float32
    assert found.shape == rows.shape
    assert found == pytest.approx(rows.astype(np.float32), abs=2e-3)


@given(scenes(), st.booleans())
def test_yolo_with_objectness(rows: Array, turned: bool) -> None:
    table = np.zeros((20, 5 + CLASSES), np.float32)
    places, _ = shuffled(rows, 20)
    table[places, :4] = centres(rows)
    table[places, 4] = np.sqrt(rows[:, 4])
    table[places, 5 + rows[:, 5].astype(int)] = np.sqrt(rows[:, 4])
    found = decoder(kind="yolo", form="objectness", output="out").detections(
        {"out": (table.T if turned else table)[None]}, 0
    )
    same(found, rows)


@given(scenes(), st.booleans(), st.booleans())
def test_yolo_plain(rows: Array, turned: bool, logits: bool) -> None:
    table = np.full((20, 4 + CLASSES), -20 if logits else 0.01, np.float32)
    places, _ = shuffled(rows, 20)
    table[places, :4] = centres(rows)
    table[places, 4 + rows[:, 5].astype(int)] = logit(rows[:, 4]) if logits else rows[:, 4]
    activation = "sigmoid" if logits else "none"
    found = decoder(kind="yolo", output="out", activation=activation).detections(
        {"out": (table if turned else table.T)[None]}, 0
    )
    same(found, rows)


@given(scenes(), st.integers(0, 2))
def test_yolo_end_to_end(rows: Array, first: int) -> None:
    table = np.zeros((30, 6), np.float32)
    table[:, 5] = -1  # padding names no class
    places, _ = shuffled(rows, 30)
    table[places] = rows
    table[places, 5] += first
    found = decoder(kind="yolo", form="end-to-end", output="out", first_label=first).detections({"out": table[None]}, 0)
    same(found, rows)


@given(scenes(), st.sampled_from(["none", "first", "last"]), st.sampled_from(["none", "sigmoid", "softmax"]))
def test_ssd_scores(rows: Array, background: str, activation: str) -> None:
    columns = CLASSES + (background != "none")
    first = int(background == "first")
    scores = np.zeros((20, columns), np.float64)
    boxes = np.zeros((20, 4), np.float32)
    places, _ = shuffled(rows, 20)
    boxes[places] = rows[:, :4] / SIZE
    classes = rows[:, 5].astype(int) + first
    if activation == "softmax":
        # All other classes share what is left; empty places are sure of nothing, or too unsure of everything.
        scores[:] = np.log(1 / columns)
        if background != "none":
            scores[:, 0 if first else -1] = 20
        scores[places] = np.log((1 - rows[:, 4:5]) / (columns - 1))
        scores[places, classes] = np.log(rows[:, 4])
    elif activation == "sigmoid":
        scores[:] = -20
        scores[places, classes] = logit(rows[:, 4])
    else:
        scores[places, classes] = rows[:, 4]
    # Without a background an empty place is 1/3 sure of every class, which is more than the threshold of 0.3.
    rules = Rules(strides=(8,), score_threshold=0.4, nms_iou=0.5, max_candidates=1000, max_detections=100)
    found = decoder(kind="ssd", rules=rules, background=background, activation=activation).detections(
        {"boxes": boxes[None], "scores": scores.astype(np.float32)[None]}, 0
    )
    same(found, rows)


@given(scenes())
def test_ssd_with_anchors_and_variances(rows: Array) -> None:
    rng = np.random.default_rng(1)
    anchors = np.concatenate([rng.uniform(0.1, 0.9, (20, 2)), rng.uniform(0.1, 0.5, (20, 2))], axis=1).astype(
        np.float32
    )
    places, _ = shuffled(rows, 20)
    wanted, at = centres(rows) / SIZE, anchors[places]
    offsets = np.zeros((20, 4), np.float32)
    offsets[places, :2] = (wanted[:, :2] - at[:, :2]) / at[:, 2:] / 0.1
    offsets[places, 2:] = np.log(wanted[:, 2:] / at[:, 2:]) / 0.2
    scores = np.zeros((20, CLASSES + 1), np.float32)
    scores[places, rows[:, 5].astype(int) + 1] = rows[:, 4]
    found = decoder(stored=anchors, kind="ssd", anchors="anchors.npy").detections(
        {"boxes": offsets[None], "scores": scores[None]}, 0
    )
    same(found, rows)


@given(scenes(), st.sampled_from(["xyxy", "yxyx", "xywh", "cxcywh"]))
def test_ssd_with_labels_of_its_own(rows: Array, order: str) -> None:
    boxes, scores, labels = np.zeros((20, 1, 4), np.float32), np.zeros(20, np.float32), np.zeros(20, np.int64)
    places, _ = shuffled(rows, 20)
    orders = {
        "xyxy": rows[:, :4],
        "yxyx": rows[:, [1, 0, 3, 2]],
        "xywh": np.concatenate([rows[:, :2], rows[:, 2:4] - rows[:, :2]], axis=1),
        "cxcywh": centres(rows),
    }
    boxes[places, 0], scores[places], labels[places] = orders[order], rows[:, 4], rows[:, 5] + 1
    found = decoder(kind="ssd", labels_output="labels", boxes=order, units="pixels", first_label=1).detections(
        {"boxes": boxes[None], "scores": scores[None], "labels": labels[None]}, 0
    )
    same(found, rows)


@given(scenes(), st.booleans())
def test_detr(rows: Array, sigmoid: bool) -> None:
    boxes = np.zeros((12, 4), np.float32)
    logits = np.full((12, CLASSES + (not sigmoid)), -20, np.float32)
    if not sigmoid:
        logits[:, -1] = 0
    places, _ = shuffled(rows, 12)
    boxes[places] = centres(rows) / SIZE
    logits[places, rows[:, 5].astype(int)] = logit(rows[:, 4])
    activation = "sigmoid" if sigmoid else "softmax"
    found = decoder(kind="detr", activation=activation).detections({"boxes": boxes[None], "logits": logits[None]}, 0)
    same(found, rows)


def test_suppression_is_by_class_and_can_be_left_out() -> None:
    table = np.array([[10, 10, 20, 20, 0.9, 0], [10, 10, 20, 21, 0.8, 0], [10, 10, 20, 20, 0.7, 1]], np.float32)
    outputs = {"out": table[None]}
    assert len(decoder(kind="yolo", form="end-to-end", output="out").detections(outputs, 0)) == 3
    found = decoder(kind="yolo", form="end-to-end", output="out", nms=True).detections(outputs, 0)
    assert found[:, 4].tolist() == pytest.approx([0.9, 0.7])


def test_several_classes_of_one_box() -> None:
    table = np.array([[10, 10, 5, 5, 0.9, 0.4, 0.1]], np.float32)
    one = decoder(kind="yolo", output="out").detections({"out": table[None]}, 0)
    both = decoder(kind="yolo", output="out", multi_label=True).detections({"out": table[None]}, 0)
    assert one[:, 5].tolist() == [0]
    assert both[:, 5].tolist() == [0, 1]


def test_nothing_not_a_number_and_half_precision() -> None:
    for kind in ({"kind": "yolo", "output": "out"}, {"kind": "yolo", "form": "objectness", "output": "out"}):
        columns = 4 + CLASSES + ("form" in kind)
        for value in (0, np.nan):
            assert decoder(**kind).detections({"out": np.full((1, columns, 9), value, np.float16)}, 0).shape == (0, 6)
    for activation in ("softmax", "sigmoid", "none"):
        columns = CLASSES + (activation == "softmax")
        outputs = {"boxes": np.zeros((2, 5, 4)), "logits": np.full((2, 5, columns), np.nan, np.float32)}
        head = decoder(kind="detr", activation=activation, background="last" if activation == "softmax" else "none")
        assert head.detections(outputs, 1).shape == (0, 6)


def test_five_hundred_objects_and_the_limits() -> None:
    grid = np.stack(np.meshgrid(np.arange(25), np.arange(20)), axis=-1).reshape(-1, 2).astype(np.float32) * 20
    table = np.zeros((500, 4 + CLASSES), np.float32)
    table[:, :2], table[:, 2:4], table[:, 4] = grid, 10, np.linspace(0.9, 0.4, 500)
    rules = Rules(strides=(8,), score_threshold=0.3, nms_iou=0.5, max_candidates=1000, max_detections=500)
    assert len(decoder(kind="yolo", output="o", rules=rules).detections({"o": table.T[None]}, 0)) == 500
    assert len(decoder(kind="yolo", output="o").detections({"o": table.T[None]}, 0)) == 100


@pytest.mark.parametrize(
    ("head", "shapes", "said"),
    [
        ({"kind": "yolo"}, {"out": (1, 84, 8400)}, r"out has shape \[batch, 84, 8400\]; expected \[batch, N, 7\] or"),
        ({"kind": "yolo"}, {"a": (1, 7, 9), "b": (1, 7, 9)}, "output: missing; graphs.detector has outputs a, b"),
        ({"kind": "yolo", "output": "c"}, {"a": (1, 7, 9)}, 'output: found "c"; graphs.detector has outputs a'),
        ({"kind": "yolo", "form": "end-to-end"}, {"a": (1, 6, 300)}, r"expected \[batch, N, 6\]"),
        ({"kind": "ssd"}, {"boxes": (1, 9, 4), "scores": (1, 9, 3)}, r"expected \[batch, N, 4\] for 3 classes and the"),
        ({"kind": "ssd"}, {"boxes": (1, 9, 5), "scores": (1, 9, 4)}, r"boxes has shape .*expected \[batch, N, 4\]"),
        ({"kind": "ssd"}, {"boxes": (1, 9, 4)}, 'scores_output: found "scores"'),
        ({"kind": "detr"}, {"boxes": (1, 9, 4), "logits": (1, 9, 3)}, r"logits has shape .*expected \[batch, N, 4\]"),
        ({"kind": "ssd", "labels_output": "l"}, {"boxes": (1, 9, 4), "scores": (1, 9, 4), "l": (1, 9)}, "scores has"),
    ],
)
def test_wrong_outputs_are_named(head: dict[str, Any], shapes: dict[str, tuple[int, ...]], said: str) -> None:
    session = FakeSession([], specs(shapes), lambda feeds: feeds)
    with pytest.raises(CardError, match=said):
        decoder(**head).check(session, "detector")


def test_wrong_shapes_are_named_when_they_come() -> None:
    head = decoder(kind="yolo")
    head.check(FakeSession([], specs({"out": ("batch", "channels", "anchors")}), lambda feeds: feeds), "detector")
    with pytest.raises(CardError, match=re.escape("output out has shape [batch, 84, 20]")):
        head.detections({"out": np.zeros((1, 84, 20), np.float32)}, 0)
    with pytest.raises(CardError, match="8 rows; 9 boxes"):
        decoder(kind="ssd").detections({"boxes": np.zeros((1, 9, 4)), "scores": np.zeros((1, 8, 4))}, 0)
    table = np.array([[[0, 0, 1, 1, 0.9, 7]]], np.float32)
    with pytest.raises(CardError, match="names class 7; expected 0 to 2"):
        decoder(kind="yolo", form="end-to-end", output="o").detections({"o": table}, 0)


def test_anchors_come_from_the_room_and_are_pinned(tmp_path: Path) -> None:
    path = tmp_path / "anchors.npy"
    np.save(path, np.ones((5, 4)))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    head = HeadSpec(kind="ssd", anchors="anchors.npy", anchors_sha256=sha256)
    found = load_anchors(head, str(tmp_path))
    assert found is not None
    assert found.dtype == np.float32
    assert load_anchors(HeadSpec(kind="ssd"), None) is None
    with pytest.raises(CardError, match="anchors_sha256: found None"):
        load_anchors(HeadSpec(kind="ssd", anchors="anchors.npy"), str(tmp_path))
    for name, room in (("../anchors.npy", str(tmp_path)), ("anchors.npy", None)):
        with pytest.raises(CardError, match="expected the name of an"):
            load_anchors(HeadSpec(kind="ssd", anchors=name), room)
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(CardError, match="cannot be read"):
        load_anchors(head, str(tmp_path))


def test_defaults_of_the_kinds() -> None:
    assert settled(HeadSpec(kind="detr", activation="sigmoid")).background == "none"
    assert settled(HeadSpec(kind="detr")).nms is False
    assert settled(HeadSpec(kind="ssd", anchors="a.npy")).boxes == "cxcywh"
    assert settled(HeadSpec(kind="yolo", form="end-to-end")).boxes == "xyxy"
    assert settled(HeadSpec(kind="ssd", nms=False)).nms is False


def painted(head: str, layout: str = "NCHW") -> Any:
    """A graph that ignores its picture but for a factor of 1, and gives two known boxes (one per class 0 and 2)."""
    values: dict[str, Array]
    boxes = np.array([[8, 16, 24, 40], [40, 8, 56, 20]], np.float32)
    middle = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)
    sure = np.array([[0.9, 0, 0], [0, 0, 0.8]], np.float32)
    if head == "objectness":
        values = {"out": np.concatenate([middle, np.ones((2, 1), np.float32), sure], axis=1)}
    elif head == "plain":
        values = {"out": np.pad(np.concatenate([middle, sure], axis=1), ((0, 10), (0, 0))).T}
    elif head == "end-to-end":
        values = {"out": np.concatenate([boxes, sure.max(axis=1)[:, None], sure.argmax(axis=1)[:, None]], axis=1)}
    elif head == "ssd":
        values = {"boxes": boxes / SIZE, "scores": np.concatenate([1 - sure.sum(1, keepdims=True), sure], axis=1)}
    else:
        values = {"boxes": middle / SIZE, "logits": logit(np.clip(sure, 1e-6, 1)).astype(np.float32)}
    helper = onnx.helper
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    constants, outputs = [onnx.numpy_helper.from_array(np.zeros((), np.float32), "zero")], []
    for name, value in values.items():
        constants.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value[None], np.float32), f"{name}_known"))
        nodes.append(helper.make_node("Add", [f"{name}_known", "nothing"], [name]))
        outputs.append(helper.make_tensor_value_info(name, 1, [1, *value.shape]))
    shape = [1, 3, SIZE, SIZE] if layout == "NCHW" else [1, SIZE, SIZE, 3]
    given_ = [helper.make_tensor_value_info("images", 1, shape)]
    made = helper.make_graph(nodes, "painted", given_, outputs, constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


HEADS: dict[str, dict[str, Any]] = {
    "objectness": {"kind": "yolo", "form": "objectness"},
    "plain": {"kind": "yolo"},
    "end-to-end": {"kind": "yolo", "form": "end-to-end"},
    "ssd": {"kind": "ssd"},
    "detr": {"kind": "detr", "activation": "sigmoid"},
}


@pytest.mark.parametrize("scope", ["device", "service"])
@pytest.mark.parametrize("head", list(HEADS))
def test_known_boxes_through_a_real_session(tmp_path: Path, head: str, scope: str) -> None:
    pytest.importorskip("onnxruntime")
    from npubench.adapters.ort import OrtAdapter

    onnx.save(painted(head), tmp_path / "d.onnx")
    artifact = Artifact(role="detector", path=str(tmp_path / "d.onnx"), sha256="0" * 64)
    session = OrtAdapter("CPUExecutionProvider", None).open(artifact, {"intra_op_num_threads": 1})
    params = {
        "input_size": [SIZE, SIZE],
        "classes": ["a", "b", "c"],
        "input": {"resize": "stretch"},
        "head": HEADS[head],
    }
    request = Request(scope=scope, params=params, data=str(frames_folder(tmp_path / "f", 2)))
    bind = Detection().bind({"detector": session}, request, CountingClock())
    assert [bind.step(i) for i in range(3)] == [1] * 3
    (found,) = bind.detections(1)
    # Stretched from 320×180, so that across is 5 and down is 2.8125 picture pixels for one of the network's.
    down = 180 / SIZE
    assert found[:, :4] == pytest.approx(
        np.array([[40, 16 * down, 120, 40 * down], [200, 8 * down, 280, 20 * down]]), rel=1e-5
    )
    assert found[:, 4] == pytest.approx([0.9, 0.8], abs=1e-5)
    assert found[:, 5].tolist() == [0, 2]


def test_outputs_that_change_their_size(tmp_path: Path) -> None:
    """A graph with NMS inside gives another number of rows for each picture; nothing may be bound to the first."""
    pytest.importorskip("onnxruntime")
    from npubench.adapters.ort import OrtAdapter

    helper = onnx.helper
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "many"], ["rows"]),
        helper.make_node("Cast", ["rows"], ["count"], to=7),
        helper.make_node("Unsqueeze", ["count", "axis"], ["counts"]),
        helper.make_node("Concat", ["one", "counts", "six"], ["shape"], axis=0),
        helper.make_node("Expand", ["row", "shape"], ["out"]),
    ]
    arrays = {
        "many": np.array(500, np.float32),
        "axis": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "six": np.array([6], np.int64),
        "row": np.array([[[1, 1, 9, 9, 0.9, 1]]], np.float32),
    }
    made = helper.make_graph(
        nodes,
        "varying",
        [helper.make_tensor_value_info("images", 1, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("out", 1, [1, "found", 6])],
        [onnx.numpy_helper.from_array(value, name) for name, value in arrays.items()],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "v.onnx")
    artifact = Artifact(role="detector", path=str(tmp_path / "v.onnx"), sha256="0" * 64)
    session = OrtAdapter("CPUExecutionProvider", None).open(artifact, {"intra_op_num_threads": 1})
    params = {"input_size": SIZE, "input": {}, "head": HEADS["end-to-end"]}
    request = Request(scope="service", params=params, data=str(frames_folder(tmp_path / "f", 3)))
    bind = Detection().bind({"detector": session}, request, CountingClock())
    counts = [len(bind.inspect(index)["out"][0]) for index in range(3)]
    assert len(set(counts)) > 1
    assert [len(bind.detections(index)[0]) for index in range(3)] == counts


def test_a_card_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    session = FakeSession(specs({"images": (1, 3, SIZE, SIZE)}), specs({"out": (1, 7, 9)}), lambda feeds: feeds)
    folder = frames_folder(tmp_path / "f", 1)
    for params, said in (
        ({"head": {"kind": "yolo", "from": "plain"}}, r'params\.head\.from: unknown key \(did you mean "form"\?\)'),
        ({"head": {"kind": "yola"}}, r"params\.head\.kind: found 'yola'"),
        ({"head": 3}, r"params\.head: found 3; expected a table"),
        ({"input": {"resize": "crop"}}, r"params\.input\.resize: found 'crop'"),
    ):
        request = Request(scope="device", params={"input_size": SIZE, **params}, data=str(folder))
        with pytest.raises((CardError, DataError), match=said):
            Detection().bind({"detector": session}, request, CountingClock())
