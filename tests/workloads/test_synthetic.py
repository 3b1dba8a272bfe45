"""The workload of known service times: the times it promises, and the faults it is asked for."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from npubench.adapters.null import NullSession
from npubench.errors import CardError, UnsupportedError
from npubench.spi import Artifact, Begins, Bound, Request, RequestError
from npubench.workloads.synthetic import STATUS, Synthetic, service_times
from tests.workloads.fakes import CountingClock


def bound(seed: int = 0, **params: Any) -> Bound:
    session = NullSession(Artifact(role="m", path="", sha256="0" * 64), {})
    made: Bound = Synthetic().bind({"m": session}, Request(scope="device", seed=seed, params=params), CountingClock())
    return made


@pytest.mark.parametrize("name", ["fixed", "exponential", "two-point"])
def test_service_times_have_the_mean_and_are_the_same_for_a_seed(name: str) -> None:
    params = {"mean_ns": 2_000_000, "distribution": name, "inputs": 40_000}
    times = service_times(params, 3)
    assert times.mean() == pytest.approx(2_000_000, rel=0.03)
    assert np.array_equal(times, service_times(params, 3))
    assert name == "fixed" or not np.array_equal(times, service_times(params, 4))


def test_a_step_takes_at_least_its_service_time() -> None:
    made: Any = bound(mean_ns=300_000, distribution="exponential", inputs=20)
    for index in range(20):
        start = time.perf_counter_ns()
        assert made.step(index) == 1
        assert time.perf_counter_ns() - start >= made.takes_ns(index)


def test_faults_are_where_they_were_asked_for() -> None:
    made: Any = bound(mean_ns=10, inputs=4, doubles_at=6, stall_at=2, stall_ns=500, fails_every=4)
    assert [made.takes_ns(index) for index in range(8)] == [10, 10, 510, 10, 10, 10, 20, 20]
    for index in range(8):
        if index % 4 == 3:
            with pytest.raises(RequestError) as caught:
                made.step(index)
            assert caught.value.status == STATUS
        else:
            made.step(index)
    assert bound(stall_at=0).takes_ns(0) == 2_001_000_000  # type: ignore[attr-defined]


def test_requests_overlap_only_where_servers_are_asked_for() -> None:
    assert not isinstance(bound(), Begins)
    made = bound(servers=2, mean_ns=1_000)
    assert isinstance(made, Begins)
    made.close()


def test_its_outputs_are_the_sessions() -> None:
    outputs = bound().inspect(3)
    assert [value.shape for value in outputs.values()] == [(1, 4)]


@pytest.mark.parametrize(
    "params", [{"distribution": "normal"}, {"mean_ns": 0}, {"mean_ns": "1"}, {"fails_every": -1}, {"stall_at": 1.5}]
)
def test_parameters_that_make_no_sense_are_named(params: dict[str, Any]) -> None:
    with pytest.raises(CardError, match=next(iter(params))):
        bound(**params)


def test_it_has_one_scope_and_one_graph() -> None:
    workload = Synthetic()
    with pytest.raises(UnsupportedError):
        workload.bind({}, Request(scope="service"), CountingClock())
    with pytest.raises(CardError, match="exactly one"):
        workload.bind({}, Request(scope="device"), CountingClock())
