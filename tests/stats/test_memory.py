"""A leak is growth that does not stop; a cache that fills is none."""

from __future__ import annotations

import pytest

from npubench.rules import load
from npubench.schema import MemoryUse, Window
from npubench.stats.memory import leak

MIB = 1 << 20
WINDOW = Window(start_ns=0, end_ns=10_000_000_000)


def used(early: int, late: int, requests: int = 100, left: int | None = 10_000) -> MemoryUse:
    """Growth in both halves of the window, in MiB."""
    sizes = (500, 500 + early, 500 + early + late)
    start, middle, end = (size * MIB for size in sizes)
    left_bytes = left * MIB if left is not None else None
    return MemoryUse(start_bytes=start, middle_bytes=middle, end_bytes=end, requests=requests, left_bytes=left_bytes)


def test_steady_growth_is_a_leak_and_says_how_long_memory_lasts() -> None:
    found = leak(used(500, 500), WINDOW, load())
    assert found is not None
    # 1000 MiB in 10 s; 10,000 MiB are left.
    assert found.en.startswith("it leaks memory: 10.0 MiB a request (1,000 MiB in the timed window)")
    assert "lasts 100 s more" in found.en
    assert "요청당 10.0 MiB" in found.ko


def test_what_is_left_may_be_unknown() -> None:
    found = leak(used(500, 500, left=None), WINDOW, load())
    assert found is not None
    assert "lasts" not in found.en


@pytest.mark.parametrize(
    "use",
    [
        None,
        used(0, 0),
        used(1000, 0),  # a pool that grew to its largest request
        used(1000, 300),  # a cache that is nearly full
        used(0, 1000),  # one large request, late
        used(20, 20),  # within the error of the kernel's counters
        used(-500, 500),
        used(500, 500, requests=0),
    ],
)
def test_anything_else_is_none(use: MemoryUse | None) -> None:
    assert leak(use, WINDOW, load()) is None
