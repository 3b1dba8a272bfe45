"""A clock that stands still until a test moves it: nothing about time is left to the machine."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import pytest

from npubench.engine.course import Course

ORIGIN_NS = 1_000_000
"""Not zero, because a zero in the sample table means "never"."""


class Clock:
    """Stands for the module `time` in the module under test; `now_ns` is its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
        self.now_ns = ORIGIN_NS
        self.late_ns = 0
        for module in modules:
            monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter_ns=lambda: self.now_ns))

    def approach(self, deadline_ns: int, course: Course) -> bool:
        """Stands for `measure.approach`: the moment comes at once, `late_ns` late."""
        self.now_ns = max(self.now_ns, deadline_ns + self.late_ns)
        return course.stopped is None

    def advance(self, ns: int) -> None:
        self.now_ns += ns
