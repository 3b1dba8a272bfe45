"""Workloads over real sessions: buffers that are bound once must show each new picture to the runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npubench.spi import Artifact, Request
from npubench.workloads.detection import Detection
from npubench.workloads.tensor import Tensor
from tests.workloads.fakes import CountingClock, frames_folder

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def opened(model: Any, path: Path) -> Any:
    from npubench.adapters.ort import OrtAdapter

    onnx.save(model, path)
    artifact = Artifact(role="graph", path=str(path), sha256="0" * 64)
    return OrtAdapter("CPUExecutionProvider", None).open(artifact, {"intra_op_num_threads": 1})


def graph(nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any] | None = None) -> Any:
    made = onnx.helper.make_graph(nodes, "g", inputs, outputs, constants or [])
    return onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def value(name: str, shape: list[int | str], kind: int = 1) -> Any:
    return onnx.helper.make_tensor_value_info(name, kind, shape)


def test_detection_sees_each_frame(tmp_path: Path) -> None:
    """The heads are means of the picture, so that another frame gives other boxes."""
    node = onnx.helper.make_node
    nodes, outputs = [], []
    for stride in (8, 16):
        pool = f"pool{stride}"
        nodes += [
            node("AveragePool", ["images"], [pool], kernel_shape=[stride] * 2, strides=[stride] * 2),
            node("Concat", [pool, pool], [f"cls_s{stride}"], axis=1),
            node("Gather", [pool, "four"], [f"box_s{stride}"], axis=1),
        ]
        side = 64 // stride
        outputs += [
            value(f"box_s{stride}", ["batch", 4, side, side]),
            value(f"cls_s{stride}", ["batch", 6, side, side]),
        ]
    four = onnx.numpy_helper.from_array(np.array([0, 1, 2, 0]), "four")
    session = opened(graph(nodes, [value("images", ["batch", 3, 64, 64])], outputs, [four]), tmp_path / "d.onnx")
    folder = frames_folder(tmp_path / "f", 3)
    params = {"input_size": [64, 64], "strides": [8, 16], "score_threshold": 0.6}
    found = []
    for scope in ("device", "service"):
        request = Request(scope=scope, params=params, data=str(folder))
        bind = Detection().bind({"detector": session}, request, CountingClock())
        assert [bind.step(index) for index in range(4)] == [1] * 4
        found.append([bind.detections(index)[0] for index in range(3)])
    for device, service in zip(*found, strict=True):
        assert len(device)
        assert np.array_equal(device, service)
    assert not np.array_equal(found[0][0], found[0][1])


def test_any_graph_runs_on_seeded_inputs(tmp_path: Path) -> None:
    nodes = [onnx.helper.make_node("Gather", ["table", "ids"], ["rows"])]
    inputs = [value("table", [2, "width"]), value("ids", ["n"], onnx.TensorProto.INT64)]
    session = opened(graph(nodes, inputs, [value("rows", ["n", "width"])]), tmp_path / "g.onnx")
    params = {"sizes": {"width": 7}, "batch_dim": "n", "inputs": 2}
    bind = Tensor().bind({"graph": session}, Request(scope="device", batch=3, params=params), CountingClock())
    assert bind.step(1) == 3
    assert bind.inspect(1)["rows"].shape == (3, 7)
