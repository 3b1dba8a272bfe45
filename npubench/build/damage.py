"""Deliberately damaged copies of a built model: the faults that a quality gate must catch (`selftest quality`).

Each fault is one that a real backend or converter makes: a scale or zero point read wrongly, a layer skipped, channels
in another order, a mask or position forgotten, integers that saturate. A damaged copy is a model of its own in a folder
of its own; nothing that is ever measured is touched. Runs in a child, because it holds a whole model in memory.

Guarantees: a fault that finds nothing to damage in a graph raises, it never returns an undamaged copy.
Not aware of: gates, floors.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from npubench.errors import ArtifactError
from npubench.lang import Text, here

Model = onnx.ModelProto


class Fault(msgspec.Struct, frozen=True):
    """What is damaged, and how a backend comes to do it."""

    title: Text
    damage: Callable[[Model], int]
    """Damages the model in place; returns how many places it found."""


def _initialisers(model: Model) -> dict[str, onnx.TensorProto]:
    return {tensor.name: tensor for tensor in model.graph.initializer}


def _set(tensor: onnx.TensorProto, value: npt.NDArray[Any]) -> None:
    tensor.CopyFrom(numpy_helper.from_array(value.astype(numpy_helper.to_array(tensor).dtype), tensor.name))


def _quantisers(model: Model) -> list[onnx.NodeProto]:
    """The QuantizeLinear nodes of activations, in the order of the graph."""
    known = _initialisers(model)
    return [node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] not in known]


def _scale_activations(model: Model, factor: float, one: bool) -> int:
    known = _initialisers(model)
    nodes = _quantisers(model)
    chosen = [nodes[len(nodes) // 2]] if one and nodes else nodes
    # Both sides of a pair may read one initialiser, and several pairs too: each is changed once.
    names = dict.fromkeys(node.input[1] for node in chosen)
    for name in names:
        _set(known[name], numpy_helper.to_array(known[name]) * np.float32(factor))
    return len(names)


def one_scale(model: Model) -> int:
    """One activation's scale × 0.25: its values saturate."""
    return _scale_activations(model, 0.25, one=True)


def all_scales(model: Model) -> int:
    """Every activation's scale × 4: two bits are lost everywhere."""
    return _scale_activations(model, 4.0, one=False)


def zero_points(model: Model) -> int:
    """Zero points + 2 where integers become real numbers again, not where they are made."""
    known = _initialisers(model)
    quantised = {node.output[0] for node in _quantisers(model)}
    found = 0
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in quantised or len(node.input) < 3:
            continue
        value = numpy_helper.to_array(known[node.input[2]])
        most = np.iinfo(value.dtype).max
        wrong = numpy_helper.from_array(
            np.minimum(value.astype(np.int64) + 2, most).astype(value.dtype), f"{node.input[2]}.wrong.{found}"
        )
        model.graph.initializer.append(wrong)
        node.input[2] = wrong.name
        found += 1
    return found


def _dequantised(model: Model) -> dict[str, str]:
    """The integer initialiser behind each dequantised weight."""
    known = _initialisers(model)
    return {
        node.output[0]: node.input[0]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in known
    }


def _weights(model: Model, operators: tuple[str, ...]) -> list[onnx.TensorProto]:
    """The stored weights of these operators, in the order of the graph."""
    known, behind = _initialisers(model), _dequantised(model)
    names = [
        behind.get(node.input[1], node.input[1])
        for node in model.graph.node
        if node.op_type in operators and len(node.input) > 1
    ]
    return [known[name] for name in dict.fromkeys(names) if name in known]


def zeroed(model: Model) -> int:
    """A layer in the middle gives zeros: its weights are gone."""
    found = [tensor for tensor in _weights(model, ("Conv", "MatMul", "Gemm")) if len(tensor.dims) > 1]
    if not found:
        return 0
    middle = found[len(found) // 2]
    _set(middle, np.zeros_like(numpy_helper.to_array(middle)))
    return 1


def saturating(model: Model) -> int:
    """Integer weights clipped to a quarter of their range, as an accumulator of too few bits does."""
    found = 0
    for tensor in _weights(model, ("Conv", "MatMul", "Gemm")):
        value = numpy_helper.to_array(tensor)
        if value.dtype != np.int8:
            continue
        most = int(np.abs(value.astype(np.int64)).max()) // 4
        _set(tensor, np.clip(value, -most, most))
        found += 1
    return found


def swapped_channels(model: Model) -> int:
    """Red and blue exchanged at the input."""
    picture = model.graph.input[0]
    shape = picture.type.tensor_type.shape.dim
    if len(shape) != 4 or shape[1].dim_value != 3:
        return 0
    order = numpy_helper.from_array(np.array([2, 1, 0], np.int64), "damage.order")
    model.graph.initializer.append(order)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == picture.name:
                node.input[place] = "damage.swapped"
    model.graph.node.insert(
        0, helper.make_node("Gather", [picture.name, order.name], ["damage.swapped"], "damage.swap", axis=1)
    )
    return 1


def no_mask(model: Model) -> int:
    """The causal mask adds nothing: every position sees the future."""
    found = 0
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor) if len(tensor.dims) <= 1 and tensor.data_type != 0 else None
        if value is not None and value.size == 1 and value.dtype.kind == "f" and float(value.reshape(-1)[0]) <= -1e3:
            _set(tensor, np.zeros_like(value))
            found += 1
    return found


def rope_base(model: Model) -> int:
    """The base of the rotary positions × 10."""
    known = _initialisers(model)
    row = known.get("rope.frequencies")
    if row is None:
        return 0
    value = numpy_helper.to_array(row)
    half = value.shape[-1] // 2
    steps = 10.0 ** (-np.arange(half) / half)
    _set(row, value * np.concatenate([steps, steps])[None])
    return 1


FAULTS: dict[str, Fault] = {
    "one-scale": Fault(Text(en="one activation scale × 0.25", ko="활성값 스케일 하나 × 0.25"), one_scale),
    "all-scales": Fault(Text(en="all activation scales × 4", ko="모든 활성값 스케일 × 4"), all_scales),
    "zero-point": Fault(Text(en="zero points + 2", ko="영점 + 2"), zero_points),
    "layer-zeroed": Fault(Text(en="a layer zeroed", ko="한 층이 0"), zeroed),
    "channels-swapped": Fault(Text(en="channels swapped", ko="채널 순서 뒤바뀜"), swapped_channels),
    "saturating": Fault(Text(en="integers saturating", ko="정수 포화"), saturating),
    "no-causal-mask": Fault(Text(en="causal mask off", ko="인과 마스크 없음"), no_mask),
    "rope-base": Fault(Text(en="RoPE base × 10", ko="RoPE 밑 × 10"), rope_base),
}


def damaged(path: Path, fault: str, folder: Path) -> Path:
    """A copy of the model in `path` with this fault, in `folder`. Raises ArtifactError where nothing can be damaged."""
    model = onnx.load(str(path), load_external_data=True)
    if not FAULTS[fault].damage(model):
        raise ArtifactError(here(f"{path}: nothing for the fault {fault}", f"{path}: 결함 {fault}을(를) 낼 곳이 없음"))
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "model.onnx"
    onnx.save(model, str(target), save_as_external_data=True, location="weights.bin", size_threshold=4096)
    return target
