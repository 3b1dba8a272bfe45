"""Every model of the suite through torch and through ONNX Runtime: the same graphs, the same weights, the same answers.

Needs torch and ONNX Runtime: `test_torch_environment` runs this where torch is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npubench.adapters.torch import TorchAdapter
from npubench.build.materialise import materialise
from npubench.cards import ModelCard, load
from npubench.spi import Array, Artifact, Feeds, seeded_feeds

pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")

ROOMS = Path(__file__).parents[2] / "models"
# Models beyond these are made of the same operators, and take gigabytes.
ROOM_OF = {name: load(ROOMS / name / "model.toml", ModelCard) for name in ("cctv-detect", "ocr-korean", "llm-chat-8m")}
SIZES = {"batch": 2, "tokens": 5, "past": 3, "width": 160}

# What float32 sums in another order leave of a network is far above this; a wrong operator far below it.
FP32_DB = 90.0


def built(model: str, precision: str, variant: str, cache: Path) -> dict[str, Artifact]:
    return materialise(ROOM_OF[model], ROOMS / model, cache, precision, None, variant)


def both(artifact: Artifact, plain: bool = False) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
    """The answers of ONNX Runtime (`plain`: with nothing optimised, integers rounded where the graph says) and ours."""
    session = TorchAdapter().open(artifact, {})
    feeds = seeded_feeds(session.inputs, 1, SIZES)
    return reference(artifact, feeds, plain), session.infer(feeds)


def reference(artifact: Artifact, feeds: Feeds, plain: bool) -> Mapping[str, Array]:
    settings = ort.SessionOptions()
    settings.log_severity_level = 3
    if plain:
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(artifact.path, settings, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def least_db(wanted: Mapping[str, Array], found: Mapping[str, Array]) -> float:
    """The centred signal-to-noise ratio of the worst output, in dB."""
    assert list(wanted) == list(found)
    ratios = []
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype
        assert found[name].shape == value.shape
        noise = float(((found[name].astype(np.float64) - value) ** 2).sum())
        signal = float(((value - value.mean(dtype=np.float64)) ** 2).sum())
        ratios.append(200.0 if noise == 0 else 10 * np.log10(signal / noise))
    return min(ratios)


def cases() -> Iterator[Any]:
    for model, card in ROOM_OF.items():
        variants = ["portable", *(name.partition("+")[2] for name in card.builds if name.startswith("fp32+"))]
        for variant in variants:
            yield pytest.param(model, variant, id=f"{model}-{variant}")


@pytest.mark.parametrize(("model", "variant"), list(cases()))
def test_fp32_equals_onnx_runtime(model: str, variant: str, model_cache: Path) -> None:
    for role, artifact in built(model, "fp32", variant, model_cache).items():
        assert least_db(*both(artifact)) > FP32_DB, role


@pytest.mark.parametrize(
    ("precision", "least"), [("fp16", 40.0), ("int8", FP32_DB), ("int4", FP32_DB)]
)  # weights of integers alone are floats before the first product
def test_other_precisions_of_the_language_model(precision: str, least: float, model_cache: Path) -> None:
    (artifact,) = built("llm-chat-8m", precision, "portable", model_cache).values()
    assert least_db(*both(artifact, plain=True)) > least


def test_bf16_is_near_fp32(model_cache: Path) -> None:
    """No CPU provider runs bf16: its own rounding (8 bits) is all that may be between them."""
    (exact,) = built("llm-chat-8m", "fp32", "portable", model_cache).values()
    (rounded,) = built("llm-chat-8m", "bf16", "portable", model_cache).values()
    session = TorchAdapter().open(rounded, {})
    feeds = seeded_feeds(session.inputs, 1, SIZES)
    assert least_db(reference(exact, feeds, False), session.infer(feeds)) > 30


@pytest.mark.parametrize(("precision", "least"), [("int8", 15.0), ("s8s8", 15.0), ("a16w8", 60.0)])
def test_quantised_networks(precision: str, least: float, model_cache: Path) -> None:
    """A sum on the edge between two steps falls to either side: one step of 8 bits, and what follows of it."""
    artifact = built("ocr-korean", precision, "portable", model_cache)["line_recogniser"]
    assert least_db(*both(artifact, plain=True)) > least


@pytest.mark.parametrize("channels_last", [False, True])
def test_channels_last_changes_nothing_but_the_layout(channels_last: bool, model_cache: Path) -> None:
    artifact = built("ocr-korean", "fp32", "portable", model_cache)["line_recogniser"]
    session = TorchAdapter().open(artifact, {"channels_last": channels_last})
    feeds = seeded_feeds(session.inputs, 1, SIZES)
    outputs = session.infer(feeds)
    assert least_db(reference(artifact, feeds, False), outputs) > FP32_DB
    assert all(value.flags.c_contiguous for value in outputs.values())
