"""What was found of one channel before the ruleset decides whether it is published."""

from __future__ import annotations

from typing import Any

import msgspec

from npubench.lang import Text
from npubench.units import show_ns

# A gap this many times the usual distance between readings is a hole: a reading stands for what is near it.
HOLE = 2.5


def said(length_ns: float) -> str:
    """A time for people."""
    return f"{length_ns / 1e9:.1f} s" if length_ns >= 1e9 else show_ns(length_ns)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """`reason`: a fault of the source, which makes it worthless however long the window. `maybe`: one that only a
    window that is long enough shows. `still_ns`: for how long within the window the value was frozen.
    """

    energy_j: float | None = None
    uncertainty_j: float | None = None
    reason: Text | None = None
    maybe: Text | None = None
    mean_w: float | None = None
    min_w: float | None = None
    max_w: float | None = None
    coverage: float | None = None
    refresh_ns: float | None = None
    changes: int = 0
    still_ns: float = 0.0
    constant: bool = False

    def with_(self, **changes: Any) -> Found:
        """With other fields."""
        return msgspec.structs.replace(self, **changes)

    def null(self, en: str, ko: str) -> Found:
        """The source's fault."""
        return msgspec.structs.replace(self, energy_j=None, uncertainty_j=None, reason=Text(en=en, ko=ko))

    def frozen(self, en: str, ko: str) -> Found:
        """What a window that is long enough would call a fault."""
        return msgspec.structs.replace(self, energy_j=None, uncertainty_j=None, maybe=Text(en=en, ko=ko))

    def slow(self) -> Found:
        """Too few changes for an energy at all."""
        return msgspec.structs.replace(self, energy_j=None, uncertainty_j=None)
