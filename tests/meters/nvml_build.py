"""Builds the test's NVML and runs Python with it as the machine's NVML."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from npubench.spi import Availability, Channel, Reading

SOURCE = Path(__file__).with_name("fake_nvml.c")
ROOT = Path(__file__).parents[2]

# Probes the meter, reads it some times and says everything as JSON.
_LOOK = """
import json, sys, time, msgspec
from npubench.meters.nvml import NvmlMeter
meter = NvmlMeter()
availability = meter.probe()
looks = []
for _ in range(int(sys.argv[1])):
    looks.append(list(meter.read()))
    time.sleep(float(sys.argv[2]))
found = {"availability": availability, "channels": list(meter.channels()), "looks": looks}
meter.close()
meter.close()
print(msgspec.json.encode(found).decode())
"""


class Look(msgspec.Struct, frozen=True):
    """What the meter said in a process of its own."""

    availability: Availability
    channels: tuple[Channel, ...]
    looks: tuple[tuple[Reading, ...], ...]

    def named(self) -> dict[str, Channel]:
        return {channel.name: channel for channel in self.channels}

    def values(self, look: int = -1) -> dict[str, float | None]:
        return {reading.channel: reading.value for reading in self.looks[look]}

    def statuses(self, look: int = -1) -> dict[str, str]:
        return {reading.channel: reading.status for reading in self.looks[look]}


def built(folder: Path) -> Path:
    """A folder with `libnvidia-ml.so.1`; skips the test where nothing compiles C."""
    compiler = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    if compiler is None:
        pytest.skip("no C compiler (cc, gcc, clang) to build the test's NVML with")
    library = folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-lm"], check=True)
    return folder


def environment(library: Path | None, script: str) -> dict[str, str]:
    """Environment of a process that finds the NVML in `library` (none: the machine's own) and its `script`."""
    found = {**os.environ, "FAKE_NVML": script, "PYTHONPATH": str(ROOT)}
    if library is not None:
        found["LD_LIBRARY_PATH"] = str(library)
    return found


def look(library: Path | None, script: str = "", times: int = 1, pause_s: float = 0.0) -> Look:
    command = [sys.executable, "-c", _LOOK, str(times), str(pause_s)]
    done = subprocess.run(command, env=environment(library, script), stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Look)
