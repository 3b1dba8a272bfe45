"""The user's own checkpoint becomes a model, or is refused by the name of what is wrong with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest

from npubench import cards, discovery
from npubench.build.data.sets import digest_folder
from npubench.build.hf_names import origins
from npubench.build.own_llm import artifacts
from npubench.build.own_weights import OwnModel, with_own_weights
from npubench.errors import DataError, UsageError
from npubench.spi import Request
from npubench.workloads.llm import Generation
from tests.build import made_checkpoints as made
from tests.workloads.fakes import CountingClock

MODELS = discovery.builtin_cards() / "models"


def silent(_text: str) -> None:
    pass


@pytest.fixture(scope="module")
def room() -> cards.ModelCard:
    card = cards.load(MODELS / "llm-chat-8m" / "model.toml", cards.ModelCard)
    return msgspec.structs.replace(card, params={**card.params, **made.PARAMS})


def own(room: cards.ModelCard, path: Path, cache: Path, said: list[str] | None = None) -> OwnModel:
    say = silent if said is None else said.append
    data = MODELS / "data" / "civic-prompts"
    return with_own_weights(room, MODELS / room.id, path, cache=cache, data=data, progress=say)


@pytest.mark.parametrize("family", list(made.FAMILIES))
def test_weights_are_the_checkpoints(family: str, room: cards.ModelCard, tmp_path: Path) -> None:
    config = made.config_of(family)
    folder = made.write(tmp_path / "My Model.v2", config)
    found = own(room, folder, tmp_path / "cache")
    card = found.card
    assert (card.id, card.workload, card.data) == ("llm-own-my-model-v2", "llm", "civic-prompts")
    assert card.params["vocab"] == 320
    assert set(card.builds) == ({"fp32+fused"} if family == "exaone4" else {"fp32+fused", "fp32+static"})
    path = Path(artifacts(card, folder, tmp_path / "cache", "fp32", "portable", silent)["decoder"].path)
    model = onnx.load(path)
    tensors = made.drawn(config)
    names = origins(made.shape_of(made.Reader(path, config), 48))
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.name in names}
    assert stored.keys() == names.keys()
    for name, array in stored.items():
        theirs = tensors[names[name].name]
        np.testing.assert_array_equal(array, theirs.T if names[name].transposed else theirs)
    onnx.checker.check_model(str(path))


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_half_precision_is_widened(dtype: str, room: cards.ModelCard, tmp_path: Path) -> None:
    config = made.config_of("llama")
    found = own(room, made.write(tmp_path / "m", config, dtype=dtype), tmp_path / "cache")
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(f"{found.room}/decoder.onnx").graph.initializer}
    wanted = made.drawn(config)["model.embed_tokens.weight"]
    np.testing.assert_allclose(stored["embed.weight"], wanted, rtol=2**-7, atol=1e-6)


def test_shards_are_one_model(room: cards.ModelCard, tmp_path: Path) -> None:
    config = made.config_of("qwen3")
    whole = own(room, made.write(tmp_path / "whole" / "m", config), tmp_path / "cache")
    parts = own(room, made.write_sharded(tmp_path / "parts" / "m", config), tmp_path / "cache")
    assert whole.card == parts.card
    # Other bytes on disk, and so another folder in the cache, though the model is the same.
    assert whole.room != parts.room


@pytest.mark.parametrize("variant", ["fused", "static"])
@pytest.mark.parametrize("family", list(made.FAMILIES))
def test_every_form_says_the_same(family: str, variant: str, room: cards.ModelCard, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from npubench.adapters.ort import OrtAdapter

    wide = {"sliding_window": 64} if family == "exaone4" and variant == "static" else {}
    folder = made.write(tmp_path / "m", made.config_of(family, **wide))
    found = own(room, folder, tmp_path / "cache")
    assert found.data is not None
    tokens = []
    for name in ("portable", variant):
        adapter = OrtAdapter("CPUExecutionProvider", None)
        files = artifacts(found.card, folder, tmp_path / "cache", "fp32", name, silent)
        sessions = {role: adapter.open(file, {"intra_op_num_threads": 1}) for role, file in files.items()}
        request = Request(scope="device", params=found.card.params, data=found.data)
        bound = Generation().bind(sessions, request, CountingClock())
        tokens.append([bound.tokens(index).tolist() for index in range(2)])
    assert tokens[0] == tokens[1]


def test_the_second_time_nothing_is_written(room: cards.ModelCard, tmp_path: Path) -> None:
    folder = made.write(tmp_path / "m", made.config_of("llama"))
    first = own(room, folder, tmp_path / "cache")
    stamp = (Path(first.room) / "weights.bin").stat()
    said: list[str] = []
    assert own(room, folder, tmp_path / "cache", said) == first
    assert (Path(first.room) / "weights.bin").stat() == stamp
    assert not any("writing" in line for line in said)
    assert first.data is not None
    assert first.data_sha256 == digest_folder(Path(first.data))
    assert json.loads((Path(first.data) / "tokenizer.json").read_text()) == made.TOKENIZER


@pytest.mark.parametrize("victim", ["weights.bin", "decoder.onnx", "own.json"])
def test_a_damaged_cache_heals(victim: str, room: cards.ModelCard, tmp_path: Path) -> None:
    folder = made.write(tmp_path / "m", made.config_of("llama"))
    found = own(room, folder, tmp_path / "cache")
    path = Path(found.room) / victim
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    made_again = artifacts(found.card, folder, tmp_path / "cache", "fp32", "portable", silent)
    assert path.read_bytes() == content
    assert Path(made_again["decoder"].path) == Path(found.room) / "decoder.onnx"


def test_a_checkpoint_that_changed_is_another_model(room: cards.ModelCard, tmp_path: Path) -> None:
    config = made.config_of("llama")
    folder = made.write(tmp_path / "m", config)
    found = own(room, folder, tmp_path / "cache")
    (folder / "model.safetensors").write_bytes(made.safetensors_bytes(made.drawn(config, seed=2)))
    again = own(room, folder, tmp_path / "cache")
    assert cards.semantics(again.card) != cards.semantics(found.card)
    shutil.rmtree(found.room)
    with pytest.raises(DataError, match="changed since the run was planned"):
        artifacts(found.card, folder, tmp_path / "cache", "fp32", "portable", silent)
    with pytest.raises(UsageError, match="cannot be built in int8"):
        artifacts(found.card, folder, tmp_path / "cache", "int8", "portable", silent)


def test_tensors_that_do_not_belong_are_all_named(room: cards.ModelCard, tmp_path: Path) -> None:
    config = made.config_of("llama")
    tensors = made.drawn(config)
    del tensors["model.norm.weight"]
    tensors["model.layers.0.mlp.router.weight"] = np.zeros((2, 2), np.float32)
    tensors["lm_head.weight"] = np.zeros((320, 47), np.float32)
    with pytest.raises(DataError) as caught:
        own(room, made.write(tmp_path / "m", config, tensors), tmp_path / "cache")
    said = str(caught.value)
    assert "missing: model.norm.weight" in said
    assert "extra: model.layers.0.mlp.router.weight" in said
    assert "lm_head.weight [320, 47] ≠ [320, 48]" in said
    assert not (tmp_path / "cache").exists()


def test_of_many_tensors_ten_are_named(room: cards.ModelCard, tmp_path: Path) -> None:
    """The weights of one family with the config of another."""
    folder = made.write(tmp_path / "m", made.config_of("qwen3"), made.drawn(made.config_of("llama")))
    with pytest.raises(DataError, match=r"missing: (\S+, ){7}\S+; extra: (\S+, ){9}\S+ and 18 more"):
        own(room, folder, tmp_path / "cache")


def test_what_is_passed_over_is_said(room: cards.ModelCard, tmp_path: Path) -> None:
    config = made.config_of("qwen2")
    tensors = made.drawn(config)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    tensors["model.layers.1.self_attn.rotary_emb.inv_freq"] = np.zeros(8, np.float32)
    found = own(room, made.write(tmp_path / "m", config, tensors), tmp_path / "cache")
    assert found.notes == ("not used: lm_head.weight, model.layers.1.self_attn.rotary_emb.inv_freq",)


CONFIGS: list[tuple[str, dict[str, Any], str]] = [
    ("llama", {"model_type": "mamba"}, r"model_type: found 'mamba'; expected one of llama, qwen2, qwen3, exaone4"),
    ("llama", {"hidden_act": "gelu"}, "hidden_act: found 'gelu'"),
    ("llama", {"quantization_config": {"bits": 4}}, "quantization_config"),
    ("llama", {"num_key_value_heads": 3}, "num_key_value_heads: found 3; expected a divisor"),
    ("llama", {"hidden_size": None}, "hidden_size: found None"),
    ("llama", {"hidden_size": 48.5}, "hidden_size: found 48.5"),
    ("llama", {"num_hidden_layers": 10**9}, "num_hidden_layers"),
    ("llama", {"rms_norm_eps": 0}, "rms_norm_eps: found 0"),
    ("llama", {"head_dim": 15}, "head_dim: found 15; expected an even"),
    ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
    ("llama", {"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rope_scaling.rope_type: found 'yarn'"),
    ("llama", {"max_position_embeddings": 32, "rope_scaling": {"type": "dynamic", "factor": 2.0}}, "dynamic"),
    ("llama", {"rope_scaling": {"rope_type": "longrope", "short_factor": [1.0]}}, "short_factor"),
    ("llama", {"rope_parameters": {"rope_type": "linear"}}, "rope_parameters.factor: found None"),
    ("llama", {"attention_bias": "yes"}, "attention_bias: found 'yes'; expected true or false"),
    ("qwen2", {"layer_types": ["full_attention"]}, "layer_types"),
    ("qwen3", {"layer_types": ["linear_attention"] * 4}, "layer_types"),
    ("exaone4", {"sliding_window": None, "layer_types": ["sliding_attention"] * 4}, "sliding_window: found None"),
    ("exaone4", {"sliding_window_pattern": "LLLG"}, "sliding_window_pattern: found 'LLLG'"),
]


@pytest.mark.parametrize(("family", "change", "expected"), CONFIGS)
def test_a_config_that_cannot_be_computed_exactly(
    family: str, change: dict[str, Any], expected: str, room: cards.ModelCard, tmp_path: Path
) -> None:
    folder = made.write(tmp_path / "m", made.config_of(family))
    (folder / "config.json").write_text(json.dumps(made.config_of(family, **change)))
    with pytest.raises(DataError, match=expected) as caught:
        own(room, folder, tmp_path / "cache")
    assert str(folder / "config.json") in str(caught.value)


def test_old_and_new_spellings_of_positions_agree(tmp_path: Path) -> None:
    def rope(**changes: Any) -> Any:
        return made.shape_of(made.Reader(tmp_path, made.config_of("llama", **changes)), 48).rope

    llama3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 128}
    old = rope(rope_theta=5e5, rope_scaling={"type": "llama3", **llama3})
    assert old == rope(rope_theta=None, rope_parameters={"rope_theta": 5e5, "rope_type": "llama3", **llama3})
    assert (old.theta, old.kind, old.factor, old.original) == (5e5, "llama3", 8.0, 128)
    assert rope(rope_scaling={"type": "dynamic", "factor": 4.0}) == rope()


def test_a_trained_length_that_is_too_short_is_said(room: cards.ModelCard, tmp_path: Path) -> None:
    folder = made.write(tmp_path / "m", made.config_of("llama", max_position_embeddings=32))
    (note,) = own(room, folder, tmp_path / "cache").notes
    assert "trained on 32 positions; a run goes to 48" in note


class Bomb:
    """What a hostile pickle would do: leave a file behind."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("bomb"),))


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.pt", "weights.pth"])
@pytest.mark.parametrize("with_config", [True, False])
def test_a_pickle_is_refused_unread(
    file: str, with_config: bool, room: cards.ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    monkeypatch.chdir(tmp_path)
    folder = made.write(tmp_path / "m", made.config_of("llama"))
    (folder / "model.safetensors").unlink()
    if not with_config:
        (folder / "config.json").unlink()
    (folder / file).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match=f"only pickled weights \\({file}\\).*can run any code") as caught:
        own(room, folder, tmp_path / "cache")
    assert "safetensors" in (caught.value.hint or "")
    assert not (tmp_path / "bomb").exists()


def test_folders_that_are_no_checkpoint(room: cards.ModelCard, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        own(room, tmp_path / "nowhere", tmp_path / "cache")
    (tmp_path / "w.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match="is a file; llm-chat-8m expects a folder"):
        own(room, tmp_path / "w.safetensors", tmp_path / "cache")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"config\.json: cannot be read"):
        own(room, tmp_path / "empty", tmp_path / "cache")
    vision = cards.load(MODELS / "cctv-detect" / "model.toml", cards.ModelCard)
    with pytest.raises(DataError, match="cctv-detect"):
        own(vision, tmp_path / "empty", tmp_path / "cache")
    folder = made.write(tmp_path / "m", made.config_of("llama"))
    (folder / "config.json").write_text("{")
    with pytest.raises(DataError, match=r"config\.json: not valid JSON"):
        own(room, folder, tmp_path / "cache")
    (folder / "config.json").write_text("[]")
    with pytest.raises(DataError, match=r"config\.json: found no table"):
        own(room, folder, tmp_path / "cache")


def test_an_index_that_lies(room: cards.ModelCard, tmp_path: Path) -> None:
    folder = made.write_sharded(tmp_path / "m", made.config_of("llama"))
    index = folder / "model.safetensors.index.json"
    table = json.loads(index.read_text())

    def refused(match: str, **changes: str) -> None:
        index.write_text(json.dumps({"weight_map": {**table["weight_map"], **changes}}))
        with pytest.raises(DataError, match=match):
            own(room, folder, tmp_path / "cache")

    refused(r"weight_map names '\.\./x\.safetensors'", a="../x.safetensors")
    refused(r"weight_map names 'x\.bin'", a="x.bin")
    refused(r"x\.safetensors: cannot be read", a="x.safetensors")
    refused("ghost is said to be in model-00001", ghost="model-00001-of-00003.safetensors")
    name = "model.norm.weight"
    wrong = next(file for file in sorted(set(table["weight_map"].values())) if file != table["weight_map"][name])
    refused(f"{name} is said to be in {wrong}", **{name: wrong})
    index.write_text("{")
    with pytest.raises(DataError, match="not a readable JSON index"):
        own(room, folder, tmp_path / "cache")
    index.unlink()
    with pytest.raises(DataError, match=r"neither model\.safetensors nor"):
        own(room, folder, tmp_path / "cache")


def test_a_tokenizer_that_does_not_belong(room: cards.ModelCard, tmp_path: Path) -> None:
    folder = made.write(tmp_path / "m", made.config_of("llama"))
    path = folder / "tokenizer.json"
    big = {**made.TOKENIZER, "added_tokens": [{"id": 320, "content": "<x>"}]}
    path.write_text(json.dumps(big))
    with pytest.raises(DataError, match=r"tokenizer\.json: has token 320, but config\.json has vocab_size 320"):
        own(room, folder, tmp_path / "cache")
    path.write_text('{"model": {}}')
    with pytest.raises(DataError, match=r"expected a tokenizer\.json"):
        own(room, folder, tmp_path / "cache")
    path.unlink()
    with pytest.raises(DataError, match=r"tokenizer\.json: no such file"):
        own(room, folder, tmp_path / "cache")
    path.write_text(json.dumps({"model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}}}))
    (note,) = own(room, folder, tmp_path / "cache").notes
    assert "2 tokens of a vocabulary of 320" in note


def test_a_link_counts_by_its_content(room: cards.ModelCard, tmp_path: Path) -> None:
    """The Hugging Face cache is made of links."""
    real = made.write(tmp_path / "blobs", made.config_of("llama"))
    folder = tmp_path / "m"
    folder.mkdir()
    for path in real.iterdir():
        (folder / path.name).symlink_to(path)
    assert own(room, folder, tmp_path / "cache").room == own(room, real, tmp_path / "cache").room
