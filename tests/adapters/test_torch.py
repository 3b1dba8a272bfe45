"""The torch adapter's contract on real sessions.

Needs torch: `test_torch_environment` runs this where there is none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench.adapters.torch import TorchAdapter
from npubench.errors import ArtifactError, CardError, DataError, UnsupportedError
from npubench.spi import Artifact, Assigns, Forks, Places, Prepares, Profiled, Profiles, Strict, prepared, seeded_feeds

torch = pytest.importorskip("torch")

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
value = helper.make_tensor_value_info


def saved(
    path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], *weights: Any, opset: int = 18
) -> Artifact:
    """A graph in a file."""
    tensors = [numpy_helper.from_array(array, name) for name, array in weights]
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10), path)
    return Artifact(role="model", path=str(path), sha256="")


def growing(path: Path) -> Artifact:
    """A cache [1,past] that grows by x [1,n], scaled by how long it is now: sizes in the graph, weights, a view."""
    nodes = [
        helper.make_node("Concat", ["past", "x"], ["present"], name="join", axis=1),
        helper.make_node("Shape", ["present"], ["shape"], name="shape"),
        helper.make_node("Gather", ["shape", "one"], ["length"], name="length", axis=0),
        helper.make_node("Cast", ["length"], ["scale"], name="scale", to=FLOAT),
        helper.make_node("Mul", ["present", "scale"], ["scaled"], name="multiply"),
        helper.make_node("Unsqueeze", ["length", "zero"], ["row"], name="row"),
        helper.make_node("Reshape", ["scaled", "row"], ["y"], name="flat"),
        helper.make_node("Identity", ["x"], ["same"], name="same"),
    ]
    return saved(
        path,
        nodes,
        [value("past", FLOAT, [1, "past"]), value("x", FLOAT, [1, "n"])],
        [value("present", FLOAT, [1, "all"]), value("y", FLOAT, ["all"]), value("same", FLOAT, [1, "n"])],
        ("one", np.array(1)),
        ("zero", np.array([0])),
    )


def test_it_is_here_with_versions_and_a_device() -> None:
    found = TorchAdapter("cpu", {"type": "cpu", "index": 0, "match": {}}).probe()
    assert found.available
    assert found.versions["torch"] == torch.__version__
    assert [device.type for device in found.devices] == ["cpu"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_cuda_nothing_becomes_a_cpu_session(tmp_path: Path) -> None:
    adapter = TorchAdapter("cuda", {"type": "gpu"})
    found = adapter.probe()
    assert not found.available
    assert "CUDA" in found.reason
    with pytest.raises(Exception, match=r"index 0|CUDA|cuda"):
        adapter.open(growing(tmp_path / "m.onnx"), {})


def test_another_provider_or_device_is_named() -> None:
    with pytest.raises(CardError, match='"xla"; the torch adapter takes cpu, cuda'):
        TorchAdapter("xla")
    found = TorchAdapter("cpu", {"index": 1}).probe()
    assert not found.available
    assert "index 1" in found.reason


def test_sizes_grow_and_stay_on_the_host(tmp_path: Path) -> None:
    session = TorchAdapter().open(growing(tmp_path / "m.onnx"), {})
    assert [spec.shape for spec in session.inputs] == [(1, "past"), (1, "n")]
    past = np.zeros((1, 0), np.float32)
    for step in range(1, 5):
        x = np.full((1, 1), step, np.float32)
        outputs = session.infer({"past": past, "x": x})
        past = outputs["present"]
        assert outputs["y"].tolist() == [step * (i + 1) for i in range(step)]
    assert session.host_nodes() == {"Shape": 1, "Gather": 1, "Unsqueeze": 1}


def test_outputs_share_no_memory_with_inputs(tmp_path: Path) -> None:
    session = TorchAdapter().open(growing(tmp_path / "m.onnx"), {})
    x = np.ones((1, 3), np.float32)
    outputs = session.infer({"past": np.ones((1, 2), np.float32), "x": x})
    x[:] = 5
    assert outputs["same"].tolist() == [[1, 1, 1]]


def test_a_prepared_call_reads_its_arrays_anew(tmp_path: Path) -> None:
    session = TorchAdapter().open(growing(tmp_path / "m.onnx"), {})
    assert isinstance(session, Prepares)
    feeds = seeded_feeds(session.inputs, 1, {"past": 2, "n": 3})
    call = prepared(session, feeds)
    assert (call()["y"] == session.infer(feeds)["y"]).all()
    feeds["x"][:] = 2
    assert (call()["present"][0, 2:] == 2).all()


def test_a_read_only_input_and_one_in_another_order_are_taken(tmp_path: Path) -> None:
    session = TorchAdapter().open(growing(tmp_path / "m.onnx"), {})
    x = np.arange(6, dtype=np.float32).reshape(1, 6)[:, ::2]
    past = np.ones((1, 1), np.float32)
    past.setflags(write=False)
    assert session.infer({"past": past, "x": x})["present"].tolist() == [[1, 0, 2, 4]]


def test_a_wrong_type_or_rank_is_named(tmp_path: Path) -> None:
    session = TorchAdapter().open(growing(tmp_path / "m.onnx"), {})
    with pytest.raises(ValueError, match="input x: type float64; expected float32"):
        session.infer({"past": np.zeros((1, 0), np.float32), "x": np.ones((1, 1))})
    with pytest.raises(ValueError, match=r"input x: shape \(1,\); expected \(1, 'n'\)"):
        session.infer({"past": np.zeros((1, 0), np.float32), "x": np.ones(1, np.float32)})


def test_every_node_is_placed_by_the_tensors_that_came_out(tmp_path: Path) -> None:
    session = TorchAdapter().open(growing(tmp_path / "m.onnx"), {})
    assert isinstance(session, Places)
    assert isinstance(session, Assigns)
    nodes = session.assignment()
    assert nodes is not None
    assert [node.name for node in nodes] == ["join", "shape", "length", "scale", "multiply", "row", "flat", "same"]
    assert {node.provider for node in nodes} == {"cpu"}
    found = session.placement()
    assert (found.requested, found.providers, found.fallback_ops) == ("cpu", {"cpu": 8}, {})
    assert (found.device_type, found.sources) == ("cpu", ("torch",))


def test_a_profile_has_every_node_with_its_shapes(tmp_path: Path) -> None:
    adapter = TorchAdapter()
    assert isinstance(adapter, Profiles)
    session = adapter.open_profiled(growing(tmp_path / "m.onnx"), {}, str(tmp_path))
    assert isinstance(session, Profiled)
    feeds = seeded_feeds(session.inputs, 1, {"past": 2, "n": 3})
    for _ in range(3):
        session.infer(feeds)
    profile = session.profile()
    assert profile.runs == 3
    rows = {row.name: row for row in profile.rows}
    assert len(rows) == len(profile.rows) == 8
    assert all(row.calls == 3 and row.provider == "cpu" for row in profile.rows)
    assert rows["join"].input_shapes == ((1, 2), (1, 3))
    assert rows["flat"].output_shapes == ((5,),)
    assert sum(row.self_ns for row in profile.rows) <= profile.run_ns


def test_what_is_compiled_has_no_times_of_nodes(tmp_path: Path) -> None:
    artifact = growing(tmp_path / "m.onnx")
    with pytest.raises(NotImplementedError, match='in mode "compile"'):
        TorchAdapter().open_profiled(artifact, {"mode": "compile"}, str(tmp_path))


def test_the_cpu_shares_with_nobody(tmp_path: Path) -> None:
    adapter = TorchAdapter()
    assert isinstance(adapter, Strict)
    with pytest.raises(NotImplementedError, match="nobody"):
        adapter.open_strict(growing(tmp_path / "m.onnx"), {})


def test_options_are_checked_all_at_once_and_recorded(tmp_path: Path) -> None:
    artifact = growing(tmp_path / "m.onnx")
    with pytest.raises(CardError) as caught:
        TorchAdapter().open(artifact, {"modus": "eager", "mode": "lazy"})
    assert len(caught.value.mistakes) == 2
    assert 'options.modus: unknown to the torch adapter (did you mean "mode"?)' in str(caught.value)
    assert "lazy" in str(caught.value)
    # A card's threads come as text.
    session = TorchAdapter().open(artifact, {"intra_op_num_threads": "1", "channels_last": True})
    assert session.options == {
        "provider": "cpu",
        "mode": "eager",
        "channels_last": True,
        "intra_op_num_threads": 1,
        "inter_op_num_threads": torch.get_num_interop_threads(),
    }


def test_cuda_graphs_need_cuda(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="needs a CUDA device, not cpu"):
        TorchAdapter().open(growing(tmp_path / "m.onnx"), {"mode": "cudagraphs"})


def test_an_operator_without_a_rule_is_named_with_domain_opset_and_node(tmp_path: Path) -> None:
    ends = [value("x", FLOAT, [1, 4])], [value("y", FLOAT, [1, 4])]
    model = saved(tmp_path / "m.onnx", [helper.make_node("Det", ["x"], ["y"], name="volume")], *ends)
    with pytest.raises(UnsupportedError, match=r"Det \(ai\.onnx, opset 18\), node volume: .*no rule"):
        TorchAdapter().open(model, {})
    node = helper.make_node("FusedMatMul", ["x"], ["y"], name="product", domain="com.microsoft")
    graph = helper.make_graph([node], "g", *ends)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "n.onnx")
    with pytest.raises(UnsupportedError, match=r"FusedMatMul \(com\.microsoft, opset 1\), node product"):
        TorchAdapter().open(Artifact(role="model", path=str(tmp_path / "n.onnx"), sha256=""), {})


def test_sums_that_would_not_wrap_are_refused(tmp_path: Path) -> None:
    ends = [value("x", TensorProto.UINT16, [4])], [value("y", TensorProto.UINT16, [4])]
    model = saved(tmp_path / "m.onnx", [helper.make_node("Add", ["x", "x"], ["y"])], *ends)
    with pytest.raises(UnsupportedError, match="does not compute in uint16"):
        TorchAdapter().open(model, {})
    kept = saved(tmp_path / "n.onnx", [helper.make_node("Identity", ["x"], ["y"])], *ends)
    x = np.array([0, 1, 40_000, 65_535], np.uint16)
    found = TorchAdapter().open(kept, {}).infer({"x": x})["y"]
    assert found.dtype == np.uint16
    assert (found == x).all()


def test_a_type_that_numpy_lacks_is_named(tmp_path: Path) -> None:
    ends = [value("x", TensorProto.BFLOAT16, [4])], [value("y", TensorProto.BFLOAT16, [4])]
    model = saved(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], *ends)
    with pytest.raises(UnsupportedError, match="input x: type bfloat16 cannot be fed"):
        TorchAdapter().open(model, {})


def test_a_file_that_is_no_model_and_weights_outside_the_folder_are_refused(tmp_path: Path) -> None:
    for content in (b"no model at all", b""):
        (tmp_path / "m.onnx").write_bytes(content)
        with pytest.raises(DataError, match=r"m\.onnx: not an ONNX model"):
            TorchAdapter().open(Artifact(role="model", path=str(tmp_path / "m.onnx"), sha256=""), {})
    folder = tmp_path / "room"
    folder.mkdir()
    ends = [value("x", FLOAT, [4])], [value("y", FLOAT, [4])]
    artifact = saved(
        folder / "m.onnx", [helper.make_node("Add", ["x", "w"], ["y"])], *ends, ("w", np.ones(4, np.float32))
    )
    model = onnx.load(artifact.path)
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../secret.bin")
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="outside the model's folder"):
        TorchAdapter().open(artifact, {})


def test_exhausted_memory_is_said_as_everywhere(tmp_path: Path) -> None:
    nodes = [helper.make_node("Expand", ["x", "shape"], ["wide"]), helper.make_node("Relu", ["wide"], ["y"])]
    ends = [value("x", FLOAT, [1]), value("shape", INT64, [1])], [value("y", FLOAT, ["n"])]
    session = TorchAdapter().open(saved(tmp_path / "m.onnx", nodes, *ends), {})
    with pytest.raises(MemoryError, match="out of memory"):
        session.infer({"x": np.ones(1, np.float32), "shape": np.array([1 << 48])})


def test_closing_frees_the_weights(tmp_path: Path) -> None:
    import weakref

    session = TorchAdapter().open(growing(tmp_path / "m.onnx"), {})
    module = weakref.ref(session._module)
    session.close()
    assert module() is None
    with pytest.raises(AssertionError, match="closed"):
        session.infer({"past": np.zeros((1, 0), np.float32), "x": np.ones((1, 1), np.float32)})


def test_graphs_without_names_get_those_that_evidence_uses(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["y"])]
    model = saved(tmp_path / "m.onnx", nodes, [value("x", FLOAT, [2])], [value("y", FLOAT, [2])])
    found = TorchAdapter().open(model, {}).assignment()
    assert found is not None
    assert [node.name for node in found] == ["Relu#0", "Neg#1"]


def test_views_answer_side_by_side(tmp_path: Path) -> None:
    """Two threads, each with a view: each gets its own answers, and closing one leaves the other alone."""
    from threading import Thread

    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
    weights = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    artifact = saved(
        tmp_path / "m.onnx", nodes, [value("x", FLOAT, [1, 64])], [value("y", FLOAT, [1, 64])], ("w", weights)
    )
    session = TorchAdapter().open(artifact, {})
    assert isinstance(session, Forks)
    wrong: list[str] = []

    def work(number: int, view: Any) -> None:
        fed = {"x": np.empty((1, 64), np.float32)}
        call = prepared(view, fed)
        for turn in range(500):
            fed["x"][:] = number * 1000 + turn
            if not np.allclose(call()["y"], np.maximum(fed["x"] @ weights, 0), rtol=1e-3, atol=1e-2):
                wrong.append(f"thread {number}, turn {turn}")
        view.close()

    threads = [Thread(target=work, args=(number, session.fork())) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert session.infer({"x": np.ones((1, 64), np.float32)})["y"].shape == (1, 64)
