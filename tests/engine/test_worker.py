"""What the worker concludes from evidence: outputs, placement, execution kind."""

from __future__ import annotations

import numpy as np
import pytest

from npubench.engine.worker import WrongOutputError, check_output, classify
from npubench.errors import ArtifactError, DataError
from npubench.schema import FailureKind
from npubench.spi import Placement, TensorSpec
from npubench.stats.placement import execution_kind, together

SPEC = TensorSpec(name="y", dtype="float32", shape=("n", 2))


def placed(requested: str = "NpuExecutionProvider", **nodes: int) -> Placement:
    return Placement(requested=requested, providers=dict(nodes), fallback_ops={}, device_type="npu")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (np.zeros((3, 3), np.float32), FailureKind.WRONG_SHAPE),
        (np.zeros((3,), np.float32), FailureKind.WRONG_SHAPE),
        (np.zeros((3, 2), np.float64), FailureKind.WRONG_SHAPE),
        (np.array([[0, np.nan]], np.float32), FailureKind.NON_FINITE),
        (np.array([[0, np.inf]], np.float32), FailureKind.NON_FINITE),
    ],
)
def test_what_cannot_be_right_is_refused(value: np.ndarray, kind: FailureKind) -> None:
    with pytest.raises(WrongOutputError) as caught:
        check_output("y", value, SPEC)
    assert caught.value.kind is kind


def test_what_is_declared_passes() -> None:
    check_output("y", np.zeros((5, 2), np.float32), SPEC)


def test_no_node_on_the_requested_provider_is_a_fallback() -> None:
    assert execution_kind("npu", placed(CPUExecutionProvider=9)) == "cpu_fallback"
    assert execution_kind("npu", placed(NpuExecutionProvider=1, CPUExecutionProvider=9)) == "hardware"


def test_an_npu_provider_on_a_cpu_device_is_simulated() -> None:
    emulated = Placement(requested="Npu", providers={"Npu": 3}, device_type="cpu")
    assert execution_kind("npu", emulated) == "simulated"


@pytest.mark.parametrize("evidence", [None, Placement(requested="NpuExecutionProvider")])
def test_silence_proves_nothing(evidence: Placement | None) -> None:
    assert execution_kind("npu", evidence) == "unknown"
    assert execution_kind("gpu", evidence) == "unknown"
    assert execution_kind("cpu", evidence) == "hardware"


def test_a_pipeline_adds_its_graphs_up_and_one_unknown_makes_all_unknown() -> None:
    both = together([placed(Npu=2, Cpu=1), placed(Npu=3)])
    assert both is not None
    assert both.providers == {"Npu": 5, "Cpu": 1}
    unknown = together([placed(Npu=2), Placement(requested="Npu")])
    assert unknown is not None
    assert unknown.providers is None
    assert together([]) is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DataError("x"), FailureKind.BAD_DATA),
        (ArtifactError("x"), FailureKind.BAD_ARTIFACT),
        (MemoryError(), FailureKind.OUT_OF_MEMORY),
        (RuntimeError("std::bad_alloc"), FailureKind.OUT_OF_MEMORY),
        (RuntimeError("CUDA failure 2: out of memory"), FailureKind.OUT_OF_MEMORY),
        (OSError(28, "No space left on device"), FailureKind.DISK_FULL),
        (RuntimeError("else"), FailureKind.RAISED),
    ],
)
def test_exceptions_have_their_class(error: Exception, kind: FailureKind) -> None:
    assert classify(error) is kind
