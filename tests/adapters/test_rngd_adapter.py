"""RNGD's adapter against its stand-in, where torch is: never verified on hardware, and it says so.

Without torch the adapter's answer is asked for all the same: it is absent, with a reason.
"""

from __future__ import annotations

import importlib.util
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npubench import spi
from npubench.adapters.rngd import RngdAdapter, forbid_fallback
from npubench.errors import CardError, UnsupportedError
from npubench.stats.placement import execution_kind
from tests.adapters.test_rebellions_adapter import X, Y, model
from tests.standins.using import Switch, checks, switched

HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed here")

CHECKS = (
    "probe", "answers", "declared", "zero-size", "repeat", "buffers", "prepare", "unknown-name", "missing-input",
    "wrong-shape", "wrong-rank", "wrong-dtype", "bad-file", "sessions", "threads", "placement",
)  # fmt: skip


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Switch]:
    yield from switched(monkeypatch, tmp_path, "rngd", "furiosa")


@pytest.mark.parametrize(
    ("faults", "words"), [("missing", "is not installed"), ("raises", "libfuriosa_native.so: undefined symbol")]
)
def test_what_is_missing_or_broken_is_absent_with_a_reason(use: Switch, faults: str, words: str) -> None:
    use(faults)
    found = RngdAdapter().probe()
    assert found.available is False
    assert words in found.reason
    assert "npubench env sync furiosa-rngd" in found.fix


@pytest.mark.skipif(HAS_TORCH, reason="torch is installed here")
def test_without_torch_it_is_absent(use: Switch) -> None:
    assert "No module named 'torch'" in RngdAdapter().probe().reason


@needs_torch
@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ("half", "is half installed: it has no backend.with_config"),
        ("major", "is 2027.1.0; this adapter was written for 2026.3 up to, not including, 2027"),
        ("nothing", "furiosa.torch finds no device 0; it finds none"),
    ],
)
def test_an_sdk_of_another_kind_is_absent(use: Switch, faults: str, words: str) -> None:
    use(faults)
    assert words in RngdAdapter().probe().reason


@needs_torch
def test_the_whole_graph_is_compiled_with_every_fallback_off(use: Switch, tmp_path: Path) -> None:
    found = RngdAdapter().probe()
    assert (found.available, found.versions["furiosa-torch"]) == (True, "2026.4.0 (stand-in)")
    session = RngdAdapter().open(model(tmp_path / "m.onnx"), {})
    for kind in (spi.Prepares, spi.Places, spi.Assigns):
        assert isinstance(session, kind)
    np.testing.assert_allclose(session.infer({"x": X})["y"], Y, rtol=1e-6)
    placed = session.placement()
    assert placed.providers == {"furiosa": 1}
    assert execution_kind("npu", placed) == "simulated"
    assert any("nothing ran on a FuriosaAI device" in note for note in placed.notes)
    assert session.options == {"fullgraph": True, "eager_fallback": False, "cpu_fallback": False}
    session.close()


@needs_torch
def test_the_contract_is_kept(use: Switch, tmp_path: Path) -> None:
    rows = checks(lambda **facts: RngdAdapter("furiosa", {}), {}, tmp_path / "graphs", "fp32", CHECKS)
    assert {name: row.verdict for name, row in rows.items() if row.verdict not in ("kept", "not offered")} == {}
    assert {name for name, row in rows.items() if row.verdict == "not offered"} == {"zero-size"}


@needs_torch
@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ("compile-fails", "compile_failed: furiosa-torch 2026.4.0 .*aten.upsample_nearest2d.vec is not supported"),
        ("panics", "compile_failed: .*called `Option::unwrap"),
    ],
)
def test_a_model_that_the_compiler_refuses_is_unsupported(use: Switch, tmp_path: Path, faults: str, words: str) -> None:
    use(faults)
    with pytest.raises(UnsupportedError, match=words):
        RngdAdapter().open(model(tmp_path / "m.onnx"), {})


@needs_torch
def test_a_busy_device_is_not_the_models_fault(use: Switch, tmp_path: Path) -> None:
    from npubench.errors import AbsentBackendError

    use("busy")
    with pytest.raises(AbsentBackendError, match=r"RNGD does not answer: .*DeviceBusy"):
        RngdAdapter().open(model(tmp_path / "m.onnx"), {})


@needs_torch
def test_a_device_that_is_gone(use: Switch, tmp_path: Path) -> None:
    use("gone")
    session = RngdAdapter().open(model(tmp_path / "m.onnx"), {})
    with pytest.raises(RuntimeError, match="no such device"):
        session.infer({"x": X})
    session.close()


@needs_torch
def test_a_fallback_that_stays_on_is_refused_and_an_unknown_one_is_unknown(use: Switch, tmp_path: Path) -> None:
    use("fallback-on")
    with pytest.raises(RuntimeError, match="keeps its CPU fallback on"):
        RngdAdapter().open(model(tmp_path / "m.onnx"), {})
    use("fallback-unknown")
    session = RngdAdapter().open(model(tmp_path / "m.onnx"), {})
    placed = session.placement()
    assert placed.providers is None
    assert any("does not say whether its CPU fallback is off" in note for note in placed.notes)
    session.close()


def test_fallback_is_asked_for_in_every_known_way() -> None:
    def config(**facts: Any) -> Any:
        return types.SimpleNamespace(config=types.SimpleNamespace(**facts))

    assert forbid_fallback(config()) is False
    assert forbid_fallback(config(set_cpu_fallback=lambda on: None)) is False
    assert forbid_fallback(config(set_cpu_fallback=lambda on: None, cpu_fallback=False)) is True
    with pytest.raises(RuntimeError, match="keeps its CPU fallback on"):
        forbid_fallback(config(set_cpu_fallback=lambda on: None, get_cpu_fallback=lambda: True))


@needs_torch
def test_options_are_checked(use: Switch) -> None:
    with pytest.raises(CardError, match="takes none"):
        RngdAdapter().open(spi.Artifact(role="model", path="m.onnx", sha256=""), {"mode": "eager"})
