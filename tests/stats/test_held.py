"""The confirmed load held for its energy: which window, what was done in it, and that it decides nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from npubench.scenarios import Scenario
from npubench.schema import DROPPED, SAMPLE_COLUMNS, Capacity, Launch, Trial, TrialPurpose, Window
from npubench.stats import merged
from npubench.stats.conforming import needed_by
from npubench.stats.held import energy_window, held_load, hold_of, not_held, work_of
from npubench.stats.trials import Limits, chance, trial
from tests.stats.test_conclude import CAMERAS, MS, RULES, S, concluded, confirming, frames

_, _, _, COMPLETED, UNITS, _, STATUS, _ = range(len(SAMPLE_COLUMNS))
SEARCH = Window(start_ns=0, end_ns=700 * 20 * MS)
HOLD = Window(start_ns=700 * 20 * MS, end_ns=2200 * 20 * MS)


def held(window: Window = HOLD, **more: Any) -> Trial:
    facts: dict[str, Any] = {
        "purpose": "hold",
        "load": 3.0,
        "window": window,
        "queries": 1500,
        "over": 0,
        "dropped": 0,
        "failed": 0,
        "passed": True,
        "percent": 99,
    }
    return Trial(**{**facts, **more})


MISSED = held(over=40, passed=False, percent=None, failed_by="latency")


def searched(*holds: Trial, confirmed: float | None = 3.0, **more: Any) -> Capacity:
    return Capacity(
        searched="cameras",
        confirmed=confirmed,
        percent=99 if confirmed else None,
        failed=4.0,
        failed_by="drops",
        sustained_per_s=61.5,
        trials=(confirming(SEARCH), *holds),
        **more,
    )


def test_the_energy_window_is_the_holds_where_there_is_one_else_the_launches() -> None:
    assert energy_window(SEARCH, searched(held())) == HOLD
    assert energy_window(SEARCH, searched()) == SEARCH
    assert energy_window(SEARCH, None) == SEARCH
    # A table that was full before its first request.
    assert energy_window(SEARCH, searched(held(queries=0, passed=False, percent=None))) == SEARCH


def test_work_is_what_was_completed_in_the_window_and_the_load_that_was_held() -> None:
    samples = frames(2200)
    samples.table[700:710, STATUS] = DROPPED
    samples.table[710:715, STATUS] = 5
    found = searched(held())
    work = work_of(samples, energy_window(SEARCH, found), "frame", CAMERAS, found)
    assert (work.requests, work.units, work.unit) == (1485, 1485, "frame")
    assert (work.searched, work.load) == ("cameras", 3.0)
    assert work_of(samples, SEARCH, "frame", CAMERAS, found).requests == 700


def test_units_are_counted_in_the_service_unit_and_samples_by_the_batch() -> None:
    samples = frames(10)
    samples.table[:, UNITS] = 7
    window = Window(start_ns=0, end_ns=S)
    offline = Scenario(name="offline", params={"batch": 4})
    assert work_of(samples, window, "token", offline, None).units == 70
    assert work_of(samples, window, "sample", offline, None, samples_per_row=4).units == 40
    # A unit of somebody else's workload: its requests are samples, as in the summary.
    assert work_of(samples, window, "words", offline, None).units == 10
    assert work_of(samples, window, "token", offline, None).load is None


def test_a_load_that_was_not_held_is_no_load_to_divide_by() -> None:
    assert held_load(searched(MISSED)) is None
    assert held_load(searched(confirmed=0.0)) is None
    assert held_load(searched(confirmed=None)) is None
    # Too few requests to tell takes nothing back.
    assert held_load(searched(held(passed=False, percent=None))) == 3.0
    work = work_of(frames(2200), HOLD, "frame", CAMERAS, searched(MISSED))
    assert (work.searched, work.load) == (None, None)
    assert work.requests == 1500


def test_a_search_that_confirmed_no_load_has_none_whose_energy_could_be_published() -> None:
    for found in (searched(confirmed=0.0), searched(confirmed=None)):
        work = work_of(frames(2200), SEARCH, "frame", CAMERAS, found)
        assert work.withheld is not None
        assert "no load was confirmed" in work.withheld.en
        assert work.requests == 700
    assert work_of(frames(2200), HOLD, "frame", CAMERAS, searched(held())).withheld is None
    assert work_of(frames(2200), HOLD, "frame", CAMERAS, searched(MISSED)).withheld is None
    assert work_of(frames(2200), SEARCH, "frame", CAMERAS, None).withheld is None


def test_a_given_load_counts_as_held_where_it_was_shown_to_keep_its_bound() -> None:
    scenario = Scenario(name="cameras", params={"fps": 15, "cameras": 2})
    samples = frames(700)
    kept = msgspec.structs.replace(confirming(SEARCH), load=2.0)
    assert work_of(samples, SEARCH, "frame", scenario, None, given=kept).load == 2.0
    missed = msgspec.structs.replace(kept, passed=False, percent=None, failed_by="queue")
    assert work_of(samples, SEARCH, "frame", scenario, None, given=missed).load is None
    assert work_of(samples, SEARCH, "frame", scenario, None).load is None


def test_a_hold_that_missed_the_bound_degrades_the_launch_and_says_so_in_both_languages() -> None:
    samples = frames(2200)
    found = concluded(samples, window=SEARCH, capacity=searched(MISSED))
    assert found.verdict == "degraded"
    (reason,) = found.reasons
    assert reason.en == ("the confirmed load was not held for 30 s: 40 of 1,500 requests missed the bound (latency)")
    assert (
        reason.ko == "확정한 부하를 30 s 동안 유지하지 못했습니다: 요청 1,500건 중 40건이 한계를 넘었습니다(지연 시간)"
    )
    assert found.summary["capacity_cameras"].value == 3
    assert concluded(samples, window=SEARCH, capacity=searched(held())).verdict == "valid"
    assert not_held(None) is None


def test_the_holds_samples_are_in_no_figure_of_the_summary() -> None:
    samples = frames(2200)
    samples.table[700:, COMPLETED] += 400 * MS
    found = concluded(samples, window=SEARCH, capacity=searched(held()))
    alone = concluded(frames(700), window=SEARCH, capacity=searched())
    assert found == alone


@pytest.mark.parametrize(
    ("over", "searching", "holding"),
    [(5, None, None), (30, None, None), (32, "latency", None), (42, "latency", None), (47, "latency", "latency")],
)
def test_a_hold_fails_where_chance_does_not_explain_how_many_were_late(
    over: int, searching: str | None, holding: str | None
) -> None:
    samples = frames(3000)
    samples.table[: over * 50 : 50, COMPLETED] += 100 * MS
    window = Window(start_ns=0, end_ns=3000 * 20 * MS)

    def judged(purpose: TrialPurpose) -> Trial:
        return trial(
            samples,
            window,
            load=3.0,
            purpose=purpose,
            limits=Limits(latency_ns=50 * MS),
            needed=needed_by(RULES, "cameras"),
        )

    assert (judged("confirm").over, judged("confirm").failed_by) == (over, searching)
    assert judged("hold").failed_by == holding
    assert judged("hold").passed == judged("confirm").passed


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.integers(1, 200_000), st.floats(0, 0.2), st.sampled_from([0.01, 0.05, 0.1]))
def test_the_chance_is_the_binomials(queries: int, late: float, share: float) -> None:
    over = round(queries * late)
    expected = float(stats.binom.sf(over - 1, queries, share)) if over > queries * share else 1.0
    assert chance(queries, over, share) == pytest.approx(expected, rel=1e-6, abs=1e-200)


TRIALS = st.builds(
    held,
    load=st.sampled_from([2.0, 3.0, 4.0, 5.0]),
    over=st.integers(0, 1500),
    passed=st.booleans(),
    failed_by=st.sampled_from([None, "latency", "drops", "queue", "errors", "generator"]),
)


def launch(number: int, capacity: Capacity) -> Launch:
    return Launch(run="r", cell="c", number=number, started="now", status="ok", capacity=capacity)


@settings(max_examples=50, derandomize=True, deadline=None)
@given(
    st.lists(st.sampled_from([None, 0.0, 2.0, 3.0]), min_size=1, max_size=4), st.lists(TRIALS, min_size=4, max_size=4)
)
def test_holds_change_nothing_of_what_launches_found_together(loads: list[float | None], holds: list[Trial]) -> None:
    without = merged.capacity([launch(n, searched(confirmed=load)) for n, load in enumerate(loads, 1)])
    with_holds = merged.capacity([launch(n, searched(holds[n - 1], confirmed=load)) for n, load in enumerate(loads, 1)])
    assert without is not None
    assert with_holds is not None
    assert [trial for trial in with_holds.trials if trial.purpose != "hold"] == list(without.trials)
    assert msgspec.structs.replace(with_holds, trials=()) == msgspec.structs.replace(without, trials=())


@pytest.mark.parametrize("capacity", [None, searched(), searched(confirmed=None)])
def test_without_a_hold_there_is_none_to_tell_of(capacity: Capacity | None) -> None:
    assert hold_of(capacity) is None
