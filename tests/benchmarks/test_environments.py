"""What an environment that is there costs, as ratios in one run. Run with `make benchmarks`.

Goal (stated, not asserted): `npubench env sync` of a synced environment ≤ 1 s, nearly all of which is starting the
command. Commands are interleaved, so that a noisy neighbour hits both; figures are medians over blocks, in processor
seconds, which a busy machine does not stretch.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import pytest

from npubench.engine.environments import MARKER, Marker, place_of
from npubench.engine.installing import sync
from tests.support import write_backend

BLOCKS = 7
# As many as an environment with torch has.
PACKAGES = 200


def seconds(*command: str) -> float:
    """Processor time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "npubench", *command], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_sync_of_a_synced_environment(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_ENVIRONMENTS", str(tmp_path / "environments"))
    requires = ("runtime-of-benchmarks==1",)
    place = place_of(requires)
    place.python.parent.mkdir(parents=True)
    place.python.symlink_to(sys.executable)
    packages = {f"package-{number}": "1.0" for number in range(PACKAGES)}
    marker = Marker(requires=place.requires, python="3", packages=packages, made="2026-11-24T00:00:00Z")
    (place.folder / MARKER).write_bytes(msgspec.json.encode(marker))
    cards = write_backend(tmp_path / "cards", "needy", environment=f'[environment]\nrequires = ["{requires[0]}"]\n\n')
    blocks: list[tuple[float, float]] = []

    def block() -> None:
        blocks.append((seconds("env", "sync", "needy", "--cards", str(cards)), seconds("list", "backends")))

    benchmark.pedantic(block, rounds=BLOCKS)
    start = time.perf_counter()
    sync(requires)
    inside_ms = (time.perf_counter() - start) * 1000
    ratio = median(synced / listed for synced, listed in blocks)
    synced_s = median(synced for synced, _ in blocks)
    benchmark.extra_info.update(ratio=ratio, synced_s=synced_s, inside_ms=inside_ms)
    figures = f"{ratio:.2f}, {synced_s:.2f} CPU-seconds, of which {inside_ms:.2f} ms for the environment"
    print(f"\nsync of a synced environment / list backends = {figures}")  # noqa: T201
