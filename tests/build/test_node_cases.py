"""The standard's node tests as files: nothing of onnx is needed to read them, and older stamps mean the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from npubench.build import node_cases
from npubench.build.older_forms import older


def model(kind: str, opset: int, element: int = TensorProto.FLOAT, **attributes: object) -> onnx.ModelProto:
    """A graph of one operator with one input."""
    info = [helper.make_tensor_value_info(name, element, (1, 1, 4, 4)) for name in ("x", "y")]
    node = helper.make_node(kind, ["x"], ["y"], **attributes)
    return helper.make_model(
        helper.make_graph([node], "g", info[:1], info[1:]), opset_imports=[helper.make_opsetid("", opset)]
    )


def test_a_case_is_a_model_and_arrays_by_position(tmp_path: Path) -> None:
    cases = {case.name: case for case in node_cases.export(tmp_path, ["Ceil", "SequenceInsert"])}
    case = cases["test_ceil"]
    assert (case.operator, case.inputs, case.outputs, case.rtol) == ("Ceil", ("x",), ("y",), 1e-3)
    with np.load(tmp_path / f"{case.file}.npz", allow_pickle=False) as arrays:
        assert np.array_equal(np.ceil(arrays["input:0"]), arrays["output:0"])
    assert onnx.load(tmp_path / f"{case.file}.onnx").graph.node[0].op_type == "Ceil"
    skipped = cases["test_sequence_insert_at_back"]
    assert skipped.skip is not None
    assert skipped.skip.en == "an input or output is of type sequence"
    assert not (tmp_path / f"{skipped.file}.onnx").exists()


def test_what_is_cached_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_cases, "export", lambda folder, operators=(): fake(folder))

    def fake(folder: Path) -> list[node_cases.Case]:
        (folder / node_cases.INDEX).write_bytes(b'[{"name": "test_a", "operator": "A"}]')
        return [node_cases.Case(name="test_a", operator="A")]

    folder, made = node_cases.cached(tmp_path, (), tmp_path / "unused")
    monkeypatch.setattr(node_cases, "export", lambda *_: pytest.fail("made twice"))
    assert node_cases.cached(tmp_path, (), tmp_path / "unused") == (folder, made)
    assert node_cases.cached(tmp_path, ("B",), tmp_path / "unused") == (folder, [])
    assert not list(tmp_path.glob("**/.building-*"))


@pytest.mark.parametrize(
    ("made", "opset"),
    [
        (model("Relu", 14), 13),  # 14 added integers
        (model("Acos", 22), 13),  # 22 added bfloat16
        (model("Relu", 14, TensorProto.INT8), None),  # … which this one needs
        (model("Mish", 22), 18),  # new in 18
        (model("Gelu", 20), None),  # new in 20
        (model("HardSwish", 22), 14),
        (model("Softmax", 13), None),  # nothing older than 13 is asked
        # 19 gave AveragePool its dilations.
        (model("AveragePool", 22, kernel_shape=[1, 1]), 19),
    ],
)
def test_a_stamp_is_lowered_as_far_as_nothing_but_types_changes(made: onnx.ModelProto, opset: int | None) -> None:
    found = older(made)
    assert (None if found is None else found[1]) == opset
    if found is not None:
        assert found[0].opset_import[0].version == opset
        assert found[0].graph == made.graph
