"""Made-up searches for the tests of the report: capacities, curves, stages, audits. Nothing here was measured."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from npubench.lang import Text
from npubench.report.view import RunFiles
from npubench.scenarios import parse
from npubench.schema import (
    Audit,
    Capacity,
    Cell,
    FailedBy,
    Launch,
    PlannedCell,
    Stages,
    Trial,
    TrialPurpose,
    Window,
    cell_id,
)
from npubench.stats.samples import Samples
from npubench.tuning import Point, Ratio, Reason, Tried, Tuning
from tests.report import sample

S = 1_000_000_000


def trial(
    load: float | None,
    p99_ms: float | None,
    *,
    at_s: int = 0,
    queries: int = 700,
    passed: bool = True,
    purpose: TrialPurpose = "search",
    dropped: int = 0,
    failed_by: FailedBy | None = None,
    **changes: Any,
) -> Trial:
    """A trial whose median is half its p99."""
    start = sample.START_NS + at_s * S
    ns = None if p99_ms is None else p99_ms * 1e6
    found = Trial(
        purpose=purpose,
        load=load,
        window=Window(start_ns=start, end_ns=start + 10 * S),
        queries=queries,
        over=dropped,
        dropped=dropped,
        failed=0,
        passed=passed,
        percent=99.0 if passed else None,
        failed_by=failed_by,
        completed_per_s=queries / 10,
        p50_ns=None if ns is None else ns * 0.5,
        p90_ns=None if ns is None else ns * 0.8,
        p99_ns=ns,
        lag_p99_ns=20_000.0,
    )
    return msgspec.structs.replace(found, **changes)


def cameras(fps: int, most: int) -> Capacity:
    """A search that found `most` cameras."""
    bound = 1e9 / fps
    scale = bound / 1e6
    found = [trial(None, 24.0, purpose="saturate", failed=0)]
    loads = sorted({1, max(1, most // 2), most})
    found += [trial(n, scale * (0.3 + 0.6 * n / most), at_s=10 * n, queries=150) for n in loads]
    if most < 40:
        late = trial(
            most * 2 + 1, None, queries=210, passed=False, dropped=90, failed_by="drops", ended="hopeless", p50_ns=2.6e8
        )
        found.append(late)
    found.append(trial(most + 1, scale * 1.4, passed=False, failed_by="latency", percent=99.0, over=31))
    found.append(trial(most, scale * 0.92, purpose="confirm", at_s=500, queries=671))
    return Capacity(
        searched="cameras",
        confirmed=float(most),
        percent=99.0,
        failed=float(most + 1),
        failed_by="latency",
        sustained_per_s=most * fps * 1.04,
        bound={"latency_p99_ns": bound},
        trials=tuple(found),
    )


def held(found: Capacity, *p99s_ms: float | None, failed_by: FailedBy | None = None) -> Capacity:
    """A search whose launches held what they confirmed for 30 s; None: too late to have a p99."""
    holds = []
    for number, p99_ms in enumerate(p99s_ms):
        kept = p99_ms is not None
        hold = trial(
            found.confirmed,
            p99_ms,
            purpose="hold",
            at_s=600 + 40 * number,
            queries=2000,
            passed=kept,
            failed_by=None if kept else failed_by,
        )
        lasted = Window(start_ns=hold.window.start_ns, end_ns=hold.window.start_ns + 30 * S)
        # Neither its lag nor its percentiles are those of the search.
        holds.append(msgspec.structs.replace(hold, window=lasted, lag_p99_ns=9e6))
    return msgspec.structs.replace(found, trials=(*found.trials, *holds))


def no_camera(fps: int) -> Capacity:
    """A device that serves not even one."""
    ms = 1e3 / fps
    return Capacity(
        searched="cameras",
        confirmed=0.0,
        failed=1.0,
        failed_by="latency",
        sustained_per_s=14.2,
        bound={"latency_p99_ns": 1e9 / fps},
        trials=(
            trial(None, 70.0, purpose="saturate"),
            trial(1, ms * 1.065, passed=False, failed_by="latency", percent=99.0, over=44),
        ),
    )


def rate(confirmed: float | None, bound: dict[str, float], **changes: Any) -> Capacity:
    """A search of requests per second."""
    limit = next(iter(bound.values())) / 1e6
    top = confirmed or 1.0
    found = Capacity(
        searched="rate",
        confirmed=confirmed,
        percent=90.0,
        short=398,
        failed=top * 1.2,
        failed_by="queue",
        sustained_per_s=top * 1.3,
        bound=bound,
        trials=(
            trial(None, limit, purpose="saturate", queries=60),
            trial(top / 2, limit * 0.4, queries=64, percent=90.0),
            trial(top * 1.2, limit * 3, queries=80, passed=False, failed_by="queue", ended="hopeless"),
            trial(top, limit * 0.8, queries=121, percent=90.0, purpose="confirm", at_s=60, p99_ns=None),
        ),
    )
    return msgspec.structs.replace(found, **changes)


STAGES = Stages(inputs=32, median_ns={"decode": 9.1e6, "pre": 2.2e6, "infer": 6.4e6, "post": 0.8e6})
AUDITS = (
    Audit(name="no-cache", passed=True, said=Text(en="repeating is 1 % faster", ko="반복해도 1 % 빠름")),
    Audit(name="same-outputs", passed=False, said=Text(en="2 of 16 answers differ", ko="답 16개 중 2개가 다름")),
    Audit(name="output-length", passed=None, said=Text(en="no reference length", ko="기준 길이 없음")),
)
LACKS = (Text(en="212 more queries for p99", ko="p99에 질의 212개 더 필요"),)


def planned(model: str, backend: str, scenario: str, scope: str = "service", **changes: Any) -> PlannedCell:
    """A cell whose scenario is given in its written form."""
    (found,) = parse(scenario)
    cell = sample.planned(model, backend, found.name, scope)
    key = {**cell.key, "scenario": scenario}
    facts = {"scenario": found, "key": key, "identity": dict(key), "id": cell_id(key), **changes}
    return msgspec.structs.replace(cell, **facts)


def searching(files: RunFiles, found: dict[str, Capacity], **changes: Any) -> RunFiles:
    """`files` with what was searched, by cell id, as the assembly of a run puts it there."""

    def with_it(cell: Cell) -> Cell:
        return msgspec.structs.replace(cell, capacity=found[cell.id], **changes) if cell.id in found else cell

    run = msgspec.structs.replace(files.run, cells=tuple(with_it(cell) for cell in files.run.cells))
    launches = {
        name: msgspec.structs.replace(launch, capacity=found.get(launch.cell))
        for name, launch in files.launches.items()
    }
    return RunFiles(run=run, launches=launches, samples=files.samples)


def services() -> RunFiles:
    """CCTV, OCR and a language model on two backends, each with what was searched beside the usual scenarios."""
    cells: list[PlannedCell] = []
    launches: list[Launch] = []
    tables: dict[str, Samples] = {}
    found: dict[str, Capacity] = {}

    def add(cell: PlannedCell, unit: str, median_ns: float, capacity: Capacity | None = None, units: int = 1) -> None:
        offline, seed = cell.scenario.name == "offline", len(cells)
        cells.append(cell)
        for n in (1, 2):
            rows = sample.samples(median_ns, 700, seed=seed + n, units=units, offline=offline, tokens=unit == "token")
            tables[f"{cell.id}-{n}"] = rows
            launches.append(sample.launched(cell, n, rows, unit))
        if capacity is not None:
            found[cell.id] = capacity

    for backend, most in (("cpu", 1), ("sample-npu", 14)):
        speed = sample.SPEED[backend]
        for name in ("single-stream", "offline:batch=4,instances=2", "offline:batch=8"):
            add(planned("cctv-detect", backend, name), "frame", 24e6 * speed)
        for fps in (5, 15, 30):
            seen = no_camera(fps) if backend == "cpu" and fps == 30 else cameras(fps, max(1, most * 15 // fps))
            if backend != "cpu" and fps == 15:
                seen = held(seen, 62.4, 63.1)
            cell = planned("cctv-detect", backend, f"cameras:fps={fps},instances=1,inflight=2")
            add(cell, "frame", 24e6 * speed, seen)
        page = rate(1.6 / speed, {"latency_p99_ns": 2e9})
        add(planned("ocr-korean", backend, "server"), "page", 610e6 * speed, page)
        add(planned("ocr-korean", backend, "single-stream"), "page", 610e6 * speed)
        chat = {"ttft_p99_ns": 2e9, "tpot_p99_ns": 1e8}
        answer = rate(
            None if backend == "cpu" else 3.2,
            chat,
            reason=Text(
                en="the time was over before a load was confirmed", ko="부하를 확인하기 전에 시간이 끝났습니다"
            ),
        )
        add(planned("llm-chat-135m", backend, "server:traffic=citizens"), "token", 1.4e9 * speed, answer, 32)
        add(planned("llm-chat-135m", backend, "single-stream"), "token", 1.4e9 * speed, None, 32)
    return searching(sample.files(cells, launches, tables), found, stages=STAGES, audits=AUDITS, lacks=LACKS)


def tuning(cell: str = "c", **changes: Any) -> Tuning:
    """A surface of a few points, one of which ran out of memory and one out of time."""
    default, best = Point(batch=8, threads=4), Point(batch=16, instances=2, threads=2, inflight=2)
    found = Tuning(
        cell=cell,
        model="cctv-detect",
        precision="fp32",
        variant="portable",
        backend="cpu",
        scope="service",
        unit="frame",
        default=default,
        chosen=best,
        surface=(
            Tried(point=default, rates=(100.0, 101.0, 99.0, 100.5), rounds=3),
            Tried(point=best, rates=(131.0, 134.0, 133.0, 132.0), rounds=3),
            Tried(point=Point(batch=4, threads=4), rates=(90.0,), rounds=0),
            Tried(point=Point(batch=64), reason=Reason(kind="out_of_memory", message="bad_alloc")),
            Tried(point=Point(batch=128), reason=Reason(kind="memory", message="batch 64 ran out of memory")),
            Tried(point=Point(batch=1, instances=4, threads=1), reason=Reason(kind="time", message="no time")),
        ),
        gain=Ratio(median=1.32, low=1.29, high=1.36, count=7, confidence=0.984),
        confirmed=True,
        same=Ratio(median=1.0, low=0.98, high=1.02, count=7, confidence=0.984),
        duration_ns=140 * S,
    )
    return msgspec.structs.replace(found, **changes)


def many_loads(count: int) -> Capacity:
    """A search with a great many trials."""
    draw = np.random.default_rng(4)
    found = [trial(n, float(10 + 50 * n / count + draw.random())) for n in range(1, count + 1)]
    return Capacity(
        searched="cameras", confirmed=float(count), percent=99.0, bound={"latency_p99_ns": 66.7e6}, trials=tuple(found)
    )
