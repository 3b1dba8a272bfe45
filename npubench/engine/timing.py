"""What this machine's clock, sleep, interpreter and scheduler do to a measurement: the facts of `selftest timing`.

    python -m npubench.engine.timing < job.json

In a process of its own, since it changes priorities and fills the interpreter's memory. Prints one JSON document per
part, as each is ready.

Not aware of: how it is shown (`cli.selftest_timing`), load (`timing_load`).
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from npubench.engine import timing_load
from npubench.engine.hosting import set_timer_slack
from npubench.engine.measure import quiet_collector
from npubench.engine.timing_facts import SECOND_NS, Line, Part, TimingJob, spread
from npubench.lang import Text

# A gap between two readings of the clock, one of which takes 0.06 µs, that is no work of ours.
_GAP_NS = 20_000


def clock(job: TimingJob) -> Part:
    """Source, resolution, and what a reading costs."""
    now = time.perf_counter_ns
    count = int(200_000 * job.scale) + 1_000
    seen = np.empty(count, dtype=np.int64)
    with quiet_collector():
        for index in range(count):
            seen[index] = now()
        start = now()
        for _ in range(count):
            now()
        cost = (now() - start) / count
    steps = np.diff(seen)
    info = time.get_clock_info("perf_counter")
    source = _text("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    smallest = float(steps[steps > 0].min()) if (steps > 0).any() else None
    return Part(
        name="clock",
        title=Text(en="Clock", ko="시계"),
        lines=(
            Line(title=Text(en="source", ko="출처"), word=f"{info.implementation}{f', {source}' if source else ''}"),
            Line(title=Text(en="steps back", ko="역행 횟수"), value=float((steps < 0).sum()), unit="count"),
            Line(title=Text(en="resolution", ko="분해능"), value=info.resolution * 1e9, unit="ns"),
            Line(title=Text(en="smallest step seen", ko="관측된 최소 간격"), value=smallest, unit="ns"),
            Line(title=Text(en="cost of a reading", ko="1회 읽기 비용"), value=cost, unit="ns"),
        ),
    )


def sleep(job: TimingJob) -> Part:
    """How late a sleep of a millisecond ends, with the usual timer slack and with 1 ns, in turn."""
    late: dict[int, list[int]] = {timing_load.USUAL_SLACK_NS: [], 1: []}
    refused: str | None = None
    now = time.perf_counter_ns
    for _ in range(int(20 * job.scale) + 1):
        for slack, kept in late.items():
            refused = _slack(slack) or refused
            for _ in range(10):
                deadline = now() + 1_000_000
                time.sleep(0.001)
                kept.append(now() - deadline)
    _slack(timing_load.USUAL_SLACK_NS)
    return Part(
        name="sleep",
        title=Text(en="A sleep of 1 ms ends late by", ko="1 ms 잠들기의 지연"),
        lines=tuple(
            Line(title=Text(en=f"timer slack {slack:,} ns", ko=f"타이머 슬랙 {slack:,} ns"), refused=refused)
            if refused is not None and slack == 1
            else Line(title=Text(en=f"timer slack {slack:,} ns", ko=f"타이머 슬랙 {slack:,} ns"), spread=spread(kept))
            for slack, kept in late.items()
        ),
    )


def collector(job: TimingJob) -> Part:
    """The longest pause of a loop that keeps an object per turn, with Python's collector and as we measure."""
    # Enough for a full collection: after 70 000 objects (Python's thresholds 700, 10, 10), a quarter of what was there.
    count = int(150_000 * max(job.scale, 0.6))

    def longest() -> int:
        now, kept, most, last = time.perf_counter_ns, list[list[int]](), 0, time.perf_counter_ns()
        for index in range(count):
            kept.append([index])
            after = now()
            if after - last > most:
                most = after - last
            last = after
        return most

    # Something for a full collection to walk through, as a process with a loaded model has it.
    ballast = [[index] for index in range(100_000)]
    gc.collect()
    # The least of several: what the machine did to one of them is no pause of the collector's.
    free = min(longest() for _ in range(5))
    with quiet_collector():
        guarded = min(longest() for _ in range(5))
    del ballast
    return Part(
        name="collector",
        title=Text(en="Longest pause of a loop that keeps objects", ko="객체를 쌓는 루프의 최장 멈춤"),
        lines=(
            Line(title=Text(en="garbage collector on", ko="가비지 수집기 켬"), value=float(free), unit="ns"),
            Line(title=Text(en="as npubench measures", ko="측정할 때의 상태"), value=float(guarded), unit="ns"),
        ),
    )


def preemption(job: TimingJob) -> Part:
    """What a loop that only reads the clock does not see: gaps, and switches that the system counts."""
    now = time.perf_counter_ns
    gaps = [0] * 100_000
    used = 0
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
    with quiet_collector():
        start = last = now()
        end = start + int(SECOND_NS * job.scale)
        while last < end and used < len(gaps):
            after = now()
            if after - last > _GAP_NS:
                gaps[used] = after - last
                used += 1
            last = after
    switches = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw - before
    found = np.array(gaps[:used], dtype=np.int64)
    return Part(
        name="preemption",
        title=Text(en="Pre-emption of a loop that only reads the clock", ko="시계만 읽는 루프의 선점"),
        lines=(
            Line(title=Text(en="gaps over 20 µs", ko="20 µs 초과 공백"), spread=spread(found)),
            Line(
                title=Text(en="time lost in them", ko="공백의 시간 비율"),
                value=float(found.sum()) / max(1, last - start),
                unit="ratio",
            ),
            Line(title=Text(en="involuntary switches", ko="비자발적 문맥 전환"), value=float(switches), unit="count"),
        ),
    )


PARTS: tuple[Callable[[TimingJob], Part], ...] = (
    clock,
    sleep,
    timing_load.lag,
    timing_load.stamps,
    collector,
    preemption,
    timing_load.floor,
    timing_load.effects,
    timing_load.lindley,
)


def _slack(ns: int) -> str | None:
    """Sets the timer slack, or says why not."""
    try:
        set_timer_slack(ns)
    except (OSError, NotImplementedError) as error:
        return str(error)
    return None


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def main() -> int:
    """Reads the job, prints each part as it is ready."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=TimingJob)
    for make in PARTS:
        sys.stdout.buffer.write(msgspec.json.encode(make(job)) + b"\n")
        sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
