"""What the generator does on this machine: lag, stamps, what a request costs, whether a queue is as it must be.

Uses the same generator as every measurement: what is said here holds there. Requests do nothing, compute for a moment,
or take a known time.

Not aware of: clock and scheduler as such (`timing`), how it is shown.
"""

from __future__ import annotations

import os
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from npubench.engine.generator import Driven, closed_loop, open_loop
from npubench.engine.hosting import hosted
from npubench.engine.protocol import resolve
from npubench.engine.schedule import poisson
from npubench.engine.table import SampleTable, read
from npubench.engine.timing_facts import SECOND_NS, Line, Numbers, Part, TimingJob, spread
from npubench.lang import Text
from npubench.schema import SAMPLE_COLUMNS, Host
from npubench.spi import Artifact, Bound, Request, Step
from npubench.stats.lindley import latencies
from npubench.stats.samples import Samples

# As the kernel has it unless asked (prctl(2)).
USUAL_SLACK_NS = 50_000
RATES = (100, 1_000, 5_000, 20_000)
# Each option so often, in turn, so that a noisy neighbour hits all of them.
_TURNS = 4


def lag(job: TimingJob) -> Part:
    """How late requests that do nothing are issued, and how many per second were really issued."""
    lines = []
    for rate in RATES:
        driven, found = _open([_nothing], rate, job.scale, Host())
        per_s = len(found["issued_ns"]) / (driven.end_ns - driven.start_ns) * SECOND_NS
        at = Text(en=f"{rate:,} requests/s", ko=f"초당 {rate:,}건")
        lines.append(Line(title=at, spread=spread(found["issued_ns"] - found["scheduled_ns"])))
        if rate == RATES[-1]:
            done = Text(en=f"issued of {rate:,}/s", ko=f"초당 {rate:,}건 중 실제")
            lines.append(Line(title=done, value=per_s, unit="requests/s"))
    return Part(
        name="lag",
        title=Text(en="Requests that do nothing are issued late by", ko="빈 요청의 발행 지연"),
        lines=tuple(lines),
    )


def stamps(job: TimingJob) -> Part:
    """How much later than usual a fixed piece of work is seen to be complete, alone and beside another lane.

    The work computes without the interpreter's lock, which it must have back before its completion can be stamped. One
    lane has nobody to wait for: its line is the machine's own doing. (Wall time less processor time would miss most of
    it: here waiting for the lock is itself charged as processor time.)
    """
    work, now = bytes(250_000), time.perf_counter_ns
    lines = []
    for lanes, title in (
        (1, Text(en="one lane, 1,500 requests/s", ko="레인 1개, 초당 1,500건")),
        (2, Text(en="two lanes, 3,000 requests/s", ko="레인 2개, 초당 3,000건")),
    ):
        taken = [0] * (int(1_500 * lanes * 2 * job.scale) + 1_000)

        def step(position: int, taken: list[int] = taken) -> int:
            begun = now()
            zlib.crc32(work)
            taken[position] = now() - begun
            return 1

        _, found = _open([step] * lanes, 1_500 * lanes, 1.5 * job.scale, Host())
        seen = np.array(taken[: len(found["units"])], dtype=np.int64)
        late = np.maximum(seen - np.int64(np.median(seen)), 0) if len(seen) else seen
        lines.append(Line(title=title, spread=spread(late)))
    return Part(
        name="stamps",
        title=Text(en="Work that is always the same ends later than its median by", ko="동일 작업의 중앙값 대비 지연"),
        lines=tuple(lines),
    )


def floor(job: TimingJob) -> Part:
    """What a request costs that does nothing: as it is measured, and with all that is between two of them."""
    count = int(50_000 * job.scale) + 1_000
    with tempfile.TemporaryDirectory(prefix="npubench-timing-") as folder:
        table = SampleTable(Path(folder), count, 0)
        driven = closed_loop([_nothing], table, 0, window_ns=0, least=count, last_ns=60 * SECOND_NS)
        found = _columns(Path(folder))
    each = (driven.end_ns - driven.start_ns) / max(1, len(found["units"]))
    return Part(
        name="floor",
        title=Text(en="Overhead floor: a request that does nothing", ko="하네스 하한: 빈 요청"),
        lines=(
            Line(
                title=Text(en="latency", ko="지연 시간"), spread=spread(found["completed_ns"] - found["scheduled_ns"])
            ),
            Line(title=Text(en="one after the other", ko="연속 실행 1건"), value=each, unit="ns"),
        ),
    )


def effects(job: TimingJob) -> Part:
    """The lag at 1 000 requests/s with each option on, in turn, or why it was refused."""
    last = tuple(sorted(os.sched_getaffinity(0)))[-1:] if hasattr(os, "sched_getaffinity") else (0,)
    options = {
        Text(en="no option", ko="옵션 없음"): Host(timer_slack_ns=USUAL_SLACK_NS),
        Text(en="timer slack 1 ns", ko="타이머 슬랙 1 ns"): Host(),
        Text(en="pinned to one processor", ko="프로세서 고정"): Host(timer_slack_ns=USUAL_SLACK_NS, pin=last),
        Text(en="high priority", ko="높은 우선순위"): Host(timer_slack_ns=USUAL_SLACK_NS, priority="high"),
        Text(en="real-time priority", ko="실시간 우선순위"): Host(timer_slack_ns=USUAL_SLACK_NS, priority="realtime"),
        Text(en="slack, pinned, real-time", ko="슬랙·고정·실시간"): Host(pin=last, priority="realtime"),
    }
    late: dict[Text, list[Numbers]] = {title: [] for title in options}
    refused: dict[Text, str] = {}
    for turn in range(_TURNS):
        for title, host in options.items():
            if title not in refused:
                said: list[str] = []
                _, found = _open([_nothing], 1_000, 0.25 * job.scale, host, said, seed=turn)
                late[title].append(found["issued_ns"] - found["scheduled_ns"])
                if said:
                    refused[title] = "; ".join(said)
    return Part(
        name="effects",
        title=Text(en="Issued late by, at 1,000 requests/s, with", ko="초당 1,000건에서 옵션별 발행 지연"),
        lines=tuple(
            Line(title=title, refused=refused[title])
            if title in refused
            else Line(title=title, spread=spread(np.concatenate(late[title])))
            for title in options
        ),
    )


def lindley(job: TimingJob) -> Part:
    """Measured latency less what it must be, request by request.

    Poisson arrivals at seven tenths of what one and two servers can do, exponential service times of 2 ms on average,
    taken as they really were.
    """
    lines = []
    for lanes, en, ko in ((1, "one server", "서버 1개"), (2, "two servers", "서버 2개")):
        bounds = [_known(job, {"mean_ns": 2_000_000, "distribution": "exponential"}) for _ in range(lanes)]
        _, found = _open([bound.step for bound in bounds], 350 * lanes, 3 * job.scale, Host())
        rows = np.column_stack([found[name] for name in SAMPLE_COLUMNS])
        service = found["completed_ns"] - found["issued_ns"]
        must = latencies(found["scheduled_ns"].tolist(), service.tolist(), lanes)
        measured = found["completed_ns"] - found["scheduled_ns"]
        # The error of a request is also that of all before it in the same busy period; its own is what it added.
        own = Samples(rows, np.empty((0, 2), dtype=np.int64)).lag_ns(lanes)
        lines += [
            Line(title=Text(en=f"{en}: latency", ko=f"{ko}: 지연 시간"), spread=spread(measured)),
            Line(title=Text(en=f"{en}: error", ko=f"{ko}: 오차"), spread=spread(np.abs(measured - must))),
            Line(title=Text(en=f"{en}: each one's own", ko=f"{ko}: 요청 자체의 몫"), spread=spread(own)),
        ]
    return Part(
        name="lindley",
        title=Text(
            en="Every request's latency against Lindley's recursion", ko="린들리 점화식과 비교한 요청별 지연 시간"
        ),
        lines=tuple(lines),
    )


def _nothing(_: int) -> int:
    return 1


def _open(
    steps: Sequence[Step], rate: float, seconds: float, host: Host, refused: list[str] | None = None, seed: int = 0
) -> tuple[Driven, dict[str, Numbers]]:
    """Poisson arrivals through the generator; the columns of the samples. What was refused is added to `refused`."""
    arrivals = poisson(rate, int(seconds * SECOND_NS), seed)
    with tempfile.TemporaryDirectory(prefix="npubench-timing-") as folder:
        table = SampleTable(Path(folder), max(1, len(arrivals.due_ns)), 0, len(steps))
        with hosted(host) as hosting:
            driven = open_loop(steps, table, arrivals, 0, drop=False, limit=None, enter=hosting.enter)
        if refused is not None:
            refused.extend(f"{effect.what}: {effect.refused}" for effect in hosting.effects if effect.refused)
        return driven, _columns(Path(folder))


def _columns(folder: Path) -> dict[str, Numbers]:
    rows, _ = read(folder)
    return {name: rows[:, index] for index, name in enumerate(SAMPLE_COLUMNS)}


def _known(job: TimingJob, params: dict[str, object]) -> Bound:
    session = resolve(job.adapter)().open(Artifact(role="model", path="", sha256="0" * 64), {})
    request = Request(scope="device", params=params)
    bound: Bound = resolve(job.workload)().bind({"model": session}, request, _NoTokens())
    return bound


class _NoTokens:
    def tick(self) -> None:
        """Nothing here generates."""
