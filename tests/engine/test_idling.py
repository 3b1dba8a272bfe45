"""Power around launches: baselines, clocks and costs, kept once per invocation, whatever becomes of the launches."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from npubench import store
from npubench.energy import PlannedMeter, Window
from npubench.engine import idling
from npubench.engine.idling import Around
from npubench.engine.launcher import Limits, StopRequested
from npubench.engine.metering import metering
from npubench.engine.run import Execution
from npubench.errors import RunInterruptedError
from npubench.rules import EnergyRule, Ruleset, load
from npubench.schema import Plan
from npubench.spi import Availability
from npubench.stats.readings import Readings
from npubench.stats.runs import assembled
from npubench.store import sha256_file
from tests.engine.test_mixing import PARTS, mixed
from tests.engine.test_run import Quiet, new_folder
from tests.support import null_card, null_plan

SYNTHETIC = PlannedMeter(
    name="synthetic",
    code="npubench.meters.synthetic:SyntheticMeter",
    backends=("null",),
    availability=Availability(available=True),
)
RULE = EnergyRule(window_s=0.3, coverage=0.9, refreshes=2, idle_s=0.4, drift=0.05)


def plan_of(*meters: PlannedMeter, **more: int) -> Plan:
    return msgspec.structs.replace(null_plan(null_card(), window_s=0.5, **more), meters=meters)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ruleset with short windows, and an effect of two pairs."""
    monkeypatch.setenv("NPUBENCH_SYNTHETIC_POWER", "constant:25")
    rules = msgspec.structs.replace(load(), energy=RULE)

    def short(name: str = "") -> Ruleset:
        return rules

    for module in ("run", "launching"):
        monkeypatch.setattr(f"npubench.engine.{module}.load", short)
    known = idling.effect
    monkeypatch.setattr(
        idling, "effect", lambda sample, stop, seed: known(sample, stop, pairs=2, block_s=0.02, seed=seed)
    )


def around(tmp_path: Path, plan: Plan, body: Callable[[Around, list[str]], None]) -> store.RunFolder:
    folder = new_folder(tmp_path, plan)
    said: list[str] = []
    with metering(plan, folder.path) as meters:
        body(Around(plan, folder, meters, RULE, said.append, lambda: False), said)
    return folder


def test_a_session_has_baselines_costs_effect_and_clocks(tmp_path: Path) -> None:
    def body(session: Around, said: list[str]) -> None:
        session.begin(pulse=False)
        assert session.before["synthetic.power"].mean_w == pytest.approx(25)
        session.end(finished=True)
        assert any("idle power for 0 s" in line for line in said)

    folder = around(tmp_path, plan_of(SYNTHETIC), body)
    (found,) = folder.sessions()
    assert found.number == 1
    assert found.meters == ("synthetic",)
    assert found.before["synthetic.power"].mean_w == found.after["synthetic.power"].mean_w
    assert found.costs["synthetic"].readings > 5
    assert found.effect is not None
    assert found.effect.blocks == 4
    assert found.pulses == ()
    assert len(found.clock) == 2
    assert set(found.files) == {"1-before.npz", "1-after.npz"}
    for name, digest in found.files.items():
        path = folder.path / "power" / name
        assert sha256_file(path) == digest
        assert Readings.decode(path).of("synthetic.power")["value"].tolist()


def test_without_a_meter_only_the_clocks_are_kept(tmp_path: Path) -> None:
    def body(session: Around, said: list[str]) -> None:
        session.begin(pulse=False)
        session.end(finished=True)
        assert said == []

    (found,) = around(tmp_path, plan_of(), body).sessions()
    assert (found.before, found.after, found.costs, found.effect, found.files) == ({}, {}, {}, None, {})
    assert len(found.clock) == 2


def test_a_smoke_run_does_not_measure_the_effect(tmp_path: Path) -> None:
    def body(session: Around, said: list[str]) -> None:
        session.begin(pulse=False)
        session.end(finished=True)

    plan = msgspec.structs.replace(plan_of(SYNTHETIC), profile="smoke")
    (found,) = around(tmp_path, plan, body).sessions()
    assert found.effect is None
    assert found.before


def test_a_pulse_is_announced_and_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = idling.pulses
    monkeypatch.setattr(idling, "pulses", lambda stop: known(stop, ((0.05, 0.05), (0.05, 0.1))))

    def body(session: Around, said: list[str]) -> None:
        session.begin(pulse=True)
        session.end(finished=True)
        assert "external meter" in said[0]

    (found,) = around(tmp_path, plan_of(), body).sessions()
    assert len(found.pulses) == 2
    # An external meter's log has the idle power there, whether a meter answers here or not.
    assert found.rest is not None
    assert found.rest.start_ns >= found.pulses[-1].end_ns
    nothing = msgspec.structs.replace(plan_of(), meters=())
    (unread,) = around(tmp_path / "unread", nothing, body).sessions()
    assert unread.rest is not None
    assert not unread.before


def test_a_stop_while_idle_is_kept_and_a_later_invocation_is_another_session(tmp_path: Path) -> None:
    plan = plan_of(SYNTHETIC)
    folder = new_folder(tmp_path, plan)
    with metering(plan, folder.path) as meters:
        session = Around(plan, folder, meters, RULE, lambda text: None, lambda: True)
        with pytest.raises(StopRequested):
            session.begin(pulse=False)
        session.end(finished=False)
    with metering(plan, folder.path) as meters:
        session = Around(plan, folder, meters, RULE, lambda text: None, lambda: False)
        session.begin(pulse=False)
        session.end(finished=True)
    first, second = folder.sessions()
    assert (first.number, second.number) == (1, 2)
    assert first.before == first.after == {}
    assert second.before
    assert second.after


@pytest.mark.slow
def test_a_resumed_run_has_two_sessions_and_its_launches_have_joules(
    tmp_path: Path, model_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin_ns = time.perf_counter_ns()
    monkeypatch.setenv("NPUBENCH_SYNTHETIC_POWER", f"ramp:20:1@{origin_ns}")

    def exact_j(window: Window) -> float:
        start_s, end_s = ((at - origin_ns) / 1e9 for at in (window.start_ns, window.end_ns))
        return 20 * (end_s - start_s) + (end_s**2 - start_s**2) / 2

    plan = plan_of(SYNTHETIC, launches=2)
    folder = new_folder(tmp_path, plan)
    first = Quiet(stop_after=1)
    with pytest.raises(RunInterruptedError):
        Execution(plan, folder, model_cache, first, Limits(stall_s=20), first.stop).carry_out()
    again = Quiet()
    run = Execution(plan, folder, model_cache, again, Limits(stall_s=20), again.stop).carry_out()
    before, after = folder.sessions()
    assert before.after == {}, "stopped: nobody waits for a baseline"
    assert after.after
    assert run == assembled(folder)
    assert {name for name in run.files if name.startswith("power/")} == {"power/1.json", "power/2.json"}
    for launch in folder.launches():
        assert launch.energy.window is not None
        exact = exact_j(launch.energy.window)
        for name in ("synthetic.power", "synthetic.energy"):
            found = launch.energy.channels[name]
            assert found.energy_j == pytest.approx(exact, rel=0.005), found.reason
            assert found.ours is True
        assert launch.power is not None
        kept = folder.path / "launches" / launch.power.file
        assert sha256_file(kept) == launch.power.sha256
        assert Readings.decode(kept).channels
    assert not (folder.path / "work").exists()


@pytest.mark.slow
def test_services_side_by_side_have_no_totals_of_what_both_drew_on(
    tmp_path: Path, model_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPUBENCH_SYNTHETIC_POWER", "ramp:20:1;scope=node")
    plan = msgspec.structs.replace(mixed(*PARTS), meters=(SYNTHETIC,), profile="smoke")
    folder = new_folder(tmp_path, plan)
    quiet = Quiet()
    Execution(plan, folder, model_cache, quiet, Limits(stall_s=20), quiet.stop).carry_out()
    together = {cell.id for cell in plan.cells if cell.mix is not None}
    for launch in folder.launches():
        node = launch.energy.scopes["node"]
        assert launch.energy.channels["synthetic.energy"].ours is (None if launch.cell in together else True)
        if launch.cell in together:
            assert node.energy_j is None
            assert "2 services ran at the same time" in str(node.reason)
        else:
            assert node.reason is None or "services" not in node.reason.en
