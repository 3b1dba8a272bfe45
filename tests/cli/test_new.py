"""`npubench new model`: real files in, a room that real runs measure."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from npubench import cards
from npubench.build.foreign import Described, guess
from npubench.discovery import catalogue
from npubench.errors import DataError
from npubench.spi import TensorSpec
from tests.cli.test_run_cli import npubench, run_folder
from tests.workloads.fakes import frames_folder
from tests.workloads.test_heads import painted


def files(folder: Path, head: str = "plain", names: str = "a\nb\nc\n") -> tuple[Path, Path]:
    onnx.save(painted(head), folder / "net.onnx")
    (folder / "classes.txt").write_text(names, encoding="utf-8")
    return folder / "net.onnx", folder / "classes.txt"


def made(folder: Path, *more: str | Path, head: str = "yolo", file: str = "plain") -> Any:
    net, classes = files(folder, file)
    return npubench(
        "new", "model", "ours", "--onnx", net, "--head", head, "--classes", classes, "--out", folder / "mine", *more
    )


@pytest.mark.parametrize(
    ("head", "file", "form"),
    [
        ("yolo", "plain", "plain"),
        ("yolo", "objectness", "objectness"),
        ("yolo", "end-to-end", "end-to-end"),
        ("ssd", "ssd", None),
        ("detr", "detr", None),
    ],
)
def test_a_room_for_each_head(tmp_path: Path, head: str, file: str, form: str | None) -> None:
    done = made(tmp_path, head=head, file=file)
    assert done.returncode == 0, done.stderr
    card = catalogue([tmp_path / "mine"]).models["ours"].card
    assert card.params["head"]["kind"] == head
    assert card.params["head"].get("form") == form
    assert card.params["classes"] == ["a", "b", "c"]
    assert card.params["input_size"] == [64, 64]
    assert card.data == "street-frames"
    assert card.quality is None
    assert "params.input.resize, pad" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("npubench run --cards ")
    assert "# ?" in (tmp_path / "mine/models/ours/model.toml").read_text(encoding="utf-8")
    assert npubench("check", "--cards", tmp_path / "mine").returncode == 0


@pytest.mark.slow
def test_a_foreign_detector_is_measured_like_ours(tmp_path: Path) -> None:
    """Both scopes, on the user's own labelled frames, from a graph with external data."""
    model = painted("plain")
    big = onnx.numpy_helper.from_array(np.zeros((64, 64), np.float32), "unused_ballast")
    model.graph.initializer.append(big)
    net = tmp_path / "net.onnx"
    onnx.save(model, net, save_as_external_data=True, location="net.data", size_threshold=0)
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    frames = frames_folder(tmp_path / "frames", 3)
    coco = {
        "images": [{"id": i, "file_name": f"frame-{i:03}.jpg", "width": 320, "height": 180} for i in range(3)],
        "annotations": [{"image_id": 1, "category_id": 4, "bbox": [40, 45, 80, 67.5]}],
        "categories": [{"id": 4, "name": "a"}],
    }
    (frames / "labels.json").write_text(json.dumps(coco))
    out = tmp_path / "mine"
    done = npubench(
        "new", "model", "ours", "--onnx", net, "--classes", tmp_path / "classes.txt",
        "--labels", frames / "labels.json", "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shutil.rmtree(frames)
    net.unlink()
    card = catalogue([out]).models["ours"].card
    assert card.data == "ours-own"
    assert card.quality is not None
    assert list(card.graphs["detector"].files) == ["net.data"]
    ran = npubench(
        "run", "--cards", out, "--model", "ours", "--backend", "cpu", "--scenario", "single-stream",
        "--profile", "smoke", "--budget", "1s", "--json",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    cells = [cell for cell in json.loads(ran.stdout)["cells"] if cell["model"] == "ours"]
    assert sorted(cell["scope"] for cell in cells) == ["device", "service"]
    assert {cell["verdict"] for cell in cells} <= {"valid", "degraded"}
    # What the card pins is checked when it is built.
    with (out / "models/ours/net.data").open("r+b") as file:
        file.write(b"\1")
    shutil.rmtree(tmp_path / "results")
    again = npubench(
        "run", "--cards", out, "--model", "ours", "--backend", "cpu", "--profile", "smoke", "--budget", "1s"
    )
    assert again.returncode == 0, "the cache still has what was built"
    assert run_folder(again).is_dir()
    shutil.rmtree(Path(os.environ["NPUBENCH_CACHE"]) / "ours")
    broken = npubench(
        "run", "--cards", out, "--model", "ours", "--backend", "cpu", "--profile", "smoke", "--budget", "1s"
    )
    assert broken.returncode == 4


@pytest.mark.parametrize(
    ("options", "said", "code"),
    [
        (["--workload", "ocr"], "no room yet", 2),
        (["--workload", "llm"], 'expected "detection"', 2),
        (["--head", "yolox"], "expected one of yolo, ssd, detr", 2),
        (["--size", "64by64"], "expected HEIGHTxWIDTH", 2),
        (["--size", "32x32"], "the graph takes 64×64", 2),
        (["--head", "ssd"], "found outputs out [1, 7, 12]; expected boxes", 2),
        (["--head", "detr"], "expected boxes", 2),
        (["--anchors", "x.npy"], "--anchors goes with --head ssd", 2),
        (["--frames", "."], "--frames goes with --labels", 2),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, options: list[str], said: str, code: int) -> None:
    net, classes = files(tmp_path)
    done = npubench("new", "model", "ours", "--onnx", net, "--classes", classes, "--out", tmp_path / "mine", *options)
    assert done.returncode == code
    assert said in done.stderr.replace("'", "")
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no class name"),
        ("a\n\nb\n", "line 2 is empty"),
        ("a\nb\na\n", '"a" occurs twice'),
        ("a\n", "1 classes"),
    ],
)
def test_class_files(tmp_path: Path, text: str, said: str) -> None:
    net, classes = files(tmp_path, names=text)
    done = npubench("new", "model", "ours", "--onnx", net, "--classes", classes, "--out", tmp_path / "mine")
    assert done.returncode == 2
    assert said in done.stderr


def test_nothing_is_replaced_and_bad_files_are_named(tmp_path: Path) -> None:
    assert made(tmp_path).returncode == 0
    again = made(tmp_path)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    (tmp_path / "net.onnx").write_bytes(b"no onnx")
    classes = tmp_path / "classes.txt"
    for name, net in (("x", tmp_path / "net.onnx"), ("x", tmp_path / "absent.onnx"), ("X!", tmp_path / "net.onnx")):
        done = npubench("new", "model", name, "--onnx", net, "--classes", classes, "--out", tmp_path / "b")
        assert done.returncode == 2
        assert "→" in done.stderr or "ID" in done.stderr
    assert npubench("new", "model", "x", "--onnx", classes).returncode == 2


@pytest.mark.slow
def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    net, classes = files(tmp_path)
    labels = tmp_path / "labels.json"
    for document, said in (
        ({"images": [{"id": 1, "file_name": "gone.jpg"}], "annotations": [], "categories": []}, "gone.jpg"),
        ({"images": [{"id": 1, "file_name": "../x.jpg"}], "annotations": [], "categories": []}, "lies outside"),
        ({"images": [], "annotations": [], "categories": []}, "names no picture"),
        ({"images": []}, "not a COCO file"),
    ):
        labels.write_text(json.dumps(document))
        done = npubench("new", "model", "x", "--onnx", net, "--classes", classes, "--labels", labels, "--out", tmp_path)
        assert done.returncode == 2
        assert said in done.stderr


def described(
    *outputs: TensorSpec, shape: tuple[int | str, ...] = ("batch", 3, "height", "width"), **more: Any
) -> Described:
    picture = TensorSpec(name="x", dtype=more.pop("dtype", "float32"), shape=shape)
    return Described(
        inputs=(picture, *more.pop("inputs", ())),
        outputs=outputs,
        sha256="0" * 64,
        files={},
        activations=more.pop("activations", {}),
        precision="fp32",
    )


def out(name: str, *shape: int | str, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def test_what_is_guessed() -> None:
    path = Path("net.onnx")
    v8 = guess(path, described(out("output0", "batch", 84, "anchors")), "yolo", 80, None)
    assert (v8.size, v8.head and v8.head["form"]) == ((640, 640), "plain")
    assert any(key == "input_size" for key, _ in v8.assumed)
    v5 = guess(path, described(out("output", 1, 25200, 85), shape=(1, 3, 640, 640)), "yolo", 80, None)
    assert (v5.batch, v5.head and v5.head["form"]) == (1, "objectness")
    raw = [out(f"{kind}_s{s}", "batch", 4, 8, 8) for s in (8, 16) for kind in ("box", "cls")]
    ours = guess(path, described(*raw), "yolo", 6, (320, 480))
    assert (ours.size, ours.head, ours.params) == ((320, 480), None, {"strides": [8, 16]})
    nhwc = guess(
        path, described(out("b", 1, 9, 4), out("s", 1, 9, 4), shape=(1, 300, 300, 3), dtype="uint8"), "ssd", 3, None
    )
    assert nhwc.input["layout"] == "NHWC"
    assert "divisor" not in nhwc.input
    assert nhwc.head is not None
    assert (nhwc.head["background"], nhwc.head["activation"]) == ("first", "softmax")
    applied = guess(path, described(out("b", 1, 9, 4), out("s", 1, 9, 3), activations={"s": "sigmoid"}), "ssd", 3, None)
    assert applied.head is not None
    assert (applied.head["background"], applied.head["activation"]) == ("none", "none")
    listed = described(out("boxes", 1, 9, 4), out("labels", 1, 9, dtype="int64"), out("scores", 1, 9))
    tf = guess(path, listed, "ssd", 3, None)
    assert tf.head is not None
    assert (tf.head["labels_output"], tf.head["scores_output"]) == ("labels", "scores")
    sizes = TensorSpec(name="orig_target_sizes", dtype="int64", shape=("batch", 2))
    detr = guess(path, described(out("l", 1, 300, 81), out("b", 1, 300, 4), inputs=(sizes,)), "detr", 80, None)
    assert detr.head is not None
    assert (detr.head["background"], detr.head["activation"]) == ("last", "softmax")
    assert detr.input["fixed"] == {"orig_target_sizes": [800, 800]}
    assert detr.input["mean"][0] == pytest.approx(0.485)
    with pytest.raises(DataError, match="expected a picture"):
        guess(path, described(out("o", 1, 7, 9), shape=("batch", 10)), "yolo", 3, None)


def test_activations_and_precision_are_read_from_the_file(tmp_path: Path) -> None:
    from npubench.build.foreign import describe

    helper = onnx.helper
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["y"]),
        helper.make_node("Sigmoid", ["y"], ["s"]),
        helper.make_node("Transpose", ["s"], ["out"], perm=[0, 2, 3, 1]),
    ]
    value = helper.make_tensor_value_info
    half = onnx.TensorProto.FLOAT16
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", half, [1, 3, 8, 8])],
        [value("out", half, [1, 8, 8, 3])],
        [onnx.numpy_helper.from_array(np.ones(1, np.float16), "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "h.onnx")
    found = describe(tmp_path / "h.onnx")
    assert (found.activations, found.precision) == ({"out": "sigmoid"}, "fp16")


def test_a_half_precision_room_says_so(tmp_path: Path) -> None:
    helper = onnx.helper
    value = helper.make_tensor_value_info
    half = onnx.TensorProto.FLOAT16
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], keepdims=0),
        helper.make_node("Mul", ["known", "m"], ["out"]),
    ]
    known = onnx.numpy_helper.from_array(np.ones((1, 7, 9), np.float16), "known")
    graph = helper.make_graph(nodes, "g", [value("x", half, [1, 3, 64, 64])], [value("out", half, [1, 7, 9])], [known])
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "h.onnx")
    done = npubench(
        "new", "model", "half", "--onnx", tmp_path / "h.onnx", "--classes", tmp_path / "classes.txt", "--out",
        tmp_path / "mine",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    card = cards.load(tmp_path / "mine/models/half/model.toml", cards.ModelCard)
    assert card.precisions == ("fp16",)
    assert list(card.builds) == ["fp16"]
    assert card.graphs == {}
