"""DEEPX's adapter against a stand-in for its SDK: never called verified, because nothing ran on an NPU."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npubench.adapters import vendor_cache
from npubench.adapters.deepx import DeepxAdapter
from npubench.cards import BackendCard, load
from npubench.errors import AbsentBackendError, UnsupportedError
from npubench.spi import Artifact, Submits
from npubench.stats.placement import execution_kind
from tests.adapters.pictures import picture_model, pictures, reference
from tests.standins.using import FOLDER, Switch, switched

pytest.importorskip("onnxruntime")
TORCH = str(FOLDER / "torch_loader")
CARD = Path(__file__).parents[2] / "backends" / "deepx-m1.toml"
OPTIONS: dict[str, Any] = {"use_ort": True, "calibration_method": "ema", "opt_level": 1}
DEVICE = {"type": "npu", "vendor": "DEEPX"}


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Switch]:
    if importlib.util.find_spec("torch") is None:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join((TORCH, os.environ.get("PYTHONPATH", ""))))
    yield from switched(monkeypatch, tmp_path, "deepx", "dx_engine", "dx_com")


def adapter(**device: Any) -> DeepxAdapter:
    return DeepxAdapter("DEEPX", {**DEVICE, **device})


def compiled(tmp_path: Path, options: dict[str, Any] = OPTIONS) -> tuple[Artifact, Artifact]:
    source = picture_model(tmp_path)
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    return source, adapter().compile_calibrated(source, options, str(work), pictures(4))


def test_nothing_of_deepx_is_installed_by_us() -> None:
    card = load(CARD, BackendCard)
    assert card.verified.how == "stand-in"
    assert card.environment.requires == ()
    assert card.meters == ()
    assert "power" in CARD.read_text(encoding="utf-8")


def test_the_npu_is_found_with_its_versions(use: Switch) -> None:
    found = adapter().probe()
    assert found.available, found.reason
    assert [device.id for device in found.devices] == ["dxrt0"]
    assert found.versions == {
        "dx_engine": "3.4.0 (stand-in)",
        "DEEPX driver": "2.1.0",
        "dx_com": "2.5.0 (stand-in)",
    }


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raises", "ImportError: Failed to import the C++ extension `_pydxrt`"),
        ("major", "is 4.0.1; this adapter was written for 3 up to, not including, 4"),
        ("half", "is half installed: it has no InferenceEngine.run"),
        ("no-device", "sees no NPU: no card, or its driver or service (dxrtd) is not running"),
    ],
)
def test_what_is_broken_is_absent_with_a_reason(use: Switch, fault: str, words: str) -> None:
    use(fault)
    found = adapter().probe()
    assert not found.available
    assert words in found.reason
    assert "docs/hardware.md" in found.fix


def test_a_missing_sdk_is_absent(use: Switch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dx_engine", None)
    found = adapter().probe()
    assert "DEEPX's dx_engine is not installed" in found.reason


def test_another_number_is_not_here(use: Switch) -> None:
    assert "device.index: found 2; there are 1 NPUs, counted from 0" in adapter(index=2).probe().reason


def test_a_graph_is_compiled_once_and_answers_as_the_reference(use: Switch, tmp_path: Path) -> None:
    source, made = compiled(tmp_path)
    assert made.path.endswith("model.dxnn")
    record = vendor_cache.beside(made.path)
    assert record is not None
    assert record.facts["route"] == "ema on 4 calibration inputs, opt_level 1"
    assert adapter().compile_calibrated(source, OPTIONS, str(tmp_path / "work"), pictures(4)) == made
    session = adapter().open(made, OPTIONS)
    assert session.options == {"use_ort": True, "tasks": "npu_0"}
    for feeds in pictures(2, seed=3):
        for found in (session.infer(feeds), session.prepare(feeds)()):
            for name, value in reference(source, feeds).items():
                np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6)
    session.close()
    session.close()


def test_several_requests_in_flight_get_their_own_answers(use: Switch, tmp_path: Path) -> None:
    source, made = compiled(tmp_path)
    session = adapter().open(made, OPTIONS)
    assert isinstance(session, Submits)
    asked = pictures(12, seed=5)
    got: dict[int, dict[str, Any]] = {}
    all_done = threading.Event()

    def done(number: int, outputs: Any) -> None:
        got[number] = {name: np.array(value) for name, value in outputs.items()}
        if len(got) == len(asked):
            all_done.set()

    for number, feeds in enumerate(asked):
        session.submit(feeds, lambda outputs, number=number: done(number, outputs))
    assert all_done.wait(20)
    for number, feeds in enumerate(asked):
        for name, value in reference(source, feeds).items():
            np.testing.assert_allclose(got[number][name], value, rtol=1e-5, atol=1e-6)
    # A callback is there now, and hears of this as well.
    assert set(session.infer(asked[0])) == {"boxes", "scores"}
    session.close()


def test_a_part_of_a_model_cannot_pass_as_the_whole(use: Switch, tmp_path: Path) -> None:
    use("split")
    _, made = compiled(tmp_path)
    with pytest.raises(UnsupportedError, match=r"tasks on the processor \(cpu_0\)") as caught:
        adapter().open(made, {**OPTIONS, "use_ort": False})
    assert "use_ort = true" in str(caught.value.hint)
    found = adapter().open(made, OPTIONS).placement()
    assert found.providers == {"DEEPX": 1, "CPU": 1}
    assert found.fallback_ops == {"task": 1}
    assert found.notes[0] == "tasks in order: npu_0 → cpu_0"


def test_the_certificate_is_of_a_simulation(use: Switch, tmp_path: Path) -> None:
    _, made = compiled(tmp_path)
    found = adapter().open(made, {**OPTIONS, "use_ort": False}).placement()
    assert (found.providers, found.device_type, found.sources) == ({"DEEPX": 1}, "cpu", ("vendor",))
    assert execution_kind("npu", found) == "simulated"
    assert "dx_engine is a stand-in" in found.notes[-1]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("refuses", "Unsupported operator GridSample"),
        ("nothing", "ended without an error and wrote 0 .dxnn files"),
    ],
)
def test_what_the_compiler_refuses_is_unsupported_in_its_words(
    use: Switch, tmp_path: Path, fault: str, words: str
) -> None:
    use(fault)
    with pytest.raises(UnsupportedError, match=r"dx_com 2\.5\.0 does not compile this model for dx-m1") as caught:
        compiled(tmp_path)
    assert words in str(caught.value)


def test_graphs_that_dx_com_does_not_take_are_unsupported_before_it_is_started(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="a batch of 8; DX-COM takes one at a time"):
        adapter().signature(picture_model(tmp_path, batch=8))
    with pytest.raises(UnsupportedError, match="opset 22; DX-COM takes 11 to 21"):
        adapter().signature(picture_model(tmp_path, opset=22))


def test_a_service_that_is_down_and_a_device_that_goes_are_errors_in_the_runtimes_words(
    use: Switch, tmp_path: Path
) -> None:
    _, made = compiled(tmp_path)
    use("service")
    with pytest.raises(RuntimeError, match="dxrt service is not running"):
        adapter().open(made, OPTIONS)
    use("gone")
    session = adapter().open(made, OPTIONS)
    (feeds,) = pictures(1)
    for _ in range(3):
        session.infer(feeds)
    with pytest.raises(RuntimeError, match="fail to write to the device"):
        session.infer(feeds)
    with pytest.raises(ValueError, match="expected"):
        session.infer({"x": feeds["x"].astype(np.float16)})


def test_without_torch_or_compiler_it_is_said_what_lacks(
    use: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnsupportedError, match="typical inputs"):
        adapter().compile(picture_model(tmp_path), OPTIONS, str(tmp_path))
    monkeypatch.setitem(sys.modules, "dx_com", None)
    (tmp_path / "work").mkdir()
    with pytest.raises(AbsentBackendError, match="dx_com is not installed") as caught:
        adapter().compile_calibrated(picture_model(tmp_path), OPTIONS, str(tmp_path / "work"), pictures(1))
    assert "prebuilt" in str(caught.value.hint)
