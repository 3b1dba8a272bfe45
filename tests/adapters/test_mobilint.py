"""Mobilint's adapter against a stand-in for its SDK: never called verified, because nothing ran on an NPU."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from npubench.adapters import vendor_cache, vendor_outputs
from npubench.adapters.mobilint import MobilintAdapter
from npubench.cards import BackendCard, load
from npubench.errors import AbsentBackendError, ArtifactError, UnsupportedError
from npubench.spi import Artifact, TensorSpec
from tests.adapters.pictures import picture_model, pictures, reference
from tests.standins.using import Switch, switched

pytest.importorskip("onnxruntime")
CARD = Path(__file__).parents[2] / "backends" / "mobilint-aries.toml"
OPTIONS: dict[str, Any] = {"core_mode": "single"}
DEVICE = {"type": "npu", "vendor": "Mobilint", "match": {"name": "aries"}}


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Switch]:
    yield from switched(monkeypatch, tmp_path, "mobilint", "qbruntime", "qbcompiler")


def adapter(**device: Any) -> MobilintAdapter:
    return MobilintAdapter("Mobilint", {**DEVICE, **device})


def compiled(tmp_path: Path, batch: int = 1, options: dict[str, Any] = OPTIONS) -> tuple[Artifact, Artifact]:
    source = picture_model(tmp_path, batch)
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    return source, adapter().compile_calibrated(source, options, str(work), pictures(4, batch))


def test_the_card_says_that_only_a_stand_in_was_tried() -> None:
    card = load(CARD, BackendCard)
    assert card.verified.how == "stand-in"
    assert (card.adapter, card.compile_ahead, card.compile_from) == ("mobilint", True, {"int8": "fp32"})


def test_the_npu_is_found_with_its_versions(use: Switch) -> None:
    found = adapter().probe()
    assert found.available, found.reason
    (device,) = found.devices
    assert (device.id, device.type, device.vendor, device.name) == ("aries0", "npu", "Mobilint", "aries-rb")
    assert found.versions == {"qbruntime": "v1.5.0 (stand-in)", "qbcompiler": "1.0.1 (stand-in)"}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raises", "RuntimeError: libqbruntime.so: cannot open shared object file"),
        ("major", "is v3.0.0; this adapter was written for 1.4 up to, not including, 2"),
        ("half", "is half installed: it has no Accelerator"),
        ("no-device", "sees no ARIES NPU: no card, or its driver is not loaded"),
    ],
)
def test_what_is_broken_is_absent_with_a_reason(use: Switch, fault: str, words: str) -> None:
    use(fault)
    found = adapter().probe()
    assert not found.available
    assert words in found.reason
    assert "docs/hardware.md" in found.fix


def test_what_the_sdk_prints_is_no_answer(use: Switch, capfd: pytest.CaptureFixture[str]) -> None:
    use("prints")
    with capfd.disabled():
        assert adapter().probe().available


def test_another_number_or_family_is_not_here(use: Switch) -> None:
    assert "device.index: found 3; the NPUs here are aries0" in adapter(index=3).probe().reason
    assert "sees no REGULUS NPU" in adapter(match={"name": "regulus"}).probe().reason


def test_a_graph_is_compiled_once_and_answers_as_the_reference(use: Switch, tmp_path: Path) -> None:
    source, made = compiled(tmp_path)
    assert made.path.endswith("model.mxq")
    record = vendor_cache.beside(made.path)
    assert record is not None
    assert record.facts["route"] == "single, 4 calibration inputs"
    told = adapter().compilation(made)
    assert told.ns > 0
    # Another process finds it: the time is that of then, and it says so.
    assert told.kept
    work = tmp_path / "once more"
    work.mkdir()
    own = adapter()
    other = own.compile_calibrated(source, {"core_mode": "multi"}, str(work), pictures(4))
    assert not own.compilation(other).kept
    again = adapter().compile_calibrated(source, OPTIONS, str(tmp_path / "work"), pictures(4))
    assert again == made
    assert not (Path(made.path).parent / "calibration").exists()
    session = adapter().open(made, OPTIONS)
    assert [spec.name for spec in session.inputs] == ["x"]
    assert session.options == {
        "core_mode": "Single",
        "cores": "Cluster0.Core0, Cluster0.Core1, Cluster0.Core2, Cluster0.Core3",
        "device": "aries-rb",
    }
    for feeds in pictures(2, seed=3):
        for found in (session.infer(feeds), session.prepare(feeds)()):
            for name, value in reference(source, feeds).items():
                np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6)
    session.close()
    session.close()


def test_a_batch_keeps_its_axis(use: Switch, tmp_path: Path) -> None:
    source, made = compiled(tmp_path, batch=2)
    session = adapter().open(made, OPTIONS)
    (feeds,) = pictures(1, 2)
    for name, value in reference(source, feeds).items():
        np.testing.assert_allclose(session.infer(feeds)[name], value, rtol=1e-5, atol=1e-6)


def test_the_certificate_is_of_a_simulation(use: Switch, tmp_path: Path) -> None:
    _, made = compiled(tmp_path)
    found = adapter().open(made, OPTIONS).placement()
    assert (found.providers, found.device_type, found.sources) == ({"Mobilint": 1}, "cpu", ("vendor",))
    assert "qbruntime is a stand-in" in found.notes[0]


def test_wrong_feeds_are_refused_and_the_session_lives_on(use: Switch, tmp_path: Path) -> None:
    _, made = compiled(tmp_path)
    session = adapter().open(made, OPTIONS)
    (feeds,) = pictures(1)
    for wrong in ({}, {"y": feeds["x"]}, {"x": feeds["x"][:, :2]}, {"x": feeds["x"].astype(np.float64)}):
        with pytest.raises(ValueError, match="expected"):
            session.infer(wrong)
    assert set(session.infer(feeds)) == {"boxes", "scores"}


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("refuses", UnsupportedError, "Unsupported operator: Resize (align_corners) at node 17"),
        ("nothing", UnsupportedError, "ended without an error and wrote no file"),
    ],
)
def test_what_the_compiler_refuses_is_unsupported_in_its_words(
    use: Switch, tmp_path: Path, fault: str, error: type[Exception], words: str
) -> None:
    use(fault)
    with pytest.raises(error, match=r"qbcompiler 1\.0\.1 does not compile this model for aries") as caught:
        compiled(tmp_path)
    assert words in str(caught.value)


def test_a_compiler_that_never_ends_is_stopped_and_remembered(
    use: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("hour")
    monkeypatch.setenv("NPUBENCH_COMPILE_LIMIT_S", "2")
    with pytest.raises(UnsupportedError, match="did not finish within 2 s"):
        compiled(tmp_path)
    use()
    # With the same limit it is not tried again.
    with pytest.raises(UnsupportedError, match="did not finish within 2 s"):
        compiled(tmp_path)
    monkeypatch.setenv("NPUBENCH_COMPILE_LIMIT_S", "60")
    assert compiled(tmp_path)[1].path.endswith("model.mxq")


def test_a_file_for_another_chip_is_refused(use: Switch, tmp_path: Path) -> None:
    use("other-chip")
    _, made = compiled(tmp_path)
    with pytest.raises(ArtifactError, match=r"compiled for regulus-ra, but aries0 is aries-rb"):
        adapter().open(made, OPTIONS)


def test_a_file_that_wants_the_processor_is_refused(use: Switch, tmp_path: Path) -> None:
    use("offload")
    _, made = compiled(tmp_path)
    with pytest.raises(RuntimeError, match="CPU bundles"):
        adapter().open(made, OPTIONS)


def test_core_modes_are_compiled_apart_and_an_unknown_one_is_named(use: Switch, tmp_path: Path) -> None:
    _, single = compiled(tmp_path)
    _, all_eight = compiled(tmp_path, options={"core_mode": "global8"})
    assert single.path != all_eight.path
    assert adapter().open(all_eight, {"core_mode": "global8"}).options["core_mode"] == "Global8"
    with pytest.raises(RuntimeError, match="CoreModeMismatched"):
        adapter().open(all_eight, {"core_mode": "global4"})
    with pytest.raises(
        UnsupportedError, match="core_mode: found 'all'; expected one of single, multi, global4, global8"
    ):
        compiled(tmp_path, options={"core_mode": "all"})


def test_a_busy_device_and_one_that_goes_are_errors_in_the_runtimes_words(use: Switch, tmp_path: Path) -> None:
    _, made = compiled(tmp_path)
    use("busy")
    with pytest.raises(RuntimeError, match="device or resource busy"):
        adapter().open(made, OPTIONS)
    use("gone")
    session = adapter().open(made, OPTIONS)
    (feeds,) = pictures(1)
    for _ in range(3):
        session.infer(feeds)
    with pytest.raises(RuntimeError, match="Acc_IoctlFailed: no such device"):
        session.infer(feeds)


def test_a_request_that_hangs_can_be_left_behind(use: Switch, tmp_path: Path) -> None:
    _, made = compiled(tmp_path)
    use("hung")
    session = adapter().open(made, OPTIONS)
    (feeds,) = pictures(1)
    for _ in range(3):
        session.infer(feeds)
    waiting = threading.Thread(target=session.infer, args=(feeds,), daemon=True)
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()


def test_language_models_are_unsupported_with_what_to_do(use: Switch, tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Identity", ["ids"], ["y"])],
        "ids",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, 8])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [1, 8])],
    )
    onnx.save(helper.make_model(graph, ir_version=9), tmp_path / "ids.onnx")
    with pytest.raises(UnsupportedError, match="takes pictures") as caught:
        adapter().signature(Artifact(role="decoder", path=str(tmp_path / "ids.onnx"), sha256=""))
    assert "vllm-mblt" in str(caught.value.hint)


def test_a_graph_that_was_not_compiled_is_not_opened(use: Switch, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="quantises on typical inputs"):
        adapter().open(picture_model(tmp_path), OPTIONS)


def test_without_calibration_or_compiler_it_is_said_what_lacks(
    use: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnsupportedError, match="typical inputs"):
        adapter().compile(picture_model(tmp_path), OPTIONS, str(tmp_path))
    monkeypatch.setitem(sys.modules, "qbcompiler", None)
    with pytest.raises(AbsentBackendError, match="qbcompiler is not installed") as caught:
        compiled(tmp_path)
    assert "prebuilt" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("shape", "wanted", "order"),
    [
        ((4, 8, 12), (1, 4, 8, 12), (0, 1, 2)),
        ((12, 1, 8), (1, 8, 12), (2, 1, 0)),
        ((8, 12), (1, 8, 12, 1), (0, 1)),
    ],
)
def test_axes_of_length_one_come_and_go_and_others_are_moved_where_one_order_fits(
    shape: tuple[int, ...], wanted: tuple[int, ...], order: tuple[int, ...]
) -> None:
    array = np.arange(np.prod(shape)).reshape(shape)
    found = vendor_outputs.aligned(array, wanted)
    assert found is not None
    np.testing.assert_array_equal(found, array.transpose(order).reshape(wanted))


def test_what_cannot_be_told_is_no_output() -> None:
    assert vendor_outputs.aligned(np.zeros((4, 8)), (8, 8)) is None
    # Two axes of the same length that would have to move: either order fits.
    assert vendor_outputs.aligned(np.zeros((8, 8, 4)), (4, 8, 8)) is None
    spec = TensorSpec(name="y", dtype="float32", shape=(1, 4))
    with pytest.raises(RuntimeError, match="gave 2 outputs; the model has 1"):
        vendor_outputs.matched([spec], [np.zeros(4), np.zeros(4)])
    with pytest.raises(RuntimeError, match="no output has the shape of y"):
        vendor_outputs.matched([spec], [np.zeros(5)])


# What of the wheel the adapter and its stand-in rely on. Printed by the wheel's own Python, so that nothing of it is
# imported here.
_SIGNATURES = """
import inspect, json, sys
import qbruntime
names = sys.argv[1].split(",")
def of(name):
    found = qbruntime
    for part in name.split("."):
        found = getattr(found, part)
    return [item.name for item in inspect.signature(found).parameters.values()]
print(json.dumps({name: of(name) for name in names}))
"""
NAMES = (
    "Model.__init__", "Model.launch", "Model.dispose", "Model.infer", "Model.infer_chw", "Model.infer_hwc",
    "Model.infer_async", "Model.get_core_mode", "Model.get_device_names", "Model.get_target_cores",
    "Model.get_model_input_shape", "Model.get_model_output_shape", "ModelConfig.__init__",
    "ModelConfig.set_auto_core_mode", "ModelConfig.set_single_core_mode", "ModelConfig.set_multi_core_mode",
    "ModelConfig.set_global4_core_mode", "ModelConfig.set_global8_core_mode", "ModelConfig.force_single_npu_bundle",
    "ModelConfig.set_async_pipeline_enabled", "Accelerator.__init__", "Accelerator.get_device_name", "Future.wait_for",
    "Future.get", "get_available_devices", "get_available_device_numbers", "get_model_summary", "load",
)  # fmt: skip


@pytest.mark.slow
def test_the_stand_in_has_the_signatures_of_the_real_wheel(use: Switch, tmp_path: Path) -> None:
    import qbruntime

    place = tmp_path / "wheel"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(place), "mobilint-qb-runtime==1.5.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the wheel cannot be had here: {done.stderr.strip().splitlines()[-1:]}")
    environment = {**os.environ, "PYTHONPATH": str(place)}
    asked = [sys.executable, "-c", _SIGNATURES, ",".join(NAMES)]
    real = msgspec.json.decode(subprocess.run(asked, capture_output=True, check=True, env=environment).stdout)
    for name in NAMES:
        found: Any = qbruntime
        for part in name.split("."):
            found = getattr(found, part)
        assert [item.name for item in inspect.signature(found).parameters.values()] == real[name], name
    # And without a device it behaves so.
    none = [sys.executable, "-c", "import qbruntime as q; print(q.__version__, q.get_available_devices())"]
    said = subprocess.run(none, capture_output=True, text=True, check=True, env=environment).stdout
    assert said.strip() == "v1.5.0 []"
