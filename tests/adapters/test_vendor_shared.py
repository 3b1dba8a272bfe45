"""What all vendors' adapters share: finding an SDK, compiling with a limit, keeping what was made, feeding arrays."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from npubench.adapters import vendor_cache, vendor_calibration, vendor_compile, vendor_feeds, vendor_graph, vendor_sdk
from npubench.errors import AbsentBackendError, ArtifactError, DataError, UnsupportedError
from npubench.spi import Artifact, TensorSpec

WITHIN = ((1, 2), (3,))


def module(folder: Path, text: str, name: str = "hanbit_npu") -> str:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return name


@pytest.fixture(autouse=True)
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    monkeypatch.setenv("NPUBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    yield
    for name in set(sys.modules) - before:
        if name.startswith("hanbit"):
            del sys.modules[name]


def load(name: str, **more: Any) -> vendor_sdk.Sdk:
    return vendor_sdk.load(name, "Hanbit", version=lambda m: m.__version__, within=WITHIN, fix="pip install it", **more)


def test_an_sdk_is_known_with_its_version(tmp_path: Path) -> None:
    sdk = load(module(tmp_path, "__version__ = '2.5.1+cpu'\nclass Runtime: run = 1\n"), needs=("Runtime.run",))
    assert (sdk.version, sdk.stand_in, sdk.label) == ("2.5.1+cpu", "", "2.5.1+cpu")


def test_a_stand_in_says_so_everywhere(tmp_path: Path) -> None:
    sdk = load(module(tmp_path, "__version__ = '2.5'\n__npubench_standin__ = 'ONNX Runtime on\\nthe CPU'\n"))
    assert sdk.label == "2.5 (stand-in)"
    assert sdk.note("HB-1") == "hanbit_npu is a stand-in (ONNX Runtime on the CPU): nothing ran on a HB-1 device"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is not installed: ModuleNotFoundError"),
        ("import hanbit_native", "is installed and cannot be imported: ModuleNotFoundError"),
        ("raise RuntimeError('libhb.so: cannot open shared object file')", "libhb.so: cannot open shared object file"),
        ("raise SystemExit('no licence')", "no licence"),
        ("print('HB: no driver'); raise OSError('x')", "OSError: x; it says: HB: no driver"),
        ("import os; os.write(1, b'from C'); raise OSError('x')", "it says: from C"),
        ("__version__ = '3.0.0'", "is 3.0.0; this adapter was written for 1.2 up to, not including, 3"),
        ("__version__ = '1.1'", "is 1.1"),
        ("", "is half installed: it has no Runtime"),
    ],
)
def test_a_broken_sdk_is_absent_with_a_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str | None, words: str
) -> None:
    name = module(tmp_path, text) if text is not None else "hanbit_nowhere"
    # As in a worker: what Python prints goes to descriptor 1.
    with capfd.disabled(), pytest.raises(AbsentBackendError) as caught:
        load(name, needs=() if text is None or "version" in text else ("Runtime",))
    assert words in str(caught.value)
    assert caught.value.hint == "pip install it"
    answer = vendor_sdk.refused(caught.value)
    assert (answer.available, answer.fix) == (False, "pip install it")


def test_what_an_sdk_prints_is_passed_on_and_no_answer(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(module(tmp_path, "print('banner')\n__version__ = '2.0'\n"))
    assert capfd.readouterr().out == "banner\n"


def test_a_version_that_is_unknown_is_not_wrong(tmp_path: Path) -> None:
    assert load(module(tmp_path, "")).label == "unknown"
    assert vendor_sdk.numbers("2026.4.0rc1") == (2026, 4, 0)
    assert vendor_sdk.numbers("main") == ()


COMPILER = """
import os, time
from pathlib import Path
from npubench.errors import AbsentBackendError, UnsupportedError

def compile_model(how, folder):
    with open(os.environ["HANBIT_COUNT"], "a") as log:
        log.write("x")
    print("HB compiler 2.5", flush=True)
    if how == "hour":
        time.sleep(3600)
    if how == "crash":
        os.abort()
    if how == "no sdk":
        raise AbsentBackendError("no hanbit")
    if how == "refuses":
        raise RuntimeError("Resize: no kernel")
    (Path(folder) / "model.hbm").write_bytes(b"compiled")
    return {"route": "graph"}
"""


def wanted(**changes: Any) -> vendor_cache.Wanted:
    facts = {"sdk": "hanbit", "compiler": "2.5", "chip": "HB-1", "source_sha256": "0" * 64, "precision": "fp16"}
    return vendor_cache.Wanted(**{**facts, **changes})


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns how often the compiler was called so far."""
    module(tmp_path, COMPILER, "hanbit_compiler")
    monkeypatch.setenv("HANBIT_COUNT", str(tmp_path / "count"))
    return lambda: len((tmp_path / "count").read_text()) if (tmp_path / "count").exists() else 0


def compiled(how: str = "well", **changes: Any) -> vendor_cache.Kept:
    return vendor_cache.compiled(wanted(**changes), "hanbit_compiler:compile_model", {"how": how})


def test_what_was_made_is_kept_with_how_long_it_took(calls: Any) -> None:
    first, again = compiled(), compiled()
    assert (first.reused, again.reused, calls()) == (False, True, 1)
    assert first.record == again.record
    assert first.record.compile_ns > 0
    assert first.record.facts == {"route": "graph"}
    source = Artifact(role="model", path="x.onnx", sha256="")
    artifact = again.artifact(source, "model.hbm")
    assert Path(artifact.path).read_bytes() == b"compiled"
    assert vendor_cache.beside(artifact.path) == first.record
    assert vendor_cache.beside(__file__) is None


def test_everything_that_decides_the_outcome_is_in_the_key() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"compiler": "2.6"},
        {"chip": "HB-2"},
        {"source_sha256": "1" * 64},
        {"precision": "int8"},
        {"told": {"cores": 2}},
        {"calibration": "a"},
        {"stand_in": True},
        {"recipe": 2},
    ]
    assert len({wanted(**change).key for change in changes}) == len(changes)


def test_a_kept_file_that_has_changed_is_made_anew(calls: Any) -> None:
    (compiled().folder / "model.hbm").write_bytes(b"damaged")
    again = compiled()
    assert (again.reused, calls()) == (False, 2)
    assert (again.folder / "model.hbm").read_bytes() == b"compiled"


@pytest.mark.parametrize(
    ("how", "words"), [("refuses", "RuntimeError: Resize: no kernel"), ("crash", "was ended by SIGABRT; it says: HB")]
)
def test_a_failed_compilation_is_remembered_with_its_reason(calls: Any, how: str, words: str) -> None:
    for _ in range(2):
        with pytest.raises(UnsupportedError) as caught:
            compiled(how)
        assert f"hanbit 2.5 does not compile this model for HB-1: {words}" in str(caught.value).replace(
            "the compiler ", ""
        )
        assert "compile.log" in str(caught.value.hint)
    assert calls() == 1


def test_a_compiler_that_takes_an_hour_is_ended_and_remembered(calls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_COMPILE_LIMIT_S", "1")
    for _ in range(2):
        with pytest.raises(UnsupportedError, match="did not finish within 1 s"):
            compiled("hour")
    assert calls() == 1
    # A longer limit is another question.
    monkeypatch.setenv("NPUBENCH_COMPILE_LIMIT_S", "60")
    assert compiled("well").reused is False


def test_what_says_nothing_of_the_model_is_not_remembered(calls: Any) -> None:
    for _ in range(2):
        with pytest.raises(AbsentBackendError, match="no hanbit"):
            compiled("no sdk")
    assert calls() == 2


def test_nothing_of_the_compiler_is_left_when_it_is_ended(tmp_path: Path) -> None:
    text = (
        "import subprocess, sys, time\n"
        "def f(folder):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "    (folder / 'pid').write_text(str(child.pid))\n"
        "    time.sleep(600)\n"
    )
    module(tmp_path, text, "hanbit_forks")
    folder = tmp_path / "work"
    folder.mkdir()
    answer = vendor_compile.run("hanbit_forks:f", {}, folder, 2.0)
    assert answer.outcome == "timed out"
    pid = int((folder / "pid").read_text())
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text():
            break
        time.sleep(0.05)
    else:
        pytest.fail("a process of the compiler's is left")


def test_an_artefact_for_another_chip_is_refused() -> None:
    vendor_cache.check_chip("a/m.rbln", "RBLN-CA25", "RBLN-CA25", "device 0")
    with pytest.raises(ArtifactError, match=r"m\.rbln: compiled for RBLN-CA22, but device 0 is RBLN-CA25"):
        vendor_cache.check_chip("a/m.rbln", "RBLN-CA22", "RBLN-CA25", "device 0")


def test_calibration_inputs_come_back_as_they_went(tmp_path: Path) -> None:
    inputs = [{"x": np.full((1, 2), index, np.float32), "a:b": np.array(index)} for index in range(11)]
    found = vendor_calibration.read(vendor_calibration.write(inputs, tmp_path))
    assert [float(feeds["x"][0, 0]) for feeds in found] == list(range(11))
    assert [int(feeds["a:b"]) for feeds in found] == list(range(11))
    assert vendor_calibration.digest(found) == vendor_calibration.digest(inputs)
    assert vendor_calibration.digest(inputs[::-1]) != vendor_calibration.digest(inputs)
    assert vendor_calibration.digest([]) == ""


def graph(path: Path, shape: list[int | str | None]) -> str:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    made = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return str(path)


def test_a_graph_is_described_or_refused_before_any_compiler(tmp_path: Path) -> None:
    found = vendor_graph.signature(graph(tmp_path / "m.onnx", [1, 3]), "the HB-1")
    assert found.inputs == (TensorSpec(name="x", dtype="float32", shape=(1, 3)),)
    assert (found.operators, found.opset) == ({"Relu": 1}, 17)
    with pytest.raises(UnsupportedError, match=r"x has open dimensions \(n\); the HB-1 takes fixed shapes only"):
        vendor_graph.signature(graph(tmp_path / "m.onnx", ["n", 3]), "the HB-1")
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(DataError, match="not an ONNX model"):
        vendor_graph.signature(str(tmp_path / "m.onnx"), "the HB-1")


def test_feeds_are_checked_and_ordered() -> None:
    specs = [TensorSpec(name=name, dtype="float32", shape=(1, 2)) for name in "ba"]
    x, y = np.zeros((1, 2), np.float32), np.ones((2, 1), np.float32).T
    found = vendor_feeds.ordered(specs, {"a": x, "b": y})
    assert found[0].flags.c_contiguous
    assert float(found[0][0, 0]) == 1
    for feeds in ({"a": x}, {"a": x, "c": y}, {"a": x, "b": x[0]}, {"a": x, "b": x.astype(np.float64)}):
        with pytest.raises(ValueError, match="expected"):
            vendor_feeds.ordered(specs, feeds)
    outputs = vendor_feeds.named(specs[:1], x)
    x[...] = 7
    assert float(outputs["b"][0, 0]) == 0
    with pytest.raises(RuntimeError, match="gave 1 outputs; the model has 2"):
        vendor_feeds.named(specs, x)
