"""What watching a run costs the processor that the run is measured on. `make benchmarks`.

Goal (stated, not asserted): a look and a frame together ≤ 5 ms of processor time, so that two a second take ≤ 1 % of a
core.
"""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console as RichConsole
from rich.live import Live

from npubench.cli.live import LOOKS_PER_S, LiveView
from npubench.engine.protocol import Phase
from npubench.schema import Launch, Value
from npubench.store import RunFolder
from tests.cli.test_live import metered, samples, with_meter


@pytest.mark.benchmark
def test_a_look_and_a_frame(benchmark: Any, tmp_path: Path) -> None:
    plan, cell = with_meter()
    folder = RunFolder(tmp_path)
    console = RichConsole(file=io.StringIO(), force_terminal=True, width=80, height=24)
    view = LiveView(plan, console, folder)
    for number in range(1, 9):
        view.starting(cell, number, 0, 1)
        done = {"samples_per_s": Value(value=12.0), "latency_p50_ns": Value(value=1e6)}
        view.finished(cell, Launch(run="r", cell=cell.id, number=number, started="", status="ok", summary=done))
    view.starting(cell, 1, 0, 1)
    samples(folder.work_path(cell.id, 1), 100_000)
    metered(tmp_path)
    view.event(Phase(name="measure"), 0)
    live = Live(get_renderable=view.render, console=console, auto_refresh=False, transient=True)

    def frame() -> None:
        view._seen = 0.0
        live.refresh()

    with live:
        benchmark.pedantic(frame, rounds=3 if benchmark.disabled else 300, warmup_rounds=5)
        before, count = time.process_time(), 20 if benchmark.disabled else 300
        for _ in range(count):
            frame()
        each_s = (time.process_time() - before) / count
    benchmark.extra_info.update(cpu_s=each_s)
    print(f"\n{each_s * 1e3:.2f} ms of processor a frame; {LOOKS_PER_S * each_s:.2%} of a core")  # noqa: T201
