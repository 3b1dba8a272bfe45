"""The committed graphs are what the definitions say, run, and answer like a network rather than like a constant."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from npubench import cards, discovery
from npubench.build import weights
from npubench.build.author import author_model, main
from npubench.build.calibrate import Calibrator, drawn_inputs
from npubench.build.charset import CHARSET
from npubench.build.emit import IR_VERSION, OPSET
from npubench.build.emit_decoder import EPSILON
from npubench.build.materialise import materialise
from npubench.build.nets import LANGUAGE, NETWORKS, SHAPES, VISION
from npubench.build.nets.cctv import CLASSES, SIZE, STRIDES
from npubench.build.nets.llm import THETA, TINY, Shape
from npubench.build.nets.ocr import LINE_HEIGHT, PAGE
from npubench.errors import UsageError
from npubench.spi import Artifact

MODELS = discovery.builtin_cards() / "models"
# The large detector takes numpy seconds; its definition is that of the compact one.
ROLES = [
    pytest.param(model, role, marks=[pytest.mark.slow] if model == "cctv-detect-s" else [])
    for model, roles in VISION.items()
    for role in roles
]

Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def card_of(model: str) -> cards.ModelCard:
    return cards.load(MODELS / model / "model.toml", cards.ModelCard)


def artifacts(model: str, cache: Path) -> dict[str, Artifact]:
    return materialise(card_of(model), MODELS / model, cache)


def session(model: str, role: str, cache: Path) -> Any:
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    path = artifacts(model, cache)[role].path
    return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("model", ["cctv-detect-s", "ocr-korean", "llm-chat-8m"])
def test_authoring_again_changes_nothing(model: str, tmp_path: Path) -> None:
    """Structurally: graphs are compared as messages, tables and cards as text."""
    room = Path(shutil.copytree(MODELS / model, tmp_path / model))
    reports = author_model(model, room)
    seeded = [role for role, graph in card_of(model).graphs.items() if graph.weights and graph.weights.kind == "seeded"]
    assert [report.role for report in reports] == seeded
    for path in sorted(room.iterdir()):
        committed = MODELS / model / path.name
        if path.suffix == ".onnx":
            assert onnx.load(path, load_external_data=False) == onnx.load(committed, load_external_data=False)
        elif path.suffix != ".npz":
            assert path.read_text(encoding="utf-8") == committed.read_text(encoding="utf-8")
    assert {path.name for path in room.iterdir()} == {path.name for path in (MODELS / model).iterdir()}


@pytest.mark.slow
def test_authoring_the_large_decoder_again_changes_nothing(tmp_path: Path) -> None:
    room = Path(shutil.copytree(MODELS / "llm-chat-135m", tmp_path / "llm-chat-135m"))
    assert main(["llm-chat-135m", "--models", str(tmp_path)]) == 0
    for path in room.iterdir():
        assert path.read_bytes() == (MODELS / "llm-chat-135m" / path.name).read_bytes()


def test_author_names_the_nearest_model() -> None:
    with pytest.raises(UsageError, match='did you mean "cctv-detect"'):
        main(["cctv-detct"])


@pytest.mark.slow
def test_calibrating_again_is_close(tmp_path: Path) -> None:
    """Another CPU sums in another order, so some constants move by a rounding of fp16, not more."""
    seed = card_of("cctv-detect-s").graphs["detector"].weights
    assert seed is not None
    calibrator = Calibrator(seed.seed or "", {"images": drawn_inputs("images", 2)})
    VISION["cctv-detect-s"]["detector"](calibrator)
    committed = weights.load_arrays(MODELS / "cctv-detect-s" / "detector.npz")
    assert calibrator.arrays.keys() == committed.keys()
    for name, array in committed.items():
        np.testing.assert_allclose(calibrator.arrays[name], array, rtol=2e-2, atol=2e-2, err_msg=name)


@pytest.mark.parametrize("model", list(NETWORKS))
def test_graphs_are_portable(model: str) -> None:
    for role, graph in card_of(model).graphs.items():
        path = MODELS / model / graph.file
        proto = onnx.load(path, load_external_data=False)
        assert (proto.ir_version, [(item.domain, item.version) for item in proto.opset_import]) == (
            IR_VERSION,
            [("", OPSET)],
        )
        assert (proto.producer_name, proto.producer_version, proto.doc_string) == ("npubench", "1", "")
        assert path.stat().st_size < 220_000
        names = [node.name for node in proto.graph.node]
        assert len(names) == len(set(names))
        assert all(onnx.defs.has(node.op_type, max_inclusive_version=OPSET) for node in proto.graph.node)
        assert graph.weights is not None
        table = weights.load_table(MODELS / model / graph.weights.table)
        external = {
            tensor.name: {entry.key: entry.value for entry in tensor.external_data}
            for tensor in proto.graph.initializer
            if tensor.data_location == onnx.TensorProto.EXTERNAL
        }
        assert external == {
            tensor.name: {"location": "weights.bin", "offset": str(tensor.offset), "length": str(4 * tensor.count)}
            for tensor in table.tensors
        }, role
        assert all(tensor.offset % 4096 == 0 for tensor in table.tensors)
        assert table.bytes == graph.weights.bytes


@pytest.mark.parametrize("model", ["cctv-detect", "ocr-korean", "llm-chat-8m"])
def test_onnx_accepts_the_built_models(model: str, cache: Path) -> None:
    for artifact in artifacts(model, cache).values():
        onnx.checker.check_model(artifact.path)


def test_cards_agree_with_networks() -> None:
    detection = card_of("cctv-detect").params
    assert tuple(detection["classes"]) == CLASSES
    assert tuple(detection["strides"]) == STRIDES
    assert detection["input_size"] == SIZE
    ocr = card_of("ocr-korean").params
    assert ocr["charset"] == CHARSET
    assert (tuple(ocr["page_size"]), ocr["line_height"]) == (PAGE, LINE_HEIGHT)
    for model, shape in SHAPES.items():
        params = card_of(model).params
        assert {key: params[key] for key in ("layers", "heads", "kv_heads", "head_dim", "vocab")} == {
            "layers": shape.layers,
            "heads": shape.heads,
            "kv_heads": shape.kv_heads,
            "head_dim": shape.head_dim,
            "vocab": shape.vocab,
        }
        assert params["hidden"] == shape.width
    assert set(NETWORKS) == set(VISION) | set(LANGUAGE)


SIGNATURES = {
    "detector": [
        (f"{kind}_s{stride}", (2, channels, 640 // stride, 640 // stride))
        for stride in (8, 16, 32)
        for kind, channels in (("box", 4), ("cls", 6))
    ],
    "text_detector": [("text", (2, 1, 256, 184))],
    "line_recogniser": [("chars", (2, 80, 2494))],
}


@pytest.mark.parametrize(("model", "role"), ROLES)
def test_vision_runs_to_contract(model: str, role: str, cache: Path) -> None:
    running = session(model, role, cache)
    name = running.get_inputs()[0].name
    images = drawn_inputs(name, 2, seed=7)
    outputs = dict(zip((node.name for node in running.get_outputs()), running.run(None, {name: images}), strict=True))
    assert [(key, value.shape) for key, value in outputs.items()] == SIGNATURES[role]
    card = card_of(model).graphs[role].weights
    assert card is not None
    assert card.arrays is not None
    reference = Calibrator(card.seed or "", {name: images}, weights.load_arrays(MODELS / model / card.arrays))
    VISION[model][role](reference)
    for key, value in outputs.items():
        np.testing.assert_allclose(value, reference.outputs[key], atol=1e-3 * max(1, float(np.abs(value).max())))
        if card.kind == "file":
            continue
        channel = 2 if key == "chars" else 1
        rest = tuple(axis for axis in range(value.ndim) if axis != channel)
        # Each channel answers to its place, and two images differ once their common mean is taken away.
        assert float(value.std(axis=rest).min()) > 0.05, key
        one, two = (value - value.mean(axis=rest, keepdims=True)).reshape(2, -1)
        assert float(one @ two / (np.linalg.norm(one) * np.linalg.norm(two))) < 0.8, key


def test_seeded_scores_are_rare_enough(cache: Path) -> None:
    running = session("cctv-detect-s", "detector", cache)
    outputs = running.run(["cls_s8", "cls_s16", "cls_s32"], {"images": drawn_inputs("images", 2, seed=9)})
    scores = 1 / (1 + np.exp(-np.concatenate([value.reshape(-1) for value in outputs])))
    assert 0.001 < float((scores > 0.25).mean()) < 0.1


def test_line_width_is_free(cache: Path) -> None:
    running = session("ocr-korean", "line_recogniser", cache)
    lines = drawn_inputs("lines", 3, seed=3)
    for width in (4, 128, 320):
        assert running.run(None, {"lines": lines[..., :width]})[0].shape == (3, width // 4, 2494)


class Llm:
    """The decoder with its cache fed back."""

    def __init__(self, running: Any, shape: Shape) -> None:
        self.running = running
        self.shape = shape
        self.names = [node.name for node in running.get_outputs()]

    def empty(self, batch: int = 1) -> dict[str, Floats]:
        zeros = np.zeros((batch, self.shape.kv_heads, 0, self.shape.head_dim), np.float32)
        return {f"past.{layer}.{kind}": zeros for layer in range(self.shape.layers) for kind in ("key", "value")}

    def __call__(self, ids: npt.NDArray[np.int64], past: Mapping[str, Floats]) -> tuple[Floats, dict[str, Floats]]:
        logits, *present = self.running.run(None, {"input_ids": ids, **past})
        names = (name.replace("present", "past") for name in self.names[1:])
        return logits, dict(zip(names, present, strict=True))


@pytest.fixture(scope="module")
def llm(cache: Path) -> Llm:
    return Llm(session("llm-chat-8m", "decoder", cache), TINY)


def prompts(count: int, length: int) -> npt.NDArray[np.int64]:
    raw = np.random.PCG64(5).random_raw(count * length) % np.uint64(TINY.vocab)
    return raw.astype(np.int64).reshape(count, length)


def test_decoder_signature(llm: Llm) -> None:
    logits, present = llm(prompts(2, 5), llm.empty(2))
    assert logits.shape == (2, TINY.vocab)
    assert list(present) == list(llm.empty())
    assert {value.shape for value in present.values()} == {(2, TINY.kv_heads, 5, TINY.head_dim)}


def test_decoding_with_the_cache_equals_a_full_prefill(llm: Llm) -> None:
    ids = prompts(2, 12)
    _, past = llm(ids[:, :7], llm.empty(2))
    _, past = llm(ids[:, 7:10], past)
    for length in (11, 12):
        logits, past = llm(ids[:, length - 1 : length], past)
        full, _ = llm(ids[:, :length], llm.empty(2))
        np.testing.assert_allclose(logits, full, atol=1e-3)
    without, _ = llm(ids[:, 11:], llm.empty(2))
    assert float(np.abs(without - logits).max()) > 1


def test_decoder_logits_are_alive(llm: Llm) -> None:
    ids = prompts(24, 16)
    logits, past = llm(ids, llm.empty(24))
    assert 3 < float(logits.std()) < 5
    first = logits.argmax(axis=1)
    assert len(set(first.tolist())) >= 22
    second = llm(first[:, None].astype(np.int64), past)[0].argmax(axis=1)
    # Tied embeddings without the mix matrix would repeat the last token.
    assert int((first == ids[:, -1]).sum()) <= 1
    assert int((second == first).sum()) <= 1


def reference_logits(tensors: Mapping[str, Floats], ids: npt.NDArray[np.int64], shape: Shape) -> Floats:
    """An independent, plain decoder: one sequence, no cache, complex rotation, keys repeated."""

    def norm(x: Floats, name: str) -> Floats:
        scale = np.sqrt((x.astype(np.float64) ** 2).mean(-1, keepdims=True) + EPSILON)
        return np.asarray(x / scale * tensors[f"{name}.weight"], np.float32)

    def rotate(x: Floats) -> Floats:
        half = shape.head_dim // 2
        angles = np.arange(len(ids))[:, None] * THETA ** (-np.arange(half) / half)
        turned = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * angles)
        return np.concatenate([turned.real, turned.imag], -1)

    def split(x: Floats, count: int) -> Floats:
        return x.reshape(len(ids), count, shape.head_dim).transpose(1, 0, 2)

    x = tensors["embed.weight"][ids]
    future = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
    for layer in range(shape.layers):
        own = f"layers.{layer}"
        h = norm(x, f"{own}.attention.norm")
        q, k, v = (h @ tensors[f"{own}.attention.{part}.weight"] for part in ("query", "key", "value"))
        each = shape.heads // shape.kv_heads
        q = rotate(split(q, shape.heads))
        k, v = rotate(split(k, shape.kv_heads)).repeat(each, 0), split(v, shape.kv_heads).repeat(each, 0)
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(shape.head_dim) + future
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        h = (shares / shares.sum(-1, keepdims=True)) @ v
        x = x + h.transpose(1, 0, 2).reshape(len(ids), -1) @ tensors[f"{own}.attention.out.weight"]
        h = norm(x, f"{own}.feed.norm")
        gate, up = (h @ tensors[f"{own}.feed.{part}.weight"] for part in ("gate", "up"))
        x = x + (gate / (1 + np.exp(-gate)) * up) @ tensors[f"{own}.feed.down.weight"]
    return np.asarray(norm(x[-1], "norm") @ tensors["mix.weight"] @ tensors["embed.weight"].T)


def test_decoder_equals_an_independent_one(llm: Llm) -> None:
    spec = card_of("llm-chat-8m").graphs["decoder"].weights
    assert spec is not None
    table = weights.load_table(MODELS / "llm-chat-8m" / spec.table)
    tensors = {tensor.name: weights.whole(tensor, spec.seed or "", {}) for tensor in table.tensors}
    for ids in prompts(2, 40):
        found, _ = llm(ids[None], llm.empty())
        expected = reference_logits(tensors, ids, TINY)
        # Not exact: the graph's rotary frequencies are rounded to twelve bits.
        noise = float(((found[0] - expected) ** 2).mean()) / float(expected.var())
        assert noise < 1e-3
        assert int(found.argmax()) == int(expected.argmax())
