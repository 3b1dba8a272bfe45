"""A Hugging Face checkpoint folder, examined: every tensor that our decoder needs, by name, type and shape.

Guarantees: config, safetensors headers and tokenizer are validated before any weight is read; tensors that are
missing, extra or of another shape are all found and the first ten of each named; a folder with pickles only is refused,
because loading a pickle can run what it holds. Files may be symbolic links (the Hugging Face cache is made of them):
what counts is their content, which is hashed. Nothing in the folder is executed.

Not aware of: graphs, caches, how text becomes tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from npubench.build import safetensors, weights
from npubench.build.checkpoint_config import CONFIG, read_config, shape_of
from npubench.build.hf_names import origins
from npubench.build.nets.llm import Shape
from npubench.build.safetensors import READABLE, File
from npubench.errors import DataError
from npubench.lang import here

SINGLE, INDEX, TOKENIZER = "model.safetensors", "model.safetensors.index.json", "tokenizer.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")

# Buffers that old checkpoints hold and every reader computes anew.
_COMPUTED = (".rotary_emb.inv_freq",)

_NAMED = 10


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An examined folder. `files`: those that decide the result, sorted; `at`: a tensor's file, by its name there."""

    folder: Path
    shape: Shape
    files: tuple[Path, ...]
    at: dict[str, File]
    notes: tuple[str, ...]


def examine(folder: Path, table: Mapping[str, tuple[int, ...]] | None, positions: int) -> Checkpoint:
    """The checkpoint in `folder`, to be run over `positions` positions.

    `table`: the shapes of our tensors by name, once they are known; None leaves them unchecked. Raises DataError.
    """
    if not (folder / CONFIG).is_file():
        _refuse_pickles(folder)
    reader = read_config(folder)
    shape = shape_of(reader, positions)
    notes: list[str] = []
    known = reader.size("max_position_embeddings", positions)
    if known < positions:
        notes.append(
            here(
                f"{reader.path}: the model was trained on {known} positions; a run goes to {positions}",
                f"{reader.path}: 학습 길이는 {known}인데 실행은 {positions} 위치까지 갑니다",
            )
        )
    shards = _shards(folder)
    at = {name: file for file in shards for name in file.tensors}
    if table is not None:
        notes += _compare(folder, shape, at, table)
    notes += _check_tokenizer(folder / TOKENIZER, shape.vocab)
    files = sorted({folder / CONFIG, folder / TOKENIZER, *(file.path for file in shards)})
    return Checkpoint(folder=folder, shape=shape, files=tuple(files), at=at, notes=tuple(notes))


def shapes(table: weights.Table) -> dict[str, tuple[int, ...]]:
    """The shapes of a weight table's tensors by name."""
    return {tensor.name: tensor.shape for tensor in table.tensors}


def _refuse_pickles(folder: Path) -> None:
    found = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if found:
        listed = ", ".join(found[:3])
        raise DataError(
            here(
                f"{folder}: only pickled weights ({listed}); loading a pickle can run any code that is in it",
                f"{folder}: pickle 가중치뿐입니다({listed}). pickle을 읽으면 그 안의 코드가 실행될 수 있습니다",
            ),
            hint=here(
                "where you trust it, save it anew as safetensors (transformers: model.save_pretrained(DIR))",
                "신뢰하는 환경에서 safetensors로 다시 저장하십시오(transformers: model.save_pretrained(DIR))",
            ),
        )


def _shards(folder: Path) -> list[File]:
    """The safetensors files, with headers that hold true and agree with the index."""
    if (folder / SINGLE).is_file():
        return [safetensors.read(folder / SINGLE)]
    index = folder / INDEX
    if not index.is_file():
        _refuse_pickles(folder)
        raise DataError(
            here(f"{folder}: neither {SINGLE} nor {INDEX}", f"{folder}: {SINGLE}도 {INDEX}도 없습니다"),
            hint=here("copy the whole checkpoint folder", "체크포인트 폴더 전체를 복사하십시오"),
        )
    listed = _weight_map(index)
    found = []
    for name in sorted(set(listed.values())):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise _wrong(index, f"weight_map names {name!r}; expected a .safetensors file in the folder", f"{name!r}")
        found.append(safetensors.read(folder / name))
    held: dict[str, str] = {}
    for file in found:
        for name in file.tensors:
            if name in held:
                raise _wrong(
                    index, f"{name} is in {held[name]} and in {file.path.name}", f"{name}이 두 파일에 있습니다"
                )
            held[name] = file.path.name
    if apart := sorted(name for name in {*held, *listed} if held.get(name) != listed.get(name)):
        name = apart[0]
        en = f"{name} is said to be in {listed.get(name, 'no file')}, but is in {held.get(name, 'none')}"
        ko = f"{name}: 색인은 {listed.get(name, '–')}, 실제는 {held.get(name, '–')}"
        raise _wrong(index, en, ko)
    return found


def _weight_map(index: Path) -> dict[str, str]:
    try:
        table = msgspec.json.decode(index.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _wrong(index, f"not a readable JSON index: {error}", f"읽을 수 없는 색인: {error}") from None
    listed = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(listed, dict) or not listed or any(not isinstance(name, str) for name in listed.values()):
        raise _wrong(index, "expected weight_map, a table of tensor → file", "weight_map 표가 없습니다")
    return listed


def _compare(folder: Path, shape: Shape, at: Mapping[str, File], table: Mapping[str, tuple[int, ...]]) -> Sequence[str]:
    """Raises DataError for every tensor that is not as the config promises. Returns what is passed over."""
    wanted = {origin.name: origin.shape(table[ours]) for ours, origin in origins(shape).items()}
    passed = [name for name in at if name.endswith(_COMPUTED)]
    if shape.tied and "lm_head.weight" in at:
        # transformers ties the two and drops this one.
        passed.append("lm_head.weight")
    missing = [name for name in wanted if name not in at]
    extra = [name for name in at if name not in wanted and name not in passed]
    differing, unreadable = [], []
    for name in wanted.keys() & at.keys():
        tensor = at[name].tensors[name]
        if tensor.shape != wanted[name]:
            differing.append(f"{name} {list(tensor.shape)} ≠ {list(wanted[name])}")
        if tensor.dtype not in READABLE:
            unreadable.append(f"{name} {tensor.dtype}")
    parts = [
        f"{here(*title)}: {_some(sorted(names))}"
        for title, names in (
            (("missing", "없음"), missing),
            (("extra", "남음"), extra),
            (("of another shape (found ≠ expected)", "모양 다름(실제 ≠ 필요)"), differing),
            ((f"of another type (expected {', '.join(READABLE)})", "자료형 다름"), unreadable),
        )
        if names
    ]
    if parts:
        raise DataError(
            f"{folder}: "
            + here("the tensors are not those that config.json describes: ", "config.json과 텐서가 맞지 않습니다: ")
            + "; ".join(parts),
            hint=here(
                "weights of another architecture, or a part of a checkpoint; adapters must be merged first",
                "다른 구조의 가중치이거나 일부만 있는 체크포인트입니다. 어댑터는 먼저 병합하십시오",
            ),
        )
    return [here(f"not used: {_some(sorted(passed))}", f"쓰지 않음: {_some(sorted(passed))}")] if passed else []


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (here(f" and {more} more", f" 외 {more}개") if more > 0 else "")


def _check_tokenizer(path: Path, vocab: int) -> Sequence[str]:
    """Raises DataError for a tokenizer.json that is not there or gives ids that the embedding lacks."""
    if not path.is_file():
        raise DataError(
            here(f"{path}: no such file", f"{path}: 파일이 없습니다"),
            hint=here(
                "real text needs the model's tokenizer; save it with transformers: tokenizer.save_pretrained(DIR)",
                "모델의 토크나이저가 필요합니다. transformers의 tokenizer.save_pretrained(DIR)로 저장하십시오",
            ),
        )
    try:
        spec = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _wrong(path, f"not valid JSON: {error}", f"올바른 JSON이 아닙니다: {error}") from None
    largest, count = _token_ids(path, spec)
    if largest >= vocab:
        raise DataError(
            here(
                f"{path}: has token {largest}, but config.json has vocab_size {vocab}",
                f"{path}: 토큰 {largest}번이 있는데 config.json의 vocab_size는 {vocab}입니다",
            ),
            hint=here("use the tokenizer that belongs to the model", "모델에 맞는 토크나이저를 쓰십시오"),
        )
    if count < vocab // 2:
        return [
            here(
                f"{path}: has {count} tokens of a vocabulary of {vocab}: is it this model's?",
                f"{path}: 어휘 {vocab}개 중 토큰이 {count}개뿐입니다. 이 모델의 것이 맞습니까?",
            )
        ]
    return []


def _token_ids(path: Path, spec: Any) -> tuple[int, int]:
    """The largest id and how many there are, of a tokenizer.json of any model."""
    model = spec.get("model") if isinstance(spec, dict) else None
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    ids: set[int] = set()
    if isinstance(vocabulary, list):
        ids |= set(range(len(vocabulary)))
    elif isinstance(vocabulary, dict):
        ids |= {number for number in vocabulary.values() if isinstance(number, int)}
    for entry in (spec.get("added_tokens") or ()) if isinstance(spec, dict) else ():
        if isinstance(entry, dict) and isinstance(entry.get("id"), int):
            ids.add(entry["id"])
    if not ids:
        raise _wrong(path, "expected a tokenizer.json with model.vocab", "model.vocab이 있는 tokenizer.json이 아닙니다")
    return max(ids), len(ids)


def _wrong(path: Path, en: str, ko: str) -> DataError:
    return DataError(
        f"{path}: {here(en, ko)}",
        hint=here("copy the checkpoint again", "체크포인트를 다시 복사하십시오"),
    )
