"""Vendors' real providers in environments of their own: Qualcomm's plug-in (NPU, emulated) and OpenVINO on the CPU.

Each test is a row of the list of ways in which ONNX Runtime runs a model on the CPU without saying so, or a case in
which a provider takes part of a graph.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto

from npubench.engine.launcher import Environment, run_job
from npubench.engine.protocol import (
    AdapterRef,
    Compiled,
    CompileJob,
    Job,
    Load,
    Measured,
    MeasureJob,
    Placed,
    PlaceJob,
    Probed,
    ProbeJob,
)
from npubench.evidence import RoleEvidence
from npubench.schema import Failure, FailureKind
from npubench.spi import Artifact, Request
from tests.adapters.made_graphs import perceptron

pytestmark = pytest.mark.slow

ORT = "npubench.adapters.ort:OrtAdapter"
TENSOR = "npubench.workloads.tensor:Tensor"
QNN, OPENVINO, CPU = "QNNExecutionProvider", "OpenVINOExecutionProvider", "CPUExecutionProvider"


def qnn(match: str = "cpu", **options: Any) -> AdapterRef:
    """Qualcomm's plug-in on a device of this type; on x86 it offers the processor, as its emulator."""
    return AdapterRef(
        code=ORT,
        provider=QNN,
        device={"type": "npu", "match": {"type": match}},
        plugin={"package": "onnxruntime_qnn"},
        options={"backend_type": "htp", "intra_op_num_threads": 1, **options},
    )


def openvino(**options: Any) -> AdapterRef:
    return AdapterRef(code=ORT, provider=OPENVINO, device={"type": "cpu"}, options={"device_type": "CPU", **options})


def done(job: Job, folder: Path, python: str) -> Any:
    return run_job(job, folder, Environment(python=python))


def probed(adapter: AdapterRef, folder: Path, python: str) -> Probed:
    answer = done(ProbeJob(adapter=adapter), folder, python)
    assert isinstance(answer, Probed), answer
    return answer


def placed(adapter: AdapterRef, artifact: Artifact, folder: Path, python: str) -> RoleEvidence:
    (folder / "place").mkdir(parents=True)
    job = PlaceJob(
        adapter=adapter,
        workload=TENSOR,
        artifacts=(artifact,),
        request=Request(scope="device"),
        folder=str(folder / "place"),
        runs=2,
    )
    answer = done(job, folder, python)
    assert isinstance(answer, Placed), answer
    return answer.evidence["model"]


def measured(adapter: AdapterRef, artifact: Artifact, folder: Path, python: str) -> Measured | Failure:
    folder.mkdir(parents=True)
    job = MeasureJob(
        adapter=adapter,
        workload=TENSOR,
        artifacts=(artifact,),
        request=Request(scope="device"),
        load=Load(arrival="completion"),
        folder=str(folder),
        window_ns=50_000_000,
        warmup_ns=0,
        least_samples=1,
        max_samples=1000,
        max_tokens=1,
    )
    answer: Measured | Failure = done(job, folder, python)
    return answer


def test_an_npu_provider_on_a_processor_is_simulated(qnn_python: str, tmp_path: Path) -> None:
    found = probed(qnn(), tmp_path / "probe", qnn_python).availability
    assert found.available, found.reason
    assert {device.type for device in found.devices} == {"cpu"}
    assert found.versions["onnxruntime_qnn"] == "2.7.0"
    answer = measured(qnn(), perceptron(tmp_path / "m.onnx"), tmp_path / "work", qnn_python)
    assert isinstance(answer, Measured), answer
    assert answer.execution_kind == "simulated"
    assert answer.placement is not None
    assert answer.placement.providers == {QNN: 3}
    assert answer.placement.notes == ()


def test_hardware_is_not_taken_for_its_emulator(qnn_python: str, tmp_path: Path) -> None:
    found = probed(qnn(match="npu"), tmp_path, qnn_python).availability
    assert not found.available
    assert "none of its devices fits type=npu; it offers cpu" in found.reason


@pytest.mark.parametrize("wrong", [{"backend_type": "cpu"}, {"backend_type": "", "backend_path": "/nope.so"}])
def test_a_backend_that_cannot_be_loaded_is_no_result(qnn_python: str, tmp_path: Path, wrong: dict[str, str]) -> None:
    """The session opens, and lists the provider, which takes nothing."""
    options = {key: value for key, value in {**qnn().options, **wrong}.items() if value}
    adapter = AdapterRef(
        code=ORT, provider=QNN, device=qnn().device, plugin={"package": "onnxruntime_qnn"}, options=options
    )
    found = probed(adapter, tmp_path / "probe", qnn_python).availability
    assert not found.available
    assert "cannot open shared object file" in found.reason
    answer = measured(adapter, perceptron(tmp_path / "m.onnx"), tmp_path / "work", qnn_python)
    assert isinstance(answer, Failure)
    assert answer.kind is FailureKind.CPU_FALLBACK


def test_an_option_that_nobody_documents_is_noted(qnn_python: str, tmp_path: Path) -> None:
    evidence = placed(qnn(htp_perfomance_mode="burst"), perceptron(tmp_path / "m.onnx"), tmp_path, qnn_python)
    assert evidence.placement is not None
    (note,) = evidence.placement.notes
    assert "htp_perfomance_mode" in note


def test_a_plug_in_that_something_else_registered_is_reached_by_its_devices(qnn_python: str, tmp_path: Path) -> None:
    """Named in `providers=` it would be left out without a word; 1.32 registers CUDA so in some builds."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, onnxruntime, onnxruntime_qnn\n"
        "from npubench.adapters.ort import OrtAdapter\n"
        "from npubench.spi import Artifact\n"
        f"onnxruntime.register_execution_provider_library({QNN!r}, onnxruntime_qnn.get_library_path())\n"
        f"named = onnxruntime.InferenceSession(sys.argv[1], providers=[{QNN!r}], enable_fallback=0)\n"
        "artifact = Artifact(role='model', path=sys.argv[1], sha256='')\n"
        f"ours = OrtAdapter({QNN!r}, {{'type': 'npu'}}).open(artifact, {{'backend_type': 'htp'}})\n"
        "print(named.get_providers(), ours.placement().providers)\n"
    )
    artifact = perceptron(tmp_path / "m.onnx")
    assert _said(qnn_python, script, artifact.path) == f"['{CPU}'] {{'{QNN}': 3}}"


def _said(python: str, script: Path, *arguments: str) -> str:
    import subprocess

    bridge = script.parent / "bridge"
    bridge.mkdir()
    (bridge / "npubench").symlink_to(Path(__file__).parents[2] / "npubench")
    done = subprocess.run(
        [python, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(bridge)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_an_operator_that_the_npu_lacks_splits_the_graph(qnn_python: str, tmp_path: Path) -> None:
    artifact = perceptron(tmp_path / "m.onnx", foreign=True)
    evidence = placed(qnn(), artifact, tmp_path, qnn_python)
    assert evidence.placement is not None
    assert evidence.placement.providers == {QNN: 3, CPU: 1}
    assert evidence.placement.fallback_ops == {"SampleOp": 1}
    assert evidence.assigned is not None
    assert {node.name: node.provider for node in evidence.assigned} == {
        "first": QNN,
        "relu": QNN,
        "sample": CPU,
        "second": QNN,
    }
    assert len({node.subgraph for node in evidence.assigned if node.provider == QNN}) == 2
    assert evidence.profile is not None
    assert {row.provider for row in evidence.profile.rows} == {QNN, CPU}
    assert evidence.strict == "refused"
    assert "fallback to CPU EP has been explicitly disabled" in (evidence.strict_reason or "")


def test_arithmetic_that_the_npu_lacks_is_done_elsewhere(qnn_python: str, tmp_path: Path) -> None:
    """Half of the products are of whole numbers of 32 bits, which this provider leaves."""
    artifact = perceptron(tmp_path / "m.onnx", second=TensorProto.INT32)
    evidence = placed(qnn(), artifact, tmp_path, qnn_python)
    assert evidence.placement is not None
    assert evidence.placement.fallback_ops == {"MatMul": 1}
    assert {node.name for node in evidence.assigned or () if node.provider == CPU} == {"second"}


def test_a_compiled_graph_gives_the_same_answers_and_runs_nowhere_else(qnn_python: str, tmp_path: Path) -> None:
    artifact = perceptron(tmp_path / "m.onnx", foreign=True)
    answer = done(
        CompileJob(adapter=qnn(), artifacts=(artifact,), folder=str(tmp_path / "out")), tmp_path / "work", qnn_python
    )
    assert isinstance(answer, Compiled), answer
    (compiled,) = answer.artifacts
    assert Path(compiled.path).is_file()
    assert len(compiled.sha256) == 64
    assert answer.compile_ns["model"] > 0
    evidence = placed(qnn(), compiled, tmp_path / "compiled", qnn_python)
    assert evidence.placement is not None
    assert evidence.placement.providers == {QNN: 2, CPU: 1}
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from npubench.adapters.ort import OrtAdapter\n"
        "from npubench.spi import Artifact, seeded_feeds\n"
        "def opened(adapter, path, **options):\n"
        "    return adapter.open(Artifact(role='model', path=path, sha256=''), options)\n"
        f"plugged = OrtAdapter({QNN!r}, {{'type': 'npu'}}, {{'package': 'onnxruntime_qnn'}})\n"
        "before, after = (opened(plugged, path, backend_type='htp') for path in sys.argv[1:])\n"
        "feeds = seeded_feeds(before.inputs, 0)\n"
        "equal = (before.infer(feeds)['y'] == after.infer(feeds)['y']).all()\n"
        "try:\n"
        "    opened(OrtAdapter(), sys.argv[2])\n"
        "except Exception as error:\n"
        "    print(bool(equal), type(error).__name__)\n"
    )
    assert _said(qnn_python, script, artifact.path, compiled.path) == "True NotImplemented"


def test_libraries_of_a_plug_in_are_hashed(qnn_python: str, tmp_path: Path) -> None:
    answer = done(ProbeJob(adapter=qnn(), thorough=True), tmp_path, qnn_python)
    assert isinstance(answer, Probed)
    assert answer.environment is not None
    assert {"libonnxruntime_providers_qnn.so", "libQnnHtp.so"} <= answer.environment.libraries.keys()


@pytest.mark.parametrize("device", ["NPU", "GPU", "AUTO:NPU,CPU", "HETERO:NPU,CPU"])
def test_an_openvino_device_that_is_not_there_is_refused(openvino_python: str, tmp_path: Path, device: str) -> None:
    """ONNX Runtime gives a session on the CPU provider, and the reason stands in its log only."""
    adapter = openvino(device_type=device)
    found = probed(adapter, tmp_path / "probe", openvino_python).availability
    assert not found.available
    assert "has only CPUExecutionProvider; it says: [OpenVINO] Device" in found.reason
    answer = measured(adapter, perceptron(tmp_path / "m.onnx"), tmp_path / "work", openvino_python)
    assert isinstance(answer, Failure)
    assert OPENVINO in answer.message


def test_openvino_takes_the_whole_graph(openvino_python: str, tmp_path: Path) -> None:
    evidence = placed(openvino(num_of_threads=1), perceptron(tmp_path / "m.onnx"), tmp_path, openvino_python)
    assert evidence.placement is not None
    assert evidence.placement.providers == {OPENVINO: 3}
    assert evidence.placement.device_type == "cpu"
    assert evidence.strict == "passed"
    assert evidence.profile is not None
    assert {row.provider for row in evidence.profile.rows} == {OPENVINO}


def test_openvino_refuses_an_option_that_it_does_not_know(openvino_python: str, tmp_path: Path) -> None:
    found = probed(openvino(num_of_thread=1), tmp_path, openvino_python).availability
    assert (found.available, found.reason) == (False, "Invalid OpenVINO EP option: num_of_thread")


def test_what_openvino_leaves_is_named(openvino_python: str, tmp_path: Path) -> None:
    foreign = placed(openvino(), perceptron(tmp_path / "f.onnx", foreign=True), tmp_path / "f", openvino_python)
    assert foreign.placement is not None
    assert foreign.placement.fallback_ops == {"SampleOp": 1}
    assert foreign.strict == "refused"
    artifact = perceptron(tmp_path / "d.onnx", second=TensorProto.DOUBLE)
    double = placed(openvino(), artifact, tmp_path / "d", openvino_python)
    assert double.placement is not None
    assert double.placement.fallback_ops == {"Cast": 2, "MatMul": 1}
