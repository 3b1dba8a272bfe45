"""Options: what reaches a provider, what is refused, what is worth a note."""

from __future__ import annotations

from pathlib import Path

import pytest

from npubench.adapters.ort import OrtAdapter, one_line
from npubench.adapters.ort_options import check_taken, provider_options
from npubench.errors import UnsupportedError
from tests.adapters.made_graphs import perceptron

QNN = "QNNExecutionProvider"


def test_session_options_do_not_go_to_the_provider() -> None:
    given = {"intra_op_num_threads": 2, "graph_optimization_level": "all", "device_id": 0, "tuned": True}
    assert provider_options(given) == {"device_id": "0", "tuned": "true"}


def test_a_key_that_the_provider_ignored_is_refused() -> None:
    with pytest.raises(ValueError, match="options that CUDAExecutionProvider does not know: device; it takes"):
        check_taken("CUDAExecutionProvider", False, {"device": "0"}, {"device_id": "0"})


def test_a_provider_that_takes_anything_is_held_to_its_documentation() -> None:
    """Qualcomm's gives any key back, so that its answer proves nothing: row 3 of the fallback catalogue."""
    asked = {"backend_type": "htp", "htp_perfomance_mode": "burst"}
    (note,) = check_taken(QNN, True, asked, asked)
    assert "htp_perfomance_mode" in note
    assert "did you mean htp_performance_mode?" in note
    assert check_taken(QNN, True, {"backend_type": "htp"}, {}) == ()


def test_options_of_an_unknown_plug_in_are_said_to_be_unchecked() -> None:
    (note,) = check_taken("AcmeExecutionProvider", True, {"b": "1", "a": "2"}, {"b": "1", "a": "2"})
    assert "(a, b) cannot be checked" in note
    assert check_taken("AcmeExecutionProvider", True, {}, {}) == ()


def test_a_provider_that_nobody_has_is_refused(tmp_path: Path) -> None:
    """Row 5: with ONNX Runtime's own fallback it would print a line and run on the CPU."""
    artifact = perceptron(tmp_path / "m.onnx")
    with pytest.raises(Exception, match="FooExecutionProvider"):
        OrtAdapter("FooExecutionProvider").open(artifact, {})


def test_a_request_that_fails_is_never_retried_on_the_cpu(tmp_path: Path) -> None:
    """Row 8: `run` catches the provider's failure and repeats it on the CPU unless fallback is off."""
    session = OrtAdapter().open(perceptron(tmp_path / "m.onnx"), {})
    assert session._session._enable_fallback is False


def test_the_cpu_compiles_nothing_ahead(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="compiles nothing"):
        OrtAdapter().compile(perceptron(tmp_path / "m.onnx"), {}, str(tmp_path / "out"))


def test_libraries_are_files() -> None:
    found = OrtAdapter().libraries()
    assert any("onnxruntime" in name for name in found)
    assert all(Path(name).is_file() for name in found)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "[ONNXRuntimeError] : 1 : FAIL : /src/session/plugin.cc:393 virtual std::unique_ptr<X> "
            "ns::Factory::Create(const Options&, const Logger&) [ONNXRuntimeError] : 1 : FAIL : Could not find it",
            "Could not find it",
        ),
        ("a\n  \x1b[1;31m[ERROR] [OpenVINO] No device NPU\x1b[m \n", "[OpenVINO] No device NPU"),
        ("plain words", "plain words"),
        ("", ""),
    ],
)  # fmt: skip
def test_reasons_are_one_line_without_where_in_the_source(said: str, told: str) -> None:
    assert one_line(said) == told


def test_a_plug_in_needs_its_library(tmp_path: Path) -> None:
    missing = OrtAdapter("AcmeExecutionProvider", {"type": "npu"}, {"library": str(tmp_path / "acme.so")}).probe()
    assert (missing.available, missing.reason) == (False, f"{tmp_path / 'acme.so'}: no such provider library")
    (tmp_path / "acme.so").write_bytes(b"not a library")
    broken = OrtAdapter("AcmeExecutionProvider", {"type": "npu"}, {"library": str(tmp_path / "acme.so")}).probe()
    assert "not a provider library that this onnxruntime takes" in broken.reason
    package = OrtAdapter("AcmeExecutionProvider", {"type": "npu"}, {"package": "acme_npu"}).probe()
    assert "the package acme_npu of this plug-in cannot be used" in package.reason
