"""The measure verb with every kind of load, in real worker processes, on requests of known service times."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from npubench.adapters.llm_http.adapter import LlmHttpAdapter
from npubench.discovery import code
from npubench.engine import table
from npubench.engine.launcher import run_job
from npubench.engine.measuring import measure
from npubench.engine.protocol import CLOSED, AdapterRef, Event, Load, Measured, MeasureJob, Search, Target, Together
from npubench.schema import Failure
from npubench.spi import Artifact, Request
from npubench.stats.early_stopping import needed
from npubench.stats.samples import Samples
from npubench.stats.trials import Limits
from tests.standins.openai_process import Standin, standin

MS = 1_000_000
PROMPTS = Path(__file__).resolve().parents[2] / "models" / "data" / "civic-prompts"


def job(
    folder: Path, load: Load, *, window_ms: int = 300, params: dict[str, Any] | None = None, **more: Any
) -> MeasureJob:
    """A measurement of requests that take 2 ms."""
    return MeasureJob(
        adapter=AdapterRef(code=code("adapters", "null"), device={"type": "none"}),
        workload=code("workloads", "synthetic"),
        artifacts=(Artifact(role="model", path="none", sha256=""),),
        request=Request(scope="device", params={"mean_ns": 2 * MS, "distribution": "fixed", **(params or {})}),
        load=load,
        folder=str(folder),
        window_ns=window_ms * MS,
        warmup_ns=20 * MS,
        least_samples=1,
        max_samples=20_000,
        max_tokens=1,
        **more,
    )


def measured(folder: Path, wanted: MeasureJob) -> tuple[Measured, Samples]:
    answer = run_job(wanted, folder)
    assert isinstance(answer, Measured), answer
    return answer, Samples(*table.read(folder))


TARGET = Target(
    held={"sample": Limits(latency_ns=50 * MS)},
    needed=((99.0, needed(99, 200)), (90.0, needed(90, 200))),
)


def test_a_given_rate_is_one_window_of_arrivals(tmp_path: Path) -> None:
    done, samples = measured(tmp_path, job(tmp_path, Load(arrival="poisson", value=100.0, inflight=2)))
    assert done.capacity is None
    scheduled = samples.column("scheduled_ns")
    assert ((scheduled >= done.window.start_ns) & (scheduled < done.window.start_ns + 300 * MS)).all()
    assert 10 < len(scheduled) < 60
    assert (samples.latency_ns >= 2 * MS).all()


def test_given_cameras_send_their_frames(tmp_path: Path) -> None:
    done, samples = measured(tmp_path, job(tmp_path, Load(arrival="frames", value=3.0, fps=20.0, inflight=2)))
    assert set(samples.column("stream").tolist()) == {0, 1, 2}
    assert len(samples.table) == 18
    assert done.unit == "sample"


def test_lanes_share_offline_requests_over_instances_and_devices(tmp_path: Path) -> None:
    load = Load(arrival="at-once", devices=2, instances=2, inflight=2)
    done, samples = measured(tmp_path, job(tmp_path, load))
    assert set(samples.column("stream").tolist()) == set(range(8))
    assert (samples.column("scheduled_ns") == done.window.start_ns).all()


def test_users_wait_for_their_answers_and_think(tmp_path: Path) -> None:
    load = Load(arrival="users", value=3.0, think_ns=20 * MS, inflight=3)
    _, samples = measured(tmp_path, job(tmp_path, load))
    for user in range(3):
        mine = samples.table[samples.column("stream") == user]
        order = np.argsort(mine[:, 0])
        # scheduled_ns is the first column, completed_ns the fourth.
        assert (mine[order][1:, 0] - mine[order][:-1, 3] == 20 * MS).all()


def test_a_searched_rate_is_confirmed_in_a_window_of_its_own(tmp_path: Path) -> None:
    search = Search(searched="rate", whole=False, per_load=1.0, budget_ns=4_000 * MS)
    load = Load(arrival="poisson", inflight=1)
    done, samples = measured(tmp_path, job(tmp_path, load, window_ms=4_000, target=TARGET, search=search))
    assert done.capacity is not None
    assert done.capacity.confirmed is not None
    # Requests of 2 ms, one at a time: no machine is faster.
    assert done.capacity.confirmed <= 500
    windows = [(trial.window.start_ns, trial.window.end_ns) for trial in done.capacity.trials]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(windows))
    for trial in done.capacity.trials:
        assert len(samples.within(trial.window.start_ns, trial.window.end_ns).table) == trial.queries - trial.left
    if done.capacity.confirmed:
        assert any(
            trial.purpose == "confirm" and trial.passed and trial.window == done.window
            for trial in done.capacity.trials
        )


def test_a_device_that_serves_no_camera_has_a_capacity_of_zero_and_a_sustained_rate(tmp_path: Path) -> None:
    target = msgspec.structs.replace(TARGET, held={"sample": Limits(latency_ns=10 * MS)})
    search = Search(searched="cameras", whole=True, per_load=20.0, budget_ns=2_000 * MS)
    wanted = job(
        tmp_path,
        Load(arrival="frames", fps=20.0),
        window_ms=2_000,
        params={"mean_ns": 30 * MS},
        target=target,
        search=search,
    )
    done, _ = measured(tmp_path, wanted)
    assert done.capacity is not None
    assert (done.capacity.confirmed, done.capacity.failed) == (0.0, 1.0)
    assert done.capacity.failed_by is not None
    assert done.capacity.sustained_per_s
    assert done.capacity.sustained_per_s > 0


def test_the_windows_of_a_mix_begin_together(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.mkdir()
    together = Together(folder=str(gate), count=2)
    found: list[Measured] = []

    def one(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        found.append(measured(folder, job(folder, Load(arrival="completion"), together=together))[0])

    threads = [threading.Thread(target=one, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = found
    assert max(first.window.start_ns, second.window.start_ns) < min(first.window.end_ns, second.window.end_ns)


def test_who_waits_for_a_mix_that_will_not_come_says_so(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.mkdir()
    (gate / CLOSED).touch()
    folder = tmp_path / "a"
    folder.mkdir()
    answer = run_job(job(folder, Load(arrival="completion"), together=Together(folder=str(gate), count=2)), folder)
    assert isinstance(answer, Failure)
    assert answer.phase == "gate"
    assert "another launch of the mix failed" in answer.message


@pytest.mark.parametrize("fault", [{"fails_every": 10}, {"doubles_at": 20}, {"stall_at": 30, "stall_ns": 100 * MS}])
def test_faults_stay_in_the_samples(tmp_path: Path, fault: dict[str, int]) -> None:
    done, samples = measured(tmp_path, job(tmp_path, Load(arrival="poisson", value=100.0), params=fault, window_ms=500))
    assert done.window.end_ns > done.window.start_ns
    if "fails_every" in fault:
        assert 0 < int((samples.column("status") > 0).sum()) < len(samples.table)
    if "stall_at" in fault:
        # Those that queued behind the stall waited too: latency counts from when they were due.
        assert int((samples.latency_ns > 50 * MS).sum()) > 1
    assert (samples.latency_ns >= samples.column("completed_ns") - samples.column("issued_ns")).all()


class Limiter:
    """Hears what a worker tells its parent; its server refuses everything while something is checked."""

    def __init__(self, server: Standin) -> None:
        self.server = server
        self.phases: list[str] = []
        self.answers: list[Event] = []

    def enter(self, phase: str) -> None:
        self.phases.append(phase)
        self.server.set(status=429 if phase == "check" else 0)

    def send(self, event: Event) -> None:
        self.answers.append(event)


def test_a_limiter_that_refuses_what_is_not_timed_costs_no_window(tmp_path: Path) -> None:
    """A complete window of a server was lost where the requests behind it were refused, which compared nothing."""
    with standin(ttft_ms=2, tpot_ms=1) as server:
        wanted = MeasureJob(
            adapter=AdapterRef(
                code=code("adapters", "llm_http"),
                device={"type": "endpoint"},
                options={"url": server.url, "model": "stand-in", "prompt": "ids"},
            ),
            workload=code("workloads", "llm"),
            artifacts=(Artifact(role="decoder", path="", sha256=""),),
            request=Request(
                scope="service", params={"prompt_tokens": 8, "new_tokens": 4, "inputs": 2}, data=str(PROMPTS)
            ),
            load=Load(arrival="completion"),
            folder=str(tmp_path),
            window_ns=100 * MS,
            warmup_ns=20 * MS,
            least_samples=1,
            max_samples=1000,
            max_tokens=4000,
        )
        events = Limiter(server)
        measure(wanted, lambda _: LlmHttpAdapter(), events)
    (done,) = events.answers
    assert isinstance(done, Measured)
    assert events.phases.count("check") == 2
    assert done.left == 0
    assert (Samples(*table.read(tmp_path)).column("status") == 0).all()
