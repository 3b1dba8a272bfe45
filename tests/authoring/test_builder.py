"""What torch trains is what ships: the same numbers from torch, from folded arrays and from the built ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npubench import cards, discovery
from npubench.build.materialise import materialise
from npubench.build.nets import VISION

torch = pytest.importorskip("torch")

from npubench.authoring.builder import Network, fold, rounded  # noqa: E402
from npubench.authoring.rooms import write_role  # noqa: E402

MODELS = discovery.builtin_cards() / "models"
ROLES = [(model, role) for model, roles in VISION.items() for role in roles]
INPUTS = {"detector": (1, 3, 640, 640), "text_detector": (1, 3, 1024, 736), "line_recogniser": (2, 1, 32, 128)}


def lived_in(model: str, role: str) -> Any:
    """A network whose normalisations have seen something: statistics, scales and shifts of their own."""
    torch.manual_seed(3)
    network = Network(VISION[model][role])
    for unit in network.units.values():
        if len(unit) == 2:
            torch.nn.init.uniform_(unit[1].weight, 0.5, 1.5)
            torch.nn.init.normal_(unit[1].bias, std=0.3)
    with torch.no_grad():
        network.units.train()
        for _ in range(3):
            network(torch.rand(2, *INPUTS[role][1:2], 64 if role != "line_recogniser" else 32, 128))
    network.units.eval()
    return network


@pytest.mark.parametrize(("model", "role"), ROLES)
def test_a_folded_network_computes_what_the_trained_one_does(model: str, role: str) -> None:
    network = lived_in(model, role)
    picture = torch.rand(1, INPUTS[role][1], 64 if role != "line_recogniser" else 32, 128)
    with torch.no_grad():
        trained, folded = network(picture), Network(VISION[model][role], fold(network))(picture)
    for name, value in trained.items():
        assert torch.allclose(value, folded[name], atol=1e-3, rtol=1e-3), name


@pytest.mark.parametrize(("model", "role"), ROLES)
def test_the_room_gives_onnxruntime_what_torch_computes(model: str, role: str, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    arrays = rounded(fold(lived_in(model, role)))
    for other in VISION[model]:
        given = arrays if other == role else rounded(fold(lived_in(model, other)))
        write_role(model, other, given, MODELS / model, tmp_path / "room")
    card = cards.load(tmp_path / "room" / "model.toml", cards.ModelCard)
    spec = card.graphs[role].weights
    assert spec is not None
    assert (spec.kind, spec.seed) == ("file", None)
    seeded = cards.load(MODELS / model / "model.toml", cards.ModelCard)
    assert card.graphs[role].sha256 == seeded.graphs[role].sha256
    assert card.params == seeded.params

    built = materialise(card, tmp_path / "room", tmp_path / "cache")[role]
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(built.path, options, providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(5).random(INPUTS[role], dtype=np.float32)
    names = [output.name for output in session.get_outputs()]
    answers = session.run(names, {session.get_inputs()[0].name: picture})
    with torch.no_grad():
        wanted = Network(VISION[model][role], arrays)(torch.from_numpy(picture))
    for name, answer in zip(names, answers, strict=True):
        assert np.abs(answer - wanted[name].numpy()).max() <= 1e-3, name


def test_a_weight_that_fp16_cannot_hold_is_named() -> None:
    with pytest.raises(ValueError, match=r"stem\.weight"):
        rounded({"stem.weight": np.array([1e6], np.float32)})


def test_arrays_of_another_network_are_refused(tmp_path: Path) -> None:
    arrays = rounded(fold(lived_in("cctv-detect", "detector")))
    with pytest.raises(KeyError, match="stem"):
        write_role("cctv-detect", "detector", {}, MODELS / "cctv-detect", tmp_path)
    extra = {**arrays, "stranger.weight": np.zeros(1, np.float16)}
    with pytest.raises(ValueError, match=r"stranger\.weight"):
        write_role("cctv-detect", "detector", extra, MODELS / "cctv-detect", tmp_path)
