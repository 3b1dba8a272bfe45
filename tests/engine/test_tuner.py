"""The parent's part: candidates, the time, workers that a point takes down; and whole searches with real workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench import store
from npubench.cards import BackendCard, with_threads
from npubench.discovery import catalogue
from npubench.engine import candidates, tuner
from npubench.engine.files import Files, Ready
from npubench.engine.launcher import Limits
from npubench.engine.loading import load_of
from npubench.engine.protocol import Trying, Tuned, TuneJob
from npubench.engine.tuner import Tuner, budget_ns
from npubench.scenarios import Scenario
from npubench.schema import Failure, FailureKind, Plan, encode, parse
from npubench.spi import Artifact
from npubench.stats.regret import best_of, regret, spread
from npubench.tuning import Point, Search, Tried, Tuning
from tests.support import null_card, null_plan

SECOND = 1_000_000_000


class Quiet:
    def building(self, model: str, text: str) -> None:
        """Nobody listens."""


def tuner_of(plan: Plan, tmp_path: Path, cache: Path) -> Tuner:
    limits = Limits(stall_s=60)
    files = Files(plan, cache, tmp_path / "work", Quiet(), limits, lambda: False)
    return Tuner(plan, tmp_path / "work", files, limits)


class Made:
    """Files that are there already."""

    def ready(self, *build: Any) -> Ready:
        return Ready(artifacts=(Artifact(role="model", path="add.onnx", sha256="0"),))


def tuner_with(run: Any, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tuner:
    """A tuner whose workers are the function `run`."""
    monkeypatch.setattr(tuner, "run_job", run)
    return Tuner(plan, tmp_path / "work", cast(Files, Made()), Limits())


def offline(backend: BackendCard, scenario: str = "offline:tune=1") -> Plan:
    return null_plan(backend, scenarios=(scenario,))


BACKENDS = catalogue().backends


def card(name: str, **more: Any) -> BackendCard:
    return msgspec.structs.replace(BACKENDS[name].card, **more)


@given(st.integers(1, 256), st.integers(1, 64))
def test_candidates_of_a_processor_fit_it(threads: int, batch: int) -> None:
    cpu = with_threads(card("cpu", threads_option="intra_op_num_threads"), threads)
    default = candidates.default_point(Scenario(name="offline", params={"batch": batch}), cpu, threads)
    assert default == Point(batch=batch, threads=threads)
    points = candidates.points(default, cpu, threads)
    assert points[0] == default
    assert len(set(points)) == len(points) <= candidates.MOST
    for point in points:
        assert point.threads is not None
        assert point.instances * point.threads <= threads
        assert point.lanes <= max(threads, default.lanes)
        assert batch / 4 <= max(point.batch, batch / 4) <= batch * 4
    if threads > 1:
        # All of the machine, in several instances.
        assert any(point.instances > 1 and point.instances * (point.threads or 0) > threads / 2 for point in points)


def test_candidates_of_an_accelerator_leave_threads_alone() -> None:
    gpu = card("cuda", threads_option="intra_op_num_threads", options={"intra_op_num_threads": 64})
    default = candidates.default_point(Scenario(name="offline", params={"batch": 8}), gpu, 64)
    points = candidates.points(default, gpu, 64)
    assert len(points) == 40
    assert {point.threads for point in points} == {None}
    assert {point.inflight for point in points} == {1, 2, 3, 4}


def test_a_card_says_itself_which_option_is_the_number_of_threads() -> None:
    plan = offline(card("cpu"))
    backend = msgspec.convert(plan.backends["cpu"], BackendCard)
    assert backend.threads_option == "intra_op_num_threads"
    assert with_threads(backend, 1).options["intra_op_num_threads"] == 1
    assert with_threads(null_card(), 1) == null_card()


def test_the_time_of_a_search_is_a_share_of_the_cell_s_within_bounds() -> None:
    (cell,) = offline(null_card()).cells
    for window_s, launches, seconds in ((60.0, 5, 150), (1.0, 1, 10), (600.0, 5, 600)):
        assert budget_ns(msgspec.structs.replace(cell, window_s=window_s), launches) == seconds * SECOND


def test_a_point_that_takes_the_worker_down_is_out_and_the_rest_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = offline(null_card())
    jobs: list[TuneJob] = []
    poor = Point(batch=1, instances=2)

    def run(job: TuneJob, folder: Path, environment: Any, limits: Any, say: Any, stop: Any) -> Tuned | Failure:
        jobs.append(job)
        if len(jobs) == 1:
            say(Trying(point=job.default))
            say(Trying(point=poor))
            return Failure(kind=FailureKind.OUT_OF_MEMORY, message="its memory grew", phase="tune")
        surface = (Tried(point=job.default, rates=(1.0,)), *job.excluded)
        return Tuned(found=Search(default=job.default, chosen=job.default, surface=surface), unit="sample", versions={})

    found = tuner_with(run, plan, tmp_path, monkeypatch).tune(plan.cells[0])
    assert found.lost == 1
    assert found.failure is None
    assert found.chosen == found.default
    reasons = {tried.point: tried.reason.kind for tried in found.surface if tried.reason is not None}
    assert reasons[poor] == "out_of_memory"
    assert reasons[Point(batch=4, instances=2, inflight=2)] == "memory"
    assert Point(batch=1, inflight=2) not in reasons
    assert jobs[1].box_ns < jobs[0].box_ns


@pytest.mark.parametrize("kind", [FailureKind.DEVICE_LOST, FailureKind.CRASHED])
def test_what_ends_the_search_is_in_the_document(
    kind: FailureKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = offline(null_card())

    def run(job: TuneJob, folder: Path, environment: Any, limits: Any, say: Any, stop: Any) -> Failure:
        say(Trying(point=next(p for p in job.points if p not in {tried.point for tried in job.excluded})))
        return Failure(kind=kind, message="gone", phase="tune")

    found = tuner_with(run, plan, tmp_path, monkeypatch).tune(plan.cells[0])
    assert found.failure is not None
    assert found.failure.kind == kind.value
    assert found.lost == (0 if kind is FailureKind.DEVICE_LOST else tuner.MOST_LOST + 1)
    assert found.best == found.default


def test_a_real_search_on_the_null_backend_is_written_once_and_read_again(tmp_path: Path, model_cache: Path) -> None:
    plan = offline(null_card(work_ns=200_000))
    found = tuner_of(plan, tmp_path, model_cache).tune(plan.cells[0], SECOND)
    assert found.failure is None
    assert found.unit == "sample"
    assert found.versions["npubench-worker"]
    # The one-node graph takes one row at a time, and the null backend one request at a time.
    for tried in found.surface:
        if tried.reason is not None:
            # Where this machine is slow there is no time for all.
            assert tried.reason.kind in ("time", "unsupported" if tried.point.batch > 1 else "same")
    assert found.best.batch == 1
    assert all(tried.rates for tried in found.surface if tried.reason is None)
    folder = store.RunFolder.create(tmp_path, "machine", "run")
    folder.write_tuning(found)
    assert list(folder.tunings()) == [found]
    assert parse(encode(found), Tuning, "x") == found


def test_a_real_search_with_onnx_runtime(tmp_path: Path, model_cache: Path) -> None:
    pytest.importorskip("onnxruntime")
    plan = offline(card("cpu"))
    found = tuner_of(plan, tmp_path, model_cache).tune(plan.cells[0], 2 * SECOND)
    assert found.failure is None
    assert found.default == Point(batch=1, threads=2)
    ran = {tried.point for tried in found.surface if tried.rates}
    assert found.best in ran
    assert {point.threads for point in ran} <= {1, 2}


def test_a_tuned_cell_is_the_same_cell_at_another_point() -> None:
    (cell,) = offline(card("cpu")).cells
    blank = Tuning(
        cell=cell.id,
        model="tiny",
        precision="fp32",
        variant="portable",
        backend="cpu",
        scope="device",
        default=Point(batch=1, threads=2),
    )
    assert tuner.tuned_cell(cell, blank).scenario.params == {**cell.scenario.params, "threads": 2}
    chosen = msgspec.structs.replace(blank, chosen=Point(batch=8, instances=2, threads=1, inflight=3))
    tuned = tuner.tuned_cell(cell, chosen)
    assert tuned.id == cell.id
    assert tuned.identity == cell.identity
    load = load_of(tuned, 0)
    assert (load.instances, load.inflight) == (2, 3)
    assert tuned.scenario.params["batch"] == 8
    assert tuned.scenario.params["threads"] == 1


@pytest.mark.slow
def test_a_backend_that_crashes_at_every_point_is_a_failure_and_no_exception(tmp_path: Path, model_cache: Path) -> None:
    plan = offline(null_card(fault="crash", fault_at=0))
    found = tuner_of(plan, tmp_path, model_cache).tune(plan.cells[0], 20 * SECOND)
    assert found.failure is not None
    assert found.failure.kind == "crashed"
    assert found.lost == tuner.MOST_LOST + 1


def searched(**rates: tuple[float, ...]) -> Tuning:
    points = {name: Point(batch=number) for number, name in enumerate(rates, 1)}
    return Tuning(
        cell="c",
        model="m",
        precision="fp32",
        variant="portable",
        backend="b",
        scope="device",
        default=Point(batch=1),
        surface=tuple(Tried(point=points[name], rates=found) for name, found in rates.items()),
    )


def test_regret_is_taken_within_blocks() -> None:
    """The second block was slow for all: only ratios count."""
    found = searched(default=(10.0, 5.0, 10.0), good=(20.0, 10.0, 20.0), best=(22.0, 11.0, 22.0))
    assert best_of(found) == Point(batch=3)
    assert regret(found, Point(batch=3)) == 0
    assert regret(found, Point(batch=2)) == pytest.approx(1 - 20 / 22)
    assert regret(found, Point(batch=9)) is None
    assert regret(searched(), Point(batch=1)) is None


def test_the_spread_is_what_naming_equal_slices_by_chance_shows() -> None:
    assert spread([(1.0, 1.0)] * 8) == pytest.approx(0.0)
    assert spread([(1.0, 1.1)] * 4) is None
    assert spread([(1.0, 1.1), (1.1, 1.0)] * 4) == pytest.approx(1 - 1 / 1.1)
