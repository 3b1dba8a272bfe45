"""The user's own weights in place of a room's: which reader takes what was named.

A folder is a Hugging Face checkpoint and goes with a language model; a file goes with a vision room. Not aware of: how
either is read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from npubench.build import own_llm, own_vision
from npubench.build.own_llm import OwnModel
from npubench.cards import ModelCard
from npubench.errors import DataError
from npubench.lang import here

LANGUAGE = "llm"
VISION = ("detection", "ocr")


def with_own_weights(
    card: ModelCard,
    room: Path,
    path: Path,
    *,
    cache: Path,
    data: Path | None = None,
    text: Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> OwnModel:
    """The room's task with the weights in `path` (of a vision room also ROLE=FILE, several parted by commas).

    `data`: the room's input data; `text`: a text whose perplexity is scored. Raises DataError, UsageError, StoreError.
    """
    if text is not None and card.workload != LANGUAGE:
        raise DataError(here(f"--text: {card.id} reads no text", f"--text: {card.id}은(는) 텍스트를 읽지 않습니다"))
    if card.workload in VISION:
        own = own_vision.card_with_weights(card, room, str(path), cache, progress)
        return OwnModel(card=own.card, room=own.room, notes=own.notes)
    if not path.exists():
        raise DataError(
            here(f"{path}: no such file or folder", f"{path}: 파일이나 폴더가 없습니다"),
            hint=here("check the path of --weights", "--weights의 경로를 확인하십시오"),
        )
    if card.workload == LANGUAGE:
        if not path.is_dir():
            raise DataError(
                here(
                    f"{path}: is a file; {card.id} expects a folder", f"{path}: 파일입니다. {card.id}에는 폴더가 필요"
                ),
                hint=here(
                    "name the Hugging Face folder with config.json, safetensors and tokenizer.json",
                    "config.json, safetensors, tokenizer.json이 있는 Hugging Face 폴더를 지정하십시오",
                ),
            )
        return own_llm.build(card, path, cache, progress, data, text)
    raise DataError(
        here(f"{card.id}: takes no weights of your own", f"{card.id}: 자체 가중치를 받지 않습니다"),
        hint=here(
            f"its graphs are in {room}; a foreign network goes in with --onnx FILE",
            f"그래프는 {room}에 있습니다. 다른 신경망은 --onnx FILE로 측정하십시오",
        ),
    )
