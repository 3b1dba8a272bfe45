"""A tokenizer of visible words: token 17 is the word `t17`, and nothing else is a word.

Our seeded models' tokens mean nothing, and through a byte-level tokenizer most of them are halves of characters: a
server that streams text holds them back until they are whole, so that the first token cannot be seen when it comes
(transformers serve: 32 tokens arrived in 2 events). With words each token is text of its own, texts and ids say the
same, and a prompt sent as text has exactly the tokens that were meant. `npubench.words` reads and writes such texts.

Not aware of: weights.
"""

from __future__ import annotations

from typing import Any

from npubench.words import UNKNOWN, word

# A conversation is its messages, one after the other: the model was trained on none.
_CHAT = "{% for message in messages %}{{ message['content'] }} {% endfor %}"


def tokenizer(vocabulary: int) -> dict[str, Any]:
    """The tokenizer.json for a model of so many tokens. Text that is no word of it becomes token 0."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {word(token): token for token in range(vocabulary)},
            "unk_token": word(UNKNOWN),
        },
    }


def tokenizer_config(positions: int) -> dict[str, Any]:
    """The tokenizer_config.json beside it."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": positions,
        "clean_up_tokenization_spaces": False,
        "unk_token": word(UNKNOWN),
        "chat_template": _CHAT,
    }
