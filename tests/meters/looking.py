"""Meters in a process of their own, where vendor libraries that the tests made are the machine's."""

from __future__ import annotations

import json
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

# For each line (meter, variable, script, times, pause): probes the meter, reads it and says everything as JSON.
_LOOK = """
import importlib, json, os, sys, time, msgspec
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    meter, variable, script, times, pause_s = json.loads(line)
    os.environ[variable] = script
    # The test's AMD SMI reads its script when it is imported.
    sys.modules.pop("amdsmi", None)
    module, _, name = meter.partition(":")
    found = getattr(importlib.import_module(module), name)()
    availability = found.probe()
    looks = []
    for _ in range(times):
        looks.append(list(found.read()))
        time.sleep(pause_s)
    said = {"availability": availability, "channels": list(found.channels()), "looks": looks}
    found.close()
    found.close()
    print(msgspec.json.encode(said).decode(), file=answers, flush=True)
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


def environment(library: Path | None = None) -> dict[str, str]:
    """Environment of a process that finds the NVML in `library` (none: the machine's own) and the test's AMD SMI."""
    path = os.pathsep.join((str(ROOT), str(Path(__file__).with_name("fake_amdsmi"))))
    found = {**os.environ, "PYTHONPATH": path}
    if library is not None:
        found["LD_LIBRARY_PATH"] = str(library)
    return found


class Looker:
    """A process with those libraries, in which a meter is opened anew for each look."""

    def __init__(self, meter: str, variable: str, library: Path | None = None) -> None:
        self._meter, self._variable = meter, variable
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LOOK],
            env=environment(library),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def look(self, script: str, times: int = 1, pause_s: float = 0.0) -> Look:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = json.dumps([self._meter, self._variable, script, times, pause_s])
        self._process.stdin.write(job.encode() + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Look)

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()
