"""A clock that stands still until a test moves it: nothing about time is left to the machine."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import pytest

ORIGIN_NS = 1_000_000
"""Not zero, because a zero in the sample table means "never"."""


class Clock:
    """Stands for the module `time` in the module under test; `now_ns` is its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
        self.now_ns = ORIGIN_NS
        for module in modules:
            monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter_ns=lambda: self.now_ns))

    def advance(self, ns: int) -> None:
        self.now_ns += ns
