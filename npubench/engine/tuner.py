"""Looks for the best way to run an offline cell: once per run, before its launches, in a worker of its own.

Guarantees: whatever goes wrong is in the `Tuning`, not an exception; a point that takes the worker down with it is out,
and the search starts anew without it in what is left of the time. Not aware of: how points are measured (`tuning`),
how they are chosen (`halving`), launches.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from npubench import traffic
from npubench.cards import BackendCard, ModelCard
from npubench.discovery import code
from npubench.engine import candidates
from npubench.engine.files import Files
from npubench.engine.halving import needs_more
from npubench.engine.launcher import Limits, run_job
from npubench.engine.memory import available_bytes
from npubench.engine.protocol import Event, Trying, Tuned, TuneJob
from npubench.engine.select import adapter_ref, environment_of
from npubench.scenarios import Scenario
from npubench.schema import Failure, FailureKind, Plan, PlannedCell
from npubench.spi import Artifact, Request
from npubench.tuning import Point, Reason, Search, Tried, Tuning

# The search may take this share of the time of all its cell's windows, within bounds: less does not tell points apart,
# more does not find better ones.
BUDGET_SHARE = 0.5
LEAST_S, MOST_S = 10.0, 600.0
# Of the memory that the machine can give, what points may hold that wait for their next turn.
KEEP_SHARE = 0.4
# So many points may take a worker down; a search is only begun anew with this share of its time left.
MOST_LOST, LEAST_LEFT = 3, 0.2
# A worker that ended so was brought down by the point that it was at.
_BY_THE_POINT = (FailureKind.CRASHED, FailureKind.KILLED, FailureKind.OUT_OF_MEMORY, FailureKind.HUNG)


class Tuner:
    """Tunes the cells of one plan. `work` is a folder for files in flight; lives as long as the run."""

    def __init__(
        self,
        plan: Plan,
        work: Path,
        files: Files,
        limits: Limits,
        stop: Callable[[], bool] = lambda: False,
        say: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self._plan = plan
        self._work = work
        self._files = files
        self._limits = limits
        self._stop = stop
        self._say = say

    def tune(self, cell: PlannedCell, box_ns: int | None = None) -> Tuning:
        """The search for a cell, in `box_ns` (None: its share of the cell's time). Raises StopRequested."""
        return self._made(cell, box_ns or budget_ns(cell, self._plan.launches), 0, 0)

    def exhaust(self, cell: PlannedCell, repetitions: int, slice_ns: int) -> Tuning:
        """Every point so often, interleaved: what `tune` is judged by (`selftest tuner`). Raises StopRequested."""
        return self._made(cell, 0, repetitions, slice_ns)

    def again(self, cell: PlannedCell, points: Sequence[Point], repetitions: int, slice_ns: int) -> Tuning:
        """Only these points and the default, as `exhaust` measures them. Raises StopRequested."""
        return self._made(cell, 0, repetitions, slice_ns, points)

    def candidates(self, cell: PlannedCell) -> tuple[Point, tuple[Point, ...]]:
        """The default point of a cell, and all points that are tried, the default first."""
        backend = msgspec.convert(self._plan.backends[cell.backend], BackendCard)
        threads = self._plan.machine.threads or 1
        default = candidates.default_point(cell.scenario, backend, threads)
        return default, candidates.points(default, backend, threads)

    def _made(
        self, cell: PlannedCell, box_ns: int, repetitions: int, slice_ns: int, only: Sequence[Point] = ()
    ) -> Tuning:
        default, points = self.candidates(cell)
        if only:
            points = tuple(dict.fromkeys((default, *only)))
        blank = Tuning(
            cell=cell.id,
            model=cell.model,
            precision=cell.precision,
            variant=cell.variant,
            backend=cell.backend,
            scope=cell.scope,
            default=default,
            seed=self._plan.seed,
            budget_ns=box_ns,
        )
        files, excluded = self._built(cell, points)
        job = self._job(cell, default, points, files, excluded)
        job = msgspec.structs.replace(job, box_ns=box_ns, repetitions=repetitions, slice_ns=slice_ns)
        begun = time.perf_counter_ns()
        answer, lost = self._searched(job, cell)
        taken_ns = time.perf_counter_ns() - begun
        if isinstance(answer, Failure):
            reason = Reason(kind=answer.kind.value, message=answer.message)
            return msgspec.structs.replace(blank, failure=reason, lost=lost, duration_ns=taken_ns)
        return _with(msgspec.structs.replace(blank, lost=lost, duration_ns=taken_ns), answer)

    def _built(
        self, cell: PlannedCell, points: Sequence[Point]
    ) -> tuple[dict[int, tuple[Artifact, ...]], tuple[Tried, ...]]:
        """The files by batch, and the points for which there are none."""
        files: dict[int, tuple[Artifact, ...]] = {}
        failures: dict[int, Reason] = {}
        for batch in sorted({point.batch for point in points}):
            # Only where shapes are fixed does a batch need files of its own.
            of = batch if cell.variant == "static" else 1
            ready = self._files.ready(cell.model, cell.precision, cell.variant, of, cell.backend)
            if ready.failure is None:
                files[batch] = ready.artifacts
            else:
                failures[batch] = Reason(kind=ready.failure.kind.value, message=ready.failure.message)
        excluded = (Tried(point=point, reason=failures.get(point.batch)) for point in points)
        return files, tuple(tried for tried in excluded if tried.reason is not None)

    def _job(
        self,
        cell: PlannedCell,
        default: Point,
        points: tuple[Point, ...],
        files: dict[int, tuple[Artifact, ...]],
        excluded: tuple[Tried, ...],
    ) -> TuneJob:
        model = msgspec.convert(self._plan.models[cell.model], ModelCard)
        backend = msgspec.convert(self._plan.backends[cell.backend], BackendCard)
        left = available_bytes()
        return TuneJob(
            adapter=adapter_ref(backend),
            workload=code("workloads", model.workload),
            artifacts=files,
            request=Request(
                scope=cell.scope,
                batch=default.batch,
                seed=self._plan.seed,
                params=_params(model, max(point.batch for point in points), traffic.params(cell.scenario)),
                data=self._plan.sources.get(f"data:{cell.model}"),
                room=self._plan.sources.get(f"room:{cell.model}"),
            ),
            points=points,
            default=default,
            threads_option=backend.threads_option,
            excluded=excluded,
            box_ns=0,
            seed=self._plan.seed,
            keep_bytes=None if left is None else int(left * KEEP_SHARE),
        )

    def _searched(self, job: TuneJob, cell: PlannedCell) -> tuple[Tuned | Failure, int]:
        """The worker's answer, and how many workers were lost on the way to it."""
        backend = msgspec.convert(self._plan.backends[cell.backend], BackendCard)
        end = time.perf_counter_ns() + job.box_ns
        lost = 0
        while True:
            at: list[Point] = []

            def tell(event: Event, at: list[Point] = at) -> None:
                if isinstance(event, Trying):
                    at.append(event.point)
                self._say(event)

            self._work.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="tuning-", dir=self._work))
            try:
                answer = run_job(job, folder, environment_of(backend), self._limits, tell, self._stop)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            assert isinstance(answer, (Tuned, Failure))
            if isinstance(answer, Tuned) or answer.kind not in _BY_THE_POINT or not at:
                return answer, lost
            lost += 1
            left_ns = end - time.perf_counter_ns()
            if lost > MOST_LOST or (not job.repetitions and left_ns < LEAST_LEFT * job.box_ns):
                return answer, lost
            excluded = (*job.excluded, *_brought_down(job.points, at[-1], answer))
            job = msgspec.structs.replace(job, excluded=excluded, box_ns=left_ns)


def budget_ns(cell: PlannedCell, launches: int) -> int:
    """How long the search for a cell may take: it comes on top of its launches."""
    return round(min(MOST_S, max(LEAST_S, BUDGET_SHARE * cell.window_s * launches)) * 1e9)


def tuned_cell(cell: PlannedCell, found: Tuning) -> PlannedCell:
    """The cell as it is measured: with the parameters of the best point. Its id and identity stay what was planned."""
    point = found.best
    params = {**cell.scenario.params, "batch": point.batch, "instances": point.instances, "inflight": point.inflight}
    if point.threads is not None:
        params["threads"] = point.threads
    return msgspec.structs.replace(cell, scenario=Scenario(name=cell.scenario.name, params=params))


def _brought_down(points: Sequence[Point], at: Point, failure: Failure) -> list[Tried]:
    """The point that the worker ended at, and what can only fare worse."""
    found = [Tried(point=at, reason=Reason(kind=failure.kind.value, message=failure.message))]
    if failure.kind is FailureKind.OUT_OF_MEMORY:
        said = f"batch {at.batch} with {at.lanes} in flight ran out of memory, and this needs more"
        worse = [point for point in points if point != at and needs_more(point, at)]
        found += [Tried(point=point, reason=Reason(kind="memory", message=said)) for point in worse]
    return found


def _params(model: ModelCard, most: int, more: dict[str, Any]) -> dict[str, Any]:
    """The card's parameters with no more inputs than the largest batch takes.

    So points take the same inputs in their cycles, whatever their batch, and open sooner.
    """
    params = {**model.params, **more}
    inputs = params.get("inputs")
    return {**params, "inputs": min(inputs, most)} if isinstance(inputs, int) else params


def _with(blank: Tuning, answer: Tuned) -> Tuning:
    found: Search = answer.found
    failure = None
    if found.chosen is None:
        first = next((tried.reason for tried in found.surface if tried.reason is not None), None)
        failure = Reason(
            kind=first.kind if first else "raised",
            message=f"no point could be run: {first.message if first else 'nothing was measured'}",
        )
    return msgspec.structs.replace(
        blank,
        unit=answer.unit,
        chosen=found.chosen,
        surface=found.surface,
        gain=found.gain,
        confirmed=found.confirmed,
        same=found.same,
        pairs=found.pairs,
        slices=found.slices,
        versions=answer.versions,
        failure=failure,
    )
