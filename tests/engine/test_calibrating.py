"""Calibration inputs: drawn once, never those of evaluation, prepared by the workload, spread over the set."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import numpy as np
import pytest

from npubench import cards
from npubench.build.verbs import calibration_set
from npubench.cards import BackendCard, semantics
from npubench.discovery import catalogue
from npubench.engine import calibrating
from npubench.errors import CardError
from npubench.spi import Request, TensorSpec
from npubench.workloads.detection import Detection
from tests.support import BACKEND_TOML


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    said: list[str] = []
    cache = tmp_path_factory.mktemp("calibration")
    first = calibration_set("street-frames", str(cache), 3, said.append)
    again = calibration_set("street-frames", str(cache), 3, said.append)
    assert first == again is not None
    assert len(said) == 1
    return Path(str(first))


def test_the_set_is_ours_and_no_evaluation_set(frames: Path) -> None:
    card = cards.load(frames / "data.toml", cards.DataCard)
    assert (card.kind, card.count, card.seed) == ("frames", 3, "cctv-calibration/1")
    assert calibration_set("civic-prompts", str(frames.parent), 3, lambda text: None) is None
    assert calibration_set("their-own", str(frames.parent), 3, lambda text: None) is None


def test_the_workload_prepares_what_is_measured(frames: Path) -> None:
    model = catalogue().models["cctv-detect"].card
    images = TensorSpec(name="images", dtype="float32", shape=(2, 3, 640, 640))
    request = Request(scope="device", batch=2, params={**model.params, "inputs": 3}, data=str(frames))
    ends = {"detector": ((images,), _heads())}
    found = calibrating.feeds(Detection(), request, ends, 8)
    assert [feeds["images"].shape for feeds in found["detector"]] == [(2, 3, 640, 640)] * 2
    assert min(float(feeds["images"].min()) for feeds in found["detector"]) >= 0
    assert max(float(feeds["images"].max()) for feeds in found["detector"]) <= 1
    assert len({feeds["images"].tobytes() for feeds in found["detector"]}) == 2


def _heads() -> tuple[TensorSpec, ...]:
    """The outputs of the detector, as its graph declares them, for two frames."""
    from npubench.adapters.vendor_graph import signature
    from npubench.build.fixed import fixed

    onnx = pytest.importorskip("onnx")
    room = catalogue().models["cctv-detect"].path.parent
    graph = fixed(onnx.load(room / "detector.onnx", load_external_data=False), {"batch": 2}, "static")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.onnx"
        path.write_bytes(graph.SerializeToString())
        return signature(str(path), "the test").outputs


def test_feeds_are_spread_over_the_set() -> None:
    kept = [{"x": np.array(index)} for index in range(10)]
    assert [int(feeds["x"]) for feeds in calibrating._spread(kept, 4)] == [0, 2, 5, 7]
    assert len(calibrating._spread(kept, 64)) == 10


def backend(text: str) -> BackendCard:
    lines = BACKEND_TOML.format(id="npu", title="NPU", options="", environment="").replace(
        'precisions = ["fp32"]', f'precisions = ["int8"]\n{text}'
    )
    return cards.decode(msgspec.toml.decode(lines), BackendCard, "npu.toml")


def test_a_card_says_what_its_compiler_makes_from_what() -> None:
    card = backend('compile_ahead = true\ncompile_from = { int8 = "fp32" }\ncalibration_inputs = 16')
    assert card.compile_from == {"int8": "fp32"}
    plain = backend("compile_ahead = true")
    # Another way to quantise is another backend; cards without the keys keep their identity.
    assert semantics(card) != semantics(plain)
    assert "compile_from" not in semantics(plain)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('compile_from = { int8 = "fp32" }', "expected compile_ahead = true"),
        ('compile_ahead = true\ncompile_from = { fp8 = "fp32" }', "compile_from.fp8: found a precision that the card"),
        ('compile_ahead = true\ncompile_from = { int8 = "fp33" }', "compile_from.int8: found 'fp33'"),
        ("calibration_inputs = 4", "expected the builds that are quantised"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(text: str, words: str) -> None:
    with pytest.raises(CardError) as caught:
        backend(text)
    assert words in str(caught.value)
