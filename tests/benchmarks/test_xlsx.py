"""How long a workbook of 2 000 cells takes, beside the page of the same run. Run with `make benchmarks`.

A ratio in one run, not a time: the machine may be busy.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import pytest

from npubench.report import html, view, xlsx
from tests.report import sample

CELLS = 2000


@pytest.mark.slow
def test_workbook_over_page(benchmark: Any) -> None:
    files = sample.many(CELLS)
    shown = view.build([files])
    blocks: list[tuple[float, float]] = []

    def block() -> None:
        start = time.process_time()
        data = xlsx.render(shown, [files], "ko")
        middle = time.process_time()
        html.render(shown, "ko")
        blocks.append((middle - start, time.process_time() - middle))
        assert len(data) > 100_000

    benchmark.pedantic(block, rounds=3)
    book, page = median(a for a, _ in blocks), median(b for _, b in blocks)
    benchmark.extra_info.update(cells=CELLS, workbook_s=book, page_s=page, ratio=book / page)
    print(f"{CELLS} cells: workbook {book:.2f} s of the processor, {book / page:.2f} of the page's")  # noqa: T201
