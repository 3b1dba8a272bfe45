"""A confirmed load is held for its energy where a meter answers: beyond the search's time, and changing nothing."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.discovery import code
from npubench.energy import PlannedMeter
from npubench.engine import holding, idling, loading
from npubench.engine.capacity_answer import shown, with_hold
from npubench.engine.plan import Budget, Part, Wanted, make
from npubench.engine.protocol import Load, Search
from npubench.errors import RunInterruptedError
from npubench.rules import load
from npubench.schema import Capacity, Plan, Trial, TrialPurpose, Window, encode, parse
from npubench.spi import Availability, Channel
from npubench.stats.held import energy_window, hold_of, holds, not_held, work_of
from npubench.stats.samples import read
from npubench.stats.trials import Limits
from tests.engine.test_capacity import QUICK, Simulated, constant
from tests.engine.test_measuring import MS, TARGET, job, measured
from tests.engine.test_run import Quiet, execute, new_folder
from tests.support import MACHINE, null_card, null_plan, tensor_model

RULES = load()
S = 1_000_000_000
POWER = Channel(name="nvml.0.power", unit="W", scope="card", kind="instant", source="made", device="0000:01:00.0")
STATE = Channel(name="nvml.0.why", unit="", scope="card", kind="state", source="made", quantity="throttle")
HEAT = Channel(name="nvml.0.heat", unit="C", scope="card", kind="instant", source="made", quantity="temperature")
# Older third-party meters leave the quantity at its default.
COUNTER = Channel(name="old.energy", unit="J", scope="node", kind="counter", source="made", quantity="temperature")


def meter(*channels: Channel, here: bool = True, backends: tuple[str, ...] = ()) -> PlannedMeter:
    return PlannedMeter(
        name="made",
        code="made:Meter",
        backends=backends,
        availability=Availability(available=here, reason="" if here else "no such sensor"),
        channels=channels,
    )


def planned(
    *scenarios: str,
    meters: tuple[PlannedMeter, ...] = (meter(POWER),),
    profile: str = "standard",
    launches: int = 2,
    mix: tuple[Part, ...] = (),
    backends: tuple[str, ...] = ("null",),
    **card: Any,
) -> Plan:
    model = msgspec.structs.replace(tensor_model(), workload="detection")
    return make(
        run="20261124T000000Z-abc123",
        wanted=[Wanted(model="tiny", scenarios=scenarios)] if scenarios else [],
        models={"tiny": model},
        backends={name: msgspec.structs.replace(null_card(name), **card) for name in backends},
        inputs={},
        machine=MACHINE,
        rules=RULES,
        budget=Budget(profile=profile, seconds=60.0, launches=launches, max_window_s=10.0),
        seed=0,
        suite=None,
        mix=mix,
        meters=meters,
    )


@pytest.mark.parametrize(
    ("meters", "profile", "hold_s"),
    [
        ((meter(POWER),), "standard", 30.0),
        ((meter(HEAT), meter(COUNTER)), "nightly", 30.0),
        ((meter(POWER),), "smoke", 0.0),
        ((meter(POWER, here=False),), "standard", 0.0),
        ((meter(HEAT, STATE),), "standard", 0.0),
        ((), "standard", 0.0),
    ],
)
def test_a_load_is_held_where_a_meter_gives_power_or_energy(
    meters: tuple[PlannedMeter, ...], profile: str, hold_s: float
) -> None:
    plan = planned("cameras:fps=15", meters=meters, profile=profile)
    (cell,) = plan.cells
    assert plan.hold_s == hold_s
    assert holding.held_s(plan, cell) == holding.added_s(plan, cell) == hold_s
    search = loading.search_of(cell, None, holding.held_s(plan, cell))
    assert search is not None
    assert search.hold_ns == round(hold_s * 1e9)
    assert parse(encode(plan), Plan, "plan.json") == plan


def test_the_search_keeps_its_time_and_its_window() -> None:
    with_meter, without = planned("cameras:fps=15"), planned("cameras:fps=15", meters=())
    assert [cell.window_s for cell in with_meter.cells] == [cell.window_s for cell in without.cells]
    assert (with_meter.hold_s, without.hold_s) == (30.0, 0.0)


def test_only_what_a_meter_reads_is_held() -> None:
    plan = planned("server", backends=("npu", "other"), meters=(meter(POWER, backends=("npu",)),))
    assert {cell.backend: holding.held_s(plan, cell) for cell in plan.cells} == {"npu": 30.0, "other": 0.0}


def test_an_emulator_is_not_held() -> None:
    verified = msgspec.structs.replace(null_card().verified, how="simulated")
    plan = planned("cameras:fps=15", verified=verified)
    assert [holding.held_s(plan, cell) for cell in plan.cells] == [0.0]


def test_given_loads_last_for_as_long_as_their_energy_needs_and_others_as_planned() -> None:
    names = ("single-stream", "offline", "server:rate=10", "cameras:cameras=2", "cameras")
    plan, bare = planned(*names), planned(*names, meters=())
    seconds = {cell.scenario.name + str(len(cell.scenario.params)): cell.window_s for cell in plan.cells}
    before = {cell.scenario.name + str(len(cell.scenario.params)): cell.window_s for cell in bare.cells}
    longer = {name for name in seconds if seconds[name] != before[name]}
    assert {name: seconds[name] for name in longer} == dict.fromkeys(longer, 30.0)
    assert len(longer) == 2
    assert all(holding.added_s(plan, cell) == 0 for cell in plan.cells if cell.window_s == 30.0)
    assert all(before[name] <= 10 for name in longer)


def test_the_services_of_a_mix_last_for_as_long_as_their_energy_needs() -> None:
    mix = (Part(model="tiny", scenario="cameras:cameras=2"), Part(model="tiny", scenario="server:rate=5"))
    plan = planned(mix=mix)
    assert len(plan.cells) == 4
    assert {cell.window_s for cell in plan.cells} == {30.0}
    assert {cell.window_s for cell in planned(mix=mix, meters=()).cells} != {30.0}


# Finding and holding, on a clock of the simulation's own.


@settings(max_examples=15, **QUICK)  # type: ignore[arg-type]
@given(
    st.integers(5_000, 90_000),
    st.sampled_from([0, 5, 15]),
    st.integers(0, 99),
    st.sampled_from([5, 20, 60]),
    st.integers(0, 40),
)
def test_a_hold_changes_nothing_of_what_was_found(service_us: int, fps: int, seed: int, budget: int, hold: int) -> None:
    device = Simulated(constant(service_us / 1e6), fps=fps, poisson=not fps, seed=seed)
    found = device.find(budget)
    before = len(device.tried)
    held = with_hold(found, hold * S, device.attempt)
    assert msgspec.structs.replace(held, trials=()) == msgspec.structs.replace(found, trials=())
    assert held.trials[: len(found.trials)] == found.trials
    assert shown(held) == shown(found)
    window = shown(found).window
    needed = bool(found.confirmed) and hold > 0 and window.end_ns - window.start_ns < hold * S
    assert device.tried[before:] == ([(found.confirmed, hold * S, "hold")] if needed else [])
    if needed and held.trials[-1].ended == "planned":
        longest = energy_window(window, held)
        assert longest.end_ns - longest.start_ns >= hold * S


def lasted_s(window: Window) -> float:
    return (window.end_ns - window.start_ns) / 1e9


def never(load: float, duration_ns: int, purpose: TrialPurpose) -> Trial:
    raise AssertionError("nothing is to be held")


def test_what_was_confirmed_in_a_long_window_or_not_at_all_is_not_held() -> None:
    long = Trial(
        purpose="confirm",
        load=4.0,
        window=Window(start_ns=0, end_ns=31 * S),
        queries=700,
        over=0,
        dropped=0,
        failed=0,
        passed=True,
        percent=99,
    )
    found = Capacity(searched="cameras", confirmed=4.0, percent=99, trials=(long,))
    assert with_hold(found, 30 * S, never) is found
    for confirmed in (None, 0.0):
        nothing = msgspec.structs.replace(found, confirmed=confirmed)
        assert with_hold(nothing, 60 * S, never) is nothing
    assert with_hold(found, 0, never) is found


# In real processes, on requests of known service times.

SEARCH = Search(searched="rate", whole=False, per_load=1.0, budget_ns=1_500 * MS, known=100.0, hold_ns=2_500 * MS)
LOAD = Load(arrival="poisson", inflight=1)
# A busy machine pauses everything for a tenth of a second now and then: that is to decide nothing here.
PATIENT = msgspec.structs.replace(TARGET, held={"sample": Limits(latency_ns=2_000 * MS)})


def test_a_search_is_followed_by_a_hold_of_what_it_confirmed(tmp_path: Path) -> None:
    done, samples = measured(tmp_path, job(tmp_path, LOAD, window_ms=1_500, target=PATIENT, search=SEARCH))
    found = done.capacity
    assert found is not None
    assert found.confirmed
    *_, last = found.trials
    assert (last.purpose, last.load, last.ended) == ("hold", found.confirmed, "planned")
    assert last.window.end_ns - last.window.start_ns >= SEARCH.hold_ns
    assert [trial.purpose for trial in found.trials].count("hold") == 1
    # What was confirmed, and the window that counts, are the search's.
    assert done.window == shown(msgspec.structs.replace(found, trials=found.trials[:-1])).window
    assert done.window.end_ns <= last.window.start_ns
    windows = [(trial.window.start_ns, trial.window.end_ns) for trial in found.trials]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(windows))
    # Beyond the search's time, and every request of it has ended within its window.
    assert last.window.end_ns - windows[0][0] > SEARCH.budget_ns
    inside = samples.within(last.window.start_ns, last.window.end_ns)
    assert len(inside.table) == last.queries
    assert int(inside.column("completed_ns").max()) <= last.window.end_ns
    scenario = msgspec.convert({"name": "server"}, type(planned("server").cells[0].scenario))
    work = work_of(samples, energy_window(done.window, found), done.unit, scenario, found)
    assert work.requests == last.queries - last.failed
    if last.failed_by is None:
        assert (work.searched, work.load) == ("rate", found.confirmed)


def test_a_confirmation_that_was_long_enough_is_not_held(tmp_path: Path) -> None:
    search = msgspec.structs.replace(SEARCH, hold_ns=200 * MS)
    done, _ = measured(tmp_path, job(tmp_path, LOAD, window_ms=1_500, target=PATIENT, search=search))
    assert done.capacity is not None
    assert done.capacity.confirmed
    assert hold_of(done.capacity) is None
    assert energy_window(done.window, done.capacity) == done.window


def test_a_device_that_stalls_while_it_is_held_makes_the_confirmed_load_doubtful(tmp_path: Path) -> None:
    # No trial of the search has that many requests.
    wanted = job(
        tmp_path,
        LOAD,
        window_ms=1_500,
        params={"stall_at": 220, "stall_ns": 4_000 * MS},
        target=PATIENT,
        search=msgspec.structs.replace(SEARCH, hold_ns=3_000 * MS),
    )
    done, _ = measured(tmp_path, wanted)
    found = done.capacity
    assert found is not None
    assert found.confirmed
    hold = hold_of(found)
    assert hold is not None
    assert hold.failed_by in ("latency", "queue")
    assert found.failed != found.confirmed
    doubt = not_held(found)
    assert doubt is not None
    assert "was not held for" in doubt.en
    # It was not given up as soon as that was clear: its energy is that of the whole time.
    assert hold.window.end_ns - hold.window.start_ns >= 3_000 * MS


def test_cameras_and_users_are_held_too(tmp_path: Path) -> None:
    cameras = Search(searched="cameras", whole=True, per_load=4.0, budget_ns=3_000 * MS, known=10.0, hold_ns=3_500 * MS)
    users = Search(searched="users", whole=True, per_load=None, budget_ns=4_000 * MS, known=2.0, hold_ns=4_500 * MS)
    for name, arrivals, search in (
        ("cameras", Load(arrival="frames", fps=4.0, inflight=2), cameras),
        ("users", Load(arrival="users", think_ns=20 * MS, inflight=4), users),
    ):
        folder = tmp_path / name
        folder.mkdir()
        done, samples = measured(folder, job(folder, arrivals, window_ms=1_500, target=PATIENT, search=search))
        hold = hold_of(done.capacity)
        assert done.capacity is not None
        assert hold is not None
        assert hold.load == done.capacity.confirmed
        assert hold.window.end_ns - hold.window.start_ns >= search.hold_ns
        assert len(samples.within(hold.window.start_ns, hold.window.end_ns).table) == hold.queries - hold.left


def test_a_search_that_fills_its_rows_leaves_the_hold_its_own(tmp_path: Path) -> None:
    wanted = msgspec.structs.replace(
        job(tmp_path, LOAD, window_ms=1_500, target=PATIENT, search=SEARCH), max_samples=300
    )
    done, samples = measured(tmp_path, wanted)
    assert done.capacity is not None
    hold = hold_of(done.capacity)
    assert hold is not None
    assert hold.ended == "planned"
    assert len(samples.table) > 300


@pytest.mark.parametrize("arrivals", [Load(arrival="poisson", value=4.0), Load(arrival="users", value=1.0, think_ns=S)])
def test_a_given_load_lasts_for_its_whole_window(tmp_path: Path, arrivals: Load) -> None:
    done, _ = measured(tmp_path, job(tmp_path, arrivals, window_ms=700))
    assert done.window.end_ns - done.window.start_ns >= 700 * MS


@pytest.mark.slow
def test_a_resumed_run_holds_what_its_later_launches_confirm(
    tmp_path: Path, model_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both launches, of two invocations, hold their load; nothing that is published but energy knows of it."""
    search_of = loading.search_of
    monkeypatch.setattr(loading, "search_of", lambda cell, known, hold_s: search_of(cell, known or 40.0, hold_s))
    monkeypatch.setattr(loading, "held", lambda cell, rules: PATIENT.held)
    short = msgspec.structs.replace(RULES, energy=msgspec.structs.replace(RULES.energy, idle_s=0.5, window_s=1.0))
    for module in ("run", "launching"):
        monkeypatch.setattr(f"npubench.engine.{module}.load", lambda name: short)
    monkeypatch.setattr(idling, "effect", lambda sample, stop, seed: None)
    plan = null_plan(null_card(work_ns=2 * MS), launches=2, scenarios=("server",), window_s=2.0)
    cells = tuple(msgspec.structs.replace(cell, window_s=4.0, warmup_s=0.2) for cell in plan.cells)
    # It says that heat slows the device, all the time.
    form = {"form": "constant:25;scope=node;throttle=thermal:0:100000"}
    hot = msgspec.structs.replace(meter(POWER), code=code("meters", "synthetic"), options=form)
    plan = msgspec.structs.replace(plan, cells=cells, hold_s=4.5, meters=(hot,))
    folder = new_folder(tmp_path, plan)
    with pytest.raises(RunInterruptedError):
        execute(plan, folder, model_cache, Quiet(stop_after=1))
    run = execute(folder.plan(), folder, model_cache, Quiet())
    launches = list(folder.launches())
    confirmed = [launch.capacity.confirmed if launch.capacity is not None else None for launch in launches]
    for launch, load_held in zip(launches, confirmed, strict=True):
        hold = hold_of(launch.capacity)
        assert (hold is not None) == bool(load_held)
        if hold is None or launch.window is None:
            # A machine that is busy with something else confirms nothing in so short a time.
            continue
        assert hold.load == load_held
        # Energy is that of the hold; what slows the device counts there, and in the window of the latencies.
        assert launch.energy.window == hold.window
        assert launch.energy.scopes["node"].energy_j == pytest.approx(25 * lasted_s(hold.window), rel=0.01)
        assert launch.energy.requests == hold.queries - hold.dropped - hold.failed - hold.left
        assert len([reason for reason in launch.reasons if "slowed by heat" in reason.en]) == 2
        assert launch.verdict != "valid"
        assert hold.window.end_ns - hold.window.start_ns >= 4_500 * MS
        samples = read(folder.samples_path(launch.cell, launch.number))
        inside = samples.within(launch.window.start_ns, launch.window.end_ns)
        assert launch.summary["sample_count"].value == int((inside.column("status") == 0).sum())
        assert len(samples.within(hold.window.start_ns, hold.window.end_ns).table) == hold.queries - hold.left
    (cell,) = run.cells
    assert cell.capacity is not None
    known = [load_held for load_held in confirmed if load_held is not None]
    assert cell.capacity.confirmed == (min(known) if len(known) == 2 else None)
    assert [hold.load for hold in holds(cell.capacity)] == [found for found in confirmed if found]
