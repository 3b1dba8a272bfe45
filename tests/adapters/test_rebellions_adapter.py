"""Rebellions' adapter against its stand-in: never verified on hardware, and it says so."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench import spi
from npubench.adapters.rebellions import RebellionsAdapter, family
from npubench.adapters.rebellions_compile import told
from npubench.engine import rebellions as condition
from npubench.errors import AbsentBackendError, ArtifactError, CardError, UnsupportedError
from npubench.stats.placement import execution_kind
from tests.standins.using import Switch, checks, switched

pytest.importorskip("onnxruntime")

CHECKS = (
    "probe", "answers", "declared", "zero-size", "repeat", "buffers", "prepare", "unknown-name", "missing-input",
    "wrong-shape", "wrong-rank", "wrong-dtype", "bad-file", "sessions", "threads", "own-sessions", "submit",
    "placement",
)  # fmt: skip


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Switch]:
    # Whatever this machine has, it is not asked.
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    yield from switched(monkeypatch, tmp_path, "rebellions", "rebel")


def adapter(**match: str) -> RebellionsAdapter:
    return RebellionsAdapter("rbln", {"type": "npu", "match": match})


def model(path: Path, batch: int | str = 1) -> spi.Artifact:
    w = numpy_helper.from_array(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3), "w")
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 4]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 3]),
    ]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [w])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return spi.Artifact(role="model", path=str(path), sha256="")


X = np.arange(4, dtype=np.float32).reshape(1, 4)
Y = X @ np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)


def test_it_compiles_keeps_runs_and_says_that_it_is_a_stand_in(use: Switch, tmp_path: Path) -> None:
    made = adapter(family="atom")
    for kind in (spi.Compiles, spi.KeepsCompiled, spi.Libraries):
        assert isinstance(made, kind)
    probed = made.probe()
    assert (probed.available, probed.versions) == (True, {"rebel": "0.12.0 (stand-in)"})
    assert [(item.id, item.name, item.detail) for item in probed.devices] == [("0", "RBLN-CA25", {"family": "atom"})]
    source = model(tmp_path / "m.onnx")
    compiled = made.compile(source, {}, str(tmp_path))
    assert made.compilation(compiled).kept is False
    assert made.compilation(compiled).how == "compile_from_onnx"
    again = adapter()
    assert again.compile(source, {}, str(tmp_path)) == compiled
    assert again.compilation(compiled) == spi.Compilation(
        ns=made.compilation(compiled).ns, kept=True, how="compile_from_onnx"
    )
    session = made.open(compiled, {"timeout_s": 5})
    for kind in (spi.Prepares, spi.Places, spi.Health):
        assert isinstance(session, kind)
    np.testing.assert_allclose(session.infer({"x": X})["y"], Y)
    found = session.placement()
    assert found.providers is None
    assert execution_kind("npu", found) == "simulated"
    assert any("nothing ran on a Rebellions device" in note for note in found.notes)
    assert session.options["route"] == "compile_from_onnx"
    session.close()


def test_the_contract_is_kept(use: Switch, tmp_path: Path) -> None:
    rows = checks(lambda **facts: RebellionsAdapter("rbln", {}), {}, tmp_path / "graphs", "fp32", CHECKS)
    assert {name: row.verdict for name, row in rows.items() if row.verdict not in ("kept", "not offered")} == {}
    declined = {name for name, row in rows.items() if row.verdict == "not offered"}
    # Open shapes are not taken, one runtime has no `submit`, and rebel reports nothing about operators.
    assert declined == {"zero-size", "submit", "placement"}


def test_the_contract_is_kept_by_the_asynchronous_runtime(use: Switch, tmp_path: Path) -> None:
    names = ("answers", "buffers", "prepare", "wrong-shape", "sessions", "threads", "submit")
    rows = checks(lambda **facts: RebellionsAdapter("rbln", {}), {"mode": "async"}, tmp_path / "graphs", "fp32", names)
    assert {row.verdict for row in rows.values()} == {"kept"}


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ("missing", "is not installed"),
        ("half", "is half installed: it has no Runtime, AsyncRuntime"),
        ("major", "is 2.0.0; this adapter was written for 0.8 up to, not including, 1"),
        ("raises", "librbln.so: cannot open shared object file"),
        ("nothing", "rebel finds no device 0"),
        ("chip=RBLN-CR03", "rebel finds no device 0 with family atom; it finds 0: RBLN-CR03"),
    ],
)
def test_what_is_missing_or_broken_is_absent_with_a_reason(use: Switch, faults: str, words: str) -> None:
    use(faults)
    found = adapter(family="atom").probe()
    assert found.available is False
    assert words in found.reason
    assert found.fix


def test_what_it_prints_is_no_answer(use: Switch, capfd: pytest.CaptureFixture[str]) -> None:
    use("prints")
    assert adapter().probe().available
    assert "[rbln-c] banner" in capfd.readouterr().out


def smi(folder: Path, **facts: Any) -> None:
    """An rbln-smi that says this of device 0."""
    device = {"npu": 0, "name": "RBLN-CA25", "status": "normal", "pstate": "P14", "pci": {"bus_id": "0000:1b:00.0"}}
    contexts = facts.pop("contexts", [])
    said = json.dumps({"KMD_version": "3.2.2", "devices": [{**device, **facts}], "contexts": contexts})
    path = folder / "bin" / "rbln-smi"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n")
    path.chmod(0o755)


@pytest.fixture
def tool(use: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return tmp_path


def test_a_device_that_the_tool_calls_hung_is_not_available(tool: Path) -> None:
    smi(tool, pstate="P12")
    found = adapter().probe()
    assert (found.available, found.fix) == (False, "rbln-smi")
    assert "as hung (performance state P12)" in found.reason
    smi(tool, status="reset required")
    assert "reports device 0 as reset required" in adapter().probe().reason


def test_a_throttled_device_says_so(tool: Path) -> None:
    smi(tool, pstate="P10", contexts=[{"npu": 0, "pid": 4242, "memalloc": "1"}])
    made = adapter()
    assert made.probe().available
    session = made.open(model(tool / "m.onnx"), {})
    health = session.health()
    assert (health["throttled"], health["hung"], health["processes"]) == (True, False, [4242])
    assert made.describe()["rbln driver"] == "3.2.2"
    state = condition.parse((tool / "bin" / "rbln-smi").read_text().split("\n", 2)[2].rsplit("\nEND", 1)[0])
    assert state[0].slowed == ("hardware",)
    assert state[0].power_mode == "performance state P10 (slowed down)"
    assert [process.pid for process in state[0].processes or ()] == [4242]
    session.close()


def test_a_busy_device_raises_in_its_own_words(use: Switch, tmp_path: Path) -> None:
    source = model(tmp_path / "m.onnx")
    compiled = adapter().compile(source, {}, str(tmp_path))
    use("busy")
    with pytest.raises(RuntimeError, match="device 0 is busy"):
        adapter().open(compiled, {})


def test_a_device_that_is_gone_and_one_that_hangs(use: Switch, tmp_path: Path) -> None:
    from npubench.engine.worker import classify
    from npubench.schema import FailureKind

    compiled = adapter().compile(model(tmp_path / "m.onnx"), {}, str(tmp_path))
    use("gone=2")
    session = adapter().open(compiled, {})
    session.infer({"x": X})
    with pytest.raises(RuntimeError) as caught:
        session.infer({"x": X})
    assert classify(caught.value) is FailureKind.DEVICE_LOST
    session.close()
    use("hung")
    session = adapter().open(compiled, {"timeout_s": 1})
    with pytest.raises(RuntimeError, match="timeout"):
        session.infer({"x": X})
    session.close()


def test_a_request_that_fails_in_flight_is_done_once_and_said_by_the_next(use: Switch, tmp_path: Path) -> None:
    compiled = adapter().compile(model(tmp_path / "m.onnx"), {}, str(tmp_path))
    use("gone=1")
    session = adapter().open(compiled, {"mode": "async"})
    got: list[int] = []
    done = threading.Event()

    def heard(outputs: spi.Outputs) -> None:
        got.append(len(outputs))
        done.set()

    session.submit({"x": X}, heard)
    assert done.wait(30)
    for _ in range(100):
        if session._failed:
            break
        time.sleep(0.01)
    with pytest.raises(RuntimeError, match="device lost"):
        session.submit({"x": X}, heard)
    assert got == [0]
    session.close()


def test_a_file_for_another_chip_is_refused(use: Switch, tmp_path: Path) -> None:
    source = model(tmp_path / "m.onnx")
    compiled = adapter().compile(source, {}, str(tmp_path))
    use("chip=RBLN-CA22")
    with pytest.raises(ArtifactError, match=r"model\.rbln: compiled for RBLN-CA25, but device 0 is RBLN-CA22"):
        adapter().open(compiled, {})
    # A compiler that makes something else than it was told is caught the same way.
    use("made-for=RBLN-CA02")
    with pytest.raises(ArtifactError, match="compiled for RBLN-CA02"):
        adapter().open(model(tmp_path / "other.onnx", batch=2), {})


def test_a_compiler_that_fails_or_never_ends_is_unsupported_and_remembered(
    use: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("compile-fails")
    source = model(tmp_path / "m.onnx")
    with pytest.raises(UnsupportedError, match=r"Resize \(resize_3\) is not supported for RBLN-CA25"):
        adapter().compile(source, {}, str(tmp_path))
    # The reason is remembered: the next one does not ask the compiler, which would take it now.
    use()
    with pytest.raises(UnsupportedError, match="resize_3"):
        adapter().compile(source, {}, str(tmp_path))
    monkeypatch.setenv("NPUBENCH_COMPILE_LIMIT_S", "4")
    use("compile-hour")
    with pytest.raises(UnsupportedError, match="did not finish within 4 s"):
        adapter().compile(model(tmp_path / "slow.onnx", batch=3), {}, str(tmp_path))


def test_shapes_that_are_open_are_unsupported_before_the_compiler_starts(use: Switch, tmp_path: Path) -> None:
    use("compile-hour")
    with pytest.raises(UnsupportedError, match=r"x has open dimensions \(n\); Rebellions' compiler takes fixed shapes"):
        adapter().open(model(tmp_path / "m.onnx", batch="n"), {})


@pytest.mark.parametrize("faults", ["old-names", "object-meta", "null-names"])
def test_versions_of_the_sdk_differ(use: Switch, tmp_path: Path, faults: str) -> None:
    use(faults)
    session = adapter().open(model(tmp_path / "m.onnx"), {"devices": 2})
    np.testing.assert_allclose(session.infer({"x": X})["y"], Y)
    session.close()


def test_a_file_from_elsewhere_tells_its_own_inputs(use: Switch, tmp_path: Path) -> None:
    use("null-names")
    compiled = adapter().compile(model(tmp_path / "m.onnx"), {}, str(tmp_path))
    brought = tmp_path / "brought.rbln"
    brought.write_bytes(Path(compiled.path).read_bytes())
    session = adapter().open(spi.Artifact(role="model", path=str(brought), sha256=""), {})
    assert [spec.name for spec in session.outputs] == ["output_0"]
    np.testing.assert_allclose(session.infer({"x": X})["output_0"], Y)
    session.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "both"}, 'options.mode: found "both"'),
        ({"parallel": 3}, "AsyncRuntime takes 1 or 2"),
        ({"timeout_s": 1.5}, "Expected `int`"),
        ({"core": 1}, "it takes|takes mode, parallel, devices, timeout_s"),
        ({"devices": 0}, "whole numbers from 1 on"),
    ],
)
def test_options_are_checked(options: dict[str, Any], words: str) -> None:
    with pytest.raises(CardError, match=words):
        RebellionsAdapter().open(spi.Artifact(role="model", path="m.onnx", sha256=""), options)


def test_no_device_of_that_number(use: Switch, tmp_path: Path) -> None:
    made = RebellionsAdapter("rbln", {"index": 7})
    with pytest.raises(AbsentBackendError, match="no device 7; it finds 0: RBLN-CA25, 1: RBLN-CA25"):
        made.open(model(tmp_path / "m.onnx"), {})


def test_small_facts() -> None:
    assert [family(name) for name in ("RBLN-CA22", "RBLN-CR03", "?")] == ["atom", "rebel", ""]
    assert told({"npu": "a"}, "npu") == told(type("Meta", (), {"npu": "a"})(), "npu") == "a"
