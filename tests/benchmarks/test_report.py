"""What a page costs: drawn from a run of thirty cells, and opened in Chromium with two thousand. `make benchmarks`.

Nothing here asserts a time. Goals (stated, not asserted): thirty cells in ≤ 2 s and ≤ 3 MB, in a process that has drawn
nothing before; the first paint of two thousand cells ≤ 1 s. The size is the same on every machine, and is asserted.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from npubench.report import html, view
from tests.report import loaded, powered, sample
from tests.report.browsing import CHROMIUM, chromium, opened, written

__all__ = ["chromium"]

MOST_BYTES = 3_000_000
# Thirty-six cells on three backends, two launches each.
_ALONE = """
import sys, time
from tests.report import sample
files = sample.realistic()
begin = time.perf_counter()
from npubench.report.drawing import Drawing
drawing = Drawing(early=True)
from npubench.cli.report_formats import Format, rendered
page = rendered(Format.html, [files], "en", drawing=drawing)
print(f"{time.perf_counter() - begin:.2f} s, {len(page.encode()) / 1e6:.2f} MB, {len(files.run.cells)} cells")
"""
_PAINTED = """() => new Promise(done => requestAnimationFrame(() => setTimeout(() => {
  const [loading] = performance.getEntriesByType("navigation");
  const paint = performance.getEntriesByType("paint").map(entry => entry.startTime);
  done([Math.min(...paint), loading.domContentLoadedEventEnd]);
}, 0)))"""


@pytest.mark.benchmark
@pytest.mark.parametrize("make", [sample.realistic, loaded.services, powered.powered], ids=["plain", "loads", "power"])
def test_a_page(benchmark: Any, make: Any) -> None:
    files = make()
    began = time.perf_counter()
    page = html.render(view.build([files]), "en")
    took = time.perf_counter() - began
    said = f"{len(files.run.cells)} cells, {len(page.encode()) / 1e6:.2f} MB"
    print(f"\n{make.__name__}: {took:.2f} s, {said}")  # noqa: T201
    assert len(page.encode()) < MOST_BYTES
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.benchmark
def test_a_page_in_a_process_of_its_own(benchmark: Any) -> None:
    if not benchmark.disabled:
        root = Path(__file__).parents[2]
        done = subprocess.run([sys.executable, "-c", _ALONE], cwd=root, capture_output=True, text=True, check=True)
        print(f"\nfirst page of a process: {done.stdout.strip()}")  # noqa: T201
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.benchmark
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (apt-get install chromium, or set CHROMIUM)")
def test_the_first_paint_of_two_thousand_cells(benchmark: Any, chromium: Any, tmp_path: Path) -> None:
    # `make test-all` only sees whether it runs.
    count = 300 if benchmark.disabled else 2000
    path = written(tmp_path, lambda: sample.many(count))
    with opened(chromium, path) as found:
        first, loaded_ms = found.page.evaluate(_PAINTED)
    size = path.stat().st_size / 1e6
    print(f"\n{count} cells, {size:.1f} MB: first paint {first:.0f} ms, all loaded {loaded_ms:.0f} ms")  # noqa: T201
    benchmark.pedantic(lambda: None, rounds=1)
