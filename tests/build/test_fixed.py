"""Static artefacts: every dimension fixed, the same weights, the same answers; sizes that do not fit are named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from npubench import cards, discovery
from npubench.build.fixed import fixed
from npubench.build.materialise import materialise
from npubench.cards import ModelCard, graphs_of, semantics, sizes_of
from npubench.errors import CardError

MODELS = discovery.builtin_cards() / "models"


def card_of(model: str) -> ModelCard:
    return cards.load(MODELS / model / "model.toml", ModelCard)


def shapes(path: str) -> list[list[int]]:
    graph = onnx.load(path, load_external_data=False).graph
    return [[d.dim_value for d in item.type.tensor_type.shape.dim] for item in (*graph.input, *graph.output)]


def test_every_dimension_is_fixed(tmp_path: Path) -> None:
    card = card_of("ocr-korean")
    found = materialise(card, MODELS / "ocr-korean", tmp_path, "int8", variant="static", batch=2)
    assert shapes(found["text_detector"].path) == [[2, 3, 1024, 736], [2, 1, 256, 184]]
    assert shapes(found["line_recogniser"].path) == [[8, 1, 32, 320], [8, 80, 2494]]
    assert {artifact.variant for artifact in found.values()} == {"static"}
    for artifact in found.values():
        onnx.checker.check_model(artifact.path, full_check=True)
    portable = materialise(card, MODELS / "ocr-korean", tmp_path, "int8")
    for role, artifact in found.items():
        weights = [Path(item.path).with_name("weights.bin").read_bytes() for item in (artifact, portable[role])]
        assert weights[0] == weights[1]
        assert artifact.sha256 != portable[role].sha256


def test_each_batch_is_an_artefact_and_runs(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    card = card_of("ocr-korean")
    one, two = (
        materialise(card, MODELS / "ocr-korean", tmp_path, variant="static", batch=batch)["line_recogniser"]
        for batch in (1, 2)
    )
    # Pages are batched, lines always come in eights: this role is the same file in another folder.
    assert one.sha256 == two.sha256
    assert one.path != two.path
    running = runtime.InferenceSession(one.path, providers=["CPUExecutionProvider"])
    assert running.run(None, {"lines": np.ones((8, 1, 32, 320), np.float32)})[0].shape == (8, 80, 2494)
    said: list[str] = []
    materialise(card, MODELS / "ocr-korean", tmp_path, progress=said.append, variant="static", batch=2)
    assert "in the cache" in said[-1]
    Path(two.path).write_bytes(Path(two.path).read_bytes() + b"\0")
    again = materialise(card, MODELS / "ocr-korean", tmp_path, progress=said.append, variant="static", batch=2)
    assert any("damaged" in line for line in said)
    assert again["line_recogniser"] == two


def test_fixed_lines_are_those_of_the_workload() -> None:
    card = card_of("ocr-korean")
    lines = sizes_of(card, "fp32", "static", 1)["line_recogniser"]
    widest = max(card.params["line_widths"])
    assert lines == {"batch": card.params["batch_lines"], "width": widest, "frames": widest // 4}


def test_which_builds_are_made_by_fixing() -> None:
    card = card_of("cctv-detect")
    assert sizes_of(card, "int8", "static", 4) == {"detector": {"batch": 4}}
    assert sizes_of(card, "int8", "portable", 4) == {}
    assert graphs_of(card, "int8", "static") == card.builds["int8"]
    assert graphs_of(card, "fp32", "static") == card.graphs
    assert graphs_of(card, "int4", "static") is None
    assert graphs_of(card, "fp32", "fused") is None
    # A room's own static build comes first.
    own = msgspec.structs.replace(card, builds={**card.builds, "fp32+static": {}})
    assert graphs_of(own, "fp32", "static") == {}
    assert sizes_of(own, "fp32", "static", 1) == {}
    assert graphs_of(msgspec.structs.replace(card, static={}), "fp32", "static") is None
    assert semantics(card, "fp32", "static") != semantics(card, "fp32")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({}, r'static\.detector: dimension "batch" of images has no size; found sizes for none'),
        ({"batch": 1, "width": 5}, r"static\.detector\.width: the graph has no such dimension; it has batch"),
    ],
)
def test_sizes_that_do_not_fit(sizes: dict[str, int], expected: str) -> None:
    model = onnx.load(MODELS / "cctv-detect" / "detector.onnx", load_external_data=False)
    with pytest.raises(CardError, match=expected):
        fixed(model, sizes, "static.detector")


@pytest.mark.parametrize("size", ["{threads}", 1.5, "4"])
def test_a_size_is_a_number_or_the_batch(size: object) -> None:
    document = cards.read_toml(MODELS / "cctv-detect" / "model.toml")
    document["static"]["detector"]["batch"] = size
    with pytest.raises(CardError, match=r"static\.detector|static: "):
        cards.decode(document, ModelCard, "model.toml")
