"""The ONNX Runtime adapter on real sessions: what it records, what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from npubench.adapters.ort import OrtAdapter, usable_threads
from npubench.spi import Artifact, Placement, Places, Prepares, seeded_feeds


def saved(path: Path, shape: list[int | str], dtype: int = TensorProto.FLOAT) -> Artifact:
    """x → Add → Relu → y."""
    value = helper.make_tensor_value_info
    nodes = [helper.make_node("Add", ["x", "x"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
    graph = helper.make_graph(nodes, "g", [value("x", dtype, shape)], [value("y", dtype, shape)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return Artifact(role="model", path=str(path), sha256="")


def test_it_is_here_and_says_its_version() -> None:
    found = OrtAdapter("CPUExecutionProvider", {"type": "cpu"}).probe()
    assert found.available
    assert found.versions["onnxruntime"] == OrtAdapter().describe()["onnxruntime"]


def test_a_provider_that_is_not_in_the_build_is_absent_with_the_reason() -> None:
    found = OrtAdapter("CUDAExecutionProvider", {"type": "gpu"}).probe()
    assert not found.available
    assert "it has" in found.reason


def test_an_unavailable_provider_never_becomes_a_cpu_session(tmp_path: Path) -> None:
    """ONNX Runtime only warns and gives a CPU session: trap 1 of the silent-fallback list."""
    artifact = saved(tmp_path / "m.onnx", [1, 4])
    with pytest.raises(Exception, match="CUDAExecutionProvider"):
        OrtAdapter("CUDAExecutionProvider").open(artifact, {})


def test_threads_are_explicit_and_recorded(tmp_path: Path) -> None:
    artifact = saved(tmp_path / "m.onnx", [1, 4])
    assert OrtAdapter().open(artifact, {"intra_op_num_threads": 1}).options["intra_op_num_threads"] == 1
    assert OrtAdapter().open(artifact, {}).options["intra_op_num_threads"] == usable_threads()


def test_options_that_would_be_ignored_are_refused(tmp_path: Path) -> None:
    """ONNX Runtime takes any key and ignores what it does not know: a typo would be reported as in effect."""
    artifact = saved(tmp_path / "m.onnx", [1, 4])
    with pytest.raises(ValueError, match="intra_op_num_thread; it takes"):
        OrtAdapter().open(artifact, {"intra_op_num_thread": 1})


@pytest.mark.parametrize("shape", [[2, 4], ["n", 4]])
def test_prepared_calls_equal_plain_ones(tmp_path: Path, shape: list[int | str]) -> None:
    session = OrtAdapter().open(saved(tmp_path / "m.onnx", shape), {})
    assert isinstance(session, Prepares)
    feeds = [seeded_feeds(session.inputs, seed, {"n": 3}) for seed in (1, 2)]
    calls = [session.prepare(fed) for fed in feeds]
    for fed, call in zip(feeds, calls, strict=True):
        assert (call()["y"] == session.infer(fed)["y"]).all()
        assert (call()["y"] == 2 * fed["x"]).all()
    assert calls[0]()["y"] is calls[1]()["y"]  # equal shapes share one buffer


def test_placement_names_every_node(tmp_path: Path) -> None:
    session = OrtAdapter().open(saved(tmp_path / "m.onnx", [1, 4]), {})
    assert isinstance(session, Places)
    found: Placement = session.placement()
    assert found.providers == {"CPUExecutionProvider": 2}
    assert found.fallback_ops == {}
    assert found.device_type == "cpu"


def test_a_type_that_cannot_be_fed_is_named(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    node = helper.make_node("Identity", ["x"], ["y"])
    ends = [value("x", TensorProto.STRING, [1])], [value("y", TensorProto.STRING, [1])]
    model = helper.make_model(
        helper.make_graph([node], "g", *ends), opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=r"x: type tensor\(string\) cannot be fed"):
        OrtAdapter().open(Artifact(role="model", path=str(tmp_path / "m.onnx"), sha256=""), {})


def test_an_unknown_optimisation_level_is_refused(tmp_path: Path) -> None:
    artifact = saved(tmp_path / "m.onnx", [1, 4])
    with pytest.raises(ValueError, match="graph_optimization_level"):
        OrtAdapter().open(artifact, {"graph_optimization_level": "most"})


def test_half_precision_and_integers_are_fed(tmp_path: Path) -> None:
    session = OrtAdapter().open(saved(tmp_path / "m.onnx", [1, 4], TensorProto.FLOAT16), {})
    call = session.prepare(seeded_feeds(session.inputs, 0))
    assert call()["y"].dtype == np.float16
    session.close()
