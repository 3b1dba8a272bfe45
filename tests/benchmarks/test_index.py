"""What the index over a large results folder costs. `make benchmarks`.

Goal (stated, not asserted): 1 000 runs of 30 cells, of four machines, in ≤ 10 s.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stats.made_nights import MACHINE, year

MACHINES = 4
# Runs in a process of its own: the peak is that of the command alone.
_CHILD = """
import json, resource, sys, time
from npubench.cli import main
sys.argv = ["npubench", "report", "--index", "--out", sys.argv[1], "-o", sys.argv[2]]
start, code = time.perf_counter(), 0
try:
    main()
except SystemExit as stopped:
    code = stopped.code
used = resource.getrusage(resource.RUSAGE_SELF)
found = [time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, code]
print(json.dumps(found), file=sys.stderr)
"""


@pytest.mark.benchmark
def test_a_thousand_runs(benchmark: Any, tmp_path: Path) -> None:
    runs, cells = (8, 2) if benchmark.disabled else (1000, 30)
    root, page = tmp_path / "results", tmp_path / "index.html"
    size = year(root, runs // MACHINES, cells) * MACHINES
    for number in range(1, MACHINES):
        name = f"{MACHINE}-{number}"
        shutil.copytree(root / MACHINE, root / name)
        for path in (root / name).glob("*/run.json"):
            path.write_bytes(path.read_bytes().replace(f'"{MACHINE}"'.encode(), f'"{name}"'.encode()))
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(root), str(page)], capture_output=True, check=True, timeout=300
    )
    seconds, busy, peak, code = json.loads(done.stderr.splitlines()[-1])
    assert code in (None, 0)
    text = page.read_text(encoding="utf-8")
    assert text.count('<article class="machine">') == MACHINES
    assert text.count('<tr><th scope="row">') >= runs
    benchmark.extra_info.update(seconds=seconds, peak_mb=peak)
    print(  # noqa: T201
        f"\n{runs} runs × {cells} cells of {MACHINES} machines, {size / 1e6:.0f} MB of run.json: {seconds:.2f} s "
        f"({busy:.2f} s of processor), peak {peak:.0f} MB, page {page.stat().st_size / 1e6:.2f} MB"
    )
    benchmark.pedantic(lambda: None)
