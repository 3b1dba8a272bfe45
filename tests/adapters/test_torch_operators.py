"""Every operator of the torch adapter against the ONNX standard: its node tests and its reference evaluator.

Needs torch: `test_torch_environment` runs this where there is none.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from npubench.adapters.torch import TorchAdapter
from npubench.errors import UnsupportedError
from npubench.spi import Array, Artifact

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")

value = helper.make_tensor_value_info


def run(path: Path, model: onnx.ModelProto, feeds: dict[str, Array]) -> list[Array]:
    """The model's outputs through the adapter."""
    onnx.save(model, path)
    session = TorchAdapter().open(Artifact(role="model", path=str(path), sha256=""), {})
    outputs = session.infer(feeds)
    return [outputs[spec.name] for spec in session.outputs]


def single(op: str, feeds: dict[str, Array], outputs: int = 1, opset: int = 21, **attributes: Any) -> onnx.ModelProto:
    """A graph of one node."""
    names = [f"y{i}" for i in range(outputs)]
    inputs = [value(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in feeds.items()]
    node = helper.make_node(op, list(feeds), names, name="node", **attributes)
    kinds = {"QuantizeLinear": feeds["z"].dtype if "z" in feeds else np.dtype(np.uint8)}
    kind = helper.np_dtype_to_tensor_dtype(kinds.get(op, np.dtype(np.float32)))
    graph = helper.make_graph([node], "g", inputs, [value(name, kind, None) for name in names])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def shaped(model: onnx.ModelProto, results: list[Array]) -> onnx.ModelProto:
    """With the outputs' ranks, which the adapter needs to be stated."""
    for info, result in zip(model.graph.output, results, strict=True):
        info.CopyFrom(value(info.name, helper.np_dtype_to_tensor_dtype(result.dtype), result.shape))
    return model


def agrees(path: Path, model: onnx.ModelProto, feeds: dict[str, Array], tolerance: float = 1e-5) -> None:
    wanted = ReferenceEvaluator(model).run(None, feeds)
    found = run(path, shaped(model, wanted), feeds)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours.astype(np.float64), theirs.astype(np.float64), rtol=tolerance, atol=tolerance)


# A unit in the last place of fp16 beside a tolerance of one in a thousand.
LAST_PLACE = ("test_attention_4d_fp16", "test_attention_4d_causal_fp16", "test_attention_4d_causal_fp16_expanded")


def test_no_node_test_of_the_standard_gives_a_wrong_answer(tmp_path: Path) -> None:
    from onnx.backend.test.loader import load_model_tests

    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for case in load_model_tests(kind="node"):
        model = case.model if case.model is not None else onnx.load(Path(case.model_dir) / "model.onnx")
        path = tmp_path / "m.onnx"
        onnx.save(model, path)
        try:
            session = TorchAdapter().open(Artifact(role="model", path=str(path), sha256=""), {})
        except UnsupportedError:
            counts["unsupported"] += 1
            continue
        for ins, outs in case.data_sets or []:
            feeds = {spec.name: _array(item) for spec, item in zip(session.inputs, ins, strict=False)}
            found = session.infer(feeds)
            for spec, item in zip(session.outputs, outs, strict=True):
                wanted = _array(item)
                ours = found[spec.name]
                same = ours.dtype == wanted.dtype and ours.shape == wanted.shape
                near = same and np.allclose(_wide(ours), _wide(wanted), case.rtol, case.atol or 1e-5, equal_nan=True)
                if not near and case.name not in LAST_PLACE:
                    wrong.append(case.name)
        counts["right"] += 1
    assert wrong == []
    assert counts["right"] > 900


def _array(item: Any) -> Array:
    return np.asarray(item) if isinstance(item, (np.ndarray, np.generic)) else numpy_helper.to_array(item)


def _wide(array: Array) -> Array:
    return array if array.dtype == bool else array.astype(np.float64)


floats = st.floats(-100, 100, width=32)


@settings(max_examples=40)
@given(
    x=st.lists(floats, min_size=6, max_size=6),
    scale=st.sampled_from([0.01, 0.1, 0.5, 1.0, 3.0]),
    kind=st.sampled_from([np.uint8, np.int8, np.uint16, np.int16]),
    zero=st.integers(0, 100),
)
def test_quantising_is_exact(
    tmp_path_factory: pytest.TempPathFactory, x: list[float], scale: float, kind: type, zero: int
) -> None:
    """Halves to even, saturated; what ONNX Runtime and every NPU compiler reads into such a graph."""
    path = tmp_path_factory.mktemp("quantise") / "m.onnx"
    feeds = {
        "x": np.array(x, np.float32).reshape(2, 3),
        "s": np.array(scale, np.float32),
        "z": np.array(zero, kind),
    }
    model = single("QuantizeLinear", feeds)
    found = run(path, shaped(model, [np.zeros((2, 3), kind)]), feeds)[0]
    limits = np.iinfo(kind)
    wanted = np.clip(np.rint(feeds["x"] / feeds["s"]) + zero, limits.min, limits.max).astype(kind)
    assert (found == wanted).all()
    back = {"q": wanted, "s": feeds["s"], "z": feeds["z"]}
    agrees(path, single("DequantizeLinear", back), back, 0)


@settings(max_examples=40)
@given(data=st.data())
def test_slices_are_pythons(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    bound = st.one_of(st.integers(-7, 7), st.sampled_from([-(1 << 31), 1 << 31]))
    start, end = data.draw(bound), data.draw(bound)
    step = data.draw(st.sampled_from([-3, -2, -1, 1, 2, 3]))
    # Backwards from before the beginning: the specification clamps to the first element, Python to none.
    assume(start >= -5 or step > 0)
    feeds = {
        "x": np.arange(10, dtype=np.float32).reshape(2, 5),
        "starts": np.array([start]),
        "ends": np.array([end]),
        "axes": np.array([1]),
        "steps": np.array([step]),
    }
    agrees(tmp_path_factory.mktemp("slice") / "m.onnx", single("Slice", feeds), feeds)


@settings(max_examples=40)
@given(
    factor=st.sampled_from([0.5, 0.8, 1.5, 2.0, 3.0]),
    place=st.sampled_from(["asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"]),
    rounding=st.sampled_from(["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]),
)
def test_nearest_resizing(tmp_path_factory: pytest.TempPathFactory, factor: float, place: str, rounding: str) -> None:
    # The reference evaluator keeps the fraction of an output's length, which the specification cuts off.
    assume(place != "align_corners" or factor != 0.8)
    x = np.arange(2 * 4 * 6, dtype=np.float32).reshape(1, 2, 4, 6)
    feeds = {"x": x}
    model = single("Resize", feeds, coordinate_transformation_mode=place, nearest_mode=rounding, mode="nearest")
    model.graph.node[0].input.extend(["", "scales"])
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 1, factor, factor], np.float32), "scales"))
    agrees(tmp_path_factory.mktemp("resize") / "m.onnx", model, feeds)


@pytest.mark.parametrize("axes", [[1], [0, 2], [-1], []])
@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("op", ["ReduceMean", "ReduceMax", "ReduceL2", "ReduceProd", "ReduceLogSumExp"])
def test_reductions(tmp_path: Path, op: str, axes: list[int], keep: int) -> None:
    x = np.random.default_rng(1).standard_normal((2, 3, 4)).astype(np.float32)
    feeds = {"x": x, "axes": np.array(axes, np.int64)}
    agrees(tmp_path / "m.onnx", single(op, feeds, keepdims=keep), feeds)


def test_softmax_before_opset_13_flattens(tmp_path: Path) -> None:
    x = np.random.default_rng(1).standard_normal((2, 3, 4)).astype(np.float32)
    flat = np.exp(x.reshape(2, 12))
    wanted = (flat / flat.sum(1, keepdims=True)).reshape(x.shape)
    model = shaped(single("Softmax", {"x": x}, opset=11, axis=1), [wanted])
    np.testing.assert_allclose(run(tmp_path / "m.onnx", model, {"x": x})[0], wanted, rtol=1e-5)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_with_computed_pads(tmp_path: Path, auto_pad: str, stride: int) -> None:
    x = np.random.default_rng(1).standard_normal((1, 2, 5, 6)).astype(np.float32)
    model = single("Conv", {"x": x}, kernel_shape=[3, 3], strides=[stride, stride], auto_pad=auto_pad)
    model.graph.node[0].input.append("w")
    weight = np.random.default_rng(2).standard_normal((3, 2, 3, 3)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    agrees(tmp_path / "m.onnx", model, {"x": x}, 1e-4)


def test_four_bit_weights_are_unpacked_low_half_first(tmp_path: Path) -> None:
    proto = helper.make_tensor("w", TensorProto.INT4, [5], bytes([0x1F, 0x87, 0x03]), raw=True)
    node = helper.make_node("DequantizeLinear", ["w", "s"], ["d"])
    plus = helper.make_node("Add", ["d", "x"], ["y"])
    graph = helper.make_graph(
        [node, plus],
        "g",
        [value("x", TensorProto.FLOAT, [5])],
        [value("y", TensorProto.FLOAT, [5])],
        [proto, numpy_helper.from_array(np.array(1, np.float32), "s")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    found = run(tmp_path / "m.onnx", model, {"x": np.zeros(5, np.float32)})[0]
    assert found.tolist() == [-1, 1, 7, -8, 3]
