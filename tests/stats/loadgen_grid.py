"""Asks MLPerf LoadGen itself for its early-stopping answers: run by a Python that has `mlcommons-loadgen`, prints JSON.

    python tests/stats/loadgen_grid.py > tests/golden/loadgen-early-stopping.json

`estimates`: single-stream runs of n queries; how many of the highest LoadGen would discard (null: too few, and how many
it asks for). `needed`: server runs of which `over` queries were answered too late; how many queries it asks for in all.
`latencies`: one run's own latencies from its trace, and the estimates that LoadGen printed for them.
Imports nothing of ours.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import mlperf_loadgen as lg  # type: ignore[import-not-found]

PERCENTS = (50, 90, 95, 97, 99, 99.9)
QUERIES = (
    1,
    7,
    10,
    11,
    12,
    17,
    44,
    63,
    64,
    65,
    81,
    100,
    129,
    130,
    219,
    300,
    661,
    662,
    663,
    1000,
    2010,
    6635,
    6636,
    20140,
)
OVER = (0, 1, 2, 3, 5, 8, 10)
LIMIT_NS, HOLD_S = 200_000_000, 0.3


def run(scenario: Any, queries: int, percent: float, over: int = 0, trace: bool = False) -> tuple[str, str]:
    """LoadGen's summary, and its trace."""
    settings = lg.TestSettings()
    settings.scenario, settings.mode = scenario, lg.TestMode.PerformanceOnly
    settings.min_query_count = settings.max_query_count = queries
    settings.min_duration_ms = 0
    settings.single_stream_target_latency_percentile = settings.server_target_latency_percentile = percent / 100
    settings.single_stream_expected_latency_ns = 1000
    settings.server_target_qps, settings.server_target_latency_ns = 5000, LIMIT_NS
    held: list[Any] = []
    late: list[threading.Thread] = []

    def answer_late() -> None:
        time.sleep(HOLD_S)
        lg.QuerySamplesComplete(held)

    def issue(samples: list[Any]) -> None:
        for sample in samples:
            response = lg.QuerySampleResponse(sample.id, 0, 0)
            if len(held) < over:
                held.append(response)
                if len(held) == over:
                    late.append(threading.Thread(target=answer_late))
                    late[0].start()
            else:
                lg.QuerySamplesComplete([response])

    with tempfile.TemporaryDirectory() as folder:
        output = lg.LogOutputSettings()
        output.outdir, output.copy_summary_to_stdout = folder, False
        logs = lg.LogSettings()
        logs.log_output, logs.enable_trace = output, trace
        sut = lg.ConstructSUT(issue, lambda: None)
        library = lg.ConstructQSL(1, 1, lambda _: None, lambda _: None)
        lg.StartTestWithLogSettings(sut, library, settings, logs)
        for thread in late:
            thread.join()
        lg.DestroyQSL(library)
        lg.DestroySUT(sut)
        summary = (Path(folder) / "mlperf_log_summary.txt").read_text()
        traced = (Path(folder) / "mlperf_log_trace.json").read_text() if trace else ""
    return summary, traced


def number(pattern: str, summary: str) -> int | None:
    found = re.search(pattern, summary)
    return int(found[1]) if found else None


def latencies(queries: int) -> dict[str, Any]:
    """Of one run, in ns, from the trace (which is no valid JSON)."""
    summary, traced = run(lg.TestScenario.SingleStream, queries, 90, trace=True)
    times = re.findall(r'"issue_start_ns":(\d+),"complete_ns":(\d+)', traced)
    return {
        "ns": [int(done) - int(start) for start, done in times],
        "p90_ns": number(r"90\.0th percentile estimate: (\d+)", summary),
        "p99_ns": number(r"99\.0th percentile estimate: (\d+)", summary),
    }


def main() -> None:
    estimates = []
    for percent in PERCENTS:
        for queries in QUERIES:
            summary, _ = run(lg.TestScenario.SingleStream, queries, percent)
            discarded = number(r"Would discard (\d+) highest", summary)
            floor = number(r"(?:Need to process|Processed) at least (\d+) queries", summary)
            estimates.append({"percent": percent, "queries": queries, "discarded": discarded, "floor": floor})
    needed = []
    for percent in PERCENTS:
        for over in OVER:
            summary, _ = run(lg.TestScenario.Server, over + 1, percent, over)
            more = number(r"run at least (\d+) more", summary)
            needed.append({"percent": percent, "over": over, "queries": None if more is None else over + 1 + more})
    found = {"estimates": estimates, "needed": needed, "latencies": latencies(700)}
    sys.stdout.write(json.dumps(found, separators=(",", ":")).replace("},{", "},\n{") + "\n")


if __name__ == "__main__":
    main()
