"""What reading power costs, as shares and ratios in one run. Run with `make benchmarks`.

Goals (stated, not asserted): 10 Hz over 8 channels takes 2 % of one core at most; a window is cut out of a day's
record without reading it; a run on a machine without a meter starts as quickly as before.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from npubench.engine.effect import effect
from npubench.engine.meters import survey
from npubench.engine.power import PowerSampler, SamplerLog, cut, mapped
from npubench.spi import Channel
from npubench.stats.readings import RECORD
from tests.engine import faulty_meters

EIGHT = "faulty_meters:Eight"
SECONDS = 10.0


@pytest.fixture(autouse=True)
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(Path(faulty_meters.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")])))


def test_sampler_cpu_over_wall_time(benchmark: Any, tmp_path: Path) -> None:
    """By the kernel's count over its whole life, and by its own, which leaves starting out."""

    def ticks(pid: int) -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    shares: list[float] = []
    seconds = 0.5 if benchmark.disabled else SECONDS
    sampler = PowerSampler.start(EIGHT, 0.1, tmp_path)
    assert sampler._process is not None
    pid = sampler._process.pid

    def block() -> None:
        before, start = ticks(pid), time.perf_counter()
        time.sleep(seconds)
        shares.append((ticks(pid) - before) / os.sysconf("SC_CLK_TCK") / (time.perf_counter() - start))

    benchmark.pedantic(block, rounds=3)
    sampler.stop()
    cost = sampler.log().cost
    rows = len(mapped(sampler.rows))
    benchmark.extra_info.update(share=median(shares), own_share=cost.cpu_share)
    print(  # noqa: T201
        f"\n8 channels at 10 Hz: {median(shares):.2%} of one core (kernel's ticks), {cost.cpu_share:.2%} by its own "
        f"count, a read takes {(cost.read_p50_ns or 0) / 1e3:.0f} µs (p99 {(cost.read_p99_ns or 0) / 1e3:.0f} µs), "
        f"{rows} rows"
    )


def test_a_window_out_of_a_day(benchmark: Any, tmp_path: Path) -> None:
    path, channels, count = tmp_path / "day.bin", 8, 24 * 3600 * 10
    with path.open("wb") as stream:
        for hour in range(24):
            table = np.zeros(count // 24 * channels, RECORD)
            table["before_ns"] = (hour * (count // 24) + np.arange(len(table)) // channels) * 100_000_000
            table["channel"] = np.arange(len(table)) % channels
            stream.write(table.tobytes())
    log = SamplerLog(
        channels=tuple(
            Channel(name=str(place), unit="W", scope="card", kind="instant", source="t") for place in range(channels)
        )
    )
    start_ns = 40_000 * 1_000_000_000
    found = benchmark(cut, path, log, start_ns, start_ns + 30_000_000_000)
    assert len(found.table) == 300 * channels


def test_what_sampling_does_to_work_beside_it(benchmark: Any, tmp_path: Path) -> None:
    with PowerSampler.start(EIGHT, 0.1, tmp_path) as sampler:

        def sample(on: bool) -> None:
            (sampler.resume if on else sampler.pause)()

        found = benchmark.pedantic(effect, args=(sample,), rounds=1)
    assert found is not None
    print(f"\non / off = {found.ratio:.4f} [{found.low:.4f}, {found.high:.4f}], {found.blocks} blocks")  # noqa: T201


def test_survey_of_a_machine_without_meters(benchmark: Any) -> None:
    """The whole of it, when nothing else is done meanwhile; a run does it beside the backends' probes."""
    benchmark.pedantic(survey, args=({},), rounds=5)
