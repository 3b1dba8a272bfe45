"""What the worker concludes from evidence: outputs, placement, execution kind."""

from __future__ import annotations

import numpy as np
import pytest

from npubench.engine.checking import WrongOutputError, check_output, outputs_of
from npubench.engine.protocol import AdapterRef
from npubench.engine.warmup import tolerant
from npubench.engine.worker import classify, make_adapter
from npubench.errors import AbsentBackendError, ArtifactError, DataError
from npubench.schema import FailureKind
from npubench.spi import Outputs, Placement, RequestError, TensorSpec
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
        (OSError(19, "No such device"), FailureKind.DEVICE_LOST),
        (RuntimeError("vkQueueSubmit: VK_ERROR_DEVICE_LOST"), FailureKind.DEVICE_LOST),
        (RuntimeError("NVML: GPU is lost"), FailureKind.DEVICE_LOST),
        (RuntimeError("else"), FailureKind.RAISED),
    ],
)
def test_exceptions_have_their_class(error: Exception, kind: FailureKind) -> None:
    assert classify(error) is kind


class Refusing:
    """A bound model of which every other request is refused."""

    unit, count = "sample", 1

    def __init__(self, refused: int) -> None:
        self.asked = 0
        self._refused = refused

    def step(self, index: int) -> int:
        self.inspect(index)
        return 1

    def inspect(self, index: int) -> Outputs:
        self.asked += 1
        if self.asked <= self._refused:
            raise RequestError("busy", status=11)
        return {}

    def close(self) -> None:
        """Nothing is held."""


def test_a_refused_request_outside_the_window_does_not_end_the_launch() -> None:
    """A vendor's full queue while nothing is timed: warming up goes on, and a check asks again, but not for ever."""
    warming = tolerant(Refusing(1).step)
    assert [warming(index) for index in range(3)] == [0, 1, 1]
    outputs_of(Refusing(2), 0)
    with pytest.raises(RequestError):
        outputs_of(Refusing(3), 0)


def test_an_adapter_that_is_not_installed_in_the_backends_python() -> None:
    with pytest.raises(AbsentBackendError, match="package no_such_vendor is not installed in this backend's") as caught:
        make_adapter(AdapterRef(code="no_such_vendor.adapter:Adapter"))
    assert classify(caught.value) is FailureKind.NOT_AVAILABLE
    assert caught.value.hint is not None
    assert "pip install --no-deps" in caught.value.hint
