"""The package keeps npubench's contract, in the environment that it is installed in. Needs no npubench command."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from npubench_hanbit.adapter import HOST, NPU, HanbitAdapter
from npubench_hanbit.meter import HanbitMeter, number
from onnx import TensorProto, helper

from npubench import spi


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HANBIT_VIRTUAL", "1")
    monkeypatch.setenv("HANBIT_STATE", str(tmp_path / "registers"))


def network(path: Path, batch: int | str = 1) -> spi.Artifact:
    """Conv, Resize, Relu: the middle one is nothing for the NPU."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Resize", ["c", "", "scales"], ["r"], "resize", mode="nearest"),
        helper.make_node("Relu", ["r"], ["y"], "relu"),
    ]
    weights = [
        onnx.numpy_helper.from_array(np.linspace(-1, 1, 54, dtype=np.float32).reshape(2, 3, 3, 3), "w"),
        onnx.numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 2, 16, 16])
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    return spi.Artifact(role="model", path=str(path), sha256="")


def test_it_is_every_capability_that_it_says() -> None:
    adapter = HanbitAdapter(NPU, {"type": "npu"})
    for kind in (spi.Compiles, spi.Profiles, spi.Strict, spi.Libraries):
        assert isinstance(adapter, kind)
    assert all(Path(path).is_file() for path in adapter.libraries())


def test_a_compiled_file_computes_what_onnx_runtime_computes(tmp_path: Path) -> None:
    artifact = network(tmp_path / "model.onnx")
    adapter = HanbitAdapter()
    compiled = adapter.compile(artifact, {}, str(tmp_path))
    session = adapter.open(compiled, {"cores": 2})
    for kind in (spi.Prepares, spi.Places, spi.Assigns, spi.Health):
        assert isinstance(session, kind)
    feeds = spi.seeded_feeds(session.inputs, 7)
    expected = onnxruntime.InferenceSession(artifact.path, providers=["CPUExecutionProvider"]).run(None, feeds)[0]
    np.testing.assert_array_equal(session.infer(feeds)["y"], expected)
    np.testing.assert_array_equal(session.prepare(feeds)()["y"], expected)
    assert session.health()["processes"]
    session.close()
    with pytest.raises(RuntimeError, match="no model has the handle"):
        session.infer(feeds)


def test_what_the_host_runs_is_said(tmp_path: Path) -> None:
    artifact = network(tmp_path / "model.onnx")
    adapter = HanbitAdapter()
    session = adapter.open_profiled(artifact, {}, str(tmp_path))
    placement = session.placement()
    assert placement.providers == {NPU: 2, HOST: 1}
    assert placement.fallback_ops == {"Resize": 1}
    assert placement.device_type == "virtual"
    assert [(node.name, node.provider, node.subgraph) for node in session.assignment()] == [
        ("conv", NPU, 0),
        ("resize", HOST, 1),
        ("relu", NPU, 2),
    ]
    for _ in range(3):
        session.infer(spi.seeded_feeds(session.inputs, 1))
    profile = session.profile()
    assert (profile.runs, len(profile.rows)) == (3, 3)
    assert sum(row.self_ns for row in profile.rows) <= profile.run_ns
    session.close()
    with pytest.raises(RuntimeError, match="left to the host: Resize"):
        adapter.open_strict(artifact, {})


def test_a_graph_that_it_does_not_take_is_unsupported(tmp_path: Path) -> None:
    with pytest.raises(spi.UnsupportedError, match="fixed shapes"):
        HanbitAdapter().open(network(tmp_path / "model.onnx", batch="n"), {})


def test_a_full_queue_is_one_failed_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANBIT_INJECT", "busy:2")
    session = HanbitAdapter().open(network(tmp_path / "model.onnx"), {})
    feeds = spi.seeded_feeds(session.inputs, 1)
    session.infer(feeds)
    with pytest.raises(spi.RequestError) as caught:
        session.infer(feeds)
    assert caught.value.status == 11
    session.infer(feeds)


def test_what_is_wrong_is_an_error(tmp_path: Path) -> None:
    artifact = network(tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="does not know: core; it takes cores"):
        HanbitAdapter().open(artifact, {"core": 1})
    session = HanbitAdapter().open(artifact, {})
    with pytest.raises(RuntimeError, match="HB-01"):
        session.infer({"x": np.zeros((1, 3, 8, 9), np.float32)})
    with pytest.raises(ValueError, match="inputs z; expected x"):
        session.infer({"z": np.zeros((1, 3, 8, 8), np.float32)})
    for name in ("bad.hbm", "bad.onnx"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(RuntimeError, match="HB-03"):
            HanbitAdapter().open(spi.Artifact(role="model", path=str(tmp_path / name), sha256=""), {})


def test_a_scalar_stays_a_scalar_and_buffers_are_read_at_each_call(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    ends = [value(name, TensorProto.FLOAT, []) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), tmp_path / "s.onnx")
    session = HanbitAdapter().open(spi.Artifact(role="model", path=str(tmp_path / "s.onnx"), sha256=""), {})
    x = np.array(3, np.float32)
    call = session.prepare({"x": x})
    assert (call()["y"].shape, float(call()["y"])) == ((), 3.0)
    x[...] = 4
    assert float(call()["y"]) == 4.0


def test_absent_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANBIT_VIRTUAL")
    assert "sees 0 devices" in HanbitAdapter().probe().reason
    assert "no device 0" in HanbitMeter().probe().reason
    assert "expected HanbitNPU" in HanbitAdapter("Other").probe().reason

    real = builtins.__import__

    def refusing(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "hanbit_sdk":
            raise RuntimeError("libhanbit.so.1: cannot open shared object file")
        return real(name, *arguments, **more)

    monkeypatch.delitem(sys.modules, "hanbit_sdk", raising=False)
    monkeypatch.setattr(builtins, "__import__", refusing)
    assert "libhanbit.so.1" in HanbitAdapter().probe().reason
    assert "libhanbit.so.1" in HanbitMeter().probe().reason


def test_the_meter(tmp_path: Path) -> None:
    meter = HanbitMeter()
    assert meter.probe().available
    before = {reading.channel: reading for reading in meter.read()}
    session = HanbitAdapter().open(network(tmp_path / "model.onnx"), {})
    session.infer(spi.seeded_feeds(session.inputs, 1))
    after = {reading.channel: reading for reading in meter.read()}
    assert {channel.name for channel in meter.channels()} == set(after)
    assert after["hanbit.energy"].value > before["hanbit.energy"].value
    assert (before["hanbit.power"].value, after["hanbit.power"].value) == (4.0, 25.0)
    assert number("18810987uW") == pytest.approx(18.810987)
    for text in ("18.8", "18 W", "-3W", "nan"):
        with pytest.raises(ValueError):
            number(text)
