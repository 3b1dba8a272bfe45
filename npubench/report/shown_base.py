"""What everything that a report shows is made of: numbers and names as text. See `shown`."""

from __future__ import annotations

from typing import Literal

import msgspec

from npubench.lang import Text

Tone = Literal["good", "warn", "bad", "plain"]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable."""


class Number(Shown, frozen=True, kw_only=True):
    """A number as text. Unknown is an en dash with `reason`; `note` is its footnote's number in its table (0: none).

    `said`: what the number cannot be read without (the bound that was held), in small letters below it.
    """

    text: str
    unit: Text | None = None
    reason: Text | None = None
    note: int = 0
    said: Text | None = None


class Name(Shown, frozen=True, kw_only=True):
    """A model or a backend: its card's title, and the id that one types."""

    id: str
    title: Text
