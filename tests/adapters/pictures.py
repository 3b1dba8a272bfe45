"""A small model of pictures for tests of vendors' adapters, its inputs, and what ONNX Runtime answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from npubench.spi import Artifact


def picture_model(folder: Path, batch: int = 1, opset: int = 18) -> Artifact:
    """A graph of two convolutions with outputs of different shapes: (4, 8, 12) at half size, and (6, 8, 12)."""
    random = np.random.default_rng(7)
    weights = {
        "w1": random.normal(0, 0.2, (4, 3, 3, 3)).astype(np.float32),
        "w2": random.normal(0, 0.2, (6, 4, 1, 1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c"], "conv", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["boxes"], "relu"),
        helper.make_node("Conv", ["boxes", "w2"], ["scores"], "head"),
    ]
    graph = helper.make_graph(
        nodes,
        "picture",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 16, 24])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [batch, 4, 8, 12]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 6, 8, 12]),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    path = folder / f"picture-{batch}-{opset}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9), path)
    return Artifact(role="detector", path=str(path), sha256="", precision="int8", variant="static")


def pictures(count: int, batch: int = 1, seed: int = 1) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    return [{"x": random.random((batch, 3, 16, 24), dtype=np.float32)} for _ in range(count)]


def reference(artifact: Artifact, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What ONNX Runtime gives on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(artifact.path, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))
