"""A user's ONNX file is described, or refused with the file, what is wrong and what to do. Nothing else may happen."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from npubench.build.user_onnx import UserModel, inspect_onnx
from npubench.errors import DataError

FOREIGN = Path(onnx.__file__).parent / "backend" / "test" / "data"

Shape = Sequence[int | str | None]


def model(
    nodes: Sequence[onnx.NodeProto] | None = None,
    inputs: Sequence[tuple[str, int, Shape]] = (("x", TensorProto.FLOAT, ("N", 4)),),
    initializer: Sequence[onnx.TensorProto] = (),
    **options: Any,
) -> onnx.ModelProto:
    nodes = nodes or [helper.make_node("Relu", ["x"], ["y"])]
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(*item) for item in inputs],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        initializer=list(initializer),
    )
    options.setdefault("opset_imports", [helper.make_opsetid("", 18), helper.make_opsetid("ai.custom", 1)])
    return helper.make_model(graph, ir_version=10, **options)


def saved(folder: Path, proto: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def refused(path: Path, *parts: str, **shapes: tuple[int, ...]) -> None:
    with pytest.raises(DataError) as caught:
        inspect_onnx(path, shapes)
    for part in (str(path), *parts):
        assert part in str(caught.value) + str(caught.value.hint)
    assert caught.value.hint


def external(folder: Path, location: str = "w.bin", **entries: str) -> Path:
    """A model whose one weight lies in `location`."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": "0", "length": "16", **entries}.items():
        weight.external_data.add(key=key, value=value)
    return saved(folder, model([helper.make_node("Add", ["x", "w"], ["y"])], initializer=[weight]))


def test_a_plain_model(tmp_path: Path) -> None:
    path = saved(tmp_path, model())
    found = inspect_onnx(path, {})
    assert [(spec.name, spec.dtype, spec.shape) for spec in found.inputs] == [("x", "float32", ("N", 4))]
    assert [spec.name for spec in found.outputs] == ["y"]
    assert found.sizes == {"N": 1}
    assert "N" in found.notes[0]
    assert "--shape x=1x4" in found.notes[0]
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.external == ()


def test_a_given_shape_is_used_and_said(tmp_path: Path) -> None:
    found = inspect_onnx(saved(tmp_path, model()), {"x": (8, 4)})
    assert found.sizes == {"N": 8}
    assert found.notes == ("dimension N is 8, from --shape x",)


def test_unnamed_dimensions_get_names(tmp_path: Path) -> None:
    found = inspect_onnx(saved(tmp_path, model(inputs=[("x", TensorProto.FLOAT, (None, 4))])), {})
    assert found.inputs[0].shape == ("x_0", 4)
    assert found.sizes == {"x_0": 1}


def test_initialised_inputs_are_not_inputs(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones(4, np.float32), "w")
    inputs = [("x", TensorProto.FLOAT, (2, 4)), ("w", TensorProto.FLOAT, (4,))]
    path = saved(tmp_path, model([helper.make_node("Add", ["x", "w"], ["y"])], inputs, [weight]))
    assert [spec.name for spec in inspect_onnx(path, {}).inputs] == ["x"]


def test_two_inputs_share_a_dimension(tmp_path: Path) -> None:
    inputs = [("x", TensorProto.FLOAT, ("N", 4)), ("z", TensorProto.FLOAT, ("N", 4))]
    path = saved(tmp_path, model([helper.make_node("Add", ["x", "z"], ["y"])], inputs))
    assert inspect_onnx(path, {"z": (3, 4)}).sizes == {"N": 3}
    refused(path, "dimension N is 2 here but 3 for input x", x=(3, 4), z=(2, 4))


def test_shapes_that_do_not_fit(tmp_path: Path) -> None:
    path = saved(tmp_path, model(inputs=[("image", TensorProto.FLOAT, ("N", 4)), ("x", TensorProto.FLOAT, (2,))]))
    refused(path, "--shape images", 'did you mean "image"', images=(1, 4))
    refused(path, "3 dimensions; expected 2", "Nx4", image=(1, 2, 4))
    refused(path, "dimension 1 is 5; the graph fixes it at 4", image=(1, 5))
    refused(path, "negative", image=(-1, 4))


def test_a_truncated_file(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((64, 4), np.float32), "w")
    content = model([helper.make_node("Add", ["x", "w"], ["y"])], initializer=[weight]).SerializeToString()
    path = tmp_path / "model.onnx"
    for size in (0, 1, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        refused(path)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" + bytes(200), b"{}", "한국어".encode(), b"\x08\x0a"])
def test_a_file_that_is_no_onnx(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    refused(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    refused(tmp_path / "absent.onnx", "No such file")
    refused(tmp_path, "is a folder")


def test_an_unknown_operator(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relux", ["x"], ["a"]),
        helper.make_node("Relux", ["a"], ["b"]),
        helper.make_node("Fast", ["b"], ["y"], domain="ai.custom"),
    ]
    refused(saved(tmp_path, model(nodes)), "unknown operators", "Relux (opset 18) × 2", "ai.custom.Fast")


def test_an_unknown_operator_in_a_branch(tmp_path: Path) -> None:
    out = [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)]
    branch = helper.make_graph([helper.make_node("Relux", ["x"], ["r"])], "b", [], out)
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    inputs = [("x", TensorProto.FLOAT, (1,)), ("c", TensorProto.BOOL, ())]
    refused(saved(tmp_path, model([node], inputs)), "Relux")


def test_operators_of_the_runtime_and_of_the_model(tmp_path: Path) -> None:
    nodes = [helper.make_node("SampleOp", ["x"], ["y"], domain="com.microsoft")]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    assert inspect_onnx(saved(tmp_path, model(nodes, opset_imports=opsets)), {}).inputs
    body = [helper.make_node("Relu", ["a"], ["b"])]
    function = helper.make_function("ai.custom", "Own", ["a"], ["b"], body, [helper.make_opsetid("", 18)])
    own = model([helper.make_node("Own", ["x"], ["y"], domain="ai.custom")], functions=[function])
    assert inspect_onnx(saved(tmp_path, own), {}).inputs


def test_an_opset_from_the_future(tmp_path: Path) -> None:
    refused(saved(tmp_path, model(opset_imports=[helper.make_opsetid("", 999)])), "opset 999")


def test_a_graph_with_a_dangling_input(tmp_path: Path) -> None:
    refused(saved(tmp_path, model([helper.make_node("Add", ["x", "nowhere"], ["y"])])), "not a valid model")


def test_inputs_that_cannot_be_fed(tmp_path: Path) -> None:
    for kind, name in ((TensorProto.STRING, "string"), (TensorProto.BFLOAT16, "bfloat16")):
        refused(saved(tmp_path, model([helper.make_node("Identity", ["x"], ["y"])], [("x", kind, (1,))])), name)
    proto = model([helper.make_node("Identity", ["x"], ["y"])])
    proto.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None))
    refused(saved(tmp_path, proto), "sequence")
    proto = model()
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    refused(saved(tmp_path, proto), "how many dimensions")


def test_external_data_beside_the_model(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    path = external(tmp_path)
    first = inspect_onnx(path, {})
    assert first.external == ("w.bin",)
    (tmp_path / "w.bin").write_bytes(bytes(15) + b"\1")
    assert inspect_onnx(path, {}).sha256 != first.sha256


@pytest.mark.parametrize(
    "location",
    ["../w.bin", "sub/../../w.bin", "..\\w.bin", "/etc/hostname", "C:\\w.bin", "\\\\host\\w.bin", "C:w.bin"],
)
def test_external_data_outside_the_folder(tmp_path: Path, location: str) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    (tmp_path / "inner").mkdir()
    refused(external(tmp_path / "inner", location), "outside the model's folder")


@pytest.mark.parametrize("location", ["w.bin", "sub/w.bin"])
def test_external_data_through_a_link(tmp_path: Path, location: str) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "w.bin").write_bytes(bytes(16))
    (inside / "w.bin").symlink_to(outside / "w.bin")
    (inside / "sub").symlink_to(outside)
    refused(external(inside, location), "symbolic link")


def test_external_data_that_is_missing_or_short(tmp_path: Path) -> None:
    refused(external(tmp_path), "'w.bin' is missing")
    (tmp_path / "w.bin").mkdir()
    refused(external(tmp_path), "'w.bin' is missing")
    (tmp_path / "w.bin").rmdir()
    (tmp_path / "w.bin").write_bytes(bytes(15))
    refused(external(tmp_path), "truncated: 15 bytes; expected ≥ 16")
    refused(external(tmp_path, offset="x"), "bad offset")
    refused(external(tmp_path, location=""), "no location")


def test_external_data_of_a_constant_counts(tmp_path: Path) -> None:
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value="../w.bin")
    nodes = [helper.make_node("Constant", [], ["w"], value=weight), helper.make_node("Add", ["x", "w"], ["y"])]
    refused(saved(tmp_path, model(nodes)), "outside the model's folder")


def _foreign() -> list[Path]:
    files = sorted(FOREIGN.glob("*/*/model.onnx"))
    return files[:: max(1, len(files) // 150)]


def test_models_of_other_peoples_making() -> None:
    """The onnx package's own test models: each is described, or refused with a reason."""
    found: list[UserModel] = []
    reasons: list[str] = []
    for path in _foreign():
        try:
            found.append(inspect_onnx(path, {}))
        except DataError as error:  # noqa: PERF203
            reasons.append(str(error))
    assert len(found) > 100
    allowed = ("cannot be fed", "unknown operators: ai.onnx.preview", "how many dimensions")
    assert [reason for reason in reasons if not any(part in reason for part in allowed)] == []


@pytest.mark.parametrize(
    "name",
    [
        "simple/test_single_relu_model/model.onnx",
        "pytorch-operator/test_operator_conv/model.onnx",
        "light/light_squeezenet.onnx",
    ],
)
def test_foreign_models_run(name: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    from npubench.spi import seeded_feeds

    path = FOREIGN / name
    found = inspect_onnx(path, {})
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.run(None, seeded_feeds(found.inputs, 1, found.sizes))


@settings(max_examples=150, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_bytes_never_crash(tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]]) -> None:
    content = bytearray(model().SerializeToString())
    for place, value in edits:
        content[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(content)
    try:
        assert isinstance(inspect_onnx(path, {}), UserModel)
    except DataError:
        return
    finally:
        os.unlink(path)
