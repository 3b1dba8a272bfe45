"""What ONNX Runtime sessions tell of where their graphs ran: assignment, profile, strictness."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from npubench.adapters import ort_profile
from npubench.adapters.ort import OrtAdapter
from npubench.spi import Assigns, Profiled, Profiles, Strict, seeded_feeds
from tests.adapters.made_graphs import branches, perceptron

CPU = "CPUExecutionProvider"


def test_the_adapter_has_the_capabilities_that_a_certificate_asks_for(tmp_path: Path) -> None:
    adapter = OrtAdapter()
    assert isinstance(adapter, Profiles)
    assert isinstance(adapter, Strict)
    session = adapter.open_profiled(perceptron(tmp_path / "m.onnx"), {}, str(tmp_path))
    assert isinstance(session, Assigns)
    assert isinstance(session, Profiled)
    session.close()


def test_assignment_names_the_models_own_nodes(tmp_path: Path) -> None:
    session = OrtAdapter().open(perceptron(tmp_path / "m.onnx", foreign=True), {"intra_op_num_threads": 1})
    found = session.assignment()
    assert found is not None
    assert {node.name for node in found} == {"first", "relu", "sample", "second"}
    assert {node.domain for node in found if node.op_type == "SampleOp"} == {"com.microsoft"}
    assert {node.provider for node in found} == {CPU}
    assert sorted({node.subgraph for node in found}) == list(range(len({node.subgraph for node in found})))
    session.close()


def test_what_the_runtime_appends_to_names_is_taken_off() -> None:
    for name in ("conv0", "conv0_token_1", "conv0/duplicated", "conv0_token_12/duplicated_token_3", "conv0_nchwc"):
        assert ort_profile.model_name(name) == "conv0"
    assert ort_profile.model_name("conv0_nchwc_kernel_time") == "conv0"
    assert ort_profile.model_name("token_1_conv") == "token_1_conv"


def test_a_profile_counts_calls_and_shapes(tmp_path: Path) -> None:
    adapter = OrtAdapter()
    artifact = perceptron(tmp_path / "m.onnx")
    session = adapter.open_profiled(
        artifact, {"graph_optimization_level": "disable", "intra_op_num_threads": 1}, str(tmp_path)
    )
    feeds = seeded_feeds(session.inputs, 0)
    for _ in range(3):
        session.infer(feeds)
    found = session.profile()
    session.close()
    rows = {row.name: row for row in found.rows}
    assert found.runs == 3
    assert set(rows) == {"first", "relu", "second"}
    assert {row.calls for row in found.rows} == {3}
    assert rows["first"].op_type == "MatMul"
    # The weights' shape is not among the inputs: it is no input of the run. (It is where a node has it from another.)
    assert rows["first"].input_shapes[0] == (1, 64)
    assert rows["first"].output_shapes == ((1, 64),)
    assert {row.provider for row in found.rows} == {CPU}
    assert 0 < sum(row.self_ns for row in found.rows) <= found.run_ns
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"], "profile files stay behind"


def test_the_time_of_a_branch_is_without_its_body(tmp_path: Path) -> None:
    session = OrtAdapter().open_profiled(branches(tmp_path / "m.onnx"), {"intra_op_num_threads": 1}, str(tmp_path))
    for n in (2, 2, 5):
        session.infer(seeded_feeds(session.inputs, 0, {"n": n}))
    found = session.profile()
    session.close()
    assert {(row.name, row.input_shapes[0], row.calls) for row in found.rows if row.name == "body_product"} == {
        ("body_product", (2, 256), 6),
        ("body_product", (5, 256), 3),
    }
    assert {row.name for row in found.rows} >= {"branch", "loop", "then_product", "then_relu"}
    assert "else_neg" not in {row.name for row in found.rows}
    assert sum(row.self_ns for row in found.rows) <= found.run_ns


def _event(name: str, ts: int, dur: int, op: str = "", cat: str = "Node", tid: int = 1) -> dict[str, object]:
    args = {"provider": CPU, "op_name": op} if cat == "Node" else {}
    return {"name": name, "cat": cat, "ts": ts, "dur": dur, "tid": tid, "pid": 1, "ph": "X", "args": args}


def test_self_times_of_nested_bodies(tmp_path: Path) -> None:
    """A Loop (100 µs) around an If (60) around a product (40): 40 + 20 + 40. Another thread is no body."""
    events = [
        _event("product_kernel_time", 20, 40, "MatMul"),
        _event("if_kernel_time", 10, 60, "If"),
        _event("other_kernel_time", 15, 30, "MatMul", tid=2),
        _event("loop_kernel_time", 0, 100, "Loop"),
        _event("after_kernel_time", 100, 7, "Relu"),
        _event("model_run", 0, 110, cat="Session"),
    ]
    path = tmp_path / "p.json"
    path.write_text(json.dumps(events))
    found = ort_profile.read(path)
    assert {row.name: row.self_ns for row in found.rows} == {
        "product": 40_000,
        "if": 20_000,
        "loop": 40_000,
        "other": 30_000,
        "after": 7_000,
    }
    assert (found.runs, found.run_ns) == (1, 110_000)


def test_a_profile_that_is_full_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime stops recording at a million events with no more than a line in its log."""
    monkeypatch.setattr(ort_profile, "MAX_EVENTS", 2)
    path = tmp_path / "p.json"
    path.write_text(json.dumps([_event("a_kernel_time", 0, 1, "Add"), _event("model_run", 0, 2, cat="Session")]))
    with pytest.raises(RuntimeError, match="full at 2 events"):
        ort_profile.read(path)


def test_a_session_that_is_closed_leaves_no_profile(tmp_path: Path) -> None:
    session = OrtAdapter().open_profiled(perceptron(tmp_path / "m.onnx"), {}, str(tmp_path))
    session.infer(seeded_feeds(session.inputs, 0))
    session.close()
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_the_cpu_cannot_be_strict(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError):
        OrtAdapter().open_strict(perceptron(tmp_path / "m.onnx"), {})
