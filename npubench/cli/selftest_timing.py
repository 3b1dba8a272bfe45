"""`npubench selftest timing`: what this machine's clock, scheduler and interpreter do to a measurement.

The measuring happens in a process of its own, about half a minute long; nothing here judges, it shows.
"""

from __future__ import annotations

import subprocess
import sys
import threading

import msgspec

from npubench.cli.progress import Console
from npubench.discovery import code
from npubench.engine.timing_facts import Line, Part, TimingJob
from npubench.errors import MeasurementError
from npubench.lang import here, language
from npubench.units import show

SCHEMA = "npubench.timing/1"
# The whole takes half a minute; a machine that needs this long has stopped.
_TIMEOUT_S = 180.0


def selftest_timing(as_json: bool, scale: float = 1.0) -> None:
    """Prints the facts, part by part. Raises MeasurementError where they could not be found."""
    console = Console(as_json=as_json)
    console.say(here("measuring timing, about 30 s …", "시각 정확도 측정, 약 30초 …"))
    job = TimingJob(workload=code("workloads", "synthetic"), adapter=code("adapters", "null"), scale=scale)
    parts = _measured(job, console, as_json)
    if as_json:
        document = {"schema": SCHEMA, "parts": [msgspec.to_builtins(part) for part in parts]}
        console.document(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")


def _measured(job: TimingJob, console: Console, as_json: bool) -> list[Part]:
    """The parts, each shown as soon as it is there."""
    parts: list[Part] = []
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "npubench.engine.timing"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        watchdog = threading.Timer(_TIMEOUT_S, child.kill)
        watchdog.start()
        try:
            child.stdin.write(msgspec.json.encode(job))
            child.stdin.close()
            for line in child.stdout:
                parts.append(msgspec.json.decode(line, type=Part))
                if not as_json:
                    _show(parts[-1], console)
            said = child.stderr.read().decode(errors="replace").strip()
        finally:
            watchdog.cancel()
            child.kill()
    # SIGKILL after its own end changes nothing: a process that ended keeps its code.
    if child.returncode:
        raise MeasurementError(
            here("timing could not be measured", "시각 정확도를 측정하지 못했습니다") + f" ({child.returncode})",
            hint=said[-2000:] or None,
        )
    return parts


def _show(part: Part, console: Console) -> None:
    spreads = any(line.spread is not None for line in part.lines)
    head = [part.title[language()]]
    head += ["p50", "p90", "p99", here("most", "최대"), here("count", "개수")] if spreads else [""]
    console.table(head, [_row(line, len(head)) for line in part.lines])


def _row(line: Line, width: int) -> list[str]:
    found = line.spread
    cells = [line.title[language()]]
    if found is not None:
        cells += [show(value, "ns") for value in (found.p50, found.p90, found.p99, found.most)]
        cells.append(show(found.count, "count"))
    elif line.refused is not None:
        cells.append(here("refused: ", "거부됨: ") + line.refused)
    else:
        cells.append(line.word if line.word is not None else show(line.value, line.unit))
    return cells + [""] * (width - len(cells))
