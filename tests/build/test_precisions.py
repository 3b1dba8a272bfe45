"""Every precision runs on ONNX Runtime's CPU provider, answers nearly like fp32, and agrees with its quantiser."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from npubench import cards, discovery
from npubench.build import blocks, derived, half, observe, precisions, quantise, weights
from npubench.build.author_precisions import author_precisions, with_builds
from npubench.build.calibrate import drawn_inputs
from npubench.build.materialise import materialise, weight_source
from npubench.build.ranges import Range, load_ranges, rounded
from npubench.errors import ArtifactError, DataError
from npubench.spi import Artifact, Outputs, Request
from npubench.workloads.detection import Detection
from npubench.workloads.ocr import Ocr

MODELS = discovery.builtin_cards() / "models"
VISION = {"cctv-detect": Detection, "ocr-korean": Ocr}
SMALL = "llm-chat-8m"

# Least centred SQNR of any output in dB (facts about honest precisions: good int8 on networks that tell faults apart is
# at 15 dB and more, every damaged one below 6.5 dB; int4 weights of the seeded decoders at 16 dB).
FLOORS = {"fp16": 35.0, "int8": 10.0, "s8s8": 8.0, "a16w8": 20.0}
DECODER_FLOORS = {"fp16": 35.0, "int8": 25.0, "int4": 14.0}

Floats = npt.NDArray[np.float32]


def card_of(model: str) -> cards.ModelCard:
    return cards.load(MODELS / model / "model.toml", cards.ModelCard)


def built(model: str, precision: str, cache: Path, variant: str = "portable", batch: int = 1) -> dict[str, Artifact]:
    return materialise(card_of(model), MODELS / model, cache, precision, variant=variant, batch=batch)


def session(path: str | Path, **entries: str) -> Any:
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def adapter() -> Any:
    pytest.importorskip("onnxruntime")
    from npubench.adapters.ort import OrtAdapter

    return OrtAdapter(None, {"type": "cpu"})


class NoClock:
    def tick(self) -> None: ...


def answers(model: str, artifacts: Mapping[str, Artifact], inputs: int = 2, batch: int = 1) -> list[Outputs]:
    """What the workload sees of its own data set."""
    card = card_of(model)
    opened = {role: adapter().open(item, {"intra_op_num_threads": 1}) for role, item in artifacts.items()}
    params = {**card.params, "inputs": inputs}
    request = Request(scope="service", batch=batch, params=params, data=str(MODELS / "data" / str(card.data)))
    bound = VISION[model]().bind(opened, request, NoClock())
    return [bound.inspect(index) for index in range(bound.count)]


def sqnr_db(reference: Floats, found: Floats, name: str = "") -> float:
    """Centred: each channel's mean taken away."""
    rest = (0,) if reference.ndim == 2 else (0, 1) if "chars" in name else (0, 2, 3)
    one = reference.astype(np.float64) - reference.mean(axis=rest, keepdims=True, dtype=np.float64)
    two = found.astype(np.float64) - found.mean(axis=rest, keepdims=True, dtype=np.float64)
    return float(10 * np.log10((one**2).sum() / ((one - two) ** 2).sum()))


@pytest.fixture(scope="module")
def references(model_cache: Path) -> dict[str, list[Outputs]]:
    return {model: answers(model, built(model, "fp32", model_cache)) for model in VISION}


@pytest.mark.parametrize("model", list(VISION))
@pytest.mark.parametrize("precision", list(FLOORS))
def test_vision_is_close_to_fp32(
    model: str, precision: str, references: dict[str, list[Outputs]], model_cache: Path
) -> None:
    artifacts = built(model, precision, model_cache)
    for reference, found in zip(references[model], answers(model, artifacts), strict=True):
        assert list(reference) == list(found)
        for name, value in reference.items():
            assert found[name].dtype == np.float32
            assert sqnr_db(value, found[name], name) >= FLOORS[precision], name


def prompts() -> tuple[npt.NDArray[np.int64], dict[str, Floats]]:
    params = card_of(SMALL).params
    raw = np.random.PCG64(5).random_raw(8 * 48) % np.uint64(params["vocab"])
    empty = np.zeros((8, params["kv_heads"], 0, params["head_dim"]), np.float32)
    past = {f"past.{layer}.{kind}": empty for layer in range(params["layers"]) for kind in ("key", "value")}
    return raw.astype(np.int64).reshape(8, 48), past


@pytest.mark.parametrize("precision", list(DECODER_FLOORS))
def test_the_decoder_is_close_to_fp32(precision: str, model_cache: Path) -> None:
    ids, past = prompts()
    reference, found = (
        session(built(SMALL, name, model_cache)["decoder"].path).run(["logits"], {"input_ids": ids, **past})[0]
        for name in ("fp32", precision)
    )
    assert found.dtype == np.float32
    assert sqnr_db(reference, found) >= DECODER_FLOORS[precision]


@pytest.mark.parametrize("model", [*VISION, SMALL])
def test_onnx_accepts_every_precision(model: str, model_cache: Path) -> None:
    card = card_of(model)
    assert card.precisions[0] == "fp32"
    assert set(card.builds) == set(card.precisions[1:])
    for precision in card.precisions:
        for role, artifact in built(model, precision, model_cache).items():
            onnx.checker.check_model(artifact.path, full_check=True)
            proto = onnx.load(artifact.path, load_external_data=False)
            original = onnx.load(MODELS / model / card.graphs[role].file, load_external_data=False)
            assert proto.graph.input == original.graph.input
            assert proto.graph.output == original.graph.output
            names = [node.name for node in proto.graph.node]
            assert len(names) == len(set(names))
            assert not proto.graph.value_info
            assert not proto.metadata_props


@pytest.mark.parametrize(("model", "role"), [("ocr-korean", "line_recogniser"), (SMALL, "decoder")])
def test_bf16_is_what_the_cpu_card_says(model: str, role: str, model_cache: Path) -> None:
    """A card that refuses bf16 must stay true: a runtime that learns it shows here."""
    card = discovery.catalogue().backends["cpu"].card
    assert "bf16" not in card.precisions
    assert "bf16" in card.refuses
    path = built(model, "bf16", model_cache)[role].path
    with pytest.raises(Exception, match="NOT_IMPLEMENTED"):
        session(path)


def test_weights_are_the_same_whatever_the_processor_can(tmp_path: Path) -> None:
    """Two processes, one of them without numpy's vector code, give the bytes that the card pins."""
    code = (
        "import sys; from pathlib import Path; from npubench import cards;"
        "from npubench.build.materialise import materialise;"
        "room = Path(sys.argv[1]); card = cards.load(room / 'model.toml', cards.ModelCard);"
        "print([a.sha256 for p in card.precisions for a in materialise(card, room, Path(sys.argv[2]), p).values()])"
    )
    # Names that a numpy or a machine does not know only cause a warning.
    plain = {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F X86_V3 X86_V4"}
    said = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, str(MODELS / "cctv-detect"), str(tmp_path / name)],
            env={**os.environ, **more},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name, more in (("one", {}), ("two", plain))
    ]
    assert said[0] == said[1]
    assert said[0].count(",") == len(card_of("cctv-detect").precisions) - 1


@pytest.mark.parametrize("model", [*VISION, SMALL])
def test_authoring_precisions_again_changes_nothing(model: str, tmp_path: Path) -> None:
    """The ranges in the room belong to its graph and weights, so nothing is collected anew."""
    shutil.copytree(MODELS / model, tmp_path / model)
    author_precisions(model, tmp_path, lambda text: None)
    for path in sorted((tmp_path / model).iterdir()):
        committed = MODELS / model / path.name
        if path.suffix == ".onnx":
            assert onnx.load(path, load_external_data=False) == onnx.load(committed, load_external_data=False)
        else:
            assert path.read_bytes() == committed.read_bytes(), path.name
    assert {path.name for path in (tmp_path / model).iterdir()} == {path.name for path in (MODELS / model).iterdir()}


LINES = "line_recogniser"


@pytest.fixture(scope="module")
def lines() -> tuple[onnx.ModelProto, weights.Table, dict[str, Floats]]:
    """The smallest vision graph, its table and its fp32 tensors."""
    room = MODELS / "ocr-korean"
    spec = card_of("ocr-korean").graphs[LINES]
    assert spec.weights is not None
    table = weights.load_table(room / spec.weights.table)
    source = weight_source(card_of("ocr-korean"), LINES, room)
    tensors = {
        tensor.name: np.concatenate(list(source.values(tensor.name))).reshape(tensor.shape) for tensor in table.tensors
    }
    return onnx.load(room / spec.file, load_external_data=False), table, tensors


def test_agrees_with_the_quantiser_of_onnx_runtime(
    lines: tuple[onnx.ModelProto, weights.Table, dict[str, Floats]], tmp_path: Path, model_cache: Path
) -> None:
    """Same inputs, same method (min/max, per channel, seven bits): the same weights, and outputs as close to fp32."""
    library = pytest.importorskip("onnxruntime.quantization")
    model, table, tensors = lines
    images = drawn_inputs("lines", 4, seed=11)
    graph = Path(built("ocr-korean", "fp32", model_cache)[LINES].path)

    class Reader(library.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.left = [{"lines": image[None]} for image in images]

        def get_next(self) -> dict[str, Floats] | None:
            return self.left.pop() if self.left else None

    theirs = tmp_path / "theirs.onnx"
    library.quantize_static(
        str(graph),
        str(theirs),
        Reader(),
        quant_format=library.QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=library.QuantType.QUInt8,
        weight_type=library.QuantType.QInt8,
    )
    names = quantise.observed(model)
    (tmp_path / "watched").mkdir()
    shutil.copyfile(graph.with_name("weights.bin"), tmp_path / "watched" / "weights.bin")
    onnx.save(observe.watched_graph(model, names), tmp_path / "watched" / "model.onnx")
    opened = adapter().open(Artifact(role=LINES, path=str(tmp_path / "watched" / "model.onnx"), sha256=""), {})
    watched = observe.Watched(opened, names)
    for image in images:
        assert list(watched.infer({"lines": image[None]})) == ["chars"]
    made, derived_table = quantise.quantise(model, table, rounded(watched.extremes), quantise.SCHEMES["int8"])
    ours = tmp_path / "ours"
    ours.mkdir()
    (ours / "model.onnx").write_bytes(made.SerializeToString())
    origin = weight_source(card_of("ocr-korean"), LINES, MODELS / "ocr-korean")
    (ours / "weights.bin").write_bytes(b"".join(weights.stream(derived_table, "", {}, origin)))

    stored = {item.name: numpy_helper.to_array(item) for item in onnx.load(theirs).graph.initializer}
    content = (ours / "weights.bin").read_bytes()
    kinds = {"int8": np.int8, "float32": np.float32, "int32": np.int32}
    found = {
        item.name: np.frombuffer(content, kinds[item.dtype], item.count, item.offset).reshape(item.shape)
        for item in derived_table.tensors
    }
    for name in tensors:
        if name.endswith(".weight"):
            assert (stored[f"{name}_scale"] == found[f"{name}.scale"]).all(), name
            assert (stored[f"{name}_quantized"] == found[f"{name}.q"]).all(), name

    test = {"lines": drawn_inputs("lines", 2, seed=12)}
    reference, one, two = (session(path).run(None, test)[0] for path in (graph, ours / "model.onnx", theirs))
    our_db, their_db = sqnr_db(reference, one, "chars"), sqnr_db(reference, two, "chars")
    assert our_db > their_db - 2, (our_db, their_db)


def test_integer_kernels_are_used(tmp_path: Path, model_cache: Path) -> None:
    """The graph is one that ONNX Runtime recognises: no convolution is left in float."""
    runtime = pytest.importorskip("onnxruntime")
    for model, role in (("ocr-korean", LINES), ("cctv-detect", "detector")):
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        runtime.InferenceSession(built(model, "int8", model_cache)[role].path, options, ["CPUExecutionProvider"])
        operators = {
            node.op_type for node in onnx.load(tmp_path / "optimised.onnx", load_external_data=False).graph.node
        }
        assert "QLinearConv" in operators
        assert not operators & {"Conv", "FusedConv"}


@pytest.mark.parametrize("activations", ["uint8", "int8"])
def test_seven_bits_do_not_saturate(activations: str, tmp_path: Path) -> None:
    """The largest products there can be, through integer kernels and through float ones: the same answer.

    With eight bits they differ on x86 without VNNI, where pairs of products saturate at int16.
    """
    runtime = pytest.importorskip("onnxruntime")
    scheme = quantise.SCHEMES["int8" if activations == "uint8" else "s8s8"]
    node = onnx.helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv", kernel_shape=(3, 3))
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph([node], "g", [info("x", 1, (1, 64, 8, 8))], [info("y", 1, (1, 4, 6, 6))])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    table = weights.lay_out([("w", (4, 64, 3, 3), weights.Stored(array="w")), ("b", (4,), weights.Stored(array="b"))])
    arrays = {"w": np.ones((4, 64, 3, 3), np.float32), "b": np.zeros(4, np.float32)}
    made, quantised = quantise.quantise(model, table, {"x": Range(0.0, 1.0), "y": Range(0.0, 600.0)}, scheme)
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    content = b"".join(weights.stream(quantised, "", {}, weights.Source(table, "", arrays)))
    (tmp_path / "weights.bin").write_bytes(content)
    found = []
    for level in (runtime.GraphOptimizationLevel.ORT_DISABLE_ALL, runtime.GraphOptimizationLevel.ORT_ENABLE_ALL):
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = level
        running = runtime.InferenceSession(str(tmp_path / "model.onnx"), options, ["CPUExecutionProvider"])
        found.append(running.run(None, {"x": np.ones((1, 64, 8, 8), np.float32)})[0])
    assert np.abs(found[0] - 576).max() < 3
    assert (found[0] == found[1]).all()


def test_scales_cover_their_range_and_zero() -> None:
    int8, s8s8, a16w8 = quantise.SCHEMES.values()
    assert quantise.step_of(Range(0.0, 5.1), int8) == quantise.Step(float(np.float32(5.1) / np.float32(255)), 0)
    assert quantise.step_of(Range(-1.0, 1.0), int8).zero_point in (127, 128)
    assert quantise.step_of(Range(2.0, 5.0), int8).zero_point == 0
    assert quantise.step_of(Range(-3.0, -1.0), int8).zero_point == 255
    assert quantise.step_of(Range(-4.0, 1.0), s8s8) == quantise.Step(float(np.float32(4) / np.float32(127)), 0)
    assert quantise.step_of(Range(0.0, 0.0), a16w8) == quantise.Step(1.0, 0)


def test_a_missing_range_is_named(lines: tuple[onnx.ModelProto, weights.Table, dict[str, Floats]]) -> None:
    model, table, _ = lines
    ranges = load_ranges(MODELS / "ocr-korean" / f"{LINES}.ranges.json").ranges
    ranges.pop("lines")
    with pytest.raises(DataError, match="no activation range for lines"):
        quantise.quantise(model, table, ranges, quantise.SCHEMES["int8"])


def test_only_what_a_graph_can_be_built_in(lines: tuple[onnx.ModelProto, weights.Table, dict[str, Floats]]) -> None:
    model, table, _ = lines
    assert precisions.offered(model) == precisions.VISION
    with pytest.raises(ValueError, match="not offered in int4"):
        precisions.rewritten(model, table, "int4", {})


def test_angles_and_norms_stay_float(model_cache: Path) -> None:
    graph = onnx.load(built(SMALL, "fp16", model_cache)["decoder"].path, load_external_data=False).graph
    types = {item.name: item.data_type for item in graph.initializer}
    assert types["rope.frequencies"] == onnx.TensorProto.FLOAT
    assert types["embed.weight.float16"] == onnx.TensorProto.FLOAT16
    assert onnx.TensorProto.FLOAT not in {kind for name, kind in types.items() if ".weight" in name}
    assert set(half.HALVES) == {"fp16", "bf16"}


def test_only_products_have_small_weights(model_cache: Path) -> None:
    graph = onnx.load(built(SMALL, "int4", model_cache)["decoder"].path, load_external_data=False).graph
    types = {item.name: item.data_type for item in graph.initializer}
    assert types["embed.weight"] == onnx.TensorProto.FLOAT
    assert types["layers.0.attention.norm.weight"] == onnx.TensorProto.FLOAT
    assert types["mix.weight.q"] == onnx.TensorProto.INT4
    blocked = [node for node in graph.node if node.op_type == "DequantizeLinear"]
    sizes = {attribute.name: attribute.i for attribute in blocked[0].attribute}
    assert (len(blocked), sizes) == (57, {"axis": 0, "block_size": blocks.BLOCK})


@pytest.mark.parametrize("content", ["", "{}", '{"schema":"npubench.ranges/9"}', "\x00"])
def test_ranges_that_are_none(content: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(ArtifactError, match=r"r\.json: not activation ranges"):
        load_ranges(path)
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_ranges(tmp_path / "absent.json")


def test_a_card_keeps_its_other_lines() -> None:
    spec = card_of(SMALL).builds["int8"]
    text = (
        'precisions = ["fp32", "fp8"]\n# why\n\n[builds.int8.decoder]\nfile = "old"\n\n# of the static one\n'
        '[builds."fp32+static".decoder]\nfile = "kept"\n'
    )
    found = with_builds(text, {"int8": spec})
    assert found.startswith('precisions = ["fp32", "int8", "fp8"]\n# why\n\n# of the static one\n[builds."fp32+static"')
    assert found.count("[builds.int8.decoder]") == 1
    assert found == with_builds(found, {"int8": spec})


def test_a_source_that_is_none(tmp_path: Path) -> None:
    import msgspec

    card = card_of(SMALL)
    graph = card.builds["fp16"]["decoder"]
    assert graph.weights is not None
    changed = msgspec.structs.replace(graph, weights=msgspec.structs.replace(graph.weights, source="encoder"))
    broken = msgspec.structs.replace(card, builds={"fp16": {"decoder": changed}})
    with pytest.raises(Exception, match=r'weights\.source: found "encoder"; expected a graph with weights'):
        materialise(broken, MODELS / SMALL, tmp_path, "fp16")
    room = Path(shutil.copytree(MODELS / SMALL, tmp_path / "room"))
    table = room / "decoder.fp16.json"
    table.write_text(table.read_text().replace('"source":"mix.weight"', '"source":"absent"'))
    with pytest.raises(ArtifactError, match=r"decoder\.fp16\.json: graphs\.decoder has no tensor 'absent'"):
        materialise(card, room, tmp_path, "fp16")


def test_trained_weights_are_a_source_like_any_other(
    lines: tuple[onnx.ModelProto, weights.Table, dict[str, Floats]], tmp_path: Path
) -> None:
    """A room of kind `file` gets its precisions by the same steps; only values and pins differ."""
    import msgspec

    model, _, tensors = lines
    source = MODELS / "ocr-korean"
    room = Path(shutil.copytree(source, tmp_path / "room"))
    card = card_of("ocr-korean")
    spec = card.graphs[LINES].weights
    assert spec is not None
    stored = tuple(
        msgspec.structs.replace(tensor, init=weights.Stored(array=tensor.name))
        for tensor in weights.load_table(source / spec.table).tensors
    )
    table = weights.Table(bytes=spec.bytes, tensors=stored)
    arrays = {name: value.astype(np.float16) for name, value in tensors.items()}
    (room / spec.table).write_bytes(weights.dump_table(table))
    np.savez_compressed(room / f"{LINES}.npz", allow_pickle=False, **arrays)
    digest = hashlib.sha256(b"".join(weights.stream(table, "", arrays))).hexdigest()
    trained = msgspec.structs.replace(spec, kind="file", seed=None, arrays=f"{LINES}.npz", sha256=digest)
    graphs = {**card.graphs, LINES: msgspec.structs.replace(card.graphs[LINES], weights=trained)}
    card = msgspec.structs.replace(card, graphs=graphs)
    ranges = load_ranges(source / f"{LINES}.ranges.json").ranges
    origin = weight_source(card, LINES, room)
    made = precisions.write_build(room, LINES, "int8", model, table, origin, ranges)
    assert made.sha256 == card.builds["int8"][LINES].sha256
    assert made.weights is not None
    assert made.weights.sha256 != card.builds["int8"][LINES].weights.sha256  # type: ignore[union-attr]
    card = msgspec.structs.replace(card, builds={"int8": {LINES: made}})
    assert list(materialise(card, room, tmp_path / "cache", "int8")) == [LINES]


def test_every_rule_is_listed() -> None:
    assert set(derived.RULES) == set(derived.Rule.__args__)  # type: ignore[attr-defined]
