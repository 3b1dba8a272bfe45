"""The contract's checks against good and bad adapters, and the node tests past crashes and hangs: real processes."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from npubench.build import contract_graphs, node_cases
from npubench.cards import BackendCard
from npubench.conformance import CHECKS, Case, Check, Conformance, Tried
from npubench.discovery import catalogue
from npubench.engine import conformance, conforming
from npubench.engine.conformance import Asking, Found
from npubench.engine.contract import brief
from npubench.engine.contract_life import theil_sen
from npubench.engine.launcher import Environment
from npubench.engine.protocol import AdapterRef
from npubench.errors import MeasurementError
from npubench.lang import Text

pytest.importorskip("onnxruntime")

ROOT = Path(__file__).parents[2]
ORT = "npubench.adapters.ort:OrtAdapter"


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contract graphs of both forms."""
    folder = tmp_path_factory.mktemp("graphs")
    for form in ("fp32", "int8"):
        contract_graphs.write(folder / form, form)
    return folder


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Case]]:
    """The node tests of a few operators."""
    folder = tmp_path_factory.mktemp("cases")
    names = ("Abs", "Acos", "Acosh", "Atan", "Ceil", "Cos", "Celu", "Exp", "Floor", "SequenceInsert", "Bernoulli")
    return folder, node_cases.export(folder, names)


def asking(adapter: str, timeout_s: float = 60.0) -> Asking:
    code = adapter if ":" in adapter else f"tests.engine.misbehaving:{adapter}"
    ref = AdapterRef(code=code, provider="CPUExecutionProvider", device={"type": "cpu"})
    environment = Environment(variables={"PYTHONPATH": str(ROOT)})
    return Asking(adapter=ref, environment=environment, timeout_s=timeout_s)


def checked(adapter: str, name: str, graphs: Path, form: str = "fp32", timeout_s: float = 60.0) -> Check:
    found = Found()
    conformance.contract(asking(adapter, timeout_s), graphs / form, form, found, [name])
    (row,) = found.checks
    return row


def test_every_check_has_a_title_and_the_other_way_round() -> None:
    assert list(CHECKS) == list(conforming.CONTRACT)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["fp32", "int8"])
def test_onnx_runtime_keeps_the_contract_in_both_forms(form: str, graphs: Path) -> None:
    found = Found()
    conformance.contract(asking(ORT), graphs / form, form, found)
    assert [check.id for check in found.checks] == list(CHECKS)
    # A request without a thread needs one of the runtime's own.
    alone = {} if len(os.sched_getaffinity(0)) > 1 else {"submit": "not offered"}
    assert {check.id: check.verdict for check in found.checks if check.verdict != "kept"} == alone
    assert "onnxruntime" in found.versions


@pytest.mark.parametrize(
    ("adapter", "name", "said"),
    [
        ("npubench.adapters.stale:StaleAdapter", "answers", "output y is wrong by"),
        ("Leaking", "memory", "bytes per inference"),
        ("Mixing", "threads", "output y is wrong by"),
        ("Lenient", "wrong-dtype", "accepted without a word"),
        ("Lying", "declared", "output y is declared (1, 9)"),
        ("Aliasing", "buffers", "changed by later requests"),
        ("DyingOfErrors", "missing-input", "the session is gone"),
        ("Unasked", "probe", "cannot open shared object file"),
        ("Placed", "placement", "no node ran on Npu: CPUExecutionProvider 3"),
        *(
            pytest.param(*fault, marks=pytest.mark.slow)
            for fault in (
                ("Scribbling", "buffers", "input x was written to"),
                ("Freezing", "prepare", "after its input buffer changed"),
                ("OpeningTen", "reopen", "opening 11: dense is refused: RuntimeError: no device memory left"),
                ("npubench.adapters.null:NullAdapter", "answers", "output y: shape (1, 4); right is (1, 8)"),
            )
        ),
    ],
)
def test_a_fault_is_found_by_its_check(adapter: str, name: str, said: str, graphs: Path) -> None:
    row = checked(adapter, name, graphs)
    assert row.verdict == "violated"
    assert said in row.seen.en


@pytest.mark.parametrize("name", ["memory", "threads", "buffers", "prepare", "reopen"])
def test_the_same_checks_let_an_honest_adapter_pass(name: str, graphs: Path) -> None:
    row = checked(ORT, name, graphs)
    assert row.verdict == "kept", row.seen.en


def test_a_segmentation_fault_is_one_row(graphs: Path) -> None:
    row = checked("CrashingOnType", "wrong-dtype", graphs)
    assert row.verdict == "crashed"
    assert "SIGSEGV" in row.seen.en
    assert checked("CrashingOnType", "wrong-shape", graphs).verdict == "kept"


@pytest.mark.slow
def test_a_call_that_never_returns_is_one_row(graphs: Path) -> None:
    row = checked("HangingOnNothing", "zero-size", graphs, timeout_s=3)
    assert row.verdict == "hung"


def test_a_process_that_dies_after_its_answer_is_no_good_backend(graphs: Path) -> None:
    row = checked("CrashingAtExit", "answers", graphs)
    assert row.verdict == "crashed"
    assert row.seen.en.endswith("after its answer")


def test_answers_that_differ_a_little_are_said_to(graphs: Path) -> None:
    row = checked("Noisy", "repeat", graphs)
    assert row.verdict == "kept"
    assert "not the same bits" in row.seen.en
    assert 0 < row.figures["largest_difference"] < 0.01


def test_what_is_not_offered_is_no_violation(graphs: Path) -> None:
    assert checked("Lenient", "prepare", graphs).verdict == "not offered"
    assert checked("Lenient", "placement", graphs).verdict == "not offered"


def tried(adapter: str, cases: tuple[Path, list[Case]], timeout_s: float = 60.0, group: int = 100) -> Found:
    found = Found()
    folder, chosen = cases
    conformance.operators(asking(adapter, timeout_s), chosen, folder, found, group)
    return found


def test_each_outcome_of_a_node_test_and_no_test_is_lost(cases: tuple[Path, list[Case]]) -> None:
    """A crash and an exception each cost their own test; reasons name no folder."""
    found = tried("ByOperator", cases)
    rows = {row.name: row for row in found.tried}
    assert sorted(rows) == sorted(case.name for case in cases[1])
    outcomes = {name: rows[f"test_{name}"].outcome for name in ("abs", "atan", "ceil", "exp", "floor", "cos", "acos")}
    assert outcomes == {
        "abs": "crashed",
        "atan": "raised",
        "ceil": "wrong",
        "exp": "wrong",
        "floor": "fell back",
        "cos": "unsupported",
        "acos": "passed",
    }
    assert rows["test_atan"].reason == "RuntimeError: …/kernels.cc:12 not today"
    assert rows["test_cos"].reason == "NotImplementedError: the model: no kernel for it"
    assert rows["test_floor"].reason == "Floor on Host"
    assert rows["test_exp"].error == pytest.approx(0.004, rel=0.01)
    assert rows["test_celu_expanded"].expanded
    assert rows["test_celu_expanded"].operator == "Celu"
    assert rows["test_sequence_insert_at_back"].outcome == "not applicable"
    assert rows["test_bernoulli"].outcome == "not applicable"


@pytest.mark.slow
def test_a_hang_costs_one_test_and_is_asked_again_alone(cases: tuple[Path, list[Case]]) -> None:
    folder, chosen = cases
    found = tried(
        "HangingOnAcosh", (folder, [case for case in chosen if case.operator.startswith("Acos")]), timeout_s=4
    )
    hung = [row for row in found.tried if row.outcome != "passed"]
    assert [(row.name, row.outcome) for row in hung] == [("test_acosh", "hung")]
    assert hung[0].reason == "no sign of life for 4 s; alone likewise"
    assert len(found.tried) == 4


def test_an_older_form_counts_where_the_newest_is_refused(tmp_path: Path) -> None:
    chosen = node_cases.export(tmp_path, ["Acos", "AffineGrid"])
    acos = next(case for case in chosen if case.name == "test_acos")
    assert (acos.opset, acos.older) == (22, 13)
    assert next(case for case in chosen if case.name == "test_affine_grid_2d").older == 0  # new in 20
    found = {row.name: row for row in tried("OnlyOld", (tmp_path, chosen)).tried}
    assert (found["test_acos"].outcome, found["test_acos"].older) == ("passed", 13)
    assert found["test_affine_grid_2d"].outcome == "unsupported"
    assert found["test_affine_grid_2d"].older == 0


def test_onnx_runtime_passes_what_it_has(cases: tuple[Path, list[Case]]) -> None:
    found = tried(ORT, cases)
    asked = [row for row in found.tried if row.outcome != "not applicable"]
    assert {row.outcome for row in asked} == {"passed"}
    assert all(row.placed for row in asked)
    assert found.exits == []


def test_a_backend_that_always_crashes_is_given_up(
    cases: tuple[Path, list[Case]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conformance, "MOST_IN_A_ROW", 3)
    found = tried("Broken", cases)
    outcomes = [row.outcome for row in found.tried if row.outcome != "not applicable"]
    assert outcomes.count("crashed") == 3
    assert set(outcomes[3:]) == {"not run"}


def test_a_crash_at_the_end_of_a_group_is_not_forgotten(cases: tuple[Path, list[Case]]) -> None:
    folder, chosen = cases
    found = tried("CrashingAtExit", (folder, [case for case in chosen if case.operator == "Acos"]))
    assert {row.outcome for row in found.tried} == {"passed"}
    assert len(found.exits) == 1
    assert "SIGSEGV" in found.exits[0]


def test_an_adapter_that_cannot_be_made_is_an_error(cases: tuple[Path, list[Case]]) -> None:
    with pytest.raises(MeasurementError, match="no licence"):
        tried("Unmakeable", cases)


def card(*precisions: str) -> BackendCard:
    return msgspec.structs.replace(catalogue().backends["cpu"].card, precisions=precisions)


def test_the_graphs_come_in_int8_only_where_no_floats_are_taken() -> None:
    assert conformance.form_of(card("fp32", "int8")) == "fp32"
    assert conformance.form_of(card("fp16")) == "fp32"
    assert conformance.form_of(card("int8", "a16w8")) == "int8"


def test_what_breaks_a_contract() -> None:
    text = Text(en="x", ko="x")

    def document(**facts: object) -> Conformance:
        named = {"backend": "x", "title": text, "provider": None, "device_type": "cpu", "date": "", "npubench": ""}
        return Conformance(onnx="", **named, **facts)  # type: ignore[arg-type]

    def check(verdict: str) -> Check:
        return Check(id="probe", verdict=verdict, seen=text)  # type: ignore[arg-type]

    def test(outcome: str) -> Tried:
        return Tried(name="t", operator="Abs", outcome=outcome)  # type: ignore[arg-type]

    assert not document(checks=(check("kept"), check("not offered"))).broken
    assert not document(operators=tuple(map(test, ("wrong", "raised", "unsupported", "fell back")))).broken
    assert document(checks=(check("violated"),)).broken
    assert document(operators=(test("crashed"),)).broken
    assert document(exits=("ended by SIGSEGV",)).broken


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "[ONNXRuntimeError] : 1 : FAIL : Load model from /home/me/x.onnx failed:/src/core/graph/model.cc:181 "
            "onnxruntime::Model::Model(onnx::ModelProto&&, const PathString&) Unsupported model IR version: 14",
            "RuntimeError: Load model from …/x.onnx failed:Unsupported model IR version: 14",
        ),
        ("while running OpenVINO-EP-subgraph_11_0 node", "RuntimeError: while running OpenVINO-EP-subgraph node"),
        ("two\n  lines", "RuntimeError: two lines"),
        ("", "RuntimeError"),
    ],
)
def test_reasons_read_the_same_on_every_machine(message: str, said: str) -> None:
    assert brief(RuntimeError(message)) == said


def test_one_step_of_an_allocator_is_no_slope_and_a_leak_is() -> None:
    x = np.arange(50) * 20
    step = np.where(x < 700, 1e8, 1.2e8)
    assert theil_sen(x, step) == 0
    assert theil_sen(x, 1e8 + 4096.0 * x) == pytest.approx(4096)
