"""Prompts of a data folder, made exactly as long as asked for.

Not aware of: models, generation, how tokens are timed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from npubench.errors import DataError
from npubench.lang import here
from npubench.workloads.asking import read_bytes
from npubench.workloads.tokenizing import Tokenizer

PROMPTS = "prompts.jsonl"
TEXT = "text.txt"
"""A text of the user's own in a data folder, for perplexity."""
MOST_WINDOWS = 16


class Prompt(msgspec.Struct, frozen=True):
    """One line of prompts.jsonl. Other keys (lang, demand) are not needed here."""

    id: str
    text: str


class Fed(NamedTuple):
    """A text and its first `prompt_tokens` ids."""

    text: str
    ids: list[int]


def read_prompts(path: Path) -> list[Prompt]:
    """The prompts of a prompts.jsonl. Raises DataError naming the file and line."""
    prompts = []
    for number, line in enumerate(read_bytes(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            prompts.append(msgspec.json.decode(line, type=Prompt))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(
                here(f"{path}: line {number}: {error}", f"{path}: {number}번째 줄: {error}"),
                hint=here(
                    'each line is an object such as {"id": "a", "text": "…"}',
                    '각 줄은 {"id": "a", "text": "…"} 형식입니다',
                ),
            ) from None
    if not any(prompt.text for prompt in prompts):
        raise DataError(
            here(f"{path}: holds no text", f"{path}: 글이 없습니다"),
            hint=here("write at least one prompt", "프롬프트를 하나 이상 적으십시오"),
        )
    return prompts


def exactly(tokenizer: Tokenizer, prompts: Sequence[Prompt], start: int, length: int, lead: str = "") -> Fed:
    """A text that begins with `lead` and prompt `start`, goes on with those after it, and has `length` tokens or a few
    more. Where the prompts are used up, they begin again. Raises DataError where they have no tokens at all."""
    pieces: list[str] = [lead] if lead else []
    tokens = len(tokenizer.encode(lead)) if lead else 0
    place, before = start, tokens
    while True:
        text = prompts[place % len(prompts)].text
        for piece in tokenizer.pieces(("\n" if pieces and text else "") + text):
            pieces.append(piece)
            tokens += len(tokenizer.word(piece))
            # The cut text may split otherwise at its very end (white space), so the ids are counted once more.
            if tokens >= length:
                cut = "".join(pieces)
                ids = tokenizer.encode(cut)
                if len(ids) >= length:
                    return Fed(cut, ids[:length])
        place += 1
        if (place - start) % len(prompts) == 0:
            if tokens == before:
                raise DataError(
                    here(f"{PROMPTS}: the texts have no tokens", f"{PROMPTS}: 글에 토큰이 없습니다"),
                    hint=here("use the tokeniser that belongs to the model", "모델에 맞는 토크나이저를 쓰십시오"),
                )
            before = tokens


def sharing(tokenizer: Tokenizer, prompts: Sequence[Prompt], count: int, length: int, shared: int) -> list[Fed]:
    """`count` texts of `length` tokens, whose first `shared` tokens are the same: a common text before each prompt.

    The common text is made of the prompts after the first `count`. Raises DataError where the tokeniser splits it
    otherwise before each prompt.
    """
    # Where a text goes on decides how its very end is split; some more of it keeps that away from what is shared.
    for more in range(_MOST_MORE):
        lead = exactly(tokenizer, prompts, count, shared + more).text
        # A prompt must begin within its `length` tokens, or all would be one.
        if len(tokenizer.encode(lead)) >= length:
            break
        made = [exactly(tokenizer, prompts, start, length, lead) for start in range(count)]
        if all(fed.ids[:shared] == made[0].ids[:shared] for fed in made):
            return made
    raise DataError(
        here(
            f"{PROMPTS}: no {shared} tokens can be shared by prompts of {length}: the tokeniser splits them otherwise "
            "before each prompt",
            f"{PROMPTS}: {length}토큰 프롬프트가 앞 {shared}토큰을 공유할 수 없습니다. 토크나이저가 다르게 나눕니다",
        ),
        hint=here("share fewer tokens", "공유하는 토큰 수를 줄이십시오"),
    )


# A piece of our texts has at most a few tokens.
_MOST_MORE = 16


class UserText(NamedTuple):
    """A text of the user's own, as ids."""

    path: Path
    ids: npt.NDArray[np.int64]


def user_text(tokenizer: Tokenizer, path: Path) -> UserText | None:
    """The text in `path`; None where there is no such file. Raises DataError for one that is not UTF-8."""
    if not path.is_file():
        return None
    try:
        text = read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            here(f"{path}: is not UTF-8: {error}", f"{path}: UTF-8이 아닙니다: {error}"),
            hint=here("save the text as UTF-8", "텍스트를 UTF-8로 저장하십시오"),
        ) from None
    return UserText(path, np.array(tokenizer.encode(text), np.int64))


def windows(text: UserText, length: int) -> list[npt.NDArray[np.int64]]:
    """The first `MOST_WINDOWS` stretches of `length` tokens of the text. Raises DataError for one too short for one."""
    path, ids = text
    count = min(MOST_WINDOWS, len(ids) // length)
    if not count:
        raise DataError(
            here(
                f"{path}: has {len(ids)} tokens; expected at least {length} (prompt_tokens + new_tokens)",
                f"{path}: 토큰이 {len(ids)}개입니다. {length}개 이상이어야 합니다(prompt_tokens + new_tokens)",
            ),
            hint=here("give a longer text", "더 긴 텍스트를 지정하십시오"),
        )
    return [ids[n * length : (n + 1) * length] for n in range(count)]
