"""Prompts of three public-sector demands in Korean and English, and the tokeniser that is trained on such text.

Guarantees: prompt n depends on the seed text and on n only (but for the rare repetition, which is composed anew), with
integer arithmetic, so that every machine composes the same bytes; languages and demands take turns. Training the
tokeniser twice with one version of `tokenizers` gives the same bytes.

Not guaranteed: that two seed texts share no prompt. Short questions have few particulars, and a few meet by chance; who
needs texts that were never trained on compares them.

Not aware of: models, answers, the words themselves (`phrases`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from random import Random
from typing import Any, Literal

import msgspec

from npubench.build.data import phrases
from npubench.errors import DataError
from npubench.lang import here

Demand = Literal["citizens", "administration", "education"]

DEMANDS: tuple[Demand, ...] = ("citizens", "administration", "education")
LANGUAGES: tuple[Literal["ko", "en"], ...] = ("ko", "en")

VOCABULARY = 8192
END, USER, ASSISTANT = "<|endoftext|>", "<|user|>", "<|assistant|>"
SPECIAL_TOKENS = (END, USER, ASSISTANT)

# Nearly 6 MB of text.
TRAINING_SEED = "civic-prompts/tokenizer/1"
TRAINING_PROMPTS = 9_000

# Sentences that follow the question of a citizen or teacher: with them it has about 20 to 60 tokens.
MORE = 2

# Fewest and most facts that an administrative prompt is about: 200 to 360 tokens in all.
FACTS = {"ko": (14, 18), "en": (12, 16)}

_SLOT = re.compile(r"\{(?:([a-z]+)|(\d+)-(\d+)(,?))\}")
_PARTICLE = re.compile(r"(\S)(은/는|이/가|을/를|와/과|로/으로)")


class Prompt(msgspec.Struct, frozen=True):
    """One line of prompts.jsonl."""

    id: str
    lang: Literal["ko", "en"]
    demand: Demand
    text: str


def compose(count: int, seed: str) -> tuple[Prompt, ...]:
    """`count` different prompts of the seed text `seed`: citizens, administration and education by turns."""
    made: dict[str, Prompt] = {}
    for index in range(count):
        demand = DEMANDS[index % len(DEMANDS)]
        language = LANGUAGES[index // len(DEMANDS) % len(LANGUAGES)]
        attempt = 0
        text = compose_text(language, demand, f"{seed}/{index}")
        while text in made:
            attempt += 1
            text = compose_text(language, demand, f"{seed}/{index}/{attempt}")
        made[text] = Prompt(f"{language}-{demand}-{index + 1:03d}", language, demand, text)
    return tuple(made.values())


def compose_text(language: Literal["ko", "en"], demand: Demand, seed: str) -> str:
    """One prompt. The same arguments give the same text."""
    dice = Random(int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big"))
    rules = _rules(language)
    if demand != "administration":
        patterns = [dice.choice(rules[demand]), *dice.sample(rules[f"{demand}more"], MORE)]
        return " ".join(_expand(pattern, rules, dice) for pattern in patterns)
    facts = dice.sample(rules["fact"], len(rules["fact"]))
    # More facts than kinds of facts: the first kinds come twice, with other particulars.
    number = dice.randint(*FACTS[language])
    chosen = (facts + facts)[:number]
    parts = ["{task}", *chosen, "{closing}"]
    opening, *body, closing = (_expand(part, rules, dice) for part in parts)
    return f"{opening}\n\n{' '.join(body)}\n\n{closing}"


def particles(text: str) -> str:
    """Korean text whose pairs of particles (`을/를`) are replaced by the one that the syllable before them asks for."""
    return _PARTICLE.sub(lambda found: found[1] + _particle(found[1], found[2]), text)


def training_texts() -> Iterator[str]:
    """What the tokeniser is trained on: prompts of a seed text that no set has."""
    return (prompt.text for prompt in compose(TRAINING_PROMPTS, TRAINING_SEED))


def train_tokenizer() -> bytes:
    """A byte-level BPE tokenizer.json of 8192 tokens, special tokens included. Needs the package `tokenizers`.

    Raises DataError when that is not installed: it is needed for this step only and is no dependency of npubench.
    """
    try:
        library: Any = import_module("tokenizers")
    except ImportError:
        raise DataError(
            here(
                "the tokeniser cannot be trained: tokenizers is absent", "tokenizers 패키지가 없어 학습할 수 없습니다"
            ),
            hint="pip install tokenizers",
        ) from None
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_texts(), trainer)
    size: int = tokenizer.get_vocab_size()
    if size != VOCABULARY:
        raise DataError(f"the text gives {size} tokens; expected {VOCABULARY}", hint="raise TRAINING_PROMPTS")
    spec = msgspec.json.decode(tokenizer.to_str())
    return msgspec.json.encode(spec) + b"\n"


@lru_cache
def _rules(language: Literal["ko", "en"]) -> Mapping[str, Sequence[str]]:
    if language == "ko":
        words, sentences = phrases.KOREAN_WORDS, phrases.KOREAN_SENTENCES
    else:
        words, sentences = phrases.ENGLISH_WORDS, phrases.ENGLISH_SENTENCES
    return {
        **{name: text.split("|") for name, text in words.items()},
        **{name: text.strip().split("\n") for name, text in sentences.items()},
    }


def _expand(pattern: str, rules: Mapping[str, Sequence[str]], dice: Random) -> str:
    def fill(found: re.Match[str]) -> str:
        name, low, high, comma = found.groups()
        if name is None:
            number = dice.randint(int(low), int(high))
            return f"{number:,}" if comma else str(number)
        return _SLOT.sub(fill, dice.choice(rules[name]))

    text = particles(_SLOT.sub(fill, pattern))
    return text[:1].upper() + text[1:]


# Whether the Korean reading of a digit ends in a consonant: yeong, il, i, sam, sa, o, yuk, chil, pal, gu.
_DIGIT_ENDS_IN_CONSONANT = (True, True, False, True, False, False, True, True, True, False)
_ENDS_IN_L = "178"


def _particle(before: str, pair: str) -> str:
    if before.isdecimal():
        consonant, final_l = _DIGIT_ENDS_IN_CONSONANT[int(before)], before in _ENDS_IN_L
    else:
        # Composed syllables stand 28 apart for each vowel; the remainder is the final consonant, 8 is ㄹ.
        place = (ord(before) - 0xAC00) % 28 if "가" <= before <= "힣" else 0
        consonant, final_l = place != 0, place == 8
    first, second = pair.split("/")
    if pair in ("와/과", "로/으로"):
        return second if consonant and not (final_l and pair == "로/으로") else first
    return first if consonant else second
