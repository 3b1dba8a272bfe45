"""What the harness adds, as paired ratios in one run, each printed as a line. Run with `make benchmarks`.

Each comparison interleaves short blocks of both sides, so that a noisy neighbour hits both; the figure is the median
over blocks. Nothing here asserts a time. Goals (stated, not asserted): step over a bare run_with_iobinding loop ≤ 1.02
for a model of a millisecond or more, ≤ +3 µs for one node; null cells ≥ 100 000 samples/s; `npubench --help` under
0.3 CPU-seconds.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from npubench.adapters.null import NullSession
from npubench.adapters.ort import OrtAdapter
from npubench.build.materialise import materialise
from npubench.discovery import catalogue, code
from npubench.engine.generator import closed_loop
from npubench.engine.launcher import run_job
from npubench.engine.protocol import AdapterRef, Load, Measured, MeasureJob
from npubench.engine.table import SampleTable, read
from npubench.schema import SAMPLE_COLUMNS
from npubench.spi import Artifact, Request, Step, seeded_feeds
from npubench.workloads.tensor import Tensor

BLOCKS = 25


def bare_loop(session: Any, feeds: dict[str, Any], count: int) -> float:
    """Median ns of `run_with_iobinding` on raw onnxruntime."""
    raw = session._session
    binding = raw.io_binding()
    for name, value in feeds.items():
        binding.bind_input(name, "cpu", 0, value.dtype.type, value.shape, value.ctypes.data)
    outputs = []
    for spec in session.outputs:
        outputs.append(np.zeros([d if isinstance(d, int) else 1 for d in spec.shape], dtype=spec.dtype))
        binding.bind_output(spec.name, "cpu", 0, outputs[-1].dtype.type, outputs[-1].shape, outputs[-1].ctypes.data)
    run, now, taken = raw.run_with_iobinding, time.perf_counter_ns, []
    for _ in range(count):
        start = now()
        run(binding)
        taken.append(now() - start)
    return median(taken)


def harness_loop(step: Step, folder: Path, count: int) -> float:
    """Median latency in ns as the harness measures it."""
    table = SampleTable(folder, count, 1)
    closed_loop([step], table, 0, window_ns=0, least=count, last_ns=10**12)
    rows = np.frombuffer(table.rows, dtype=np.int64).reshape(-1, len(SAMPLE_COLUMNS))
    return float(np.median(rows[:, 3] - rows[:, 0]))


class NoClock:
    def tick(self) -> None: ...


@pytest.mark.parametrize(
    ("model", "role", "count"), [("overhead-floor", "model", 2000), ("cctv-detect", "detector", 6)]
)
def test_step_over_a_bare_loop(
    benchmark: Any, tmp_path: Path, model_cache: Path, model: str, role: str, count: int
) -> None:
    found = catalogue().models[model]
    artifact: Artifact = materialise(found.card, found.path.parent, model_cache)[role]
    session = OrtAdapter().open(artifact, {"intra_op_num_threads": 1})
    request = Request(scope="device", params={"sizes": {"batch": 1}} if model == "cctv-detect" else {})
    bound = Tensor().bind({role: session}, request, NoClock())
    feeds = seeded_feeds(session.inputs, 0, {"batch": 1})
    bound.step(0)
    bare_loop(session, feeds, count)
    blocks: list[tuple[float, float]] = []

    def block() -> None:
        harness = harness_loop(bound.step, tmp_path, count)
        blocks.append((harness, bare_loop(session, feeds, count)))

    benchmark.pedantic(block, rounds=BLOCKS)
    ratio = median(harness / bare for harness, bare in blocks)
    extra_us = median(harness - bare for harness, bare in blocks) / 1000
    bare_us = median(bare for _, bare in blocks) / 1000
    benchmark.extra_info.update(ratio=ratio, extra_us=extra_us, bare_us=bare_us)
    print(f"\n{model}: step / bare loop = {ratio:.4f}, {extra_us:+.2f} µs on {bare_us:.1f} µs")  # noqa: T201


def null_step(session: NullSession) -> Step:
    """The step that a worker measures on the null backend: a prepared call behind the tensor workload."""
    return Tensor().bind({"model": session}, Request(scope="device"), NoClock()).step


def loop_rate(step: Step, folder: Path, count: int) -> float:
    """Requests per second through the loop, in this process."""
    table = SampleTable(folder, count, 1)
    driven = closed_loop([step], table, 0, window_ns=0, least=count, last_ns=10**12)
    return count / (driven.end_ns - driven.start_ns) * 1e9


def worker_rate(artifact: Artifact, folder: Path) -> float:
    """Requests per second of a null launch as a run makes it: a fresh worker, its window, its table."""
    job = MeasureJob(
        adapter=AdapterRef(code=code("adapters", "null")),
        workload=code("workloads", "tensor"),
        artifacts=(artifact,),
        request=Request(scope="device"),
        load=Load(arrival="completion"),
        folder=str(folder),
        window_ns=300_000_000,
        warmup_ns=200_000_000,
        least_samples=1,
        max_samples=2_000_000,
        max_tokens=1,
    )
    answer = run_job(job, folder)
    assert isinstance(answer, Measured), answer
    return len(read(folder)[0]) / (answer.window.end_ns - answer.window.start_ns) * 1e9


def test_null_rate(benchmark: Any, tmp_path: Path) -> None:
    """How many requests per second there can be at most: an empty step, the null step, and that in a worker."""
    artifact = Artifact(role="model", path="", sha256="0" * 64)
    step = null_step(NullSession(artifact, {}))
    blocks: list[tuple[float, float, float]] = []

    def block() -> None:
        empty, null = loop_rate(lambda _: 1, tmp_path, 50_000), loop_rate(step, tmp_path, 50_000)
        blocks.append((empty, null, worker_rate(artifact, tmp_path / str(len(blocks)))))

    benchmark.pedantic(block, rounds=7)
    empty, null, worker = (median(column) for column in zip(*blocks, strict=True))
    ratios = [median(block[at] / block[0] for block in blocks) for at in (1, 2)]
    benchmark.extra_info.update(empty_per_s=empty, null_per_s=null, worker_per_s=worker)
    print(f"\nnull: {null:,.0f} samples/s = {ratios[0]:.2f} of an empty step ({empty:,.0f})")  # noqa: T201
    print(f"null in a worker: {worker:,.0f} samples/s = {ratios[1]:.2f} of an empty step")  # noqa: T201


@pytest.mark.parametrize("command", ["--help", "run --help"])
def test_help_cpu_seconds(benchmark: Any, command: str) -> None:
    spent = []

    def block() -> None:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "npubench", *command.split()], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    benchmark.pedantic(block, rounds=5)
    benchmark.extra_info.update(cpu_s=median(spent))
    print(f"\nnpubench {command}: {median(spent):.2f} CPU-seconds")  # noqa: T201


def test_building_the_suite(benchmark: Any, tmp_path: Path) -> None:
    suite = catalogue().suites["public-sector"].card
    models = [catalogue().models[name] for name in dict.fromkeys(entry.model for entry in suite.entries)]

    def build() -> None:
        for found in models:
            materialise(found.card, found.path.parent, tmp_path)

    started = time.perf_counter()
    benchmark.pedantic(build, rounds=1)
    print(f"\nbuilding the suite: {time.perf_counter() - started:.1f} s")  # noqa: T201
