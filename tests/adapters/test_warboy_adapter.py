"""Warboy's adapter against its stand-in: never verified on hardware, and it says so."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench import spi
from npubench.adapters import vendor_cache, vendor_graph
from npubench.adapters.warboy import WarboyAdapter, one_node, target
from npubench.errors import ArtifactError, CardError, UnsupportedError
from npubench.stats.placement import execution_kind
from tests.standins.using import FOLDER, Switch, checks, switched

pytest.importorskip("onnxruntime")

CHECKS = (
    "probe", "answers", "declared", "zero-size", "repeat", "buffers", "prepare", "unknown-name", "missing-input",
    "wrong-shape", "wrong-rank", "wrong-dtype", "bad-file", "sessions", "threads", "own-sessions", "submit",
    "placement",
)  # fmt: skip


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Switch]:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    yield from switched(monkeypatch, tmp_path, "warboy", "furiosa")


def fp32(path: Path, opset: int = 18, batch: int = 1) -> spi.Artifact:
    """A convolution and a doubling: nothing newer than opset 13 is used."""
    random = np.random.Generator(np.random.PCG64(1))
    weights = [
        numpy_helper.from_array(random.uniform(-1, 1, (2, 3, 3, 3)).astype(np.float32), "w"),
        numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Resize", ["c", "", "scales"], ["r"], mode="nearest"),
        helper.make_node("Relu", ["r"], ["y"]),
    ]
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 8, 8]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 2, 16, 16]),
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return spi.Artifact(role="model", path=str(path), sha256="", precision="int8")


def quantised(path: Path) -> spi.Artifact:
    path.write_bytes(one_node())
    return spi.Artifact(role="model", path=str(path), sha256="", precision="int8")


def feeds(count: int) -> list[dict[str, Any]]:
    random = np.random.Generator(np.random.PCG64(2))
    return [{"x": random.uniform(0, 1, (1, 3, 8, 8)).astype(np.float32)} for _ in range(count)]


X = np.array([[-0.5, 0.25, 0.5, 1.0]], np.float32)
Y = np.maximum(X, 0)


def test_a_float_graph_is_quantised_on_calibration_inputs(use: Switch, tmp_path: Path) -> None:
    import onnxruntime

    made = WarboyAdapter()
    for kind in (spi.Compiles, spi.Calibrates, spi.KeepsCompiled, spi.ProbesWith, spi.Libraries):
        assert isinstance(made, kind)
    source, inputs = fp32(tmp_path / "m.onnx"), feeds(4)
    compiled = made.compile_calibrated(source, {}, str(tmp_path), inputs)
    told = made.compilation(compiled)
    assert (told.kept, told.ns > 0) == (False, True)
    assert "quantised by furiosa.quantizer on 4 calibration inputs" in told.how
    assert "compiled by the runtime when it is loaded" in told.how
    # Other inputs quantise otherwise; the same ones are found.
    assert made.compile_calibrated(source, {}, str(tmp_path), feeds(3)).path != compiled.path
    assert WarboyAdapter().compile_calibrated(source, {}, str(tmp_path), feeds(4)) == compiled
    session = made.open(compiled, {})
    assert [(spec.name, spec.shape) for spec in session.outputs] == [("y", (1, 2, 16, 16))]
    right = onnxruntime.InferenceSession(source.path, providers=["CPUExecutionProvider"]).run(None, inputs[0])[0]
    found = session.infer(inputs[0])["y"]
    assert 0 < float(np.abs(found - right).max()) < 0.2 * float(right.max())
    placed = session.placement()
    assert placed.providers is None
    assert execution_kind("npu", placed) == "simulated"
    assert any("nothing ran on a FuriosaAI device" in note for note in placed.notes)
    session.close()


def test_a_float_graph_without_inputs_is_unsupported(use: Switch, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="int8 models only"):
        WarboyAdapter().open(fp32(tmp_path / "m.onnx"), {})


def test_the_contract_is_kept(use: Switch, tmp_path: Path) -> None:
    rows = checks(lambda **facts: WarboyAdapter("warboy", {}), {}, tmp_path / "graphs", "int8", CHECKS)
    assert {name: row.verdict for name, row in rows.items() if row.verdict not in ("kept", "not offered")} == {}
    assert {name for name, row in rows.items() if row.verdict == "not offered"} == {"zero-size", "submit", "placement"}


def test_the_contract_is_kept_by_a_queue(use: Switch, tmp_path: Path) -> None:
    names = ("answers", "buffers", "prepare", "wrong-shape", "sessions", "threads", "submit")
    rows = checks(lambda **facts: WarboyAdapter("warboy", {}), {"mode": "queue"}, tmp_path / "graphs", "int8", names)
    assert {row.verdict for row in rows.values()} == {"kept"}


def test_views_share_a_runner_and_a_queue_has_none(use: Switch, tmp_path: Path) -> None:
    source = quantised(tmp_path / "m.onnx")
    session = WarboyAdapter().open(source, {})
    assert isinstance(session, spi.Forks)
    view = session.fork()
    session.close()
    np.testing.assert_allclose(view.infer({"x": X})["y"], Y)
    view.close()
    with pytest.raises(Exception, match="closed"):
        view.infer({"x": X})
    queue = WarboyAdapter().open(source, {"mode": "queue"})
    assert isinstance(queue, spi.Submits)
    assert not isinstance(queue, spi.Forks)
    queue.close()


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ("missing", "is not installed"),
        ("half", "is half installed: it has no create_runner, create_queue"),
        ("major", "is 2026.2.1; this adapter was written for 0.10 up to, not including, 0.11"),
        ("raises", "libfuriosa_hal.so: cannot open shared object file"),
        ("nothing", "DeviceNotFound"),
        ("busy", "is busy"),
    ],
)
def test_what_is_missing_or_broken_is_absent_with_a_reason(use: Switch, faults: str, words: str) -> None:
    use(faults)
    found = WarboyAdapter().probe()
    assert found.available is False
    assert words in found.reason


def test_a_device_that_answers_and_an_sdk_that_prints(use: Switch) -> None:
    use("prints")
    found = WarboyAdapter().probe_with({"npu": "npu:0:0"})
    assert (found.available, found.versions) == (True, {"furiosa-runtime": "0.10.2 (stand-in)"})
    assert found.devices[0].detail == {"target": "warboy"}


def compiler(folder: Path) -> None:
    """furiosa-compiler on PATH."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "furiosa-compiler").symlink_to(FOLDER / "warboy" / "bin" / "furiosa-compiler")


def test_with_the_compiler_files_are_for_one_target(use: Switch, tmp_path: Path) -> None:
    compiler(tmp_path)
    source = quantised(tmp_path / "m.onnx")
    compiled = WarboyAdapter().compile(source, {}, str(tmp_path))
    assert Path(compiled.path).name == "model.enf"
    record = vendor_cache.beside(compiled.path)
    assert record is not None
    assert record.facts["route"] == "our quantised graph as it is; compiled by furiosa-compiler"
    session = WarboyAdapter().open(compiled, {})
    np.testing.assert_allclose(session.infer({"x": X})["y"], Y)
    session.close()
    with pytest.raises(ArtifactError, match=r"compiled for warboy-2pe, but device warboy\(1\)\*1 is warboy"):
        WarboyAdapter().open(compiled, {"npu": "warboy(1)*1"})
    # A file from elsewhere has no record: the runtime itself says so.
    brought = tmp_path / "brought.enf"
    brought.write_bytes(Path(compiled.path).read_bytes())
    with pytest.raises(Exception, match="incompatible binary: compiled for warboy-2pe"):
        WarboyAdapter().open(spi.Artifact(role="model", path=str(brought), sha256=""), {"npu": "warboy(1)*1"})


@pytest.mark.parametrize(
    ("faults", "words"),
    [("compile-fails", "scheduling of operator #31"), ("compile-hour", "did not finish within 4 s")],
)
def test_a_compiler_that_fails_or_never_ends_is_unsupported(
    use: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: str, words: str
) -> None:
    compiler(tmp_path)
    monkeypatch.setenv("NPUBENCH_COMPILE_LIMIT_S", "4" if "hour" in faults else "60")
    use(faults)
    with pytest.raises(UnsupportedError, match=words):
        WarboyAdapter().compile(quantised(tmp_path / "m.onnx"), {}, str(tmp_path))


def test_a_quantiser_that_panics_is_unsupported_with_its_words(use: Switch, tmp_path: Path) -> None:
    use("quantiser-fails")
    with pytest.raises(UnsupportedError, match="panicked at 'unsupported operator: Resize'"):
        WarboyAdapter().compile_calibrated(fp32(tmp_path / "m.onnx"), {}, str(tmp_path), feeds(1))


@pytest.mark.parametrize("mode", ["runner", "queue"])
def test_a_device_that_is_gone(use: Switch, tmp_path: Path, mode: str) -> None:
    from npubench.engine.worker import classify
    from npubench.schema import FailureKind

    use("gone=2")
    session = WarboyAdapter().open(quantised(tmp_path / "m.onnx"), {"mode": mode})
    session.infer({"x": X})
    with pytest.raises(Exception, match="no such device") as caught:
        session.infer({"x": X})
    assert classify(caught.value) is FailureKind.DEVICE_LOST
    session.close()


def test_all_that_is_in_flight_is_done_when_the_queue_breaks(use: Switch, tmp_path: Path) -> None:
    use("gone=3")
    session = WarboyAdapter().open(quantised(tmp_path / "m.onnx"), {"mode": "queue"})
    got: list[int] = []
    done = threading.Semaphore(0)

    def heard(outputs: spi.Outputs) -> None:
        got.append(len(outputs))
        done.release()

    started = 0
    for _ in range(6):
        try:
            session.submit({"x": X}, heard)
        except Exception:
            break
        started += 1
    for _ in range(started):
        assert done.acquire(timeout=30)
    assert len(got) == started
    assert got[:2] == [1, 1]
    assert set(got[2:]) <= {0}
    session.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "both"}, 'options.mode: found "both"'),
        ({"npu": "rngd"}, 'options.npu: found "rngd"'),
        ({"queue": 0}, "whole numbers from 1 on"),
        ({"core": 1}, "takes npu, workers, mode, queue"),
    ],
)
def test_options_are_checked(options: dict[str, Any], words: str) -> None:
    with pytest.raises(CardError, match=words):
        WarboyAdapter().open(spi.Artifact(role="model", path="m.onnx", sha256=""), options)


def test_targets() -> None:
    names = ("warboy(2)*1", "warboy(1)*2", "npu:0:0", "npu:0:0-1")
    assert [target(name) for name in names] == ["warboy-2pe", "warboy", "warboy", "warboy-2pe"]


def test_an_older_opset_means_the_same_or_is_refused(tmp_path: Path) -> None:
    import onnxruntime

    model = onnx.load(fp32(tmp_path / "m.onnx").path)
    older = vendor_graph.restamped(model, 13, "it")
    assert older.opset_import[0].version == 13
    fed = feeds(1)[0]
    first, second = (
        onnxruntime.InferenceSession(item.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, fed)[0]
        for item in (model, older)
    )
    np.testing.assert_array_equal(first, second)
    model.graph.node[1].attribute.append(helper.make_attribute("antialias", 1))
    with pytest.raises(UnsupportedError, match="it takes opset 13 at most, and Resize has antialias, which is newer"):
        vendor_graph.restamped(model, 13, "it")
    model.graph.node[0].op_type = "GridSample"
    with pytest.raises(UnsupportedError, match="GridSample is not known to mean the same there"):
        vendor_graph.restamped(model, 13, "it")
