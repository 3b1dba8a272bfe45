"""The worker's measure verb: opens, binds, warms up, makes the load, checks; `generator` does the timed part.

A given load is one window; a searched one is a row of trials in the same sample table, told apart by when their
requests were scheduled. Whatever else is learned of a launch (stages, audits, checks) is learned outside its windows.

Not aware of: rulesets (the job brings bounds and counts), files of results.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from npubench import __version__
from npubench.engine.auditing import SAMPLES, Sampler, audits
from npubench.engine.checking import WrongOutputError, check_all, check_outputs
from npubench.engine.hosting import hosted
from npubench.engine.lanes import Lane, Lanes
from npubench.engine.making import EXTEND, Making, abreast
from npubench.engine.protocol import CLOSED, Event, Load, Measured, MeasureJob, Together, resolve
from npubench.engine.remarks import remarks
from npubench.engine.staging import staged
from npubench.engine.table import SampleTable
from npubench.engine.warmup import tolerant, warm_up
from npubench.schema import Audit, ExecutionKind, FailureKind
from npubench.spi import Adapter, Awaits, Bound, Decodes, Feed, Placement, Places, Session, Streams, Workload
from npubench.stats.limiting import by_turns
from npubench.stats.placement import execution_kind, together
from npubench.stats.samples import Samples

# Steps of every further lane before anything is timed: the first opens kernels, the next find them warm.
LANE_STEPS = 2

# How long stages are looked at after the window, at most, and the slowest of the audits may take.
STAGES_NS = 2_000_000_000
AUDIT_NS = 60_000_000_000

# How long each clip is decoded for nothing but to see how fast the host does it.
DECODING_S = 0.5

# How often a launch of a mix looks for the others. They start within this of each other.
GATE_S = 0.002


class Events(Protocol):
    """The pipe to the parent."""

    def send(self, event: Event) -> None: ...
    def enter(self, phase: str) -> None: ...


def measure(job: MeasureJob, make: Callable[[int], Adapter], events: Events) -> None:
    """Does the job. `make` gives the adapter of the n-th device."""
    now = time.perf_counter_ns
    events.enter("open")
    lanes = Lanes(make, job.artifacts, job.adapter.options, job.load)
    events.enter("bind")
    workload: Workload = resolve(job.workload)()
    lanes.bind(workload, job.request)
    first = lanes.first
    events.enter("first")
    start = now()
    units = first.bound.step(0)
    first_ns = now() - start
    events.enter("warm-up")
    warmup, step_ns = warm_up(tolerant(first.bound.step), job.warmup_ns)
    for lane in lanes.lanes[1:]:
        for index in range(LANE_STEPS):
            tolerant(lane.bound.step)(index)
    count = len(lanes.lanes)
    if isinstance(first.bound, Awaits):
        # Not above: no other launch should load an event loop.
        from npubench.engine.streaming import warmed

        count = _under_way(job.load)
        # A server's batches are warmed up by batches; more at once than this would take longer than warming up may.
        warmed(first.bound, min(count, max(1, job.warmup_ns // max(step_ns, 1))))
    # Before the check, which copies outputs that the workload itself never holds all at once.
    peak_rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    events.enter("check")
    for lane in lanes.lanes:
        check_outputs(lane.bound, lane.sessions, 0)
    held = _held_rows(job, step_ns, count)
    rows = _rows(job, step_ns, count) + held
    tokens = min(job.max_tokens, rows * units) if first.bound.unit == "token" else 1
    table = SampleTable(Path(job.folder), rows, tokens, lanes=len(lanes.lanes), reserved=held)
    for number, lane in enumerate(lanes.lanes):
        lane.clock.target = table.tokens_of(number)
    if job.together is not None:
        events.enter("gate")
        _wait_for_others(job.together)
    events.enter("measure")
    feed = _feed(lanes) if job.load.arrival == "frames" else None
    samplers = _samplers(job, lanes, step_ns)
    before, loading_ns = resource.getrusage(resource.RUSAGE_SELF), now()
    with hosted(job.host) as hosting:
        making = Making(job, lanes, table, hosting.enter, samplers, feed, step_ns)
        window, found = making.make()
    table.end(making.next_row)
    told = first.bound.tally() if isinstance(first.bound, Awaits) else None
    after, loaded_ns = resource.getrusage(resource.RUSAGE_SELF), now() - loading_ns
    events.enter("check")
    check_all(first.bound, first.sessions)
    if table.tokens_dropped:
        raise RuntimeError(f"{table.tokens_dropped} token times did not fit into the table of {job.max_tokens}")
    placement, kind = _placed(job, first)
    sessions = first.sessions
    stages = staged(first.bound, min(STAGES_NS, job.window_ns // 4)) if job.stages else None
    if stages is not None:
        stages = msgspec.structs.replace(stages, decoder_per_s=_decoder_per_s(feed, len(lanes.lanes)))
    if feed is not None:
        feed.close()
    audited = _audited(job, first.bound, samplers, table, making.next_row) if job.audit else ()
    if isinstance(first.bound, Awaits):
        audited = (*audited, *remarks(told))
    events.send(
        Measured(
            unit=first.bound.unit,
            load_ns=lanes.load_ns,
            first_inference_ns=first_ns,
            warmup=warmup,
            window=window,
            samples_per_row=job.request.batch,
            placement=placement,
            execution_kind=kind,
            pid=os.getpid(),
            python=platform.python_version(),
            executable=os.path.basename(sys.executable),
            peak_rss_bytes=peak_rss_bytes,
            cpu_ns=int((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e9),
            loaded_ns=loaded_ns,
            left=making.left,
            involuntary_switches=after.ru_nivcsw - before.ru_nivcsw,
            versions={"numpy": np.__version__, "npubench-worker": __version__, **lanes.adapters[0].describe()},
            options={role: dict(getattr(session, "options", {})) for role, session in sessions.items()},
            inputs={role: tuple(session.inputs) for role, session in sessions.items()},
            outputs={role: tuple(session.outputs) for role, session in sessions.items()},
            capacity=found,
            stages=stages,
            audits=audited,
            host=hosting.effects,
        )
    )
    events.enter("close")
    lanes.close()


def _under_way(load: Load) -> int:
    """How many requests a server may have to answer at once."""
    return max(abreast(load), round(load.value or 0) if load.arrival == "users" else 0)


def _wait_for_others(together: Together) -> None:
    """Returns when every launch of the mix is ready. Raises RuntimeError where one of them will not come."""
    folder = Path(together.folder)
    (folder / f"{os.getpid()}.ready").touch()
    while len(list(folder.glob("*.ready"))) < together.count:
        if (folder / CLOSED).exists():
            raise RuntimeError("another launch of the mix failed before its window: nothing was measured beside it")
        time.sleep(GATE_S)


def _feed(lanes: Lanes) -> Feed | None:
    """What all lanes share of their streams, where the inputs are streams."""
    first = lanes.first.bound
    if not isinstance(first, Streams):
        return None
    feed = first.feed()
    for lane in lanes.lanes:
        if isinstance(lane.bound, Streams):
            lane.bound.take(feed)
    return feed


def _samplers(job: MeasureJob, lanes: Lanes, step_ns: int) -> list[Sampler]:
    """Who keeps answers of the timed run, over all lanes as many as one would; none where nothing is audited."""
    if not job.audit:
        return []
    count = len(lanes.lanes)
    rows = max(1, job.window_ns // max(step_ns, 1))
    seed = job.request.seed
    return [
        Sampler(lane.bound, seed + number, max(1, SAMPLES // count), rows) for number, lane in enumerate(lanes.lanes)
    ]


def _decoder_per_s(feed: object, lanes: int) -> float | None:
    """How many frames per second the host decodes in so many threads; None where it decodes no streams."""
    if not isinstance(feed, Decodes):
        return None
    return by_turns(feed.decoder_rates(lanes, DECODING_S).values())


def _audited(
    job: MeasureJob, bound: Bound, samplers: Sequence[Sampler], table: SampleTable, rows: int
) -> tuple[Audit, ...]:
    """The audits of what was timed, by the first lane."""
    samples = Samples(*table.between(0, rows))
    units = samples.column("units")[samples.column("status") == 0]
    return audits(bound, samplers, units, AUDIT_NS, job.request.seed)


def _rows(job: MeasureJob, step_ns: int, lanes: int) -> int:
    """Room for three times the requests that the warm-up promises, searches and extended windows included."""
    window_ns = EXTEND * job.window_ns
    return min(job.max_samples, max(4096, job.least_samples, 3 * lanes * window_ns // max(step_ns, 1)))


def _held_rows(job: MeasureJob, step_ns: int, lanes: int) -> int:
    """Room for a hold, on top: a search that fills its own must not leave it without."""
    held_ns = job.search.hold_ns if job.search is not None else 0
    return min(job.max_samples, max(4096, 3 * lanes * held_ns // max(step_ns, 1))) if held_ns else 0


def _placed(job: MeasureJob, lane: Lane) -> tuple[Placement | None, ExecutionKind]:
    """Where the lane's graphs ran. Raises WrongOutputError where one ran on another provider alone."""
    wanted = str(job.adapter.device.get("type", "none"))
    sessions: dict[str, Session] = dict(lane.sessions)
    evidence = {role: item.placement() for role, item in sessions.items() if isinstance(item, Places)}
    for role, found in evidence.items():
        if execution_kind(wanted, found) == "cpu_fallback":
            message = f"no node of the graph {role} ran on {found.requested}"
            raise WrongOutputError(FailureKind.CPU_FALLBACK, message)
    placement = together(list(evidence.values())) if len(evidence) == len(sessions) else None
    return placement, execution_kind(wanted, placement)
