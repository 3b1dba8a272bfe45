"""Small checkpoints of each family, written byte by byte by the tests themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from npubench.build.checkpoint import shapes
from npubench.build.checkpoint_config import Reader, shape_of
from npubench.build.hf_names import origins
from npubench.build.variants import emit_all
from npubench.workloads.bpe import byte_characters

COMMON: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 320,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {"attention_bias": True, "mlp_bias": True},
    "qwen2": {"tie_word_embeddings": True},
    "qwen3": {},
    "exaone4": {"sliding_window": 24, "sliding_window_pattern": 4},
}
TOKENIZER = {
    "version": "1.0",
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    "post_processor": None,
    "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "model": {"type": "BPE", "vocab": {char: byte for byte, char in enumerate(byte_characters())}, "merges": []},
}
PARAMS = {"prompt_tokens": 40, "new_tokens": 8, "inputs": 2}

Floats = npt.NDArray[np.float32]


def config_of(family: str, **changes: Any) -> dict[str, Any]:
    return {"model_type": family, **COMMON, **FAMILIES[family], **changes}


def drawn(config: dict[str, Any], seed: int = 1) -> dict[str, Floats]:
    """Random tensors as the config wants them, under their Hugging Face names."""
    shape = shape_of(Reader(Path("config.json"), config), 48)
    table = shapes(emit_all(shape, PARAMS)[0].table)
    generator = np.random.Generator(np.random.PCG64(seed))
    found = {}
    for ours, origin in origins(shape).items():
        sizes = origin.shape(table[ours])
        values = generator.standard_normal(sizes) * (0.1 if "norm" in ours else sizes[-1] ** -0.5)
        found[origin.name] = np.asarray(values + (1 if "norm" in ours else 0), np.float32)
    return found


def safetensors_bytes(tensors: dict[str, Floats], dtype: str = "F32") -> bytes:
    entries: dict[str, Any] = {}
    body = b""
    for name, array in tensors.items():
        if dtype == "BF16":
            raw = (array.view(np.uint32) >> 16).astype("<u2").tobytes()
        else:
            raw = array.astype({"F32": "<f4", "F16": "<f2"}[dtype]).tobytes()
        entries[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    head = json.dumps(entries).encode()
    return len(head).to_bytes(8, "little") + head + body


def write(folder: Path, config: dict[str, Any], tensors: dict[str, Floats] | None = None, dtype: str = "F32") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    (folder / "model.safetensors").write_bytes(safetensors_bytes(tensors or drawn(config), dtype))
    return folder


def write_sharded(folder: Path, config: dict[str, Any], parts: int = 3) -> Path:
    write(folder, config)
    (folder / "model.safetensors").unlink()
    tensors = drawn(config)
    names = sorted(tensors)
    index = {}
    for part in range(parts):
        file = f"model-{part + 1:05d}-of-{parts:05d}.safetensors"
        mine = {name: tensors[name] for name in names[part::parts]}
        (folder / file).write_bytes(safetensors_bytes(mine))
        index |= dict.fromkeys(mine, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return folder
