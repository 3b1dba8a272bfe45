"""Graphs get names of their own where they have none, and say what passes between nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench.build.named import named
from npubench.errors import DataError
from npubench.spi import Artifact


def _saved(folder: Path, names: list[str], external: bool = False) -> Artifact:
    weight = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    body = helper.make_graph(
        [helper.make_node("Relu", ["h"], ["r"], name=names[2])],
        "then",
        [],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)],
    )
    other = helper.make_graph(
        [helper.make_node("Neg", ["h"], ["n"], name=names[3])],
        "else",
        [],
        [helper.make_tensor_value_info("n", TensorProto.FLOAT, None)],
    )
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"], name=names[0]),
            helper.make_node("If", ["yes"], ["y"], name=names[1], then_branch=body, else_branch=other),
        ],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4]),
            helper.make_tensor_value_info("yes", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path = folder / "model.onnx"
    if external:
        onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    else:
        onnx.save(model, path)
    return Artifact(role="model", path=str(path), sha256="0" * 64)


def test_a_graph_with_names_is_used_where_it_lies(tmp_path: Path):
    artifact = _saved(tmp_path, ["mul", "if", "relu", "neg"])
    found, edges = named(artifact, tmp_path / "named")
    assert found == artifact
    assert not (tmp_path / "named").exists()
    # The bodies of an If read the product from outside.
    assert sorted(edges) == [("mul", "neg"), ("mul", "relu")]


@pytest.mark.parametrize("names", [["", "", "", ""], ["a", "a", "b", "b"]])
def test_missing_and_doubled_names_are_replaced_in_a_copy(tmp_path: Path, names: list[str]):
    artifact = _saved(tmp_path, names, external=True)
    before = Path(artifact.path).read_bytes()
    found, edges = named(artifact, tmp_path / "named")
    assert Path(artifact.path).read_bytes() == before
    assert found.path != artifact.path
    assert found.sha256 == artifact.sha256
    model = onnx.load(found.path)  # with its weights, from beside the copy
    bodies = [attribute.g for attribute in model.graph.node[1].attribute]
    given = [node.name for graph in (model.graph, *bodies) for node in graph.node]
    assert len(set(given)) == 4
    assert "" not in given
    assert {edge[0] for edge in edges} == {model.graph.node[0].name}


def test_a_copy_runs_like_the_original(tmp_path: Path):
    import onnxruntime

    artifact = _saved(tmp_path, ["", "", "", ""], external=True)
    found, _ = named(artifact, tmp_path / "named")
    feeds = {"x": np.arange(4, dtype=np.float32)[None], "yes": np.array(True)}
    answers = [
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feeds)[0]
        for path in (artifact.path, found.path)
    ]
    np.testing.assert_array_equal(*answers)


def test_what_is_no_graph_says_so(tmp_path: Path):
    path = tmp_path / "compiled.bin"
    path.write_bytes(b"\xff\xfe not onnx")
    with pytest.raises(DataError, match=r"compiled.bin: not an ONNX graph"):
        named(Artifact(role="model", path=str(path), sha256="0" * 64), tmp_path)
