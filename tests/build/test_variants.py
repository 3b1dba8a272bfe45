"""Every form of a language model is the same model: same weights file, same tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest

from npubench import cards, discovery
from npubench.build import weights
from npubench.build.materialise import materialise
from npubench.build.nets import SHAPES
from npubench.build.nets.llm import Shape
from npubench.build.nets.rope import Rope, frequencies
from npubench.build.variants import emit_all, has_static
from npubench.engine.planned import variant_of
from npubench.errors import UnsupportedError
from npubench.spi import Request
from npubench.workloads.llm import Generation
from tests.workloads.fakes import CountingClock

MODELS = discovery.builtin_cards() / "models"
ROOMS = list(SHAPES)


def card_of(model: str) -> cards.ModelCard:
    return cards.load(MODELS / model / "model.toml", cards.ModelCard)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def bound(
    model: str, variant: str, cache: Path, scope: str = "device", batch: int = 1, **params: Any
) -> tuple[Any, CountingClock]:
    pytest.importorskip("onnxruntime")
    from npubench.adapters.ort import OrtAdapter

    card = card_of(model)
    adapter = OrtAdapter("CPUExecutionProvider", None)
    found = materialise(card, MODELS / model, cache, variant=variant)
    sessions = {role: adapter.open(artifact, {"intra_op_num_threads": 1}) for role, artifact in found.items()}
    clock = CountingClock()
    data = str(MODELS / "data" / (card.data or ""))
    request = Request(scope=scope, batch=batch, params={**card.params, "inputs": 3, **params}, data=data)
    return Generation().bind(sessions, request, clock), clock


@pytest.mark.parametrize("variant", ["fused", "static"])
def test_tokens_are_those_of_the_portable_graph(variant: str, cache: Path) -> None:
    portable, _ = bound("llm-chat-8m", "portable", cache)
    other, clock = bound("llm-chat-8m", variant, cache)
    for index in (0, 1, 2, 0):
        assert other.tokens(index).tolist() == portable.tokens(index).tolist()
    assert clock.ticks == 0
    assert other.step(4) == clock.ticks == 32
    one, two = other.inspect(1), portable.inspect(1)
    logits = next(value for name, value in one.items() if name.endswith("logits"))
    np.testing.assert_allclose(logits, two["logits"], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["llm-chat-135m", "llm-chat-0.5b"])
@pytest.mark.parametrize("variant", ["fused", "static"])
def test_tokens_of_the_larger_rooms(model: str, variant: str, cache: Path) -> None:
    portable, _ = bound(model, "portable", cache, inputs=1)
    other, _ = bound(model, variant, cache, inputs=1)
    assert other.tokens(0).tolist() == portable.tokens(0).tolist()


@pytest.mark.parametrize("variant", ["fused", "static"])
def test_onnx_accepts_every_form(variant: str, cache: Path) -> None:
    for artifact in materialise(card_of("llm-chat-8m"), MODELS / "llm-chat-8m", cache, variant=variant).values():
        onnx.checker.check_model(artifact.path, full_check=True)


def test_the_static_form_serves_too(cache: Path) -> None:
    device, _ = bound("llm-chat-8m", "static", cache)
    service, clock = bound("llm-chat-8m", "static", cache, scope="service")
    assert service.step(0) == clock.ticks == 32
    assert service.texts(1) == device.texts(1)


def test_the_static_form_refuses_what_it_was_not_built_for(cache: Path) -> None:
    with pytest.raises(UnsupportedError, match="built for prompts of 128 tokens; 100 were asked for"):
        bound("llm-chat-8m", "static", cache, prompt_tokens=100)
    with pytest.raises(UnsupportedError, match=r"cache of 160 tokens; .* = 167 were asked for"):
        bound("llm-chat-8m", "static", cache, new_tokens=40)
    with pytest.raises(UnsupportedError, match="use batch 1"):
        bound("llm-chat-8m", "static", cache, batch=4)


@pytest.mark.parametrize("model", ROOMS)
def test_committed_forms_share_one_weight_table(model: str) -> None:
    card = card_of(model)
    pinned = card.graphs["decoder"].weights
    assert set(card.builds) >= {"fp32+fused", "fp32+static"}
    shapes = card.builds["fp32+static"]
    assert list(shapes) == ["prefill", "decode"]
    assert list(card.builds["fp32+fused"]) == ["decoder"]
    for build in ("fp32+fused", "fp32+static"):
        for graph in card.builds[build].values():
            assert graph.weights == pinned
            assert (MODELS / model / graph.file).stat().st_size < 400_000


@pytest.mark.parametrize("model", ROOMS)
def test_committed_forms_are_what_the_definition_says(model: str) -> None:
    card = card_of(model)
    for one in emit_all(SHAPES[model], card.params):
        graphs = card.graphs if one.build == "fp32" else card.builds[one.build]
        pinned = graphs[one.role]
        assert pinned.file == one.file
        committed = onnx.load(MODELS / model / one.file, load_external_data=False)
        if one.build != "fp32+static":
            assert committed == one.proto, one.build
        else:
            # The angle tables may differ by a rounding where another libm computed them.
            assert committed.graph.node == one.proto.graph.node
            assert committed.graph.input == one.proto.graph.input
            assert committed.graph.output == one.proto.graph.output
        assert weights.load_table(MODELS / model / "decoder.json") == one.table


def test_the_static_form_has_fixed_shapes_and_no_shape_arithmetic() -> None:
    for one in emit_all(SHAPES["llm-chat-8m"], {"prompt_tokens": 128, "new_tokens": 32}):
        if one.build != "fp32+static":
            continue
        inferred = onnx.shape_inference.infer_shapes(one.proto, strict_mode=True, data_prop=True)
        for value in (*inferred.graph.input, *inferred.graph.output, *inferred.graph.value_info):
            sizes = value.type.tensor_type.shape.dim
            assert all(size.HasField("dim_value") for size in sizes), value.name
            assert len(sizes) <= 4, value.name
        assert not {node.op_type for node in one.proto.graph.node} & {"Shape", "Range", "Where", "Expand"}


def test_the_fused_form_uses_whole_operators() -> None:
    fused = emit_all(SHAPES["llm-chat-8m"], {})[1].proto
    counts = {
        name: sum(node.op_type == name for node in fused.graph.node)
        for name in ("Attention", "RMSNormalization", "RotaryEmbedding", "Softmax", "Pow")
    }
    assert counts == {"Attention": 8, "RMSNormalization": 17, "RotaryEmbedding": 16, "Softmax": 0, "Pow": 0}
    assert [(item.domain, item.version) for item in fused.opset_import] == [("", 23)]


def test_a_backend_card_chooses() -> None:
    card = card_of("llm-chat-8m")
    backend = cards.load(discovery.builtin_cards() / "backends" / "cpu.toml", cards.BackendCard)
    assert variant_of(card, backend, "fp32") == "portable"
    npu = msgspec.structs.replace(backend, variants=("static", "portable"))
    assert variant_of(card, npu, "fp32") == "static"


def test_a_window_that_fills_has_no_static_form() -> None:
    shape = Shape(layers=2, width=32, heads=2, kv_heads=1, head_dim=16, inner=32, vocab=64, windows=(8, None))
    assert has_static(shape, 8)
    assert not has_static(shape, 9)
    assert [one.build for one in emit_all(shape, {"prompt_tokens": 8, "new_tokens": 4})] == ["fp32", "fp32+fused"]
    narrow = emit_all(shape, {"prompt_tokens": 6, "new_tokens": 2})
    assert [one.role for one in narrow] == ["decoder", "decoder", "prefill", "decode"]


def test_stretched_positions_follow_llama() -> None:
    """Against Meta's reference, written out: wavelengths below 2048 stay, above 8192 are stretched eightfold."""
    rope = Rope(theta=500_000.0, kind="llama3", factor=8.0, low=1.0, high=4.0, original=8192)
    plain = frequencies(Rope(theta=500_000.0), 64).astype(np.float64)
    found = frequencies(rope, 64).astype(np.float64)
    for before, after in zip(plain, found, strict=True):
        wave = 2 * np.pi / before
        if wave < 2048:
            assert after == pytest.approx(before)
        elif wave > 8192:
            assert after == pytest.approx(before / 8)
        else:
            smooth = (8192 / wave - 1) / 3
            assert after == pytest.approx((1 - smooth) * before / 8 + smooth * before, rel=1e-6)
