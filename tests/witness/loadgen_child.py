"""Runs the same requests under MLPerf's LoadGen and under our generator, in turn: a child of `witnessed`.

    python loadgen_child.py MODEL SCENARIO QUERIES RATE TRACE

Runs in the Python that has `mlperf_loadgen`; everything else comes from PYTHONPATH. A process of its own per pair:
LoadGen ends its process when a callback raises, and waits for ever for a request that is never complete. MODEL is an
ONNX file, or "-" for none; TRACE is 1 for LoadGen's raw latencies. Prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlperf_loadgen as lg
import numpy as np

from npubench.engine.generator import closed_loop, open_loop
from npubench.engine.hosting import hosted
from npubench.engine.protocol import Host
from npubench.engine.schedule import poisson
from npubench.engine.table import SampleTable, read
from npubench.schema import SAMPLE_COLUMNS

PERCENTS = (50, 90, 95, 97, 99)
Step = Callable[[int], int]


def step_of(model: str) -> Step:
    """One request: nothing, or a run of the model with its buffers bound."""
    if model == "-":
        return lambda _: 1
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (given,), (found,) = session.get_inputs(), session.get_outputs()
    feed, out = np.zeros(given.shape, np.float32), np.zeros(found.shape, np.float32)
    binding = session.io_binding()
    binding.bind_input(given.name, "cpu", 0, np.float32, feed.shape, feed.ctypes.data)
    binding.bind_output(found.name, "cpu", 0, np.float32, out.shape, out.ctypes.data)
    run = session.run_with_iobinding

    # The binding holds addresses, not arrays: the step must keep those alive.
    def step(_: int, kept: object = (feed, out)) -> int:
        run(binding)
        return 1

    return step


def percentiles(latencies: np.ndarray) -> dict[str, float]:
    return {f"p{percent}_ns": float(np.sort(latencies)[len(latencies) * percent // 100]) for percent in PERCENTS}


def under_loadgen(step: Step, scenario: str, queries: int, rate: float, trace: bool) -> dict[str, Any]:
    """What LoadGen reports, and with `trace` the latencies that it is made of."""

    def issue(samples: list[Any]) -> None:
        for sample in samples:
            step(sample.index)
            lg.QuerySamplesComplete([lg.QuerySampleResponse(sample.id, 0, 0)])

    settings = lg.TestSettings()
    settings.scenario = lg.TestScenario.SingleStream if scenario == "single-stream" else lg.TestScenario.Server
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_query_count = settings.max_query_count = queries
    settings.min_duration_ms = settings.max_duration_ms = 0
    settings.single_stream_expected_latency_ns = 10_000
    settings.server_target_qps = rate
    settings.server_target_latency_ns = 10**10
    sut = lg.ConstructSUT(issue, lambda: None)
    library = lg.ConstructQSL(8, 8, lambda _: None, lambda _: None)
    with tempfile.TemporaryDirectory() as folder:
        output = lg.LogOutputSettings()
        output.outdir = folder
        output.copy_summary_to_stdout = False
        logs = lg.LogSettings()
        logs.log_output = output
        logs.enable_trace = trace
        lg.StartTestWithLogSettings(sut, library, settings, logs, "")
        said: dict[str, Any] = {}
        for line in (Path(folder) / "mlperf_log_detail.txt").read_text().splitlines():
            entry = json.loads(line.removeprefix(":::MLLOG "))
            said[entry["key"]] = entry["value"]
        lines = (Path(folder) / "mlperf_log_trace.json").read_text().splitlines() if trace else []
        raw = [json.loads(line.rstrip(","))["args"]["complete_ns"] for line in lines if '"complete_ns"' in line]
    lg.DestroyQSL(library)
    lg.DestroySUT(sut)
    found = {f"p{percent}_ns": float(said[f"result_{percent:.2f}_percentile_latency_ns"]) for percent in PERCENTS}
    if scenario == "single-stream":
        found["per_query_ns"] = 1e9 / float(said["result_qps_with_loadgen_overhead"])
    return {**found, "raw": raw}


def under_ours(step: Step, scenario: str, queries: int, rate: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, hosted(Host()) as hosting:
        table = SampleTable(Path(folder), queries, 0)
        if scenario == "single-stream":
            driven = closed_loop([step], table, 0, window_ns=0, least=queries, last_ns=10**12, enter=hosting.enter)
        else:
            arrivals = poisson(rate, int(queries / rate * 1e9), 0)
            driven = open_loop([step], table, arrivals, 0, drop=False, limit=None, enter=hosting.enter)
        rows, _ = read(Path(folder))
    scheduled, completed = (rows[:, SAMPLE_COLUMNS.index(name)] for name in ("scheduled_ns", "completed_ns"))
    found = percentiles(completed - scheduled)
    if scenario == "single-stream":
        found["per_query_ns"] = (driven.end_ns - driven.start_ns) / len(rows)
    return found


def main() -> None:
    model, scenario, queries, rate, trace = sys.argv[1:]
    step = step_of(model)
    for _ in range(50):
        step(0)
    # Ours first: what LoadGen leaves behind cannot disturb it.
    ours = under_ours(step, scenario, int(queries), float(rate))
    loadgen = under_loadgen(step, scenario, int(queries), float(rate), trace == "1")
    sys.stdout.write(json.dumps({"ours": ours, "loadgen": loadgen}))
    sys.stdout.flush()
    # Past LoadGen's and the interpreter's own clearing up.
    os._exit(0)


if __name__ == "__main__":
    main()
