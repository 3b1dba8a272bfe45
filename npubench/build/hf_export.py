"""Writes a language model's room as a Hugging Face folder that transformers, servers and vendor compilers load.

Guarantees the same weights, streamed: config.json, generation_config.json, safetensors in float32 (in parts of at most
4 GB), tokenizer.json and tokenizer_config.json, the same bytes every time; the folder appears at once or not at all;
less than a GiB of memory. Two things of ours no family has, and both are folded in: the `mix` matrix before the tied
head becomes a head of its own (table · mixᵀ, one float32 product), and rotary frequencies rounded to twelve bits are
written as `longrope` factors.

Not aware of: the user's own checkpoints.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.build import safetensors, weights
from npubench.build.hf_names import origins
from npubench.build.hf_words import tokenizer, tokenizer_config
from npubench.build.nets import SHAPES
from npubench.build.nets.llm import Shape
from npubench.build.nets.rope import Rope, frequencies
from npubench.cards import ModelCard
from npubench.errors import StoreError, UsageError
from npubench.lang import here
from npubench.units import show_bytes

Progress = Callable[[str], None]
Floats = npt.NDArray[np.float32]

SHARD_BYTES = 4_000_000_000

# More positions than any prompt of ours; the seeded models were trained on none.
_POSITIONS = 8192


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of the folder: its name there, its shape there, and how its values come, in row order."""

    name: str
    shape: tuple[int, ...]
    values: Callable[[], Iterator[Floats]]

    @property
    def bytes(self) -> int:
        return 4 * math.prod(self.shape)


def export(
    card: ModelCard, room: Path, data: Path | None, output: Path, progress: Progress, *, words: bool = False
) -> Sequence[str]:
    """Writes `output`, which must not be there or be empty. Returns sentences about what was folded.

    `words`: with a tokenizer of visible words in place of the data's (`hf_words`).
    Raises UsageError for a model that is none of ours or a folder with something in it, StoreError, ArtifactError.
    """
    if card.id not in SHAPES:
        known = ", ".join(SHAPES)
        raise UsageError(
            here(f"{card.id}: cannot be written as hf", f"{card.id}: hf 형식으로 쓸 수 없습니다"),
            hint=here(f"language models are {known}", f"언어 모델: {known}"),
        )
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(
            here(f"{output}: is there already", f"{output}: 이미 있습니다"),
            hint=here("name a new folder with -o", "-o로 새 폴더를 지정하십시오"),
        )
    shape, spec = SHAPES[card.id], card.graphs["decoder"].weights
    assert spec is not None
    parts = _parts(shape, weights.load_table(room / spec.table), spec.seed or "")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=output.parent))
        try:
            made = work / "made"
            made.mkdir()
            _write_weights(parts, made, progress)
            _dump(made / "config.json", config(shape))
            _dump(made / "generation_config.json", generation_config())
            if words:
                _dump(made / "tokenizer.json", tokenizer(shape.vocab))
                _dump(made / "tokenizer_config.json", tokenizer_config(_POSITIONS))
            elif data is not None:
                shutil.copyfile(data / "tokenizer.json", made / "tokenizer.json")
                _dump(made / "tokenizer_config.json", _tokenizer_config(made / "tokenizer.json"))
            if output.exists():
                output.rmdir()
            made.rename(output)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(
            here(f"{output}: cannot be written: {reason}", f"{output}: 쓸 수 없습니다: {reason}"),
            hint=here(
                "free some space, or name another folder with -o", "공간을 확보하거나 -o로 다른 폴더를 지정하십시오"
            ),
        ) from error
    return _said(shape, output)


def config(shape: Shape) -> dict[str, Any]:
    """The config.json: Qwen2 where queries have biases, else Llama. No end-of-text token, so that lengths are equal."""
    qwen = "query" in shape.biased
    tied = shape.tied and not shape.mixed
    return {
        "architectures": ["Qwen2ForCausalLM" if qwen else "LlamaForCausalLM"],
        "model_type": "qwen2" if qwen else "llama",
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "vocab_size": shape.vocab,
        "hidden_act": "silu",
        "rms_norm_eps": shape.epsilon,
        "max_position_embeddings": _POSITIONS * (16 if shape.rope.kind == "llama3" else 1),
        "rope_parameters": _rope(shape.rope, shape.head_dim // 2),
        "rope_theta": shape.rope.theta,
        "tie_word_embeddings": tied,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
        "dtype": "float32",
        "use_cache": True,
        **({"use_sliding_window": False} if qwen else {"attention_bias": False, "mlp_bias": False}),
    }


def generation_config() -> dict[str, Any]:
    """Greedy, and no token ends a text: what a server does unless a request says otherwise."""
    return {"do_sample": False, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}


def _rope(rope: Rope, half: int) -> dict[str, Any]:
    if rope.coarse:
        # transformers computes 1 / (factor · θ^(2i/d)).
        plain = rope.theta ** (-np.arange(half, dtype=np.float64) / half)
        factors = (plain / frequencies(rope, half).astype(np.float64)).tolist()
        return {
            "rope_type": "longrope",
            "rope_theta": rope.theta,
            "short_factor": factors,
            "long_factor": factors,
            "factor": 1.0,
            "attention_factor": 1.0,
            "original_max_position_embeddings": _POSITIONS,
        }
    if rope.kind == "llama3":
        return {
            "rope_type": "llama3",
            "rope_theta": rope.theta,
            "factor": rope.factor,
            "low_freq_factor": rope.low,
            "high_freq_factor": rope.high,
            "original_max_position_embeddings": rope.original,
        }
    return {"rope_type": "default", "rope_theta": rope.theta}


def _parts(shape: Shape, table: weights.Table, seed: str) -> list[Part]:
    """The folder's tensors: ours under their names there, and the head that `mix` is folded into."""
    names = origins(shape)
    tensors = {tensor.name: tensor for tensor in table.tensors}
    parts = []
    for name, tensor in tensors.items():
        if name == "mix.weight":
            continue
        origin = names[name]
        values = _turned(tensor, seed) if origin.transposed else _straight(tensor, seed)
        parts.append(Part(name=origin.name, shape=origin.shape(tensor.shape), values=values))
    if shape.mixed:
        embed = tensors["embed.weight"]
        parts.append(Part(name="lm_head.weight", shape=embed.shape, values=_folded(embed, tensors["mix.weight"], seed)))
    return parts


def _straight(tensor: weights.Tensor, seed: str) -> Callable[[], Iterator[Floats]]:
    return lambda: weights.values(tensor, seed, {})


def _turned(tensor: weights.Tensor, seed: str) -> Callable[[], Iterator[Floats]]:
    def values() -> Iterator[Floats]:
        matrix = _filled(tensor, seed)
        rows = max(1, weights.CHUNK_VALUES // matrix.shape[0])
        for first in range(0, matrix.shape[1], rows):
            yield np.ascontiguousarray(matrix[:, first : first + rows].T).reshape(-1)

    return values


def _folded(embed: weights.Tensor, mix: weights.Tensor, seed: str) -> Callable[[], Iterator[Floats]]:
    """(h · mix) · tableᵀ = h · (table · mixᵀ)ᵀ: rows of table · mixᵀ."""

    def values() -> Iterator[Floats]:
        turned = np.ascontiguousarray(_filled(mix, seed).T)
        width, rest = embed.shape[1], np.zeros(0, np.float32)
        for chunk in weights.values(embed, seed, {}):
            rest = np.concatenate([rest, chunk])
            whole = len(rest) // width * width
            yield (rest[:whole].reshape(-1, width) @ turned).reshape(-1)
            rest = rest[whole:]

    return values


def _filled(tensor: weights.Tensor, seed: str) -> Floats:
    """The whole tensor, with no second copy beside it."""
    matrix = np.empty(tensor.shape, np.float32)
    flat, at = matrix.reshape(-1), 0
    for chunk in weights.values(tensor, seed, {}):
        flat[at : at + len(chunk)] = chunk
        at += len(chunk)
    return matrix


def _write_weights(parts: Sequence[Part], folder: Path, progress: Progress) -> None:
    shards = _shards(parts)
    total = sum(part.bytes for part in parts)
    index: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        single = len(shards) == 1
        name = "model.safetensors" if single else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        size = show_bytes(sum(part.bytes for part in shard))
        progress(here(f"{name}: writing {size}", f"{name}: {size} 쓰는 중"))
        with (folder / name).open("wb") as file:
            file.write(safetensors.header([(part.name, part.shape) for part in shard], {"format": "pt"}))
            for part in shard:
                _write_part(part, file)
                index[part.name] = name
    if len(shards) > 1:
        _dump(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": index})


def _write_part(part: Part, file: BinaryIO) -> None:
    written = 0
    for chunk in part.values():
        written += file.write(chunk.astype("<f4", copy=False).tobytes())
    if written != part.bytes:
        raise ValueError(f"{part.name}: {written} bytes written; expected {part.bytes}")


def _shards(parts: Sequence[Part]) -> list[list[Part]]:
    """In order, each at most SHARD_BYTES long unless it holds one tensor only."""
    shards: list[list[Part]] = [[]]
    filled = 0
    for part in parts:
        if shards[-1] and filled + part.bytes > SHARD_BYTES:
            shards.append([])
            filled = 0
        shards[-1].append(part)
        filled += part.bytes
    return shards


def _tokenizer_config(path: Path) -> dict[str, Any]:
    added = msgspec.json.decode(path.read_bytes()).get("added_tokens") or []
    first = next((entry["content"] for entry in added if entry.get("special")), None)
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": _POSITIONS,
        "clean_up_tokenization_spaces": False,
        **({"eos_token": first} if first else {}),
    }


def _dump(path: Path, table: dict[str, Any]) -> None:
    path.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _said(shape: Shape, output: Path) -> Sequence[str]:
    said = [here(f"written: {output}", f"완료: {output}")]
    if shape.mixed:
        said.append(
            here(
                "the matrix before the tied head is folded into lm_head.weight, a head of its own",
                "묶인 헤드 앞의 행렬을 별도의 헤드 lm_head.weight에 합쳤습니다",
            )
        )
    if shape.rope.coarse:
        said.append(
            here(
                "rotary frequencies are rounded in this model; they are written as longrope factors",
                "이 모델은 회전 주파수를 반올림하므로 longrope 계수로 적었습니다",
            )
        )
    return said
