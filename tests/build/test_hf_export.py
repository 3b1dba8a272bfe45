"""A room written as a Hugging Face folder is the room: our own reader makes the same model of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from npubench import cards, discovery
from npubench.build import hf_export, safetensors, weights
from npubench.build.hf_export import config, export
from npubench.build.materialise import materialise
from npubench.build.nets import SHAPES
from npubench.build.nets.rope import frequencies
from npubench.build.own_llm import artifacts
from npubench.build.own_weights import with_own_weights
from npubench.errors import StoreError, UsageError
from npubench.spi import Request
from npubench.workloads.llm import Generation
from tests.build import made_checkpoints as made
from tests.workloads.fakes import CountingClock

MODELS = discovery.builtin_cards() / "models"
ROOM = MODELS / "llm-chat-8m"
DATA = MODELS / "data" / "civic-prompts"


def silent(_text: str) -> None:
    pass


@pytest.fixture(scope="module")
def card() -> cards.ModelCard:
    return cards.load(ROOM / "model.toml", cards.ModelCard)


def test_there_and_back_is_the_same_model(card: cards.ModelCard, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from npubench.adapters.ort import OrtAdapter

    export(card, ROOM, DATA, tmp_path / "hf", silent)
    found = with_own_weights(card, ROOM, tmp_path / "hf", cache=tmp_path / "cache", data=DATA)
    assert found.notes == ()
    tokens = []
    for files, data in (
        (materialise(card, ROOM, tmp_path / "cache"), DATA),
        (artifacts(found.card, tmp_path / "hf", tmp_path / "cache", "fp32", "portable", silent), found.data),
    ):
        session = OrtAdapter("CPUExecutionProvider", None).open(files["decoder"], {"intra_op_num_threads": 1})
        request = Request(scope="device", params={**card.params, "inputs": 2}, data=str(data))
        bound = Generation().bind({"decoder": session}, request, CountingClock())
        tokens.append([bound.tokens(index).tolist() for index in range(2)])
    assert tokens[0] == tokens[1]


def test_tensors_are_the_rooms(card: cards.ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In shards, too, and the folded head is the product."""
    monkeypatch.setattr(hf_export, "SHARD_BYTES", 12_000_000)
    export(card, ROOM, None, tmp_path / "hf", silent)
    index = json.loads((tmp_path / "hf" / "model.safetensors.index.json").read_text())
    names = sorted(set(index["weight_map"].values()))
    assert names == [f"model-{n:05d}-of-{len(names):05d}.safetensors" for n in range(1, len(names) + 1)]
    assert len(names) >= 3
    files = {name: safetensors.read(tmp_path / "hf" / name) for name in names}
    assert index["metadata"]["total_size"] == sum(4 * t.count for file in files.values() for t in file.tensors.values())

    def theirs(name: str) -> np.ndarray:
        file = files[index["weight_map"][name]]
        return np.concatenate(list(safetensors.values(file, name))).reshape(file.tensors[name].shape)

    table = {t.name: t for t in weights.load_table(ROOM / "decoder.json").tensors}
    ours = {name: weights.whole(t, "llm-chat-8m/1", {}) for name, t in table.items() if "layers.3" in name}
    np.testing.assert_array_equal(theirs("model.layers.3.mlp.down_proj.weight").T, ours["layers.3.feed.down.weight"])
    np.testing.assert_array_equal(
        theirs("model.layers.3.post_attention_layernorm.weight"), ours["layers.3.feed.norm.weight"]
    )
    embed, mix = (weights.whole(table[f"{name}.weight"], "llm-chat-8m/1", {}) for name in ("embed", "mix"))
    np.testing.assert_array_equal(theirs("model.embed_tokens.weight"), embed)
    np.testing.assert_allclose(theirs("lm_head.weight"), embed @ mix.T, atol=1e-4)


@pytest.mark.parametrize("model", list(SHAPES))
def test_the_config_says_what_the_room_is(model: str, tmp_path: Path) -> None:
    """Read back by our own reader: the same shape, with the head untied and the frequencies the same."""
    shape = SHAPES[model]
    again = made.shape_of(made.Reader(tmp_path, json.loads(json.dumps(config(shape)))), 160)
    for field in ("layers", "width", "heads", "kv_heads", "head_dim", "inner", "vocab", "epsilon", "biased"):
        assert getattr(again, field) == getattr(shape, field), field
    assert not again.tied
    half = shape.head_dim // 2
    np.testing.assert_allclose(frequencies(again.rope, half), frequencies(shape.rope, half), rtol=2e-7)


def test_the_largest_room_goes_in_parts_of_four_gigabytes() -> None:
    room = MODELS / "llm-chat-8b"
    parts = hf_export._parts(SHAPES["llm-chat-8b"], weights.load_table(room / "decoder.json"), "")
    shards = hf_export._shards(parts)
    sizes = [sum(part.bytes for part in shard) for shard in shards]
    assert max(sizes) <= hf_export.SHARD_BYTES
    assert sum(sizes) == 8_030_261_248 * 4
    assert [part.name for shard in shards for part in shard] == [part.name for part in parts]
    # Turned over in memory one at a time.
    assert max(part.bytes for part in parts if "proj" in part.name) < 250_000_000


def test_what_cannot_be_written(card: cards.ModelCard, tmp_path: Path) -> None:
    vision = cards.load(MODELS / "cctv-detect" / "model.toml", cards.ModelCard)
    with pytest.raises(UsageError, match="cctv-detect: cannot be written as hf"):
        export(vision, MODELS / "cctv-detect", None, tmp_path / "hf", silent)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(UsageError, match="is there already"):
        export(card, ROOM, None, tmp_path / "full", silent)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        export(card, ROOM, None, tmp_path / "file" / "hf", silent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]


def test_an_empty_folder_is_taken(card: cards.ModelCard, tmp_path: Path) -> None:
    (tmp_path / "hf").mkdir()
    export(card, ROOM, DATA, tmp_path / "hf", silent)
    assert (tmp_path / "hf" / "config.json").is_file()
