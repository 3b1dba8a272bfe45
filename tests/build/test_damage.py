"""Damaged copies really are damaged, and the original stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench.build.damage import FAULTS, damaged
from npubench.errors import ArtifactError
from npubench.store import sha256_file

ort = pytest.importorskip("onnxruntime")


def constant(name: str, value: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def write(path: Path, nodes: list[Any], constants: list[Any]) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))
    return path


@pytest.fixture
def quantised(tmp_path: Path) -> Path:
    """images → Q → DQ → Conv with dequantised weights."""
    return write(
        tmp_path / "model.onnx",
        [
            helper.make_node("QuantizeLinear", ["images", "s", "z"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
            helper.make_node("DequantizeLinear", ["w", "ws"], ["wd"]),
            helper.make_node("Conv", ["d", "wd"], ["y"], kernel_shape=[1, 1]),
        ],
        [
            constant("s", np.float32(1 / 255)),
            constant("z", np.uint8(0)),
            constant("w", np.array([[64, -32, 8]], np.int8).reshape(1, 3, 1, 1)),
            constant("ws", np.float32(0.01)),
        ],
    )


@pytest.fixture
def decoder(tmp_path: Path) -> Path:
    half = 2
    row = np.tile(100.0 ** (-np.arange(half) / half), 2)[None].astype(np.float32)
    return write(
        tmp_path / "decoder.onnx",
        [
            helper.make_node("Mul", ["images", "rope.frequencies"], ["a"]),
            helper.make_node("Add", ["a", "hidden"], ["y"]),
        ],
        [constant("rope.frequencies", row), constant("hidden", np.float32(-10_000.0))],
    )


def answer(path: Path) -> Any:
    picture = np.linspace(0, 1, 48, dtype=np.float32).reshape(1, 3, 4, 4)
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"images": picture})[0]


@pytest.mark.parametrize(
    "fault", ["one-scale", "all-scales", "zero-point", "layer-zeroed", "saturating", "channels-swapped"]
)
def test_faults_of_a_quantised_network(quantised: Path, tmp_path: Path, fault: str) -> None:
    before = sha256_file(quantised)
    copy = damaged(quantised, fault, tmp_path / "damaged")
    assert sha256_file(quantised) == before
    assert np.abs(answer(copy) - answer(quantised)).max() > 0.001


@pytest.mark.parametrize("fault", ["no-causal-mask", "rope-base"])
def test_faults_of_a_decoder(decoder: Path, tmp_path: Path, fault: str) -> None:
    assert np.abs(answer(damaged(decoder, fault, tmp_path / "damaged")) - answer(decoder)).max() > 0.001


def test_a_fault_that_finds_nothing_raises(quantised: Path, decoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="rope-base"):
        damaged(quantised, "rope-base", tmp_path / "damaged")
    with pytest.raises(ArtifactError, match="one-scale"):
        damaged(decoder, "one-scale", tmp_path / "damaged")


def test_every_fault_has_a_name_in_both_languages() -> None:
    assert all(fault.title.en and fault.title.ko for fault in FAULTS.values())
